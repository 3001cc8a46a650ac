//! Tests of ending the management of services that the user names.

use super::build::*;
use crate::model::*;
use crate::plan::{Action, Options, ProblemKind, verify};

fn unmanage(names: &[&str]) -> Options {
    Options { unmanage: names.iter().map(ServiceName::new).collect(), ..options() }
}

fn tagged(id: &str, name: &str, tags: &[(&str, &str)]) -> LiveService {
    let mut service = live(id, name, "A1");
    service.tags.extend(tags.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))));
    service
}

#[test]
fn only_own_tags_of_named_services_are_removed() {
    let mut idle = tagged("z", "Z", &[]);
    idle.active = false;
    let state = snapshot([
        tagged("x", "X", &[("protected", ""), ("replaces", "old"), ("team", "care")]),
        tagged("y", "Y", &[]),
        idle,
        live("d", "D", "A1"),
    ]);
    // The service D differs from its manifest, and the agent of E does not exist. The plan ignores both manifests.
    let manifests = desired([wanted("D", "A2"), wanted("E", "No such agent")]);
    let plan = plan_and_verify(&manifests, &state, &unmanage(&["X", "Z"]));
    assert_eq!(steps(&plan), "1 retire x (keep) tags=team\n2 retire z (keep) tags=");
    assert_eq!((plan.summary.update, plan.summary.retire), (2, 0));
    assert!(plan.orphans.is_empty() && plan.findings.is_empty());
}

#[test]
fn services_that_are_not_orphans_are_refused() {
    let mut system = tagged("s", "S", &[]);
    system.system = true;
    let mut repeated = tagged("r", "R", &[]);
    repeated.repeated_tags = ["team".to_owned()].into();
    let mut new = tagged("n", "N (replacing)", &[("replaces", "u")]);
    new.active = false;
    let (mut one, mut two) = (tagged("t1", "T", &[]), tagged("t2", "T", &[]));
    (one.active, two.active) = (false, false);
    let state = snapshot([
        tagged("o", "O", &[("managed_by", "sisters")]),
        live("d", "D", "A1"),
        live("f", "Former", "A1"),
        live("b", "Broken", "A1"),
        live("k", "Kept", "A1"),
        live("u", "U", "A1"),
        system,
        repeated,
        new,
        one,
        two,
    ]);
    let mut renamed = wanted("Renamed", "A1");
    renamed.lifecycle.renamed_from = Some("Former".into());
    // Manifests whose agent does not exist.
    let mut renames_kept = wanted("New Name", "No such agent");
    renames_kept.lifecycle.renamed_from = Some("Kept".into());
    let broken = wanted("Broken", "No such agent");
    let manifests = desired([wanted("D", "A1"), renamed, broken, renames_kept]);
    for (name, kind, words) in [
        ("O", ProblemKind::Refused, "belongs to another project: its tag `managed_by` says `sisters`"),
        ("D", ProblemKind::Refused, "belongs to the manifest `D`"),
        ("Former", ProblemKind::Refused, "belongs to the manifest `Renamed`"),
        ("Broken", ProblemKind::Refused, "belongs to the manifest `Broken`"),
        ("Kept", ProblemKind::Refused, "belongs to the manifest `New Name`"),
        ("S", ProblemKind::Impossible, "belongs to the platform itself"),
        ("R", ProblemKind::Impossible, "several tags with the key `team`"),
        ("U", ProblemKind::Impossible, "a replacement of `U` is unfinished: its new service is n"),
        ("T", ProblemKind::Ambiguous, "several live services are named `T`: t1, t2"),
        ("P", ProblemKind::Missing, "no live service is named `P`"),
    ] {
        let error = try_plan(&manifests, &state, &unmanage(&[name])).expect_err(name);
        let [problem] = &error.problems[..] else { panic!("{name}: {error:?}") };
        assert_eq!(
            (problem.kind, problem.message.contains(words)),
            (kind, true),
            "{name}: {}",
            problem.message
        );
        assert!(!problem.help.is_empty() || name == "P", "{name}");
    }
}

#[test]
fn a_service_without_an_owner_needs_no_step() {
    let mut free = live("x", "X", "A1");
    free.tags.clear();
    let plan = plan_and_verify(&desired([]), &snapshot([free]), &unmanage(&["X"]));
    assert!(plan.is_empty());
    assert_eq!(plan.findings[0].message, "no project owns it");
}

#[test]
fn the_verifier_refuses_a_plan_that_does_more() {
    let state = snapshot([live("x", "X", "A1"), live("y", "Y", "A1")]);
    let (manifests, options) = (desired([wanted("D", "A1")]), unmanage(&["X"]));
    let good = try_plan(&manifests, &state, &options).expect("a plan");
    let violations = |manifests: &Desired, change: &dyn Fn(&mut Action)| {
        let mut plan = good.clone();
        change(&mut plan.steps[0].action);
        verify::verify(manifests, &state, &own_policy(), &options, &plan)
    };
    let update = |action: &mut Action, change: &dyn Fn(&mut ServiceUpdate)| {
        if let Action::Retire { update: Some(update), .. } = action {
            change(update);
        }
    };
    assert_eq!(violations(&manifests, &|_| {}), Vec::<String>::new());
    let is_refused = |found: Vec<String>, words: &str| {
        assert!(found.iter().any(|one| one.contains(words)), "{words}: {found:?}");
    };
    let deactivate = |action: &mut Action| update(action, &|update| update.active = Some(false));
    is_refused(violations(&manifests, &deactivate), "changes more of service x");
    let keep_tags = |action: &mut Action| update(action, &|update| update.tags = None);
    is_refused(violations(&manifests, &keep_tags), "at the end `X` is still managed");
    let other = |action: &mut Action| {
        if let Action::Retire { id, .. } = action {
            *id = "y".into();
        }
    };
    is_refused(violations(&manifests, &other), "stops managing service y");
    let delete = |action: &mut Action| {
        if let Action::Retire { update, how, .. } = action {
            (*update, *how) = (None, Retire::Delete);
        }
    };
    is_refused(violations(&manifests, &delete), "does more than ending the management");
    is_refused(violations(&desired([wanted("X", "A1")]), &|_| {}), "stops managing service x");
}
