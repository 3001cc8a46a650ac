//! The context of a run, which every command gets: arguments, terminal, environment variables and stop signal.

use tokio::time::Instant;

use super::global::Global;
use super::signals::wait_until;
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::{LoadOptions, ProjectSource};
use crate::remote::{Budgets, Stop, StopReason};
use crate::ui::Ui;

/// The context of a run: its global arguments, the terminal, the environment of the process, and the stop signal.
pub(super) struct Context<'a> {
    /// A function that returns the definition of the whole command line, from which completions and manual pages are
    /// made.
    pub(super) definition: fn() -> clap::Command,
    pub(super) global: &'a Global,
    pub(super) ui: &'a Ui,
    pub(super) env: &'a Env,
    pub(super) stop: Stop,
    /// The time when `--timeout` ends the run, or `None` without `--timeout`.
    pub(super) deadline: Option<Instant>,
    pub(super) budgets: Budgets,
}

impl Context<'_> {
    /// Returns the project in the directory that `--directory` selects.
    pub(super) fn project(&self) -> ProjectSource<'_> {
        ProjectSource::WorkingDirectory(&self.global.directory)
    }

    /// Returns the options for loading the project of `--directory` for the environment of `--env`.
    pub(super) fn load_options(&self) -> LoadOptions<'_> {
        LoadOptions::new(self.project(), self.global.env.as_deref())
    }

    /// Runs work that changes nothing live. A signal or the deadline ends the work at once.
    pub(super) async fn run_until_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.stop_failure(self.stop.reason().unwrap_or_default())),
            result = work => result,
            () = wait_until(self.deadline) => Err(self.timeout_failure()),
        }
    }

    /// Returns the reason why no new step may start, or `None` if a step may start.
    ///
    /// Compares the clock with the deadline, because the task that waits for the deadline may not have been woken yet.
    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.stop.cancel(StopReason::Timeout);
        }
        self.stop.reason()
    }

    /// Returns the failure for a run that was cancelled.
    pub(super) fn stop_failure(&self, why: StopReason) -> Failure {
        match why {
            StopReason::Interrupt => Failure::Interrupted,
            StopReason::Timeout => self.timeout_failure(),
        }
    }

    /// Returns the failure for a run that `--timeout` ended.
    pub(super) fn timeout_failure(&self) -> Failure {
        Failure::OutOfTime { timeout: self.global.timeout.unwrap_or_default() }
    }
}
