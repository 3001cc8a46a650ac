//! Renders a plan as Markdown, for a comment on a pull request.
//!
//! GitHub limits comments to 65,536 characters. A report that is too long is not cut off. Instead, it shows harmless
//! changes in less detail (`section::Level`) and says that it does. Removals, replacements and conflicts come first and
//! are never in a block that must be unfolded. If there is no room for the names of all of them, the first line counts
//! the missing names.
//!
//! The limit is applied to bytes, because the number of bytes in UTF-8 is never less than the number of characters or
//! UTF-16 units. So the report fits, whichever unit a site counts.

mod around;
mod changes;
mod escape;
mod fit;
mod lists;
mod section;
pub mod summary;
mod words;

use std::cmp::Reverse;
use std::fmt::Write as _;

use self::escape::cell;
use self::section::Part;
use self::words::Words;
use super::direction::directed;
use super::{Mode, Section, drift};
use crate::plan::{Finding, Plan, Risk};

/// The maximum size of a report, in bytes. The remaining bytes up to 65,536 are left for the script that posts the
/// comment. For example, the script may add a marker with which it finds the comment again.
pub const MOST: usize = 64_000;
/// The number of bytes reserved for lines that count entries that are not shown.
const WARNING: usize = 400;
/// The maximum number of environments that are shown in detail, each in a part of the report.
const MOST_PARTS: usize = 20;
/// The maximum number of environments in the table of environments.
const MOST_ROWS: usize = 80;

/// Renders a report on one environment, or a report on several environments with a table of all of them.
pub fn render(mode: Mode, sections: &[Section<'_>]) -> String {
    directed(mode, sections, |sections| match sections {
        [one] => section::render(mode, one, MOST - WARNING).text,
        several => combined(mode, several),
    })
}

fn combined(mode: Mode, sections: &[Section<'_>]) -> String {
    let words = Words::of(mode);
    let table = overview(words, sections);
    let mut out = format!("# amigops {} · {} environments\n\n", mode.command(), sections.len());
    let room = MOST.saturating_sub(out.len() + table.len() + 2 * WARNING);
    let detailed: Vec<Section<'_>> =
        sections.iter().filter(|section| !(mode.is_drift() && drift::is_clean(section))).copied().collect();
    let parts = parts(mode, &choose_environments(&detailed, MOST_PARTS), room);
    let unlisted: usize = parts.iter().map(|part| part.unlisted).sum();
    if unlisted > 0 {
        let _ = writeln!(
            out,
            "> [!CAUTION]\n> **{unlisted} refusals, removals, replacements or conflicts are not listed here, because the comment \
             has no room. Run `{}` for each environment and read its output before you approve this.**\n",
            words.command
        );
    }
    out.push_str(&table);
    for part in &parts {
        let _ = writeln!(out, "\n{}", part.text.trim_end());
    }
    let hidden = detailed.len() - parts.len();
    if hidden > 0 {
        let _ = writeln!(
            out,
            "\n**{hidden} more environments are not shown here:** run `{}` for each of them.",
            words.command
        );
    }
    out
}

/// Returns a number that ranks environments by importance. Refused plans and plans with destructive steps rank highest,
/// and plans without changes rank lowest.
fn weight(section: &Section<'_>) -> u8 {
    match section.outcome {
        Err(_) => 2,
        Ok(planned) if planned.plan.is_empty() => 0,
        Ok(planned) if must_be_seen(planned.plan) => 3,
        Ok(_) => 1,
    }
}

fn must_be_seen(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.risk == Risk::Destructive)
        || plan.findings.iter().any(Finding::is_refusal)
}

/// Chooses up to `most` environments, the most important ones. Returns them in their original order.
fn choose_environments<'s, 'a>(sections: &'s [Section<'a>], most: usize) -> Vec<&'s Section<'a>> {
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|&at| Reverse(weight(&sections[at])));
    order.truncate(most);
    order.sort_unstable();
    order.into_iter().map(|at| &sections[at]).collect()
}

/// Renders a part for each environment. If the full parts don't fit together, each part is limited to its share of the
/// room.
fn parts(mode: Mode, sections: &[&Section<'_>], room: usize) -> Vec<Part> {
    let whole: Vec<Part> = sections.iter().map(|one| section::render(mode, one, room)).collect();
    let lengths: Vec<usize> = whole.iter().map(|part| part.text.len() + 2).collect();
    let shares = fit::share(room, &lengths).into_iter();
    let fitted = shares.zip(whole).zip(sections).map(|((share, part), one)| {
        if part.text.len() + 2 <= share { part } else { section::render(mode, one, share.saturating_sub(2)) }
    });
    fitted.collect()
}

/// Renders the table of environments, with one row of totals for each.
fn overview(words: &Words, sections: &[Section<'_>]) -> String {
    let heads = if words.is_drift() {
        ["missing", "changed", "to be replaced", "orphans", "version sets undeclared"]
    } else {
        ["create", "change", "replace", "retire", "version sets deleted"]
    };
    let mut out = format!("| environment | {} | |\n|---|--:|--:|--:|--:|--:|---|\n", heads.join(" | "));
    for section in choose_environments(sections, MOST_ROWS) {
        let name = cell(&section.origin.environment);
        let _ = match section.outcome {
            Err(_) => writeln!(out, "| {name} | | | | | | **{}** |", words.no_plan),
            Ok(planned) => {
                let sum = &planned.plan.summary;
                let orphans =
                    if words.is_drift() { sum.retire + planned.plan.orphans.len() } else { sum.retire };
                let word = match (words.is_drift(), planned.plan.is_empty()) {
                    (true, _) if planned.plan.has_drifted() => format!("**{}**", drift::cell(planned.plan)),
                    (true, _) => drift::cell(planned.plan),
                    (false, is_empty) => if is_empty { "nothing to do" } else { "" }.to_owned(),
                };
                writeln!(
                    out,
                    "| {name} | {} | {} | {} | {} | {} | {word} |",
                    sum.create, sum.update, sum.replace, orphans, sum.version_sets_deleted
                )
            }
        };
    }
    out
}

#[cfg(test)]
mod drift_tests;
#[cfg(test)]
pub(crate) mod hostile_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
mod summary_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
pub(crate) use self::{hostile_tests::poisoned, tests::everything};
