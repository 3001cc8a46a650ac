//! The order of execution: what is ready runs, as many at once as allowed. May import `plan`, `remote`
//! and `model`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::event::{Event, Outcome, Report, StepFailure};
use super::step::Runner;
use crate::model::ServiceId;
use crate::plan::{Plan, StepId};
use crate::remote::{Cause, WriteApi};

/// How a plan is run.
pub struct Settings<'a> {
    /// The most steps at once.
    pub parallelism: usize,
    /// Services that existed when the plan was made: a create whose answer was lost is looked up among
    /// the others.
    pub known: BTreeSet<ServiceId>,
    /// Whether to begin no further step.
    pub stop: &'a dyn Fn() -> bool,
}

/// Which steps wait for what.
struct Queue<'a> {
    plan: &'a Plan,
    waiting: BTreeMap<StepId, usize>,
    followers: BTreeMap<StepId, Vec<StepId>>,
    ready: BTreeSet<StepId>,
}

impl<'a> Queue<'a> {
    fn new(plan: &'a Plan) -> Self {
        let waiting: BTreeMap<StepId, usize> =
            plan.steps.iter().map(|step| (step.id, step.depends_on.len())).collect();
        let mut followers: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        for step in &plan.steps {
            for before in &step.depends_on {
                followers.entry(*before).or_default().push(step.id);
            }
        }
        let ready = waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
        Self { plan, waiting, followers, ready }
    }

    fn done(&mut self, id: StepId) {
        for next in self.followers.get(&id).into_iter().flatten() {
            if let Some(count) = self.waiting.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    self.ready.insert(*next);
                }
            }
        }
    }

    /// The steps that wait for this one, directly or not, and that have no outcome yet.
    fn behind(&self, id: StepId) -> Vec<StepId> {
        let mut open = vec![id];
        let mut behind = BTreeSet::new();
        while let Some(at) = open.pop() {
            for next in self.followers.get(&at).into_iter().flatten() {
                if behind.insert(*next) {
                    open.push(*next);
                }
            }
        }
        behind.into_iter().collect()
    }
}

/// Runs a plan to its end, and says how each step ended.
///
/// `events` hears of every step as it begins and ends; blocked steps end without having begun.
pub async fn run<A: WriteApi>(
    api: &A,
    plan: &Plan,
    settings: &Settings<'_>,
    events: &mut dyn FnMut(Event),
) -> Report {
    let runner = Runner::new(api, &settings.known);
    let mut queue = Queue::new(plan);
    let mut report = Report::default();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < settings.parallelism.max(1) && !(settings.stop)() {
            let Some(step) = queue.ready.pop_first().and_then(|id| queue.plan.step(id)) else { break };
            events(Event::Started(step.id));
            let runner = &runner;
            running.push(async move {
                let began = Instant::now();
                let result = runner.run(step).await;
                (step.id, result, began.elapsed())
            });
        }
        let Some((step, result, took)) = running.next().await else { break };
        let outcome = match result {
            Ok(created) => Outcome::Done(created),
            Err(StepFailure::Request(error)) if error.cause == Cause::Interrupted => Outcome::Interrupted,
            Err(failure) => Outcome::Failed(failure),
        };
        match &outcome {
            Outcome::Done(_) => queue.done(step),
            _ => {
                for behind in queue.behind(step) {
                    report.outcomes.entry(behind).or_insert(Outcome::Blocked(step));
                }
            }
        }
        report.outcomes.insert(step, outcome.clone());
        events(Event::Ended { step, outcome, took });
    }
    for step in &plan.steps {
        report.outcomes.entry(step.id).or_insert(Outcome::Interrupted);
    }
    report.interrupted = (settings.stop)();
    report
}
