//! Data models of JSON values. A data model says which fields and values are valid. Values are read by the rules of the
//! lax mode of pydantic, a Python validation library. For example, this mode also accepts a number in a string.
//!
//! A value that was read is normalized: it has the types of the data model, no unknown keys, and defaults for missing
//! keys. It contains no nulls, except in objects that can have any content.

use serde_json::{Map, Value, json};

use super::scalars::{self, Pattern};
use crate::api::problems::{At, RequestProblems};

/// A kind of JSON value, with the conditions that values of this kind must meet.
pub(crate) enum ValueKind {
    /// A string whose length is within bounds, and that matches the pattern if there is one.
    Text {
        least: usize,
        most: usize,
        pattern: Option<Pattern>,
    },
    /// A whole number within bounds. A bound that is `None` does not apply.
    Integer {
        least: Option<i64>,
        most: Option<i64>,
    },
    /// A number within bounds, or any number if there are no bounds.
    Number(Option<(f64, f64)>),
    Boolean,
    /// One of these strings.
    Literal(&'static [&'static str]),
    Uuid,
    /// A list with at most `most` items, which are all of the kind `of`.
    List {
        of: &'static ValueKind,
        most: usize,
    },
    /// An object with at most `most` keys. The keys can be any strings, and all values are of the kind `of`.
    Map {
        of: &'static ValueKind,
        most: usize,
    },
    /// Any object. It is stored as it was sent.
    Free,
    /// Any object that has at most this many keys. It is stored as it was sent.
    FreeUpTo(usize),
    Model(&'static Model),
    /// A string, or a list of strings.
    TextOrTexts,
    /// An object with only the key `type`, whose value is one of these strings.
    Tagged(&'static [&'static str]),
}

/// A string of any length.
pub(super) const TEXT: ValueKind = ValueKind::Text { least: 0, most: usize::MAX, pattern: None };
/// A whole number without bounds.
pub(super) const INTEGER: ValueKind = ValueKind::Integer { least: None, most: None };

/// The data model of an object: its known keys, and whether other keys are refused.
pub(crate) struct Model {
    pub(super) fields: &'static [ModelField],
    /// True if objects with unknown keys are refused. If false, unknown keys are dropped.
    pub(super) closed: bool,
}

/// A known key of an object, with the kind of its value.
pub(crate) struct ModelField {
    pub(super) name: &'static str,
    pub(super) kind: ValueKind,
    pub(super) absent: Absent,
}

/// The meaning of a key that is missing in a request.
pub(super) enum Absent {
    /// The request is refused, because the key is required.
    Refused,
    /// The key has no value. The request has the same effect as with the value null.
    Nothing,
    /// The key has the default value that this function returns. A request that has the key with the value null is
    /// refused.
    Means(fn() -> Value),
}

impl ValueKind {
    /// Reads a value of this kind. If the value is invalid, adds errors and returns `None`.
    pub(crate) fn read(&self, problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Value> {
        match self {
            Self::Text { least, most, pattern } => {
                scalars::text(problems, at, value, (*least, *most), *pattern).map(Value::from)
            }
            Self::Integer { least, most } => scalars::integer(problems, at, value, *least, *most),
            Self::Number(bounds) => scalars::number(problems, at, value, *bounds),
            Self::Boolean => scalars::boolean(problems, at, value).map(Value::from),
            Self::Literal(known) => scalars::literal(problems, at, value, known).map(Value::from),
            Self::Uuid => scalars::uuid(problems, at, value).map(Value::from),
            Self::List { of, most } => list(problems, at, value, of, *most),
            Self::Map { of, most } => map(problems, at, value, of, *most),
            Self::Free => free(problems, at, value, usize::MAX),
            Self::FreeUpTo(most) => free(problems, at, value, *most),
            Self::Model(model) => model.read(problems, at, value).map(Value::Object),
            Self::TextOrTexts => text_or_texts(problems, at, value),
            Self::Tagged(known) => tagged(problems, at, value, known),
        }
    }

    /// Returns a stored value in the form for answers, in which objects have every key of their data model.
    pub(super) fn show(&self, stored: &Value) -> Value {
        match (self, stored) {
            (Self::Model(model), Value::Object(fields)) => model.show(fields),
            (Self::Map { of, .. }, Value::Object(entries)) => {
                entries.iter().map(|(key, value)| (key.clone(), of.show(value))).collect()
            }
            (Self::List { of, .. }, Value::Array(items)) => items.iter().map(|item| of.show(item)).collect(),
            _ => stored.clone(),
        }
    }
}

impl Model {
    /// Reads an object. If the object is invalid, adds errors and returns `None`.
    pub(crate) fn read(
        &self,
        problems: &mut RequestProblems,
        at: &At,
        value: &Value,
    ) -> Option<Map<String, Value>> {
        let Some(sent) = value.as_object() else {
            let message = "Input should be a valid dictionary or object to extract fields from";
            problems.add("model_attributes_type", at, message, value);
            return None;
        };
        let mut sound = true;
        let mut result = Map::new();
        for field in self.fields {
            match field.read(problems, at, sent) {
                Some(Value::Null) => {}
                Some(read) => drop(result.insert(field.name.to_owned(), read)),
                None => sound = false,
            }
        }
        let unknown = |name: &String| !self.fields.iter().any(|field| field.name == name.as_str());
        if self.closed {
            for (name, value) in sent.iter().filter(|(name, _)| unknown(name)) {
                let message = "Extra inputs are not permitted";
                problems.add("extra_forbidden", &at.then(name.as_str()), message, value);
                sound = false;
            }
        }
        sound.then_some(result)
    }

