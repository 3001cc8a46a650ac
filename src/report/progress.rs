//! An apply, as it runs and at its end, in lines. May import `plan`, `apply` and `model`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::outcomes::{Left, Why, describe, left};
use super::text::{BAD, CHANGED, DIM, GOOD, STRONG, count, padded, short_id, styled, visible};
use crate::apply::{Counts, Event, Outcome, Report, StopReason};
use crate::model::{Endpoint, Retire, ServiceId, ServiceName};
use crate::plan::{Action, Plan, ServiceKind, Step, Target};

/// The widest column of names.
const MAX_NAME: usize = 28;
/// The most steps of a kind that the end of a run names.
const MOST_LEFT: usize = 20;

/// The lines of a run, with columns as wide as the plan's names need.
#[derive(Debug)]
pub struct Lines<'a> {
    plan: &'a Plan,
    columns: usize,
}

impl<'a> Lines<'a> {
    /// Prepares the lines of a plan's run.
    pub fn new(plan: &'a Plan) -> Self {
        let widths = plan.steps.iter().map(|step| step.service.as_str().chars().count());
        Self { plan, columns: widths.max().unwrap_or(0).min(MAX_NAME) }
    }

    /// The line for an event; none where there is nothing to say.
    pub fn event(&self, event: &Event) -> Option<String> {
        let Event::Ended { step, outcome, took } = event else { return None };
        let step = self.plan.step(*step)?;
        ended(step, outcome, *took, self.columns)
    }
}

