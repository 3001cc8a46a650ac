//! Tests of replacements on the Platform API: temporary names, deletions, and changes after an interrupted run.

use insta::assert_snapshot;
use serde_json::json;

use super::build::*;
use super::platform::*;
use crate::model::*;
use crate::plan::Field;

fn replacing(how: Retire) -> (Desired, Snapshot) {
    let mut coach = with_settings(wanted("Coach", "A2"), json!({"tool_capacity": 5}));
    coach.version_sets = sets(&[("release", 3, 5)]);
    coach.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    coach.lifecycle.retire = how;
    let old =
        platform_live("65f0c1aa-0000-4000-8000-000000000001", "Coach", "A1", json!({"channel_type": "text"}));
    (desired([coach]), snapshot([old]))
}

#[test]
fn the_new_service_is_created_with_a_temporary_name() {
    let (desired, snapshot) = replacing(Retire::Deactivate);
    let plan = plan_and_verify(&desired, &snapshot, &platform());
    assert_snapshot!(steps(&plan), @r#"
    1 create Coach (replacing 65f0c1) active=false agent=a2 channel_type="text" environment="production" safety_filters_enabled=true tool_capacity=5
    2 hand over 65f0c1aa-0000-4000-8000-000000000001 name=Coach (replaced 2026-11-22 65f0c1) -> #1 name=Coach active=true after 1
    3 retire 65f0c1aa-0000-4000-8000-000000000001 (deactivate) active=false after 2
    "#);
    let changes = &plan.services[0].changes;
    let capacity = Field::Setting(vec!["tool_capacity".to_owned()]);
    assert!(changes.field(&capacity).is_some() && changes.field(&Field::Name).is_none(), "{changes:?}");
}

#[test]
fn the_old_service_is_deleted_if_the_manifest_says_so() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_verify(&desired, &snapshot, &platform());
    assert_snapshot!(steps(&whole).lines().last().unwrap_or_default(), @"3 retire 65f0c1aa-0000-4000-8000-000000000001 (delete) after 2");
    let interrupted = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Platform);
    assert_snapshot!(show(&desired, &interrupted), @"1 retire 65f0c1aa-0000-4000-8000-000000000001 (delete)");
}

#[test]
fn an_inactive_service_gives_its_name_to_the_new_one_without_an_activation() {
    let (mut desired, mut snapshot) = replacing(Retire::Deactivate);
    desired.services.get_mut("Coach").expect("declared").active = Some(false);
    let active = show(&desired, &snapshot);
    snapshot.services[0].active = false;
    assert_snapshot!(active.lines().last().unwrap_or_default(), @"2 hand over 65f0c1aa-0000-4000-8000-000000000001 name=Coach (replaced 2026-11-22 65f0c1) active=false -> #1 name=Coach after 1");
    assert_snapshot!(show(&desired, &snapshot).lines().last().unwrap_or_default(), @"2 hand over 65f0c1aa-0000-4000-8000-000000000001 name=Coach (replaced 2026-11-22 65f0c1) -> #1 name=Coach after 1");
}

#[test]
fn a_new_service_whose_old_one_is_gone_is_activated() {
    let (mut desired, snapshot) = replacing(Retire::Deactivate);
    let whole = plan_and_verify(&desired, &snapshot, &platform());
    let mut interrupted = crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Platform);
    interrupted.services.retain(|service| !service.active);
    let plan = plan_and_verify(&desired, &interrupted, &platform());
    assert_snapshot!(steps(&plan), @"1 update 000000000000cafe00000001 name=Coach active=true tags=managed_by,origin,replaces");
    assert_snapshot!(plan.findings[0].message, @"this service is activated, because the service that it was created to replace no longer exists");
    desired.services.get_mut("Coach").expect("declared").active = Some(false);
    assert_snapshot!(show(&desired, &interrupted), @"1 update 000000000000cafe00000001 name=Coach tags=managed_by,origin,replaces");
    // A new service that was in use and was deactivated later is activated, too.
    desired.services.get_mut("Coach").expect("declared").active = None;
    interrupted.services[0].name = "Coach".into();
    assert_snapshot!(show(&desired, &interrupted), @"1 update 000000000000cafe00000001 active=true tags=managed_by,origin,replaces");
}

#[test]
fn a_change_in_place_is_the_default() {
    let (mut desired, snapshot) = replacing(Retire::Deactivate);
    desired.services.get_mut("Coach").expect("declared").lifecycle.on_agent_change = None;
    assert_snapshot!(show(&desired, &snapshot), @"1 update 65f0c1aa-0000-4000-8000-000000000001 agent=a2 tags=managed_by,origin release=(3, 5) tool_capacity=5");
}

/// Returns the manifests of a replacement, and the live state after its first step, which creates the new service.
fn unfinished() -> (Desired, Snapshot) {
    let (desired, snapshot) = replacing(Retire::Deactivate);
    let whole = plan_and_verify(&desired, &snapshot, &platform());
    (desired, crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Platform))
}

