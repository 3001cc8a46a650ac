//! One service's changes as the lines of a `diff` fence, and a replacement step by step. May import `plan` and
//! `model`.
//!
//! Each line begins with a mark of ours (`-`, `+`, `!`, `@@`, or a blank for lines around a change), so that no
//! value, however many lines it has, can pass for another.

use serde_json::{Map, Value};
use similar::ChangeTag;

use super::escape::{code, prose, short};
use crate::model::{Pin, Retire, VersionSet};
use crate::plan::{Action, Cause, Change, Plan, ServiceKind, ServicePlan, Step};
use crate::report::human::{set_of, steps};
use crate::report::text::count;
use crate::report::values::{is_long, leaves, line_changes, short_value};

/// The most characters of a path.
const PATH: usize = 200;
/// How many characters of what is equal stand before a difference in a long line.
const BEFORE: usize = 40;

/// Whose doing a change is, in words.
pub(super) fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Manifest => "manifest: the manifests have changed since the base",
        Cause::Drift => "drift: changed live since the base, past the manifests",
        Cause::Both => "both: the manifests and the live state have changed since the base, and differ",
        Cause::Behind => "behind: the base says what is live, and this branch would undo it",
    }
}

/// All changes of a service, wherever they are kept, each once.
pub(super) fn all<'a>(plan: &'a Plan, shown: &'a ServicePlan) -> impl Iterator<Item = &'a Change> {
    let replaces = shown.kind == ServiceKind::Replace;
    let own = shown.changes.iter().filter(move |change| !(replaces && change.path == "service"));
    let own = own.filter(move |change| replaces || set_of(&change.path).is_none());
    let sets = steps(plan, shown).filter(move |_| !replaces).flat_map(|step| &step.changes);
    own.chain(sets.filter(|change| set_of(&change.path).is_some()))
}

/// So many lines, none wider than so many characters.
pub(super) struct Diff {
    pub(super) lines: Vec<String>,
    most: usize,
    hidden: usize,
    width: usize,
    cause: Option<Cause>,
}

impl Diff {
    /// Everything that changes about a service, or as much of it as has room, and how much is left out.
    pub(super) fn of(plan: &Plan, shown: &ServicePlan, width: usize, most: usize) -> Self {
        let mut diff = Self { lines: Vec::new(), most, hidden: 0, width, cause: None };
        diff.remarks(plan, shown);
        if shown.kind == ServiceKind::Create {
            diff.created(plan, shown);
        }
        // What a new service's version sets hold is said with its creation.
        let changes = all(plan, shown).filter(|_| shown.kind != ServiceKind::Create);
        for change in changes {
            diff.change(change);
            let forces = matches!(change.path.as_str(), "agent" | "context_graph");
            if forces && shown.kind == ServiceKind::Replace {
                diff.push("!", &format!("another {} forces a new service", change.path));
            }
        }
        if diff.hidden > 0 {
            diff.lines.push(format!("! {} left out here", count(diff.hidden, "more line")));
        }
        diff
    }

    fn push(&mut self, mark: &str, text: &str) {
        if self.lines.len() >= self.most {
            self.hidden += 1;
            return;
        }
        let line = format!("{mark} {}", short(text, self.width));
        self.lines.push(line.trim_end().to_owned());
    }

    fn remarks(&mut self, plan: &Plan, shown: &ServicePlan) {
        if let Some(cause) = shown.cause {
            self.push("!", cause_words(cause));
        }
        if shown.adopted {
            self.push("!", "adopted: it has no owner yet, the ownership tag is set");
        }
        if shown.continued {
            self.push("!", "goes on with a replacement that an earlier run began");
        }
        for step in steps(plan, shown) {
            match &step.action {
                Action::SetAside { update, .. } => {
                    let name = update.name.as_ref().map_or("", |name| name.as_str());
                    self.push("!", &format!("in passing named {name}"));
                }
                Action::Discard { id, .. } => self.push("!", &format!("leftover {id} is renamed")),
                Action::DeleteVersionSet { name, .. } => {
                    self.push("-", &format!("version set {name} is deleted"));
                }
                Action::WriteVersionSet { name, creates: true, .. } if shown.kind == ServiceKind::Update => {
                    self.push("!", &format!("version set {name} is new"));
                }
                _ => {}
            }
        }
    }

