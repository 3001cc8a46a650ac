//! Chains of replacements: former services that are still there, in use or not, when the service is replaced again.

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

/// Coach with agent A3, which replaced A2's, which replaced A1's; the former two are active or not.
fn chain(active: [bool; 2]) -> Snapshot {
    let mut first = live(FIRST, "Coach (replaced 2026-11-20 65f0c1)", "A1");
    let mut second = live(SECOND, "Coach (replaced 2026-11-21 65f0c1b)", "A2");
    let mut third = live(THIRD, "Coach", "A3");
    [first.active, second.active] = active;
    replacing(&mut second, FIRST);
    replacing(&mut third, SECOND);
    snapshot([first, second, third])
}

/// The manifest names this agent, and this way to retire.
fn coach(agent: &str, retire: Retire) -> Desired {
    let mut coach = wanted("Coach", agent);
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    coach.lifecycle.retire = retire;
    desired([coach])
}

#[test]
fn a_service_with_former_ones_in_use_is_replaced_again_and_all_are_retired() {
    let plan = plan_and_judge(&coach("A4", Retire::Deactivate), &chain([true, true]), &options());
    assert_snapshot!(steps(&plan), @r"
    1 create Coach active=false agent=a4
    2 hand over 65f0c1cc0000000000000003 name=Coach (replaced 2026-11-22 65f0c1) -> #1 active=true after 1
    3 retire 65f0c1cc0000000000000003 (deactivate) active=false after 2
    4 retire 65f0c1bb0000000000000002 (deactivate) active=false
    5 retire 65f0c1aa0000000000000001 (deactivate) active=false
    ");
}

#[test]
fn former_services_that_are_kept_lose_the_ownership_tag() {
    let plan = plan_and_judge(&coach("A3", Retire::Keep), &chain([true, false]), &options());
    assert_snapshot!(steps(&plan), @"1 retire 65f0c1aa0000000000000001 (keep) tags=");
}

#[test]
fn a_chain_is_deleted_from_its_beginning() {
    let plan = plan_and_judge(&coach("A4", Retire::Delete), &chain([false, false]), &platform());
    assert_snapshot!(steps(&plan), @r"
    1 create Coach (replacing 65f0c1) active=false agent=a4 edge=(latest, latest)
    2 hand over 65f0c1cc0000000000000003 name=Coach (replaced 2026-11-22 65f0c1) -> #1 name=Coach active=true after 1
    3 retire 65f0c1aa0000000000000001 (delete)
    4 retire 65f0c1bb0000000000000002 (delete) after 3
    5 retire 65f0c1cc0000000000000003 (delete) after 2,4
    ");
}

/// Wherever a run dies, the next one goes on, and at no moment the service is out of use.
#[test]
fn a_replacement_of_a_replaced_service_goes_on_wherever_it_was_cut_off() {
    for (api, retire) in [
        (Api::Classic, Retire::Deactivate),
        (Api::Classic, Retire::Keep),
        (Api::Platform, Retire::Deactivate),
        (Api::Platform, Retire::Delete),
    ] {
        let (desired, options) = (coach("A4", retire), Options { api, ..options() });
        for active in [[false, false], [true, false], [false, true], [true, true]] {
            let before = chain(active);
            let whole = plan_and_judge(&desired, &before, &options);
            for done in 0..=whole.steps.len() {
                let cut = verify::outcome(&before, &whole.steps[..done], api);
                let rest = plan_and_judge(&desired, &cut, &options);
                let end = verify::outcome(&cut, &rest.steps, api);
                let coaches = end.services.iter().filter(|service| service.agent.as_str() == "a4").count();
                assert_eq!(coaches, 1, "no second copy after {done} of\n{}", steps(&whole));
                // The next commit comes before the rest is done: another agent, and a manifest that is renamed.
                plan_and_judge(&coach("A2", retire), &cut, &options);
                let mut renamed = coach("A1", retire).services.remove("Coach").expect("declared");
                renamed.name = "Trainer".into();
                renamed.lifecycle.renamed_from = Some("Coach".into());
                plan_and_judge(&super::build::desired([renamed]), &cut, &options);
            }
        }
    }
}

/// A service that is switched off, and the one before it in use again.
fn chain_back() -> Snapshot {
    let mut back = chain([false, true]);
    back.services[2].active = false;
    back.services.remove(0);
    back
}

/// An operator switched the service off and activated the one before it; the manifest does not say `active:`.
#[test]
fn a_former_service_that_an_operator_went_back_to_runs_on() {
    let back = chain_back();
    let plan = plan_and_judge(&coach("A3", Retire::Deactivate), &back, &platform());
    assert_snapshot!(steps(&plan), @"");
    assert_eq!(plan.orphans.len(), 1);
    // It is in no manifest. With `--prune` it goes as the manifest of its successor says, in one run.
    let prune = Options { prune: true, ..platform() };
    let plan = plan_and_judge(&coach("A3", Retire::Delete), &chain_back(), &prune);
    assert_snapshot!(steps(&plan), @"1 retire 65f0c1bb0000000000000002 (delete)");
    // Where the manifest wants the service in use, the former one is retired once it is.
    let mut desired = coach("A3", Retire::Deactivate);
    desired.services.get_mut("Coach").expect("declared").active = Some(true);
    assert_snapshot!(steps(&plan_and_judge(&desired, &back, &platform())), @r"
    1 update 65f0c1cc0000000000000003 active=true
    2 retire 65f0c1bb0000000000000002 (deactivate) active=false after 1
    ");
    // Where it wants the service out of use, nothing of it stays in use.
    desired.services.get_mut("Coach").expect("declared").active = Some(false);
    assert_snapshot!(steps(&plan_and_judge(&desired, &back, &platform())), @"1 retire 65f0c1bb0000000000000002 (deactivate) active=false");
}

#[test]
fn tags_that_lead_in_a_circle_or_to_the_service_itself_lead_nowhere() {
    for to in [FIRST, THIRD] {
        let mut circle = chain([true, true]);
        replacing(&mut circle.services[0], to);
        plan_and_judge(&coach("A4", Retire::Deactivate), &circle, &options());
    }
    let mut own = live(FIRST, "Coach", "A1");
    replacing(&mut own, FIRST);
    own.active = false;
    let plan = plan_and_judge(&coach("A1", Retire::Deactivate), &snapshot([own]), &options());
    assert_snapshot!(steps(&plan), @"");
}

#[test]
fn several_active_services_with_one_name_are_a_problem_that_names_them() {
    let desired = coach("A3", Retire::Deactivate);
    let namesakes = || [live(FIRST, "Coach", "A1"), live(SECOND, "Coach", "A3")];
    let mut foreign = namesakes();
    foreign[1].tags.clear();
    let mut renamed = coach("A1", Retire::Deactivate).services.remove("Coach").expect("declared");
    renamed.name = "Trainer".into();
    renamed.lifecycle.renamed_from = Some("Coach".into());
    let renamed = super::build::desired([renamed]);
    for options in [options(), platform()] {
        for (desired, services) in
            [(&desired, namesakes()), (&desired, foreign.clone()), (&renamed, namesakes())]
        {
            let error = try_plan(desired, &snapshot(services), &options).expect_err("a problem");
            let [problem] = &error.problems[..] else { panic!("one problem: {error:?}") };
            assert_eq!(problem.kind, ProblemKind::Ambiguous);
            assert_eq!(problem.message, format!("2 active services are named `Coach`: {FIRST}, {SECOND}"));
            assert!(problem.help[0].starts_with("deactivate or rename all but one"), "{:?}", problem.help);
        }
    }
}

/// A new service of a replacement was to be replaced itself before it had taken its name.
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
    let begun = snapshot([first, second, third]);
    assert_snapshot!(steps(&plan_and_judge(&coach("A3", Retire::Deactivate), &begun, &platform())), @"1 hand over 65f0c1bb0000000000000002 name=Coach (replaced 2026-11-22 65f0c1) -> 65f0c1cc0000000000000003 name=Coach");
    // One that no longer fits is given up in the same run.
    assert_snapshot!(steps(&plan_and_judge(&coach("A2", Retire::Deactivate), &begun, &platform())), @r"
    1 update 65f0c1bb0000000000000002 name=Coach
    2 discard 65f0c1cc0000000000000003 name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by
    ");
}

/// The old service has another name meanwhile, and goes for good: nothing is left that its unfinished replacement could
/// take over from.
#[test]
fn an_unfinished_replacement_of_a_service_that_this_plan_removes_is_given_up_at_once() {
    let mut begun = live(SECOND, "Coach (replacing 65f0c1)", "A2");
    replacing(&mut begun, FIRST);
    begun.active = false;
    let state = snapshot([live(FIRST, "Trainer", "A1"), begun]);
    let mut trainer = wanted("Trainer", "A3");
    trainer.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let mut both = coach("A2", Retire::Deactivate);
    both.services.insert("Trainer".into(), trainer);
    let plan = steps(&plan_and_judge(&both, &state, &platform()));
    assert!(plan.contains(&format!("discard {SECOND}")), "{plan}");
    let options = Options { prune: true, ..platform() };
    let policy = Policy { retire_orphans: Retire::Delete, ..own_policy() };
    let desired = coach("A2", Retire::Deactivate);
    let plan = crate::plan::plan(&desired, &state, &policy, &options).expect("a plan");
    assert_eq!(verify::verify(&desired, &state, &policy, &options, &plan), Vec::<String>::new());
    assert_snapshot!(steps(&plan), @r"
    1 create Coach active=true agent=a2
    2 retire 65f0c1aa0000000000000001 (delete)
    3 discard 65f0c1bb0000000000000002 name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by
    ");
}

/// `--prune` takes an unfinished replacement out of use that an operator activated: only thereby a later run would take
/// it for one that goes on.
#[test]
fn an_unfinished_replacement_that_is_retired_is_given_up_by_the_same_step() {
    let mut begun = live(SECOND, "Coach (replacing 65f0c1)", "A2");
    replacing(&mut begun, FIRST);
    let options = Options { prune: true, ..platform() };
    let plan = plan_and_judge(
        &coach("A3", Retire::Deactivate),
        &snapshot([live(FIRST, "Coach", "A3"), begun]),
        &options,
    );
    assert_snapshot!(steps(&plan), @"1 retire 65f0c1bb0000000000000002 (deactivate) name=Coach (abandoned 2026-11-22 65f0c1) active=false tags=managed_by");
}

/// A run that lost against this replacement gave the former service its name back while the new one was activated.
#[test]
fn a_former_service_that_got_its_name_back_is_renamed_before_the_new_one_is_deactivated() {
    let mut former = live(FIRST, "Coach", "A1");
    former.active = false;
    let mut new = live(SECOND, "Coach", "A2");
    replacing(&mut new, FIRST);
    let mut inactive = coach("A2", Retire::Deactivate);
    inactive.services.values_mut().for_each(|service| service.active = Some(false));
    assert_snapshot!(steps(&plan_and_judge(&inactive, &snapshot([former, new]), &options())), @r"
    1 update 65f0c1aa0000000000000001 name=Coach (replaced 2026-11-22 65f0c1)
    2 update 65f0c1bb0000000000000002 active=false after 1
    ");
}