fn find_by_activity(snapshot: &mut Snapshot, active: bool) -> &mut LiveService {
    snapshot.services.iter_mut().find(|service| service.active == active).expect("it is there")
}

#[test]
fn settings_that_changed_meanwhile_are_written_to_an_unfinished_new_service() {
    let (mut desired, mut interrupted) = unfinished();
    find_by_activity(&mut interrupted, true).settings.insert("channel_type".to_owned(), json!("voice"));
    desired.services.get_mut("Coach").expect("declared").settings = object(json!({"tool_capacity": 7}));
    let plan = show(&desired, &interrupted);
    assert!(
        plan.starts_with(r#"1 update 000000000000cafe00000001 tags=managed_by,origin,replaces channel_type="voice" tool_capacity=7"#),
        "{plan}"
    );
}

#[test]
fn an_unfinished_new_service_with_a_block_that_cannot_be_removed_is_abandoned() {
    let (desired, mut interrupted) = unfinished();
    find_by_activity(&mut interrupted, false)
        .settings
        .insert("voice_config".to_owned(), json!({"max_response_words": 3}));
    assert_snapshot!(show(&desired, &interrupted), @r#"
    1 create Coach (replacing 65f0c1a) active=false agent=a2 channel_type="text" environment="production" safety_filters_enabled=true tool_capacity=5
    2 hand over 65f0c1aa-0000-4000-8000-000000000001 name=Coach (replaced 2026-11-22 65f0c1) -> #1 name=Coach active=true after 1
    3 retire 65f0c1aa-0000-4000-8000-000000000001 (deactivate) active=false after 2
    4 abandon 000000000000cafe00000001 name=Coach (abandoned 2026-11-22 000000) tags=managed_by,origin
    "#);
}

#[test]
fn an_unfinished_new_service_is_abandoned_if_the_manifest_now_asks_for_a_change_in_place() {
    let (mut desired, interrupted) = unfinished();
    desired.services.get_mut("Coach").expect("declared").lifecycle.on_agent_change =
        Some(OnAgentChange::Update);
    assert_snapshot!(show(&desired, &interrupted), @r"
    1 update 65f0c1aa-0000-4000-8000-000000000001 agent=a2 tags=managed_by,origin release=(3, 5) tool_capacity=5
    2 abandon 000000000000cafe00000001 name=Coach (abandoned 2026-11-22 000000) tags=managed_by,origin
    ");
}

#[test]
fn an_unfinished_replacement_goes_on_after_a_rename_of_the_manifest() {
    let (desired_then, interrupted) = unfinished();
    let mut renamed = desired_then.services["Coach"].clone();
    renamed.name = "Trainer".into();
    renamed.lifecycle.renamed_from = Some("Coach".into());
    let plan = show(&desired([renamed]), &interrupted);
    assert!(!plan.contains("create") && plan.contains("name=Trainer active=true"), "{plan}");
}

#[test]
fn an_unfinished_new_service_is_abandoned_if_another_one_replaced_its_old_service() {
    let (_, mut interrupted) = unfinished();
    let old = find_by_activity(&mut interrupted, true);
    old.active = false;
    old.name = "Coach (replaced 2026-11-22 65f0c1)".into();
    let id = old.id.clone();
    let mut trainer = platform_live("65f0c1bb-0000-4000-8000-000000000002", "Trainer", "A2", json!({}));
    trainer.tags.insert(TAG_REPLACES.to_owned(), Some(id.to_string()));
    interrupted.services.push(trainer);
    let mut coach = wanted("Coach", "A2");
    coach.lifecycle.retire = Retire::Delete;
    assert_snapshot!(show(&desired([coach, wanted("Trainer", "A2")]), &interrupted), @r"
    1 create Coach active=true agent=a2
    2 abandon 000000000000cafe00000001 name=Coach (abandoned 2026-11-22 000000) tags=managed_by,origin
    ");
}

#[test]
fn going_back_to_a_former_service_by_hand_is_undone_in_a_safe_order() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_verify(&desired, &snapshot, &platform());
    let mut reverted = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Platform);
    for service in &mut reverted.services {
        service.active = !service.active || service.name.as_str() != "Coach";
    }
    let plan = plan_and_verify(&desired, &reverted, &platform());
    assert_snapshot!(steps(&plan), @r"
    1 update 000000000000cafe00000001 active=true tags=managed_by,origin,replaces
    2 retire 65f0c1aa-0000-4000-8000-000000000001 (delete) after 1
    ");
}

#[test]
fn a_later_deletion_of_a_former_service_counts_as_a_removal() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_verify(&desired, &snapshot, &platform());
    let mut interrupted = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Platform);
    let guardrails = Guardrails { max_removals: Some(MaxRemovals::Count(0)), ..Guardrails::default() };
    let policy = Policy { guardrails, ..own_policy() };
    // The run was interrupted between the cut-over and the deletion, so the old service is still active. Its deletion
    // belongs to the replacement, and does not count as a removal.
    let rest = crate::plan::plan(&desired, &interrupted, &policy, &platform()).expect("allowed");
    assert_snapshot!(steps(&rest), @"1 retire 65f0c1aa-0000-4000-8000-000000000001 (delete)");
    // If the former service was already deactivated by an earlier run, its deletion counts as a removal.
    interrupted
        .services
        .iter_mut()
        .filter(|old| old.name.as_str() != "Coach")
        .for_each(|old| old.active = false);
    let error = crate::plan::plan(&desired, &interrupted, &policy, &platform()).expect_err("refused");
    assert!(
        error.problems[0].message.contains("removals in the plan is 1,"),
        "{}",
        error.problems[0].message
    );
}

#[test]
fn a_replacement_copies_edge_where_it_is_an_ordinary_version_set() {
    let (desired, mut snapshot) = replacing(Retire::Deactivate);
    snapshot.services[0].version_sets.insert("edge".into(), live_set(1, 1));
    assert!(show(&desired, &snapshot).contains("edge=(1, 1)"));
}

#[test]
fn of_two_new_services_the_later_one_is_abandoned_if_the_old_one_is_gone() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_verify(&desired, &snapshot, &platform());
    let mut finished = crate::plan::verify::outcome(&snapshot, &whole.steps, Api::Platform);
    let mut later = crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Platform);
    later.services.retain(|service| !service.active);
    later.services[0].id = "65f0c1aa-0000-4000-8000-00000000000f".into();
    finished.services.append(&mut later.services);
    assert_snapshot!(show(&desired, &finished), @"1 abandon 65f0c1aa-0000-4000-8000-00000000000f name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by,origin");
}

