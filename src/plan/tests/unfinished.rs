//! Replacements that a run began, and that the manifests of a later commit do not continue.

use insta::assert_snapshot;

use super::build::*;
use crate::model::*;
use crate::plan::verify;

const OLD: &str = "65f0c1aa0000000000000001";
const OTHER: &str = "65f0c1bb0000000000000002";
const BEGUN: &str = "65f0c1cc0000000000000003";

/// The new service of an unfinished replacement: inactive, with the name that it is to have.
fn begun(name: &str, agent: &str, old: &str) -> LiveService {
    let mut new = live(BEGUN, name, agent);
    new.active = false;
    new.tags.insert(TAG_REPLACES.to_owned(), Some(old.to_owned()));
    new
}

fn renamed(name: &str, from: &str, agent: &str) -> DesiredService {
    let mut service = wanted(name, agent);
    service.lifecycle.renamed_from = Some(from.into());
    service
}

/// The replacement of Echo was cut off, and the next commit says that Carol was Echo. There is a Carol already: it stays
/// what it is, as if nothing had been begun.
#[test]
fn an_unfinished_replacement_under_the_former_name_does_not_displace_the_holder_of_the_name() {
    let desired = desired([renamed("Carol", "Echo", "A2")]);
    for is_active in [true, false] {
        let mut carol = live(OTHER, "Carol", "A2");
        carol.active = is_active;
        let state = snapshot([live(OLD, "Echo", "A3"), carol, begun("Echo", "A2", OLD)]);
        assert_eq!(steps(&plan_and_judge(&desired, &state, &options())), "", "Carol is active: {is_active}");
    }
}

/// The hand-over of Echo was cut off after it had given its name up, and Carol is there already.
#[test]
fn a_hand_over_under_the_former_name_does_not_displace_the_holder_of_the_name() {
    let old = live(OLD, "Echo (replaced 2026-11-21 65f0c1)", "A3");
    let state = snapshot([old, live(OTHER, "Carol", "A2"), begun("Echo", "A2", OLD)]);
    let plan = plan_and_judge(&desired([renamed("Carol", "Echo", "A2")]), &state, &options());
    assert_eq!(steps(&plan), "");
}

/// A swap was cut off, and the next commit does not speak of it: nothing tells where the service goes that has the name.
#[test]
fn a_swap_that_no_manifest_continues_is_a_problem_that_says_how_to_go_on() {
    let aside = live(OLD, "Delta (renaming 65f0c1)", "A1");
    let state = snapshot([aside, live(OTHER, "Delta", "A3")]);
    let without = desired([wanted("Able", "A3"), wanted("Delta", "A1")]);
    let error = try_plan(&without, &state, &options()).expect_err("a problem");
    let [problem] = &error.problems[..] else { panic!("one problem: {error:?}") };
    assert_snapshot!(problem.message, @"2 services may be the one named `Delta`: 65f0c1aa0000000000000001, 65f0c1bb0000000000000002");
    assert_snapshot!(problem.help[0], @"a run that renames services was cut off and left `Delta (renaming 65f0c1)`: write `renamed_from` as it was until a run has finished, or rename the service that is not meant");
    plan_and_judge(
        &desired([renamed("Able", "Delta", "A3"), renamed("Delta", "Able", "A1")]),
        &state,
        &options(),
    );
}