    /// Returns a stored object with every key of the data model. Keys that are not stored have their default value, or
    /// null.
    pub(super) fn show(&self, stored: &Map<String, Value>) -> Value {
        let show = |field: &ModelField| {
            let value = match (stored.get(field.name), &field.absent) {
                (Some(value), _) => field.kind.show(value),
                (None, Absent::Means(default)) => default(),
                (None, _) => Value::Null,
            };
            (field.name.to_owned(), value)
        };
        self.fields.iter().map(show).collect()
    }
}

impl ModelField {
    /// Reads the value of this key from an object. For a missing key, returns the default value, or null if the key has
    /// no default. If the value is invalid or a required key is missing, adds errors and returns `None`.
    fn read(&self, problems: &mut RequestProblems, at: &At, sent: &Map<String, Value>) -> Option<Value> {
        match (sent.get(self.name), &self.absent) {
            (None, Absent::Nothing) | (Some(Value::Null), Absent::Nothing) => Some(Value::Null),
            (None, Absent::Means(default)) => Some(default()),
            (None, Absent::Refused) => {
                let sent = Value::Object(sent.clone());
                problems.add("missing", &at.then(self.name), "Field required", &sent);
                None
            }
            (Some(value), _) => self.kind.read(problems, &at.then(self.name), value),
        }
    }
}

/// Adds the error that a list or an object has too many items.
fn too_long(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    what: &str,
    (most, found): (usize, usize),
) {
    let items = if most == 1 { "item" } else { "items" };
    let message = format!("{what} should have at most {most} {items} after validation, not {found}");
    let context = json!({"field_type": what, "max_length": most, "actual_length": found});
    problems.add_with("too_long", at, message, value, &context);
}

fn list(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    of: &ValueKind,
    most: usize,
) -> Option<Value> {
    let Some(items) = value.as_array() else {
        problems.add("list_type", at, "Input should be a valid list", value);
        return None;
    };
    if items.len() > most {
        too_long(problems, at, value, "List", (most, items.len()));
        return None;
    }
    let read: Vec<Option<Value>> =
        items.iter().enumerate().map(|(n, item)| of.read(problems, &at.then(n), item)).collect();
    read.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
}

fn object<'v>(problems: &mut RequestProblems, at: &At, value: &'v Value) -> Option<&'v Map<String, Value>> {
    if value.as_object().is_none() {
        problems.add("dict_type", at, "Input should be a valid dictionary", value);
    }
    value.as_object()
}

fn free(problems: &mut RequestProblems, at: &At, value: &Value, most: usize) -> Option<Value> {
    let entries = object(problems, at, value)?;
    if entries.len() > most {
        too_long(problems, at, value, "Dictionary", (most, entries.len()));
        return None;
    }
    Some(value.clone())
}

fn map(problems: &mut RequestProblems, at: &At, value: &Value, of: &ValueKind, most: usize) -> Option<Value> {
    let entries = object(problems, at, value)?;
    if entries.len() > most {
        too_long(problems, at, value, "Dictionary", (most, entries.len()));
        return None;
    }
    let mut sound = true;
    let mut result = Map::new();
    for (key, value) in entries {
        match of.read(problems, &at.then(key.as_str()), value) {
            Some(read) => drop(result.insert(key.clone(), read)),
            None => sound = false,
        }
    }
    sound.then_some(Value::Object(result))
}

fn text_or_texts(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Value> {
    let mut as_list = RequestProblems::default();
    if value.is_string() {
        return Some(value.clone());
    }
    let texts = list(&mut as_list, &at.then("list[str]"), value, &TEXT, usize::MAX);
    if texts.is_none() {
        problems.add("string_type", &at.then("str"), "Input should be a valid string", value);
        problems.extend(as_list);
    }
    texts
}

fn tagged(problems: &mut RequestProblems, at: &At, value: &Value, known: &[&str]) -> Option<Value> {
    let Some(fields) = value.as_object() else {
        let message = "Input should be a valid dictionary or object to extract fields from";
        problems.add("model_attributes_type", at, message, value);
        return None;
    };
    let Some(tag) = fields.get("type") else {
        let message = "Unable to extract tag using discriminator 'type'";
        let context = json!({"discriminator": "'type'"});
        problems.add_with("union_tag_not_found", at, message, value, &context);
        return None;
    };
    if let Some(tag) = tag.as_str().filter(|tag| known.contains(tag)) {
        return Some(json!({ "type": tag }));
    }
    let shown = match tag {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    };
    let expected: Vec<String> = known.iter().map(|tag| format!("'{tag}'")).collect();
    let expected = expected.join(", ");
    let message =
        format!("Input tag '{shown}' found using 'type' does not match any of the expected tags: {expected}");
    let context = json!({"discriminator": "'type'", "tag": shown, "expected_tags": expected});
    problems.add_with("union_tag_invalid", at, message, value, &context);
    None
}
