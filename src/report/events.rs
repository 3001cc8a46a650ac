//! An apply as JSON, a line an event, for programs that follow it. May import `plan`, `apply` and `model`.
//!
//! First the plan, then a line as each step begins and ends, and a last line that says how it all ended. Every
//! step of the plan ends exactly once, those that were never begun included, so that whoever reads the lines
//! knows all that there is to know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::outcomes::{self, Why};
use super::progress::{subject, words};
use super::text;
use crate::apply::{Counts, Event, Outcome, Report};
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Plan, Step, StepId};

/// The first line, with the keys of the plan in its document's order.
#[derive(Serialize)]
#[serde(tag = "type", rename = "plan")]
struct PlanLine<'a, Document> {
    plan: &'a Document,
}

/// One of the others.
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
        /// Waits included; none where the step was not begun.
        seconds: Option<f64>,
    },
    Result(Conclusion<'a>),
}

/// Which step a line is about.
#[derive(Serialize)]
struct StepName<'a> {
    step: StepId,
    service: &'a ServiceName,
    what: String,
}

/// How a step ended.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Ending {
    Done {
        /// The service that was created or that has taken over, or the live one that the step was about.
        service_id: Option<ServiceId>,
    },
    Failed {
        error: String,
        /// What to do next.
        help: Vec<String>,
    },
    NotAttempted {
        reason: &'static str,
        /// The step that failed, or that was not attempted either.
        waits_for: Option<StepId>,
        /// What to do next.
        help: Vec<String>,
    },
    /// It was begun, and the run was stopped: it may have been carried out.
    Unknown {
        reason: &'static str,
        /// What to do next.
        help: Vec<String>,
    },
}

/// How an apply ended, as a whole.
#[derive(Serialize)]
struct Conclusion<'a> {
    /// The exit code of the process.
    exit_code: u8,
    /// Steps that are done.
    done: usize,
    /// Steps that failed.
    failed: usize,
    /// Steps that were not begun.
    not_attempted: usize,
    /// Steps that were begun, and whose end is not known.
    unknown: usize,
    /// Whether somebody told the run to stop.
    interrupted: bool,
    /// Whether the time of `--timeout` was over before its end.
    timed_out: bool,
    /// Whether the live state is as the plan wanted it; none where it was not read back.
    converged: Option<bool>,
    /// The ids of the declared services, by name, as far as they are known.
    ids: &'a BTreeMap<ServiceName, ServiceId>,
    /// What kept the run from its end, or from its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// What the end of a run knows beside the steps.
pub struct End<'a> {
    /// Whether the live state is as the plan wanted it; none where it was not read back.
    pub converged: Option<bool>,
    /// The ids of the declared services, by name, as far as they are known.
    pub ids: &'a BTreeMap<ServiceName, ServiceId>,
    /// What kept the run from its end, or from its beginning.
    pub error: Option<&'a str>,
    /// Whether somebody told the run to stop.
    pub interrupted: bool,
    /// Whether the time of `--timeout` was over before its end.
    pub timed_out: bool,
}

/// The first line: the plan, as its file would hold it.
pub fn plan(document: &impl Serialize) -> String {
    text::json_line(&PlanLine { plan: document })
}

/// The line for an event.
pub fn event(plan: &Plan, event: &Event) -> Option<String> {
    Some(match event {
        Event::Started(id) => line(&Line::StepStarted { step: name(plan.step(*id)?) }),
        Event::Ended { step, outcome, took } => ended(plan.step(*step)?, outcome, Some(*took)),
    })
}

/// A line for each step that has not been told of: those that were never begun, and those whose end is not known.
pub fn others(plan: &Plan, report: &Report, ended_before: &BTreeSet<StepId>) -> Vec<String> {
    let left = plan.steps.iter().filter(|step| !ended_before.contains(&step.id));
    left.filter_map(|step| Some(ended(step, report.outcomes.get(&step.id)?, None))).collect()
}

/// The last line: how it ended, with the exit code that the process will have.
pub fn conclusion(report: &Report, end: &End<'_>, exit_code: u8) -> String {
    let Counts { done, failed, not_attempted, unknown } = report.counts();
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
    StepName { step: step.id, service: &step.service, what: words(step) }
}

fn ended(step: &Step, outcome: &Outcome, took: Option<Duration>) -> String {
    let how = match outcome {
        Outcome::Done(made) => Ending::Done { service_id: made.as_ref().or(subject(step)).cloned() },
        Outcome::Failed(failure) => {
            Ending::Failed { error: failure.to_string(), help: Why::Failed(failure).help() }
        }
        Outcome::Blocked(before) => {
            let reason = "a step that it waits for is not done";
            Ending::NotAttempted {
                reason,
                waits_for: Some(*before),
                help: vec![outcomes::FOLLOWS.to_owned()],
            }
        }
        Outcome::Stopped(reason) => Ending::NotAttempted {
            reason: outcomes::stopped(*reason),
            waits_for: None,
            help: Why::Stopped(*reason).help(),
        },
        Outcome::Unknown => Ending::Unknown { reason: outcomes::UNKNOWN, help: Why::Unknown.help() },
    };
    line(&Line::StepEnded { step: name(step), how, seconds: took.map(|took| took.as_secs_f64()) })
}

fn line(line: &Line<'_>) -> String {
    text::json_line(line)
}
