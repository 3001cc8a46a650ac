//! Tests of ownership: which services `--prune` retires, and how services move to another owner.

use crate::harness::{EMPTY, Lab, service};
use crate::on_both_apis;

/// Project lines without an ownership value.
const NONE: &str = "ownership: {tag: managed_by}\n";

fn owners(lab: &Lab) -> Vec<(String, bool, Option<String>)> {
    let owner =
        |tags: &std::collections::BTreeMap<String, Option<String>>| tags.get("managed_by").cloned().flatten();
    let services = lab.services().into_iter();
    services.map(|service| (service.name.clone(), service.is_active, owner(&service.tags))).collect()
}

on_both_apis! {
    fn a_second_repository_cannot_prune_the_first(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.project(NONE);
        lab.manifests(&[service("Desk", ""), service("Coach", "")].join("---\n"));
        lab.apply().expect(0);
        // A second project of the same organization, which has no ownership value either.
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        lab.write("second/amigops.yaml", &project);
        lab.write("second/services/all.yaml", &service("New", ""));
        let before = owners(&lab);
        let writes = lab.writes().len();
        for command in [&["plan"][..], &["plan", "--out", "plan.json"], &["apply", "--auto-approve"]] {
            let run = lab.run(&[command, &["--prune", "-C", "second"]].concat()).expect(3);
            for words in ["`--prune` needs `ownership.value` in amigops.yaml", "value: acme_agents", "--take-over amigops", "nothing was sent"] {
                assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
            }
        }
        assert_eq!((owners(&lab), lab.writes().len()), (before, writes));
        // Without `--prune`, the second project retires nothing.
        lab.run(&["apply", "--auto-approve", "-C", "second"]).expect(0);
        assert!(owners(&lab).iter().all(|(_, active, owner)| *active && owner.as_deref() == Some("amigops")));
        // With its own ownership value, the second project takes over its one service, and does not retire the services
        // of another owner.
        lab.write("second/amigops.yaml", &project.replace(NONE, "ownership: {value: second_team}\n"));
        let run = lab.run(&["apply", "--auto-approve", "--prune", "-C", "second"]).expect(3);
        assert!(run.stderr.contains("`New`") && run.stderr.contains("--take-over amigops"), "{}", run.stderr);
        lab.run(&["apply", "--auto-approve", "--prune", "--take-over", "amigops", "-C", "second"]).expect(0);
        lab.run(&["plan", "--prune", "--detailed-exitcode", "-C", "second"]).expect(0);
        let owner = |name: &str| lab.active(name).tags["managed_by"].clone();
        assert_eq!(owner("New").as_deref(), Some("second_team"));
        assert_eq!((owner("Desk").as_deref(), owner("Coach").as_deref()), (Some("amigops"), Some("amigops")));
        lab.expect_converged();
    }

    fn take_over_applies_only_to_the_named_owner(api: Api) {
        let seed = format!(
            "{EMPTY}    services:
      - {{name: Theirs, description: The Theirs, agent: One, context_graph: Flow, active: true, tags: {{managed_by: \"the sisters\"}}}}
      - {{name: Third, description: The Third, agent: One, context_graph: Flow, active: true, tags: {{managed_by: cousins}}}}
"
        );
        let lab = Lab::on(api, &seed);
        lab.manifests(&[service("Theirs", ""), service("Third", "")].join("---\n"));
        let run = lab.run(&["plan"]).expect(3);
        for words in ["--take-over 'the sisters'", "--take-over cousins"] {
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
        let run = lab.run(&["apply", "--auto-approve", "--take-over", "the sisters"]).expect(3);
        assert!(run.stderr.contains("`Third`") && !run.stderr.contains("`Theirs`"), "{}", run.stderr);
        assert_eq!(lab.writes(), []);
        lab.run(&["apply", "--auto-approve", "--take-over", "the sisters", "--only", "Theirs"]).expect(0);
        assert_eq!(lab.active("Theirs").tags["managed_by"].as_deref(), Some("amigops"));
        assert_eq!(lab.active("Third").tags["managed_by"].as_deref(), Some("cousins"));
        lab.run(&["plan", "--take-over", ""]).expect(1);
        lab.run(&["plan", "--take-over"]).expect(1);
    }

    fn drift_is_reported_whatever_the_ownership_value(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.project(NONE);
        lab.manifests(&[service("Desk", ""), service("Coach", "")].join("---\n"));
        lab.apply().expect(0);
        lab.run(&["drift", "--prune"]).expect(0);
        lab.manifests(&service("Desk", ""));
        let run = lab.run(&["drift", "--prune"]).expect(2);
        assert!(run.stdout.contains("an apply would be refused") && run.stdout.contains("ownership.value"), "{}", run.stdout);
    }
}
