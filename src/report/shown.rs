//! A changed value and its path as text. The value can be split into the parts that differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::lookalikes::distinct;
use crate::model::same_json;
use crate::model::settings::{self, Kind, SERVICE};
use crate::plan::{ChangeRecord, Field, FieldChange, VersionSetField};

/// A changed value with its path.
#[derive(Clone)]
pub(super) struct ShownChange<'a> {
    pub(super) path: String,
    /// The length of the name of the block that the value belongs to, such as `voice_config`. The path begins with this
    /// name. Reports show values of the same block together under its name. `None` if the value belongs to no block.
    block: Option<usize>,
    before: &'a Value,
    after: &'a Value,
    /// The two values with escapes. `None` if they look different without escapes.
    escaped: Option<Box<(Value, Value)>>,
    pub(super) note: &'static str,
}

impl<'a> ShownChange<'a> {
    /// Returns the change of a service's field. `note` is shown beside the value.
    pub(super) fn of_field(change: &'a FieldChange, note: &'static str) -> Self {
        let nested = match &change.field {
            Field::Setting(names) => names.first().filter(|name| {
                settings::field(SERVICE, name).is_some_and(|field| matches!(field.kind, Kind::Object(_)))
            }),
            _ => None,
        };
        let (path, block) = (change.field.to_string(), nested.map(String::len));
        Self { note, block, ..Self::of_value(path, &change.before, &change.after) }
    }

    /// Returns the change of a version set's field. The path does not contain the name of the version set.
    pub(super) fn of_set_field(change: &'a FieldChange<VersionSetField>, note: &'static str) -> Self {
        let block = match &change.field {
            VersionSetField::Preference(names) => {
                let interaction = VersionSetField::Preference(names.iter().take(1).cloned().collect());
                Some(interaction.to_string().len())
            }
            _ => None,
        };
        let path = change.field.to_string();
        Self { note, block, ..Self::of_value(path, &change.before, &change.after) }
    }

    /// Returns a change that is recorded in a plan file.
    pub(super) fn of_record(change: &'a ChangeRecord) -> Self {
        Self::of_value(change.path.clone(), &change.before, &change.after)
    }

    /// Returns the change of a value at any path.
    pub(super) fn of_value(path: String, before: &'a Value, after: &'a Value) -> Self {
        Self { path, block: None, before, after, escaped: None, note: "" }
    }

    /// Returns the value that reports show on the left of the arrow, with escapes if necessary.
    pub(super) fn before(&self) -> &Value {
        self.escaped.as_ref().map_or(self.before, |escaped| &escaped.0)
    }

    /// Returns the value that reports show on the right of the arrow, with escapes if necessary.
    pub(super) fn after(&self) -> &Value {
        self.escaped.as_ref().map_or(self.after, |escaped| &escaped.1)
    }

    /// Returns the name of the block that the value belongs to. Returns `None` if it belongs to no block.
    pub(super) fn block(&self) -> Option<&str> {
        let end = self.block.filter(|end| *end < self.path.len())?;
        self.path.get(..end)
    }

    /// Returns the parts of the value that differ. Objects are split into their members, so that equal members are
    /// omitted. Values that would look the same are escaped.
    pub(super) fn leaves(self) -> Vec<Self> {
        let mut leaves = Vec::new();
        self.collect(&mut leaves);
        leaves
    }

    fn collect(self, leaves: &mut Vec<Self>) {
        static NOTHING: Value = Value::Null;
        let Self { before, after, block, note, .. } = self;
        let members = |value: &'a Value| value.as_object().filter(|members| !members.is_empty());
        let (old, new) = (members(before), members(after));
        let apart = match (old, new) {
            (None, None) => false,
            (Some(_), Some(_)) => true,
            (Some(_), None) => after.is_null() || after.is_object(),
            (None, Some(_)) => before.is_null() || before.is_object(),
        };
        if !apart {
            if !same_json(before, after) {
                let escaped = distinct(before, after).map(Box::new);
                leaves.push(Self { escaped, ..self });
            }
            return;
        }
        let names: BTreeSet<&String> = old.into_iter().chain(new).flat_map(Map::keys).collect();
        for name in names {
            let of = |members: Option<&'a Map<String, Value>>| {
                members.and_then(|members| members.get(name)).unwrap_or(&NOTHING)
            };
            let path = format!("{}.{name}", self.path);
            Self { block, note, ..Self::of_value(path, of(old), of(new)) }.collect(leaves);
        }
    }
}
