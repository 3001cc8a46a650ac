//! Tests of how orphans are retired: in the way that the project's defaults say, only once, and not with `--only`.

use amigops::model::Api;

use super::{SEED, desk, orphan};
use crate::harness::{Lab, service};
use crate::on_both_apis;

const PRUNE: &[&str] = &["apply", "--auto-approve", "--prune"];

/// Creates a lab with an active orphan, Summer, and an inactive orphan, Idle. The lines in `defaults` are added to
/// `amigops.yaml`.
fn lab(api: Api, defaults: &str) -> Lab {
    let idle = orphan("Idle", "").replace("active: true", "active: false");
    let lab = Lab::on(api, &format!("{SEED}{}{idle}", orphan("Summer", "")));
    lab.project(defaults);
    lab.manifests(&desk());
    lab
}

#[track_caller]
fn expect_converged_with_prune(lab: &Lab) {
    for args in [&["plan", "--detailed-exitcode", "--prune"][..], &["plan", "--detailed-exitcode"]] {
        let run = lab.run(args).expect(0);
        assert!(run.stdout.contains("Nothing to do"), "{}", run.stdout);
        assert!(!run.stdout.contains("orphan"), "{}", run.stdout);
    }
}

/// Returns true if the service with this name is active, and the service's owner. Returns `None` if the service no
/// longer exists.
fn state(lab: &Lab, name: &str) -> Option<(bool, Option<String>)> {
    let services = lab.services();
    let service = services.into_iter().find(|service| service.name == name)?;
    Some((service.is_active, service.tags.get("managed_by").cloned().flatten()))
}

fn ours() -> Option<String> {
    Some("amigops".to_owned())
}

on_both_apis! {
    fn orphans_are_deactivated_by_default(api: Api) {
        for defaults in ["", "defaults: {lifecycle: {retire: deactivate}}\n", "defaults: {lifecycle: {}, tags: {team: care}}\n"] {
            let lab = lab(api, defaults);
            let run = lab.run(&["plan", "--prune", "--color", "never"]).expect(0);
            assert!(run.stdout.contains("deactivate (owned by this project, not declared)"), "{}", run.stdout);
            lab.run(PRUNE).expect(0);
            assert_eq!(state(&lab, "Summer"), Some((false, ours())));
            expect_converged_with_prune(&lab);
        }
    }

    fn a_pruned_service_is_reactivated_when_its_manifest_comes_back(api: Api) {
        let lab = lab(api, "");
        lab.run(PRUNE).expect(0);
        let id = lab.services().into_iter().find(|service| service.name == "Summer").expect("kept").id;
        let pruned = desk();
        lab.manifests(&format!("{pruned}---\nservice: Summer\nagent: One\ncontext_graph: Flow\n"));
        let run = lab.run(&["plan", "--color", "never"]).expect(0);
        assert!(run.stdout.contains("1 to reactivate") && run.stdout.contains("false → true"), "{}", run.stdout);
        lab.apply().expect(0);
        assert_eq!(state(&lab, "Summer"), Some((true, ours())));
        assert_eq!(lab.active("Summer").id, id);
        lab.run(&["plan", "--detailed-exitcode"]).expect(0);
    }

    fn orphans_with_retire_keep_stay_active_and_unowned(api: Api) {
        let lab = lab(api, "defaults: {lifecycle: {retire: keep}}\n");
        let run = lab.run(&["plan", "--prune", "--color", "never"]).expect(0);
        assert!(run.stdout.contains("keep (owned by this project, not declared)"), "{}", run.stdout);
        assert!(run.stdout.contains("tags.managed_by"), "{}", run.stdout);
        lab.run(PRUNE).expect(0);
        assert_eq!(state(&lab, "Summer"), Some((true, None)));
        assert_eq!(state(&lab, "Idle"), Some((false, ours())));
        expect_converged_with_prune(&lab);
    }

    fn every_retired_orphan_counts_as_a_removal(api: Api) {
        let ways = match api {
            Api::Classic => &["deactivate", "keep"][..],
            Api::Platform => &["deactivate", "keep", "delete"],
        };
        for how in ways {
            let lab = lab(api, &format!("defaults: {{lifecycle: {{retire: {how}}}}}\nguardrails: {{max_removals: 0}}\n"));
            let run = lab.run(PRUNE).expect(3);
            assert!(run.stderr.contains("1 service retired (`Summer`)"), "{how}: {}", run.stderr);
            assert_eq!(lab.writes(), [], "{how}");
        }
    }

    fn only_lists_orphans_but_does_not_retire_them(api: Api) {
        let lab = lab(api, "");
        lab.manifests(&[desk(), service("Other", "")].join("---\n"));
        // `Summer` could be the same service under another name.
        let only = ["--only", "Other", "--create", "Other"];
        let run = lab.run(&[&["plan", "--prune", "--color", "never"], &only[..]].concat()).expect(0);
        assert!(run.stdout.contains("1 orphan (owned, but in no manifest): Summer — not retired, because --only was given"), "{}", run.stdout);
        let run = lab.run(&[&["plan"], &only[..]].concat()).expect(0);
        assert!(run.stdout.contains("Summer — retire with --prune, or with `prune: true` in amigops.yaml"), "{}", run.stdout);
        lab.run(&[PRUNE, &only].concat()).expect(0);
        assert_eq!(state(&lab, "Summer"), Some((true, ours())));
    }
}

#[test]
fn retire_delete_deletes_active_orphans_only() {
    let lab = lab(Api::Platform, "defaults: {lifecycle: {retire: delete}}\n");
    let run = lab.run(&["plan", "--prune", "--color", "never"]).expect(0);
    assert!(run.stdout.contains("delete (owned by this project, not declared)"), "{}", run.stdout);
    lab.run(PRUNE).expect(0);
    assert_eq!(state(&lab, "Summer"), None);
    assert_eq!(state(&lab, "Idle"), Some((false, ours())));
    expect_converged_with_prune(&lab);
}

#[test]
fn a_default_that_classic_does_not_support_is_an_error_if_used() {
    // The default is invalid on Classic. The problem is reported at the location of the default, for each manifest that
    // uses the default.
    let lab = lab(Api::Classic, "defaults: {lifecycle: {retire: delete}}\n");
    let run = lab.run(PRUNE).expect(1);
    assert!(run.stderr.contains("AG016") && run.stderr.contains("amigops.yaml:6:"), "{}", run.stderr);
    // Every manifest overrides the default, so the default applies only to services that have no manifest.
    lab.manifests(&service("Desk", "lifecycle: {retire: keep}\n"));
    lab.run(&["plan"]).expect(0);
    let run = lab.run(PRUNE).expect(1);
    assert!(run.stderr.contains("`defaults.lifecycle.retire` is `delete`"), "{}", run.stderr);
    assert!(run.stderr.contains("the Classic API can't delete services"), "{}", run.stderr);
    assert_eq!(lab.writes(), []);
}

#[test]
fn an_invalid_default_is_reported_even_if_no_manifest_uses_it() {
    let lab = lab(Api::Classic, "defaults: {lifecycle: {retire: delte}}\n");
    for more in ["", "lifecycle: {retire: keep}\n"] {
        lab.manifests(&service("Desk", more));
        let run = lab.run(&["validate"]).expect(1);
        assert!(run.stderr.contains("did you mean `delete`?"), "{}", run.stderr);
        assert!(run.stderr.contains("1 problem in 1 file"), "{}", run.stderr);
    }
}
