//! A simulated process of `amigops apply`: it reads the live state, makes a plan and applies it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{Crash, SimulatedConnection};
use super::state::Simulation;
use super::world::{ORGANIZATION, policy};
use crate::apply::{Event, Report, RunSettings, StepOutcome, run};
use crate::build::options;
use crate::model::*;
use crate::plan::{self, Action, Options, Plan, PlanError, Step, StepId, Target, verify};
use crate::remote::{
    Access, AnyApi, ApiError, Budgets, ConnectionVariables, Credentials, RequestObserver, Stop, StopReason,
    read_snapshot,
};
use amigops_emulator::SANDBOX_WORKSPACE;

/// The way in which a process ended.
#[derive(Debug)]
pub(super) enum ProcessEnd {
    /// The plan was empty, so nothing had to be changed.
    Converged,
    Applied(Report, Box<Plan>),
    /// The live state could not be read.
    ReadFailed(ApiError),
    PlanRefused(PlanError),
    Crashed,
}

/// Describes the end of a process in one line.
pub(super) fn summarize(end: &ProcessEnd) -> String {
    match end {
        ProcessEnd::Applied(report, _) => {
            let failed = |(step, outcome): (&StepId, &StepOutcome)| match outcome {
                StepOutcome::Failed(failure) => Some(format!("step {step}: {failure}")),
                _ => None,
            };
            let failures: Vec<_> = report.outcomes.iter().filter_map(failed).collect();
            format!("applied {:?} {failures:?}", report.counts())
        }
        ProcessEnd::ReadFailed(error) => format!("the live state can't be read: {error}"),
        ProcessEnd::PlanRefused(why) => format!("no plan: {why:?}"),
        ProcessEnd::Converged => "nothing to do".to_owned(),
        ProcessEnd::Crashed => "crashed".to_owned(),
    }
}

