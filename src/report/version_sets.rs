//! Renders changed version sets for a terminal, and the pins of new version sets for every kind of report.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Mode;
use super::causes;
use super::short_value::short_value;
use super::shown::ShownChange;
use super::text::{BAD, CHANGED, GOOD, count, padded, styled, visible};
use super::values::{FIELDS, VALUE_COLUMN, changes};
use crate::plan::{VersionSetChange, VersionSetChangeKind, VersionSetField, worst};

/// Writes the lines for a version set that differs: a heading and the changed values.
pub(super) fn changed(out: &mut String, mode: Mode, set: &VersionSetChange) {
    let _ = writeln!(out, "{}", heading(set, 0));
    let values =
        set.fields.iter().map(|change| ShownChange::of_set_field(change, causes::note(mode, change.cause)));
    changes(out, FIELDS + 2, values);
}

/// Writes the line for a version set that exists only before or only after the change, with its pins.
pub(super) fn whole(out: &mut String, mode: Mode, set: &VersionSetChange) {
    let cause = causes::styled_note(mode, worst(set.causes()));
    let _ = writeln!(out, "{} {}{cause}", heading(set, FIELDS + VALUE_COLUMN), short_pins(set));
}

/// Writes the line for a version set that is deleted.
pub(super) fn deleted(out: &mut String, mode: Mode, set: &VersionSetChange) {
    let _ = writeln!(out, "{}{}", heading(set, 0), causes::styled_note(mode, worst(set.causes())));
}

/// Returns the mark and the name of a version set, followed by spaces up to the given number of columns.
fn heading(set: &VersionSetChange, columns: usize) -> String {
    let mark = match set.kind {
        VersionSetChangeKind::Created => styled(GOOD, "+"),
        VersionSetChangeKind::Changed => styled(CHANGED, "~"),
        VersionSetChangeKind::Deleted => styled(BAD, "-"),
    };
    let name = format!("version set {}", visible(set.name.as_str()));
    format!("    {mark} {}", padded(&name, columns.saturating_sub(6)))
}

/// Returns the pins of a created or deleted version set, and the number of its model preferences, in parentheses. An
/// example is `(agent 3, graph 5)`.
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

/// Returns the pins of a created or deleted version set, such as `agent 3, context graph 5`.
pub(super) fn pins(set: &VersionSetChange) -> String {
    let [agent, graph] = versions(set);
    format!("agent {agent}, context graph {graph}")
}

/// Returns the versions of the agent and of the context graph in a created or deleted version set. An unpinned version
/// is `latest`.
fn versions(set: &VersionSetChange) -> [String; 2] {
    [VersionSetField::AgentVersion, VersionSetField::ContextGraphVersion].map(|field| {
        set.field(&field).map_or_else(|| "latest".to_owned(), |change| short_value(change.only_value()))
    })
}