#[test]
fn an_inactive_service_is_renamed_while_an_unfinished_replacement_gets_its_name() {
    let mut inactive = platform_live("65f0c1aa-0000-4000-8000-000000000003", "Able", "A1", json!({}));
    inactive.active = false;
    let mut able = wanted("Able", "A2");
    able.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    able.lifecycle.renamed_from = Some("Echo".into());
    let mut delta = wanted("Delta", "A1");
    delta.lifecycle.renamed_from = Some("Able".into());
    let (desired, before) = (
        desired([able, delta]),
        snapshot([inactive, platform_live("65f0c1bb-0000-4000-8000-000000000004", "Echo", "A1", json!({}))]),
    );
    let whole = plan_and_verify(&desired, &before, &platform());
    let interrupted = crate::plan::verify::outcome(&before, &whole.steps[..1], Api::Platform);
    assert_snapshot!(show(&desired, &interrupted), @r"
    1 update 65f0c1aa-0000-4000-8000-000000000003 name=Delta active=true description tags=managed_by,origin
    2 hand over 65f0c1bb-0000-4000-8000-000000000004 name=Echo (replaced 2026-11-22 65f0c1) -> 000000000000cafe00000002 name=Able active=true after 1
    3 retire 65f0c1bb-0000-4000-8000-000000000004 (deactivate) active=false after 2
    ");
}

#[test]
fn an_inactive_namesake_is_not_confused_with_a_service_that_is_being_replaced() {
    let mut inactive = platform_live("65f0c1aa-0000-4000-8000-000000000003", "Carol", "A1", json!({}));
    inactive.active = false;
    let in_use = platform_live("65f0c1bb-0000-4000-8000-000000000004", "Carol", "A3", json!({}));
    let mut carol = wanted("Carol", "A2");
    carol.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let mut echo = wanted("Echo", "A2");
    echo.lifecycle.renamed_from = Some("Carol".into());
    let (desired, before) = (desired([carol, echo]), snapshot([inactive, in_use.clone()]));
    let whole = plan_and_verify(&desired, &before, &platform());
    assert!(steps(&whole).contains("create Echo active=true"), "{}", steps(&whole));
    // The run was interrupted between the rename and the activation of its cut-over.
    let mut interrupted = crate::plan::verify::outcome(&before, &whole.steps[..1], Api::Platform);
    let old = interrupted.services.iter_mut().find(|service| service.id == in_use.id).expect("it is there");
    old.name = "Carol (replaced 2026-11-22 65f0c1)".into();
    assert_snapshot!(show(&desired, &interrupted), @r"
    1 create Echo active=true agent=a2
    2 hand over 65f0c1bb-0000-4000-8000-000000000004 -> 000000000000cafe00000002 name=Carol active=true
    3 retire 65f0c1bb-0000-4000-8000-000000000004 (deactivate) active=false after 2
    ");
}

#[test]
fn of_several_inactive_namesakes_the_same_one_is_noted_in_any_order() {
    let unowned = |id: &str| {
        let mut unowned = platform_live(id, "Coach", "A1", json!({}));
        unowned.active = false;
        unowned.tags.clear();
        unowned
    };
    let desired = desired([wanted("Coach", "A1")]);
    let messages = |ids: [&str; 2]| {
        plan_and_verify(&desired, &snapshot(ids.map(unowned)), &platform()).findings[0].message.clone()
    };
    assert_eq!(messages(["8", "9"]), messages(["9", "8"]));
    assert!(messages(["8", "9"]).contains("(8)"));
}
