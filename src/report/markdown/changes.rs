//! Renders a service's changes as lines of a `diff` block, and explains the steps of a replacement.
//!
//! Each line begins with a mark (`-`, `+`, `!`, `@@` or a space), so that no line of a value can look like another
//! change.

use serde_json::{Map, Value};
use similar::ChangeTag;

use super::escape::{code, prose, short};
use super::words::Words;
use crate::model::{Api, Retire, VersionSet};
use crate::plan::{Action, Cause, Change, Plan, ServiceKind, ServicePlan, Step};
use crate::report::causes;
use crate::report::human::{set_of, steps};
use crate::report::text::count;
use crate::report::values::{is_long, leaves, line_changes, short_value};

/// The maximum length of a path, in characters.
const PATH: usize = 200;
/// The number of equal characters shown before the difference in a long line.
const BEFORE: usize = 40;

/// Describes the cause of a change.
pub(super) fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::Manifest => "manifest: the manifest changed since the base",
        Cause::Drift => "drift: the live value changed since the base, outside the manifests",
        Cause::Both => "both: the manifest and the live value changed since the base, and differ",
        Cause::Behind => causes::BEHIND,
    }
}

/// Returns all changes of a service and its steps, each once.
pub(super) fn all<'a>(plan: &'a Plan, shown: &'a ServicePlan) -> impl Iterator<Item = &'a Change> {
    let replaces = shown.kind == ServiceKind::Replace;
    let own = shown.changes.iter().filter(move |change| !(replaces && change.path == "service"));
    let own = own.filter(move |change| replaces || set_of(&change.path).is_none());
    let sets = steps(plan, shown).filter(move |_| !replaces).flat_map(|step| &step.changes);
    own.chain(sets.filter(|change| set_of(&change.path).is_some()))
}

/// A service and its plan.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) plan: &'a Plan,
    pub(super) api: Api,
    pub(super) service: &'a ServicePlan,
}

/// The lines of a diff, limited in width and number.
pub(super) struct Diff {
    pub(super) lines: Vec<String>,
    most: usize,
    hidden: usize,
    width: usize,
    cause: Option<Cause>,
}

impl Diff {
    /// Renders the changes of a service. If they don't fit, the last line counts the hidden ones.
    pub(super) fn of(words: &Words, shown: Shown<'_>, width: usize, most: usize) -> Self {
        let Shown { plan, api, service: shown } = shown;
        let mut diff = Self { lines: Vec::new(), most, hidden: 0, width, cause: None };
        diff.remarks(words, plan, shown);
        match (shown.kind, words.is_drift) {
            (ServiceKind::Create, _) => diff.created(plan, shown, api),
            // An orphan has no manifest to compare with.
            (ServiceKind::Retire, true) => diff.push("!", "in no manifest"),
            _ => diff.changes(words, plan, shown),
        }
        if diff.hidden > 0 {
            diff.lines.push(format!("! {} not shown", count(diff.hidden, "more line")));
        }
        diff
    }

    fn changes(&mut self, words: &Words, plan: &Plan, shown: &ServicePlan) {
        // A cause of the whole service is not repeated for its changes.
        let mut changes = all(plan, shown).peekable();
        if changes.peek().is_some_and(|first| first.cause == shown.cause) {
            self.cause = shown.cause;
        }
        for change in changes {
            self.change(change);
            let forces = matches!(change.path.as_str(), "agent" | "context_graph");
            if forces && shown.kind == ServiceKind::Replace {
                let what = if words.is_drift {
                    "only a new service can revert this"
                } else {
                    "forces a new service"
                };
                self.push("!", &format!("changed {}: {what}", change.path));
            }
        }
    }

    fn push(&mut self, mark: &str, text: &str) {
        if self.lines.len() >= self.most {
            self.hidden += 1;
            return;
        }
        let line = format!("{mark} {}", short(text, self.width));
        self.lines.push(line.trim_end().to_owned());
    }

