//! Tests of guardrails that only depend on the manifests: missing pins, and projects without services.

use super::{SEED, desk};
use crate::harness::{Lab, service};
use crate::on_both_apis;

const RULE: &str = "guardrails: {require_pins: [release]}\n";
const LATEST: &str = "version_sets: {release: {agent_version: latest, context_graph_version: 1}}\n";

on_both_apis! {
    fn a_missing_required_pin_is_refused_by_every_command(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project(RULE);
        lab.manifests(&service("Desk", LATEST));
        for args in [
            &["plan"][..],
            &["apply", "--auto-approve"],
            &["apply", "--auto-approve", "--allow-protected", "--take-over", "sisters", "--max-removals", "99"],
            &["validate"],
            &["validate", "services/all.yaml"],
            &["validate", "--format", "json"],
            &["validate", "--format", "github"],
            &["validate", "--format", "sarif"],
        ] {
            let run = lab.run(args).expect(3);
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(all.contains("AG029") && all.contains("guardrails.require_pins"), "{args:?}: {all}");
        }
        assert_eq!(lab.hooks.count(), 0, "nothing is sent at all");
        lab.manifests(&service("Desk", &LATEST.replace("latest", "3")));
        lab.run(&["validate"]).expect(0);
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn a_missing_required_pin_beside_an_error_exits_as_an_error(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project(RULE);
        lab.manifests(&service("Desk", &format!("{LATEST}colour: red\n")));
        for args in [&["plan"][..], &["apply", "--auto-approve"], &["validate"], &["validate", "--format", "json"]] {
            lab.run(args).expect(1);
        }
        assert_eq!(lab.hooks.count(), 0);
    }

    fn a_missing_required_pin_beside_a_warning_is_still_a_refusal(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project("guardrails: {require_pins: [release], protected: [Nobody]}\n");
        lab.manifests(&service("Desk", LATEST));
        let run = lab.run(&["validate"]).expect(3);
        assert!(run.stderr.contains("AG061"), "{}", run.stderr);
    }

    fn removing_a_pin_silently_is_refused(api: Api) {
        let seed = SEED.replace("{name: Two, versions: 3}", "{name: Two, versions: 1}");
        let lab = Lab::on(api, &seed);
        let manifest = desk().replace("agent: One", "agent: Two");
        lab.manifests(&manifest);
        lab.run(&["plan"]).expect(0);
        lab.project(RULE);
        for args in [&["plan"][..], &["apply", "--auto-approve"]] {
            let run = lab.run(args).expect(3);
            let words = "version set `release` of `Desk` would become unpinned: the new agent has no version 2, but `guardrails.require_pins` lists this version set";
            assert!(run.stderr.contains(words), "{}", run.stderr);
        }
        assert_eq!(lab.writes(), []);
        lab.manifests(&format!("{manifest}version_sets: {{release: {{agent_version: 1, context_graph_version: 1}}}}\n"));
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn creating_an_unpinned_service_is_refused(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project(RULE);
        let words = "version set `release` of `Shop` would be created unpinned, but `guardrails.require_pins` lists it";
        for more in ["", "version_sets: {}\n", "version_sets: {dev: {agent_version: 1, context_graph_version: 1}}\n"] {
            lab.manifests(&[desk(), service("Shop", more)].join("---\n"));
            for args in [
                &["plan"][..],
                &["plan", "--only", "Shop"],
                &["apply", "--auto-approve", "--allow-protected", "--take-over", "sisters", "--max-removals", "99"],
            ] {
                let run = lab.run(args).expect(3);
                assert!(run.stderr.contains(words), "{more:?} {args:?}: {}", run.stderr);
                assert!(run.stderr.contains("services/all.yaml:"), "{}", run.stderr);
                assert!(run.stderr.contains("declare `version_sets: {release: {"), "{}", run.stderr);
            }
        }
        assert_eq!(lab.writes(), []);
        // `drift` reports the refusal in addition to the differences, without an error.
        let run = lab.run(&["drift"]).expect(2);
        assert!(run.stdout.contains(&format!("⚠ Shop: an apply would be refused: {words}")), "{}", run.stdout);
        // An existing service may stay unpinned if no manifest declares the version set, because the version set is
        // then unmanaged.
        lab.run(&["plan", "--only", "Desk"]).expect(0);
        lab.manifests(&[desk(), service("Shop", &LATEST.replace("latest", "3"))].join("---\n"));
        lab.apply().expect(0);
        lab.expect_converged();
        lab.manifests(&[desk(), service("Shop", "")].join("---\n"));
        lab.apply().expect(0);
    }

    fn every_kind_of_empty_project_is_refused(api: Api) {
        let lab = Lab::on(api, SEED);
        let prune = &["apply", "--auto-approve", "--prune", "--max-removals", "100%", "--allow-protected"][..];
        let refused = |what: &str| {
            for args in [&["plan"][..], prune, &["validate"], &["validate", "--format", "json"]] {
                let run = lab.run(args).expect(3);
                let all = format!("{}{}", run.stdout, run.stderr);
                assert!(all.contains("AG009") && all.contains("remove everything"), "{what} {args:?}: {all}");
            }
        };
        refused("no file");
        lab.write("services/all.yaml", "# nothing yet\n---\n");
        refused("no document");
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        lab.write("amigops.yaml", &project.replace("[services/*.yaml]", "[]"));
        refused("no pattern");
        assert_eq!(lab.writes(), []);
    }

    fn import_works_in_an_empty_project(api: Api) {
        let lab = Lab::on(api, SEED);
        let run = lab.run(&["import", "--out", "services"]).expect(0);
        assert!(lab.path().join("services").read_dir().unwrap().count() > 0, "{}", run.stdout);
        lab.run(&["validate"]).expect(0);
    }
}
