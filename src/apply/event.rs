//! What an apply tells while it runs, and at its end. May import `plan`, `remote` and `model`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ServiceId;
use crate::plan::StepId;
use crate::remote::{ApiError, StopReason};

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepFailure {
    /// A request failed.
    #[error("{0}")]
    Request(#[from] ApiError),
    /// A hand-over failed after it had begun.
    #[error("{cause}; {undo}")]
    HandOver {
        /// Why: the rename of the old service, or the activation of the new one.
        cause: ApiError,
        /// What became of the old service.
        undo: Undo,
    },
    /// Another run has made the same service at the same time.
    #[error("another run has made the same service just now: {other}; ours, {own}, is set aside; plan again")]
    Rival {
        /// The other one.
        other: ServiceId,
        /// Ours.
        own: ServiceId,
    },
    /// A conversation did not go as expected.
    #[error("the agent's answer does not match `{expected}`: {answer}")]
    Unexpected {
        /// The expression it had to match.
        expected: String,
        /// What the agent said.
        answer: String,
    },
}

/// What became of the old service of a hand-over that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undo {
    /// It has its name back.
    #[error("the old service has its name back")]
    Done,
    /// Another active service has the name by now: nothing was undone.
    #[error("service {0} has taken the name meanwhile, perhaps by another run; plan again")]
    Taken(ServiceId),
    /// Nobody could see whether the new one is active after all: nothing was undone.
    #[error(
        "what became of it can't be read ({0}), and nothing was undone: plan again, which shows who has the name, and apply to go on"
    )]
    Unseen(Box<ApiError>),
    /// It could not be given its name back.
    #[error(
        "and the old service could not be given its name back, so that no service has the name now: {0}; apply again as soon as you can"
    )]
    Failed(Box<ApiError>),
}

impl StepFailure {
    /// A request that failed with these words, for tests of those who tell of it.
    #[cfg(test)]
    pub(crate) fn told(message: &str, hints: &[&str]) -> Self {
        let error = ApiError::setup(message);
        Self::Request(hints.iter().fold(error, |error, hint| error.hint(*hint)))
    }

    /// What to do next.
    pub fn hints(&self) -> &[String] {
        match self {
            Self::Request(error) | Self::HandOver { cause: error, .. } => &error.hints,
            Self::Rival { .. } | Self::Unexpected { .. } => &[],
        }
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; with the id of the service that it created or put in another's place.
    Done(Option<ServiceId>),
    /// It failed.
    Failed(StepFailure),
    /// It was not begun, because this step failed or was not begun either.
    Blocked(StepId),
    /// It was not begun, because the run was told to stop.
    Stopped(StopReason),
    /// It was begun, and the run was stopped before its end was known: it may have been carried out.
    Unknown,
}

/// What happens, as it happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step begins.
    Started(StepId),
    /// A step has ended.
    Ended {
        /// The step.
        step: StepId,
        /// How.
        outcome: Outcome,
        /// How long it took, waits included.
        took: Duration,
    },
}

/// How many steps ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps that are done.
    pub done: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Steps that were not begun.
    pub not_attempted: usize,
    /// Steps that were begun, and whose end is not known.
    pub unknown: usize,
}

/// How a run ended: every step of the plan is here.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The outcome of each step.
    pub outcomes: BTreeMap<StepId, Outcome>,
    /// Whether the run was told to stop.
    pub stopped: Option<StopReason>,
}

impl Report {
    /// How many steps ended how.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for outcome in self.outcomes.values() {
            match outcome {
                Outcome::Done(_) => counts.done += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Blocked(_) | Outcome::Stopped(_) => counts.not_attempted += 1,
                Outcome::Unknown => counts.unknown += 1,
            }
        }
        counts
    }

    /// Whether every step is done.
    pub fn is_complete(&self) -> bool {
        self.outcomes.values().all(|outcome| matches!(outcome, Outcome::Done(_)))
    }
}
