//! An independent verifier of plans.
//!
//! The verifier simulates a plan on the snapshot under the API's rules, in two different orders that the dependencies
//! allow. It returns a message for each rule that the plan breaks. It shares no code with the planner, so it has its
//! own definition of a correct plan. It runs in the tests of planning, and before an apply sends any request.

mod final_state;
mod renames;
mod rules;
mod settings;
mod state;
mod unmanage;
mod verifier;

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Action, Options, Plan, Step, StepId, Target};
use crate::model::{Api, BehaviorSet, Desired, Policy, ServiceId, Snapshot};
use rules::RuleChecker;
use state::SimulatedState;
use verifier::Verifier;

/// Returns a message for each rule that a plan breaks. The list is empty if the plan is correct.
///
/// `desired`, `snapshot`, `policy` and `options` are the inputs that the plan was made from.
pub fn verify(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
    plan: &Plan,
) -> Vec<String> {
    let mut violations = structure(plan);
    if !violations.is_empty() {
        return violations;
    }
    if !options.unmanage.is_empty() {
        return unmanage::violations(desired, snapshot, policy, options, plan);
    }
    let (first, last) = (ready_order(plan, false), ready_order(plan, true));
    let orders = if first == last { vec![first] } else { vec![first, last] };
    violations.extend(renames::violations(desired, snapshot, policy, options, plan));
    for order in orders {
        let mut verifier = Verifier::new(desired, snapshot, policy, options, plan);
        verifier.play(&order);
        verifier.check_final_state();
        violations.extend(RuleChecker::new(policy, options, plan, snapshot, &verifier.state).violations());
        violations.extend(verifier.violations);
    }
    violations.sort();
    violations.dedup();
    violations
}

/// Returns the simulated live state after some steps of a plan, which run in the given order. From this state, tests
/// make the next plan, as if after a complete or interrupted apply.
pub fn outcome(snapshot: &Snapshot, steps: &[Step], api: Api) -> Snapshot {
    let mut state = SimulatedState::new(snapshot, api);
    for step in steps {
        state.apply(step);
    }
    let mut behavior_sets: BTreeMap<ServiceId, Vec<BehaviorSet>> =
        state.services.keys().map(|id| (id.clone(), Vec::new())).collect();
    for set in snapshot.behavior_sets.values().flatten() {
        let applied =
            state.behaviors.iter().filter(|(id, _)| id == &set.id).map(|(_, service)| service.clone());
        let applied: BTreeSet<ServiceId> = applied.collect();
        for id in &applied {
            let sets = behavior_sets.entry(id.clone()).or_default();
            if sets.iter().all(|known| known.id != set.id) {
                sets.push(BehaviorSet { applied_to: applied.clone(), ..set.clone() });
            }
        }
    }
    Snapshot { services: state.services.into_values().collect(), behavior_sets, ..snapshot.clone() }
}

/// Returns the errors in the structure of a plan. Step numbers must begin with 1, and a step may depend only on earlier
/// steps. A step that uses a created service must depend on the step that creates it.
pub fn structure(plan: &Plan) -> Vec<String> {
    let mut violations = Vec::new();
    for (position, step) in plan.steps.iter().enumerate() {
        if step.id != StepId(position + 1) {
            violations.push(format!("step {} is at position {}", step.id, position + 1));
        }
        if step.depends_on.iter().any(|before| *before >= step.id || before.0 == 0) {
            violations.push(format!("step {} depends on a step that does not come earlier", step.id));
        }
        if let Some(Target::Created(creator)) = target(&step.action) {
            let creates = plan.step(*creator).is_some_and(|step| matches!(step.action, Action::Create(_)));
            if !creates || !reaches(plan, step, *creator) {
                violations.push(format!(
                    "step {} needs the service of step {creator}, which does not create a service before that",
                    step.id
                ));
            }
        }
    }
    violations
}

/// Returns the target of an action of a kind that can act on a service that an earlier step creates. Returns `None` for
/// other kinds of actions.
fn target(action: &Action) -> Option<&Target> {
    match action {
        Action::WriteVersionSet { target, .. }
        | Action::ApplyBehaviorSet { target, .. }
        | Action::Smoke { target, .. }
        | Action::HandOver { new: target, .. } => Some(target),
        _ => None,
    }
}

/// Returns true if a step depends on the step `wanted`, directly or through other steps.
fn reaches(plan: &Plan, step: &Step, wanted: StepId) -> bool {
    let mut open: Vec<StepId> = step.depends_on.iter().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if id == wanted {
            return true;
        }
        if seen.insert(id)
            && let Some(step) = plan.step(id)
        {
            open.extend(&step.depends_on);
        }
    }
    false
}

/// Returns the steps in an order that the dependencies allow. If several steps can run next, the step with the lowest
/// number is chosen. If `last` is true, the step with the highest number is chosen instead.
fn ready_order(plan: &Plan, last: bool) -> Vec<&Step> {
    let mut open_dependencies: BTreeMap<StepId, usize> =
        plan.steps.iter().map(|step| (step.id, step.depends_on.len())).collect();
    let mut followers: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
    for step in &plan.steps {
        for before in &step.depends_on {
            followers.entry(*before).or_default().push(step.id);
        }
    }
    let mut ready: BTreeSet<StepId> =
        open_dependencies.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut order = Vec::new();
    while let Some(id) = if last { ready.pop_last() } else { ready.pop_first() } {
        order.extend(plan.step(id));
        for next in followers.get(&id).into_iter().flatten() {
            if let Some(count) = open_dependencies.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(*next);
                }
            }
        }
    }
    order
}
