//! The parts of a drift report that are worded differently from a plan's report.
//!
//! A drift report is rendered from the plan that would revert the drift. It describes the current state, so it must not
//! announce changes.

use std::fmt::Write as _;

use anstyle::Style;

use super::Section;
use super::metrics::Figures;
use super::text::{BAD, CHANGED, GOOD, STRONG, count, padded, styled, visible, width};
use crate::plan::{Deviation, Plan, ServiceKind};

/// Returns the verdict: "no drift", or the numbers of services that have drifted and that are pending.
pub(super) fn verdict(plan: &Plan) -> String {
    let Differences { drifted, pending } = Differences::of(plan);
    let pending = match pending.services() + pending.orphans {
        0 => String::new(),
        pending => format!(", {pending} pending"),
    };
    if !plan.has_drifted() {
        return styled(good_if_empty(plan), &format!("no drift{pending}"));
    }
    let mut parts = Vec::new();
    let differing = drifted.services();
    if differing > 0 || drifted.orphans == 0 {
        parts.push(format!("{differing} differ{}", if differing == 1 { "s" } else { "" }));
    }
    if drifted.orphans > 0 {
        parts.push(count(drifted.orphans, "orphan"));
    }
    styled(BAD, &format!("drift: {}{pending}", parts.join(", ")))
}

fn good_if_empty(plan: &Plan) -> Style {
    if plan.is_empty() { GOOD } else { CHANGED }
}

/// Returns the message for an environment without differences.
pub(super) fn nothing(plan: &Plan) -> String {
    let number = plan.summary.unchanged;
    let is = if number == 1 { "is" } else { "are" };
    format!("{}: {} {is} as declared.", styled(GOOD, "No drift"), count(number, "service"))
}

/// Returns the number of differences of each kind, and the cost of an apply that removes them, with terminal styles.
pub(super) fn summary(plan: &Plan, estimate: &str) -> String {
    let mut out = String::new();
    for count in counts(plan) {
        let Count { title, head, kinds, .. } = &count;
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", styled(CHANGED, kinds)) };
        let _ = writeln!(out, "{} {head}{kinds}{}", styled(STRONG, &format!("{title}:")), count.more_text());
    }
    let what = if plan.has_pending() { "an apply" } else { "reverting this drift" };
    let _ = writeln!(out, "       values are shown as declared → live; {what} takes {estimate}");
    out
}

/// The sentence that counts the services that have drifted, or those that are pending.
pub(super) struct Count {
    /// The first words of the sentence, such as `Drift`.
    pub(super) title: &'static str,
    head: String,
    /// The number of services by kind of difference. Empty if there are none.
    kinds: String,
    /// The numbers of version sets and of orphans.
    more: Vec<String>,
}

/// The words of a sentence that counts services.
struct CountWords {
    title: &'static str,
    one: &'static str,
    several: &'static str,
    replaced: &'static str,
    orphans: &'static str,
}

const DRIFT: CountWords = CountWords {
    title: "Drift",
    one: "differs from the manifests",
    several: "differ from the manifests",
    replaced: "that only a new service can revert",
    orphans: "in no manifest",
};
/// The words for drift if there are also pending services, which differ from the manifests as well.
const DRIFT_BESIDE_PENDING: CountWords = CountWords { one: "has drifted", several: "have drifted", ..DRIFT };
const PENDING: CountWords = CountWords {
    title: "Pending",
    one: "is not applied yet",
    several: "are not applied yet",
    replaced: "to be replaced",
    orphans: "not retired yet",
};
const ONLY_PENDING: CountWords = CountWords { title: "No drift, but pending", ..PENDING };

impl Count {
    fn new(words: &CountWords, group: Group, declared: usize) -> Self {
        let number = group.services();
        let verb = if number == 1 { words.one } else { words.several };
        let kinds =
            [(group.missing, "missing"), (group.changed, "changed"), (group.replaced, words.replaced)];
        let orphans =
            (group.orphans > 0).then(|| format!("{} {}", count(group.orphans, "orphan"), words.orphans));
        Self {
            title: words.title,
            head: format!("{number} of {} {verb}", count(declared, "declared service")),
            kinds: counted(&kinds),
            more: orphans.into_iter().collect(),
        }
    }

