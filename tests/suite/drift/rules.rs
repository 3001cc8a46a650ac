//! Tests of guardrails, orphans and services of other owners in a drift report.

use super::{applied_lab, declared};
use amigops::model::Api;

use crate::harness::service;
use crate::on_both_apis;

on_both_apis! {
    fn guardrails_are_reported_but_do_not_refuse_drift(api: Api) {
        let lab = applied_lab(api);
        lab.project("guardrails: {max_removals: 0, protected: [Desk]}\n");
        let two = lab.agent_id("Two");
        lab.change(&lab.active("Desk").id, |desk| {
            let set = desk.version_sets["dev"].clone();
            desk.version_sets.insert("extra".to_owned(), set);
            desk.agent_id = two;
        });
        lab.change(&lab.active("Shop").id, |shop| shop.description = "edited".to_owned());
        lab.run(&["plan"]).expect(3);
        let run = lab.run(&["drift"]).expect(2);
        assert!(run.stdout.contains("One → Two") && run.stdout.contains("The Shop → edited"), "{}", run.stdout);
        let told = match api {
            // On Classic, the service is replaced, and its version set disappears with the old service.
            Api::Classic => "⚠ Desk: an apply would be refused: `Desk` would be replaced, but `guardrails.protected` lists it",
            Api::Platform => "⚠ Desk: an apply would be refused: the number of removals in the plan is 1",
        };
        assert!(run.stdout.contains(told), "{}", run.stdout);
        assert_eq!(run.stderr, "");
    }

    fn manifests_that_break_a_rule_are_an_error(api: Api) {
        let lab = applied_lab(api);
        lab.project("guardrails: {require_pins: [release]}\n");
        let latest = "version_sets: {release: {agent_version: latest, context_graph_version: 1}}\n";
        lab.manifests(&service("Desk", latest));
        lab.run(&["plan"]).expect(3);
        for args in [&["drift"][..], &["drift", "--all-environments"], &["drift", "--format", "json"]] {
            let run = lab.run(args).expect(1);
            assert_eq!((run.stderr.matches("AG029").count(), run.stdout.as_str()), (1, ""), "{}", run.stderr);
        }
        lab.manifests("# nothing\n");
        lab.run(&["plan"]).expect(3);
        let run = lab.run(&["drift"]).expect(1);
        assert!(run.stderr.contains("AG009"), "{}", run.stderr);
    }

    fn orphans_are_drift_only_with_prune(api: Api) {
        let lab = applied_lab(api);
        let protected = service("Old", "lifecycle: {prevent_removal: true}\n");
        lab.manifests(&[declared(), service("Summer", ""), protected].join("---\n"));
        lab.apply().expect(0);
        lab.manifests(&declared());
        let run = lab.run(&["drift"]).expect(0);
        assert!(run.stdout.contains("2 orphans (owned, but in no manifest): Old, Summer"), "{}", run.stdout);
        assert!(run.stdout.ends_with("No drift: 2 services are as declared.\n"), "{}", run.stdout);
        lab.run(&["plan", "--prune"]).expect(3);
        let run = lab.run(&["drift", "--prune"]).expect(2);
        assert!(run.stdout.lines().next().unwrap().ends_with(" · drift: 2 orphans"), "{}", run.stdout);
        assert!(run.stdout.contains("⚠ Old: an apply would be refused: `Old` would be retired"), "{}", run.stdout);
        assert!(run.stdout.contains("+ Summer"), "{}", run.stdout);
        assert!(run.stdout.contains("0 of 2 declared services differ") && run.stdout.contains("2 orphans in no manifest"), "{}", run.stdout);
    }

    fn a_service_taken_over_by_another_project_is_reported(api: Api) {
        let lab = applied_lab(api);
        lab.change(&lab.active("Desk").id, |desk| {
            desk.tags.insert("managed_by".to_owned(), Some("sisters\u{1b}[2J".to_owned()));
            desk.description = "theirs now".to_owned();
        });
        lab.change(&lab.active("Shop").id, |shop| shop.description = "edited".to_owned());
        lab.run(&["plan"]).expect(3);
        let run = lab.run(&["drift"]).expect(2);
        let parts = [
            "⚠ Desk: an apply would be refused: `Desk` (",
            "belongs to another project: its tag `managed_by` has the value `sisters␛[2J`",
            "The Desk → theirs now",
            "The Shop → edited",
            "Drift: 2 of 2 declared services differ",
        ];
        for part in parts {
            assert!(run.stdout.contains(part), "{part:?}:\n{}", run.stdout);
        }
        assert!(!run.stdout.contains("owner   "), "{}", run.stdout);
    }
}
