//! What became of an apply, for the page of a CI job. May import `plan`, `apply` and `model`.
//!
//! First the verdict, then what somebody must act on, then what was done. Where there is more than a page has room
//! for, each list says how much of it is not there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::MOST;
use super::around::bounded;
use super::escape::{code, code_within, fence, label, prose};
use super::fit::{fill, share};
use super::lists::{removal, removals};
use crate::apply::{Counts, Outcome, Report};
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Action, Origin, Plan, ServiceKind, ServicePlan, Step};
use crate::report::outcomes::{FOLLOWS, GO_ON, KNOWN_AGAIN, Left, Why, describe, left};
use crate::report::progress::seconds;
use crate::report::text::count;

/// The most bytes of why a run did not come to its end.
const REASON: usize = 16_000;
/// The most characters of a step's error.
const ERROR: usize = 1_000;
/// Room for what stands around the lists.
const AROUND: usize = 6_000;

/// How an apply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is done.
    Applied,
    /// Everything was as declared.
    NothingToDo,
    /// Some steps failed, the rest is done.
    InPart,
    /// A rule stood against it, or a saved plan did not fit: nothing was sent that writes.
    Refused,
    /// It was not approved.
    Declined,
    /// It was told to stop.
    Interrupted,
    /// Its time was over, before anything was begun or on the way.
    OutOfTime,
    /// All steps are done, and the live state is not as declared.
    NotConverged,
    /// An error kept it from its beginning, or from reading the live state back.
    Failed,
}

/// An apply that has ended.
pub struct Ended<'a> {
    /// How.
    pub verdict: Verdict,
    /// The exit code of the process.
    pub exit_code: u8,
    /// The environment's name, as far as it is known.
    pub environment: Option<&'a str>,
    /// The plan and where it is from; none where there was none.
    pub planned: Option<(&'a Plan, &'a Origin)>,
    /// Whether a step was begun, whatever became of it.
    pub has_begun: bool,
    /// How each step ended; empty where none was begun.
    pub report: &'a Report,
    /// Whether the live state is as the plan wanted it; none where it was not read back.
    pub converged: Option<bool>,
    /// The ids of the declared services, by name, as far as they are known.
    pub ids: &'a BTreeMap<ServiceName, ServiceId>,
    /// What still differs where everything was applied.
    pub differing: &'a [ServiceName],
    /// What kept the run from its end, or from its beginning, in plain words of several lines.
    pub reason: Option<&'a str>,
    /// How many requests were sent.
    pub requests: u64,
    /// How long it took.
    pub took: Duration,
}

/// A list with a title.
struct List {
    title: &'static str,
    /// What its items mean, or what to do about them, where that is the same for all of them.
    meaning: Vec<String>,
    items: Vec<String>,
}

/// Renders what became of an apply.
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
        let _ = writeln!(out, "{}", fence("text", &bounded(reason, REASON)));
    }
    lists(&mut out, &all(ended));
    out.truncate(out.trim_end().len());
    out + "\n"
}

fn verdict(ended: &Ended<'_>) -> String {
    let begun = ended.has_begun;
    let complete = begun && ended.report.is_complete();
    // Whatever the verdict: where something was begun, nobody says that nothing was changed.
    let kept =
        if begun { "what is done is kept; plan and apply again to go on" } else { "nothing was changed" };
    let (word, means) = match ended.verdict {
        Verdict::Applied => ("Applied", "everything is done"),
        Verdict::NothingToDo => ("Nothing to do", "everything is as declared"),
        Verdict::InPart => {
            ("Applied in part", "some steps failed, the rest is done and kept; plan and apply again to go on")
        }
        Verdict::Refused => ("Refused", kept),
        Verdict::Declined => ("Not approved", kept),
        Verdict::Interrupted if complete => ("Interrupted", "every step is done"),
        Verdict::Interrupted => ("Interrupted", kept),
        Verdict::OutOfTime if complete => (
            "Applied, and out of time",
            "every step is done, and there was no time left to read the live state back",
        ),
        Verdict::OutOfTime => ("Out of time", kept),
        Verdict::NotConverged => {
            ("Applied, and not converged", "every step is done, and the live state is not as declared")
        }
        Verdict::Failed if complete => {
            ("Applied, and failed thereafter", "every step is done; what came after them is an error")
        }
        Verdict::Failed => ("Failed", kept),
    };
    let code = ended.exit_code;
    match ended.verdict {
        Verdict::Applied | Verdict::NothingToDo => format!("**{word}.** Exit code {code}: {means}.\n"),
        _ => format!("> [!CAUTION]\n> **{word}.** Exit code {code}: {means}.\n"),
    }
}

