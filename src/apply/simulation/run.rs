//! One case from its start to its end: an undisturbed run, then runs under troubles until nothing is left to do.
//! May import `plan`, `remote`, `model` and `emulator`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Counts, Event, Outcome, Report, Settings, StepFailure, Undo, run};
use super::case::Case;
use super::rules::Rules;
use super::sim::{Figures, Sim, policy};
use super::wire::{Death, Wire};
use super::world::{ORGANIZATION, Rows, rows};
use crate::emulator::{Limits, SANDBOX_WORKSPACE};
use crate::model::*;
use crate::plan::tests::build::options;
use crate::plan::{self, Action, Options, Plan, Step, StepId, verify};
use crate::remote::{Access, AnyApi, ApiError, Budgets, Credentials, Stop, StopReason, Watch, read_snapshot};

/// The runs after the last trouble that are enough: one that does what is left, and one that finds nothing.
const CALM_RUNS: usize = 2;

/// What a case came to.
pub(super) enum End {
    /// There is no plan for it: its states contradict each other.
    Unplannable,
    /// All rules held.
    Held(Figures),
    /// One didn't.
    Broken { why: String, trace: Vec<String> },
}

/// How one process ended.
#[derive(Debug)]
enum Ended {
    /// Nothing was to be done.
    Converged,
    Applied(Report, Box<Plan>),
    Unread(ApiError),
    Unplannable(String),
    Died,
}

/// A runtime whose clock jumps over every wait.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime")
}

/// One run of a case without its troubles and its rules.
///
/// # Errors
///
/// How it ended, if not with all that was planned.
pub(super) fn calm(case: &Case) -> Result<(Figures, Plan), String> {
    runtime().block_on(async {
        let sim = Sim::new(case, None, false);
        match process(&sim, 0).await {
            Ended::Applied(report, plan) if report.is_complete() => Ok((sim.finish(), *plan)),
            other => Err(in_short(&other)),
        }
    })
}

/// Runs a case: without its troubles, and then with them.
pub(super) fn play(case: &Case, traced: bool) -> End {
    let (history, expected) = match runtime().block_on(undisturbed(case, traced)) {
        Ok(Some(calm)) => calm,
        Ok(None) => return End::Unplannable,
        Err(end) => return end,
    };
    let rules = Rules::new(case, &history);
    // The undisturbed run keeps the rules as well.
    let mut judge = rules.clone();
    for pair in history.windows(2) {
        if let Err(why) = judge.judge(&pair[0], &pair[1]) {
            return End::Broken { why: format!("undisturbed: {why}"), trace: Vec::new() };
        }
    }
    runtime().block_on(disturbed(case, rules, &expected, traced))
}

/// The run without troubles: every state that it went through, and the last. None where no plan can be made.
async fn undisturbed(case: &Case, traced: bool) -> Result<Option<(Vec<Rows>, Rows)>, End> {
    let sim = Sim::new(case, None, traced);
    let broken = |why: String| End::Broken { why: format!("undisturbed: {why}"), trace: sim.trace() };
    match process(&sim, 0).await {
        Ended::Unplannable(_) => return Ok(None),
        Ended::Converged => {}
        Ended::Applied(report, plan) => {
            if !report.is_complete() {
                return Err(broken(format!("a step failed: {:?}", report.outcomes)));
            }
            let writes = sim.state().figures.writes;
            let planned = planned_writes(&plan);
            // A hand-over that does not know the limit yet asks first, with a request that changes nothing.
            let asked = usize::from(case.api == Api::Platform && writes == planned + 1);
            if writes != planned + asked {
                return Err(broken(format!("{writes} writes, and the plan has {planned}")));
            }
            // Another process knows nothing of the sign-ins of the last minute.
            tokio::time::sleep(Duration::from_secs(60)).await;
            let again = process(&sim, 1).await;
            if !matches!(again, Ended::Converged) {
                return Err(broken(format!("planning again: {}", in_short(&again))));
            }
        }
        other => return Err(broken(in_short(&other))),
    }
    let figures = sim.finish();
    if figures.refused > 0 && case.limits != Limits::Off {
        return Err(broken(format!("{} answers of 429", figures.refused)));
    }
    let history = sim.state().history.clone();
    let end = history.last().expect("there is a start").clone();
    Ok(Some((history, end)))
}