    fn created(&mut self, plan: &Plan, shown: &ServicePlan) {
        if let Some((agent, graph)) = &shown.joins {
            self.push("+", &format!("agent: {agent}"));
            self.push("+", &format!("context_graph: {graph}"));
        }
        for step in steps(plan, shown) {
            match &step.action {
                Action::Create(new) => {
                    self.added("description", &Value::from(new.description.as_str()));
                    if !new.active {
                        self.push("+", "active: false");
                    }
                    let tags = new
                        .tags
                        .iter()
                        .map(|(tag, value)| (tag.clone(), Value::from(value.as_deref().unwrap_or(""))));
                    self.added("tags", &Value::Object(tags.collect::<Map<_, _>>()));
                    self.added("keyterms", &Value::from(new.keyterms.clone()));
                    for (name, set) in &new.version_sets {
                        self.push("+", &format!("version_sets.{name}: {}", pins(set)));
                    }
                    self.added_settings(&new.settings);
                }
                Action::WriteVersionSet { name, content, .. } => {
                    self.push("+", &format!("version_sets.{name}: {}", pins(content)));
                }
                _ => {}
            }
        }
    }

    fn added_settings(&mut self, settings: &Map<String, Value>) {
        for (name, value) in settings {
            self.added(name, value);
        }
    }

    fn added(&mut self, path: &str, value: &Value) {
        let empty = value.as_array().is_some_and(Vec::is_empty) || value.as_str().is_some_and(str::is_empty);
        if !empty {
            self.leaves(path, &Value::Null, value);
        }
    }

    fn change(&mut self, change: &Change) {
        if change.cause != self.cause {
            self.cause = change.cause;
            self.push("!", change.cause.map_or("no cause is known of what follows", cause_words));
        }
        self.leaves(&change.path, &change.before, &change.after);
    }

    fn leaves(&mut self, path: &str, before: &Value, after: &Value) {
        for mut leaf in leaves(path, before, after) {
            leaf.path = short(&leaf.path, PATH);
            match (leaf.before, leaf.after) {
                (Value::String(before), Value::String(after)) if is_long(before) || is_long(after) => {
                    self.text(&leaf.path, before, after);
                }
                (Value::Array(before), Value::Array(after)) => self.list(&leaf.path, before, after),
                (before, after) => {
                    self.value("-", &leaf.path, before);
                    self.value("+", &leaf.path, after);
                }
            }
        }
    }

    fn value(&mut self, mark: &str, path: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::String(text) if !text.is_empty() => {
                for line in text.lines() {
                    self.push(mark, &format!("{path}: {line}"));
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.push(mark, &format!("{path}: {}", short_value(item)));
                }
            }
            value => self.push(mark, &format!("{path}: {}", short_value(value))),
        }
    }

    /// A long text by the lines that change.
    fn text(&mut self, path: &str, before: &str, after: &str) {
        if !before.contains('\n') && !after.contains('\n') {
            let (before, after) = from_difference(before, after, self.width);
            self.push("-", &format!("{path}: {before}"));
            self.push("+", &format!("{path}: {after}"));
            return;
        }
        for group in line_changes(before, after) {
            self.push("@@", &format!("{} @@", path));
            for (tag, line) in group {
                let mark = match tag {
                    ChangeTag::Delete => "-",
                    ChangeTag::Insert => "+",
                    ChangeTag::Equal => " ",
                };
                self.push(mark, &line);
            }
        }
    }

    /// A list by what it gains and loses; whole, where only its order changes.
    fn list(&mut self, path: &str, before: &[Value], after: &[Value]) {
        let key = |item: &Value| item.to_string();
        let (old, new) = (
            before.iter().map(key).collect::<std::collections::BTreeSet<_>>(),
            after.iter().map(key).collect(),
        );
        let same = old == new;
        for (mark, items, other) in [("-", before, &new), ("+", after, &old)] {
            for item in items.iter().filter(|item| same || !other.contains(&key(item))) {
                self.push(mark, &format!("{path}: {}", short_value(item)));
            }
        }
    }
}

