//! Tests of replacements, including replacements that were interrupted, are no longer wanted, or compete with a
//! concurrent run.

use insta::assert_snapshot;

use super::build::*;
use crate::model::*;
use crate::plan::Options;

/// Returns a manifest that asks for a new agent, and the live state with the old service, which has several version
/// sets and a behavior set.
fn replacement() -> (Desired, Snapshot) {
    let mut coach = wanted("Coach", "A2");
    coach.version_sets = sets(&[("release", 3, 5), ("staging", 1, 1)]);
    let mut old = live("65f0c1aa0000000000000001", "Coach", "A1");
    old.version_sets.insert("staging".into(), live_set(1, 1));
    let mut snapshot = snapshot([old.clone()]);
    let set =
        BehaviorSet { id: "b1".into(), name: "Escalate".to_owned(), applied_to: [old.id.clone()].into() };
    snapshot.behavior_sets.insert(old.id, vec![set]);
    (desired([coach]), snapshot)
}

#[test]
fn another_agent_requires_a_new_service_and_a_hand_over() {
    let (desired, snapshot) = replacement();
    let plan = plan_and_verify(&desired, &snapshot, &options());
    assert_snapshot!(steps(&plan), @r#"
    1 create Coach active=false agent=a2
    2 create set staging of #1 (1, 1) after 1
    3 apply b1 to #1 after 1
    4 hand over 65f0c1aa0000000000000001 name=Coach (replaced 2026-11-22 65f0c1) -> #1 active=true after 1,2,3
    5 retire 65f0c1aa0000000000000001 (deactivate) active=false after 4
    "#);
    assert_eq!(plan.summary.replace, 1);
}

#[test]
fn an_interrupted_replacement_is_continued() {
    let (desired, snapshot) = replacement();
    let whole = plan_and_verify(&desired, &snapshot, &options());
    let rest = |done: usize| {
        let cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..done], Api::Classic);
        steps(&plan_and_verify(&desired, &cut, &options()))
    };
    assert_snapshot!(rest(1), @r#"
    1 create set staging of 000000000000cafe00000001 (1, 1)
    2 apply b1 to 000000000000cafe00000001
    3 hand over 65f0c1aa0000000000000001 name=Coach (replaced 2026-11-22 65f0c1) -> 000000000000cafe00000001 active=true after 1,2
    4 retire 65f0c1aa0000000000000001 (deactivate) active=false after 3
    "#);
    assert_snapshot!(rest(4), @"1 retire 65f0c1aa0000000000000001 (deactivate) active=false");
    assert_snapshot!(rest(5), @"");
}

#[test]
fn an_unfinished_replacement_that_is_no_longer_wanted_is_abandoned() {
    let (mut desired, snapshot) = replacement();
    let whole = plan_and_verify(&desired, &snapshot, &options());
    let cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Classic);
    let coach = desired.services.get_mut("Coach").expect("declared");
    coach.agent = Reference::Name("A1".to_owned());
    coach.version_sets = None;
    assert_snapshot!(steps(&plan_and_verify(&desired, &cut, &options())), @"1 abandon 000000000000cafe00000001 name=Coach (abandoned 2026-11-22 000000) tags=managed_by,origin");
}

#[test]
fn of_two_concurrent_runs_the_slower_ones_service_is_abandoned() {
    let (desired, snapshot) = replacement();
    let whole = plan_and_verify(&desired, &snapshot, &options());
    // The faster run is finished. The slower run created a new service, too, but its cut-over failed, and it gave the
    // old service its name back.
    let mut after = crate::plan::verify::outcome(&snapshot, &whole.steps, Api::Classic);
    let old = after
        .services
        .iter()
        .position(|service| service.id.as_str().starts_with("65f0"))
        .expect("the old one");
    after.services[old].name = "Coach".into();
    let faster = after.services.iter().find(|service| service.active).expect("the faster one").clone();
    after.services.push(LiveService { id: "65f0c1bb0000000000000009".into(), active: false, ..faster });
    assert_snapshot!(steps(&plan_and_verify(&desired, &after, &options())), @"1 abandon 65f0c1bb0000000000000009 name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by,origin");
}

