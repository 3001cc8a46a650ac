//! The lines that an apply prints while it runs, and the ids that it prints at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::text::{BAD, CHANGED, DIM, GOOD, STRONG, padded, short_id, styled, visible};
use crate::apply::{Event, StepOutcome};
use crate::model::{Endpoint, Retire, ServiceId, ServiceName};
use crate::plan::{Action, Plan, ServiceKind, Step, Target};

/// The maximum width of the column of service names.
const MAX_NAME: usize = 28;

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
        let widths = plan.steps.iter().map(|step| step.service.as_str().chars().count());
        Self { plan, columns: widths.max().unwrap_or(0).min(MAX_NAME) }
    }

    /// Returns the line to print for an event. Returns `None` if the event has no line.
    pub fn event(&self, event: &Event) -> Option<String> {
        let Event::Ended { step, outcome, took } = event else { return None };
        let step = self.plan.step(*step)?;
        ended_line(step, outcome, *took, self.columns)
    }
}

fn ended_line(step: &Step, outcome: &StepOutcome, took: Duration, columns: usize) -> Option<String> {
    let name = padded(&visible(step.service.as_str()), columns);
    let what = padded(&action_text(step), 34);
    Some(match outcome {
        StepOutcome::Done(created) => {
            let mut id =
                created.as_ref().or(subject(step)).map(|id| short_id(id.as_str())).unwrap_or_default();
            if let Action::HandOver { old, .. } = &step.action {
                id = format!("{} → {id}", short_id(old.as_str()));
            }
            let tail = format!("{} {}", padded(&id, 12), seconds(took));
            format!("{} {name}  {what} {}", styled(GOOD, "✓"), styled(DIM, &tail))
        }
        StepOutcome::Failed(failure) => {
            let mut line = format!(
                "{} {name}  {}: {}",
                styled(BAD, "✗"),
                what.trim_end(),
                styled(BAD, &visible(&failure.to_string()))
            );
            for hint in failure.hints() {
                let _ = write!(line, "\n    {}", styled(DIM, &format!("→ {}", visible(hint))));
            }
            line
        }
        StepOutcome::Blocked(_) | StepOutcome::Stopped(_) | StepOutcome::Unknown => return None,
    })
}

/// Renders the message that a request is waiting because of a rate limit.
pub fn waiting(endpoint: Endpoint, wait: Duration, limit: Option<u32>) -> String {
    let why = match limit {
        Some(limit) => format!("is limited to {limit} requests a minute"),
        None => "is rate-limited; the server refuses requests for now, and does not say how many it allows"
            .to_owned(),
    };
    let words = format!("waiting {}: `{}` {why}", seconds(wait), endpoint.label());
    format!("{} {words}", styled(CHANGED, "⏳"))
}

/// Renders the message that a request will be retried.
pub fn retrying(endpoint: Endpoint, wait: Duration, error: &str) -> String {
    let words = format!("{}: {}; retrying in {}", endpoint.label(), visible(error), seconds(wait));
    format!("{} {words}", styled(CHANGED, "↻"))
}

/// Renders the message that amigops is checking whether a request with an unknown outcome was applied.
pub fn looking(endpoint: Endpoint, error: &str) -> String {
    let words = format!("{}: {}; checking whether the request was applied", endpoint.label(), visible(error));
    format!("{} {words}", styled(CHANGED, "↻"))
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

/// Renders the ids of the plan's services. After a replacement, applications need the new ids.
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
    let columns = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
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
