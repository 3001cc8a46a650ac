//! Replacements on the Platform API: passing names, deletes, and runs that were cut off before things changed.

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
    let old = there("65f0c1aa-0000-4000-8000-000000000001", "Coach", "A1", json!({"channel_type": "text"}));
    (desired([coach]), snapshot([old]))
}

#[test]
fn a_replacement_is_made_under_a_passing_name() {
    let (desired, snapshot) = replacing(Retire::Deactivate);
    let plan = plan_and_judge(&desired, &snapshot, &platform());
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
fn the_old_service_is_deleted_where_the_manifest_says_so() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_judge(&desired, &snapshot, &platform());
    assert_snapshot!(steps(&whole).lines().last().unwrap_or_default(), @"3 retire 65f0c1aa-0000-4000-8000-000000000001 (delete) after 2");
    let cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Platform);
    assert_snapshot!(show(&desired, &cut), @"1 retire 65f0c1aa-0000-4000-8000-000000000001 (delete)");
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
fn a_new_service_whose_old_one_is_gone_takes_its_place() {
    let (mut desired, snapshot) = replacing(Retire::Deactivate);
    let whole = plan_and_judge(&desired, &snapshot, &platform());
    let mut cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Platform);
    cut.services.retain(|service| !service.active);
    let plan = plan_and_judge(&desired, &cut, &platform());
    assert_snapshot!(steps(&plan), @"1 update 000000000000cafe00000001 name=Coach active=true");
    assert_snapshot!(plan.findings[0].message, @"the service that it was to replace is gone, so that it is activated in its place");
    desired.services.get_mut("Coach").expect("declared").active = Some(false);
    assert_snapshot!(show(&desired, &cut), @"1 update 000000000000cafe00000001 name=Coach");
    // One that took over long ago and was deactivated since stays so.
    desired.services.get_mut("Coach").expect("declared").active = None;
    cut.services[0].name = "Coach".into();
    assert_snapshot!(show(&desired, &cut), @"");
}

#[test]
fn in_place_is_the_default() {
    let (mut desired, snapshot) = replacing(Retire::Deactivate);
    desired.services.get_mut("Coach").expect("declared").lifecycle.on_agent_change = None;
    assert_snapshot!(show(&desired, &snapshot), @"1 update 65f0c1aa-0000-4000-8000-000000000001 agent=a2 release=(3, 5) tool_capacity=5");
}

/// The first step of a replacement is done; then something changes.
fn half_made() -> (Desired, Snapshot) {
    let (desired, snapshot) = replacing(Retire::Deactivate);
    let whole = plan_and_judge(&desired, &snapshot, &platform());
    (desired, crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Platform))
}

fn of(snapshot: &mut Snapshot, active: bool) -> &mut LiveService {
    snapshot.services.iter_mut().find(|service| service.active == active).expect("it is there")
}

