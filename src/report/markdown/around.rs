//! Renders the parts of a report above and below an environment's changes: introduction, warnings, orphans and
//! unmanaged services.

use std::fmt::Write as _;

use super::escape::{code, fence, label, prose, short};
use super::words::Words;
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Finding, Origin, Plan};
use crate::report::text::count;
use crate::report::totals::{estimate, live, services_are};
use crate::report::{Mode, Section, drift};

/// The maximum number of entries in each of the lists of warnings, orphans and unmanaged services.
const MOST_ASIDE: usize = 20;

/// Renders the heading of the part for one environment.
pub(super) fn heading(mode: Mode, section: &Section<'_>) -> String {
    format!("## amigops {} · {}\n\n", mode.command(), label(&section.origin.environment))
}

/// Renders the reason why an environment has no plan, shortened to fit into `room` bytes.
pub(super) fn failed(words: &Words, reason: &str, room: usize) -> String {
    let lines = limit_lines(reason, room.saturating_sub(1_000));
    let what =
        if words.is_drift() { "This environment could not be compared" } else { "No plan could be made" };
    format!("> [!CAUTION]\n> **{what}.**\n\n{}", fence("text", &lines))
}

/// Returns the first lines of `reason`, as many as fit into `room` bytes. If some don't fit, a final line counts them.
pub(super) fn limit_lines(reason: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = reason.lines().map(|line| short(line, 1_000)).collect();
    let all = lines.len();
    let mut left = room;
    let fits = |line: &String| {
        let fits = line.len() < left;
        left = left.saturating_sub(line.len() + 1);
        fits
    };
    let kept = lines
        .iter()
        .take_while({
            let mut fits = fits;
            move |line| fits(line)
        })
        .count();
    lines.truncate(kept);
    if kept < all {
        lines.push(format!("({} not shown)", count(all - kept, "more line")));
    }
    lines
}

/// Renders the introduction of the part for one environment: the organization, the totals and the cost.
pub(super) fn introduction(words: &Words, plan: &Plan, origin: &Origin) -> String {
    let mut out = format!(
        "{} · {} {} · {}, {} declared\n\n",
        origin.api.as_str(),
        origin.api.home_noun(),
        label(&origin.organization),
        live(plan),
        plan.declared
    );
    let cost = estimate(&plan.estimate, origin.api);
    let _ = match (plan.is_empty(), words.is_drift()) {
        (true, false) => {
            writeln!(out, "**Nothing to do:** {} as declared.\n", services_are(plan.summary.unchanged))
        }
        (true, true) => {
            writeln!(out, "**No drift:** {} as declared.\n", services_are(plan.summary.unchanged))
        }
        (false, false) => writeln!(out, "{}\n\n{cost}\n", table(plan)),
        (false, true) => {
            for count in drift::counts(plan) {
                let _ = writeln!(out, "**{}:** {}\n", count.title, count.text());
            }
            let what = if plan.has_pending() { "An apply" } else { "Reverting this drift" };
            writeln!(out, "Below, `-` is the declared value and `+` the live value. {what} takes {cost}.\n")
        }
    };
    out
}

/// Renders the totals of a plan as a table.
fn table(plan: &Plan) -> String {
    let sum = &plan.summary;
    let row = [
        sum.create,
        sum.update,
        sum.replace,
        sum.retire,
        sum.reactivate,
        sum.adopt,
        sum.version_sets_created + sum.version_sets_updated,
        sum.version_sets_deleted,
        sum.unchanged,
    ];
    format!(
        "| create | change | replace | retire | reactivate | adopt | version sets written | version sets deleted | \
         unchanged |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n| {} |",
        row.map(|number| number.to_string()).join(" | ")
    )
}

/// Renders warnings, orphans and unmanaged services. Refusals are not repeated here, because a list at the top shows
/// them.
pub(super) fn render_notes(words: &Words, plan: &Plan) -> String {
    let mut out = String::new();
    let findings: Vec<&Finding> = plan.findings.iter().filter(|finding| !finding.is_refusal()).collect();
    if !findings.is_empty() {
        let _ = writeln!(out, "### Warnings: {}\n", findings.len());
        for finding in findings.iter().take(MOST_ASIDE) {
            let name = code(finding.service.as_str());
            let _ = writeln!(out, "- {name}: {}", prose(&finding.message));
        }
        let hidden = findings.len().saturating_sub(MOST_ASIDE);
        if hidden > 0 {
            let _ = writeln!(out, "- and {hidden} more: run `{}` to see them", words.command);
        }
        out.push('\n');
    }
    if !plan.orphans.is_empty() {
        let (orphans, names) = (count(plan.orphans.len(), "orphan"), some(&plan.orphans));
        let _ = writeln!(out, "**{orphans}** (owned, but in no manifest): {names}. {}\n", words.orphans);
    }
    if !plan.unmanaged.is_empty() {
        let services = count(plan.unmanaged.len(), "live service");
        let _ = writeln!(out, "{services} not managed here: {}.\n", some(&plan.unmanaged));
    }
    out
}

/// Returns the names of the first services in a list, and the number of services that are not named.
fn some(services: &[(ServiceName, ServiceId)]) -> String {
    let mut names: Vec<String> =
        services.iter().take(MOST_ASIDE).map(|(name, _)| code(name.as_str())).collect();
    if services.len() > MOST_ASIDE {
        names.push(format!("and {} more", services.len() - MOST_ASIDE));
    }
    names.join(", ")
}
