//! Keeps the queue of steps: which steps can start, and which steps a failed step blocks.

use std::collections::{BTreeMap, BTreeSet};

use super::context::endpoint;
use crate::model::{Api, Endpoint};
use crate::plan::{Plan, Step, StepId};

/// Returns the minimum number of requests that the steps of a plan send to each endpoint.
pub(super) fn requests_by_endpoint(plan: &Plan, api: Api) -> BTreeMap<Endpoint, u32> {
    let mut counts = BTreeMap::new();
    for step in &plan.steps {
        *counts.entry(endpoint(&step.action, api)).or_default() += 1;
    }
    counts
}

/// The steps of a plan that have not started, with their dependencies.
pub(super) struct StepQueue<'a> {
    api: Api,
    plan: &'a Plan,
    /// For each step, the number of unfinished steps on which it depends.
    unfinished_dependencies: BTreeMap<StepId, usize>,
    dependents: BTreeMap<StepId, Vec<StepId>>,
    /// The steps that can start, grouped by endpoint. So a step that waits for the rate limit of one endpoint does not
    /// delay steps that use another endpoint.
    ready: BTreeMap<Endpoint, BTreeSet<StepId>>,
    /// The number of running steps, by endpoint.
    running: BTreeMap<Endpoint, usize>,
}

impl<'a> StepQueue<'a> {
    /// Creates a queue with all steps of a plan.
    pub(super) fn new(plan: &'a Plan, api: Api) -> Self {
        let unfinished_dependencies: BTreeMap<StepId, usize> =
            plan.steps.iter().map(|step| (step.id, step.depends_on.len())).collect();
        let mut dependents: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        for step in &plan.steps {
            for dependency in &step.depends_on {
                dependents.entry(*dependency).or_default().push(step.id);
            }
        }
        let independent = unfinished_dependencies.iter().filter(|(_, count)| **count == 0);
        let independent: Vec<StepId> = independent.map(|(id, _)| *id).collect();
        let (ready, running) = (BTreeMap::new(), BTreeMap::new());
        let mut queue = Self { api, plan, unfinished_dependencies, dependents, ready, running };
        independent.into_iter().for_each(|id| queue.mark_ready(id));
        queue
    }

    fn mark_ready(&mut self, id: StepId) {
        if let Some(step) = self.plan.step(id) {
            self.ready.entry(endpoint(&step.action, self.api)).or_default().insert(id);
        }
    }

    /// Removes the next step from the queue and returns it. The next step is the first ready step of the endpoint with
    /// the fewest running steps. Returns `None` if no step is ready.
    pub(super) fn start_next(&mut self) -> Option<&'a Step> {
        let first = |(endpoint, ready): (&Endpoint, &BTreeSet<StepId>)| {
            let running = self.running.get(endpoint).copied().unwrap_or_default();
            Some((running, *ready.first()?, *endpoint))
        };
        let (_, id, endpoint) = self.ready.iter().filter_map(first).min()?;
        self.ready.get_mut(&endpoint)?.remove(&id);
        *self.running.entry(endpoint).or_default() += 1;
        self.plan.step(id)
    }

    /// Records that a step has ended. `is_done` is true if the step succeeded. In that case, steps that depend on it
    /// may become ready.
    pub(super) fn finish(&mut self, step: &Step, is_done: bool) {
        if let Some(running) = self.running.get_mut(&endpoint(&step.action, self.api)) {
            *running -= 1;
        }
        if !is_done {
            return;
        }
        let mut ready = Vec::new();
        for dependent in self.dependents.get(&step.id).into_iter().flatten() {
            if let Some(count) = self.unfinished_dependencies.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*dependent);
                }
            }
        }
        ready.into_iter().for_each(|id| self.mark_ready(id));
    }

    /// Returns the ids of all steps that depend on the step with this id, directly or indirectly.
    pub(super) fn blocked_by(&self, id: StepId) -> BTreeSet<StepId> {
        let mut open = vec![id];
        let mut blocked = BTreeSet::new();
        while let Some(step) = open.pop() {
            for dependent in self.dependents.get(&step).into_iter().flatten() {
                if blocked.insert(*dependent) {
                    open.push(*dependent);
                }
            }
        }
        blocked
    }
}