fn ended(step: &Step, outcome: &Outcome, took: Duration, columns: usize) -> Option<String> {
    let name = padded(&visible(step.service.as_str()), columns);
    let what = padded(&words(step), 34);
    Some(match outcome {
        Outcome::Done(created) => {
            let mut id =
                created.as_ref().or(subject(step)).map(|id| short_id(id.as_str())).unwrap_or_default();
            if let Action::HandOver { old, .. } = &step.action {
                id = format!("{} → {id}", short_id(old.as_str()));
            }
            let tail = format!("{} {}", padded(&id, 12), seconds(took));
            format!("{} {name}  {what} {}", styled(GOOD, "✓"), styled(DIM, &tail))
        }
        Outcome::Failed(failure) => {
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
        Outcome::Blocked(_) | Outcome::Stopped(_) | Outcome::Unknown => return None,
    })
}

/// A wait that is worth a word.
pub fn waiting(endpoint: Endpoint, wait: Duration, limit: Option<u32>) -> String {
    let why = match limit {
        Some(limit) => format!("is limited to {limit} a minute"),
        None => "is limited: the server refuses more, and does not say how many it takes".to_owned(),
    };
    let words = format!("waiting {}: `{}` {why}", seconds(wait), endpoint.label());
    format!("{} {words}", styled(CHANGED, "⏳"))
}

/// A retry that is worth a word.
pub fn retrying(endpoint: Endpoint, wait: Duration, error: &str) -> String {
    let words = format!("{}: {}; again in {}", endpoint.label(), visible(error), seconds(wait));
    format!("{} {words}", styled(CHANGED, "↻"))
}

/// A request of which nobody knows whether it was carried out.
pub fn looking(endpoint: Endpoint, error: &str) -> String {
    let words = format!("{}: {}; looking what became of it", endpoint.label(), visible(error));
    format!("{} {words}", styled(CHANGED, "↻"))
}

/// A time in words.
pub(super) fn seconds(duration: Duration) -> String {
    if duration >= Duration::from_secs(10) {
        format!("{:.0} s", duration.as_secs_f64().ceil())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// The live service that a step is about.
pub(super) fn subject(step: &Step) -> Option<&ServiceId> {
    match &step.action {
        Action::Update { id, .. }
        | Action::SetAside { id, .. }
        | Action::Retire { id, .. }
        | Action::Discard { id, .. }
        | Action::DeleteVersionSet { id, .. }
        | Action::WriteVersionSet { target: Target::Live(id), .. }
        | Action::ApplyBehaviorSet { target: Target::Live(id), .. }
        | Action::Smoke { target: Target::Live(id), .. } => Some(id),
        _ => None,
    }
}

/// What a step does.
pub(super) fn words(step: &Step) -> String {
    match &step.action {
        Action::Create(new) if new.active => "create".to_owned(),
        Action::Create(_) => "create, inactive".to_owned(),
        Action::Update { update, .. } if update.name.is_some() => "change and rename".to_owned(),
        Action::Update { .. } => "change".to_owned(),
        Action::SetAside { .. } => "set name aside".to_owned(),
        Action::WriteVersionSet { name, .. } => format!("write version set {}", visible(name.as_str())),
        Action::DeleteVersionSet { name, .. } => format!("delete version set {}", visible(name.as_str())),
        Action::ApplyBehaviorSet { behavior_set_name, .. } => {
            format!("apply behavior set {}", visible(behavior_set_name))
        }
        Action::Smoke { test, .. } => format!("smoke test {}", visible(test.version_set.as_str())),
        Action::HandOver { .. } => "hand over".to_owned(),
        Action::Retire { how: Retire::Deactivate, .. } => "deactivate".to_owned(),
        Action::Retire { how: Retire::Keep, .. } => "let go".to_owned(),
        Action::Retire { how: Retire::Delete, .. } => "delete".to_owned(),
        Action::Discard { .. } => "discard leftover".to_owned(),
    }
}

/// How the run ended, with all that is not done, why, and what to do. Where there is much of it, the first steps
/// of each kind are named, and it is said how many more there are.
pub fn end(plan: &Plan, report: &Report, converged: Option<bool>) -> String {
    let left = left(plan, report);
    let mut out = String::new();
    let of = |kind: fn(&Why<'_>) -> bool| -> Vec<Left<'_>> {
        left.iter().filter(|left| kind(&left.why)).copied().collect()
    };
    list(&mut out, &of(|why| matches!(why, Why::Failed(_))), "failed");
    list(&mut out, &of(|why| matches!(why, Why::Unknown)), "may have been carried out");
    list(&mut out, &of(|why| why.is_not_attempted()), "were not attempted");
    let _ = writeln!(out, "{}", verdict(plan, report, converged));
    for line in next(&left, converged) {
        let _ = writeln!(out, "{line}");
    }
    out
}

fn list(out: &mut String, left: &[Left<'_>], what: &str) {
    for Left { step, why } in left.iter().take(MOST_LEFT) {
        let (name, reason) = (describe(step), visible(&why.reason()));
        let _ = match why {
            Why::Failed(_) => writeln!(out, "{} {name}: {}", styled(BAD, "✗"), styled(BAD, &reason)),
            Why::Unknown => writeln!(out, "{} {name}: unknown: {reason}", styled(BAD, "?")),
            _ => writeln!(out, "{} {name}: not attempted: {reason}", styled(CHANGED, "·")),
        };
        // What to do about the others is the same for all of them, and is said once.
        let help = if matches!(why, Why::Failed(_)) { why.help() } else { Vec::new() };
        for hint in help {
            let _ = writeln!(out, "    {}", styled(DIM, &format!("→ {}", visible(&hint))));
        }
    }
    let hidden = left.len().saturating_sub(MOST_LEFT);
    if hidden > 0 {
        let _ = writeln!(out, "  and {hidden} more {what}");
    }
}

fn verdict(plan: &Plan, report: &Report, converged: Option<bool>) -> String {
    let Counts { done, failed, not_attempted, unknown } = report.counts();
    let read_back = match converged {
        Some(true) => "read back: converged",
        Some(false) => "read back: not converged",
        None => "not read back",
    };
    if report.is_complete() {
        return format!("{} {} · {read_back}", styled(GOOD.bold(), "Applied:"), count(done, "step"));
    }
    let word = match report.stopped {
        Some(StopReason::Interrupt) => "Interrupted:",
        Some(StopReason::Timeout) => "Out of time:",
        None => "Applied in part:",
    };
    let word = styled(BAD.bold(), word);
    let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} unknown") };
    format!(
        "{word} {done} of {} done, {failed} failed, {not_attempted} not attempted{unknown} · {read_back}",
        count(plan.steps.len(), "step")
    )
}

/// What to do about all that is not done.
fn next(left: &[Left<'_>], converged: Option<bool>) -> Vec<&'static str> {
    if converged == Some(true) && !left.is_empty() {
        return vec!["nothing is left to do: what failed here was done all the same, or by another run"];
    }
    let any = |kind: fn(&Why<'_>) -> bool| left.iter().any(|left| kind(&left.why));
    let mut lines = Vec::new();
    if any(|why| matches!(why, Why::Blocked(..))) {
        lines.push("what waits for another step follows when that one can be done");
    }
    if any(|why| matches!(why, Why::Unknown)) {
        lines.push("a new plan shows what of the unknown was carried out");
    }
    if !left.is_empty() {
        lines.push("what is done is kept: plan and apply again to go on");
    }
    lines
}

/// The ids of the services that a plan was about: what applications need after a replacement.
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