struct SilentObserver;
impl RequestObserver for SilentObserver {
    fn on_limit_wait(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
    fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

/// Runs a process until it has applied its plan, ended with an error, or crashed.
pub(super) async fn run_process(sim: &Arc<Simulation>, run_number: usize, desired: &Desired) -> ProcessEnd {
    let (crash, stop) = (Arc::new(Crash::default()), Stop::default());
    let connection = SimulatedConnection {
        sim: Arc::clone(sim),
        run_number,
        stop: stop.clone(),
        crash: Arc::clone(&crash),
    };
    let random = std::sync::atomic::AtomicU64::new(0);
    let credentials = match sim.case.api {
        Api::Classic => {
            Credentials::SignIn { api_key: "key".into(), api_key_id: "id".into(), user_id: "user".into() }
        }
        Api::Platform => Credentials::Key("key".into()),
    };
    let timeout = sim.case.timeout.filter(|_| run_number == 0 && sim.disturbed);
    let deadline = timeout.map(|timeout| tokio::time::Instant::now() + timeout);
    let access = Access {
        base_url: "http://127.0.0.1:1".to_owned(),
        organization: match sim.case.api {
            Api::Classic => ORGANIZATION,
            Api::Platform => SANDBOX_WORKSPACE,
        }
        .to_owned(),
        headers: BTreeMap::new(),
        credentials,
        variables: ConnectionVariables::default(),
        now: sim.clock(),
        random: Arc::new(move || {
            f64::from(random.fetch_add(37, std::sync::atomic::Ordering::Relaxed) as u8) / 255.0
        }),
        observer: Arc::new(SilentObserver),
        stop: stop.clone(),
        deadline,
        budgets: Budgets::default(),
    };
    let api = AnyApi::simulated(Arc::new(connection), access);
    let timeout = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
        stop.cancel(StopReason::Timeout);
        sim.record_timeout();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        () = crash.wait() => {
            sim.state().cut_overs.remove_run(run_number);
            ProcessEnd::Crashed
        }
        end = timeout => end,
        end = apply(sim, run_number, &api, desired, &stop) => end,
    }
}

async fn apply(
    sim: &Simulation,
    run_number: usize,
    api: &AnyApi,
    desired: &Desired,
    stop: &Stop,
) -> ProcessEnd {
    let prune = sim.case.prune;
    let (policy, options) = (policy(), Options { api: sim.case.api, prune, ..options() });
    let lookups = |snapshot: &Snapshot| plan::lookups(desired, snapshot, policy, &options);
    let rests_on_absence = |snapshot: &Snapshot| {
        plan::depends_on_absence(plan::plan(desired, snapshot, policy, &options).as_ref(), snapshot)
    };
    let snapshot = match read_snapshot(api, lookups, rests_on_absence).await {
        Ok(snapshot) => snapshot,
        Err(error) => return ProcessEnd::ReadFailed(error),
    };
    let plan = match plan::plan(desired, &snapshot, policy, &options) {
        Ok(plan) => plan,
        Err(error) => return ProcessEnd::PlanRefused(error),
    };
    let violations = verify::verify(desired, &snapshot, policy, &options, &plan);
    if !violations.is_empty() {
        sim.note(|| format!("the refused plan:\n{}", crate::build::steps(&plan)));
        sim.fail(|| format!("the verifier found violations in the plan: {violations:?}"));
    }
    if plan.is_empty() {
        return ProcessEnd::Converged;
    }
    sim.note(|| format!("run {run_number} has the plan:\n{}", crate::build::steps(&plan)));
    {
        let mut state = sim.state();
        state.chains.record_plan(&snapshot, &verify::outcome(&snapshot, &plan.steps, sim.case.api));
        state.lost_updates.record_plan(run_number, given_names(&plan));
    }
    let settings = RunSettings {
        parallelism: sim.case.parallelism,
        api: sim.case.api,
        services: &snapshot.services,
        ownership: &policy.ownership,
        today: &options.today,
        stop: &|| stop.reason(),
    };
    let mut created = BTreeMap::new();
    let mut report = Report::default();
    let mut handle_event = |event: Event| {
        report.record(&event);
        record_event(sim, run_number, &plan, &mut created, event);
    };
    run(api, &plan, &settings, &mut handle_event).await;
    ProcessEnd::Applied(report, Box::new(plan))
}

/// Records an event of a run: that a step has started or ended.
fn record_event(
    sim: &Simulation,
    run_number: usize,
    plan: &Plan,
    created: &mut BTreeMap<StepId, ServiceId>,
    event: Event,
) {
    match event {
        Event::Started(id) => {
            let Some(step) = plan.step(id) else { return };
            let mut state = sim.state();
            state.cut_overs.start_step(run_number, step);
            state.lost_updates.start_step(run_number, &subjects(step, created));
        }
        Event::Ended { step, outcome, .. } => {
            sim.note(|| format!("run {run_number}: step {step} ends: {outcome:?}"));
            if let StepOutcome::Done(Some(id)) = outcome {
                created.insert(step, id);
            }
            let ended = sim.state().cut_overs.end_step(run_number, step, tokio::time::Instant::now());
            if let Err(violation) = ended {
                sim.fail(|| violation);
            }
        }
        Event::NotStarted { .. } | Event::RunEnded(_) => {}
    }
}

/// Returns the names that a plan gives to existing services, each with the service's id.
fn given_names(plan: &Plan) -> Vec<(String, String)> {
    let given = |step: &Step| {
        let (id, update) = match &step.action {
            Action::Update { id, update }
            | Action::RenameTemporarily { id, update }
            | Action::Abandon { id, update }
            | Action::Retire { id, update: Some(update), .. }
            | Action::HandOver { old: id, rename: Some(update), .. } => (id, update),
            _ => return None,
        };
        Some((id.as_str().to_owned(), update.name.as_ref()?.as_str().to_owned()))
    };
    plan.steps.iter().filter_map(given).collect()
}

/// Returns the ids of the existing services that a step acts on.
fn subjects(step: &Step, created: &BTreeMap<StepId, ServiceId>) -> Vec<String> {
    let existing = |target: &Target| match target {
        Target::Live(id) => Some(id.clone()),
        Target::Created(step) => created.get(step).cloned(),
    };
    let ids: Vec<ServiceId> = match &step.action {
        Action::Update { id, .. }
        | Action::RenameTemporarily { id, .. }
        | Action::Retire { id, .. }
        | Action::DeleteVersionSet { id, .. }
        | Action::Abandon { id, .. } => vec![id.clone()],
        Action::HandOver { old, new, .. } => existing(new).into_iter().chain([old.clone()]).collect(),
        Action::WriteVersionSet { target, .. }
        | Action::ApplyBehaviorSet { target, .. }
        | Action::Smoke { target, .. } => existing(target).into_iter().collect(),
        Action::Create(_) => Vec::new(),
    };
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}
