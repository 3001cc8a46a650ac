//! One case from its start to its end: an undisturbed run, then runs under troubles until nothing is left to do.
//! May import `plan`, `remote`, `model` and `emulator`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Counts, Outcome, Report, StepFailure, Undo};
use super::case::{Case, Kind};
use super::edit::CONSOLE;
use super::figures::Figures;
use super::rules::Rules;
use super::sim::Sim;
use super::simulated_process::{Ended, in_short, run_process};
use super::stages;
use super::world::{Rows, rows};
use crate::model::*;
use crate::plan::{Action, Plan, Step};
use amigops_emulator::Limits;

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

/// A runtime whose clock jumps over every wait.
pub(super) fn runtime() -> tokio::runtime::Runtime {
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
        let sim = Sim::new(case, false, None, false);
        match run_process(&sim, 0, &case.desired).await {
            Ended::Applied(report, plan) if report.is_complete() => Ok((sim.finish(), *plan)),
            other => Err(in_short(&other)),
        }
    })
}

/// Runs a case: without its troubles, and then with them.
pub(super) fn play(case: &Case, traced: bool) -> End {
    if !case.stages.is_empty() {
        return runtime().block_on(stages::play(case, traced));
    }
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
    let sim = Sim::new(case, false, None, traced);
    let broken = |why: String| End::Broken { why: format!("undisturbed: {why}"), trace: sim.trace() };
    match run_process(&sim, 0, &case.desired).await {
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
            let again = run_process(&sim, 1, &case.desired).await;
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
    let sim = Sim::new(case, true, Some(rules), traced);
    let mut number = 0;
    let mut calm = 0;
    let mut all_was_done = false;
    loop {
        let before = sim.state().figures.clone();
        if case.kind == Kind::Edits {
            sim.begin_run();
        }
        let two = case.second.is_some() && number == 0;
        let ended = if two {
            two_at_once(&sim, [(0, &case.desired), (1, &case.desired)]).await
        } else {
            run_process(&sim, number, &case.desired).await
        };
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
        if !disturbed && stuck_by_an_operator(&sim, &ended) {
            break;
        }
        // Of two inactive services that are new and have one name, no plan can choose: it names both
        // (docs/reliability.md).
        let has_twins = sim.state().figures.late_creates > 0 && matches!(ended, Ended::Unplannable(_));
        if has_twins && in_short(&ended).contains("inactive services of this project are named") {
            return End::Held(sim.finish());
        }
        if calm >= CALM_RUNS || (!disturbed && (!complete || all_was_done)) {
            let why = match all_was_done {
                true => format!("a run said that all was done: {}", in_short(&ended)),
                false => format!("a calm run does not converge: {}", in_short(&ended)),
            };
            return End::Broken { why, trace: sim.trace() };
        }
        // What a list did not show may be left for the next run.
        let saw_all = case.kind != Kind::Lists || !disturbed;
        let now = sim.state().figures.clone();
        let is_alone = before.edits == now.edits && before.late_creates == now.late_creates;
        all_was_done = complete && !two && saw_all && is_alone;
        // A process takes a while to come back; what was on its way has arrived by then.
        tokio::time::sleep(Duration::from_secs(1) + sim.rest_of_outage()).await;
    }
    let mut figures = sim.finish();
    figures.runs = number;
    if case.kind == Kind::Edits {
        return End::Held(figures);
    }
    match compare(case, expected, &rows(case.api, &sim.emulator.world()), figures.late_creates) {
        Ok(()) => End::Held(figures),
        Err(why) => End::Broken { why, trace: sim.trace() },
    }
}

/// Whether an operator has made something that no run mends: a service that has the name of a manifest and another
/// owner, for one. The run says so.
fn stuck_by_an_operator(sim: &Sim, ended: &Ended) -> bool {
    let troubles = sim.state().figures.troubles.clone();
    let edits = ["edit: owner", "edit: name", "edit: replaces", "edit: deleted"];
    match ended {
        Ended::Unplannable(_) => sim.case.kind == Kind::Edits && sim.state().figures.edits > 0,
        Ended::Applied(report, plan) => {
            let is_edited = edits.iter().any(|edit| troubles.contains_key(edit));
            let may_be_taken = sim.case.kind == Kind::Edits && sim.state().figures.edits > 0;
            !report.is_complete() && (is_edited || (may_be_taken && names_were_doubtful(report, plan)))
        }
        Ended::Converged | Ended::Unread(_) | Ended::Died => false,
    }
}

/// Whether nothing failed but steps of which the plan had said that an inactive service of somebody else has the name,
/// and whether that counts only the API can tell: an operator has deactivated what the manifest would have adopted.
fn names_were_doubtful(report: &Report, plan: &Plan) -> bool {
    let is_said = |step: &Step| {
        let words = "an inactive service has the name";
        plan.findings.iter().any(|found| found.service == step.service && found.message.starts_with(words))
    };
    report.outcomes.iter().all(|(id, outcome)| match outcome {
        Outcome::Failed(StepFailure::Request(error)) => {
            error.status() == Some(409) && plan.step(*id).is_some_and(is_said)
        }
        Outcome::Failed(_) => false,
        _ => true,
    })
}

/// Two runs, the second a little later than the first; returns how the first ended.
pub(super) async fn two_at_once(sim: &Arc<Sim>, [one, other]: [(usize, &Desired); 2]) -> Ended {
    let later = async {
        tokio::time::sleep(sim.case.second.unwrap_or_default()).await;
        run_process(sim, other.0, other.1).await
    };
    tokio::join!(run_process(sim, one.0, one.1), later).0
}

/// A report says the truth: what was not begun has changed nothing, and of a hand-over that was undone or not begun
/// somebody has the name.
pub(super) fn honest(sim: &Sim, before: &Figures, ended: &Ended) {
    let Ended::Applied(report, plan) = ended else { return };
    let Counts { done, failed, unknown, .. } = report.counts();
    if done + failed + unknown == 0 && sim.state().figures.changes > before.changes {
        sim.fail(|| "the report says that nothing was begun, and something was changed".to_owned());
    }
    let there = rows(sim.case.api, &sim.emulator.world());
    for step in &plan.steps {
        let Action::HandOver { old, old_name, rename: Some(_), .. } = &step.action else { continue };
        let moves = |step: &Step| matches!(&step.action, Action::RenameTemporarily { id, .. } if id == old);
        let has_its_name = match report.outcomes.get(&step.id) {
            Some(Outcome::Failed(StepFailure::HandOver { undo, .. })) => *undo == Undo::Done,
            Some(Outcome::Failed(StepFailure::Request(error))) => !error.may_have_happened(),
            Some(Outcome::Stopped(_) | Outcome::Blocked(_)) => !plan.steps.iter().any(moves),
            _ => false,
        };
        // One that an operator has renamed or deleted meanwhile is not the report's business.
        let is_renamed = there.get(old.as_str()).is_some_and(|row| !row.name.starts_with(CONSOLE));
        if has_its_name && is_renamed && !there.values().any(|row| row.name == old_name.as_str()) {
            sim.fail(|| format!("nobody has the name {old_name}, and the report says: {}", in_short(ended)));
        }
    }
}

/// The services that have the names of manifests, and how many of each kind there are.
pub(super) type Served<'a> = BTreeMap<(&'a str, bool, &'a str, &'a str), usize>;

