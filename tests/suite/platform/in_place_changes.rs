//! Tests of agents that change in place: one request writes the agent and the pins, and changes by other clients are
//! kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use amigops::model::Api;
use amigops_emulator::{Fault, VersionSet};
use serde_json::json;

use super::{body, edit, health_coach, is_get, keep_writes};
use crate::apply::replacement;
use crate::harness::{Lab, WORKSPACE, is_update, on_first};

#[test]
fn one_request_changes_the_agent_and_the_version_sets() {
    let lab = health_coach("Coach Noor", "");
    lab.manifests(&replacement::manifest("Coach Noor", "").replace("agent_version: 3", "agent_version: 4"));
    let before = lab.active("Health Coach");
    let writes = keep_writes(&lab, |_| None);
    lab.apply().expect(0);
    let writes = writes.lock().unwrap().clone();
    let [put] = &writes[..] else { panic!("one write: {writes:?}") };
    assert_eq!((put.method.as_str(), put.path.ends_with(&before.id)), ("PUT", true));
    let body = body(put);
    assert_eq!(body["agent_id"], json!(lab.agent_id("Coach Noor")));
    assert!(body.get("context_graph_id").is_none() && body.get("description").is_none(), "{body}");
    let release = &body["version_sets"]["release"];
    assert_eq!(release["agent_version_number"], 4);
    assert_eq!(release["context_graph_version_number"], 5);

    let after = lab.active("Health Coach");
    assert_eq!(after.id, before.id);
    assert_eq!(after.agent_id, lab.agent_id("Coach Noor"));
    assert_eq!(after.version_sets["release"].agent_version, Some(4));
    assert_eq!(after.version_sets["release"].extra, before.version_sets["release"].extra);
    for untouched in ["staging", "personal-kim"] {
        assert_eq!(after.version_sets[untouched], before.version_sets[untouched], "{untouched}");
    }
    lab.expect_converged();
}

#[test]
fn an_operators_edit_of_an_unmanaged_set_before_the_request_is_kept() {
    let lab = Arc::new(health_coach("Coach Noor", ""));
    lab.manifests(&replacement::manifest("Coach Noor", "").replace("agent_version: 3", "agent_version: 4"));
    let id = lab.active("Health Coach").id;
    let (weak, service) = (Arc::downgrade(&lab), id.clone());
    let edited = AtomicBool::new(false);
    lab.before(move |request| {
        if is_get(request) && !edited.swap(true, Ordering::SeqCst) {
            edit(&weak.upgrade().unwrap(), &service, |service| {
                service.version_sets.get_mut("personal-kim").unwrap().agent_version = Some(2);
                let lee = VersionSet { agent_version: Some(1), ..VersionSet::default() };
                service.version_sets.insert("personal-lee".to_owned(), lee);
                service.keyterms = vec!["dosage".to_owned()];
            });
        }
        None
    });
    lab.apply().expect(0);
    let after = lab.service(&id);
    assert_eq!(after.version_sets["release"].agent_version, Some(4));
    assert_eq!(after.version_sets["personal-kim"].agent_version, Some(2));
    assert_eq!(after.version_sets["personal-lee"].agent_version, Some(1));
    assert_eq!(after.keyterms, ["dosage"]);
    lab.remove_hooks();
    lab.expect_converged();
}

#[test]
fn an_unmanaged_set_with_a_version_that_the_new_agent_lacks_is_reported() {
    let lab = health_coach("Coach Noor", "");
    let id = lab.active("Health Coach").id;
    // Coach Noor, the new agent, has only four versions, so version 5 can't stay pinned.
    edit(&lab, &id, |service| {
        service.version_sets.get_mut("personal-kim").unwrap().agent_version = Some(5);
    });
    let run = lab.apply().expect(0);
    let words = "the agent version of version set `personal-kim` is not declared, so it will be latest";
    assert!(run.stdout.contains(words), "{}", run.stdout);
    let after = lab.service(&id);
    assert_eq!(after.agent_id, lab.agent_id("Coach Noor"));
    assert_eq!(after.version_sets["personal-kim"].agent_version, None);
    lab.expect_converged();
}

#[test]
fn an_edit_of_an_undeclared_field_between_plan_and_apply_is_kept() {
    let lab = Arc::new(Lab::on(Api::Platform, replacement::SEED));
    let manifest = replacement::manifest("Coach Maya", "");
    lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
    lab.manifests(&format!("{manifest}voice_config: {{max_response_words: 30, empathy_hold_ms: 5}}\n"));
    lab.apply().expect(0);
    let id = lab.active("Health Coach").id;
    lab.manifests(&format!("{manifest}voice_config: {{tts_model: sonic-3}}\n"));
    // After the plan and before the first write, another client changes another field.
    let (weak, service, edited) = (Arc::downgrade(&lab), id.clone(), AtomicBool::new(false));
    lab.before(move |request| {
        if request.path.ends_with(&format!("/services/{service}")) && !edited.swap(true, Ordering::SeqCst) {
            let lab = weak.upgrade().unwrap();
            let change = |world: &mut amigops_emulator::World| {
                let home = world.workspace_mut(WORKSPACE).unwrap();
                let row = home.services_mut().get_mut(&service).unwrap();
                let voice = row.voice_config.as_mut().unwrap();
                voice.insert("max_response_words".to_owned(), 50.into());
            };
            lab.server.edit(change).unwrap();
        }
        None
    });
    lab.apply().expect(0);
    lab.remove_hooks();
    let voice = lab.settings(&id)["voice_config"].clone();
    assert_eq!(
        (&voice["tts_model"], &voice["max_response_words"]),
        (&"sonic-3".into(), &50.into()),
        "{voice}"
    );
    assert_eq!(voice["empathy_hold_ms"], 5, "{voice}");
    lab.expect_converged();
}

#[test]
fn an_update_whose_answer_is_another_service_is_read_back() {
    let lab = health_coach("Coach Noor", "");
    let id = lab.active("Health Coach").id;
    // The server answers with 200 and null, but does not carry out the update.
    lab.before(|request| if request.method == "PUT" { crate::harness::answer(200, "null") } else { None });
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("did not apply all of it: `agent_id`"), "{}", run.stderr);
    assert_eq!(lab.service(&id).agent_id, lab.agent_id("Coach Maya"));
}

#[test]
fn an_update_whose_answer_is_lost_is_retried() {
    for verdict in [Some(Fault::LoseRequest), Some(Fault::LoseAnswer)] {
        let lab = health_coach("Coach Noor", "");
        let id = lab.active("Health Coach").id;
        lab.before(on_first(is_update, verdict));
        lab.apply().expect(0);
        assert_eq!(lab.writes().len(), 2);
        let [service] = &lab.services()[..] else { panic!("{:?}", lab.services()) };
        assert_eq!((&service.id, &service.agent_id), (&id, &lab.agent_id("Coach Noor")));
        lab.remove_hooks();
        lab.expect_converged();
    }
}
