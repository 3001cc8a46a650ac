//! Explains the steps of a run that are not done: the reason for each, and what the user can do about it.
//!
//! All reports of a run use these explanations, so that they agree with each other.

use super::progress::action_text;
use super::text::visible;
use crate::apply::{Report, StepFailure, StepOutcome, StopReason};
use crate::plan::{Plan, Step};

/// A step that failed, was not started, or has an unknown outcome.
#[derive(Clone, Copy)]
pub(super) struct Unfinished<'a> {
    pub(super) step: &'a Step,
    pub(super) why: UnfinishedReason<'a>,
}

/// The reason why a step is not done.
#[derive(Clone, Copy)]
pub(super) enum UnfinishedReason<'a> {
    /// The step failed.
    Failed(&'a StepFailure),
    /// The step was in progress when the run was stopped, so its outcome is unknown.
    Unknown,
    /// The step was not started, because it is blocked by the step given here. The string says how the blocking step
    /// ended, such as `failed`.
    Blocked(&'a Step, &'static str),
    /// The step was not started, because the run was cancelled for this reason.
    Stopped(StopReason),
}

/// Returns the steps that are not done, in the order of the plan, each with the reason why the step is not done.
pub(super) fn unfinished<'a>(plan: &'a Plan, report: &'a Report) -> Vec<Unfinished<'a>> {
    let of = |step: &'a Step| {
        let outcome = report.outcomes.get(&step.id)?;
        Some(Unfinished { step, why: UnfinishedReason::of(plan, report, outcome)? })
    };
    plan.steps.iter().filter_map(of).collect()
}

impl<'a> UnfinishedReason<'a> {
    fn of(plan: &'a Plan, report: &Report, outcome: &'a StepOutcome) -> Option<Self> {
        Some(match outcome {
            StepOutcome::Done(_) => return None,
            StepOutcome::Failed(failure) => Self::Failed(failure),
            StepOutcome::Unknown => Self::Unknown,
            // If the blocking step was itself not started because the run was cancelled, the cancellation is the reason
            // for both steps.
            StepOutcome::Blocked(before)
                if let Some(StepOutcome::Stopped(reason)) = report.outcomes.get(before) =>
            {
                Self::Stopped(*reason)
            }
            StepOutcome::Blocked(before) => {
                let how = report.outcomes.get(before).map_or("is not done", outcome_text);
                plan.step(*before)
                    .map_or(Self::Stopped(StopReason::Interrupt), |before| Self::Blocked(before, how))
            }
            StepOutcome::Stopped(reason) => Self::Stopped(*reason),
        })
    }

    /// Returns true if the step was not started.
    pub(super) fn is_not_attempted(&self) -> bool {
        matches!(self, Self::Blocked(..) | Self::Stopped(_))
    }

    /// Returns the reason as a string. Only the descriptions of steps in the string are sanitized, so the caller must
    /// sanitize the rest.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Failed(failure) => failure.to_string(),
            Self::Unknown => UNKNOWN.to_owned(),
            Self::Blocked(before, how) => format!("blocked by `{}`, which {how}", describe(before)),
            Self::Stopped(reason) => stopped(*reason).to_owned(),
        }
    }

    /// Returns hints on what the user can do next. There is at least one hint.
    pub(super) fn help(&self) -> Vec<String> {
        match self {
            Self::Failed(failure) if failure.hints().is_empty() => {
                vec!["fix the error above, then run the command again".to_owned()]
            }
            Self::Failed(failure) => failure.hints().to_vec(),
            Self::Unknown => vec![UNKNOWN_HELP.to_owned()],
            Self::Blocked(..) => vec![BLOCKED_HELP.to_owned()],
            Self::Stopped(_) => vec![CONTINUE_HELP.to_owned()],
        }
    }
}

/// The reason that is shown for a step whose outcome is unknown.
pub(super) const UNKNOWN: &str =
    "this step was in progress when the run stopped, so it may have been applied";
/// Returns the reason that is shown for a step that was not started because the run was cancelled.
pub(super) fn stopped(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Interrupt => "the run was interrupted",
        StopReason::Timeout => "the run reached the limit of --timeout",
    }
}
/// The hint for a step whose outcome is unknown.
pub(super) const UNKNOWN_HELP: &str =
    "run `amigops plan` to see if the step was applied, then apply again to continue";
/// The hint for a blocked step.
pub(super) const BLOCKED_HELP: &str = "fix the blocking step, then plan and apply again";
/// The hint for a step that was not started because the run was cancelled.
pub(super) const CONTINUE_HELP: &str = "plan and apply again to continue";

fn outcome_text(outcome: &StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Failed(_) => "failed",
        StepOutcome::Unknown => "may or may not have been applied",
        _ => "was not attempted",
    }
}

/// Returns the name of a step's service and the step's action. The result is sanitized.
pub(super) fn describe(step: &Step) -> String {
    format!("{}: {}", visible(step.service.as_str()), action_text(step))
}
