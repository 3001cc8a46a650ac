//! Renders changed version sets for a terminal, and the pins of new version sets for every kind of report.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::causes;
use super::shown::ShownChange;
use super::text::{BAD, CHANGED, GOOD, count, padded, styled, visible};
use super::values::{FIELDS, VALUE_COLUMN, changes, short_value};
use crate::plan::{VersionSetChange, VersionSetChangeKind, VersionSetField, worst};

/// Writes the lines for a version set that differs: a heading and the changed values.
pub(super) fn changed(out: &mut String, set: &VersionSetChange) {
    let _ = writeln!(out, "{}", heading(set));
    let values =
        set.fields.iter().map(|change| ShownChange::of_set_field(change, causes::note(change.cause)));
    changes(out, FIELDS + 2, values);
}

/// Writes the line for a version set that is created.
pub(super) fn created(out: &mut String, set: &VersionSetChange) {
    let cause = causes::styled_note(worst(set.causes()));
    let _ = writeln!(out, "{} {}{cause}", padded(&heading(set), VALUE_COLUMN + 6), short_pins(set));
}

/// Writes the line for a version set that is deleted.
pub(super) fn deleted(out: &mut String, set: &VersionSetChange) {
    let _ = writeln!(out, "{}{}", heading(set), causes::styled_note(worst(set.causes())));
}

fn heading(set: &VersionSetChange) -> String {
    let mark = match set.kind {
        VersionSetChangeKind::Created => styled(GOOD, "+"),
        VersionSetChangeKind::Changed => styled(CHANGED, "~"),
        VersionSetChangeKind::Deleted => styled(BAD, "-"),
    };
    format!("    {mark} version set {}", visible(set.name.as_str()))
}

/// Returns the pins of a new version set and the number of its model preferences, in parentheses: `(agent 3, graph 5)`.
pub(super) fn short_pins(set: &VersionSetChange) -> String {
    let [agent, graph] = versions(set);
    let pins = if agent == "latest" && graph == "latest" {
        "the latest".to_owned()
    } else {
        format!("agent {agent}, graph {graph}")
    };
    let interactions: BTreeSet<Option<&String>> = set
        .fields
        .iter()
        .filter_map(|change| match &change.field {
            VersionSetField::Preference(names) => Some(names.first()),
            _ => None,
        })
        .collect();
    match interactions.len() {
        0 => format!("({pins})"),
        models => format!("({pins}, {})", count(models, "model preference")),
    }
}

/// Returns the pins of a new version set: `agent 3, context graph 5`.
pub(super) fn pins(set: &VersionSetChange) -> String {
    let [agent, graph] = versions(set);
    format!("agent {agent}, context graph {graph}")
}

/// Returns the versions of the agent and of the context graph in a new version set. An unpinned version is `latest`.
fn versions(set: &VersionSetChange) -> [String; 2] {
    [VersionSetField::AgentVersion, VersionSetField::ContextGraphVersion].map(|field| {
        set.field(&field).map_or_else(|| "latest".to_owned(), |change| short_value(&change.after))
    })
}
