//! Tests of `prevent_removal`, which adds a tag to a service. The tag protects the service even after its manifest was
//! deleted.

use super::{SEED, desk_without_dev};
use crate::harness::{Lab, service};
use crate::on_both_apis;

fn protected_service(more: &str) -> String {
    service("Desk", &format!("lifecycle: {{prevent_removal: true, on_agent_change: replace}}\n{more}"))
}

/// Returns true if the active service Desk has the tag `protected`.
fn is_tagged(lab: &Lab) -> bool {
    lab.active("Desk").tags.contains_key("protected")
}

on_both_apis! {
    fn protection_outlives_the_manifest_until_it_is_removed(api: Api) {
        let lab = Lab::on(api, SEED);
        let other = service("Other", "");
        lab.manifests(&[protected_service(""), other.clone()].join("---\n"));
        lab.apply().expect(0);
        assert!(is_tagged(&lab));
        lab.expect_converged();

        lab.manifests(&other);
        let before = lab.writes();
        for args in [&["plan", "--prune"][..], &["apply", "--auto-approve", "--prune"]] {
            let run = lab.run(args).expect(3);
            assert!(run.stderr.contains("`Desk` would be retired, but the tag `protected`"), "{}", run.stderr);
        }
        assert_eq!(lab.writes(), before);

        lab.manifests(&[service("Desk", "lifecycle: {prevent_removal: false}\n"), other.clone()].join("---\n"));
        let run = lab.run(&["plan", "--color", "never"]).expect(0);
        assert!(run.stdout.contains("tags.protected"), "{}", run.stdout);
        lab.apply().expect(0);
        assert!(!is_tagged(&lab));
        lab.expect_converged();

        lab.manifests(&other);
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert!(lab.services().iter().all(|service| service.name != "Desk" || !service.is_active));
    }

    fn a_replacement_keeps_the_protection(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.manifests(&protected_service(""));
        lab.apply().expect(0);
        let old = lab.active("Desk").id;
        // The tag forbids the removal of the service, but not its replacement.
        lab.manifests(&protected_service("").replace("agent: One", "agent: Two"));
        lab.apply().expect(0);
        assert_ne!(lab.active("Desk").id, old);
        assert!(is_tagged(&lab));
        lab.manifests(&service("Other", ""));
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(3);
        lab.run(&["apply", "--auto-approve", "--prune", "--allow-protected"]).expect(0);
    }

    fn a_protected_service_may_be_changed(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project("guardrails: {protected: [Desk]}\n");
        lab.manifests(&desk_without_dev("keyterms: [metformin]\n"));
        lab.apply().expect(0);
        assert!(!lab.active("Desk").version_sets.contains_key("dev"));
        lab.expect_converged();
    }
}
