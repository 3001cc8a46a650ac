//! The kinds of failure of a command, and the exit code of each.

use crate::manifest::Problems;
use crate::plan::PlanError;
use crate::remote::ApiError;

/// The result of a command that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// The command is done, or there was nothing to do.
    Done,
    /// There are changes and `--detailed-exitcode` was given, or there is drift.
    ChangesPending,
}

/// The reason why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The manifests or the project file are invalid.
    Manifests(Box<Problems>),
    /// The environment's host, or a variable that the environment names for credentials, is not on the allowlist: the
    /// list of hosts and variables that the user permits.
    NotAllowed(Box<Problems>),
    /// A plan can't be made, or a guardrail refuses it.
    Plan(PlanError),
    /// The plan was made, but an apply would refuse its conflicts. The error contains the conflicts.
    Conflicts(PlanError),
    /// A request failed, and retries did not succeed either.
    Request(Box<ApiError>),
    /// Any other error.
    Other {
        /// The error message: what happened, to what, and why.
        message: String,
        /// Hints on what the user can do next.
        hints: Vec<String>,
    },
    /// A saved plan is refused, because it is stale, was edited, or is for another environment.
    Refused {
        /// The error message, which says that the plan is refused, and why.
        message: String,
        /// The changed values, one per line. Empty if there are none to show.
        details: String,
        /// Hints on what the user can do next.
        hints: Vec<String>,
    },
    /// The manifests or the project file are invalid. The problems have been printed.
    Invalid {
        /// True if broken guardrails are the only problems.
        refused: bool,
    },
    /// The user did not approve the plan.
    Declined,
    /// Some steps failed or were not started. The outcome has been printed.
    InPart,
    /// Every step is done, but the live state differs from the manifests. The differences have been printed.
    NotConverged,
    /// A signal stopped the run. The outcome has been printed.
    Interrupted,
    /// `--timeout` ended the run before its first step, or while it read the live state back.
    OutOfTime {
        /// The value of `--timeout`.
        timeout: std::time::Duration,
    },
}

impl Failure {
    /// Creates an [`Other`](Self::Other) failure with a message.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), hints: Vec::new() }
    }

    /// Creates a refusal of a saved plan, with a message and details.
    pub fn refused(message: impl Into<String>, details: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), details: details.into(), hints: Vec::new() }
    }

    /// Adds a hint on what the user can do next. Does nothing if this kind of failure has no list of hints.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Other { hints, .. } | Self::Refused { hints, .. } = &mut self {
            hints.push(hint.into());
        }
        self
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Manifests(Box::new(problems))
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::Plan(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Request(Box::new(error))
    }
}

/// The exit codes of the command. Scripts rely on them.
pub mod exit_code {
    /// The command is done, or there was nothing to do.
    pub const DONE: u8 = 0;
    /// The command failed for a reason that has no exit code of its own.
    pub const ERROR: u8 = 1;
    /// There are changes and `--detailed-exitcode` was given, or there is drift.
    pub const CHANGES: u8 = 2;
    /// A guardrail refused the plan, the plan has conflicts, or a saved plan is stale.
    pub const REFUSED: u8 = 3;
    /// Some steps failed or were not started.
    pub const IN_PART: u8 = 4;
    /// A signal stopped the run.
    pub const INTERRUPTED: u8 = 130;
}

/// Returns the exit code for a result. All exit codes are chosen here, except the one for invalid arguments.
pub fn exit_code(result: &Result<Success, Failure>) -> u8 {
    match result {
        Ok(Success::Done) => exit_code::DONE,
        Ok(Success::ChangesPending) => exit_code::CHANGES,
        Err(Failure::Plan(error)) if error.is_refusal() => exit_code::REFUSED,
        Err(Failure::Refused { .. } | Failure::NotAllowed(_) | Failure::Conflicts(_)) => exit_code::REFUSED,
        Err(Failure::Manifests(problems)) if problems.is_refusal() => exit_code::REFUSED,
        Err(Failure::Invalid { refused: true }) => exit_code::REFUSED,
        Err(Failure::InPart) => exit_code::IN_PART,
        Err(Failure::Interrupted) => exit_code::INTERRUPTED,
        Err(
            Failure::Manifests(_)
            | Failure::Plan(_)
            | Failure::Request(_)
            | Failure::Other { .. }
            | Failure::Invalid { .. }
            | Failure::Declined
            | Failure::NotConverged
            | Failure::OutOfTime { .. },
        ) => exit_code::ERROR,
    }
}
