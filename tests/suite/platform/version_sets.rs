//! Tests of deleting a version set. The API has no request for that, so a run writes all other version sets instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use amigops::model::Api;
use amigops_emulator::VersionSet;
use serde_json::Value;

use super::{body, edit, health_coach, is_get, keep_writes};
use crate::apply::replacement;
use crate::harness::Lab;

/// Returns the manifest without the version set `staging`.
fn without_staging() -> String {
    let manifest = replacement::manifest("Coach Maya", "");
    let lines = manifest.lines().filter(|line| !line.contains("staging:"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn deleting_a_set_keeps_the_other_sets_as_they_are_now() {
    let lab = Arc::new(health_coach("Coach Maya", ""));
    lab.manifests(&without_staging());
    let id = lab.active("Health Coach").id;
    let (weak, service, edited) = (Arc::downgrade(&lab), id.clone(), AtomicBool::new(false));
    let writes = keep_writes(&lab, move |request| {
        if is_get(request) && !edited.swap(true, Ordering::SeqCst) {
            edit(&weak.upgrade().unwrap(), &service, |service| {
                let pinned = VersionSet { agent_version: Some(2), ..VersionSet::default() };
                service.version_sets.insert("personal-lee".to_owned(), pinned);
                service.version_sets.get_mut("personal-kim").unwrap().agent_version = Some(2);
                service.description = "Coaches all members".to_owned();
            });
        }
        None
    });
    lab.manifests(&without_staging().replace("description: Coaches members\n", ""));
    lab.apply().expect(0);
    let writes = writes.lock().unwrap().clone();
    let [put, commit] = &writes[..] else { panic!("one write, and one for the commit: {writes:?}") };
    let Value::Object(tags) = body(commit) else { panic!("{commit:?}") };
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["tags"]);
    let Value::Object(body) = body(put) else { panic!("{put:?}") };
    assert_eq!(body.keys().collect::<Vec<_>>(), ["version_sets"]);
    let after = lab.service(&id);
    assert_eq!(after.version_sets.keys().collect::<Vec<_>>(), ["personal-kim", "personal-lee", "release"]);
    assert_eq!(after.version_sets["personal-kim"].agent_version, Some(2));
    assert_eq!(after.description, "Coaches all members");
    lab.remove_hooks();
    lab.expect_converged();
}

#[test]
fn a_set_deleted_by_another_client_is_not_written() {
    let lab = Arc::new(health_coach("Coach Maya", ""));
    lab.manifests(&without_staging());
    let id = lab.active("Health Coach").id;
    let plan: Value = serde_json::from_str(&lab.run(&["plan", "--format", "json"]).expect(0).stdout).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let planned: Vec<_> = steps.iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(planned, ["delete_version_set", "update"]);
    let weak = Arc::downgrade(&lab);
    let writes = keep_writes(&lab, move |request| {
        if is_get(request) {
            edit(&weak.upgrade().unwrap(), &id, |service| {
                service.version_sets.remove("staging");
            });
        }
        None
    });
    lab.apply().expect(0);
    // The planned update of the tag `origin` is the only request.
    let writes = writes.lock().unwrap().clone();
    let [commit] = &writes[..] else { panic!("one write: {writes:?}") };
    let Value::Object(tags) = body(commit) else { panic!("{commit:?}") };
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["tags"]);
    lab.remove_hooks();
    lab.expect_converged();
}

#[test]
fn a_set_that_the_server_keeps_is_reported_by_every_run() {
    let lab = Lab::on_with(Api::Platform, replacement::SEED, |options| {
        options.platform.keeps_version_sets = true;
    });
    lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
    lab.manifests(&without_staging());
    for _ in 0..2 {
        let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        assert!(plan.stdout.contains("staging"), "{}", plan.stdout);
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("version set `staging` was not deleted"), "{}", run.stderr);
        assert!(run.stderr.contains("unmanaged_version_sets"), "what to do: {}", run.stderr);
    }
    let sets = lab.active("Health Coach").version_sets;
    assert_eq!(sets.keys().collect::<Vec<_>>(), ["personal-kim", "release", "staging"]);
    // The advice in the hint must work.
    lab.project("unmanaged_version_sets: [\"personal-*\", staging]\n");
    lab.expect_converged();
}
