//! The parts of a drift report that are worded differently from a plan's report.
//!
//! A drift report is rendered from the plan that would revert the drift. It describes the current state, so it must not
//! announce changes.

use std::fmt::Write as _;

use super::Section;
use super::metrics::Figures;
use super::text::{BAD, CHANGED, GOOD, STRONG, count, padded, styled, visible, width};
use crate::plan::Plan;

/// Returns the verdict: "no drift", or the number of services that differ from their manifests.
pub(super) fn verdict(plan: &Plan) -> String {
    if plan.is_empty() {
        return styled(GOOD, "no drift");
    }
    let differing = Figures::of(plan).drifted;
    let mut parts = Vec::new();
    if differing > 0 || plan.summary.retire == 0 {
        parts.push(format!("{differing} differ{}", if differing == 1 { "s" } else { "" }));
    }
    if plan.summary.retire > 0 {
        parts.push(count(plan.summary.retire, "orphan"));
    }
    styled(BAD, &format!("drift: {}", parts.join(", ")))
}

/// Returns the message for an environment without drift.
pub(super) fn nothing(plan: &Plan) -> String {
    let number = plan.summary.unchanged;
    let is = if number == 1 { "is" } else { "are" };
    format!("{}: {} {is} as declared.", styled(GOOD, "No drift"), count(number, "service"))
}

/// Returns the number of differences of each kind, and the cost of an apply that reverts them, with terminal styles.
pub(super) fn summary(plan: &Plan, estimate: &str) -> String {
    let Counts { head, kinds, sets, orphans } = Counts::of(plan);
    let mut line = format!("{} {head}", styled(STRONG, "Drift:"));
    if !kinds.is_empty() {
        line.push_str(&format!(" ({})", styled(CHANGED, &kinds)));
    }
    if !sets.is_empty() {
        line.push_str(&format!(" · version sets: {sets}"));
    }
    if !orphans.is_empty() {
        line.push_str(&format!(" · {}", styled(BAD, &orphans)));
    }
    format!("{line}\n       values are shown as declared → live; reverting this drift takes {estimate}\n")
}

/// Returns the number of differences of each kind, without terminal styles.
pub(super) fn counts(plan: &Plan) -> String {
    let Counts { head, kinds, sets, orphans } = Counts::of(plan);
    let kinds = if kinds.is_empty() { kinds } else { format!(" ({kinds})") };
    let sets = if sets.is_empty() { sets } else { format!(" · version sets: {sets}") };
    let orphans = if orphans.is_empty() { orphans } else { format!(" · {orphans}") };
    format!("{head}{kinds}{sets}{orphans}")
}

/// Returns the verdict on one environment, short enough for a table cell.
pub(super) fn cell(plan: &Plan) -> String {
    let orphans = match Figures::of(plan).orphans {
        0 => String::new(),
        orphans => format!(", {}", count(orphans, "orphan")),
    };
    if plan.is_empty() {
        return format!("no drift{orphans}");
    }
    let differing = Figures::of(plan).drifted;
    let verb = if differing == 1 { "differs" } else { "differ" };
    format!("drift: {differing} of {} {verb}{orphans}", plan.declared)
}

/// Returns true if the environment has no drift, no orphans and no warnings. A report on several environments has no
/// separate part for such an environment.
pub(super) fn is_clean(section: &Section<'_>) -> bool {
    section.outcome.is_ok_and(|planned| {
        let plan = planned.plan;
        plan.is_empty() && plan.orphans.is_empty() && plan.findings.is_empty()
    })
}

/// Renders the table that begins a report on several environments, for a terminal.
pub(super) fn table(sections: &[Section<'_>]) -> String {
    let mut out = format!("amigops drift · {}\n\n", count(sections.len(), "environment"));
    let names: Vec<String> = sections.iter().map(|section| visible(&section.origin.environment)).collect();
    let head = "environment";
    let columns = names.iter().map(|name| width(name)).chain([width(head)]).max().unwrap_or_default();
    let _ = writeln!(out, "  {}", styled(STRONG, &format!("{}  result", padded(head, columns))));
    for (section, name) in sections.iter().zip(&names) {
        let (style, result) = match section.outcome {
            Ok(planned) if planned.plan.is_empty() => (GOOD, cell(planned.plan)),
            Ok(planned) => (BAD, cell(planned.plan)),
            Err(_) => (BAD, "could not be compared".to_owned()),
        };
        let _ = writeln!(out, "  {}  {}", padded(name, columns), styled(style, &result));
    }
    out
}

/// The parts of a sentence that counts the differences. A part is an empty string if its count is 0.
struct Counts {
    head: String,
    kinds: String,
    sets: String,
    orphans: String,
}

impl Counts {
    fn of(plan: &Plan) -> Self {
        let summary = &plan.summary;
        let differing = Figures::of(plan).drifted;
        let verb = if differing == 1 { "differs" } else { "differ" };
        let declared = count(plan.declared, "declared service");
        let orphans = match summary.retire {
            0 => String::new(),
            orphans => format!("{} in no manifest", count(orphans, "orphan")),
        };
        Self {
            head: format!("{differing} of {declared} {verb} from the manifests"),
            kinds: counted(&[
                (summary.create, "missing"),
                (summary.update, "changed"),
                (summary.replace, "that only a new service can revert"),
            ]),
            sets: counted(&[
                (summary.version_sets_created, "missing"),
                (summary.version_sets_updated, "changed"),
                (summary.version_sets_deleted, "undeclared"),
            ]),
            orphans,
        }
    }
}

/// Joins the counts that are not 0, such as `1 missing, 2 changed`.
fn counted(parts: &[(usize, &str)]) -> String {
    let some = parts.iter().filter(|(number, _)| *number > 0);
    some.map(|(number, words)| format!("{number} {words}")).collect::<Vec<_>>().join(", ")
}