#[test]
fn fields_that_the_server_adds_to_a_new_service_do_not_stop_its_replacement() {
    let (desired, mut snapshot) = replacement();
    let add_server_fields = |service: &mut LiveService, at: u32| {
        for set in service.version_sets.values_mut() {
            set.carried.insert("updated_at".to_owned(), at.into());
            set.carried.insert(format!("only_{at}"), true.into());
        }
    };
    add_server_fields(&mut snapshot.services[0], 1);
    let whole = plan_and_verify(&desired, &snapshot, &options());
    let mut cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..2], Api::Classic);
    let new = cut.services.iter_mut().find(|service| !service.active).expect("the new one");
    add_server_fields(new, 2);
    plan_and_verify(&desired, &cut, &options());
}

#[test]
fn an_orphan_with_an_unfinished_replacement_is_retired() {
    let (_, snapshot) = replacement();
    let (desired_before, _) = replacement();
    let whole = plan_and_verify(&desired_before, &snapshot, &options());
    let cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Classic);
    let other = desired([wanted("Other", "A1")]);
    let plan =
        plan_and_verify(&other, &cut, &Options { prune: true, create: ["Other".into()].into(), ..options() });
    assert_snapshot!(steps(&plan), @r"
    1 create Other active=true agent=a1
    2 retire 65f0c1aa0000000000000001 (deactivate) active=false
    ");
}

#[test]
fn an_unfinished_new_service_keeps_undeclared_version_sets() {
    let (mut desired, mut snapshot) = replacement();
    desired.services.get_mut("Coach").expect("declared").version_sets = None;
    let whole = plan_and_verify(&desired, &snapshot, &options());
    snapshot.services[0].version_sets.remove("staging");
    let mut cut = crate::plan::verify::outcome(&snapshot, &whole.steps[..1], Api::Classic);
    let new = cut.services.iter_mut().find(|service| !service.active).expect("the new one");
    new.version_sets.insert("staging".into(), live_set(1, 1));
    let plan = plan_and_verify(&desired, &cut, &options());
    assert!(!steps(&plan).contains("delete set"), "{}", steps(&plan));
}

#[test]
fn an_inactive_service_is_replaced_without_a_hand_over() {
    let mut coach = wanted("Coach", "A2");
    coach.active = Some(false);
    let mut old = live("1", "Coach", "A1");
    old.active = false;
    assert_snapshot!(steps(&plan_and_verify(&desired([coach]), &snapshot([old]), &options())), @r"
    1 create Coach active=false agent=a2
    2 retire 1 (deactivate) name=Coach (replaced 2026-11-22 1) after 1
    ");
}

/// Two concurrent runs each created a new service to replace the same service, which no longer exists. One new service
/// is activated, and the other is abandoned.
#[test]
fn of_two_inactive_duplicates_the_second_is_abandoned() {
    let (desired, _) = replacement();
    let new = |id: &str| {
        let mut new = live(id, "Coach", "A2");
        new.active = false;
        new.tags.insert(TAG_REPLACES.to_owned(), Some("65f0c1aa0000000000000001".to_owned()));
        new.version_sets = [("edge", 0, 0), ("release", 3, 5), ("staging", 1, 1)]
            .map(|(name, agent, graph)| (name.into(), live_set(agent, graph)))
            .into();
        new
    };
    let duplicates = ["65f0c1aa000000000000000b", "65f0c1aa000000000000000c"].map(new);
    let plan = plan_and_verify(&desired, &snapshot(duplicates), &options());
    assert_snapshot!(steps(&plan), @r"
    1 update 65f0c1aa000000000000000b active=true tags=managed_by,origin,replaces
    2 abandon 65f0c1aa000000000000000c name=Coach (abandoned 2026-11-22 65f0c1) tags=managed_by
    ");
}
