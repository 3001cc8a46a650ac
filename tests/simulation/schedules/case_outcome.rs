//! The outcome of a simulated case, and functions that all kinds of cases use.

use std::sync::Arc;

use super::edit::CONSOLE_PREFIX;
use super::figures::Figures;
use super::simulated_process::{ProcessEnd, run_process, summarize};
use super::state::Simulation;
use super::world::rows;
use crate::apply::{OutcomeCounts, StepFailure, StepOutcome, UndoOutcome};
use crate::model::Desired;
use crate::plan::{Action, Step};

/// The outcome of a simulated case.
pub(super) enum CaseOutcome {
    /// The planner refuses to make a plan, because the random manifests and live state contradict each other.
    Unplannable,
    /// No rule was broken.
    Passed(Figures),
    /// A rule was broken. `why` says which rule, and `trace` has the requests.
    Failed { why: String, trace: Vec<String> },
}

/// Runs two processes at the same time, each with a run number and manifests. The second process starts after the delay
/// of the case. Returns the way in which the first process ended.
pub(super) async fn run_two_processes(
    sim: &Arc<Simulation>,
    [first, second]: [(usize, &Desired); 2],
) -> ProcessEnd {
    let delayed = async {
        tokio::time::sleep(sim.case.second_run.unwrap_or_default()).await;
        run_process(sim, second.0, second.1).await
    };
    tokio::join!(run_process(sim, first.0, first.1), delayed).0
}

/// Checks that the report of a run is true. If the report says that no step started, nothing may have changed. If it
/// says that the old service of a cut-over has its name, a service must have that name.
pub(super) fn check_report(sim: &Simulation, before: &Figures, end: &ProcessEnd) {
    let ProcessEnd::Applied(report, plan) = end else { return };
    let OutcomeCounts { done, failed, unknown, .. } = report.counts();
    if done + failed + unknown == 0 && sim.state().figures.changes > before.changes {
        sim.fail(|| "the report says that no step started, but something was changed".to_owned());
    }
    let current = rows(sim.case.api, &sim.emulator.world());
    for step in &plan.steps {
        let Action::HandOver { old, old_name, rename: Some(_), .. } = &step.action else { continue };
        let renames_old =
            |step: &Step| matches!(&step.action, Action::RenameTemporarily { id, .. } if id == old);
        let has_its_name = match report.outcomes.get(&step.id) {
            Some(StepOutcome::Failed(StepFailure::CutOver { undo, .. })) => {
                *undo == UndoOutcome::NameRestored
            }
            Some(StepOutcome::Failed(StepFailure::Request(error))) => !error.may_have_happened(),
            Some(StepOutcome::Stopped(_) | StepOutcome::Blocked(_)) => !plan.steps.iter().any(renames_old),
            _ => false,
        };
        // The report can't know that an operator has renamed or deleted the old service after the cut-over.
        let is_unedited = current.get(old.as_str()).is_some_and(|row| !row.name.starts_with(CONSOLE_PREFIX));
        if has_its_name && is_unedited && !current.values().any(|row| row.name == old_name.as_str()) {
            sim.fail(|| {
                format!("no service has the name {old_name}, but the report says: {}", summarize(end))
            });
        }
    }
}