/// The requests of a plan that change something.
fn planned_writes(plan: &Plan) -> usize {
    let reads = |endpoint: Endpoint| {
        matches!(endpoint, Endpoint::ListServices | Endpoint::GetService | Endpoint::ListBehaviorSets)
    };
    let writes = plan.estimate.by_endpoint.iter().filter(|(endpoint, _)| !reads(**endpoint));
    writes.map(|(_, count)| count).sum()
}

async fn disturbed(case: &Case, rules: Rules, expected: &Rows, traced: bool) -> End {
    let sim = Sim::new(case, Some(rules), traced);
    let mut number = 0;
    let mut calm = 0;
    let mut all_was_done = false;
    loop {
        let before = sim.state().figures.clone();
        let two = case.second.is_some() && number == 0;
        let ended = if two { two_at_once(&sim).await } else { process(&sim, number).await };
        number += if two { 2 } else { 1 };
        sim.note(|| format!("run {} ends: {}", number - 1, in_short(&ended)));
        let disturbed = two || sim.state().figures.fired() != before.fired();
        if !two {
            honest(&sim, &before, &ended);
        }
        let broken = sim.state().broken.clone();
        if let Some(why) = broken {
            return End::Broken { why, trace: sim.trace() };
        }
        calm = if disturbed { 0 } else { calm + 1 };
        if !disturbed && matches!(ended, Ended::Converged) {
            break;
        }
        let complete = matches!(&ended, Ended::Applied(report, _) if report.is_complete());
        if calm >= CALM_RUNS || (!disturbed && (!complete || all_was_done)) {
            let why = match all_was_done {
                true => format!("a run said that all was done: {}", in_short(&ended)),
                false => format!("a calm run does not converge: {}", in_short(&ended)),
            };
            return End::Broken { why, trace: sim.trace() };
        }
        let edits = |figures: &Figures| figures.troubles.get("operator's edit").copied();
        all_was_done = complete && !two && edits(&before) == edits(&sim.state().figures);
        // A process takes a while to come back; what was on its way has arrived by then.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut figures = sim.finish();
    figures.runs = number;
    match compare(case, expected, &rows(case.api, &sim.emulator.world())) {
        Ok(()) => End::Held(figures),
        Err(why) => End::Broken { why, trace: sim.trace() },
    }
}

/// Two runs, one a little later than the other.
async fn two_at_once(sim: &Arc<Sim>) -> Ended {
    let later = async {
        tokio::time::sleep(sim.case.second.unwrap_or_default()).await;
        process(sim, 1).await
    };
    tokio::join!(process(sim, 0), later).0
}

/// A report says the truth: what was not begun has changed nothing, and of a hand-over that was undone or not begun
/// somebody has the name.
fn honest(sim: &Sim, before: &Figures, ended: &Ended) {
    let Ended::Applied(report, plan) = ended else { return };
    let Counts { done, failed, unknown, .. } = report.counts();
    if done + failed + unknown == 0 && sim.state().figures.changes > before.changes {
        sim.fail(|| "the report says that nothing was begun, and something was changed".to_owned());
    }
    let there = rows(sim.case.api, &sim.emulator.world());
    for step in &plan.steps {
        let Action::HandOver { old, old_name, rename: Some(_), .. } = &step.action else { continue };
        let moves = |step: &Step| matches!(&step.action, Action::SetAside { id, .. } if id == old);
        let has_its_name = match report.outcomes.get(&step.id) {
            Some(Outcome::Failed(StepFailure::HandOver { undo, .. })) => *undo == Undo::Done,
            Some(Outcome::Failed(StepFailure::Request(error))) => !error.may_have_happened(),
            Some(Outcome::Stopped(_) | Outcome::Blocked(_)) => !plan.steps.iter().any(moves),
            _ => false,
        };
        if has_its_name && !there.values().any(|row| row.name == old_name.as_str()) {
            sim.fail(|| format!("nobody has the name {old_name}, and the report says: {}", in_short(ended)));
        }
    }
}

fn in_short(ended: &Ended) -> String {
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
        Ended::Unplannable(why) => format!("not planned: {why}"),
        Ended::Converged => "nothing to do".to_owned(),
        Ended::Died => "died".to_owned(),
    }
}

