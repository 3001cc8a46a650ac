//! The reasons why a step fails, with their messages.

use std::fmt;

use serde_json::Value;

use crate::model::{ServiceId, ServiceName};
use crate::plan::ChangeRecord;
use crate::remote::ApiError;

/// The reason why a step failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StepFailure {
    /// A request of the step failed.
    #[error("{0}")]
    Request(#[from] ApiError),
    /// Since the plan was made, another user changed a value that the step would overwrite, or on which it depends. The
    /// change was kept.
    #[error("changed since the plan was made: {}{}", list_changes(changes), describe_successor(successor.as_ref()))]
    ChangedSincePlan {
        /// The changes by other users. There is at least one.
        changes: Vec<LiveChange>,
        /// The id of the service that has already replaced the old service of the step, if there is one. Another run
        /// may have created it.
        successor: Option<ServiceId>,
    },
    /// A cut-over failed after its first request was sent.
    #[error("{cause}; {undo}")]
    CutOver {
        /// The error of the rename of the old service, or of the activation of the new one.
        cause: ApiError,
        /// The result of undoing the cut-over.
        undo: UndoOutcome,
    },
    /// Another run created the same service at the same time.
    #[error(
        "another run created the same service, {other}, at the same time; the copy of this run, {own}, was marked as abandoned; plan again"
    )]
    Duplicate {
        /// The id of the service that the other run created.
        other: ServiceId,
        /// The id of the service that this run created.
        own: ServiceId,
    },
    /// The agent's answer in a smoke test is not the expected one.
    #[error("the agent's answer does not match `{expected}`: {answer}")]
    Unexpected {
        /// The regular expression that the answer must match.
        expected: String,
        /// The agent's answer.
        answer: String,
    },
}

/// A difference between the live state of a service and the state that the run expects. The expected state is the
/// plan's snapshot with the run's own changes.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveChange {
    /// The name that the service should have.
    pub service: ServiceName,
    /// The service's id.
    pub id: ServiceId,
    /// The expected and the current value, or `None` if the service no longer exists.
    pub change: Option<ChangeRecord>,
}

/// The maximum number of changes that a message lists.
const MAX_LISTED_CHANGES: usize = 5;
/// The maximum length of a value in a message, in characters.
const MAX_VALUE_LENGTH: usize = 80;

impl fmt::Display for LiveChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, id, change } = self;
        let Some(ChangeRecord { path, before, after, .. }) = change else {
            return write!(f, "service `{service}` ({id}) was deleted, or is hidden from the API key's user");
        };
        let (before, after) = (shorten(before), shorten(after));
        write!(f, "`{path}` of `{service}` ({id}) was {before} when the plan was made, and is {after} now")
    }
}

/// Formats a value for a message. Shortens it if it is long.
fn shorten(value: &Value) -> String {
    if value.is_null() {
        return "nothing".to_owned();
    }
    let text = value.to_string();
    let mut shortened: String = text.chars().take(MAX_VALUE_LENGTH).collect();
    if shortened.len() < text.len() {
        shortened.push('…');
    }
    shortened
}

fn list_changes(changes: &[LiveChange]) -> String {
    let mut items: Vec<String> = changes.iter().take(MAX_LISTED_CHANGES).map(ToString::to_string).collect();
    if changes.len() > MAX_LISTED_CHANGES {
        items.push(format!("and {} more", changes.len() - MAX_LISTED_CHANGES));
    }
    items.join("; ")
}

fn describe_successor(successor: Option<&ServiceId>) -> String {
    successor.map_or_else(String::new, |id| {
        format!("; service {id} has replaced this service, perhaps because of another run")
    })
}

/// The result of undoing a failed cut-over.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UndoOutcome {
    /// The old service has its old name, because the rename was undone or was never applied.
    #[error("the old service has its name back")]
    NameRestored,
    /// Another active service has the name of the old service, so nothing was undone.
    #[error("service {0} has taken the name in the meantime, perhaps because of another run; plan again")]
    NameTaken(ServiceId),
    /// Another client renamed or deleted the old service after this run renamed it, so nothing was undone.
    #[error("the old service has changed since it was renamed ({0}), so it was not renamed back; plan again")]
    OldServiceChanged(Box<LiveChange>),
    /// The services could not be read in time, so nothing was undone.
    #[error(
        "can't find out which service has the name `{name}` ({error}), so nothing was undone; if the new service is not active, no service has the name `{name}` now: apply again as soon as possible to finish the replacement"
    )]
    HolderUnknown {
        /// The name that should have moved from the old to the new service.
        name: ServiceName,
        /// The reason why the services could not be read.
        error: Box<ApiError>,
    },
    /// The old service could not be renamed back in time.
    #[error(
        "can't give the old service its name back ({error}), so no service has the name `{name}` now: apply again as soon as possible to finish the replacement"
    )]
    Failed {
        /// The name that should have moved from the old to the new service.
        name: ServiceName,
        /// The reason why the rename failed.
        error: Box<ApiError>,
    },
}

impl StepFailure {
    /// Returns the failure of a request with this message and these hints, for tests of reports.
    #[cfg(test)]
    pub(crate) fn request_failed(message: &str, hints: &[&str]) -> Self {
        let error = ApiError::setup(message);
        Self::Request(hints.iter().fold(error, |error, hint| error.hint(*hint)))
    }

    /// Returns the hints on what the user can do next.
    pub fn hints(&self) -> &[String] {
        match self {
            Self::Request(error) | Self::CutOver { cause: error, .. } => &error.hints,
            Self::ChangedSincePlan { .. } | Self::Duplicate { .. } | Self::Unexpected { .. } => &[],
        }
    }
}
