//! Simulates one case in virtual time.

use super::case::Case;
use super::case_outcome::CaseOutcome;
use super::figures::Figures;
use super::rules::Rules;
use super::simulated_process::{ProcessEnd, run_process, summarize};
use super::state::Simulation;
use super::{one_commit, several_commits};
use crate::plan::Plan;

/// Returns an async runtime with a virtual clock, which skips all waiting time.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("the runtime starts")
}

/// Runs one process of a case, without disturbances and without rules.
///
/// # Errors
///
/// Errors with a description of how the process ended, if it did not apply the whole plan.
pub(super) fn run_completely(case: &Case) -> Result<(Figures, Plan), String> {
    runtime().block_on(async {
        let sim = Simulation::new(case, false, None, false);
        match run_process(&sim, 0, &case.desired).await {
            ProcessEnd::Applied(report, plan) if report.is_complete() => Ok((sim.figures(), *plan)),
            other => Err(summarize(&other)),
        }
    })
}

/// Simulates a case twice: first without its disturbances, and then with them.
pub(super) fn run_case(case: &Case, traced: bool) -> CaseOutcome {
    if !case.stages.is_empty() {
        return runtime().block_on(several_commits::run(case, traced));
    }
    let history = match runtime().block_on(one_commit::run_undisturbed(case, traced)) {
        Ok(Some(history)) => history,
        Ok(None) => return CaseOutcome::Unplannable,
        Err(outcome) => return outcome,
    };
    let rules = Rules::new(case, &history);
    // The undisturbed run must obey the rules, too.
    let mut own_rules = rules.clone();
    for pair in history.windows(2) {
        if let Err(why) = own_rules.check(&pair[0], &pair[1]) {
            return CaseOutcome::Failed { why: format!("undisturbed: {why}"), trace: Vec::new() };
        }
    }
    let end = history.last().expect("the history has a first state");
    runtime().block_on(one_commit::run_disturbed(case, rules, end, traced))
}
