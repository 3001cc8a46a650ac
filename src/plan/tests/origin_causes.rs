//! Tests of causes that are found by the commits in the tags `origin`.

use super::build::*;
use super::causes::{cause_at, causes, manifest};
use super::generate::policy;
use crate::model::*;
use crate::plan::{self, BaseOf, Cause, Options, OriginBases, OriginCommits, Plan, ServiceKind, Side};

/// A commit that can be read.
const KNOWN: &str = "1111111111111111111111111111111111111111";
/// A commit that can't be read.
const LACKING: &str = "2222222222222222222222222222222222222222";

/// Makes a plan, and finds its causes. `base` is the manifests of the commit [`KNOWN`]. `newest` is the base of services
/// that the plan creates.
fn compared(desired: &Desired, base: &Desired, newest: Option<&str>, snapshot: &Snapshot) -> Plan {
    let (policy, options) = (policy(), Options { prune: true, ..options() });
    let plan = plan::plan(desired, snapshot, &policy, &options).expect("a plan");
    let side = |desired| Side { desired, policy: &policy };
    let commits = [(KNOWN.to_owned(), side(base))].into();
    let bases = BaseOf::Origin(OriginBases { commits, newest: newest.map(str::to_owned) });
    plan::with_causes(plan, side(desired), &bases, snapshot, options.api)
}

fn whole(plan: &Plan) -> Option<Cause> {
    plan.services[0].cause
}

#[test]
fn a_created_service_is_drift_if_the_applied_commit_declares_it() {
    let (here, nothing) = (manifest(|_| {}), desired([]));
    let other = manifest(|service| service.description = Some("Another text".to_owned()));
    let empty = snapshot([]);
    for (base, expected) in [(&here, Cause::Drift), (&other, Cause::Drift), (&nothing, Cause::Manifest)] {
        let plan = compared(&here, base, Some(KNOWN), &empty);
        assert_eq!((plan.services[0].kind, whole(&plan)), (ServiceKind::Create, Some(expected)));
        assert_eq!(plan.bases["Desk"], Some(KNOWN.to_owned()));
        assert_eq!(plan::conflicts(&plan), [], "a creation overwrites nothing");
    }
    for unknown in [None, Some(LACKING)] {
        let plan = compared(&here, &here, unknown, &empty);
        assert_eq!((whole(&plan), &plan.bases["Desk"]), (None, &None));
    }
}

#[test]
fn an_orphan_is_pending_if_its_own_commit_declares_it() {
    let desk = manifest(|_| {});
    let shop = |commit| applied_at("Shop", commit, live("s2", "Shop", "A1"));
    let here = desired([wanted("Kiosk", "A1")]);
    let kiosk = || applied_at("Kiosk", KNOWN, live("s3", "Kiosk", "A1"));
    let with_shop = desired([wanted("Shop", "A1"), wanted("Kiosk", "A1")]);
    let edited = LiveService { description: "Edited".to_owned(), ..shop(KNOWN) };
    for (base, service, expected) in [
        (&with_shop, shop(KNOWN), Some(Cause::Manifest)),
        (&with_shop, edited, Some(Cause::Both)),
        (&desk, shop(KNOWN), Some(Cause::Drift)),
        (&with_shop, shop(LACKING), None),
        (&with_shop, live("s2", "Shop", "A1"), None),
    ] {
        let plan = compared(&here, base, Some(KNOWN), &snapshot([service.clone(), kiosk()]));
        assert_eq!(plan.services[0].kind, ServiceKind::Retire);
        assert_eq!(whole(&plan), expected, "{service:?}");
    }
}

#[test]
fn without_a_readable_commit_a_change_has_no_cause() {
    let here = manifest(|service| service.description = Some("A new text".to_owned()));
    let base = manifest(|_| {});
    let edited = |service: LiveService| LiveService { description: "Edited".to_owned(), ..service };
    let mut users_own = live("s1", "Desk", "A1");
    users_own.tags.insert(TAG_ORIGIN.to_owned(), Some("eu west".to_owned()));
    let unknown = [
        live("s1", "Desk", "A1"),
        made_for("Desk", live("s1", "Desk", "A1")),
        applied_at("Desk", LACKING, live("s1", "Desk", "A1")),
        users_own,
    ];
    for service in unknown {
        let plan = compared(&here, &base, Some(KNOWN), &snapshot([edited(service)]));
        assert!(causes(&plan).iter().all(|(_, cause)| cause.is_none()), "{:?}", causes(&plan));
        assert_eq!((&plan.bases["Desk"], plan::conflicts(&plan).len()), (&None, 0));
    }
    let known = applied_at("Desk", KNOWN, live("s1", "Desk", "A1"));
    let plan = compared(&here, &base, None, &snapshot([edited(known)]));
    assert_eq!(cause_at(&plan, "description"), Some(Cause::Both));
    assert_eq!(plan::conflicts(&plan).len(), 1);
}

#[test]
fn only_the_commits_of_services_that_differ_are_needed() {
    let commit = |number: u32| format!("{number:040x}");
    let service = |number: u32, name: &str| applied_at(name, &commit(number), live(name, name, "A1"));
    let mut changed = service(1, "Changed");
    changed.description = "Edited".to_owned();
    let mut theirs = service(2, "Theirs");
    theirs.tags.insert("managed_by".to_owned(), Some("others".to_owned()));
    let same = |name: &str| DesiredService {
        description: Some(format!("The service {name}")),
        ..wanted(name, "A1")
    };
    let snapshot = snapshot([changed, theirs, service(3, "Same")]);
    let needed = |desired: &Desired, policy: &Policy| {
        let plan = plan::plan(desired, &snapshot, policy, &options()).expect("a plan");
        plan::origin_commits(&plan, &snapshot, policy)
    };
    let names = |name: &str| vec![ServiceName::new(name)];
    let all = desired([same("Changed"), same("Same")]);
    let expected = OriginCommits { of_changed: [(commit(1), names("Changed"))].into(), ..Default::default() };
    assert_eq!(needed(&all, &policy()), expected);
    let more = desired([same("Changed"), same("Same"), same("New")]);
    let expected =
        OriginCommits { created: names("New"), applied: [commit(1), commit(3)].into(), ..expected };
    assert_eq!(needed(&more, &policy()), expected, "a created service needs all applied commits");
    assert_eq!(needed(&desired([same("Same")]), &policy()), OriginCommits::default());
    let mut without = policy();
    without.ownership.origin = false;
    assert_eq!(needed(&more, &without), OriginCommits::default());
}
