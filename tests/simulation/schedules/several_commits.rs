//! Simulates cases of several commits, whose runs may end early, and cases in which two runs apply different
//! manifests at the same time.

use std::sync::Arc;
use std::time::Duration;

use super::case::{Case, CaseKind, Stage};
use super::case_outcome::{CaseOutcome, check_report, run_two_processes};
use super::simulated_process::{ProcessEnd, run_process, summarize};
use super::state::Simulation;
use super::world::{Row, agent_id, rows};
use crate::model::{Api, Desired, Reference};
use crate::plan::{Problem, ProblemKind};
use amigops_emulator::{Limits, World};

/// Runs all stages of a case without disturbances, and then with them.
pub(super) async fn run(case: &Case, traced: bool) -> CaseOutcome {
    match run_undisturbed(case, traced).await {
        Ok(true) => {}
        Ok(false) => return CaseOutcome::Unplannable,
        Err(outcome) => return outcome,
    }
    let sim = Simulation::new(case, true, None, traced);
    let failed = |why: String| CaseOutcome::Failed { why, trace: sim.trace() };
    let mut runs = 0;
    let (last, earlier) = case.stages.split_last().expect("the case has a stage");
    // The commits that were disturbed, each with the state before it.
    let mut disturbed: Vec<(usize, Arc<Simulation>)> = Vec::new();
    for (index, stage) in earlier.iter().enumerate() {
        let before = sim.undisturbed_copy();
        match run_stage(&sim, stage, &mut runs).await {
            Ok(true) => {}
            Ok(false) => disturbed.push((index, before)),
            Err(why) => return failed(why),
        }
    }
    let result = match case.kind {
        CaseKind::Pairs => finish_pair(&sim, last, &mut runs).await,
        _ => finish_commits(&sim, case, &disturbed, runs).await,
    };
    if let Err(why) = result {
        return failed(why);
    }
    let mut figures = sim.figures();
    figures.runs = runs + 2;
    CaseOutcome::Passed(figures)
}

/// Runs the last stage of a pair, in which two runs work at the same time. After that, the manifests of each of the two
/// runs must converge in one more run.
async fn finish_pair(sim: &Arc<Simulation>, last: &Stage, runs: &mut usize) -> Result<(), String> {
    let before = sim.undisturbed_copy();
    run_stage(sim, last, runs).await?;
    sim.start_stage(&[]);
    for (index, manifests) in last.manifests.iter().enumerate() {
        let copy = sim.undisturbed_copy();
        let others = last.manifests.iter().enumerate().filter(|(other, _)| *other != index);
        let others: Vec<&Desired> = others.map(|(_, other)| other).collect();
        if let Err(why) = converge(&copy, *runs, manifests).await
            && !is_refusal_expected(&before, sim, manifests, &others).await
        {
            copy.trace().into_iter().for_each(|line| sim.note(|| line));
            return Err(format!("after two runs at the same time: {why}"));
        }
    }
    Ok(())
}

/// Runs the last commit until it converges, and checks that the services exist as it declares.
async fn finish_commits(
    sim: &Arc<Simulation>,
    case: &Case,
    disturbed: &[(usize, Arc<Simulation>)],
    runs: usize,
) -> Result<(), String> {
    let last = case.stages.last().expect("the case has a stage");
    sim.start_stage(&last.disturbances);
    // Only the first run of a case has a timeout.
    let mut result = converge(sim, runs.max(1), &case.desired).await;
    if let (Err(why), Some((first, _))) = (&result, disturbed.first())
        && needs_missing_commit(case, disturbed, why).await
    {
        result = repeat_commits(sim, case, *first).await;
    }
    let result = result.and_then(|()| check_services(case.api, &case.desired, &sim.emulator.world()));
    result.map_err(|why| format!("after all commits: {why}"))
}

