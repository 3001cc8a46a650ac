//! What a command ends with when it does not end well: the kinds, and the one match from kind to exit code.
//! May import `manifest`, `plan` and `remote`.

use crate::manifest::Problems;
use crate::plan::PlanError;
use crate::remote::ApiError;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// Done, or nothing to do.
    Done,
    /// Changes are pending, and the command was asked to say so; or there is drift.
    ChangesPending,
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The manifests or the project file are wrong.
    Manifests(Box<Problems>),
    /// The environment's address or variables are not allowed to have or hold credentials.
    NotAllowed(Box<Problems>),
    /// No plan can be made, or rules stand against it.
    Plan(PlanError),
    /// A request failed for good.
    Request(Box<ApiError>),
    /// Something else, with what to do next.
    Other {
        /// What happened, where, what it means.
        message: String,
        /// What to do next.
        hints: Vec<String>,
    },
    /// A saved plan does not fit, or not any more, with what has moved and what to do next.
    Refused {
        /// What is refused and why.
        message: String,
        /// What has moved, in lines.
        details: String,
        /// What to do next.
        hints: Vec<String>,
    },
    /// The manifests or the project file are wrong. Everything has been said, in the format asked for.
    Invalid {
        /// Whether rules alone stand against them.
        refused: bool,
    },
    /// The plan was shown, and whoever was asked did not say yes.
    Declined,
    /// Some steps failed; the rest is done. Everything has been said.
    InPart,
    /// All steps are done, and the live state is not as declared. Everything has been said.
    NotConverged,
    /// Interrupted. Everything has been said.
    Interrupted,
    /// The time that the run was given was over before anything was begun, or before all was read.
    OutOfTime {
        /// How long the run was given.
        timeout: std::time::Duration,
    },
}

impl Failure {
    /// A failure in words.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), hints: Vec::new() }
    }

    /// A refusal in words.
    pub fn refused(message: impl Into<String>, details: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), details: details.into(), hints: Vec::new() }
    }

    /// Adds what to do next.
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

/// The exit codes, which scripts rely on.
pub mod exit_code {
    /// Done, or nothing to do.
    pub const DONE: u8 = 0;
    /// An error.
    pub const ERROR: u8 = 1;
    /// Changes are pending, or there is drift.
    pub const CHANGES: u8 = 2;
    /// A rule refused it, or a saved plan is stale.
    pub const REFUSED: u8 = 3;
    /// Some steps failed, the rest is done: run again to continue.
    pub const IN_PART: u8 = 4;
    /// Interrupted.
    pub const INTERRUPTED: u8 = 130;
}

/// The exit code of a command: the only place that decides one.
pub fn exit_code(result: &Result<Success, Failure>) -> u8 {
    match result {
        Ok(Success::Done) => exit_code::DONE,
        Ok(Success::ChangesPending) => exit_code::CHANGES,
        Err(Failure::Plan(error)) if error.is_refusal() => exit_code::REFUSED,
        Err(Failure::Refused { .. } | Failure::NotAllowed(_)) => exit_code::REFUSED,
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
