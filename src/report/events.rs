//! The output of an apply as JSON lines, for programs that follow the run.
//!
//! The first line is the plan. Then, each step has a line when it starts and a line when it ends. The last line has the
//! result. A step that was never started has an end line, too, so every step has exactly one end line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::outcomes::{self, UnfinishedReason};
use super::progress::{action_text, subject};
use super::text;
use crate::apply::{Event, OutcomeCounts, Report, StepOutcome};
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Plan, Step, StepId};

/// The first line of the JSON output: the plan. Its keys keep the order that they have in a plan file.
#[derive(Serialize)]
#[serde(tag = "type", rename = "plan")]
struct PlanLine<'a, Document> {
    plan: &'a Document,
}

/// Any line of the output after the first line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    StepStarted {
        #[serde(flatten)]
        step: StepName<'a>,
    },
    StepEnded {
        #[serde(flatten)]
        step: StepName<'a>,
        #[serde(flatten)]
        how: Ending,
        /// The duration of the step, including waits; `None` if the step was not started.
        seconds: Option<f64>,
    },
    Result(Conclusion<'a>),
}

/// The step that a line is about.
#[derive(Serialize)]
struct StepName<'a> {
    step: StepId,
    service: &'a ServiceName,
    what: String,
}

/// The outcome of a step, in the line that reports the step's end.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Ending {
    Done {
        /// The id of the service that the step created or activated as a replacement. For other steps, the id of the
        /// existing service that the step acted on.
        service_id: Option<ServiceId>,
    },
    Failed {
        error: String,
        /// Hints on what the user can do next.
        help: Vec<String>,
    },
    NotAttempted {
        reason: &'static str,
        /// The step that is not done and therefore blocks this step.
        waits_for: Option<StepId>,
        /// Hints on what the user can do next.
        help: Vec<String>,
    },
    /// The step was in progress when the run was stopped, so it may have been applied.
    Unknown {
        reason: &'static str,
        /// Hints on what the user can do next.
        help: Vec<String>,
    },
}

/// The result of an apply.
#[derive(Serialize)]
struct Conclusion<'a> {
    /// The exit code of the process.
    exit_code: u8,
    /// The number of steps that are done.
    done: usize,
    /// The number of steps that failed.
    failed: usize,
    /// The number of steps that were not attempted.
    not_attempted: usize,
    /// The number of steps that were started, but whose outcome is unknown.
    unknown: usize,
    /// True if a signal stopped the run.
    interrupted: bool,
    /// True if `--timeout` ended the run.
    timed_out: bool,
    /// True if the live state matches the plan when it is read back after the apply. `None` if it was not read back.
    converged: Option<bool>,
    /// The known ids of the declared services, by service name.
    ids: &'a BTreeMap<ServiceName, ServiceId>,
    /// The error that ended the run. `None` if there was no error.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The result of a run, without the outcomes of the steps.
pub struct End<'a> {
    /// True if the live state matches the plan when it is read back after the apply. `None` if it was not read back.
    pub converged: Option<bool>,
    /// The known ids of the declared services, by service name.
    pub ids: &'a BTreeMap<ServiceName, ServiceId>,
    /// The error that ended the run. `None` if there was no error.
    pub error: Option<&'a str>,
    /// True if a signal stopped the run.
    pub interrupted: bool,
    /// True if `--timeout` ended the run.
    pub timed_out: bool,
}

/// Returns the first line of the JSON output: the plan, in the format of a plan file.
pub fn plan(document: &impl Serialize) -> String {
    text::json_line(&PlanLine { plan: document })
}

/// Returns the line for an event of a step. Returns `None` for the end of the run, which [`conclusion`] reports.
pub fn event(plan: &Plan, event: &Event) -> Option<String> {
    Some(match event {
        Event::Started(id) => line(&Line::StepStarted { step: name(plan.step(*id)?) }),
        Event::Ended { step, outcome, took } => end_line(plan.step(*step)?, outcome, Some(*took)),
        Event::NotStarted { step, outcome } => end_line(plan.step(*step)?, outcome, None),
        Event::RunEnded(_) => return None,
    })
}

/// Returns an end line for each step in `remaining`. These are the steps whose end no event has reported, because the
/// run was aborted.
pub fn remaining(plan: &Plan, report: &Report, remaining: &BTreeSet<StepId>) -> Vec<String> {
    let left = plan.steps.iter().filter(|step| remaining.contains(&step.id));
    left.filter_map(|step| Some(end_line(step, report.outcomes.get(&step.id)?, None))).collect()
}

/// Returns the last line of the JSON output: the result, with the exit code of the process.
pub fn conclusion(report: &Report, end: &End<'_>, exit_code: u8) -> String {
    let OutcomeCounts { done, failed, not_attempted, unknown } = report.counts();
    let End { converged, ids, error, interrupted, timed_out } = *end;
    line(&Line::Result(Conclusion {
        exit_code,
        done,
        failed,
        not_attempted,
        unknown,
        interrupted,
        timed_out,
        converged,
        ids,
        error,
    }))
}

fn name(step: &Step) -> StepName<'_> {
    StepName { step: step.id, service: &step.service, what: action_text(step) }
}

fn end_line(step: &Step, outcome: &StepOutcome, took: Option<Duration>) -> String {
    let how = match outcome {
        StepOutcome::Done(made) => Ending::Done { service_id: made.as_ref().or(subject(step)).cloned() },
        StepOutcome::Failed(failure) => {
            Ending::Failed { error: failure.to_string(), help: UnfinishedReason::Failed(failure).help() }
        }
        StepOutcome::Blocked(before) => {
            let reason = "this step is blocked by a step that is not done";
            Ending::NotAttempted {
                reason,
                waits_for: Some(*before),
                help: vec![outcomes::BLOCKED_HELP.to_owned()],
            }
        }
        StepOutcome::Stopped(reason) => Ending::NotAttempted {
            reason: outcomes::stopped(*reason),
            waits_for: None,
            help: UnfinishedReason::Stopped(*reason).help(),
        },
        StepOutcome::Unknown => {
            Ending::Unknown { reason: outcomes::UNKNOWN, help: UnfinishedReason::Unknown.help() }
        }
    };
    line(&Line::StepEnded { step: name(step), how, seconds: took.map(|took| took.as_secs_f64()) })
}

fn line(line: &Line<'_>) -> String {
    text::json_line(line)
}
