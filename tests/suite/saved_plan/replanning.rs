//! Tests that applying a saved plan makes the plan again, from the current manifests, guardrails and live state.

use amigops::model::Api;

use crate::apply::replacement;
use crate::harness::{EMPTY, Lab, run_git, service};
use crate::on_both_apis;

/// A seed with Desk, Other, and two orphans.
const SEED: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}, {name: Two, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}]
    services:
      - {name: Desk, description: The desk, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Other, description: The Other, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Summer, description: The summer, agent: One, context_graph: Flow, active: true, tags: {managed_by: amigops}}
      - {name: Theirs, description: The others, agent: One, context_graph: Flow, active: true, tags: {managed_by: sisters}}
";

fn lab(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.manifests(&[service("Desk", ""), service("Other", "")].join("---\n"));
    lab
}

/// Returns the manifest of Desk and the manifest `other`, as one file.
fn with_desk(other: &str) -> String {
    [service("Desk", ""), other.to_owned()].join("---\n")
}

on_both_apis! {
    fn a_changed_manifest_outside_the_plan_is_allowed_and_ignored(api: Api) {
        let others = [
            service("Other", "").replace("The Other", "Changed since"),
            service("Other", "version_sets: {release: {agent_version: 99}}\n"),
            service("Other", "").replace("agent: One", "agent: Nobody"),
            [service("Other", ""), service("New", "depends_on: [Desk]\n")].join("---\n"),
            [service("Other", ""), service("Theirs", "")].join("---\n"),
        ];
        for other in others {
            let lab = lab(api);
            lab.run(&["plan", "--out", "plan.json"]).expect(0);
            lab.manifests(&with_desk(&other));
            let run = lab.run(&["apply", "plan.json"]).expect(0);
            assert!(run.stderr.contains("Applied: 1 step"), "{other}: {}", run.stderr);
            assert!(run.stderr.contains("read back: converged"), "{other}: {}", run.stderr);
            assert_eq!(lab.active("Desk").description, "The Desk");
            assert_eq!(lab.active("Other").description, "The Other");
            assert!(lab.services().iter().all(|service| service.name != "New"));
        }
    }

    fn a_changed_manifest_within_the_plan_is_refused_showing_both_versions(api: Api) {
        let desks: [(String, &[&str]); 4] = [
            (service("Desk", "").replace("The Desk", "Newer"), &["update.description", "The Desk → Newer"]),
            (service("Desk", "keyterms: [metformin]\n"), &["update.keyterms", "metformin"]),
            (service("Desk", "lifecycle: {prevent_removal: true}\n"), &["update.tags", "protected"]),
            // The plan would have the same steps, but the manifest is not the one that was approved.
            (service("Desk", "lifecycle: {retire: keep}\n"), &["fingerprint of the manifest"]),
        ];
        let lab = lab(api);
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        for (desk, words) in desks {
            lab.manifests(&[desk, service("Other", "")].join("---\n"));
            let run = lab.run(&["apply", "plan.json"]).expect(3);
            for word in words.iter().chain(&["the plan from the current manifests and live state differs", "Desk", "nothing was sent"]) {
                assert!(run.stderr.contains(word), "{word}: {}", run.stderr);
            }
        }
        // Without a manifest of Desk, the new plan does not change Desk. The saved plan alone must not change it
        // either.
        lab.manifests(&service("Other", ""));
        let run = lab.run(&["apply", "plan.json"]).expect(3);
        assert!(run.stderr.contains("update.") && run.stderr.contains("Desk"), "{}", run.stderr);
        assert_eq!(lab.writes(), []);
    }

    fn a_plan_whose_manifests_are_gone_is_refused(api: Api) {
        let lab = lab(api);
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        let elsewhere = tempfile::tempdir().unwrap();
        let plan = lab.path().join("plan.json");
        let directory = elsewhere.path().to_str().unwrap();
        let run = lab.run(&["apply", plan.to_str().unwrap(), "-C", directory]).expect(3);
        assert!(run.stderr.contains("applying a saved plan needs the manifests"), "{}", run.stderr);
        std::fs::remove_dir_all(lab.path().join("services")).unwrap();
        lab.run(&["apply", "plan.json"]).expect(3);
        assert_eq!(lab.writes(), []);
    }

    fn guardrails_are_checked_again(api: Api) {
        let prune = ["apply", "plan.json", "--prune"];
        let rules: [(&str, &[&str]); 5] = [
            ("guardrails: {max_removals: 0}\n", &["removals in the plan is 1,", "max_removals"]),
            ("guardrails: {max_removals: \"30%\"}\n", &["removals in the plan is 1,", "allows 0 (30% of 3"]),
            ("guardrails: {protected: [Summer]}\n", &["would be retired", "guardrails.protected"]),
            ("defaults: {lifecycle: {retire: keep}}\n", &["Summer", "retire.how", "deactivate → keep"]),
            ("ownership: {value: another}\n", &["belongs to another project", "--take-over amigops"]),
        ];
        let lab = lab(api);
        lab.run(&["plan", "--prune", "--out", "plan.json"]).expect(0);
        for (rule, words) in rules {
            lab.project(rule);
            let run = lab.run(&prune).expect(3);
            for word in words.iter().chain(&["nothing was sent"]) {
                assert!(run.stderr.contains(word), "{rule}: {word}: {}", run.stderr);
            }
        }
        // A new guardrail that the plan obeys does not make the plan invalid.
        lab.project("guardrails: {max_removals: 1, protected: [Desk]}\nunmanaged_version_sets: [\"x-*\"]\n");
        // A maximum in percent refers to the services that are active now.
        lab.change(&lab.active("Other").id, |other| other.is_active = false);
        lab.project("guardrails: {max_removals: \"40%\"}\n");
        let run = lab.run(&prune).expect(3);
        assert!(run.stderr.contains("allows 0 (40% of 2"), "{}", run.stderr);
        assert_eq!(lab.writes(), []);
        lab.project("guardrails: {max_removals: 1, protected: [Desk]}\n");
        lab.run(&prune).expect(0);
        assert!(!lab.services().iter().any(|service| service.name == "Summer" && service.is_active));
        // Other was deactivated after the plan was made. The saved plan does not repair that, but the next plan does.
        let next = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        assert!(next.stdout.contains("~ Other") && next.stdout.contains("1 to reactivate"), "{}", next.stdout);
    }

    fn options_that_loosen_a_guardrail_must_be_given_again(api: Api) {
        let cases: [(&str, &[&str], &[&str]); 4] = [
            ("", &["--prune"], &["`--prune`"]),
            ("guardrails: {max_removals: 0}\n", &["--prune", "--max-removals", "1"], &["`--prune`", "`--max-removals 1`"]),
            ("guardrails: {protected: [Summer]}\n", &["--prune", "--allow-protected"], &["`--allow-protected`"]),
            ("", &["--take-over", "sisters"], &["`--take-over sisters`"]),
        ];
        for (rule, options, named) in cases {
            let lab = lab(api);
            lab.project(rule);
            lab.manifests(&with_desk(&service("Theirs", "")));
            if !options.contains(&"--take-over") {
                lab.manifests(&with_desk(&service("Other", "")));
            }
            lab.run(&[&["plan", "--out", "plan.json"], options].concat()).expect(0);
            let run = lab.run(&["apply", "plan.json"]).expect(3);
            for name in named.iter().chain(&["must be given again", "nothing was sent"]) {
                assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
            }
            assert_eq!((lab.writes(), lab.hooks.count()), (Vec::new(), 0), "nothing is even read");
            lab.run(&[&["apply", "plan.json"], options].concat()).expect(0);
            assert_ne!(lab.writes(), []);
        }
    }

    fn options_that_the_plan_was_not_made_with_are_refused(api: Api) {
        let lab = lab(api);
        lab.run(&["plan", "--only", "Desk", "--out", "plan.json"]).expect(0);
        let more: [&[&str]; 4] =
            [&["--prune"], &["--allow-protected"], &["--max-removals", "9"], &["--take-over", "sisters"]];
        for options in more {
            let run = lab.run(&[&["apply", "plan.json"], options].concat()).expect(3);
            assert!(run.stderr.contains("was made without `--") && run.stderr.contains(options[0]), "{}", run.stderr);
        }
        assert_eq!(lab.writes(), []);
        // Options that limit a plan to some services are recorded in the file, so they don't have to be given again.
        lab.run(&["apply", "plan.json"]).expect(0);
        assert_eq!(lab.active("Desk").description, "The Desk");
    }

    fn a_replacement_can_be_applied_on_another_day(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        // `SOURCE_DATE_EPOCH` changes only the date of the plan document, and not the dates in names of services.
        let day = |args: &[&str]| lab.run_with(args, &[("SOURCE_DATE_EPOCH", "315532800")]);
        day(&["plan", "--out", "plan.json"]).expect(0);
        let text = std::fs::read_to_string(lab.path().join("plan.json")).unwrap();
        assert!(text.contains("1980-01-01T00:00:00Z") && !text.contains("(replaced 1980"), "{text}");
        let (before, rest) = text.split_once("(replaced 20").unwrap();
        let today = format!("20{}", &rest[..8]);
        assert!(!before.contains("(replaced "));
        let edited = text.replace(&format!("(replaced {today}"), "(replaced 2026-01-02");
        crate::saved_plan::tampering::seal(&lab, serde_json::from_str(&edited).unwrap());
        day(&["apply", "plan.json"]).expect(0);
        let names: Vec<String> = lab.services().into_iter().map(|service| service.name).collect();
        let dated = format!("Health Coach (replaced {today}");
        assert!(names.iter().any(|name| name.starts_with(&dated)), "{dated}: {names:?}");
        lab.expect_converged();
    }

    fn conflicts_are_detected_again_whatever_the_file_says(api: Api) {
        let desk = |tier: &str| service("Desk", &format!("tags: {{tier: {tier}}}\n"));
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&desk("gold"));
        let git = |args: &[&str]| run_git(&lab.path(), args);
        git(&["init", "-q"]);
        git(&["add", "-A"]);
        git(&["commit", "-qm", "Start"]);
        lab.apply().expect(0);
        git(&["checkout", "-qb", "topic"]);
        lab.manifests(&desk("platinum"));
        let id = lab.active("Desk").id;
        lab.change(&id, |desk| drop(desk.tags.insert("tier".to_owned(), Some("silver".to_owned()))));
        lab.run(&["plan", "--base", "main", "--out", "plan.json"]).expect(3);
        // If the causes are removed from the file, they are computed again from the recorded commit.
        let text = std::fs::read_to_string(lab.path().join("plan.json")).unwrap();
        let mut edited: serde_json::Value = serde_json::from_str(&text).unwrap();
        for part in ["steps", "services"] {
            for one in edited[part].as_array_mut().unwrap() {
                one["changes"].as_array_mut().unwrap().iter_mut().for_each(|change| change["cause"] = serde_json::Value::Null);
            }
        }
        assert!(text.contains("\"both\"") && !edited.to_string().contains("\"both\""));
        crate::saved_plan::tampering::seal(&lab, edited.clone());
        let writes = lab.writes().len();
        let run = lab.run(&["apply", "plan.json"]).expect(3);
        assert!(run.stderr.contains("`tags.tier` is `silver` live and `platinum` in the manifest"), "{}", run.stderr);
        // The base branch of the plan may no longer exist, but the base commit must exist in the repository.
        edited["base"]["commit"] = serde_json::json!("0123456789abcdef0123456789abcdef01234567");
        crate::saved_plan::tampering::seal(&lab, edited.clone());
        let run = lab.run(&["apply", "plan.json"]).expect(3);
        assert!(run.stderr.contains("conflicts with live changes can't be detected"), "{}", run.stderr);
        edited["base"]["commit"] = serde_json::json!("HEAD");
        crate::saved_plan::tampering::seal(&lab, edited);
        lab.run(&["apply", "plan.json"]).expect(3);
        assert_eq!(lab.writes().len(), writes);
        lab.write("plan.json", &text);
        lab.run(&["apply", "plan.json", "--overwrite-drift"]).expect(0);
        assert_eq!(lab.active("Desk").tags["tier"].as_deref(), Some("platinum"));
    }
}
