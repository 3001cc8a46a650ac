//! Tests of `prune: true` in `amigops.yaml`: orphans are retired without `--prune`, and every guardrail is still
//! enforced.

use amigops::model::Api;

use super::{SEED, desk, orphan};
use crate::harness::{Lab, service};
use crate::on_both_apis;

/// Creates a lab with an orphan, `Summer`, and these lines in `amigops.yaml`.
fn lab(api: Api, project: &str) -> Lab {
    let lab = Lab::on(api, &format!("{SEED}{}", orphan("Summer", "")));
    lab.project(project);
    lab.manifests(&desk());
    lab
}

/// Writes `amigops.yaml` with the key `prune` of the project and of the lab's environment. `None` leaves the key out.
fn write_keys(lab: &Lab, project: Option<bool>, environment: Option<bool>) {
    lab.project(&project.map(|prune| format!("prune: {prune}\n")).unwrap_or_default());
    if let Some(prune) = environment {
        let text = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        lab.write("amigops.yaml", &text.replace("lab: {", &format!("lab: {{prune: {prune}, ")));
    }
}

fn is_active(lab: &Lab, name: &str) -> bool {
    lab.services().iter().any(|service| service.name == name && service.is_active)
}

const LISTED: &str = "1 orphan (owned, but in no manifest): Summer — retire with --prune, or with `prune: true` in amigops.yaml";

on_both_apis! {
    fn the_key_retires_orphans_and_the_environment_wins(api: Api) {
        let lab = lab(api, "");
        for (project, environment, retires) in [
            (None, None, false),
            (Some(true), None, true),
            (Some(false), None, false),
            (None, Some(true), true),
            (Some(false), Some(true), true),
            (Some(true), Some(false), false),
        ] {
            write_keys(&lab, project, environment);
            let run = lab.run(&["plan", "--detailed-exitcode"]).expect(if retires { 2 } else { 0 });
            assert_eq!(run.stdout.contains("1 to retire"), retires, "{project:?} {environment:?}: {}", run.stdout);
            assert_eq!(run.stdout.contains(LISTED), !retires, "{}", run.stdout);
            // A flag overrides both keys. If both flags are given, the last one counts.
            lab.run(&["plan", "--detailed-exitcode", "--prune"]).expect(2);
            lab.run(&["plan", "--detailed-exitcode", "--no-prune"]).expect(0);
            lab.run(&["plan", "--detailed-exitcode", "--no-prune", "--prune"]).expect(2);
            lab.run(&["plan", "--detailed-exitcode", "--prune", "--no-prune"]).expect(0);
        }
        write_keys(&lab, Some(true), None);
        lab.run(&["apply", "--auto-approve", "--no-prune"]).expect(0);
        assert!(is_active(&lab, "Summer"));
        lab.apply().expect(0);
        assert!(!is_active(&lab, "Summer"));
        lab.expect_converged();
    }

    fn only_retires_nothing(api: Api) {
        let lab = lab(api, "prune: true\n");
        lab.manifests(&[desk(), service("Other", "")].join("---\n"));
        // `Summer` could be the same service under another name.
        let only = ["--only", "Other", "--create", "Other"];
        let run = lab.run(&[&["plan"], &only[..]].concat()).expect(0);
        assert!(run.stdout.contains("Summer — not retired, because --only was given"), "{}", run.stdout);
        lab.run(&[&["apply", "--auto-approve"], &only[..]].concat()).expect(0);
        assert!(is_active(&lab, "Summer"));
    }

    fn guardrails_hold_without_the_flag(api: Api) {
        let limited = lab(api, "prune: true\nguardrails: {max_removals: 0}\n");
        let protected = Lab::on(api, &format!("{SEED}{}", orphan("Summer", ", protected: \"\"")));
        protected.project("prune: true\n");
        protected.manifests(&desk());
        for (lab, words) in [
            (limited, "the number of removals in the plan is 1, but `guardrails.max_removals` allows 0: 1 service retired (`Summer`)"),
            (protected, "`Summer` would be retired, but the tag `protected` of this service forbids that"),
        ] {
            for args in [&["plan"][..], &["apply", "--auto-approve"]] {
                let run = lab.run(args).expect(3);
                assert!(run.stderr.contains(words), "{}", run.stderr);
            }
            assert_eq!(lab.writes(), []);
        }
    }

    fn a_written_ownership_value_is_needed(api: Api) {
        let lab = lab(api, "ownership: {tag: managed_by}\nprune: true\n");
        for args in [&["validate"][..], &["plan"], &["plan", "--no-prune"], &["apply", "--auto-approve"]] {
            let run = lab.run(args).expect(3);
            for words in ["AG063", "amigops.yaml:7:8", "`prune: true` needs `ownership.value`", "--take-over amigops"] {
                assert!(run.stderr.contains(words), "{args:?} {words}: {}", run.stderr);
            }
        }
        lab.run(&["drift"]).expect(1);
        assert_eq!(lab.hooks.count(), 0, "nothing is asked of the API");
    }

    fn drift_counts_orphans_only_with_the_flag(api: Api) {
        let lab = lab(api, "prune: true\n");
        let run = lab.run(&["drift"]).expect(0);
        assert!(run.stdout.contains("1 orphan"), "{}", run.stdout);
        lab.run(&["drift", "--prune"]).expect(2);
    }

    fn a_saved_plan_needs_no_flag(api: Api) {
        let lab = lab(api, "prune: true\n");
        let plan = |more: &[&str]| drop(lab.run(&[&["plan", "--out", "plan.json"], more].concat()).expect(0));
        let apply = |more: &[&str]| lab.run(&[&["apply", "plan.json"], more].concat());
        // A saved plan that was made without pruning does not prune, even if the key says `prune: true`. It is refused
        // with `--prune`.
        plan(&["--no-prune"]);
        let run = apply(&["--prune"]).expect(3);
        assert!(run.stderr.contains("the plan was made without `--prune`"), "{}", run.stderr);
        assert!(apply(&[]).expect(0).stdout.contains("Nothing to do"));
        lab.project("");
        plan(&[]);
        lab.project("prune: true\n");
        assert!(apply(&[]).expect(0).stdout.contains("Nothing to do"));
        // The saved plan records that it prunes. But an apply of it must also be allowed to prune, by the key or by the
        // flag.
        plan(&[]);
        lab.project("");
        let run = apply(&[]).expect(3);
        assert!(run.stderr.contains("amigops apply plan.json --prune"), "{}", run.stderr);
        lab.project("prune: true\n");
        apply(&["--no-prune"]).expect(3);
        assert_eq!(lab.writes(), []);
        apply(&[]).expect(0);
        assert!(!is_active(&lab, "Summer"));
        lab.expect_converged();
    }
}
