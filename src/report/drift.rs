//! What the report of drift says in other words than a plan. May import `plan` only.
//!
//! The changes are a plan's: what would bring the live state back. Only where a plan speaks of what is to be
//! done, drift speaks of what is the case.

use super::metrics::Figures;
use super::text::{BAD, CHANGED, GOOD, STRONG, count, styled};
use crate::plan::Plan;

/// The command whose report this is about.
pub(super) const COMMAND: &str = "drift";

/// Whether there is drift, in a few words.
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

/// That all is well.
pub(super) fn nothing(plan: &Plan) -> String {
    let number = plan.summary.unchanged;
    let is = if number == 1 { "is" } else { "are" };
    format!("{}: {} {is} as declared.", styled(GOOD, "No drift"), count(number, "service"))
}

/// What differs, counted, and what it takes to change it back.
pub(super) fn summary(plan: &Plan, estimate: &str) -> String {
    let summary = &plan.summary;
    let differing = Figures::of(plan).drifted;
    let verb = if differing == 1 { "differs" } else { "differ" };
    let kinds = counted(&[
        (summary.create, "missing"),
        (summary.update, "changed"),
        (summary.replace, "to be replaced to change back"),
    ]);
    let mut line = format!(
        "{} {differing} of {} {verb} from the manifests",
        styled(STRONG, "Drift:"),
        count(plan.declared, "declared service"),
    );
    if !kinds.is_empty() {
        line.push_str(&format!(" ({})", styled(CHANGED, &kinds)));
    }
    let sets = counted(&[
        (summary.version_sets_created, "missing"),
        (summary.version_sets_updated, "changed"),
        (summary.version_sets_deleted, "undeclared"),
    ]);
    if !sets.is_empty() {
        line.push_str(&format!(" · version sets: {sets}"));
    }
    if summary.retire > 0 {
        let orphans = format!("{} in no manifest", count(summary.retire, "orphan"));
        line.push_str(&format!(" · {}", styled(BAD, &orphans)));
    }
    format!("{line}\n       live → as declared; an apply would change it back: {estimate}\n")
}

/// `1 missing, 2 changed`, without what there is none of.
fn counted(parts: &[(usize, &str)]) -> String {
    let some = parts.iter().filter(|(number, _)| *number > 0);
    some.map(|(number, words)| format!("{number} {words}")).collect::<Vec<_>>().join(", ")
}
