//! The summary of an apply as Markdown, for the summary page of a CI job.
//!
//! The verdict comes first, then the problems that the user must solve, then the changes that were made. If there is
//! not enough room, each list counts the entries that are not shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::MOST;
use super::around::limit_lines;
use super::escape::{code, code_within, fence, label, prose};
use super::fit::{fill, share};
use super::lists::{removal, removals};
use crate::apply::{OutcomeCounts, Report, StepOutcome};
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Action, Origin, Plan, ServiceKind, ServicePlan, Step};
use crate::report::outcomes::{
    BLOCKED_HELP, CONTINUE_HELP, UNKNOWN_HELP, Unfinished, UnfinishedReason, describe, unfinished,
};
use crate::report::progress::seconds;
use crate::report::text::count;

/// The maximum size of the text that says why a run failed, in bytes.
const REASON: usize = 16_000;
/// The maximum length of the error of one step, in characters.
const ERROR: usize = 1_000;
/// The number of bytes reserved for the text outside the lists.
const AROUND: usize = 6_000;

/// The verdict on an apply. The summary begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every step is done.
    Applied,
    /// There was nothing to do, because the live state matched the manifests.
    NothingToDo,
    /// Some steps are not done, although the run was not stopped.
    InPart,
    /// The run was refused, for example by a guardrail, or because the saved plan was stale.
    Refused,
    /// The user did not approve the plan.
    Declined,
    /// A signal stopped the run.
    Interrupted,
    /// `--timeout` ended the run, before or after its first step.
    OutOfTime,
    /// Every step is done, but the live state differs from the manifests.
    NotConverged,
    /// An error occurred before the first step, or when the live state was read back.
    Failed,
}

/// The result of an apply, from which the summary is rendered.
pub struct Ended<'a> {
    /// The verdict on the apply, such as `Applied`.
    pub verdict: Verdict,
    /// The exit code of the process.
    pub exit_code: u8,
    /// The environment's name, if it is known.
    pub environment: Option<&'a str>,
    /// The plan and its origin, if there is a plan.
    pub planned: Option<(&'a Plan, &'a Origin)>,
    /// True if a step was started.
    pub has_started: bool,
    /// The outcome of each step. Empty if no step was started.
    pub report: &'a Report,
    /// True if the live state matches the plan when it is read back after the apply. `None` if it was not read back.
    pub converged: Option<bool>,
    /// The known ids of the declared services, by service name.
    pub ids: &'a BTreeMap<ServiceName, ServiceId>,
    /// The services that still differ from their manifests after every step was applied.
    pub differing: &'a [ServiceName],
    /// The error that ended the run, as text of several lines. `None` if there was no error.
    pub reason: Option<&'a str>,
    /// The number of requests that the run sent.
    pub requests: u64,
    /// The duration of the run.
    pub took: Duration,
}

/// A list of entries under a title.
struct List {
    title: &'static str,
    /// Lines that are written above the entries. They explain the entries, or say what the user can do.
    meaning: Vec<String>,
    items: Vec<String>,
}

/// Renders the summary of an apply.
pub fn render(ended: &Ended<'_>) -> String {
    let environment = ended.environment.map_or(String::new(), |name| format!(" · {}", label(name)));
    let mut out = format!("## amigops apply{environment}\n\n{}\n", verdict(ended));
    if let Some((plan, origin)) = ended.planned {
        let (api, noun) = (origin.api.as_str(), origin.api.home_noun());
        let _ = writeln!(out, "{api} · {noun} {}\n", label(&origin.organization));
        if !plan.is_empty() {
            let _ = writeln!(out, "{}\n\n{}\n", table(plan, ended.report), steps(plan, ended.report));
        }
    }
    let _ = writeln!(out, "{}\n", cost(ended));
    if let Some(reason) = ended.reason {
        let _ = writeln!(out, "{}", fence("text", &limit_lines(reason, REASON)));
    }
    lists(&mut out, &all(ended));
    out.truncate(out.trim_end().len());
    out + "\n"
}

