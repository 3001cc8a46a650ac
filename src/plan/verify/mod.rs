//! An independent judge of plans. May import `model` and the plan's types only.
//!
//! It plays a plan on the snapshot, under the API's rules, in two different orders that the graph allows,
//! and says what is wrong. It shares no code with the planner: what it knows of a correct plan it states
//! here again, in its own way. It runs in every planning test and before anything is sent.

mod judge;
mod rules;
mod settings;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Action, Options, Plan, Step, StepId, Target};
use crate::model::{Api, BehaviorSet, Desired, Policy, ServiceId, Snapshot};
use judge::Judge;
use world::World;

/// Judges a plan; an empty answer is approval.
///
/// `desired`, `snapshot`, `policy` and `options` are what the plan was made from.
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
    let (first, last) = (first_ready(plan, false), first_ready(plan, true));
    let orders = if first == last { vec![first] } else { vec![first, last] };
    for order in orders {
        let mut judge = Judge::new(desired, snapshot, policy, options, plan);
        judge.play(&order);
        judge.final_state();
        violations.extend(rules::Ends::new(policy, options, plan, snapshot, &judge.world).violations());
        violations.extend(judge.violations);
    }
    violations.sort();
    violations.dedup();
    violations
}

/// The live state after some steps of a plan, taken in their order, as the judge imagines it: for tests
/// that plan again, after a whole plan or after a run that was cut off.
pub fn outcome(snapshot: &Snapshot, steps: &[Step], api: Api) -> Snapshot {
    let mut world = World::new(snapshot, api);
    for step in steps {
        world.apply(step);
    }
    let mut behavior_sets: BTreeMap<ServiceId, Vec<BehaviorSet>> =
        world.services.keys().map(|id| (id.clone(), Vec::new())).collect();
    for set in snapshot.behavior_sets.values().flatten() {
        let applied =
            world.behaviors.iter().filter(|(id, _)| id == &set.id).map(|(_, service)| service.clone());
        let applied: BTreeSet<ServiceId> = applied.collect();
        for id in &applied {
            let sets = behavior_sets.entry(id.clone()).or_default();
            if sets.iter().all(|known| known.id != set.id) {
                sets.push(BehaviorSet { applied_to: applied.clone(), ..set.clone() });
            }
        }
    }
    Snapshot { services: world.services.into_values().collect(), behavior_sets, ..snapshot.clone() }
}

/// What is wrong with a plan by itself: numbers run from 1, and every step waits only for earlier ones.
pub fn structure(plan: &Plan) -> Vec<String> {
    let mut violations = Vec::new();
    for (position, step) in plan.steps.iter().enumerate() {
        if step.id != StepId(position + 1) {
            violations.push(format!("step {} stands in place {}", step.id, position + 1));
        }
        if step.depends_on.iter().any(|before| *before >= step.id || before.0 == 0) {
            violations.push(format!("step {} waits for a step that is not before it", step.id));
        }
        if let Some(Target::Created(creator)) = target(&step.action) {
            let creates = plan.step(*creator).is_some_and(|step| matches!(step.action, Action::Create(_)));
            if !creates || !reaches(plan, step, *creator) {
                violations.push(format!(
                    "step {} is about a service that step {creator} does not create before it",
                    step.id
                ));
            }
        }
    }
    violations
}

fn target(action: &Action) -> Option<&Target> {
    match action {
        Action::WriteVersionSet { target, .. }
        | Action::ApplyBehaviorSet { target, .. }
        | Action::Smoke { target, .. }
        | Action::HandOver { new: target, .. } => Some(target),
        _ => None,
    }
}

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

/// An order that the graph allows: always the first ready step, or always the last.
fn first_ready(plan: &Plan, last: bool) -> Vec<&Step> {
    let mut waiting: BTreeMap<StepId, usize> =
        plan.steps.iter().map(|step| (step.id, step.depends_on.len())).collect();
    let mut followers: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
    for step in &plan.steps {
        for before in &step.depends_on {
            followers.entry(*before).or_default().push(step.id);
        }
    }
    let mut ready: BTreeSet<StepId> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut order = Vec::new();
    while let Some(id) = if last { ready.pop_last() } else { ready.pop_first() } {
        order.extend(plan.step(id));
        for next in followers.get(&id).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(*next);
                }
            }
        }
    }
    order
}
