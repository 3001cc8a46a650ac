//! Renders the part of a report for one environment, with as much detail as fits.

use std::fmt::Write as _;

use super::around::{failed, heading, introduction, render_notes};
use super::changes::{Diff, Shown, all, explained};
use super::escape::{code, fence, html, label};
use super::fit::{fill, share};
use super::lists::{self, List};
use super::words::Words;
use crate::plan::{Action, Plan, ServiceKind, ServicePlan, Step};
use crate::report::graph;
use crate::report::text::count;
use crate::report::{Mode, Planned, Section};

/// The maximum number of steps in a graph. A larger graph would be unreadable.
const MOST_STEPS: usize = 80;
/// The maximum number of edges in a graph. GitHub does not render a Mermaid graph with 500 edges or more.
const MOST_EDGES: usize = 400;
/// The maximum size of a graph, in bytes. GitHub does not render a graph with 50,000 characters or more.
const MOST_GRAPH: usize = 40_000;
/// The maximum number of lines for the changes of one service. No report has room for more.
const MOST_LINES: usize = 4_000;
/// The maximum number of changed values whose paths are named in the line about a service.
const MOST_PATHS: usize = 4;
/// The number of bytes reserved for the sentence that counts the entries that are not listed.
const LOUD: usize = 400;

/// The amount of detail in which changes are shown. Refusals, removals, replacements and conflicts are listed in full
/// at every level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Shows the changes of each service, limited in width and number of lines.
    Diffs { width: usize, lines: usize, graph: bool },
    /// Shows one line for each service.
    Lines,
    /// Shows only the number of services, and as many of their names as fit.
    Counts,
}

/// All levels of detail. Rendering tries them in this order, from the most to the least detail.
const LEVELS: [Level; 7] = [
    Level::Diffs { width: 2_000, lines: MOST_LINES, graph: true },
    Level::Diffs { width: 2_000, lines: MOST_LINES, graph: false },
    Level::Diffs { width: 300, lines: 60, graph: true },
    Level::Diffs { width: 300, lines: 60, graph: false },
    Level::Diffs { width: 160, lines: 10, graph: false },
    Level::Lines,
    Level::Counts,
];

/// The text of a part of a report, and the number of refusals, removals, replacements and conflicts that it does not
/// list.
#[derive(Default)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) unlisted: usize,
}

/// Renders the part of a report for one environment. If possible, the part has at most `room` bytes.
pub(super) fn render(mode: Mode, section: &Section<'_>, room: usize) -> Part {
    let words = Words::of(mode);
    let mut text = heading(mode, section);
    let planned = match section.outcome {
        Ok(planned) => planned,
        Err(reason) => return Part { text: text + &failed(words, reason, room), unlisted: 0 },
    };
    text.push_str(&introduction(words, planned.plan, section.origin));
    let lists = lists::of(words, planned.plan);
    let mut page = Page { section, planned, words, lists, room, text, shortened: false };
    let start = page.text.len();
    for level in LEVELS {
        if page.body(level).is_some() {
            return Part { text: page.text, unlisted: 0 };
        }
        page.text.truncate(start);
    }
    page.names()
}

/// Builds the part of a report for one environment.
struct Page<'a> {
    section: &'a Section<'a>,
    planned: Planned<'a>,
    words: &'static Words,
    lists: [List; 4],
    room: usize,
    text: String,
    shortened: bool,
}

