//! A plan as a comment on a pull request. May import `plan` and `model`.
//!
//! GitHub takes comments of 65,536 characters. A report stays below by saying less of what is harmless, in
//! steps (`section::Level`), each of which says what it leaves out; never by cutting. What removes, replaces
//! or overwrites stands before everything else and is never folded away; where there is so much of it that
//! not even the names fit, the first line says how many are missing.
//!
//! Bytes are counted: a text never has more characters, nor more UTF-16 units, than bytes in UTF-8, so that
//! the report fits whatever the reader's site counts.

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
use super::{Section, drift};
use crate::plan::{Plan, Risk};

/// The most bytes of a report. What is left of 65,536 is for those who post it: a mark by which they find the
/// comment again, a line of their own.
pub const MOST: usize = 64_000;
/// Room for the lines that say what is missing.
const WARNING: usize = 400;
/// The most environments that are shown in parts of their own.
const MOST_PARTS: usize = 20;
/// The most environments that the table lists.
const MOST_ROWS: usize = 80;

/// Renders a report of one environment, or of several with an overview of all.
pub fn render(command: &str, sections: &[Section<'_>]) -> String {
    match sections {
        [one] => section::render(command, one, MOST - WARNING).text,
        several => combined(command, several),
    }
}

fn combined(command: &str, sections: &[Section<'_>]) -> String {
    let words = Words::of(command);
    let table = overview(words, sections);
    let mut out = format!("# amigops {command} · {} environments\n\n", sections.len());
    let room = MOST.saturating_sub(out.len() + table.len() + 2 * WARNING);
    let parts = parts(command, &chosen(sections, MOST_PARTS), room);
    let unlisted: usize = parts.iter().map(|part| part.unlisted).sum();
    if unlisted > 0 {
        let _ = writeln!(
            out,
            "> [!CAUTION]\n> **{unlisted} refusals, removals, replacements or conflicts are not listed here, because a comment \
             has no room for them. Read what `{}` shows of each before this is approved.**\n",
            words.command
        );
    }
    out.push_str(&table);
    for part in &parts {
        let _ = writeln!(out, "\n{}", part.text.trim_end());
    }
    let hidden = sections.len() - parts.len();
    if hidden > 0 {
        let _ = writeln!(
            out,
            "\n**{hidden} more environments have no room here:** `{}` shows them one by one.",
            words.command
        );
    }
    out
}

/// How much an environment has to say: more for what removes or replaces, least where nothing is to do.
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
        || plan.findings.iter().any(|finding| finding.refused().is_some())
}

/// So many environments, in their order: those with the most to say.
fn chosen<'s, 'a>(sections: &'s [Section<'a>], most: usize) -> Vec<&'s Section<'a>> {
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|&at| Reverse(weight(&sections[at])));
    order.truncate(most);
    order.sort_unstable();
    order.into_iter().map(|at| &sections[at]).collect()
}

/// The environments' parts: whole where they fit together, else each in its share of the room.
fn parts(command: &str, sections: &[&Section<'_>], room: usize) -> Vec<Part> {
    let whole: Vec<Part> = sections.iter().map(|one| section::render(command, one, room)).collect();
    let lengths: Vec<usize> = whole.iter().map(|part| part.text.len() + 2).collect();
    let shares = fit::share(room, &lengths).into_iter();
    let fitted = shares.zip(whole).zip(sections).map(|((share, part), one)| {
        if part.text.len() + 2 <= share {
            part
        } else {
            section::render(command, one, share.saturating_sub(2))
        }
    });
    fitted.collect()
}

/// A row an environment.
fn overview(words: &Words, sections: &[Section<'_>]) -> String {
    let heads = if words.is_drift {
        ["missing", "changed", "to be replaced", "orphans", "version sets undeclared"]
    } else {
        ["create", "change", "replace", "retire", "version sets deleted"]
    };
    let mut out = format!("| environment | {} | |\n|---|--:|--:|--:|--:|--:|---|\n", heads.join(" | "));
    for section in chosen(sections, MOST_ROWS) {
        let name = cell(&section.origin.environment);
        let _ = match section.outcome {
            Err(_) => writeln!(out, "| {name} | | | | | | **{}** |", words.no_plan),
            Ok(planned) => {
                let sum = &planned.plan.summary;
                let word = match (words.is_drift, planned.plan.is_empty()) {
                    (true, true) => drift::cell(planned.plan),
                    (true, false) => format!("**{}**", drift::cell(planned.plan)),
                    (false, is_empty) => if is_empty { "nothing to do" } else { "" }.to_owned(),
                };
                writeln!(
                    out,
                    "| {name} | {} | {} | {} | {} | {} | {word} |",
                    sum.create, sum.update, sum.replace, sum.retire, sum.version_sets_deleted
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
