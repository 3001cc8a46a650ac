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
    format!("{line}\n       live → as declared; an apply would change it back: {estimate}\n")
}

/// The same counts for reports without styles.
pub(super) fn counts(plan: &Plan) -> String {
    let Counts { head, kinds, sets, orphans } = Counts::of(plan);
    let kinds = if kinds.is_empty() { kinds } else { format!(" ({kinds})") };
    let sets = if sets.is_empty() { sets } else { format!(" · version sets: {sets}") };
    let orphans = if orphans.is_empty() { orphans } else { format!(" · {orphans}") };
    format!("{head}{kinds}{sets}{orphans}")
}

/// Whether there is drift, for a table: how many of how many.
pub(super) fn cell(plan: &Plan) -> String {
    if plan.is_empty() {
        return "no drift".to_owned();
    }
    let differing = Figures::of(plan).drifted;
    let verb = if differing == 1 { "differs" } else { "differ" };
    let orphans = match plan.summary.retire {
        0 => String::new(),
        orphans => format!(", {}", count(orphans, "orphan")),
    };
    format!("drift: {differing} of {} {verb}{orphans}", plan.declared)
}

/// What differs, in the parts of a sentence; empty where there is none.
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
                (summary.replace, "to be replaced to change back"),
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

/// `1 missing, 2 changed`, without what there is none of.
fn counted(parts: &[(usize, &str)]) -> String {
    let some = parts.iter().filter(|(number, _)| *number > 0);
    some.map(|(number, words)| format!("{number} {words}")).collect::<Vec<_>>().join(", ")
}