    /// Returns the sentence without its title, and without terminal styles.
    pub(super) fn text(&self) -> String {
        let kinds = if self.kinds.is_empty() { String::new() } else { format!(" ({})", self.kinds) };
        format!("{}{kinds}{}", self.head, self.more_text())
    }

    fn more_text(&self) -> String {
        self.more.iter().map(|more| format!(" · {more}")).collect()
    }
}

/// Returns the sentence that counts the services that have drifted, and the sentence that counts the pending ones. Leaves
/// out a sentence that would count nothing.
pub(super) fn counts(plan: &Plan) -> Vec<Count> {
    let Differences { drifted, pending } = Differences::of(plan);
    let (has_drifted, has_pending) = (plan.has_drifted(), plan.has_pending());
    let mut counts = Vec::new();
    if has_drifted {
        let words = if has_pending { &DRIFT_BESIDE_PENDING } else { &DRIFT };
        counts.push(Count::new(words, drifted, plan.declared));
    }
    if has_pending {
        let words = if has_drifted { &PENDING } else { &ONLY_PENDING };
        counts.push(Count::new(words, pending, plan.declared));
    }
    let sets = counted(&[
        (plan.summary.version_sets_created, "missing"),
        (plan.summary.version_sets_updated, "changed"),
        (plan.summary.version_sets_deleted, "undeclared"),
    ]);
    if let Some(last) = counts.last_mut().filter(|_| !sets.is_empty()) {
        let which = if has_drifted && has_pending { "version sets of all services" } else { "version sets" };
        last.more.insert(0, format!("{which}: {sets}"));
    }
    counts
}

/// Returns the verdict on one environment, short enough for a table cell.
pub(super) fn cell(plan: &Plan) -> String {
    let Figures { drifted, orphans, .. } = Figures::of(plan);
    let Differences { pending, .. } = Differences::of(plan);
    let mut parts = Vec::new();
    if plan.has_drifted() {
        let verb = if drifted == 1 { "differs" } else { "differ" };
        parts.push(format!("drift: {drifted} of {} {verb}", plan.declared));
    } else {
        parts.push("no drift".to_owned());
    }
    if plan.has_pending() {
        parts.push(format!("{} pending", pending.services() + pending.orphans));
    }
    if orphans > 0 {
        parts.push(count(orphans, "orphan"));
    }
    parts.join(", ")
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
            Ok(planned) if planned.plan.has_drifted() => (BAD, cell(planned.plan)),
            Ok(planned) => (good_if_empty(planned.plan), cell(planned.plan)),
            Err(_) => (BAD, "could not be compared".to_owned()),
        };
        let _ = writeln!(out, "  {}  {}", padded(name, columns), styled(style, &result));
    }
    out
}

/// The numbers of services that have drifted, and of services that are pending. A service with a conflict is in both.
#[derive(Default)]
struct Differences {
    drifted: Group,
    pending: Group,
}

/// The numbers of services by kind of difference.
#[derive(Clone, Copy, Default)]
struct Group {
    missing: usize,
    changed: usize,
    replaced: usize,
    orphans: usize,
}

impl Differences {
    fn of(plan: &Plan) -> Self {
        let mut differences = Self::default();
        for service in &plan.services {
            let Deviation { drifted, pending } = Deviation::of(plan, service);
            let groups = [(drifted, &mut differences.drifted), (pending, &mut differences.pending)];
            for (_, group) in groups.into_iter().filter(|(belongs, _)| *belongs) {
                *match service.kind {
                    ServiceKind::Create => &mut group.missing,
                    ServiceKind::Update => &mut group.changed,
                    ServiceKind::Replace => &mut group.replaced,
                    ServiceKind::Retire => &mut group.orphans,
                } += 1;
            }
        }
        differences
    }
}

impl Group {
    /// Returns the number of declared services.
    fn services(self) -> usize {
        self.missing + self.changed + self.replaced
    }
}

/// Joins the counts that are not 0, such as `1 missing, 2 changed`.
fn counted(parts: &[(usize, &str)]) -> String {
    let some = parts.iter().filter(|(number, _)| *number > 0);
    some.map(|(number, words)| format!("{number} {words}")).collect::<Vec<_>>().join(", ")
}
