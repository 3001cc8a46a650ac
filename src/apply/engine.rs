//! Runs the steps of a plan in the order of their dependencies. Steps run in parallel, up to a maximum number.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::context::RunSettings;
use super::event::{Event, StepOutcome};
use super::failure::StepFailure;
use super::queue::{StepQueue, requests_by_endpoint};
use super::step::StepRunner;
use crate::model::ServiceId;
use crate::plan::{Plan, StepId};
use crate::remote::{FailureCause, WriteApi};

/// Runs all steps of a plan, and emits an event when a step starts or ends.
///
/// Steps that did not start get their events at the end, in the plan's order. [`Report::record`](super::Report::record)
/// builds the report of a run from its events.
pub async fn run<A: WriteApi>(api: &A, plan: &Plan, settings: &RunSettings<'_>, emit: &mut dyn FnMut(Event)) {
    let runner = StepRunner::new(api, plan, settings);
    let mut queue = StepQueue::new(plan, settings.api);
    for (endpoint, count) in requests_by_endpoint(plan, settings.api) {
        api.expect_requests(endpoint, count);
    }
    let mut running = FuturesUnordered::new();
    let mut started: BTreeSet<StepId> = BTreeSet::new();
    // For each blocked step, the first step that blocked it.
    let mut blocked: BTreeMap<StepId, StepId> = BTreeMap::new();
    loop {
        while running.len() < settings.parallelism.max(1) && (settings.stop)().is_none() {
            let Some(step) = queue.start_next() else { break };
            started.insert(step.id);
            emit(Event::Started(step.id));
            let runner = &runner;
            running.push(async move {
                let start = Instant::now();
                let result = runner.run(step).await;
                (step, result, start.elapsed())
            });
        }
        let Some((step, result, took)) = running.next().await else { break };
        let outcome = outcome(result, settings);
        let is_done = matches!(outcome, StepOutcome::Done(_));
        queue.finish(step, is_done);
        if !is_done {
            for dependent in queue.blocked_by(step.id) {
                blocked.entry(dependent).or_insert(step.id);
            }
        }
        emit(Event::Ended { step: step.id, outcome, took });
    }
    for step in plan.steps.iter().filter(|step| !started.contains(&step.id)) {
        let outcome = blocked.get(&step.id).map_or_else(|| stopped(settings), |by| StepOutcome::Blocked(*by));
        emit(Event::NotStarted { step: step.id, outcome });
    }
    emit(Event::RunEnded((settings.stop)()));
}

fn outcome(result: Result<Option<ServiceId>, StepFailure>, settings: &RunSettings<'_>) -> StepOutcome {
    match result {
        Ok(id) => StepOutcome::Done(id),
        Err(StepFailure::Request(error)) if error.cause == FailureCause::Interrupted => {
            // An earlier attempt of the request may have been applied.
            if error.ambiguous { StepOutcome::Unknown } else { stopped(settings) }
        }
        Err(failure) => StepOutcome::Failed(failure),
    }
}

fn stopped(settings: &RunSettings<'_>) -> StepOutcome {
    StepOutcome::Stopped((settings.stop)().unwrap_or_default())
}
