//! A reading of the list that hides a service: what rests on the absence, and that no such plan is carried out.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::build::*;
use super::generate::{config, essence, policy, states};
use super::properties::cuts;
use crate::model::*;
use crate::plan::{self, Options, ids_rest_on_absence, rests_on_absence, verify};

fn rests(desired: &Desired, snapshot: &Snapshot, options: &Options) -> bool {
    rests_on_absence(try_plan(desired, snapshot, options).as_ref(), snapshot)
}

/// A manifest with a key term.
fn changed(name: &str) -> DesiredService {
    DesiredService { keyterms: Some(vec!["new".to_owned()]), ..wanted(name, "A1") }
}

fn renamed(name: &str, from: &str) -> DesiredService {
    let lifecycle = Lifecycle { renamed_from: Some(from.into()), ..Lifecycle::default() };
    DesiredService { lifecycle, ..wanted(name, "A1") }
}

fn inactive(id: &str, name: &str) -> LiveService {
    LiveService { active: false, ..live(id, name, "A1") }
}

fn unowned(id: &str, name: &str) -> LiveService {
    LiveService { tags: BTreeMap::new(), ..live(id, name, "A1") }
}

#[test]
fn what_is_made_replaced_adopted_renamed_activated_or_retired_rests_on_absence() {
    let pinned = DesiredService { version_sets: sets(&[("dev", 1, 1)]), ..wanted("Coach", "A1") };
    let keeps = DesiredService { active: Some(false), ..changed("Coach") };
    let stays = DesiredService { active: Some(false), ..wanted("Coach", "A1") };
    let off = DesiredService { active: Some(false), ..wanted("Coach", "A1") };
    let on = DesiredService { active: Some(true), ..wanted("Coach", "A1") };
    let coach = || live("1", "Coach", "A1");
    let cases = [
        ("nothing", vec![wanted("Coach", "A1")], vec![coach()], false),
        ("an orphan that stays", vec![wanted("Coach", "A1")], vec![coach(), live("2", "Desk", "A1")], false),
        ("a field", vec![changed("Coach")], vec![coach()], false),
        ("a version set", vec![pinned], vec![coach()], false),
        ("a deactivation", vec![off], vec![coach()], false),
        ("nothing of an inactive one", vec![stays], vec![inactive("1", "Coach")], false),
        ("a field of an inactive one", vec![keeps], vec![inactive("1", "Coach")], true),
        ("an activation", vec![on], vec![inactive("1", "Coach")], true),
        ("a create", vec![wanted("Coach", "A1")], vec![], true),
        ("a replacement", vec![wanted("Coach", "A2")], vec![coach()], true),
        ("an adoption", vec![wanted("Coach", "A1")], vec![unowned("1", "Coach")], true),
        ("a rename", vec![renamed("Desk", "Coach")], vec![coach()], true),
    ];
    for (what, desired_services, there, expected) in cases {
        let (desired, snapshot) = (desired(desired_services), snapshot(there));
        assert_eq!(rests(&desired, &snapshot, &options()), expected, "{what}");
    }
    let (desired, snapshot) =
        (desired([wanted("Coach", "A1")]), snapshot([coach(), live("2", "Desk", "A1")]));
    assert!(rests(&desired, &snapshot, &Options { prune: true, ..options() }), "a retirement");
}

#[test]
fn a_refusal_rests_on_absence_unless_an_agent_or_a_graph_is_missing() {
    let there = snapshot([live("1", "Coach", "A1")]);
    assert!(!rests(&desired([wanted("Coach", "A9")]), &there, &options()), "there is no agent A9");
    let undescribed = DesiredService { description: None, ..wanted("Desk", "A1") };
    assert!(
        rests(&desired([undescribed]), &there, &options()),
        "it has to be created, without a description"
    );
    let two = snapshot([inactive("1", "Coach"), inactive("2", "Coach")]);
    assert!(rests(&desired([wanted("Coach", "A1")]), &two, &options()), "there may be an active one");
}