fn verdict(ended: &Ended<'_>) -> String {
    let has_started = ended.has_started;
    let complete = has_started && ended.report.is_complete();
    // Once a step has started, the summary must not say that nothing was changed.
    let kept = if has_started {
        "finished steps are kept; plan and apply again to continue"
    } else {
        "nothing was changed"
    };
    let (word, means) = match ended.verdict {
        Verdict::Applied => ("Applied", "every step is done"),
        Verdict::NothingToDo => ("Nothing to do", "everything is as declared"),
        Verdict::InPart => {
            ("Partly applied", "some steps failed, the others are done; plan and apply again to continue")
        }
        Verdict::Refused => ("Refused", kept),
        Verdict::Declined => ("Not approved", kept),
        Verdict::Interrupted if complete => ("Interrupted", "every step is done"),
        Verdict::Interrupted => ("Interrupted", kept),
        Verdict::OutOfTime if complete => {
            ("Applied, but timed out", "every step is done, but no time was left to read the live state back")
        }
        Verdict::OutOfTime => ("Timed out", kept),
        Verdict::NotConverged => (
            "Applied, but not converged",
            "every step is done, but the live state still differs from the manifests",
        ),
        Verdict::Failed if complete => {
            ("Applied, but the final check failed", "every step is done, but an error followed")
        }
        Verdict::Failed => ("Failed", kept),
    };
    let code = ended.exit_code;
    match ended.verdict {
        Verdict::Applied | Verdict::NothingToDo => format!("**{word}.** Exit code {code}: {means}.\n"),
        _ => format!("> [!CAUTION]\n> **{word}.** Exit code {code}: {means}.\n"),
    }
}

/// Renders a table that counts the planned and the finished services for each kind of change.
fn table(plan: &Plan, report: &Report) -> String {
    let is_done = |shown: &&ServicePlan| {
        shown.steps.iter().all(|step| matches!(report.outcomes.get(step), Some(StepOutcome::Done(_))))
    };
    let kinds = [ServiceKind::Create, ServiceKind::Update, ServiceKind::Replace, ServiceKind::Retire];
    let row = |done: bool| {
        let of = |kind| plan.services.iter().filter(move |shown| shown.kind == kind);
        kinds.map(|kind| of(kind).filter(|shown| !done || is_done(shown)).count().to_string()).join(" | ")
    };
    format!(
        "| services | create | change | replace | retire |\n|---|--:|--:|--:|--:|\n| planned | {} |\n| finished | {} |",
        row(false),
        row(true)
    )
}

fn steps(plan: &Plan, report: &Report) -> String {
    let OutcomeCounts { done, failed, not_attempted, unknown } = report.counts();
    let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} unknown") };
    let not_attempted = if report.outcomes.is_empty() { plan.steps.len() } else { not_attempted };
    let all = count(plan.steps.len(), "step");
    format!("{done} of {all} done, {failed} failed, {not_attempted} not attempted{unknown}.")
}

fn cost(ended: &Ended<'_>) -> String {
    let read_back = match ended.converged {
        Some(true) => "Read back: **converged**",
        Some(false) => "Read back: **not converged**",
        None => "Not read back",
    };
    let requests = count(usize::try_from(ended.requests).unwrap_or(usize::MAX), "request");
    format!("{read_back} · {requests} · {}", seconds(ended.took))
}

/// Returns the lists that have entries. The lists that the user must act on come first.
fn all(ended: &Ended<'_>) -> Vec<List> {
    let differing = ended.differing.iter().map(|name| code(name.as_str())).collect();
    let mut lists = vec![List {
        title: "Still different",
        meaning: vec!["Run `amigops plan` to see the differences".to_owned()],
        items: differing,
    }];
    if let Some((plan, _)) = ended.planned {
        let left = unfinished(plan, ended.report);
        lists.extend([
            failed(&left),
            unknown(&left),
            replaced(plan, ended),
            removed(plan, ended),
            not_attempted(&left),
            created(plan, ended),
        ]);
    }
    lists.retain(|list| !list.items.is_empty());
    lists
}

fn to_do(what: &str) -> String {
    format!("What to do: {what}")
}

fn failed(left: &[Unfinished<'_>]) -> List {
    let item = |left: &Unfinished<'_>| {
        let UnfinishedReason::Failed(failure) = left.why else { return None };
        let error = code_within(&failure.to_string(), ERROR);
        let mut item = format!("{}: {error}", code(&describe(left.step)));
        for hint in left.why.help() {
            let _ = write!(item, "\n  - {}", prose(&hint));
        }
        Some(item)
    };
    List { title: "Failed", meaning: Vec::new(), items: left.iter().filter_map(item).collect() }
}