/// How many services were to be changed, and how many of them are done with.
fn table(plan: &Plan, report: &Report) -> String {
    let is_done = |shown: &&ServicePlan| {
        shown.steps.iter().all(|step| matches!(report.outcomes.get(step), Some(Outcome::Done(_))))
    };
    let kinds = [ServiceKind::Create, ServiceKind::Update, ServiceKind::Replace, ServiceKind::Retire];
    let row = |done: bool| {
        let of = |kind| plan.services.iter().filter(move |shown| shown.kind == kind);
        kinds.map(|kind| of(kind).filter(|shown| !done || is_done(shown)).count().to_string()).join(" | ")
    };
    format!(
        "| services | create | change | replace | retire |\n|---|--:|--:|--:|--:|\n| planned | {} |\n| done in full | {} |",
        row(false),
        row(true)
    )
}

fn steps(plan: &Plan, report: &Report) -> String {
    let Counts { done, failed, not_attempted, unknown } = report.counts();
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

/// All lists, those first that somebody must act on.
fn all(ended: &Ended<'_>) -> Vec<List> {
    let differing = ended.differing.iter().map(|name| code(name.as_str())).collect();
    let mut lists = vec![List {
        title: "Still different",
        meaning: vec!["`amigops plan` shows how".to_owned()],
        items: differing,
    }];
    if let Some((plan, _)) = ended.planned {
        let left = left(plan, ended.report);
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

fn failed(left: &[Left<'_>]) -> List {
    let item = |left: &Left<'_>| {
        let Why::Failed(failure) = left.why else { return None };
        let error = code_within(&failure.to_string(), ERROR);
        let mut item = format!("{}: {error}", code(&describe(left.step)));
        for hint in left.why.help() {
            let _ = write!(item, "\n  - {}", prose(&hint));
        }
        Some(item)
    };
    List { title: "Failed", meaning: Vec::new(), items: left.iter().filter_map(item).collect() }
}

fn unknown(left: &[Left<'_>]) -> List {
    let unknown = left.iter().filter(|left| matches!(left.why, Why::Unknown));
    let item = |left: &Left<'_>| format!("{}: {}", code(&describe(left.step)), left.why.reason());
    List { title: "Unknown", meaning: vec![to_do(KNOWN_AGAIN)], items: unknown.map(item).collect() }
}

fn not_attempted(left: &[Left<'_>]) -> List {
    let not_attempted: Vec<&Left<'_>> = left.iter().filter(|left| left.why.is_not_attempted()).collect();
    let item = |left: &&Left<'_>| {
        let reason = match left.why {
            Why::Blocked(before, how) => format!("waits for {}, which {how}", code(&describe(before))),
            why => why.reason(),
        };
        format!("{}: {reason}", code(&describe(left.step)))
    };
    let waits = |left: &&&Left<'_>| matches!(left.why, Why::Blocked(..));
    let mut meaning = Vec::new();
    if not_attempted.iter().any(|left| waits(&left)) {
        meaning.push(to_do(FOLLOWS));
    }
    if not_attempted.iter().any(|left| !waits(&left)) {
        meaning.push(to_do(GO_ON));
    }
    List { title: "Not attempted", meaning, items: not_attempted.iter().map(item).collect() }
}

/// Services that have a new id.
fn replaced(plan: &Plan, ended: &Ended<'_>) -> List {
    let replaced = plan.steps.iter().filter_map(|step| {
        let Action::HandOver { old, .. } = &step.action else { return None };
        let Some(Outcome::Done(Some(new))) = ended.report.outcomes.get(&step.id) else { return None };
        Some(format!("{}: {} → {}", code(step.service.as_str()), code(old.as_str()), code(new.as_str())))
    });
    List {
        title: "Replaced",
        meaning: vec!["Applications that hold the old id need the new one".to_owned()],
        items: replaced.collect(),
    }
}

fn removed(plan: &Plan, ended: &Ended<'_>) -> List {
    let is_done = |id| matches!(ended.report.outcomes.get(id), Some(Outcome::Done(_)));
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
            let made = |step| matches!(ended.report.outcomes.get(step), Some(Outcome::Done(Some(_))));
            let id = ended.ids.get(&shown.name).filter(|_| shown.steps.iter().any(made))?;
            Some(format!("{}: {}", code(shown.name.as_str()), code(id.as_str())))
        });
    List { title: "Created", meaning: Vec::new(), items: created.collect() }
}

/// The lists, each in its share of the room.
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
            let _ = writeln!(
                out,
                "- **and {hidden} more that have no room here**: the log of the run names them"
            );
        }
        out.push('\n');
    }
}

/// Who serves a name instead of the service that goes, where a hand-over came before: applications that hold the old
/// id need the new one, whichever run it was that made it.
fn successor(step: &Step, ids: &BTreeMap<ServiceName, ServiceId>) -> String {
    let Action::Retire { id: old, .. } = &step.action else { return String::new() };
    match ids.get(&step.service) {
        Some(new) if new != old => format!(" → {}", code(new.as_str())),
        _ => String::new(),
    }
}
