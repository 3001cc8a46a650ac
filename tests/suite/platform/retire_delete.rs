//! Tests of `retire: delete` with lost answers: nothing is deleted twice or forgotten.

use amigops_emulator::Fault;

use super::{Kind, health_coach, is_delete, is_set_write, keep_writes, watch};
use crate::apply::replacement;
use crate::harness::{answer, is_activation, is_create, is_rename, on_first};

const DELETE: &str = "lifecycle: {on_agent_change: replace, retire: delete}\n";

#[test]
fn the_old_service_is_deleted_after_the_hand_over() {
    let lab = health_coach("Coach Noor", DELETE);
    let old = lab.active("Health Coach");
    let writes = keep_writes(&lab, |_| None);
    lab.apply().expect(0);
    let writes = writes.lock().unwrap().clone();
    let [create, learn, rename, activation, delete] = &writes[..] else { panic!("five writes: {writes:?}") };
    assert_eq!(learn.body, "{}", "what learns the limit changes nothing, and comes before the rename");
    assert!(is_create(create) && is_rename(rename) && is_activation(activation) && is_delete(delete));
    assert!(delete.path.ends_with(&format!("/services/{}", old.id)), "{}", delete.path);
    let [new] = &lab.services()[..] else { panic!("one service is left: {:?}", lab.services()) };
    assert_eq!((new.name.as_str(), new.is_active), ("Health Coach", true));
    lab.expect_converged();
}

#[test]
fn each_answer_can_be_lost() {
    let kinds: [(&str, Kind); 4] =
        [("create", is_create), ("rename", is_rename), ("activation", is_activation), ("delete", is_delete)];
    for (name, kind) in kinds {
        for verdict in [Some(Fault::LoseRequest), Some(Fault::LoseAnswer)] {
            let lab = health_coach("Coach Noor", DELETE);
            lab.before(on_first(kind, verdict.clone()));
            let moments = watch(&lab);
            let run = lab.apply();
            assert_eq!(run.code, Some(0), "{name} {verdict:?}: {}", run.stderr);
            let services = lab.services();
            let [new] = &services[..] else { panic!("{name} {verdict:?}: {services:?}") };
            assert_eq!((new.name.as_str(), new.is_active), ("Health Coach", true), "{name} {verdict:?}");
            let moments = moments.lock().unwrap().clone();
            let sound = |(active, named): &(usize, usize)| *active >= 1 && *named <= 1;
            assert!(moments.iter().all(sound), "{name} {verdict:?}: {moments:?}");
            lab.remove_hooks();
            lab.expect_converged();
        }
    }
}

#[test]
fn a_lost_version_set_write_is_retried() {
    for verdict in [Some(Fault::LoseRequest), Some(Fault::LoseAnswer)] {
        let lab = health_coach("Coach Maya", "");
        let manifest = replacement::manifest("Coach Maya", "");
        lab.manifests(&manifest.replace("context_graph_version: 6", "context_graph_version: 4"));
        lab.before(on_first(is_set_write, verdict));
        lab.apply().expect(0);
        let written =
            lab.writes().iter().filter(|write| write.path.contains("/version-sets/staging")).count();
        assert_eq!(written, 2);
        assert_eq!(lab.active("Health Coach").version_sets["staging"].context_graph_version, Some(4));
        lab.remove_hooks();
        lab.expect_converged();
    }
}

#[test]
fn a_refused_deletion_is_retried_by_the_next_run() {
    let lab = health_coach("Coach Noor", DELETE);
    let old = lab.active("Health Coach").id;
    lab.before(on_first(is_delete, answer(403, r#"{"detail":"Service.delete is missing"}"#)));
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("Service.delete is missing"), "{}", run.stderr);
    assert_eq!(lab.services().len(), 2);
    lab.apply().expect(0);
    assert!(lab.services().iter().all(|service| service.id != old), "{:?}", lab.services());
    lab.expect_converged();
}