#[test]
fn settings_that_moved_meanwhile_reach_a_half_made_service() {
    let (mut desired, mut cut) = half_made();
    of(&mut cut, true).settings.insert("channel_type".to_owned(), json!("voice"));
    desired.services.get_mut("Coach").expect("declared").settings = object(json!({"tool_capacity": 7}));
    let plan = show(&desired, &cut);
    assert!(
        plan.starts_with(r#"1 update 000000000000cafe00000001 channel_type="voice" tool_capacity=7"#),
        "{plan}"
    );
}

#[test]
fn a_half_made_service_that_cannot_become_what_is_wanted_is_given_up() {
    let (desired, mut cut) = half_made();
    of(&mut cut, false).settings.insert("voice_config".to_owned(), json!({"max_response_words": 3}));
    assert_snapshot!(show(&desired, &cut), @r#"
    1 create Coach (replacing 65f0c1a) active=false agent=a2 channel_type="text" environment="production" safety_filters_enabled=true tool_capacity=5
    2 hand over 65f0c1aa-0000-4000-8000-000000000001 name=Coach (replaced 2026-11-22 65f0c1) -> #1 name=Coach active=true after 1
    3 retire 65f0c1aa-0000-4000-8000-000000000001 (deactivate) active=false after 2
    4 discard 000000000000cafe00000001 name=Coach (abandoned 2026-11-22 000000) tags=managed_by
    "#);
}

#[test]
fn a_half_made_service_is_given_up_where_the_change_is_to_be_made_in_place() {
    let (mut desired, cut) = half_made();
    desired.services.get_mut("Coach").expect("declared").lifecycle.on_agent_change =
        Some(OnAgentChange::Update);
    assert_snapshot!(show(&desired, &cut), @r"
    1 update 65f0c1aa-0000-4000-8000-000000000001 agent=a2 release=(3, 5) tool_capacity=5
    2 discard 000000000000cafe00000001 name=Coach (abandoned 2026-11-22 000000) tags=managed_by
    ");
}

#[test]
fn a_half_made_service_goes_on_under_a_manifest_that_was_renamed_since() {
    let (desired_then, cut) = half_made();
    let mut renamed = desired_then.services["Coach"].clone();
    renamed.name = "Trainer".into();
    renamed.lifecycle.renamed_from = Some("Coach".into());
    let plan = show(&desired([renamed]), &cut);
    assert!(!plan.contains("create") && plan.contains("name=Trainer active=true"), "{plan}");
}

#[test]
fn a_leftover_whose_old_service_another_has_replaced_is_given_up() {
    let (_, mut cut) = half_made();
    let old = of(&mut cut, true);
    old.active = false;
    old.name = "Coach (replaced 2026-11-22 65f0c1)".into();
    let id = old.id.clone();
    let mut trainer = there("65f0c1bb-0000-4000-8000-000000000002", "Trainer", "A2", json!({}));
    trainer.tags.insert(TAG_REPLACES.to_owned(), Some(id.to_string()));
    cut.services.push(trainer);
    let mut coach = wanted("Coach", "A2");
    coach.lifecycle.retire = Retire::Delete;
    assert_snapshot!(show(&desired([coach, wanted("Trainer", "A2")]), &cut), @r"
    1 create Coach active=true agent=a2
    2 discard 000000000000cafe00000001 name=Coach (abandoned 2026-11-22 000000) tags=managed_by
    ");
}

#[test]
fn who_went_back_to_the_old_service_is_not_overruled() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_judge(&desired, &snapshot, &platform());
    let mut back = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Platform);
    for service in &mut back.services {
        service.active = !service.active || service.name.as_str() != "Coach";
    }
    let plan = plan_and_judge(&desired, &back, &platform());
    assert_snapshot!(steps(&plan), @"");
    assert_snapshot!(plan.findings[0].message, @"it is inactive, and its manifest does not say `active:`, so that it stays so");
}

#[test]
fn what_deletes_an_old_service_later_counts_as_a_removal() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_judge(&desired, &snapshot, &platform());
    let mut cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Platform);
    let guardrails = Guardrails { max_removals: Some(MaxRemovals::Count(0)), ..Guardrails::default() };
    let policy = Policy { guardrails, ..own_policy() };
    // A run that was cut off between the hand-over and the deletion goes on: the replacement was allowed.
    let rest = crate::plan::plan(&desired, &cut, &policy, &platform()).expect("allowed");
    assert_snapshot!(steps(&rest), @"1 retire 65f0c1aa-0000-4000-8000-000000000001 (delete)");
    // One that was put out of use long ago, and that a changed manifest now deletes, is another matter.
    cut.services.iter_mut().filter(|old| old.name.as_str() != "Coach").for_each(|old| old.active = false);
    let error = crate::plan::plan(&desired, &cut, &policy, &platform()).expect_err("refused");
    assert!(error.problems[0].message.contains("would remove 1"), "{}", error.problems[0].message);
}

#[test]
fn where_no_set_is_the_servers_own_edge_goes_along_with_a_replacement() {
    let (desired, mut snapshot) = replacing(Retire::Deactivate);
    snapshot.services[0].version_sets.insert("edge".into(), live_set(1, 1));
    assert!(show(&desired, &snapshot).contains("edge=(1, 1)"));
}

