//! Checks how long no service has the name during a cut-over, in virtual time.

use std::time::Duration;

use tokio::time::Instant;

use super::world::Rows;
use crate::plan::{Action, Step, StepId};

/// The maximum time for which a cut-over may leave its name without a service. The time begins with the rename of the
/// old service. It ends with the activation of the new one, with the completed undo, or with the end of the step.
const MAX_FREE_TIME: Duration = Duration::from_secs(180);

/// A cut-over step that is in progress.
#[derive(Clone, Debug)]
struct RunningCutOver {
    run_number: usize,
    step: StepId,
    old: String,
    name: String,
    /// The time of the rename, if no service has had the name since then.
    free_since: Option<Instant>,
}

/// The cut-over steps of all runs that are in progress.
#[derive(Clone, Debug, Default)]
pub(super) struct CutOvers(Vec<RunningCutOver>);

impl CutOvers {
    /// Records that a step of a run has started. Steps without a cut-over are ignored.
    pub(super) fn start_step(&mut self, run_number: usize, step: &Step) {
        let Action::HandOver { old, old_name, rename: Some(rename), activation, .. } = &step.action else {
            return;
        };
        if rename.name.is_none() || activation.active != Some(true) {
            return;
        }
        let (old, name) = (old.as_str().to_owned(), old_name.as_str().to_owned());
        self.0.push(RunningCutOver { run_number, step: step.id, old, name, free_since: None });
    }

    /// Records that a request has changed services. Returns true if it was the rename of the old service in a
    /// cut-over.
    ///
    /// # Errors
    ///
    /// Errors if a cut-over left its name without a service for too long.
    pub(super) fn record_change(
        &mut self,
        before: &Rows,
        after: &Rows,
        now: Instant,
    ) -> Result<bool, String> {
        let name_of = |rows: &Rows, id: &str| rows.get(id).map(|row| row.name.clone());
        let mut is_rename = false;
        for running in &mut self.0 {
            let had_name = name_of(before, &running.old).as_deref() == Some(&running.name);
            let has_name = name_of(after, &running.old).as_deref() == Some(&running.name);
            if running.free_since.is_none() && had_name && !has_name {
                running.free_since = Some(now);
                is_rename = true;
            }
            // An undo is complete once the old service has its name, even if it is inactive.
            let is_taken = has_name || after.values().any(|row| row.active && row.name == running.name);
            if let (Some(since), true) = (running.free_since, is_taken) {
                check_free_time(&running.name, now - since)?;
                running.free_since = None;
            }
        }
        Ok(is_rename)
    }

    /// Records that a step of a run has ended.
    ///
    /// # Errors
    ///
    /// Errors if no service has the name when the step ends, and too much time has passed since the rename.
    pub(super) fn end_step(&mut self, run_number: usize, step: StepId, now: Instant) -> Result<(), String> {
        let is_step = |running: &RunningCutOver| (running.run_number, running.step) == (run_number, step);
        let Some(index) = self.0.iter().position(is_step) else { return Ok(()) };
        let running = self.0.swap_remove(index);
        running.free_since.map_or(Ok(()), |since| check_free_time(&running.name, now - since))
    }

    /// Removes all steps of a run whose process has crashed.
    pub(super) fn remove_run(&mut self, run_number: usize) {
        self.0.retain(|running| running.run_number != run_number);
    }
}

fn check_free_time(name: &str, time: Duration) -> Result<(), String> {
    if time <= MAX_FREE_TIME {
        return Ok(());
    }
    Err(format!("the name {name:?} was free for {:.1} s during a cut-over", time.as_secs_f64()))
}