#[test]
fn ids_of_active_services_of_their_names_do_not_rest_on_absence() {
    let there = snapshot([live("1", "Coach", "A1"), inactive("2", "Desk")]);
    let rests = |manifests: Vec<DesiredService>| {
        let desired = desired(manifests);
        let ids = plan::ids(&desired, &there, &Policy::default(), Api::Classic);
        ids_rest_on_absence(&desired, ids.as_ref(), &there)
    };
    assert!(!rests(vec![wanted("Coach", "A2")]), "its agent does not matter");
    assert!(rests(vec![wanted("Coach", "A1"), wanted("New", "A1")]), "one is missing");
    assert!(rests(vec![wanted("Desk", "A1")]), "it is inactive");
    assert!(rests(vec![renamed("New", "Coach")]), "it has another name");
    assert!(!rests(vec![wanted("Coach", "A9")]), "there is no agent A9");
}

/// Plans as a command does that reads the list once, and a second time where the plan rests on absence.
fn plan_from(
    desired: &Desired,
    (first, second): (&Snapshot, &Snapshot),
    by_id: &[LiveService],
    options: &Options,
) -> Option<plan::Plan> {
    let planned = plan::plan(desired, first, &policy(), options);
    if !rests_on_absence(planned.as_ref(), first) {
        return planned.ok();
    }
    let doubtful = only_in_first(&first.services, &second.services);
    let found = by_id.iter().filter(|service| doubtful.contains(&service.id)).cloned().collect();
    let services = merge_readings(second.services.clone(), found);
    plan::plan(desired, &Snapshot { services, ..first.clone() }, &policy(), options).ok()
}

proptest! {
    #![proptest_config(config())]

    /// Whichever service one reading hides, the first or the second, and wherever an earlier run was cut off: what
    /// is carried out, and the next run after it, come to the same end as if nothing had been hidden.
    #[test]
    fn a_service_that_one_reading_hides_is_never_made_twice_replaced_or_retired(
        (api, desired, snapshot) in states(), prune: bool, cut: prop::sample::Index,
    ) {
        let options = Options { api, prune, ..options() };
        let Ok(whole) = plan::plan(&desired, &snapshot, &policy(), &options) else { return Ok(()) };
        let cuts = cuts(&whole);
        let there = verify::outcome(&snapshot, &cuts[cut.index(cuts.len())], api);
        let undisturbed = plan::plan(&desired, &there, &policy(), &options).expect("the rest can be planned");
        let end = verify::outcome(&there, &undisturbed.steps, api);
        for hidden in &there.services {
            let mut less = there.clone();
            less.services.retain(|service| service.id != hidden.id);
            for readings in [(&less, &there), (&there, &less)] {
                let which = if std::ptr::eq(readings.0, &less) { "first" } else { "second" };
                let plan = plan_from(&desired, readings, &there.services, &options);
                let done = plan.as_ref().map_or(&[][..], |plan| &plan.steps[..]);
                let between = verify::outcome(&there, done, api);
                let told = || format!(
                    "{} hidden in the {which} reading:\n{}\ninstead of\n{}",
                    hidden.id, plan.as_ref().map(steps).unwrap_or_default(), steps(&undisturbed)
                );
                let rest = plan::plan(&desired, &between, &policy(), &options);
                let Ok(rest) = rest else { panic!("no plan afterwards: {rest:?}\n{}", told()) };
                let after = verify::outcome(&between, &rest.steps, api);
                prop_assert_eq!(essence(&desired, &after), essence(&desired, &end), "{}", told());
                prop_assert_eq!(after.services.len(), end.services.len(), "{}", told());
                let active = |snapshot: &Snapshot| snapshot.services.iter().filter(|service| service.active).count();
                prop_assert_eq!(active(&after), active(&end), "{}", told());
            }
        }
    }
}