#[test]
fn of_two_new_services_the_later_is_given_up_when_the_old_one_is_gone() {
    let (desired, snapshot) = replacing(Retire::Delete);
    let whole = plan_and_judge(&desired, &snapshot, &platform());
    let mut done = crate::plan::verify::outcome(&snapshot, &whole.steps, Api::Platform);
    let mut late = crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Platform);
    late.services.retain(|service| !service.active);
    late.services[0].id = "65f0c1aa-0000-4000-8000-00000000000f".into();
    done.services.append(&mut late.services);
    assert_snapshot!(show(&desired, &done), @"1 discard 65f0c1aa-0000-4000-8000-00000000000f name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by");
}

#[test]
fn an_inactive_service_moves_on_while_its_name_is_on_the_way_to_a_new_one() {
    let mut idle = there("65f0c1aa-0000-4000-8000-000000000003", "Able", "A1", json!({}));
    idle.active = false;
    let mut able = wanted("Able", "A2");
    able.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    able.lifecycle.renamed_from = Some("Echo".into());
    let mut delta = wanted("Delta", "A1");
    delta.lifecycle.renamed_from = Some("Able".into());
    let (desired, before) = (
        desired([able, delta]),
        snapshot([idle, there("65f0c1bb-0000-4000-8000-000000000004", "Echo", "A1", json!({}))]),
    );
    let whole = plan_and_judge(&desired, &before, &platform());
    let cut = crate::plan::verify::outcome(&before, &whole.steps[..1], Api::Platform);
    assert_snapshot!(show(&desired, &cut), @r"
    1 update 65f0c1aa-0000-4000-8000-000000000003 name=Delta description
    2 hand over 65f0c1bb-0000-4000-8000-000000000004 name=Echo (replaced 2026-11-22 65f0c1) -> 000000000000cafe00000002 name=Able active=true after 1
    3 retire 65f0c1bb-0000-4000-8000-000000000004 (deactivate) active=false after 2
    ");
}

#[test]
fn an_inactive_namesake_is_not_taken_for_a_service_that_is_being_replaced() {
    let mut idle = there("65f0c1aa-0000-4000-8000-000000000003", "Carol", "A1", json!({}));
    idle.active = false;
    let in_use = there("65f0c1bb-0000-4000-8000-000000000004", "Carol", "A3", json!({}));
    let mut carol = wanted("Carol", "A2");
    carol.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let mut echo = wanted("Echo", "A2");
    echo.lifecycle.renamed_from = Some("Carol".into());
    let (desired, before) = (desired([carol, echo]), snapshot([idle, in_use.clone()]));
    let whole = plan_and_judge(&desired, &before, &platform());
    assert!(steps(&whole).contains("create Echo active=true"), "{}", steps(&whole));
    // The run was cut off between the rename of its hand-over and the activation.
    let mut cut = crate::plan::verify::outcome(&before, &whole.steps[..1], Api::Platform);
    let old = cut.services.iter_mut().find(|service| service.id == in_use.id).expect("it is there");
    old.name = "Carol (replaced 2026-11-22 65f0c1)".into();
    assert_snapshot!(show(&desired, &cut), @r"
    1 create Echo active=true agent=a2
    2 hand over 65f0c1bb-0000-4000-8000-000000000004 -> 000000000000cafe00000002 name=Carol active=true
    3 retire 65f0c1bb-0000-4000-8000-000000000004 (deactivate) active=false after 2
    ");
}

#[test]
fn of_several_inactive_namesakes_the_same_is_told_of_in_any_order() {
    let stranger = |id: &str| {
        let mut stranger = there(id, "Coach", "A1", json!({}));
        stranger.active = false;
        stranger.tags.clear();
        stranger
    };
    let desired = desired([wanted("Coach", "A1")]);
    let told = |ids: [&str; 2]| {
        plan_and_judge(&desired, &snapshot(ids.map(stranger)), &platform()).findings[0].message.clone()
    };
    assert_eq!(told(["8", "9"]), told(["9", "8"]));
    assert!(told(["8", "9"]).contains(": 8;"));
}
