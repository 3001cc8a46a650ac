//! The order of execution: what is ready runs, as many at once as allowed. May import `plan`, `remote`
//! and `model`.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::event::{Event, Outcome, Report, StepFailure};
use super::step::Runner;
use crate::model::{Api, Endpoint, LiveService, Ownership};
use crate::plan::{Action, Plan, Step, StepId};
use crate::remote::{Cause, StopReason, WriteApi};

/// How a plan is run.
pub struct Settings<'a> {
    /// The most steps at once.
    pub parallelism: usize,
    /// The API that it is run on.
    pub api: Api,
    /// The live services that the plan was made of: what a step finds is held against them, and a create whose answer
    /// was lost is looked up among the others.
    pub services: &'a [LiveService],
    /// Whose services these are.
    pub ownership: &'a Ownership,
    /// The date, for the names of what is set aside.
    pub today: &'a str,
    /// Why to begin no further step, if so.
    pub stop: &'a dyn Fn() -> Option<StopReason>,
}

/// Which steps wait for what.
struct Queue<'a> {
    api: Api,
    plan: &'a Plan,
    waiting: BTreeMap<StepId, usize>,
    followers: BTreeMap<StepId, Vec<StepId>>,
    /// By the endpoint that a step uses most: steps that wait for one endpoint's limit must not keep those of
    /// another waiting.
    ready: BTreeMap<Endpoint, BTreeSet<StepId>>,
    running: BTreeMap<Endpoint, usize>,
}

/// The endpoint that an action writes to, or uses most.
pub(super) fn endpoint(action: &Action, api: Api) -> Endpoint {
    match action {
        Action::Create(_) => Endpoint::CreateService,
        Action::WriteVersionSet { .. } => Endpoint::WriteVersionSet,
        Action::DeleteVersionSet { .. } if api.updates_version_sets() => Endpoint::UpdateService,
        Action::DeleteVersionSet { .. } => Endpoint::DeleteVersionSet,
        Action::ApplyBehaviorSet { .. } => Endpoint::UpdateBehaviorSet,
        Action::Smoke { .. } => Endpoint::StartConversation,
        Action::Retire { update: None, .. } => Endpoint::DeleteService,
        Action::Update { .. }
        | Action::RenameTemporarily { .. }
        | Action::HandOver { .. }
        | Action::Retire { .. }
        | Action::Abandon { .. } => Endpoint::UpdateService,
    }
}

/// Returns how many requests a plan's steps send to each endpoint at least.
fn requests_by_endpoint(plan: &Plan, api: Api) -> BTreeMap<Endpoint, u32> {
    let mut counts = BTreeMap::new();
    for step in &plan.steps {
        *counts.entry(endpoint(&step.action, api)).or_default() += 1;
    }
    counts
}

impl<'a> Queue<'a> {
    fn new(plan: &'a Plan, api: Api) -> Self {
        let waiting: BTreeMap<StepId, usize> =
            plan.steps.iter().map(|step| (step.id, step.depends_on.len())).collect();
        let mut followers: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
        for step in &plan.steps {
            for before in &step.depends_on {
                followers.entry(*before).or_default().push(step.id);
            }
        }
        let free: Vec<StepId> = waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
        let mut queue =
            Self { api, plan, waiting, followers, ready: BTreeMap::new(), running: BTreeMap::new() };
        free.into_iter().for_each(|id| queue.free(id));
        queue
    }

    fn free(&mut self, id: StepId) {
        if let Some(step) = self.plan.step(id) {
            self.ready.entry(endpoint(&step.action, self.api)).or_default().insert(id);
        }
    }

    /// Begins the first step of the endpoint that the fewest steps are at.
    fn begin(&mut self) -> Option<&'a Step> {
        let first = |(endpoint, ready): (&Endpoint, &BTreeSet<StepId>)| {
            let running = self.running.get(endpoint).copied().unwrap_or_default();
            Some((running, *ready.first()?, *endpoint))
        };
        let (_, id, endpoint) = self.ready.iter().filter_map(first).min()?;
        self.ready.get_mut(&endpoint)?.remove(&id);
        *self.running.entry(endpoint).or_default() += 1;
        self.plan.step(id)
    }

    /// Notes that a step has ended, well or not.
    fn ended(&mut self, step: &Step) {
        if let Some(running) = self.running.get_mut(&endpoint(&step.action, self.api)) {
            *running -= 1;
        }
    }

    fn done(&mut self, id: StepId) {
        let mut freed = Vec::new();
        for next in self.followers.get(&id).into_iter().flatten() {
            if let Some(count) = self.waiting.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    freed.push(*next);
                }
            }
        }
        freed.into_iter().for_each(|next| self.free(next));
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
    let runner = Runner::new(api, plan, settings);
    let mut queue = Queue::new(plan, settings.api);
    for (endpoint, count) in requests_by_endpoint(plan, settings.api) {
        api.expect_requests(endpoint, count);
    }
    let mut report = Report::default();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < settings.parallelism.max(1) && (settings.stop)().is_none() {
            let Some(step) = queue.begin() else { break };
            events(Event::Started(step.id));
            let runner = &runner;
            running.push(async move {
                let began = Instant::now();
                let result = runner.run(step).await;
                (step, result, began.elapsed())
            });
        }
        let Some((step, result, took)) = running.next().await else { break };
        queue.ended(step);
        let step = step.id;
        let outcome = match result {
            Ok(created) => Outcome::Done(created),
            Err(StepFailure::Request(error)) if error.cause == Cause::Interrupted => {
                // An earlier try may have been heard.
                if error.ambiguous { Outcome::Unknown } else { stopped(settings) }
            }
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
        report.outcomes.entry(step.id).or_insert_with(|| stopped(settings));
    }
    report.stopped = (settings.stop)();
    report
}

fn stopped(settings: &Settings<'_>) -> Outcome {
    Outcome::Stopped((settings.stop)().unwrap_or_default())
}
