//! One process of a case: it reads, plans and applies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Event, Outcome, Report, Settings, run};
use super::sim::{Sim, policy};
use super::wire::{Death, Wire};
use super::world::ORGANIZATION;
use crate::model::*;
use crate::plan::tests::build::options;
use crate::plan::{self, Action, Options, Plan, PlanError, Step, StepId, Target, verify};
use crate::remote::{
    Access, AnyApi, ApiError, Budgets, Credentials, RequestObserver, Stop, StopReason, read_snapshot,
};
use amigops_emulator::SANDBOX_WORKSPACE;

/// How one process ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nothing was to be done.
    Converged,
    Applied(Report, Box<Plan>),
    Unread(ApiError),
    Unplannable(PlanError),
    Died,
}

/// A line about how a process ended.
pub(super) fn in_short(ended: &Ended) -> String {
    match ended {
        Ended::Applied(report, _) => {
            let failed = |(step, outcome): (&StepId, &Outcome)| match outcome {
                Outcome::Failed(failure) => Some(format!("step {step}: {failure}")),
                _ => None,
            };
            let failures: Vec<_> = report.outcomes.iter().filter_map(failed).collect();
            format!("applied {:?} {failures:?}", report.counts())
        }
        Ended::Unread(error) => format!("not read: {error}"),
        Ended::Unplannable(why) => format!("not planned: {why:?}"),
        Ended::Converged => "nothing to do".to_owned(),
        Ended::Died => "died".to_owned(),
    }
}

struct Deaf;
impl RequestObserver for Deaf {
    fn on_limit_wait(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
    fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

/// One process: reads, plans, applies; unless it dies.
pub(super) async fn run_process(sim: &Arc<Sim>, who: usize, desired: &Desired) -> Ended {
    let (death, stop) = (Arc::new(Death::default()), Stop::default());
    let wire = Wire { sim: Arc::clone(sim), who, stop: stop.clone(), death: Arc::clone(&death) };
    let random = std::sync::atomic::AtomicU64::new(0);
    let credentials = match sim.case.api {
        Api::Classic => {
            Credentials::SignIn { api_key: "key".into(), api_key_id: "id".into(), user_id: "user".into() }
        }
        Api::Platform => Credentials::Key("key".into()),
    };
    let timeout = sim.case.timeout.filter(|_| who == 0 && sim.disturbed);
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
        now: sim.clock(),
        random: Arc::new(move || {
            f64::from(random.fetch_add(37, std::sync::atomic::Ordering::Relaxed) as u8) / 255.0
        }),
        observer: Arc::new(Deaf),
        stop: stop.clone(),
        deadline,
        budgets: Budgets::default(),
    };
    let api = AnyApi::simulated(Arc::new(wire), access);
    let out_of_time = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
        stop.cancel(StopReason::Timeout);
        sim.out_of_time();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        () = death.wait() => {
            sim.state().hand_overs.died(who);
            Ended::Died
        }
        ended = out_of_time => ended,
        ended = work(sim, who, &api, desired, &stop) => ended,
    }
}

async fn work(sim: &Sim, who: usize, api: &AnyApi, desired: &Desired, stop: &Stop) -> Ended {
    let prune = sim.case.prune;
    let (policy, options) = (policy(), Options { api: sim.case.api, prune, ..options() });
    let lacking = |snapshot: &Snapshot| plan::lookups(desired, snapshot, policy, &options);
    let depends_on_absence = |snapshot: &Snapshot| {
        plan::depends_on_absence(plan::plan(desired, snapshot, policy, &options).as_ref(), snapshot)
    };
    let snapshot = match read_snapshot(api, lacking, depends_on_absence).await {
        Ok(snapshot) => snapshot,
        Err(error) => return Ended::Unread(error),
    };
    let plan = match plan::plan(desired, &snapshot, policy, &options) {
        Ok(plan) => plan,
        Err(error) => return Ended::Unplannable(error),
    };
    let violations = verify::verify(desired, &snapshot, policy, &options, &plan);
    if !violations.is_empty() {
        sim.note(|| format!("the refused plan:\n{}", crate::plan::tests::build::steps(&plan)));
        sim.fail(|| format!("the verifier refuses the plan: {violations:?}"));
    }
    if plan.is_empty() {
        return Ended::Converged;
    }
    sim.note(|| format!("run {who} has the plan:\n{}", crate::plan::tests::build::steps(&plan)));
    {
        let mut state = sim.state();
        state.lines.planned(&snapshot, &verify::outcome(&snapshot, &plan.steps, sim.case.api));
        state.looks.planned(who, given_names(&plan));
    }
    let settings = Settings {
        parallelism: sim.case.parallelism,
        api: sim.case.api,
        services: &snapshot.services,
        ownership: &policy.ownership,
        today: &options.today,
        stop: &|| stop.reason(),
    };
    let mut created = BTreeMap::new();
    let mut follow = |event: Event| follow(sim, who, &plan, &mut created, event);
    let report = run(api, &plan, &settings, &mut follow).await;
    Ended::Applied(report, Box::new(plan))
}

/// Follows the steps of a run as they begin and end.
fn follow(sim: &Sim, who: usize, plan: &Plan, created: &mut BTreeMap<StepId, ServiceId>, event: Event) {
    match event {
        Event::Started(id) => {
            let Some(step) = plan.step(id) else { return };
            let mut state = sim.state();
            state.hand_overs.begin(who, step);
            state.looks.step_begins(who, &subjects(step, created));
        }
        Event::Ended { step, outcome, .. } => {
            sim.note(|| format!("run {who}: step {step} ends: {outcome:?}"));
            if let Outcome::Done(Some(id)) = outcome {
                created.insert(step, id);
            }
            let ended = sim.state().hand_overs.end(who, step, tokio::time::Instant::now());
            if let Err(broken) = ended {
                sim.fail(|| broken);
            }
        }
    }
}

/// The names that a plan gives to services that exist.
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

/// The services that a step is about, and that exist.
fn subjects(step: &Step, created: &BTreeMap<StepId, ServiceId>) -> Vec<String> {
    let exists = |target: &Target| match target {
        Target::Live(id) => Some(id.clone()),
        Target::Created(step) => created.get(step).cloned(),
    };
    let ids: Vec<ServiceId> = match &step.action {
        Action::Update { id, .. }
        | Action::RenameTemporarily { id, .. }
        | Action::Retire { id, .. }
        | Action::DeleteVersionSet { id, .. }
        | Action::Abandon { id, .. } => vec![id.clone()],
        Action::HandOver { old, new, .. } => exists(new).into_iter().chain([old.clone()]).collect(),
        Action::WriteVersionSet { target, .. }
        | Action::ApplyBehaviorSet { target, .. }
        | Action::Smoke { target, .. } => exists(target).into_iter().collect(),
        Action::Create(_) => Vec::new(),
    };
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}