/// Two long lines from a little before where they differ.
fn from_difference(before: &str, after: &str, width: usize) -> (String, String) {
    let same = before.chars().zip(after.chars()).take_while(|(old, new)| old == new).count();
    let short = before.chars().count().max(after.chars().count()) <= width;
    if short || same <= 2 * BEFORE {
        return (before.to_owned(), after.to_owned());
    }
    let cut = |text: &str| {
        let rest: String = text.chars().skip(same - BEFORE).collect();
        format!("({} equal characters) …{rest}", same - BEFORE)
    };
    (cut(before), cut(after))
}

/// A new version set in a line.
fn pins(set: &VersionSet) -> String {
    let pin = |pin: Pin| if pin == Pin::Latest { "latest".to_owned() } else { pin.to_string() };
    let mut text =
        format!("agent {}, context graph {}", pin(set.agent_version), pin(set.context_graph_version));
    for (interaction, preference) in &set.llm_model_preferences {
        text.push_str(&format!(", {interaction} {}", preference.llm_name));
    }
    text
}

/// The steps of a replacement, one a line, in the order in which they run.
pub(super) fn explained(plan: &Plan, shown: &ServicePlan) -> Vec<String> {
    steps(plan, shown)
        .enumerate()
        .map(|(number, step)| format!("{}. {}", number + 1, explain(step)))
        .collect()
}

fn explain(step: &Step) -> String {
    match &step.action {
        Action::Create(new) => {
            format!(
                "A new service is created, **inactive**, as {}; users don't see it.",
                code(new.name.as_str())
            )
        }
        Action::HandOver { old, rename, activation, .. } => {
            let renamed = rename.as_ref().and_then(|update| update.name.as_ref());
            let first = match renamed {
                Some(name) => format!(
                    "the old one ({}) is renamed to {}, and ",
                    code(old.as_str()),
                    code(name.as_str())
                ),
                None => String::new(),
            };
            let active = activation.active == Some(true);
            let second = if active { "the new one is activated" } else { "the new one gets the name" };
            format!("The hand-over: {first}{second}. If the second fails, the first is undone.")
        }
        Action::Retire { id, how, .. } => {
            let reason =
                step.reason.as_deref().map_or(String::new(), |reason| format!(": {}", prose(reason)));
            format!("The old one ({}) {}{reason}.", code(id.as_str()), retired(*how))
        }
        Action::ApplyBehaviorSet { behavior_set_name, .. } => {
            format!("The behavior set {} is applied to the new one, too.", code(behavior_set_name))
        }
        Action::WriteVersionSet { name, .. } => {
            format!("The version set {} is written.", code(name.as_str()))
        }
        Action::Smoke { test, .. } => {
            format!(
                "A conversation with {} must go well, or nothing more is done.",
                code(test.version_set.as_str())
            )
        }
        Action::Update { .. } => "The new one, which an earlier run made, is completed.".to_owned(),
        Action::SetAside { .. } => "The old one's name is set aside.".to_owned(),
        Action::Discard { id, .. } => {
            format!("The leftover {} is renamed; it stays inactive.", code(id.as_str()))
        }
        Action::DeleteVersionSet { name, .. } => {
            format!("The version set {} is deleted.", code(name.as_str()))
        }
    }
}

/// What becomes of a service that is retired.
pub(super) fn retired(how: Retire) -> &'static str {
    match how {
        Retire::Deactivate => "is deactivated",
        Retire::Keep => "is let go: it stays active, and is nobody's from then on",
        Retire::Delete => "is deleted for good",
    }
}
