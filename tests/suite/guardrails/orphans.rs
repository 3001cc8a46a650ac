//! How services go whose manifests are gone: as the project's defaults say, once, and not with `--only`.

use amigops::model::Api;

use super::{SEED, desk, orphan};
use crate::apply::service;
use crate::harness::Lab;
use crate::on_both_apis;

const PRUNE: &[&str] = &["apply", "--auto-approve", "--prune"];

/// A laboratory with an orphan in use, one out of use, and a default.
fn lab(api: Api, defaults: &str) -> Lab {
    let idle = orphan("Idle", "").replace("active: true", "active: false");
    let lab = Lab::on(api, &format!("{SEED}{}{idle}", orphan("Summer", "")));
    lab.project(defaults);
    lab.manifests(&desk());
    lab
}

#[track_caller]
fn nothing_left(lab: &Lab) {
    for args in [&["plan", "--detailed-exitcode", "--prune"][..], &["plan", "--detailed-exitcode"]] {
        let run = lab.run(args).expect(0);
        assert!(run.stdout.contains("Nothing to do"), "{}", run.stdout);
        assert!(!run.stdout.contains("orphan"), "{}", run.stdout);
    }
}

/// Whether a service is in use and whose it is; none where it is gone.
fn state(lab: &Lab, name: &str) -> Option<(bool, Option<String>)> {
    let services = lab.services();
    let service = services.into_iter().find(|service| service.name == name)?;
    Some((service.is_active, service.tags.get("managed_by").cloned().flatten()))
}

fn ours() -> Option<String> {
    Some("amigops".to_owned())
}

on_both_apis! {
    fn they_are_deactivated_where_nothing_else_is_said(api: Api) {
        for defaults in ["", "defaults: {lifecycle: {retire: deactivate}}\n", "defaults: {lifecycle: {}, tags: {team: care}}\n"] {
            let lab = lab(api, defaults);
            let run = lab.run(&["plan", "--prune", "--color", "never"]).expect(0);
            assert!(run.stdout.contains("deactivate (owned by this project, in no manifest)"), "{}", run.stdout);
            lab.run(PRUNE).expect(0);
            assert_eq!(state(&lab, "Summer"), Some((false, ours())));
            nothing_left(&lab);
        }
    }

    fn what_is_kept_runs_on_and_is_nobodys(api: Api) {
        let lab = lab(api, "defaults: {lifecycle: {retire: keep}}\n");
        let run = lab.run(&["plan", "--prune", "--color", "never"]).expect(0);
        assert!(run.stdout.contains("keep (owned by this project, in no manifest)"), "{}", run.stdout);
        assert!(run.stdout.contains("tags.managed_by"), "{}", run.stdout);
        lab.run(PRUNE).expect(0);
        assert_eq!(state(&lab, "Summer"), Some((true, None)));
        assert_eq!(state(&lab, "Idle"), Some((false, ours())));
        nothing_left(&lab);
    }

    fn they_count_whatever_becomes_of_them(api: Api) {
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

    fn with_only_they_are_listed_and_told_why(api: Api) {
        let lab = lab(api, "");
        lab.manifests(&[desk(), service("Other", "")].join("---\n"));
        let run = lab.run(&["plan", "--prune", "--only", "Other", "--color", "never"]).expect(0);
        assert!(run.stdout.contains("1 orphan (owned, in no manifest): Summer — not retired: --only was given"), "{}", run.stdout);
        let run = lab.run(&["plan", "--only", "Other"]).expect(0);
        assert!(run.stdout.contains("Summer — retire with --prune"), "{}", run.stdout);
        lab.run(&[PRUNE, &["--only", "Other"]].concat()).expect(0);
        assert_eq!(state(&lab, "Summer"), Some((true, ours())));
    }
}

#[test]
fn deleted_ones_are_gone_and_those_that_an_earlier_run_deactivated_stay() {
    let lab = lab(Api::Platform, "defaults: {lifecycle: {retire: delete}}\n");
    let run = lab.run(&["plan", "--prune", "--color", "never"]).expect(0);
    assert!(run.stdout.contains("delete (owned by this project, in no manifest)"), "{}", run.stdout);
    lab.run(PRUNE).expect(0);
    assert_eq!(state(&lab, "Summer"), None);
    assert_eq!(state(&lab, "Idle"), Some((false, ours())));
    nothing_left(&lab);
}

#[test]
fn a_default_that_classic_cannot_follow_is_an_error_where_it_matters() {
    // At its place, for every manifest that starts from it.
    let lab = lab(Api::Classic, "defaults: {lifecycle: {retire: delete}}\n");
    let run = lab.run(PRUNE).expect(1);
    assert!(run.stderr.contains("AG016") && run.stderr.contains("amigops.yaml:6:"), "{}", run.stderr);
    // Where each manifest says otherwise: for the services that have none.
    lab.manifests(&service("Desk", "lifecycle: {retire: keep}\n"));
    lab.run(&["plan"]).expect(0);
    let run = lab.run(PRUNE).expect(1);
    assert!(run.stderr.contains("`defaults.lifecycle.retire: delete`"), "{}", run.stderr);
    assert!(run.stderr.contains("the Classic API can't delete services"), "{}", run.stderr);
    assert_eq!(lab.writes(), []);
}

#[test]
fn a_default_that_is_no_word_is_told_even_if_no_manifest_starts_from_it() {
    let lab = lab(Api::Classic, "defaults: {lifecycle: {retire: delte}}\n");
    for more in ["", "lifecycle: {retire: keep}\n"] {
        lab.manifests(&service("Desk", more));
        let run = lab.run(&["validate"]).expect(1);
        assert!(run.stderr.contains("did you mean `delete`?"), "{}", run.stderr);
        assert!(run.stderr.contains("1 problem in 1 file"), "{}", run.stderr);
    }
}
