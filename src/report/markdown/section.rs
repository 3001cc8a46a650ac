//! One environment's part of a report, in as much detail as fits. May import `plan` and `model`.

use std::fmt::Write as _;

use super::changes::{Diff, all, explained};
use super::escape::{code, fence, html, label, prose, short};
use super::fit::{fill, share};
use super::lists::{self, List};
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Action, Plan, ServiceKind, ServicePlan};
use crate::report::graph;
use crate::report::human::{are, estimate, live, steps};
use crate::report::text::count;
use crate::report::{Planned, Section};

/// Graphs of more steps than these are no help to a reader.
const MOST_STEPS: usize = 80;
/// GitHub draws no Mermaid graph of 500 edges,
const MOST_EDGES: usize = 400;
/// or of 50,000 characters.
const MOST_GRAPH: usize = 40_000;
/// The most findings and the most services apart from the plan that are listed.
const MOST_ASIDE: usize = 20;
/// The most lines of one service's changes: more than any report has room for.
const MOST_LINES: usize = 4_000;
/// The most paths that a service's line names.
const MOST_PATHS: usize = 4;
/// Room for the sentence on what is not listed.
const LOUD: usize = 400;

/// How much a part of a report says of what changes. What must be seen is in all of them, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Each service's changes, with lines of so many characters, and so many of them.
    Diffs { width: usize, lines: usize, graph: bool },
    /// A line a service.
    Lines,
    /// Services by name, as far as they fit.
    Counts,
}

/// Less and less.
const LEVELS: [Level; 7] = [
    Level::Diffs { width: 2_000, lines: MOST_LINES, graph: true },
    Level::Diffs { width: 2_000, lines: MOST_LINES, graph: false },
    Level::Diffs { width: 300, lines: 60, graph: true },
    Level::Diffs { width: 300, lines: 60, graph: false },
    Level::Diffs { width: 160, lines: 10, graph: false },
    Level::Lines,
    Level::Counts,
];

/// A part of a report, and how much of what must be seen it does not name.
#[derive(Default)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) unlisted: usize,
}

/// An environment's part of a report, in no more room than this, if that is possible at all.
pub(super) fn render(command: &str, section: &Section<'_>, room: usize) -> Part {
    let head = heading(command, section);
    let planned = match section.outcome {
        Ok(planned) => planned,
        Err(reason) => return Part { text: head + &failed(reason, room), unlisted: 0 },
    };
    let mut page =
        Page { section, planned, lists: lists::of(planned.plan), room, text: head, shortened: false };
    page.introduce();
    let start = page.text.len();
    for level in LEVELS {
        if page.body(level).is_some() {
            return Part { text: page.text, unlisted: 0 };
        }
        page.text.truncate(start);
    }
    page.names()
}

fn heading(command: &str, section: &Section<'_>) -> String {
    format!("## amigops {command} · {}\n\n", label(&section.origin.environment))
}

/// Why there is no plan.
fn failed(reason: &str, room: usize) -> String {
    let mut lines: Vec<String> = reason.lines().map(|line| short(line, 1_000)).collect();
    let all = lines.len();
    let mut left = room.saturating_sub(1_000);
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
        lines.push(format!("({} left out here)", count(all - kept, "more line")));
    }
    format!("> [!CAUTION]\n> **No plan can be made.**\n\n{}", fence("text", &lines))
}

/// A part that is being written.
struct Page<'a> {
    section: &'a Section<'a>,
    planned: Planned<'a>,
    lists: [List; 3],
    room: usize,
    text: String,
    shortened: bool,
}

