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
    /// It is done. If it created a service or moved a name to one, this is the service's id.
    Done(Option<ServiceId>),
    /// It failed.
    Failed(StepFailure),
    /// It was not started, because this step failed or was not started either.
    Blocked(StepId),
    /// It was not started, because the run was cancelled.
    Stopped(StopReason),
    /// It was started, but the run was cancelled before its outcome was known: it may have been applied.
    Unknown,
}

/// An event of a run.
///
/// Each step of the plan either starts and ends, or gets one [`NotStarted`](Self::NotStarted). The last event is
/// [`RunEnded`](Self::RunEnded).
#[derive(Clone, Debug)]
pub enum Event {
    /// A step has started.
    Started(StepId),
    /// A started step has ended.
    Ended {
        /// The step.
        step: StepId,
        /// Its outcome.
        outcome: StepOutcome,
        /// The duration, waits included.
        took: Duration,
    },
    /// The run ends without this step.
    NotStarted {
        /// The step.
        step: StepId,
        /// Its outcome: blocked or stopped.
        outcome: StepOutcome,
    },
    /// The run has ended. The reason says why it was cancelled, if it was.
    RunEnded(Option<StopReason>),
}

/// The number of steps by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// Steps that are done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that were not started.
    pub not_attempted: usize,
    /// Steps that were started, and whose outcome is unknown.
    pub unknown: usize,
}

/// The outcomes of a run, recorded from its events.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The outcome of each step that has started, and of every step once the run has ended. A step in progress is
    /// [`Unknown`](StepOutcome::Unknown).
    pub outcomes: BTreeMap<StepId, StepOutcome>,
    /// Why the run was cancelled, if it was.
    pub stopped: Option<StopReason>,
}

impl Report {
    /// Records an event.
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

    /// Returns the number of steps by outcome.
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