/// The holder of the name moves on in the same plan: the replacement under the former name goes on.
#[test]
fn an_unfinished_replacement_goes_on_where_the_holder_of_its_new_name_moves_on() {
    let mut echo = renamed("Carol", "Echo", "A2");
    echo.description = Some("The service Echo".to_owned());
    let mut carol = renamed("Delta", "Carol", "A1");
    carol.description = Some("The service Carol".to_owned());
    let state = snapshot([live(OLD, "Echo", "A3"), live(OTHER, "Carol", "A1"), begun("Echo", "A2", OLD)]);
    assert_snapshot!(steps(&plan_and_judge(&desired([echo, carol]), &state, &options())), @r"
    1 update 65f0c1bb0000000000000002 name=Delta
    2 hand over 65f0c1aa0000000000000001 name=Echo (replaced 2026-11-22 65f0c1) -> 65f0c1cc0000000000000003 name=Carol active=true after 1
    3 retire 65f0c1aa0000000000000001 (deactivate) active=false after 2
    ");
}

/// A rename with a new agent was cut off before its hand-over, and the next commit has taken the rename back. An inactive
/// service of ours has the name: that one is meant, as before.
#[test]
fn an_unfinished_replacement_that_no_manifest_continues_is_not_mixed_up_with_a_namesake() {
    let mut able = live(OTHER, "Able", "A3");
    able.active = false;
    let state = snapshot([live(OLD, "Delta", "A3"), able, begun("Able", "A1", OLD)]);
    let plan = plan_and_judge(&desired([wanted("Able", "A3")]), &state, &options());
    assert_snapshot!(steps(&plan), @"1 discard 65f0c1cc0000000000000003 name=Able (abandoned 2026-11-22 65f0c1) tags=managed_by");
    let end = verify::outcome(&state, &plan.steps, options().api);
    assert!(end.services[0].active, "Delta is in no manifest, and is left alone");
}

/// A service that was renamed with a new agent, while that was cut off, is back under its old name in the next commit.
#[test]
fn a_pruned_service_is_given_up_by_the_same_step_where_its_predecessor_is_replaced() {
    let mut foxtrot = live(OTHER, "Foxtrot", "A1");
    foxtrot.tags.insert(TAG_REPLACES.to_owned(), Some(OLD.to_owned()));
    let mut delta = renamed("Delta", "Foxtrot", "A1");
    delta.lifecycle.retire = Retire::Keep;
    let mut old = live(OLD, "Delta", "A3");
    old.tags.clear();
    let options = crate::plan::Options { prune: true, ..options() };
    let plan = plan_and_judge(&desired([delta]), &snapshot([old, foxtrot]), &options);
    assert_snapshot!(steps(&plan), @r"
    1 create Delta active=false agent=a1
    2 hand over 65f0c1aa0000000000000001 name=Delta (replaced 2026-11-22 65f0c1) tags=managed_by -> #1 active=true after 1
    3 retire 65f0c1aa0000000000000001 (keep) tags= after 2
    4 retire 65f0c1bb0000000000000002 (deactivate) name=Foxtrot (abandoned 2026-11-22 65f0c1) active=false tags=managed_by
    ");
}

/// Echo was to be replaced by Golf, and the next commit renames Golf to Carol: Echo is in no manifest, but in use until Carol
/// is.
#[test]
fn a_pruned_service_is_retired_after_its_successor_is_activated() {
    let options = crate::plan::Options { prune: true, ..options() };
    let state = snapshot([live(OLD, "Echo", "A2"), begun("Golf", "A3", OLD)]);
    let mut carol = renamed("Carol", "Golf", "A3");
    carol.active = Some(true);
    let plan = plan_and_judge(&desired([carol]), &state, &options);
    assert_snapshot!(steps(&plan), @r"
    1 update 65f0c1cc0000000000000003 name=Carol active=true description
    2 retire 65f0c1aa0000000000000001 (deactivate) active=false after 1
    ");
}

/// A new Carol has replaced an inactive one, while a replacement of Delta was cut off and Delta was pruned.
#[test]
fn a_leftover_under_the_former_name_does_not_displace_a_service_that_was_just_created() {
    let mut former = live(OTHER, "Carol (replaced 2026-11-22 65f0c1b)", "A1");
    let mut carol = live("65f0c1dd0000000000000004", "Carol", "A2");
    carol.tags.insert(TAG_REPLACES.to_owned(), Some(OTHER.to_owned()));
    let mut delta = live(OLD, "Delta", "A3");
    for service in [&mut former, &mut carol, &mut delta] {
        service.active = false;
    }
    let state = snapshot([former, carol, delta, begun("Delta", "A2", OLD)]);
    let plan = plan_and_judge(&desired([renamed("Carol", "Delta", "A2")]), &state, &options());
    assert_eq!(steps(&plan), "");
}
