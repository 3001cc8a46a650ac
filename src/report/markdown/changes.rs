//! Renders a service's changes as lines of a `diff` block, and explains the steps of a replacement.
//!
//! Each line begins with a mark (`-`, `+`, `!`, `@@` or a space). So a line of a text value can't be mistaken for a
//! change.

use serde_json::Value;
use similar::ChangeTag;

use super::escape::{code, prose, short};
use super::words::Words;
use crate::model::{Api, Retire};
use crate::plan::{
    Action, Cause, ChangePath, ChangedValue, Field, FieldChange, Plan, ServiceChanges, ServiceKind,
    ServicePlan, Step, VersionSetChange, VersionSetChangeKind, VersionSetField,
};
use crate::report::causes;
use crate::report::direction;
use crate::report::short_value::short_value;
use crate::report::shown::ShownChange;
use crate::report::text::count;
use crate::report::values::{is_long, line_changes};
use crate::report::version_sets::pins;

/// The maximum length of the path of a changed value, in characters.
const PATH: usize = 200;
/// The number of equal characters that are shown before the first difference of two long lines.
const BEFORE: usize = 40;

/// Returns a sentence that describes the cause of a change.
pub(super) fn cause_text(words: &Words, cause: Cause) -> &'static str {
    match cause {
        Cause::Manifest if words.is_drift() => {
            "pending: the manifest changed since the base, and is not applied yet"
        }
        Cause::Both if words.is_drift() => {
            "conflict: the manifest and the live value changed since the base, and differ"
        }
        Cause::Manifest => "manifest: the manifest changed since the base",
        Cause::Drift => "drift: the live value changed since the base, outside the manifests",
        Cause::Both => "both: the manifest and the live value changed since the base, and differ",
        Cause::Behind => causes::BEHIND,
    }
}

/// Returns the changes of a service and of its steps, each change once. Omits the change of the name if the service is
/// replaced.
pub(super) fn all<'a>(plan: &'a Plan, shown: &'a ServicePlan) -> impl Iterator<Item = ChangedValue<'a>> {
    let replaces = shown.kind == ServiceKind::Replace;
    let is_name = |change: &ChangedValue<'_>| change.path == ChangePath::Field(Field::Name);
    let fields = shown.changes.field_values().filter(move |change| !(replaces && is_name(change)));
    fields.chain(plan.version_set_changes(shown).flat_map(VersionSetChange::values))
}

/// A service whose changes are rendered, with its plan and its API.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) plan: &'a Plan,
    pub(super) api: Api,
    pub(super) service: &'a ServicePlan,
}

/// Builds the lines of a `diff` block. The width and the number of the lines are limited.
pub(super) struct Diff {
    pub(super) lines: Vec<String>,
    most: usize,
    hidden: usize,
    width: usize,
    cause: Option<Cause>,
}

impl Diff {
    /// Renders the changes of a service. `width` is the maximum length of a line, in characters. If there are more than
    /// `most` lines, a final line counts the lines that are not shown.
    pub(super) fn of(words: &Words, shown: Shown<'_>, width: usize, most: usize) -> Self {
        let Shown { plan, api, service: shown } = shown;
        let mut diff = Self { lines: Vec::new(), most, hidden: 0, width, cause: None };
        diff.remarks(words, plan, shown);
        match (shown.kind, words.is_drift()) {
            (ServiceKind::Create, _) => diff.whole(&direction::content(words.mode, plan, shown, api)),
            // An orphan has no manifest that it could be compared with.
            (ServiceKind::Retire, true) => diff.push("+", "live and owned by this project, in no manifest"),
            _ => diff.changes(words, plan, shown),
        }
        if diff.hidden > 0 {
            diff.lines.push(format!("! {} not shown", count(diff.hidden, "more line")));
        }
        diff
    }

