//! Tests of chains of replacements: a service is replaced again while its former services still exist. Some of them are
//! active, and others are inactive.

use insta::assert_snapshot;

use super::build::*;
use super::platform::platform;
use crate::model::*;
use crate::plan::{Options, ProblemKind, verify};

const FIRST: &str = "65f0c1aa0000000000000001";
const SECOND: &str = "65f0c1bb0000000000000002";
const THIRD: &str = "65f0c1cc0000000000000003";

fn replacing(service: &mut LiveService, old: &str) {
    service.tags.insert(TAG_REPLACES.to_owned(), Some(old.to_owned()));
}

/// Returns the service Coach with agent A3 and its two former services, which have the agents A1 and A2. `active`
/// contains a value for each former service: true if the service is active.
fn chain(active: [bool; 2]) -> Snapshot {
    let mut first = live(FIRST, "Coach (replaced 2026-11-20 65f0c1)", "A1");
    let mut second = live(SECOND, "Coach (replaced 2026-11-21 65f0c1b)", "A2");
    let mut third = live(THIRD, "Coach", "A3");
    [first.active, second.active] = active;
    replacing(&mut second, FIRST);
    replacing(&mut third, SECOND);
    snapshot([first, second, third])
}

/// Returns a manifest with this agent and this value of `lifecycle.retire`.
fn coach(agent: &str, retire: Retire) -> Desired {
    let mut coach = wanted("Coach", agent);
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    coach.lifecycle.retire = retire;
    desired([coach])
}