impl<'a> Page<'a> {
    fn plan(&self) -> &'a Plan {
        self.planned.plan
    }

    /// Writes everything after the introduction at this level of detail. Returns `None` if the text becomes longer than
    /// `room` bytes.
    fn body(&mut self, level: Level) -> Option<()> {
        self.shortened = !matches!(level, Level::Diffs { lines: MOST_LINES, .. });
        self.text.push_str(&self.lists_text());
        self.text.push_str(&render_notes(self.words, self.plan()));
        self.fits()?;
        match level {
            Level::Diffs { width, lines, graph } => {
                for shown in &self.plan().services {
                    self.service(shown, width, lines);
                    self.fits()?;
                }
                self.graph(graph);
            }
            Level::Lines => {
                self.lines();
                self.graph(false);
            }
            Level::Counts => self.counts()?,
        }
        self.foot();
        self.fits()
    }

    fn fits(&self) -> Option<()> {
        (self.text.len() <= self.room).then_some(())
    }

    /// Renders the lists of refusals, removals, replacements and conflicts in full. Stops as soon as the text is longer
    /// than `room` bytes, because the caller then discards it.
    fn lists_text(&self) -> String {
        let mut out = caution(self.words, &self.lists, 0);
        for list in self.lists.iter().filter(|list| !list.items.is_empty()) {
            let _ = writeln!(out, "### {}: {}\n", list.title, list.items.len());
            if !list.meaning.is_empty() {
                let _ = writeln!(out, "{}\n", list.meaning);
            }
            for item in &list.items {
                let _ = writeln!(out, "- {}", item.sentence);
                if out.len() > self.room {
                    return out;
                }
            }
            out.push('\n');
        }
        out
    }

    /// Writes the changes of a service in a block that the reader can unfold.
    fn service(&mut self, shown: &ServicePlan, width: usize, lines: usize) {
        let in_plan = Shown { plan: self.plan(), api: self.section.origin.api, service: shown };
        let diff = Diff::of(self.words, in_plan, width, lines);
        // A drift report has no steps.
        let by_steps = shown.kind == ServiceKind::Replace && !self.words.is_drift();
        if diff.lines.is_empty() && !by_steps {
            return;
        }
        let _ = writeln!(
            self.text,
            "<details><summary>{} {}</summary>\n",
            self.words.kind(shown.kind),
            html(shown.name.as_str())
        );
        if !diff.lines.is_empty() {
            let _ = writeln!(self.text, "{}", fence("diff", &diff.lines));
        }
        if by_steps {
            let mut steps = explained(self.plan(), shown);
            let hidden = steps.len().saturating_sub(lines);
            if hidden > 0 {
                steps.truncate(lines);
                steps.push(format!("\n{} not shown.", count(hidden, "more step")));
            }
            let _ = writeln!(self.text, "{}\n", steps.join("\n"));
        }
        self.text.push_str("</details>\n\n");
    }

    /// Writes one line for each service, in a block that the reader can unfold.
    fn lines(&mut self) {
        let plan = self.plan();
        let services = count(plan.services.len(), "service");
        let _ = writeln!(
            self.text,
            "<details><summary>{}: {services}, one per line</summary>\n",
            self.words.changes
        );
        for shown in &plan.services {
            let _ = writeln!(
                self.text,
                "- {} {}{}",
                self.words.kind(shown.kind),
                code(shown.name.as_str()),
                paths(plan, shown)
            );
            if self.text.len() > self.room {
                return;
            }
        }
        self.text.push_str("\n</details>\n\n");
    }

    /// Writes the number of created and of changed services, and as many of their names as fit. Returns `None` if there
    /// is no room even for the numbers.
    fn counts(&mut self) -> Option<()> {
        let foot = {
            let start = self.text.len();
            self.foot();
            self.text.split_off(start)
        };
        let kinds = self.harmless();
        let room = self.room.checked_sub(self.text.len() + foot.len() + kinds.len() * 160)?;
        let lengths: Vec<usize> =
            kinds.iter().map(|(_, names)| names.iter().map(|name| name.len() + 2).sum()).collect();
        for ((title, names), room) in kinds.iter().zip(share(room, &lengths)) {
            let (text, hidden) = fill(names.iter(), ", ", room);
            let more = if hidden == 0 {
                String::new()
            } else {
                format!(" and {hidden} more, see `{}`", self.words.command)
            };
            let _ = writeln!(self.text, "**{title}: {}**\n\n{text}{more}\n", names.len());
        }
        Some(())
    }

    fn harmless(&self) -> Vec<(&'static str, Vec<String>)> {
        let of = |kind| -> Vec<String> {
            let services = self.plan().services.iter().filter(|shown| shown.kind == kind);
            services.map(|shown| code(shown.name.as_str())).collect()
        };
        let kinds = [(self.words.created, of(ServiceKind::Create)), ("Changed", of(ServiceKind::Update))];
        kinds.into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }

    /// Writes the part with names only. It is used if no level of detail fits. Refusals, removals, replacements and
    /// conflicts come first, and the warning at the top counts the entries that are not listed.
    fn names(mut self) -> Part {
        self.shortened = true;
        let foot = {
            let start = self.text.len();
            self.foot();
            self.text.split_off(start)
        };
        let kinds = self.harmless();
        let lists: Vec<&List> = self.lists.iter().filter(|list| !list.items.is_empty()).collect();
        let frame: usize = lists.iter().map(|list| list.title.len() + 60).sum::<usize>() + kinds.len() * 80;
        let room = self.room.saturating_sub(self.text.len() + foot.len() + LOUD + frame);
        let lengths: Vec<usize> =
            lists.iter().map(|list| list.items.iter().map(|item| item.names.len() + 2).sum()).collect();
        let (mut unlisted, mut body) = (0, String::new());
        for (list, room) in lists.iter().zip(share(room, &lengths)) {
            let (text, hidden) = fill(list.items.iter().map(|item| &item.names), ", ", room);
            let more =
                if hidden == 0 { String::new() } else { format!(" **and {hidden} more not listed here**") };
            let _ = writeln!(body, "### {}: {}\n\n{text}{more}\n", list.title, list.items.len());
            unlisted += hidden;
        }
        for (title, names) in kinds {
            let _ = writeln!(body, "**{title}: {}**, see `{}`\n", names.len(), self.words.command);
        }
        let warnings = self.plan().findings.iter().filter(|finding| !finding.is_refusal()).count();
        let aside = warnings + self.plan().orphans.len();
        if aside > 0 {
            let _ = writeln!(body, "{} and orphans are not listed here.\n", count(aside, "warning"));
        }
        let loud = caution(self.words, &self.lists, unlisted);
        self.text.push_str(&loud);
        self.text.push_str(&body);
        self.text.push_str(&foot);
        Part { text: self.text, unlisted }
    }

    /// Writes the graph of the steps. If the graph is not `wanted` or is too large, writes the command that shows it
    /// instead. Writes nothing in a drift report, or if there are fewer than two steps.
    fn graph(&mut self, wanted: bool) {
        let plan = self.plan();
        let steps = plan.steps.len();
        if steps < 2 || self.words.is_drift() {
            return;
        }
        if wanted && steps <= MOST_STEPS {
            let mermaid = graph::mermaid(plan);
            if mermaid.matches(" --> ").count() <= MOST_EDGES && mermaid.len() <= MOST_GRAPH {
                let lines: Vec<String> = mermaid.lines().map(str::to_owned).collect();
                let _ = writeln!(
                    self.text,
                    "<details><summary>Order of the {steps} steps</summary>\n\n{}\n</details>\n",
                    fence("mermaid", &lines)
                );
                return;
            }
        }
        let _ =
            writeln!(self.text, "The graph of the {steps} steps is not shown here: run `amigops graph`.\n");
    }

    /// Writes the last lines of the part: the commit, the base, and the plan's fingerprint.
    fn foot(&mut self) {
        let origin = self.section.origin;
        let short = |text: &str| code(&text.chars().take(12).collect::<String>());
        let mut parts = Vec::new();
        if let Some(commit) = &origin.commit {
            let changed = if commit.ends_with('+') { " with uncommitted changes" } else { "" };
            parts.push(format!("commit {}{changed}", short(commit.trim_end_matches('+'))));
        }
        if let Some(base) = &origin.base {
            parts.push(format!("base {} ({})", label(&base.reference), short(&base.commit)));
        }
        if !self.planned.fingerprint.is_empty() && !self.plan().is_empty() && !self.words.is_drift() {
            parts.push(format!("plan {}", short(self.planned.fingerprint)));
        }
        if self.shortened {
            let command = self.words.command;
            let _ = writeln!(self.text, "Shortened to fit a comment: run `{command}` to see everything.\n");
        }
        if !parts.is_empty() {
            let _ = writeln!(self.text, "---\n\n{}\n", parts.join(" · "));
        }
    }
}