    fn changes(&mut self, words: &Words, plan: &Plan, shown: &ServicePlan) {
        // If the first changes have the cause of the whole service, the cause is not repeated for them.
        let mut changes = all(plan, shown).peekable();
        if changes.peek().is_some_and(|first| first.cause == shown.cause) {
            self.cause = shown.cause;
        }
        for change in changes {
            self.change(words, &change);
            let forces = matches!(&change.path, ChangePath::Field(field) if field.is_reference());
            if forces && shown.kind == ServiceKind::Replace {
                let what = match (words.is_drift(), change.cause) {
                    (true, Some(Cause::Manifest)) => "applying this requires a new service",
                    (true, _) => "reverting this requires a new service",
                    (false, _) => "forces a new service",
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
            self.push("!", cause_text(words, cause));
        }
        if words.is_drift() {
            if plan.is_base_unknown(shown) {
                self.push("!", causes::BASE_UNKNOWN);
            }
            return self.differing(plan, shown);
        }
        if shown.adopted {
            self.push("!", "adopted: this service has no owner yet, so the ownership tag is set");
        }
        if shown.continued {
            self.push("!", "continues the unfinished replacement of an earlier run");
        }
        for step in plan.steps_of(shown) {
            match &step.action {
                Action::RenameTemporarily { update, .. } => {
                    let name = update.name.as_ref().map_or("", |name| name.as_str());
                    self.push("!", &format!("temporary name {name}"));
                }
                Action::Abandon { id, .. } => {
                    self.push("!", &format!("the unfinished service {id} is renamed to mark it as abandoned"))
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

    /// Adds a line if the service has no owner, and a line for each version set that is missing or not declared.
    fn differing(&mut self, plan: &Plan, shown: &ServicePlan) {
        if shown.adopted {
            self.push("!", "this service has no owner");
        }
        for step in plan.steps_of(shown) {
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

    /// Adds the complete content of a service that is new or missing. Its settings come last.
    fn whole(&mut self, content: &ServiceChanges) {
        let is_setting = |change: &&FieldChange| matches!(change.field, Field::Setting(_));
        let (settings, fields): (Vec<_>, Vec<_>) = content.fields.iter().partition(is_setting);
        fields.into_iter().for_each(|change| self.whole_field(change));
        content.version_sets.iter().for_each(|set| self.whole_set(set));
        settings.into_iter().for_each(|change| self.whole_field(change));
    }

    fn whole_field(&mut self, change: &FieldChange) {
        let is_tag = matches!(change.field, Field::Tag(_));
        // An empty description can be omitted, but a tag has a meaning even without a value.
        if is_tag || change.only_value().as_str() != Some("") {
            self.leaves(change.field.to_string(), &change.before, &change.after);
        }
    }

    /// Adds the lines for a version set of a service that is new or missing. The first line has the pins. Each value of
    /// the model preferences has a line of its own.
    fn whole_set(&mut self, set: &VersionSetChange) {
        let mark = if set.kind == VersionSetChangeKind::Deleted { "-" } else { "+" };
        self.push(mark, &format!("{}: {}", set.path(), pins(set)));
        let is_preference = |change: &&FieldChange<_>| matches!(change.field, VersionSetField::Preference(_));
        for change in set.fields.iter().filter(is_preference) {
            self.leaves(format!("{}.{}", set.path(), change.field), &change.before, &change.after);
        }
    }

    fn change(&mut self, words: &Words, change: &ChangedValue<'_>) {
        if change.cause != self.cause {
            self.cause = change.cause;
            let unknown = "the cause of the following changes is unknown";
            self.push("!", change.cause.map_or(unknown, |cause| cause_text(words, cause)));
        }
        self.leaves(change.path.to_string(), change.before, change.after);
    }

    fn leaves(&mut self, path: String, before: &Value, after: &Value) {
        for leaf in ShownChange::of_value(path, before, after).leaves() {
            let path = short(&leaf.path, PATH);
            match (leaf.before(), leaf.after()) {
                (Value::String(before), Value::String(after)) if is_long(before) || is_long(after) => {
                    self.text(&path, before, after);
                }
                (Value::Array(before), Value::Array(after)) => self.list(&path, before, after),
                (before, after) => {
                    self.value("-", &path, before);
                    self.value("+", &path, after);
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

    /// Adds the items that were removed from a list or added to it. If only the order of the items has changed, adds
    /// both lists.
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

/// Shortens two long lines to start shortly before their first difference. Returns them unchanged if they are short, or
/// if they differ near their beginning.
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

/// Returns a numbered sentence for each step of a replacement, in the order of execution.
pub(super) fn explained(plan: &Plan, shown: &ServicePlan) -> Vec<String> {
    plan.steps_of(shown)
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
                    "the old service ({}) is renamed to {}, and ",
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
            format!("The old service ({}) {}{reason}.", code(id.as_str()), retirement_text(*how))
        }
        Action::ApplyBehaviorSet { behavior_set_name, .. } => {
            format!("The behavior set {} is applied to the new service, too.", code(behavior_set_name))
        }
        Action::WriteVersionSet { name, .. } => {
            format!("The version set {} is written.", code(name.as_str()))
        }
        Action::Smoke { test, .. } => {
            format!(
                "A test conversation with version set {} must succeed, or the replacement stops here.",
                code(test.version_set.as_str())
            )
        }
        Action::Update { .. } => "The new service of an earlier run is completed.".to_owned(),
        Action::RenameTemporarily { .. } => "The old service gets a temporary name.".to_owned(),
        Action::Abandon { id, .. } => {
            format!(
                "The unfinished service {} is renamed to mark it as abandoned. It stays inactive.",
                code(id.as_str())
            )
        }
        Action::DeleteVersionSet { name, .. } => {
            format!("The version set {} is deleted.", code(name.as_str()))
        }
    }
}

/// Returns a phrase that describes how a service is retired.
pub(super) fn retirement_text(how: Retire) -> &'static str {
    match how {
        Retire::Deactivate => "is deactivated",
        Retire::Keep => "is no longer managed and stays active, without an owner",
        Retire::Delete => "is permanently deleted",
    }
}
