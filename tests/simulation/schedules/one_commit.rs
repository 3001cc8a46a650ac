//! Simulates cases of one commit: first a run without disturbances, then runs with disturbances until the live state
//! converges.

use std::collections::BTreeMap;
use std::time::Duration;

use super::case::{Case, CaseKind};
use super::case_outcome::{CaseOutcome, check_report, run_two_processes};
use super::rules::Rules;
use super::simulated_process::{ProcessEnd, run_process, summarize};
use super::state::Simulation;
use super::world::{Rows, rows};
use crate::apply::{Report, StepFailure, StepOutcome};
use crate::model::*;
use crate::plan::{Plan, Problem, ProblemKind, Step};
use amigops_emulator::Limits;

/// The maximum number of runs after the last disturbance. The first of them makes all remaining changes, and the
/// second one finds nothing to change.
const MAX_CALM_RUNS: usize = 2;

/// Runs a case without disturbances. Returns all states of the services, in order, or `None` if the planner refuses
/// to make a plan.
pub(super) async fn run_undisturbed(case: &Case, traced: bool) -> Result<Option<Vec<Rows>>, CaseOutcome> {
    let sim = Simulation::new(case, false, None, traced);
    let failed = |why: String| CaseOutcome::Failed { why: format!("undisturbed: {why}"), trace: sim.trace() };
    match run_process(&sim, 0, &case.desired).await {
        ProcessEnd::PlanRefused(_) => return Ok(None),
        ProcessEnd::Converged => {}
        ProcessEnd::Applied(report, plan) => {
            if !report.is_complete() {
                return Err(failed(format!("a step failed: {:?}", report.outcomes)));
            }
            let writes = sim.state().figures.writes;
            let planned = planned_writes(&plan);
            // A cut-over that does not know the rate limit yet sends one more update to learn the limit. That update
            // changes nothing.
            let limit_probes = usize::from(case.api == Api::Platform && writes == planned + 1);
            if writes != planned + limit_probes {
                return Err(failed(format!("{writes} writes, but the plan has {planned}")));
            }
            // The next process does not know the sign-ins of the last minute. After a minute, they no longer count for
            // the rate limit.
            tokio::time::sleep(Duration::from_secs(60)).await;
            let again = run_process(&sim, 1, &case.desired).await;
            if !matches!(again, ProcessEnd::Converged) {
                return Err(failed(format!("a second plan is not empty: {}", summarize(&again))));
            }
        }
        other => return Err(failed(summarize(&other))),
    }
    let figures = sim.figures();
    if figures.refused > 0 && case.limits != Limits::Off {
        return Err(failed(format!("{} answers of 429", figures.refused)));
    }
    let history = sim.state().history.clone();
    Ok(Some(history))
}

/// Returns the number of write requests that a plan needs.
fn planned_writes(plan: &Plan) -> usize {
    let is_read = |endpoint: Endpoint| {
        matches!(endpoint, Endpoint::ListServices | Endpoint::GetService | Endpoint::ListBehaviorSets)
    };
    let writes = plan.estimate.by_endpoint.iter().filter(|(endpoint, _)| !is_read(**endpoint));
    writes.map(|(_, count)| count).sum()
}

/// Runs a case with its disturbances until the live state converges. Compares the final state with that of the
/// undisturbed run.
pub(super) async fn run_disturbed(case: &Case, rules: Rules, expected: &Rows, traced: bool) -> CaseOutcome {
    let sim = Simulation::new(case, true, Some(rules), traced);
    let mut runs = 0;
    let mut calm_runs = 0;
    let mut must_be_converged = false;
    loop {
        let before = sim.state().figures.clone();
        if case.kind == CaseKind::Edits {
            sim.start_run();
        }
        let is_pair = case.second_run.is_some() && runs == 0;
        let end = if is_pair {
            run_two_processes(&sim, [(0, &case.desired), (1, &case.desired)]).await
        } else {
            run_process(&sim, runs, &case.desired).await
        };
        runs += if is_pair { 2 } else { 1 };
        sim.note(|| format!("run {} ends: {}", runs - 1, summarize(&end)));
        let now = sim.state().figures.clone();
        let was_disturbed = is_pair || now.disturbance_count() != before.disturbance_count();
        if !is_pair {
            check_report(&sim, &before, &end);
        }
        let violation = sim.state().violation.clone();
        if let Some(why) = violation {
            return CaseOutcome::Failed { why, trace: sim.trace() };
        }
        calm_runs = if was_disturbed { 0 } else { calm_runs + 1 };
        if !was_disturbed && (matches!(end, ProcessEnd::Converged) || is_stuck_after_edit(&sim, &end)) {
            break;
        }
        if is_refused_for_duplicates(&sim, &end) {
            return CaseOutcome::Passed(sim.figures());
        }
        let is_complete = matches!(&end, ProcessEnd::Applied(report, _) if report.is_complete());
        if calm_runs >= MAX_CALM_RUNS || (!was_disturbed && (!is_complete || must_be_converged)) {
            let why = match must_be_converged {
                true => format!("an earlier run said that everything is done: {}", summarize(&end)),
                false => format!("an undisturbed run does not converge: {}", summarize(&end)),
            };
            return CaseOutcome::Failed { why, trace: sim.trace() };
        }
        // A service that was missing from a list may be left for the next run.
        let saw_all_services = case.kind != CaseKind::Lists || !was_disturbed;
        let now = sim.state().figures.clone();
        let had_no_other_writer = before.edits == now.edits && before.late_creates == now.late_creates;
        must_be_converged = is_complete && !is_pair && saw_all_services && had_no_other_writer;
        // This pause lets requests in flight arrive before the next process starts.
        tokio::time::sleep(Duration::from_secs(1) + sim.remaining_outage()).await;
    }
    let mut figures = sim.figures();
    figures.runs = runs;
    if case.kind == CaseKind::Edits {
        return CaseOutcome::Passed(figures);
    }
    match compare(case, expected, &rows(case.api, &sim.emulator.world()), figures.late_creates) {
        Ok(()) => CaseOutcome::Passed(figures),
        Err(why) => CaseOutcome::Failed { why, trace: sim.trace() },
    }
}