/// Renders the warning that counts refusals, removals, replacements and conflicts. `unlisted` is the number of these
/// entries that the report does not list. Returns an empty string if there are no entries.
fn caution(words: &Words, lists: &[List], unlisted: usize) -> String {
    let some = lists.iter().filter(|list| !list.items.is_empty());
    let parts: Vec<String> = some.map(|list| count(list.items.len(), list.noun)).collect();
    if parts.is_empty() {
        return String::new();
    }
    let mut out = format!("> [!CAUTION]\n> **{}{}**\n", words.alarm, parts.join(", "));
    if unlisted > 0 {
        let _ = writeln!(
            out,
            "> **{unlisted} of them are not listed here, because the comment has no room. Run `{}` and read \
             its output before you approve this.**",
            words.command
        );
    }
    out.push('\n');
    out
}

/// Returns the end of the line about a service: the paths of its first changed values, and the number of deleted
/// version sets.
fn paths(plan: &Plan, shown: &ServicePlan) -> String {
    let mut paths: Vec<String> = all(plan, shown).map(|change| change.path.to_string()).collect();
    if shown.kind == ServiceKind::Create {
        paths.clear();
    }
    let is_deletion = |step: &&Step| matches!(step.action, Action::DeleteVersionSet { .. });
    let sets = plan.steps_of(shown).filter(is_deletion).count();
    let mut words: Vec<String> = paths.iter().take(MOST_PATHS).map(|path| code(path)).collect();
    if paths.len() > MOST_PATHS {
        words.push(format!("{} more", paths.len() - MOST_PATHS));
    }
    if sets > 0 {
        words.push(format!("{} deleted", count(sets, "version set")));
    }
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}
