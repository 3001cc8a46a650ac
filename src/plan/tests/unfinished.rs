//! Tests of unfinished replacements and renames. Since the interrupted run, commits have changed the manifests, or
//! other runs or users have changed the live state.

use insta::assert_snapshot;

use super::build::*;
use crate::model::*;
use crate::plan::verify;

const OLD: &str = "65f0c1aa0000000000000001";
const OTHER: &str = "65f0c1bb0000000000000002";
const NEW: &str = "65f0c1cc0000000000000003";

/// Returns the inactive new service of an unfinished replacement of the service `old`. It has its final name.
fn unfinished(name: &str, agent: &str, old: &str) -> LiveService {
    let mut new = live(NEW, name, agent);
    new.active = false;
    new.tags.insert(TAG_REPLACES.to_owned(), Some(old.to_owned()));
    new
}

fn renamed(name: &str, from: &str, agent: &str) -> DesiredService {
    let mut service = wanted(name, agent);
    service.lifecycle.renamed_from = Some(from.into());
    service
}

/// The replacement of Echo was interrupted, and the next commit renames Echo to Carol. A service named Carol exists
/// already. It keeps its name, and is activated if it is inactive.
#[test]
fn an_unfinished_replacement_under_the_former_name_does_not_displace_the_holder_of_the_name() {
    let desired = desired([renamed("Carol", "Echo", "A2")]);
    for is_active in [true, false] {
        let mut carol = live(OTHER, "Carol", "A2");
        carol.active = is_active;
        let state = snapshot([live(OLD, "Echo", "A3"), carol, unfinished("Echo", "A2", OLD)]);
        let expected = if is_active {
            ""
        } else {
            "1 update 65f0c1bb0000000000000002 active=true tags=managed_by,origin"
        };
        assert_eq!(
            steps(&plan_and_verify(&desired, &state, &options())),
            expected,
            "Carol is active: {is_active}"
        );
    }
}

/// The manifests rename Echo to Carol and replace it. The cut-over was interrupted after the rename of the old service.
/// Meanwhile, another service got the name Carol. This service keeps the name, and the replacement is not continued.
#[test]
fn an_interrupted_hand_over_under_the_former_name_does_not_displace_the_holder_of_the_name() {
    let old = live(OLD, "Echo (replaced 2026-11-21 65f0c1)", "A3");
    let state = snapshot([old, live(OTHER, "Carol", "A2"), unfinished("Echo", "A2", OLD)]);
    let plan = plan_and_verify(&desired([renamed("Carol", "Echo", "A2")]), &state, &options());
    assert_eq!(steps(&plan), "");
}

/// A swap of two names was interrupted, and the next commit removes `renamed_from`. No manifest says which name the
/// service with the temporary name must get, so the result is a problem. With the manifests of the swap, a plan can be
/// made.
#[test]
fn an_interrupted_swap_that_no_manifest_continues_is_a_problem_with_advice() {
    let temporary = live(OLD, "Delta (renaming 65f0c1)", "A1");
    let state = snapshot([temporary, live(OTHER, "Delta", "A3")]);
    let manifests_without_the_swap = desired([wanted("Able", "A3"), wanted("Delta", "A1")]);
    let error = try_plan(&manifests_without_the_swap, &state, &options()).expect_err("a problem");
    let [problem] = &error.problems[..] else { panic!("one problem: {error:?}") };
    assert_snapshot!(problem.message, @"2 services match the name `Delta`: 65f0c1aa0000000000000001 (`Delta (renaming 65f0c1)`, owned by this project), 65f0c1bb0000000000000002 (`Delta`, owned by this project)");
    assert_snapshot!(problem.help[0], @"an interrupted run left the temporary name `Delta (renaming 65f0c1)`: put `renamed_from` back into the manifest until a run has finished, or rename the service that the manifest does not mean");
    plan_and_verify(
        &desired([renamed("Able", "Delta", "A3"), renamed("Delta", "Able", "A1")]),
        &state,
        &options(),
    );
}