/// Returns true if the planner must refuse the manifests, because two new inactive services have the same name. A
/// create that was processed after a crash can cause that. The plan can't choose between the services
/// (docs/reliability.md).
fn is_refused_for_duplicates(sim: &Simulation, end: &ProcessEnd) -> bool {
    let ProcessEnd::PlanRefused(error) = end else { return false };
    let is_duplicate = |problem: &Problem| {
        problem.kind == ProblemKind::Ambiguous
            && problem.message.contains("inactive services of this project")
    };
    sim.state().figures.late_creates > 0 && error.problems.iter().any(is_duplicate)
}

/// Returns true if an operator has caused a state that no run can repair, and the run reports that. For example, a
/// service with the name of a manifest may have another owner.
fn is_stuck_after_edit(sim: &Simulation, end: &ProcessEnd) -> bool {
    let disturbances = sim.state().figures.disturbances.clone();
    let edits = ["edit: owner", "edit: name", "edit: replaces", "edit: deleted"];
    let has_edits = sim.case.kind == CaseKind::Edits && sim.state().figures.edits > 0;
    match end {
        ProcessEnd::PlanRefused(_) => has_edits,
        ProcessEnd::Applied(report, plan) => {
            let has_such_edit = edits.iter().any(|edit| disturbances.contains_key(edit));
            !report.is_complete() && (has_such_edit || (has_edits && only_names_were_refused(report, plan)))
        }
        ProcessEnd::Converged | ProcessEnd::ReadFailed(_) | ProcessEnd::Crashed => false,
    }
}

/// Returns true if every failed step failed because an inactive service has the name, and the plan had warned about
/// each of them. Only the API knows if it refuses such a name. Here, an operator has deactivated a service that the
/// plan would otherwise have adopted.
fn only_names_were_refused(report: &Report, plan: &Plan) -> bool {
    let was_warned = |step: &Step| {
        let words = "an inactive service has the name";
        plan.findings.iter().any(|found| found.service == step.service && found.message.starts_with(words))
    };
    report.outcomes.iter().all(|(id, outcome)| match outcome {
        StepOutcome::Failed(StepFailure::Request(error)) => {
            error.status() == Some(409) && plan.step(*id).is_some_and(was_warned)
        }
        StepOutcome::Failed(_) => false,
        _ => true,
    })
}

/// The number of services for each combination of name, activity, agent and context graph.
type ServiceCounts<'a> = BTreeMap<(&'a str, bool, &'a str, &'a str), usize>;

/// Counts the services that have the name of a manifest.
fn count_declared<'a>(desired: &Desired, rows: &'a Rows) -> ServiceCounts<'a> {
    let mut counts = ServiceCounts::new();
    for row in rows.values() {
        if desired.services.contains_key(&ServiceName::new(&row.name)) {
            let key = (row.name.as_str(), row.active, row.agent.as_str(), row.graph.as_str());
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

/// Compares the final state with that of an undisturbed run: the services that have the name of a manifest, and the
/// number of all services.
fn compare(case: &Case, expected: &Rows, found: &Rows, late_creates: usize) -> Result<(), String> {
    let (wanted, current) = (count_declared(&case.desired, expected), count_declared(&case.desired, found));
    if wanted != current {
        return Err(format!(
            "the final state differs from an undisturbed run's: {current:?} instead of {wanted:?}"
        ));
    }
    let is_unowned = |name: &str| name == "Newcomer" || name.starts_with("Decoy");
    let count = |rows: &Rows| rows.values().filter(|row| !is_unowned(&row.name)).count();
    // The next run abandons the service of a late create, which stays as an inactive leftover.
    let is_expected = (count(expected)..=count(expected) + late_creates).contains(&count(found));
    if case.second_run.is_none() && !is_expected {
        return Err(format!("{} services in the end instead of {}", count(found), count(expected)));
    }
    Ok(())
}
