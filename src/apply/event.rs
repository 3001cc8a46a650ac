//! The events of a run, and the report that is built from them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::failure::StepFailure;
use crate::model::ServiceId;
use crate::plan::StepId;
use crate::remote::StopReason;

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepOutcome {
    /// The step is done. Contains the id of the service that the step created, or to which the step moved a name.
    Done(Option<ServiceId>),
    /// The step failed. Contains the reason.
    Failed(StepFailure),
    /// The step was not started, because the step with this id failed or was not started either.
    Blocked(StepId),
    /// The step was not carried out, because the run was cancelled. It was not started, or its request was not sent.
    Stopped(StopReason),
    /// The step was started, but the run was cancelled before the outcome was known. The step may have been applied.
    Unknown,
}

/// An event of a run.
///
/// Each step of the plan either starts and ends, or gets one [`NotStarted`](Self::NotStarted) event. The last event is
/// [`RunEnded`](Self::RunEnded).
#[derive(Clone, Debug)]
pub enum Event {
    /// A step has started.
    Started(StepId),
    /// A step has ended after it was started.
    Ended {
        /// The id of the step.
        step: StepId,
        /// The outcome of the step.
        outcome: StepOutcome,
        /// The duration of the step, including waits.
        took: Duration,
    },
    /// A step will not be started, because the run ends.
    NotStarted {
        /// The id of the step.
        step: StepId,
        /// The outcome of the step: blocked or stopped.
        outcome: StepOutcome,
    },
    /// The run has ended. Contains the reason if the run was cancelled.
    RunEnded(Option<StopReason>),
}

/// The number of steps with each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// The number of steps that are done.
    pub done: usize,
    /// The number of steps that failed.
    pub failed: usize,
    /// The number of steps that were blocked, or that were not carried out because the run was cancelled.
    pub not_attempted: usize,
    /// The number of steps that were started, but whose outcome is unknown.
    pub unknown: usize,
}

/// The outcomes of a run's steps, recorded from its events.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The outcome of each step that has started, and of every step once the run has ended. The outcome of a step in
    /// progress is [`Unknown`](StepOutcome::Unknown).
    pub outcomes: BTreeMap<StepId, StepOutcome>,
    /// The reason why the run was cancelled, or `None` if it was not.
    pub stopped: Option<StopReason>,
}

impl Report {
    /// Adds an event to the report.
    pub fn record(&mut self, event: &Event) {
        match event {
            Event::Started(step) => {
                self.outcomes.insert(*step, StepOutcome::Unknown);
            }
            Event::Ended { step, outcome, .. } | Event::NotStarted { step, outcome } => {
                self.outcomes.insert(*step, outcome.clone());
            }
            Event::RunEnded(stopped) => self.stopped = *stopped,
        }
    }

    /// Returns the number of steps with each outcome.
    pub fn counts(&self) -> OutcomeCounts {
        let mut counts = OutcomeCounts::default();
        for outcome in self.outcomes.values() {
            match outcome {
                StepOutcome::Done(_) => counts.done += 1,
                StepOutcome::Failed(_) => counts.failed += 1,
                StepOutcome::Blocked(_) | StepOutcome::Stopped(_) => counts.not_attempted += 1,
                StepOutcome::Unknown => counts.unknown += 1,
            }
        }
        counts
    }

    /// Returns true if every recorded step is done.
    pub fn is_complete(&self) -> bool {
        self.outcomes.values().all(|outcome| matches!(outcome, StepOutcome::Done(_)))
    }
}
