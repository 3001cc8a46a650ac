//! Each kind of live edit is drift, and each kind of change in Git is pending.

use amigops::model::Api;

use super::kinds::KINDS;
use super::{DESK, declared};
use crate::harness::{EMPTY, Lab, run_git, service};
use crate::on_both_apis;

/// Creates a lab with two services that were applied from the first commit.
fn committed_lab(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&declared());
    lab.git(&["init", "-q"]);
    lab.commit();
    lab.apply().expect(0);
    lab
}

/// Returns changes of the manifests, as the text to replace and its replacement.
fn changes() -> Vec<(&'static str, String)> {
    let desk = service("Desk", DESK);
    let front_desk = service("Front Desk", &format!("{DESK}lifecycle: {{renamed_from: Desk}}\n"));
    vec![
        ("description: The Shop", "description: A new text".to_owned()),
        ("tier: gold", "tier: silver".to_owned()),
        ("tier: gold", "other: gold".to_owned()),
        ("agent_version: 2", "agent_version: 3".to_owned()),
        ("dev: {agent_version: 1}", "dev: {agent_version: 1, context_graph_version: 1}".to_owned()),
        (", dev: {agent_version: 1}", String::new()),
        (", dev: {agent_version: 1}", ", extra: {agent_version: 1}".to_owned()),
        ("description: The Shop\nagent: One", "description: The Shop\nagent: Two".to_owned()),
        ("service: Shop\n", "service: Shop\nactive: false\n".to_owned()),
        ("service: Shop\n", "service: Shop\nlifecycle: {prevent_removal: true}\n".to_owned()),
        (desk.leak(), front_desk),
    ]
}

on_both_apis! {
    fn each_kind_of_live_edit_is_drift(api: Api) {
        for (number, (change, shown)) in KINDS.iter().enumerate() {
            let lab = committed_lab(api);
            change(&lab);
            let run = lab.run(&["drift"]).expect(2);
            for part in *shown {
                assert!(run.stdout.contains(part.trim_end()), "kind {number} lacks {part:?}:\n{}", run.stdout);
            }
            let heading = run.stdout.lines().next().unwrap();
            assert!(heading.ends_with(" · drift: 1 differs"), "kind {number}: {}", run.stdout);
            assert!(!run.stdout.contains("pending") && !run.stdout.contains("unknown"), "{}", run.stdout);
            // Drift is no conflict, so an apply corrects it.
            lab.apply().expect(0);
            lab.run(&["drift", "--pending"]).expect(0);
        }
    }

    fn each_kind_of_change_in_git_is_pending(api: Api) {
        for (before, after) in changes() {
            let lab = committed_lab(api);
            let manifests = declared().replacen(before, &after, 1);
            assert_ne!(manifests, declared(), "{before}");
            lab.manifests(&manifests);
            lab.commit();
            let run = lab.run(&["drift"]).expect(0);
            let heading = run.stdout.lines().next().unwrap();
            assert!(heading.ends_with(" · no drift, 1 pending"), "{before} → {after}:\n{}", run.stdout);
            assert!(run.stdout.contains("No drift, but pending: 1 of 2 "), "{}", run.stdout);
            assert!(!run.stdout.contains("unknown") && !run.stdout.contains("revert"), "{}", run.stdout);
            lab.run(&["drift", "--pending"]).expect(2);
            lab.apply().expect(0);
            lab.run(&["drift", "--pending"]).expect(0);
        }
    }

    fn new_defaults_are_pending_for_every_service(api: Api) {
        let lab = committed_lab(api);
        lab.project("defaults: {keyterms: [metformin]}\n");
        lab.commit();
        let run = lab.run(&["drift"]).expect(0);
        assert!(run.stdout.contains(" · no drift, 2 pending\n"), "{}", run.stdout);
    }
}

#[test]
fn a_clone_without_the_files_of_the_commit_gets_a_note() {
    let lab = committed_lab(Api::Classic);
    lab.manifests(&declared().replace("The Shop", "A new text"));
    lab.commit();
    lab.git(&["config", "uploadpack.allowFilter", "true"]);
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", lab.path().display());
    run_git(clone.path(), &["clone", "-q", "--filter=blob:none", &url, "."]);
    let run = lab.run(&["drift", "-C", clone.path().to_str().unwrap()]).expect(2);
    let note = "note: the causes of changes are unknown for `Shop`: can't read commit ";
    assert!(run.stderr.starts_with(note) && run.stderr.lines().count() == 1, "{}", run.stderr);
    assert!(run.stdout.contains("base unknown"), "{}", run.stdout);
}