    fn remarks(&mut self, words: &Words, plan: &Plan, shown: &ServicePlan) {
        if let Some(cause) = shown.cause {
            self.push("!", cause_text(cause));
        }
        if words.is_drift {
            return self.differing(plan, shown);
        }
        if shown.adopted {
            self.push("!", "adopted: it has no owner yet, so the ownership tag is set");
        }
        if shown.continued {
            self.push("!", "continues the unfinished replacement of an earlier run");
        }
        for step in steps(plan, shown) {
            match &step.action {
                Action::RenameTemporarily { update, .. } => {
                    let name = update.name.as_ref().map_or("", |name| name.as_str());
                    self.push("!", &format!("temporary name {name}"));
                }
                Action::Abandon { id, .. } => {
                    self.push("!", &format!("leftover {id} is renamed to mark it as abandoned"))
                }
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

    /// Adds notes on the owner and on missing or undeclared version sets.
    fn differing(&mut self, plan: &Plan, shown: &ServicePlan) {
        if shown.adopted {
            self.push("!", "it has no owner");
        }
        for step in steps(plan, shown) {
            match &step.action {
                Action::DeleteVersionSet { name, .. } => {
                    self.push("!", &format!("version set {name} is in no manifest"));
                }
                Action::WriteVersionSet { name, creates: true, .. } if shown.kind == ServiceKind::Update => {
                    self.push("!", &format!("version set {name} is missing"));
                }
                _ => {}
            }
        }
    }

    fn created(&mut self, plan: &Plan, shown: &ServicePlan, api: Api) {
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
                        self.added_set(name.as_str(), set);
                    }
                    if new.version_sets.is_empty() && api.makes_version_sets() {
                        self.added_set("release", &VersionSet::latest());
                    }
                    self.added_settings(&new.settings);
                }
                Action::WriteVersionSet { name, content, .. } => {
                    self.added_set(name.as_str(), content);
                }
                _ => {}
            }
        }
    }

    /// Adds a new version set: its pins in one line, then each model preference.
    fn added_set(&mut self, name: &str, set: &VersionSet) {
        let path = format!("version_sets.{name}");
        self.push("+", &format!("{path}: {}", pins(set)));
        for (interaction, preference) in &set.llm_model_preferences {
            let path = format!("{path}.llm_model_preferences.{interaction}");
            self.push("+", &format!("{path}.llm_name: {}", preference.llm_name));
            let blocks =
                [("params", &preference.params), ("experience_controls", &preference.experience_controls)];
            for (block, values) in blocks.into_iter().filter(|(_, values)| !values.is_empty()) {
                self.added(&format!("{path}.{block}"), &Value::Object(values.clone()));
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
            self.push("!", change.cause.map_or("the cause of the following changes is unknown", cause_text));
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

    /// Adds the changed lines of a long text.
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

    /// Adds the removed and added items of a list, or the whole list if only its order changes.
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

/// Clips two long lines to start shortly before their first difference.
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

/// Returns a version set's pins in one line.
fn pins(set: &VersionSet) -> String {
    format!("agent {}, context graph {}", set.agent_version, set.context_graph_version)
}

/// Explains the steps of a replacement, one per line, in the order of execution.
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
                "A new service is created, **inactive**, as {}. Users can't reach it.",
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
            format!("Cut-over: {first}{second}. If the activation fails, the rename is undone.")
        }
        Action::Retire { id, how, .. } => {
            let reason =
                step.reason.as_deref().map_or(String::new(), |reason| format!(": {}", prose(reason)));
            format!("The old one ({}) {}{reason}.", code(id.as_str()), retirement_text(*how))
        }
        Action::ApplyBehaviorSet { behavior_set_name, .. } => {
            format!("The behavior set {} is applied to the new service, too.", code(behavior_set_name))
        }
        Action::WriteVersionSet { name, .. } => {
            format!("The version set {} is written.", code(name.as_str()))
        }
        Action::Smoke { test, .. } => {
            format!(
                "A test conversation with {} must succeed, or the replacement stops here.",
                code(test.version_set.as_str())
            )
        }
        Action::Update { .. } => "The new service of an earlier run is completed.".to_owned(),
        Action::RenameTemporarily { .. } => "The old service gets a temporary name.".to_owned(),
        Action::Abandon { id, .. } => {
            format!(
                "The leftover {} is renamed to mark it as abandoned. It stays inactive.",
                code(id.as_str())
            )
        }
        Action::DeleteVersionSet { name, .. } => {
            format!("The version set {} is deleted.", code(name.as_str()))
        }
    }
}

/// Describes the retirement of a service.
pub(super) fn retirement_text(how: Retire) -> &'static str {
    match how {
        Retire::Deactivate => "is deactivated",
        Retire::Keep => "is no longer managed: it stays active, without an owner",
        Retire::Delete => "is permanently deleted",
    }
}
