//! Compares two JSON values, and finds the values inside them that differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::changes::FieldChange;
use crate::model::same_json;

/// A changed value inside a JSON value, with the path of keys that leads to it. If the value is an object before and
/// after the change, its changed members are listed instead.
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    pub(super) before: Value,
    pub(super) after: Value,
}

impl Leaf {
    /// Converts the changed value into a field change. The function `field` converts the path into a field.
    pub(super) fn change<F>(self, field: impl FnOnce(Vec<String>) -> F) -> FieldChange<F> {
        FieldChange::new(field(self.path), self.before, self.after)
    }
}

/// Compares the two values at a path, and returns the changes inside them. Objects are compared member by member, down
/// to the values that are not objects.
pub(super) fn leaves(path: &[&str], before: Option<&Value>, after: Option<&Value>) -> Vec<Leaf> {
    let null = Value::Null;
    if same_json(before.unwrap_or(&null), after.unwrap_or(&null)) {
        return Vec::new();
    }
    let nothing = Map::new();
    let (before_members, after_members) = match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => (before, after),
        (None, Some(Value::Object(after))) if !after.is_empty() => (&nothing, after),
        (Some(Value::Object(before)), None) if !before.is_empty() => (before, &nothing),
        _ => {
            return vec![Leaf {
                path: path.iter().map(|name| (*name).to_owned()).collect(),
                before: before.cloned().unwrap_or_default(),
                after: after.cloned().unwrap_or_default(),
            }];
        }
    };
    let keys: BTreeSet<_> = before_members.keys().chain(after_members.keys()).collect();
    keys.into_iter()
        .flat_map(|key| {
            leaves(&[path, &[key.as_str()]].concat(), before_members.get(key), after_members.get(key))
        })
        .collect()
}
