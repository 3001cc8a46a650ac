//! The lines that an apply prints while it runs, and the ids that it prints at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::text::{
    BAD, CHANGED, DIM, GOOD, STRONG, TERMINAL, clipped, padded, short_id, shortened, styled, visible, width,
};
use crate::apply::{Event, StepOutcome};
use crate::model::{Endpoint, Retire, ServiceId, ServiceName};
use crate::plan::{Action, Plan, ServiceKind, Step, Target};

/// The maximum width of the column of service names. Longer names are shortened.
const MAX_NAME: usize = 28;
/// The maximum width of the column of actions. Longer actions are shortened.
const MAX_ACTION: usize = 34;
/// The width of the column of ids. Only the two ids of a cut-over are longer.
const ID: usize = 12;
/// The width of everything else in a line: the symbol, the duration and the spaces between the columns.
const REST: usize = 12;

/// Renders the lines that an apply prints while it runs. The column of names is as wide as the longest name in the
/// plan, up to a maximum.
#[derive(Debug)]
pub struct Lines<'a> {
    plan: &'a Plan,
    columns: usize,
}

impl<'a> Lines<'a> {
    /// Prepares the lines for the steps of a plan.
    pub fn new(plan: &'a Plan) -> Self {
        let widths = plan.steps.iter().map(|step| width(&visible(step.service.as_str())));
        Self { plan, columns: widths.max().unwrap_or(0).min(MAX_NAME) }
    }

    /// Returns the line to print for an event. Returns `None` unless the event is the end of a step that is done or has
    /// failed.
    pub fn event(&self, event: &Event) -> Option<String> {
        let Event::Ended { step, outcome, took } = event else { return None };
        let step = self.plan.step(*step)?;
        ended_line(step, outcome, *took, self.columns)
    }
}

fn ended_line(step: &Step, outcome: &StepOutcome, took: Duration, columns: usize) -> Option<String> {
    let name = padded(&shortened(&visible(step.service.as_str()), columns), columns);
    let mut id = String::new();
    if let StepOutcome::Done(created) = outcome {
        id = created.as_ref().or(subject(step)).map(|id| short_id(id.as_str())).unwrap_or_default();
        if let Action::HandOver { old, .. } = &step.action {
            id = format!("{} → {id}", short_id(old.as_str()));
        }
    }
    let actions = TERMINAL.saturating_sub(columns + width(&id).max(ID) + REST).min(MAX_ACTION);
    let what = padded(&shortened(&action_text(step), actions), actions);
    Some(match outcome {
        StepOutcome::Done(_) => {
            let tail = format!("{} {}", padded(&id, ID), seconds(took));
            format!("{} {name}  {what} {}", styled(GOOD, "✓"), styled(DIM, &tail))
        }
        StepOutcome::Failed(failure) => {
            // The error can be clipped, because the lines at the end of the run repeat it in full, with hints.
            let head = format!("✗ {name}  {}: ", what.trim_end());
            let error = clipped(&visible(&failure.to_string()), TERMINAL.saturating_sub(width(&head)));
            format!("{} {name}  {}: {}", styled(BAD, "✗"), what.trim_end(), styled(BAD, &error))
        }
        StepOutcome::Blocked(_) | StepOutcome::Stopped(_) | StepOutcome::Unknown => return None,
    })
}

/// Renders the message that a request is waiting because of a rate limit. `limit` is the limit in requests per minute,
/// if it is known.
pub fn waiting(endpoint: Endpoint, wait: Duration, limit: Option<u32>) -> String {
    let why = match limit {
        Some(limit) => format!("is limited to {limit} requests a minute"),
        None => "is limited; the server refuses more for now".to_owned(),
    };
    let words = format!("waiting {}: `{}` {why}", seconds(wait), endpoint.label());
    format!("{} {words}", styled(CHANGED, "⏳"))
}