/// What counts of an end: for each manifest, who serves its name, and how many services there are.
fn compare(case: &Case, expected: &Rows, found: &Rows) -> Result<(), String> {
    type Served<'a> = BTreeMap<(&'a str, bool, &'a str, &'a str), usize>;
    fn served<'a>(case: &Case, rows: &'a Rows) -> Served<'a> {
        let mut served = Served::new();
        for row in rows.values() {
            if case.desired.services.contains_key(&ServiceName::new(&row.name)) {
                let key = (row.name.as_str(), row.active, row.agent.as_str(), row.graph.as_str());
                *served.entry(key).or_default() += 1;
            }
        }
        served
    }
    let (wanted, there) = (served(case, expected), served(case, found));
    if wanted != there {
        return Err(format!("the end differs from an undisturbed run's: {there:?} instead of {wanted:?}"));
    }
    let count = |rows: &Rows| rows.values().filter(|row| row.name != "Newcomer").count();
    if case.second.is_none() && count(expected) != count(found) {
        return Err(format!("{} services in the end instead of {}", count(found), count(expected)));
    }
    Ok(())
}

struct Deaf;
impl Watch for Deaf {
    fn waiting(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
    fn retrying(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn answered(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

/// One process: reads, plans, applies; unless it dies.
async fn process(sim: &Arc<Sim>, who: usize) -> Ended {
    let (death, stop) = (Arc::new(Death::default()), Stop::default());
    let wire = Wire { sim: Arc::clone(sim), who, stop: stop.clone(), death: Arc::clone(&death) };
    let random = std::sync::atomic::AtomicU64::new(0);
    let credentials = match sim.case.api {
        Api::Classic => {
            Credentials::SignIn { api_key: "key".into(), api_key_id: "id".into(), user_id: "user".into() }
        }
        Api::Platform => Credentials::Key("key".into()),
    };
    let timeout = sim.case.timeout.filter(|_| who == 0 && sim.is_disturbed());
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
        watch: Arc::new(Deaf),
        stop: stop.clone(),
        deadline,
        budgets: Budgets::default(),
    };
    let api = AnyApi::over(Arc::new(wire), access);
    let out_of_time = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
        stop.wish(StopReason::Timeout);
        sim.out_of_time();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        () = death.wait() => Ended::Died,
        ended = out_of_time => ended,
        ended = work(sim, &api, &stop) => ended,
    }
}

async fn work(sim: &Sim, api: &AnyApi, stop: &Stop) -> Ended {
    let Case { desired, prune, .. } = &sim.case;
    let (policy, options) = (policy(), Options { api: sim.case.api, prune: *prune, ..options() });
    let lacking = |snapshot: &Snapshot| plan::lookups(desired, snapshot, policy, &options);
    let rests_on_absence = |snapshot: &Snapshot| {
        plan::rests_on_absence(plan::plan(desired, snapshot, policy, &options).as_ref(), snapshot)
    };
    let snapshot = match read_snapshot(api, lacking, rests_on_absence).await {
        Ok(snapshot) => snapshot,
        Err(error) => return Ended::Unread(error),
    };
    let plan = match plan::plan(desired, &snapshot, policy, &options) {
        Ok(plan) => plan,
        Err(error) => return Ended::Unplannable(format!("{error:?}")),
    };
    let violations = verify::verify(desired, &snapshot, policy, &options, &plan);
    if !violations.is_empty() {
        sim.fail(|| format!("the verifier refuses the plan: {violations:?}"));
    }
    if plan.is_empty() {
        return Ended::Converged;
    }
    sim.note(|| format!("the plan:\n{}", crate::plan::tests::build::steps(&plan)));
    let settings = Settings {
        parallelism: sim.case.parallelism,
        api: sim.case.api,
        services: &snapshot.services,
        ownership: &policy.ownership,
        today: &options.today,
        stop: &|| stop.why(),
    };
    let report = run(api, &plan, &settings, &mut |_: Event| {}).await;
    Ended::Applied(report, Box::new(plan))
}
