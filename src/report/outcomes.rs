//! The steps of a run that are not done: why, and what to do about each. May import `plan`, `apply` and `model`.
//!
//! Every report of a run takes its words from here, so that none says more or less than another.

use super::progress::words;
use super::text::visible;
use crate::apply::{Outcome, Report, StepFailure, StopReason};
use crate::plan::{Plan, Step};

/// A step that is not done, as far as anybody knows.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) step: &'a Step,
    pub(super) why: Why<'a>,
}

/// Why a step is not done.
#[derive(Clone, Copy)]
pub(super) enum Why<'a> {
    /// It failed.
    Failed(&'a StepFailure),
    /// It was under way when the run was stopped.
    Unknown,
    /// It was not begun: this one is not done, and how that one ended.
    Blocked(&'a Step, &'static str),
    /// It was not begun: the run was told to stop.
    Stopped(StopReason),
}

/// All steps that are not done, in the plan's order.
pub(super) fn left<'a>(plan: &'a Plan, report: &'a Report) -> Vec<Left<'a>> {
    let of = |step: &'a Step| {
        let outcome = report.outcomes.get(&step.id)?;
        Some(Left { step, why: Why::of(plan, report, outcome)? })
    };
    plan.steps.iter().filter_map(of).collect()
}

impl<'a> Why<'a> {
    fn of(plan: &'a Plan, report: &Report, outcome: &'a Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Done(_) => return None,
            Outcome::Failed(failure) => Self::Failed(failure),
            Outcome::Unknown => Self::Unknown,
            // What waits for something that the stop kept from being begun was kept by it as well.
            Outcome::Blocked(before) if let Some(Outcome::Stopped(reason)) = report.outcomes.get(before) => {
                Self::Stopped(*reason)
            }
            Outcome::Blocked(before) => {
                let how = report.outcomes.get(before).map_or("is not done", fate);
                plan.step(*before)
                    .map_or(Self::Stopped(StopReason::Interrupt), |before| Self::Blocked(before, how))
            }
            Outcome::Stopped(reason) => Self::Stopped(*reason),
        })
    }

    /// Whether the step was never begun.
    pub(super) fn is_not_attempted(&self) -> bool {
        matches!(self, Self::Blocked(..) | Self::Stopped(_))
    }

    /// In words; what comes from outside is in it as it is, names of steps apart.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Failed(failure) => failure.to_string(),
            Self::Unknown => UNKNOWN.to_owned(),
            Self::Blocked(before, how) => format!("waits for `{}`, which {how}", describe(before)),
            Self::Stopped(reason) => stopped(*reason).to_owned(),
        }
    }

    /// What to do next; never empty.
    pub(super) fn help(&self) -> Vec<String> {
        match self {
            Self::Failed(failure) if failure.hints().is_empty() => {
                vec!["when what the message says is mended, plan and apply again".to_owned()]
            }
            Self::Failed(failure) => failure.hints().to_vec(),
            Self::Unknown => vec![KNOWN_AGAIN.to_owned()],
            Self::Blocked(..) => vec![FOLLOWS.to_owned()],
            Self::Stopped(_) => vec![GO_ON.to_owned()],
        }
    }
}

/// Why nothing is known of a step's end.
pub(super) const UNKNOWN: &str = "it was under way when the run was stopped, and may have been carried out";
/// Why a step was not begun in a run that was told to stop.
pub(super) fn stopped(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Interrupt => "the run was interrupted",
        StopReason::Timeout => "the run was out of time (--timeout)",
    }
}
/// What to do about a step of which nothing is known.
pub(super) const KNOWN_AGAIN: &str = "plan again: the plan shows whether it was carried out; apply to go on";
/// What to do about a step that waits for another.
pub(super) const FOLLOWS: &str = "plan and apply again when the step that it waits for can be done";
/// What to do about a step that was not begun.
pub(super) const GO_ON: &str = "plan and apply again to go on";

fn fate(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Failed(_) => "failed",
        Outcome::Unknown => "may have been carried out or not",
        _ => "was not attempted",
    }
}

/// A step in a few words, without anything that a terminal would obey.
pub(super) fn describe(step: &Step) -> String {
    format!("{}: {}", visible(step.service.as_str()), words(step))
}