/// Returns true if the planner refuses the manifests after two runs at the same time, for a reason that no run can
/// repair:
///
/// * `--prune` would retire a service that the other manifests declare and protect (`prevent_removal`). Each run may
///   create the services of its manifests before it sees those of the other run. Then a person must decide which
///   service to remove.
/// * The planner refuses the manifests also from the state before the two runs, because an earlier run had ended early.
///   For example, the API can't remove a setting from a service that the earlier run should have replaced. Or the
///   manifests no longer say which name each service of an unfinished swap gets.
async fn is_refusal_expected(
    before: &Arc<Simulation>,
    after: &Arc<Simulation>,
    manifests: &Desired,
    others: &[&Desired],
) -> bool {
    let refusal = async |sim: &Arc<Simulation>| match run_process(&sim.undisturbed_copy(), 0, manifests).await
    {
        ProcessEnd::PlanRefused(error) => error.problems,
        _ => Vec::new(),
    };
    let problems = refusal(after).await;
    let is_protected_by_other = |problem: &Problem| {
        let is_declared = |other: &&Desired| {
            problem.service.as_ref().is_some_and(|name| {
                let wanted = other.services.get(name);
                wanted.is_some_and(|wanted| wanted.lifecycle.prevent_removal)
                    && !manifests.services.contains_key(name)
            })
        };
        after.case.prune && problem.kind == ProblemKind::Refused && others.iter().any(is_declared)
    };
    if problems.iter().all(is_protected_by_other) {
        return !problems.is_empty();
    }
    let may_stay_refused = |problem: &Problem| {
        let has_temporary_name = problem.help.iter().any(|help| help.contains("(renaming "));
        matches!(problem.kind, ProblemKind::Impossible | ProblemKind::Refused) || has_temporary_name
    };
    problems.iter().all(may_stay_refused) && refusal(before).await == problems
}

/// Runs all stages without disturbances, one after the other. Returns false if the planner refuses to make a plan for
/// one of them.
async fn run_undisturbed(case: &Case, traced: bool) -> Result<bool, CaseOutcome> {
    let sim = Simulation::new(case, false, None, traced);
    // Either of two runs may be the last, so the first manifests must also converge after the second ones.
    let again = case.stages.last().filter(|_| case.kind == CaseKind::Pairs).map(|stage| &stage.manifests[0]);
    let manifests = case.stages.iter().flat_map(|stage| &stage.manifests).chain(again);
    for (number, desired) in manifests.enumerate() {
        sim.start_stage(&[]);
        match converge(&sim, 2 * number, desired).await {
            Ok(()) => {}
            Err(why) if why.starts_with("no plan") && sim.state().violation.is_none() => return Ok(false),
            Err(why) => {
                return Err(CaseOutcome::Failed { why: format!("undisturbed: {why}"), trace: sim.trace() });
            }
        }
    }
    Ok(true)
}

/// Returns true if the planner refuses the last commit, because an earlier commit was not applied completely.
/// One of these conditions shows that:
///
/// * Without one of the disturbed commits, the planner refuses the later commits also in an undisturbed run.
/// * A service is protected, but the last manifests don't declare it. Either the manifests that renamed or replaced it
///   were not applied completely, or an operator activated it again.
/// * A rename ended early, and no manifest says any more which name each service gets.
async fn needs_missing_commit(case: &Case, disturbed: &[(usize, Arc<Simulation>)], why: &str) -> bool {
    let is_protected = case.prune
        && why.contains("kind: Refused")
        && why.contains("the tag `protected` of this service forbids");
    let has_temporary_name = why.contains("kind: Ambiguous") && why.contains("(renaming ");
    if !why.starts_with("no plan") {
        return false;
    }
    if is_protected || has_temporary_name {
        return true;
    }
    for (index, before) in disturbed {
        for (number, stage) in case.stages.iter().enumerate().skip(index + 1) {
            if matches!(run_process(before, number, &stage.manifests[0]).await, ProcessEnd::PlanRefused(_)) {
                return true;
            }
        }
    }
    false
}