impl<'a> Page<'a> {
    fn plan(&self) -> &'a Plan {
        self.planned.plan
    }

    /// What is said of every plan: where, how much, how long.
    fn introduce(&mut self) {
        let (plan, origin) = (self.plan(), self.section.origin);
        let _ = writeln!(
            self.text,
            "{} · {} {} · {}, {} declared\n",
            origin.api.as_str(),
            origin.api.home_noun(),
            label(&origin.organization),
            live(plan),
            plan.declared
        );
        if plan.is_empty() {
            let _ = writeln!(self.text, "**Nothing to do:** {} as declared.\n", are(plan.summary.unchanged));
            return;
        }
        let sum = &plan.summary;
        let row = [
            sum.create,
            sum.update,
            sum.replace,
            sum.retire,
            sum.adopt,
            sum.version_sets_created + sum.version_sets_updated,
            sum.version_sets_deleted,
            sum.unchanged,
        ];
        let _ = writeln!(
            self.text,
            "| create | change | replace | retire | adopt | version sets written | version sets deleted | unchanged |\n\
             |--:|--:|--:|--:|--:|--:|--:|--:|\n| {} |\n\n{}\n",
            row.map(|number| number.to_string()).join(" | "),
            estimate(&plan.estimate, origin.api)
        );
    }

    /// Everything after the introduction; none where it doesn't fit.
    fn body(&mut self, level: Level) -> Option<()> {
        self.shortened = !matches!(level, Level::Diffs { lines: MOST_LINES, .. });
        self.text.push_str(&self.lists_text());
        self.aside();
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

    /// What must be seen, whole.
    fn lists_text(&self) -> String {
        let mut out = alarm(&self.lists, 0);
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

    /// Findings, orphans, and what is nobody's business here.
    fn aside(&mut self) {
        let plan = self.plan();
        if !plan.findings.is_empty() {
            let _ = writeln!(self.text, "### Warnings: {}\n", plan.findings.len());
            for finding in plan.findings.iter().take(MOST_ASIDE) {
                let name = code(finding.service.as_str());
                let _ = writeln!(self.text, "- {name}: {}", prose(&finding.message));
            }
            let hidden = plan.findings.len().saturating_sub(MOST_ASIDE);
            if hidden > 0 {
                let _ = writeln!(self.text, "- and {hidden} more: `amigops plan` shows them");
            }
            self.text.push('\n');
        }
        if !plan.orphans.is_empty() {
            let orphans = count(plan.orphans.len(), "orphan");
            let names = some(&plan.orphans);
            let _ = writeln!(
                self.text,
                "**{orphans}** (owned, in no manifest): {names}. Retire with `--prune`.\n"
            );
        }
        if !plan.unmanaged.is_empty() {
            let services = count(plan.unmanaged.len(), "live service");
            let _ = writeln!(self.text, "{services} not managed here: {}.\n", some(&plan.unmanaged));
        }
    }

    /// One service's changes, folded.
    fn service(&mut self, shown: &ServicePlan, width: usize, lines: usize) {
        let diff = Diff::of(self.plan(), shown, width, lines);
        if diff.lines.is_empty() && shown.kind != ServiceKind::Replace {
            return;
        }
        let _ = writeln!(
            self.text,
            "<details><summary>{} {}</summary>\n",
            word(shown.kind),
            html(shown.name.as_str())
        );
        if !diff.lines.is_empty() {
            let _ = writeln!(self.text, "{}", fence("diff", &diff.lines));
        }
        if shown.kind == ServiceKind::Replace {
            let mut steps = explained(self.plan(), shown);
            let hidden = steps.len().saturating_sub(lines);
            if hidden > 0 {
                steps.truncate(lines);
                steps.push(format!("\n{} left out here.", count(hidden, "more step")));
            }
            let _ = writeln!(self.text, "{}\n", steps.join("\n"));
        }
        self.text.push_str("</details>\n\n");
    }

    /// One line a service, folded together.
    fn lines(&mut self) {
        let plan = self.plan();
        let services = count(plan.services.len(), "service");
        let _ = writeln!(self.text, "<details><summary>What changes: {services}, in a line each</summary>\n");
        for shown in &plan.services {
            let _ = writeln!(
                self.text,
                "- {} {}{}",
                word(shown.kind),
                code(shown.name.as_str()),
                paths(plan, shown)
            );
            if self.text.len() > self.room {
                return;
            }
        }
        self.text.push_str("\n</details>\n\n");
    }

    /// Services that are created or changed by name, as far as they fit; none where not even numbers do.
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
                format!(" and {hidden} more, see the full plan (`amigops plan`)")
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
        let kinds = [("Created", of(ServiceKind::Create)), ("Changed", of(ServiceKind::Update))];
        kinds.into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }

    /// Names alone, of what must be seen above all; how many have no room is said first.
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
            let more = if hidden == 0 {
                String::new()
            } else {
                format!(" **and {hidden} more that are not listed here**")
            };
            let _ = writeln!(body, "### {}: {}\n\n{text}{more}\n", list.title, list.items.len());
            unlisted += hidden;
        }
        for (title, names) in kinds {
            let _ = writeln!(body, "**{title}: {}**, see the full plan (`amigops plan`)\n", names.len());
        }
        let aside = self.plan().findings.len() + self.plan().orphans.len();
        if aside > 0 {
            let _ = writeln!(body, "{} and orphans are not listed here.\n", count(aside, "warning"));
        }
        let loud = alarm(&self.lists, unlisted);
        self.text.push_str(&loud);
        self.text.push_str(&body);
        self.text.push_str(&foot);
        Part { text: self.text, unlisted }
    }

    /// The order of the steps, or where to see it.
    fn graph(&mut self, wanted: bool) {
        let plan = self.plan();
        let steps = plan.steps.len();
        if steps < 2 {
            return;
        }
        if wanted && steps <= MOST_STEPS {
            let mermaid = graph::mermaid(plan);
            if mermaid.matches(" --> ").count() <= MOST_EDGES && mermaid.len() <= MOST_GRAPH {
                let lines: Vec<String> = mermaid.lines().map(str::to_owned).collect();
                let _ = writeln!(
                    self.text,
                    "<details><summary>The order of the {steps} steps</summary>\n\n{}\n</details>\n",
                    fence("mermaid", &lines)
                );
                return;
            }
        }
        let _ = writeln!(
            self.text,
            "The graph of the {steps} steps is left out here: `amigops graph` prints it.\n"
        );
    }

    /// What would be applied.
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
        if !self.planned.fingerprint.is_empty() && !self.plan().is_empty() {
            parts.push(format!("plan {}", short(self.planned.fingerprint)));
        }
        if self.shortened {
            self.text.push_str("Shortened to fit a comment: `amigops plan` shows everything.\n\n");
        }
        if !parts.is_empty() {
            let _ = writeln!(self.text, "---\n\n{}\n", parts.join(" · "));
        }
    }
}