/// Renders the message that a request will be retried.
pub fn retrying(endpoint: Endpoint, wait: Duration, error: &str) -> String {
    let words = retried(endpoint, error, &format!("retrying in {}", seconds(wait)));
    format!("{} {words}", styled(CHANGED, "↻"))
}

/// Renders the message that amigops is checking whether a request with an unknown outcome was applied.
pub fn looking(endpoint: Endpoint, error: &str) -> String {
    let words = retried(endpoint, error, "checking whether the request was applied");
    format!("{} {words}", styled(CHANGED, "↻"))
}

/// Returns a text that says which error a request got, and what happens next. The error is not shortened, because no
/// later line repeats it.
fn retried(endpoint: Endpoint, error: &str, next: &str) -> String {
    format!("{}: {}; {next}", endpoint.label(), visible(error))
}

/// Returns a duration as text, such as `1.5 s`.
pub(super) fn seconds(duration: Duration) -> String {
    if duration >= Duration::from_secs(10) {
        format!("{:.0} s", duration.as_secs_f64().ceil())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// Returns the id of the existing service that a step acts on. Returns `None` if the step does not act on an existing
/// service.
pub(super) fn subject(step: &Step) -> Option<&ServiceId> {
    match &step.action {
        Action::Update { id, .. }
        | Action::RenameTemporarily { id, .. }
        | Action::Retire { id, .. }
        | Action::Abandon { id, .. }
        | Action::DeleteVersionSet { id, .. }
        | Action::WriteVersionSet { target: Target::Live(id), .. }
        | Action::ApplyBehaviorSet { target: Target::Live(id), .. }
        | Action::Smoke { target: Target::Live(id), .. } => Some(id),
        _ => None,
    }
}

/// Returns a short description of a step's action, such as `rename temporarily`.
pub(super) fn action_text(step: &Step) -> String {
    match &step.action {
        Action::Create(new) if new.active => "create".to_owned(),
        Action::Create(_) => "create, inactive".to_owned(),
        Action::Update { update, .. } if update.name.is_some() => "change and rename".to_owned(),
        Action::Update { .. } => "change".to_owned(),
        Action::RenameTemporarily { .. } => "rename temporarily".to_owned(),
        Action::WriteVersionSet { name, .. } => format!("write version set {}", visible(name.as_str())),
        Action::DeleteVersionSet { name, .. } => format!("delete version set {}", visible(name.as_str())),
        Action::ApplyBehaviorSet { behavior_set_name, .. } => {
            format!("apply behavior set {}", visible(behavior_set_name))
        }
        Action::Smoke { test, .. } => format!("smoke test {}", visible(test.version_set.as_str())),
        Action::HandOver { .. } => "cut over".to_owned(),
        Action::Retire { how: Retire::Deactivate, .. } => "deactivate".to_owned(),
        Action::Retire { how: Retire::Keep, .. } => "stop managing".to_owned(),
        Action::Retire { how: Retire::Delete, .. } => "delete".to_owned(),
        Action::Abandon { .. } => "mark the unfinished service as abandoned".to_owned(),
    }
}

/// Renders the ids of the plan's services, except for retired services. If the id of a service has changed, shows the
/// old and the new id, because applications need the new id.
pub fn ids(plan: &Plan, ids: &BTreeMap<ServiceName, ServiceId>) -> String {
    let mut rows = Vec::new();
    for service in plan.services.iter().filter(|service| service.kind != ServiceKind::Retire) {
        let Some(id) = ids.get(&service.name) else { continue };
        let before = plan.ids.get(&service.name).filter(|before| *before != id);
        rows.push((
            visible(service.name.as_str()),
            before.map(|id| visible(id.as_str())),
            visible(id.as_str()),
        ));
    }
    let columns = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or(0);
    let mut out = String::new();
    for (name, before, id) in rows {
        let name = styled(STRONG, &padded(&name, columns));
        let _ = match before {
            Some(before) => writeln!(out, "  {name}  {} → {id}", styled(DIM, &before)),
            None => writeln!(out, "  {name}  {id}"),
        };
    }
    out
}