/// Applies all commits again, beginning with the one at index `first`, which was the first disturbed one.
async fn repeat_commits(sim: &Arc<Simulation>, case: &Case, first: usize) -> Result<(), String> {
    let copy = sim.undisturbed_copy();
    for (number, stage) in case.stages.iter().enumerate().skip(first) {
        let repeated = converge(&copy, 2 * number, &stage.manifests[0]).await;
        repeated.map_err(|why| format!("commit {number} again: {why}"))?;
    }
    sim.emulator.edit(|world| *world = copy.emulator.world()).expect("the state can be edited");
    Ok(())
}

/// Runs the one or two processes of a stage, with its disturbances. Returns true if no disturbance happened and all
/// changes were applied.
async fn run_stage(sim: &Arc<Simulation>, stage: &Stage, runs: &mut usize) -> Result<bool, String> {
    sim.start_stage(&stage.disturbances);
    let before = sim.state().figures.clone();
    let first = *runs;
    let end = match stage.manifests.as_slice() {
        [one, other] => {
            *runs += 2;
            run_two_processes(sim, [(first, one), (first + 1, other)]).await
        }
        all => {
            *runs += 1;
            run_process(sim, first, &all[0]).await
        }
    };
    sim.note(|| format!("run {first} ends: {}", summarize(&end)));
    if stage.manifests.len() == 1 {
        check_report(sim, &before, &end);
    }
    tokio::time::sleep(Duration::from_secs(1) + sim.remaining_outage()).await;
    let violation = sim.state().violation.clone();
    let is_complete = match &end {
        ProcessEnd::Applied(report, _) => report.is_complete(),
        end => matches!(end, ProcessEnd::Converged),
    };
    let is_undisturbed = sim.state().figures.disturbance_count() == before.disturbance_count();
    violation.map_or(Ok(is_complete && is_undisturbed), Err)
}

/// Runs a process without disturbances. Checks that it applies all changes, and that the next plan is empty.
pub(super) async fn converge(
    sim: &Arc<Simulation>,
    run_number: usize,
    desired: &Desired,
) -> Result<(), String> {
    if sim.case.limits != Limits::Off {
        // This process does not know how many requests the run before it has sent in this minute.
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let end = run_process(sim, run_number, desired).await;
    sim.note(|| format!("run {run_number} ends: {}", summarize(&end)));
    let violation = sim.state().violation.clone();
    if let Some(why) = violation {
        return Err(why);
    }
    match &end {
        ProcessEnd::Converged => return Ok(()),
        ProcessEnd::Applied(report, _) if report.is_complete() => {}
        end => return Err(summarize(end)),
    }
    let again = run_process(sim, run_number + 1, desired).await;
    let violation = sim.state().violation.clone();
    match (violation, again) {
        (Some(why), _) => Err(why),
        (None, ProcessEnd::Converged) => Ok(()),
        (None, again) => Err(format!("a second plan is not empty: {}", summarize(&again))),
    }
}

/// Checks that a service exists for each manifest, with the values that the manifest declares.
fn check_services(api: Api, desired: &Desired, world: &World) -> Result<(), String> {
    let rows = rows(api, world);
    for wanted in desired.services.values() {
        let Reference::Name(agent) = &wanted.agent else { continue };
        let agent = agent_id(api, world, agent);
        let named = rows.values().filter(|row| row.is_owned() && row.name == wanted.name.as_str());
        let (active, inactive): (Vec<_>, Vec<_>) = named.partition(|row| row.active);
        let has_agent = |rows: &[&Row]| rows.iter().any(|row| row.agent == agent);
        let exists = match wanted.active {
            Some(true) => has_agent(&active),
            Some(false) => active.is_empty() && has_agent(&inactive),
            // The manifest keeps the activity that the service has after the earlier runs.
            None => has_agent(&active) || (active.is_empty() && has_agent(&inactive)),
        };
        if !exists {
            return Err(format!("{} does not exist as declared: {active:?} {inactive:?}", wanted.name));
        }
    }
    Ok(())
}