/// The first thing to see where there is something that must be seen.
fn alarm(lists: &[List], unlisted: usize) -> String {
    let some = lists.iter().filter(|list| !list.items.is_empty());
    let parts: Vec<String> = some.map(|list| count(list.items.len(), list.noun)).collect();
    if parts.is_empty() {
        return String::new();
    }
    let mut out = format!("> [!CAUTION]\n> **{}**\n", parts.join(", "));
    if unlisted > 0 {
        let _ = writeln!(
            out,
            "> **{unlisted} of them are not listed here, because a comment has no room for them. Read the full plan \
             (`amigops plan`) before this is approved.**"
        );
    }
    out.push('\n');
    out
}

fn word(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Create => "create",
        ServiceKind::Update => "change",
        ServiceKind::Replace => "replace",
        ServiceKind::Retire => "retire",
    }
}

/// What changes about a service, in a few words.
fn paths(plan: &Plan, shown: &ServicePlan) -> String {
    let mut paths: Vec<&str> = all(plan, shown).map(|change| change.path.as_str()).collect();
    if shown.kind == ServiceKind::Create {
        paths.clear();
    }
    let sets =
        steps(plan, shown).filter(|step| matches!(step.action, Action::DeleteVersionSet { .. })).count();
    let mut words: Vec<String> = paths.iter().take(MOST_PATHS).map(|path| code(path)).collect();
    if paths.len() > MOST_PATHS {
        words.push(format!("{} more", paths.len() - MOST_PATHS));
    }
    if sets > 0 {
        words.push(format!("{} deleted", count(sets, "version set")));
    }
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

/// Some names, and how many more there are.
fn some(services: &[(ServiceName, ServiceId)]) -> String {
    let mut names: Vec<String> =
        services.iter().take(MOST_ASIDE).map(|(name, _)| code(name.as_str())).collect();
    if services.len() > MOST_ASIDE {
        names.push(format!("and {} more", services.len() - MOST_ASIDE));
    }
    names.join(", ")
}