#[test]
fn a_service_with_active_former_services_is_replaced_again_and_all_are_retired() {
    let plan = plan_and_verify(&coach("A4", Retire::Deactivate), &chain([true, true]), &options());
    assert_snapshot!(steps(&plan), @r"
    1 create Coach active=false agent=a4
    2 hand over 65f0c1cc0000000000000003 name=Coach (replaced 2026-11-22 65f0c1) -> #1 active=true after 1
    3 retire 65f0c1cc0000000000000003 (deactivate) active=false after 2
    4 retire 65f0c1bb0000000000000002 (deactivate) active=false
    5 retire 65f0c1aa0000000000000001 (deactivate) active=false
    ");
}

#[test]
fn kept_former_services_lose_the_ownership_tag() {
    let plan = plan_and_verify(&coach("A3", Retire::Keep), &chain([true, false]), &options());
    assert_snapshot!(steps(&plan), @"1 retire 65f0c1aa0000000000000001 (keep) tags=");
}

#[test]
fn a_chain_of_former_services_is_deleted_from_its_beginning() {
    let plan = plan_and_verify(&coach("A4", Retire::Delete), &chain([false, false]), &platform());
    assert_snapshot!(steps(&plan), @r"
    1 create Coach (replacing 65f0c1) active=false agent=a4 edge=(latest, latest)
    2 hand over 65f0c1cc0000000000000003 name=Coach (replaced 2026-11-22 65f0c1) -> #1 name=Coach active=true after 1
    3 retire 65f0c1aa0000000000000001 (delete)
    4 retire 65f0c1bb0000000000000002 (delete) after 3
    5 retire 65f0c1cc0000000000000003 (delete) after 2,4
    ");
}

/// A service with former services is replaced again, and the run is interrupted after each number of steps. The next
/// run must continue the replacement without creating a second copy of the new service.
#[test]
fn a_replacement_of_a_replaced_service_goes_on_wherever_it_was_interrupted() {
    for (api, retire) in [
        (Api::Classic, Retire::Deactivate),
        (Api::Classic, Retire::Keep),
        (Api::Platform, Retire::Deactivate),
        (Api::Platform, Retire::Delete),
    ] {
        let (desired, options) = (coach("A4", retire), Options { api, ..options() });
        for active in [[false, false], [true, false], [false, true], [true, true]] {
            let before = chain(active);
            let whole = plan_and_verify(&desired, &before, &options);
            for finished_steps in 0..=whole.steps.len() {
                let interrupted = verify::outcome(&before, &whole.steps[..finished_steps], api);
                let rest = plan_and_verify(&desired, &interrupted, &options);
                let end = verify::outcome(&interrupted, &rest.steps, api);
                let coaches = end.services.iter().filter(|service| service.agent.as_str() == "a4").count();
                assert_eq!(coaches, 1, "no second copy after {finished_steps} of\n{}", steps(&whole));
                // The next run can also be planned if the manifest changes first: in one case its agent, and in the
                // other case its name, too.
                plan_and_verify(&coach("A2", retire), &interrupted, &options);
                let mut renamed = coach("A1", retire).services.remove("Coach").expect("declared");
                renamed.name = "Trainer".into();
                renamed.lifecycle.renamed_from = Some("Coach".into());
                plan_and_verify(&super::build::desired([renamed]), &interrupted, &options);
            }
        }
    }
}

/// Returns the services after an operator went back to a former service: the service is inactive, and the former
/// service that it replaced is active.
fn chain_after_going_back() -> Snapshot {
    let mut reverted = chain([false, true]);
    reverted.services[2].active = false;
    reverted.services.remove(0);
    reverted
}

/// An operator deactivated the service and activated its former service again. The next run undoes both changes, unless
/// `lifecycle.ignore` contains `active`.
#[test]
fn a_former_service_that_an_operator_activated_again_stays_active_only_if_active_is_ignored() {
    let reverted = chain_after_going_back();
    let ignoring = |retire| {
        let mut desired = coach("A3", retire);
        let service = desired.services.get_mut("Coach").expect("declared");
        service.lifecycle.ignore = [FieldPath(vec!["active".to_owned()])].into();
        desired
    };
    let plan = plan_and_verify(&ignoring(Retire::Deactivate), &reverted, &platform());
    assert_snapshot!(steps(&plan), @"");
    assert_eq!(plan.orphans.len(), 1);
    // No manifest declares the former service, so it is an orphan. With `--prune`, one run retires it in the way that
    // the manifest of its successor declares.
    let prune = Options { prune: true, ..platform() };
    let plan = plan_and_verify(&ignoring(Retire::Delete), &chain_after_going_back(), &prune);
    assert_snapshot!(steps(&plan), @"1 retire 65f0c1bb0000000000000002 (delete)");
    // If the manifest asks for an active service, the former service is retired after the activation.
    let mut desired = coach("A3", Retire::Deactivate);
    for active in [None, Some(true)] {
        desired.services.get_mut("Coach").expect("declared").active = active;
        assert_eq!(
            steps(&plan_and_verify(&desired, &reverted, &platform())),
            "1 update 65f0c1cc0000000000000003 active=true tags=managed_by,origin,replaces\n\
             2 retire 65f0c1bb0000000000000002 (deactivate) active=false after 1"
        );
    }
    // If the manifest asks for an inactive service, the former service is retired, too.
    desired.services.get_mut("Coach").expect("declared").active = Some(false);
    assert_snapshot!(steps(&plan_and_verify(&desired, &reverted, &platform())), @"1 retire 65f0c1bb0000000000000002 (deactivate) active=false");
}

#[test]
fn tags_that_refer_in_a_circle_or_to_the_service_itself_are_ignored() {
    for to in [FIRST, THIRD] {
        let mut circle = chain([true, true]);
        replacing(&mut circle.services[0], to);
        plan_and_verify(&coach("A4", Retire::Deactivate), &circle, &options());
    }
    let mut own = live(FIRST, "Coach", "A1");
    replacing(&mut own, FIRST);
    own.active = false;
    let plan = plan_and_verify(&coach("A1", Retire::Deactivate), &snapshot([own]), &options());
    assert_snapshot!(steps(&plan), @"1 update 65f0c1aa0000000000000001 active=true tags=managed_by,origin,replaces");
}

#[test]
fn several_active_services_with_one_name_are_a_problem_with_their_ids() {
    let desired = coach("A3", Retire::Deactivate);
    let namesakes = || [live(FIRST, "Coach", "A1"), live(SECOND, "Coach", "A3")];
    let mut unowned = namesakes();
    unowned[1].tags.clear();
    let mut renamed = coach("A1", Retire::Deactivate).services.remove("Coach").expect("declared");
    renamed.name = "Trainer".into();
    renamed.lifecycle.renamed_from = Some("Coach".into());
    let renamed = super::build::desired([renamed]);
    for options in [options(), platform()] {
        for (desired, services) in
            [(&desired, namesakes()), (&desired, unowned.clone()), (&renamed, namesakes())]
        {
            let error = try_plan(desired, &snapshot(services), &options).expect_err("a problem");
            let [problem] = &error.problems[..] else { panic!("one problem: {error:?}") };
            assert_eq!(problem.kind, ProblemKind::Ambiguous);
            assert_eq!(problem.message, format!("2 active services are named `Coach`: {FIRST}, {SECOND}"));
            assert!(problem.help[0].starts_with("deactivate or rename all but one"), "{:?}", problem.help);
        }
    }
}

/// The new service of a replacement is itself replaced before it has its final name, and the run is interrupted. The
/// next run continues the second replacement.
#[test]
fn a_replacement_of_a_service_that_has_not_taken_its_name_goes_on() {
    let mut first = live(FIRST, "Coach (replaced 2026-11-20 65f0c1)", "A1");
    let mut second = live(SECOND, "Coach (replacing 65f0c1)", "A2");
    let mut third = live(THIRD, "Coach (replacing 65f0c1b)", "A3");
    second.description = "The service Coach".to_owned();
    third.description = second.description.clone();
    replacing(&mut second, FIRST);
    replacing(&mut third, SECOND);
    for service in [&mut first, &mut second, &mut third] {
        service.active = false;
    }
    let unfinished = snapshot([first, second, third]);
    assert_snapshot!(steps(&plan_and_verify(&coach("A3", Retire::Deactivate), &unfinished, &platform())), @"1 hand over 65f0c1bb0000000000000002 name=Coach (replaced 2026-11-22 65f0c1) -> 65f0c1cc0000000000000003 name=Coach active=true");
    // If the second replacement is no longer wanted, its new service is abandoned in the same run.
    assert_snapshot!(steps(&plan_and_verify(&coach("A2", Retire::Deactivate), &unfinished, &platform())), @r"
    1 update 65f0c1bb0000000000000002 name=Coach active=true tags=managed_by,origin,replaces
    2 abandon 65f0c1cc0000000000000003 name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by
    ");
}

/// A replacement of Coach was interrupted, and its old service has the name Trainer now. The plan replaces or deletes
/// this service, so it also abandons the new service of the unfinished replacement.
#[test]
fn an_unfinished_replacement_of_a_service_that_this_plan_removes_is_abandoned_at_once() {
    let mut unfinished = live(SECOND, "Coach (replacing 65f0c1)", "A2");
    replacing(&mut unfinished, FIRST);
    unfinished.active = false;
    let state = snapshot([live(FIRST, "Trainer", "A1"), unfinished]);
    let mut trainer = wanted("Trainer", "A3");
    trainer.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let mut both = coach("A2", Retire::Deactivate);
    both.services.insert("Trainer".into(), trainer);
    let plan = steps(&plan_and_verify(&both, &state, &platform()));
    assert!(plan.contains(&format!("abandon {SECOND}")), "{plan}");
    let options = Options { prune: true, ..platform() };
    let policy = Policy { retire_orphans: Retire::Delete, ..own_policy() };
    let desired = coach("A2", Retire::Deactivate);
    let plan = crate::plan::plan(&desired, &state, &policy, &options).expect("a plan");
    assert_eq!(verify::verify(&desired, &state, &policy, &options, &plan), Vec::<String>::new());
    assert_snapshot!(steps(&plan), @r"
    1 create Coach active=true agent=a2
    2 retire 65f0c1aa0000000000000001 (delete)
    3 abandon 65f0c1bb0000000000000002 name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by
    ");
}

/// An operator has activated the new service of an unfinished replacement, and the manifest does not want it. `--prune`
/// retires the new service and renames it in the same step. Otherwise a later run would continue the replacement.
#[test]
fn an_unfinished_new_service_that_is_retired_is_abandoned_by_the_same_step() {
    let mut unfinished = live(SECOND, "Coach (replacing 65f0c1)", "A2");
    replacing(&mut unfinished, FIRST);
    let options = Options { prune: true, ..platform() };
    let plan = plan_and_verify(
        &coach("A3", Retire::Deactivate),
        &snapshot([live(FIRST, "Coach", "A3"), unfinished]),
        &options,
    );
    assert_snapshot!(steps(&plan), @"1 retire 65f0c1bb0000000000000002 (deactivate) name=Coach (abandoned 2026-11-22 65f0c1) active=false tags=managed_by");
}

/// Two runs replaced the same service. The losing run gave the former service its name back while the other run
/// activated the new service. The manifest now asks for an inactive service, so both services would be inactive with
/// the same name.
#[test]
fn a_former_service_that_got_its_name_back_is_renamed_before_the_new_one_is_deactivated() {
    let mut former = live(FIRST, "Coach", "A1");
    former.active = false;
    let mut new = live(SECOND, "Coach", "A2");
    replacing(&mut new, FIRST);
    let mut inactive = coach("A2", Retire::Deactivate);
    inactive.services.values_mut().for_each(|service| service.active = Some(false));
    assert_snapshot!(steps(&plan_and_verify(&inactive, &snapshot([former, new]), &options())), @r"
    1 update 65f0c1aa0000000000000001 name=Coach (replaced 2026-11-22 65f0c1)
    2 update 65f0c1bb0000000000000002 active=false tags=managed_by,origin,replaces after 1
    ");
}