fn unknown(left: &[Unfinished<'_>]) -> List {
    let unknown = left.iter().filter(|left| matches!(left.why, UnfinishedReason::Unknown));
    let item = |left: &Unfinished<'_>| format!("{}: {}", code(&describe(left.step)), left.why.reason());
    List { title: "Unknown", meaning: vec![to_do(UNKNOWN_HELP)], items: unknown.map(item).collect() }
}

fn not_attempted(left: &[Unfinished<'_>]) -> List {
    let not_attempted: Vec<&Unfinished<'_>> =
        left.iter().filter(|left| left.why.is_not_attempted()).collect();
    let item = |left: &&Unfinished<'_>| {
        let reason = match left.why {
            UnfinishedReason::Blocked(before, how) => {
                format!("blocked by {}, which {how}", code(&describe(before)))
            }
            why => why.reason(),
        };
        format!("{}: {reason}", code(&describe(left.step)))
    };
    let is_blocked = |left: &&&Unfinished<'_>| matches!(left.why, UnfinishedReason::Blocked(..));
    let mut meaning = Vec::new();
    if not_attempted.iter().any(|left| is_blocked(&left)) {
        meaning.push(to_do(BLOCKED_HELP));
    }
    if not_attempted.iter().any(|left| !is_blocked(&left)) {
        meaning.push(to_do(CONTINUE_HELP));
    }
    List { title: "Not attempted", meaning, items: not_attempted.iter().map(item).collect() }
}

/// Returns the list of replaced services, with the old and the new id of each.
fn replaced(plan: &Plan, ended: &Ended<'_>) -> List {
    let replaced = plan.steps.iter().filter_map(|step| {
        let Action::HandOver { old, .. } = &step.action else { return None };
        let Some(StepOutcome::Done(Some(new))) = ended.report.outcomes.get(&step.id) else { return None };
        Some(format!("{}: {} → {}", code(step.service.as_str()), code(old.as_str()), code(new.as_str())))
    });
    List {
        title: "Replaced",
        meaning: vec!["Applications that use the old id need the new id".to_owned()],
        items: replaced.collect(),
    }
}

fn removed(plan: &Plan, ended: &Ended<'_>) -> List {
    let is_done = |id| matches!(ended.report.outcomes.get(id), Some(StepOutcome::Done(_)));
    let removed = removals(plan).filter(|step| is_done(&step.id));
    List {
        title: "Removed",
        meaning: Vec::new(),
        items: removed.map(|step| removal(step).sentence + &successor(step, ended.ids)).collect(),
    }
}

fn created(plan: &Plan, ended: &Ended<'_>) -> List {
    let created =
        plan.services.iter().filter(|shown| shown.kind == ServiceKind::Create).filter_map(|shown| {
            let made = |step| matches!(ended.report.outcomes.get(step), Some(StepOutcome::Done(Some(_))));
            let id = ended.ids.get(&shown.name).filter(|_| shown.steps.iter().any(made))?;
            Some(format!("{}: {}", code(shown.name.as_str()), code(id.as_str())))
        });
    List { title: "Created", meaning: Vec::new(), items: created.collect() }
}

/// Writes the lists. Each list is limited to its share of the available room.
fn lists(out: &mut String, lists: &[List]) {
    let room = MOST.saturating_sub(out.len() + AROUND);
    let lengths: Vec<usize> =
        lists.iter().map(|list| list.items.iter().map(|item| item.len() + 3).sum()).collect();
    for (list, room) in lists.iter().zip(share(room, &lengths)) {
        let _ = writeln!(out, "### {}: {}\n", list.title, list.items.len());
        for line in &list.meaning {
            let _ = writeln!(out, "{line}.\n");
        }
        let (text, hidden) = fill(list.items.iter(), "\n- ", room);
        if !text.is_empty() {
            let _ = writeln!(out, "- {text}");
        }
        if hidden > 0 {
            let _ = writeln!(out, "- **and {hidden} more**: see the log of the run");
        }
        out.push('\n');
    }
}

/// Returns an arrow and the id of the new service, if the step retires a service that was replaced. An earlier run may
/// have created the new service. Applications that use the old id need the new id. Returns an empty string if there is
/// no new service.
fn successor(step: &Step, ids: &BTreeMap<ServiceName, ServiceId>) -> String {
    let Action::Retire { id: old, .. } = &step.action else { return String::new() };
    match ids.get(&step.service) {
        Some(new) if new != old => format!(" → {}", code(new.as_str())),
        _ => String::new(),
    }
}