pub(super) fn served<'a>(desired: &Desired, rows: &'a Rows) -> Served<'a> {
    let mut served = Served::new();
    for row in rows.values() {
        if desired.services.contains_key(&ServiceName::new(&row.name)) {
            let key = (row.name.as_str(), row.active, row.agent.as_str(), row.graph.as_str());
            *served.entry(key).or_default() += 1;
        }
    }
    served
}

/// Compares the end with an undisturbed run's: the services that have the manifests' names, and how many there are.
fn compare(case: &Case, expected: &Rows, found: &Rows, late_creates: usize) -> Result<(), String> {
    let (wanted, there) = (served(&case.desired, expected), served(&case.desired, found));
    if wanted != there {
        return Err(format!("the end differs from an undisturbed run's: {there:?} instead of {wanted:?}"));
    }
    let is_others = |name: &str| name == "Newcomer" || name.starts_with("Decoy");
    let count = |rows: &Rows| rows.values().filter(|row| !is_others(&row.name)).count();
    // A create that came late is given up by the next run, and stays as an inactive leftover.
    let fits = (count(expected)..=count(expected) + late_creates).contains(&count(found));
    if case.second.is_none() && !fits {
        return Err(format!("{} services in the end instead of {}", count(found), count(expected)));
    }
    Ok(())
}