/// The replacement of Echo was interrupted, and the next commit renames Echo to Carol. The service that has the name
/// Carol is renamed in the same plan, so the replacement continues.
#[test]
fn an_unfinished_replacement_goes_on_if_the_holder_of_its_new_name_is_renamed() {
    let mut echo = renamed("Carol", "Echo", "A2");
    echo.description = Some("The service Echo".to_owned());
    let mut carol = renamed("Delta", "Carol", "A1");
    carol.description = Some("The service Carol".to_owned());
    let state =
        snapshot([live(OLD, "Echo", "A3"), live(OTHER, "Carol", "A1"), unfinished("Echo", "A2", OLD)]);
    assert_snapshot!(steps(&plan_and_verify(&desired([echo, carol]), &state, &options())), @r"
    1 update 65f0c1bb0000000000000002 name=Delta tags=managed_by,origin
    2 hand over 65f0c1aa0000000000000001 name=Echo (replaced 2026-11-22 65f0c1) -> 65f0c1cc0000000000000003 name=Carol active=true after 1
    3 retire 65f0c1aa0000000000000001 (deactivate) active=false after 2
    ");
}

/// A run began to replace Delta by a new service Able, and the next commit removes this rename. Another owned, inactive
/// service is also named Able. This service is the match of the manifest, and the new service is abandoned.
#[test]
fn an_unfinished_replacement_that_no_manifest_continues_is_not_confused_with_a_namesake() {
    let mut able = live(OTHER, "Able", "A3");
    able.active = false;
    let state = snapshot([live(OLD, "Delta", "A3"), able, unfinished("Able", "A1", OLD)]);
    let plan = plan_and_verify(&desired([wanted("Able", "A3")]), &state, &options());
    assert_snapshot!(steps(&plan), @r"
    1 update 65f0c1bb0000000000000002 active=true tags=managed_by,origin
    2 abandon 65f0c1cc0000000000000003 name=Able (abandoned 2026-11-22 65f0c1) tags=managed_by
    ");
    let end = verify::outcome(&state, &plan.steps, options().api);
    assert!(end.services[0].active, "Delta is in no manifest, so it does not change");
}

/// Foxtrot has replaced Delta, but the old Delta is still active. The next commit gives the manifest the name Delta
/// again, so the plan replaces the old Delta a second time. `--prune` retires Foxtrot and abandons it in the same step.
#[test]
fn a_pruned_service_is_abandoned_by_the_same_step_if_its_predecessor_is_replaced() {
    let mut foxtrot = live(OTHER, "Foxtrot", "A1");
    foxtrot.tags.insert(TAG_REPLACES.to_owned(), Some(OLD.to_owned()));
    let mut delta = renamed("Delta", "Foxtrot", "A1");
    delta.lifecycle.retire = Retire::Keep;
    let mut old = live(OLD, "Delta", "A3");
    old.tags.clear();
    let options = crate::plan::Options { prune: true, ..options() };
    let plan = plan_and_verify(&desired([delta]), &snapshot([old, foxtrot]), &options);
    assert_snapshot!(steps(&plan), @r"
    1 create Delta active=false agent=a1
    2 hand over 65f0c1aa0000000000000001 name=Delta (replaced 2026-11-22 65f0c1) tags=managed_by -> #1 active=true after 1
    3 retire 65f0c1aa0000000000000001 (keep) tags= after 2
    4 retire 65f0c1bb0000000000000002 (deactivate) name=Foxtrot (abandoned 2026-11-22 65f0c1) active=false tags=managed_by
    ");
}

/// The replacement of Echo by Golf is unfinished, and the next commit renames Golf to Carol. No manifest declares Echo,
/// so `--prune` retires it. But Echo must stay active until Carol is active.
#[test]
fn a_pruned_service_is_retired_after_its_successor_is_activated() {
    let options = crate::plan::Options { prune: true, ..options() };
    let state = snapshot([live(OLD, "Echo", "A2"), unfinished("Golf", "A3", OLD)]);
    let mut carol = renamed("Carol", "Golf", "A3");
    carol.active = Some(true);
    let plan = plan_and_verify(&desired([carol]), &state, &options);
    assert_snapshot!(steps(&plan), @r"
    1 update 65f0c1cc0000000000000003 name=Carol active=true description tags=managed_by,origin,replaces
    2 retire 65f0c1aa0000000000000001 (deactivate) active=false after 1
    ");
}

/// Carol was replaced by a new service Carol, which is inactive. A replacement of Delta was interrupted, and Delta was
/// deactivated. The manifest declares Carol with `renamed_from: Delta`. Its match is the new service Carol, and neither
/// Delta nor the new service of Delta's replacement.
#[test]
fn an_unfinished_service_with_the_former_name_does_not_displace_a_new_service() {
    let mut former = live(OTHER, "Carol (replaced 2026-11-22 65f0c1b)", "A1");
    let mut carol = live("65f0c1dd0000000000000004", "Carol", "A2");
    carol.tags.insert(TAG_REPLACES.to_owned(), Some(OTHER.to_owned()));
    let mut delta = live(OLD, "Delta", "A3");
    for service in [&mut former, &mut carol, &mut delta] {
        service.active = false;
    }
    let state = snapshot([former, carol, delta, unfinished("Delta", "A2", OLD)]);
    let plan = plan_and_verify(&desired([renamed("Carol", "Delta", "A2")]), &state, &options());
    assert_snapshot!(steps(&plan), @"1 update 65f0c1dd0000000000000004 active=true tags=managed_by,origin,replaces");
}

/// Baker becomes Able and Carol becomes Baker, each with a new agent. The old Baker is inactive. The run is interrupted
/// after each number of steps, and the next run must continue without creating second copies.
#[test]
fn a_chain_of_replacements_with_new_names_goes_on_wherever_it_was_interrupted() {
    let mut inactive = live(OLD, "Baker", "A1");
    inactive.active = false;
    let before = snapshot([inactive, live(OTHER, "Carol", "A1")]);
    let manifests = desired([renamed("Able", "Baker", "A2"), renamed("Baker", "Carol", "A3")]);
    let whole = plan_and_verify(&manifests, &before, &options());
    for done in 0..=whole.steps.len() {
        let cut = verify::outcome(&before, &whole.steps[..done], options().api);
        let rest = plan_and_verify(&manifests, &cut, &options());
        let end = verify::outcome(&cut, &rest.steps, options().api);
        let count_with_agent =
            |agent: &str| end.services.iter().filter(|service| service.agent.as_str() == agent).count();
        assert_eq!(
            (count_with_agent("a2"), count_with_agent("a3")),
            (1, 1),
            "no second copy after {done} of\n{}",
            steps(&whole)
        );
        assert!(
            end.services.iter().any(|service| service.active && service.name == "Baker".into()),
            "{done}"
        );
    }
}

/// A replacement of an inactive service was interrupted, and the manifest asks for an active service. The next run
/// continues the replacement with a cut-over, instead of only activating the new service.
#[test]
fn an_unfinished_replacement_of_an_inactive_service_with_a_new_name_goes_on() {
    let mut old = live(OLD, "Baker", "A1");
    old.active = false;
    let mut able = renamed("Able", "Baker", "A2");
    able.active = Some(true);
    let state = snapshot([old, unfinished("Able", "A2", OLD)]);
    assert_snapshot!(steps(&plan_and_verify(&desired([able]), &state, &options())), @"1 hand over 65f0c1aa0000000000000001 name=Baker (replaced 2026-11-22 65f0c1) -> 65f0c1cc0000000000000003 active=true");
}

/// A swap of two names was interrupted. One service still has a temporary name, and an inactive service has its final
/// name. The service with the temporary name is active, so it still gets its final name.
#[test]
fn an_inactive_namesake_does_not_displace_a_service_in_use_that_has_a_temporary_name() {
    let mut inactive = live(NEW, "Baker", "A2");
    inactive.active = false;
    let state = snapshot([live(OLD, "Baker (renaming 65f0c1)", "A1"), live(OTHER, "Able", "A2"), inactive]);
    let manifests = desired([renamed("Able", "Baker", "A2"), renamed("Baker", "Able", "A1")]);
    let options = crate::plan::Options { prune: true, ..options() };
    assert_snapshot!(steps(&plan_and_verify(&manifests, &state, &options)), @"1 update 65f0c1aa0000000000000001 name=Baker description tags=managed_by,origin");
}

/// A cut-over was interrupted between the rename and the activation, and another user has created a service without an
/// owner under the same name. The result is a problem, because the name could mean either service.
#[test]
fn an_unowned_service_does_not_displace_an_unfinished_replacement() {
    let mut unowned = live(OTHER, "Carol", "A1");
    unowned.tags.clear();
    let state = snapshot([
        live(OLD, "Carol (replaced 2026-11-21 65f0c1)", "A1"),
        unfinished("Carol", "A2", OLD),
        unowned,
    ]);
    for prune in [false, true] {
        let options = crate::plan::Options { prune, ..options() };
        let error = try_plan(&desired([wanted("Carol", "A2")]), &state, &options).expect_err("a problem");
        assert_eq!(error.problems[0].kind, crate::plan::ProblemKind::Ambiguous);
    }
}

/// Coach was replaced twice. An operator renamed the oldest of the three services and activated it again, and the other
/// two services are inactive. With `--prune`, the oldest service is retired only after the newest service is activated.
#[test]
fn a_pruned_service_is_retired_after_any_of_its_successors_is_activated() {
    let first = live(OLD, "Coach test", "A1");
    let mut second = live(OTHER, "Coach (replaced 2026-11-21 65f0c1b)", "A2");
    second.tags.insert(TAG_REPLACES.to_owned(), Some(OLD.to_owned()));
    second.active = false;
    let third = unfinished("Coach", "A3", OTHER);
    let mut coach = wanted("Coach", "A3");
    coach.active = Some(true);
    let options = crate::plan::Options { prune: true, ..options() };
    let plan = plan_and_verify(&desired([coach]), &snapshot([first, second, third]), &options);
    assert_snapshot!(steps(&plan), @r"
    1 update 65f0c1cc0000000000000003 active=true tags=managed_by,origin,replaces
    2 retire 65f0c1aa0000000000000001 (deactivate) active=false after 1
    ");
}
