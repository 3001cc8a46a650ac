//! What an apply tells while it runs, and at its end. May import `plan`, `remote` and `model`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::model::{ServiceId, ServiceName};
use crate::plan::{Change, StepId};
use crate::remote::{ApiError, StopReason};

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StepFailure {
    /// A request failed.
    #[error("{0}")]
    Request(#[from] ApiError),
    /// Others have changed, since the plan was made, what the step would undo or relies on: nothing was sent.
    #[error("changed since the plan was made: {}{}", in_words(changes), overtaken(successor.as_ref()))]
    Changed {
        /// What is different, at least one thing.
        changes: Vec<ChangedSince>,
        /// The service that has taken the place of the one that was to be replaced, if one has.
        successor: Option<ServiceId>,
    },
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

/// One thing that is different than the plan saw it, or than this run has made it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedSince {
    /// The service, by the name that it should have.
    pub service: ServiceName,
    /// Its id.
    pub id: ServiceId,
    /// The value as planned, and as it is now; none where the service is gone.
    pub change: Option<Change>,
}

/// The most changes that a message names.
const MOST_NAMED: usize = 5;
/// The most characters of a value that a message repeats.
const MOST_SHOWN: usize = 80;

impl fmt::Display for ChangedSince {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, id, change } = self;
        let Some(Change { path, before, after, .. }) = change else {
            return write!(f, "service `{service}` ({id}) was deleted, or is hidden from this user");
        };
        write!(f, "`{path}` of `{service}` ({id}) was {} when planned, now {}", shown(before), shown(after))
    }
}

/// A value, cut where it is long; nothing where there is none.
fn shown(value: &Value) -> String {
    if value.is_null() {
        return "nothing".to_owned();
    }
    let text = value.to_string();
    let mut shown: String = text.chars().take(MOST_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn in_words(changes: &[ChangedSince]) -> String {
    let mut words: Vec<String> = changes.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if changes.len() > MOST_NAMED {
        words.push(format!("and {} more", changes.len() - MOST_NAMED));
    }
    words.join("; ")
}

fn overtaken(successor: Option<&ServiceId>) -> String {
    successor
        .map_or_else(String::new, |id| format!("; service {id} has taken its place, perhaps by another run"))
}

/// What became of the old service of a hand-over that failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Undo {
    /// It has its name back.
    #[error("the old service has its name back")]
    Done,
    /// Another active service has the name by now: nothing was undone.
    #[error("service {0} has taken the name meanwhile, perhaps by another run; plan again")]
    Taken(ServiceId),
    /// It was renamed or deleted meanwhile: nothing was undone.
    #[error(
        "the old service has changed since it was renamed ({0}), so that it was not renamed back; plan again"
    )]
    Moved(Box<ChangedSince>),
    /// It could not be read in time who has the name: nothing was undone.
    #[error(
        "it could not be read in time which service has the name ({error}), so that nothing was undone: unless the new service has become active, no service has the name `{name}` now; apply again as soon as you can, which finishes the replacement"
    )]
    Unseen {
        /// The name.
        name: ServiceName,
        /// Why it could not be read.
        error: Box<ApiError>,
    },
    /// It could not be given its name back in time.
    #[error(
        "the old service could not be given its name back ({error}), so that no service has the name `{name}` now; apply again as soon as you can, which finishes the replacement"
    )]
    Failed {
        /// The name.
        name: ServiceName,
        /// Why not.
        error: Box<ApiError>,
    },
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
            Self::Changed { .. } | Self::Rival { .. } | Self::Unexpected { .. } => &[],
        }
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
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
