//! The lines that an apply prints at the end.

use std::fmt::Write as _;

use super::outcomes::{Unfinished, UnfinishedReason, describe, unfinished};
use super::text::{BAD, CHANGED, DIM, GOOD, count, styled, visible};
use crate::apply::{OutcomeCounts, Report, StopReason};
use crate::plan::Plan;

/// The maximum number of steps with the same kind of outcome that are listed.
const MAX_LISTED: usize = 20;

/// Renders the end of a run: every step that is not done, the reason, and hints on what to do next. The failed steps
/// come last, so that they stay visible on the terminal. If many steps have the same kind of outcome, the first of them
/// are listed and the others are counted.
pub fn render(plan: &Plan, report: &Report, converged: Option<bool>) -> String {
    let left = unfinished(plan, report);
    let mut out = String::new();
    let of = |kind: fn(&UnfinishedReason<'_>) -> bool| -> Vec<Unfinished<'_>> {
        left.iter().filter(|left| kind(&left.why)).copied().collect()
    };
    list(&mut out, &of(|why| why.is_not_attempted()), "were not attempted");
    list(&mut out, &of(|why| matches!(why, UnfinishedReason::Unknown)), "may have been applied");
    list(&mut out, &of(|why| matches!(why, UnfinishedReason::Failed(_))), "failed");
    let _ = writeln!(out, "{}", verdict(plan, report, converged));
    for line in next_steps(&left, converged) {
        let _ = writeln!(out, "{line}");
    }
    out
}

fn list(out: &mut String, left: &[Unfinished<'_>], what: &str) {
    for Unfinished { step, why } in left.iter().take(MAX_LISTED) {
        let (name, reason) = (describe(step), visible(&why.reason()));
        let _ = match why {
            UnfinishedReason::Failed(_) => {
                writeln!(out, "{} {name}: {}", styled(BAD, "✗"), styled(BAD, &reason))
            }
            UnfinishedReason::Unknown => {
                writeln!(out, "{} {name}: outcome unknown ({reason})", styled(BAD, "?"))
            }
            _ => writeln!(out, "{} {name}: not attempted ({reason})", styled(CHANGED, "·")),
        };
        // The hints for other outcomes are the same for every step, so they are printed once at the end.
        let help = if matches!(why, UnfinishedReason::Failed(_)) { why.help() } else { Vec::new() };
        for hint in help {
            let _ = writeln!(out, "    {}", styled(DIM, &format!("→ {}", visible(&hint))));
        }
    }
    let hidden = left.len().saturating_sub(MAX_LISTED);
    if hidden > 0 {
        let _ = writeln!(out, "  and {hidden} more {what}");
    }
}

fn verdict(plan: &Plan, report: &Report, converged: Option<bool>) -> String {
    let OutcomeCounts { done, failed, not_attempted, unknown } = report.counts();
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
        Some(StopReason::Timeout) => "Timed out:",
        None => "Partly applied:",
    };
    let word = styled(BAD.bold(), word);
    let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} unknown") };
    format!(
        "{word} {done} of {} done, {failed} failed, {not_attempted} not attempted{unknown} · {read_back}",
        count(plan.steps.len(), "step")
    )
}

/// Returns hints on what the user can do next.
fn next_steps(left: &[Unfinished<'_>], converged: Option<bool>) -> Vec<&'static str> {
    if converged == Some(true) && !left.is_empty() {
        return vec!["nothing is left to do: the failed steps took effect, or another run applied them"];
    }
    let any = |kind: fn(&UnfinishedReason<'_>) -> bool| left.iter().any(|left| kind(&left.why));
    let mut lines = Vec::new();
    if any(|why| matches!(why, UnfinishedReason::Blocked(..))) {
        lines.push("blocked steps run once the step that blocks them succeeds");
    }
    if any(|why| matches!(why, UnfinishedReason::Unknown)) {
        lines.push("run `amigops plan` to see which unknown steps were applied");
    }
    if !left.is_empty() {
        lines.push("finished steps are kept: plan and apply again to continue");
    }
    lines
}
