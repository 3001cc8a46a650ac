//! Tests with a list of services in which one service is missing. They check which plans depend on the missing service,
//! and that a second reading of the list prevents mistakes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::build::*;
use super::generate::{config, final_state, policy, states};
use super::properties::interruptions;
use crate::model::*;
use crate::plan::{self, Options, depends_on_absence, ids_depend_on_absence, verify};

fn depends(desired: &Desired, snapshot: &Snapshot, options: &Options) -> bool {
    depends_on_absence(try_plan(desired, snapshot, options).as_ref(), snapshot)
}

/// Returns a manifest whose key terms differ from the key terms of the live service.
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
fn creations_replacements_adoptions_renames_activations_and_retirements_depend_on_absence() {
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
        ("nothing, for an inactive service", vec![stays], vec![inactive("1", "Coach")], false),
        ("a field of an inactive service", vec![keeps], vec![inactive("1", "Coach")], true),
        ("an activation", vec![on], vec![inactive("1", "Coach")], true),
        ("a create", vec![wanted("Coach", "A1")], vec![], true),
        ("a replacement", vec![wanted("Coach", "A2")], vec![coach()], true),
        ("an adoption", vec![wanted("Coach", "A1")], vec![unowned("1", "Coach")], true),
        ("a rename", vec![renamed("Desk", "Coach")], vec![coach()], true),
    ];
    for (what, desired_services, state, expected) in cases {
        let (desired, snapshot) = (desired(desired_services), snapshot(state));
        assert_eq!(depends(&desired, &snapshot, &options()), expected, "{what}");
    }
    let (desired, snapshot) =
        (desired([wanted("Coach", "A1")]), snapshot([coach(), live("2", "Desk", "A1")]));
    assert!(depends(&desired, &snapshot, &Options { prune: true, ..options() }), "a retirement");
}

#[test]
fn a_refusal_depends_on_absence_unless_an_agent_or_context_graph_is_missing() {
    let state = snapshot([live("1", "Coach", "A1")]);
    assert!(!depends(&desired([wanted("Coach", "A9")]), &state, &options()), "there is no agent A9");
    let undescribed = DesiredService { description: None, ..wanted("Desk", "A1") };
    assert!(
        depends(&desired([undescribed]), &state, &options()),
        "it would be created without a description"
    );
    let two = snapshot([inactive("1", "Coach"), inactive("2", "Coach")]);
    assert!(depends(&desired([wanted("Coach", "A1")]), &two, &options()), "there may be an active one");
}

#[test]
fn ids_of_active_services_with_their_own_names_do_not_depend_on_absence() {
    let state = snapshot([live("1", "Coach", "A1"), inactive("2", "Desk")]);
    let depends = |manifests: Vec<DesiredService>| {
        let desired = desired(manifests);
        let ids = plan::ids(&desired, &state, &Policy::default(), Api::Classic);
        ids_depend_on_absence(&desired, ids.as_ref(), &state)
    };
    assert!(!depends(vec![wanted("Coach", "A2")]), "its agent does not matter");
    assert!(depends(vec![wanted("Coach", "A1"), wanted("New", "A1")]), "one is missing");
    assert!(depends(vec![wanted("Desk", "A1")]), "it is inactive");
    assert!(depends(vec![renamed("New", "Coach")]), "it has another name");
    assert!(!depends(vec![wanted("Coach", "A9")]), "there is no agent A9");
}

/// Makes a plan as a command does: from one reading of the list, and from a second reading if the plan could be wrong
/// because a service is missing. `by_id` are the services that a read by id finds, including those that the second
/// reading lacks. Returns `None` if no plan can be made.
fn plan_from(
    desired: &Desired,
    (first, second): (&Snapshot, &Snapshot),
    by_id: &[LiveService],
    options: &Options,
) -> Option<plan::Plan> {
    let planned = plan::plan(desired, first, &policy(), options);
    if !depends_on_absence(planned.as_ref(), first) {
        return planned.ok();
    }
    let doubtful = only_in_first(&first.services, &second.services);
    let found = by_id.iter().filter(|service| doubtful.contains(&service.id)).cloned().collect();
    let services = merge_readings(second.services.clone(), found);
    plan::plan(desired, &Snapshot { services, ..first.clone() }, &policy(), options).ok()
}

proptest! {
    #![proptest_config(config())]

    /// A run was interrupted at a random point. In the next run, the first or the second reading of the list lacks one
    /// service. This run and the run after it must still lead to the same state as a run with complete lists.
    #[test]
    fn a_service_hidden_in_one_reading_is_never_duplicated_replaced_or_retired(
        (api, desired, snapshot) in states(), prune: bool, at: prop::sample::Index,
    ) {
        let options = Options { api, prune, ..options() };
        let Ok(whole) = plan::plan(&desired, &snapshot, &policy(), &options) else { return Ok(()) };
        let interruptions = interruptions(&whole);
        let state = verify::outcome(&snapshot, &interruptions[at.index(interruptions.len())], api);
        let undisturbed = plan::plan(&desired, &state, &policy(), &options).expect("the rest can be planned");
        let end = verify::outcome(&state, &undisturbed.steps, api);
        for hidden in &state.services {
            let mut less = state.clone();
            less.services.retain(|service| service.id != hidden.id);
            for readings in [(&less, &state), (&state, &less)] {
                let which = if std::ptr::eq(readings.0, &less) { "first" } else { "second" };
                let plan = plan_from(&desired, readings, &state.services, &options);
                let done = plan.as_ref().map_or(&[][..], |plan| &plan.steps[..]);
                let between = verify::outcome(&state, done, api);
                let describe = || format!(
                    "{} hidden in the {which} reading:\n{}\ninstead of\n{}",
                    hidden.id, plan.as_ref().map(steps).unwrap_or_default(), steps(&undisturbed)
                );
                let rest = plan::plan(&desired, &between, &policy(), &options);
                let Ok(rest) = rest else { panic!("no plan afterwards: {rest:?}\n{}", describe()) };
                let after = verify::outcome(&between, &rest.steps, api);
                prop_assert_eq!(final_state(&desired, &after), final_state(&desired, &end), "{}", describe());
                prop_assert_eq!(after.services.len(), end.services.len(), "{}", describe());
                let active = |snapshot: &Snapshot| snapshot.services.iter().filter(|service| service.active).count();
                prop_assert_eq!(active(&after), active(&end), "{}", describe());
            }
        }
    }
}
