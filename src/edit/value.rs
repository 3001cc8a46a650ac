//! Converts new values from JSON to the types of `yaml-edit`, and compares them with parsed nodes.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use yaml_edit::{ScalarValue, YamlValue};

use super::change::Change;
use super::tree::{Node, Style, Value};

/// The style of new strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    /// Strings are written without quotes if possible, and otherwise in double quotes. A string of several lines
    /// becomes a block scalar (`|`).
    Natural,
    /// All strings are written in double quotes, which can represent every string.
    Quoted,
}

/// Splits a change of a mapping into one change for each member that differs. Returns `None` if the old or the new
/// value is not a mapping, or is empty.
pub(super) fn split(root: &Node, change: &Change) -> Option<Vec<Change>> {
    let Change::Set { path, value: Json::Object(members) } = change else { return None };
    let node = path.iter().try_fold(root, |node, key| match &node.value {
        Value::Map(map) => map.find(key).map(|at| &map.entries[at].1),
        _ => None,
    })?;
    let Value::Map(map) = &node.value else { return None };
    if members.is_empty() || map.entries.is_empty() {
        return None;
    }
    let below = |key: &str| path.iter().cloned().chain([key.to_owned()]).collect::<Vec<_>>();
    let differs = |key: &str, value: &Json| {
        map.find(key).is_none_or(|at| !is_value(&map.entries[at].1, value) || map.entries[at].1.tag.is_some())
    };
    let mut parts: Vec<Change> = members
        .iter()
        .filter(|(key, value)| differs(key, value))
        .map(|(key, value)| Change::Set { path: below(key), value: value.clone() })
        .collect();
    let keys = map.entries.iter().map(|(key, _)| key.text());
    let removed = keys.flatten().filter(|key| !members.contains_key(*key));
    parts.extend(removed.map(|key| Change::Remove { path: below(key) }));
    Some(parts)
}

/// Returns true if every YAML parser reads a node as the given value.
pub(super) fn is_value(node: &Node, value: &Json) -> bool {
    match (&node.value, value) {
        (Value::Scalar { text, style: Style::Plain }, Json::String(wanted)) => {
            text == wanted && is_always_string(text)
        }
        (Value::Scalar { text, .. }, Json::String(wanted)) => text == wanted,
        (Value::Scalar { .. }, Json::Null) => node.is_null(),
        (Value::Scalar { text, style: Style::Plain }, Json::Bool(wanted)) => text == &wanted.to_string(),
        (Value::Scalar { text, style: Style::Plain }, Json::Number(wanted)) => text == &wanted.to_string(),
        (Value::List(items), Json::Array(wanted)) => {
            items.len() == wanted.len()
                && items.iter().zip(wanted).all(|(item, wanted)| is_value(item, wanted))
        }
        (Value::Map(map), Json::Object(wanted)) => {
            map.entries.len() == wanted.len()
                && map.entries.iter().all(|(key, value)| {
                    key.text().and_then(|key| wanted.get(key)).is_some_and(|wanted| is_value(value, wanted))
                })
        }
        _ => false,
    }
}

/// Returns true if every version of YAML reads a plain scalar with this text as a string.
fn is_always_string(text: &str) -> bool {
    const WORDS: [&str; 11] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", "<<"];
    let numeric = |c: char| c.is_ascii_hexdigit() || "+-._:xXoOinfINFaAtTzZ ".contains(c);
    let number_like =
        text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) && text.chars().all(numeric);
    let word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    !(text.is_empty() || word || number_like || text.starts_with('='))
}

/// Returns true if a string can be written without quotes. White space at the end of a line, and empty lines at the end
/// of the text, need quotes, because many editors remove them.
fn can_be_natural(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let has_trailing_space = body.ends_with('\n') || body.split('\n').any(|line| line != line.trim_end());
    !has_trailing_space && (text.contains('\n') || is_always_string(text))
}

/// Converts a value to the type that `yaml-edit` uses. `texts` is the style of its strings.
pub(super) fn yaml(value: &Json, texts: Texts) -> YamlValue {
    match value {
        Json::Null => YamlValue::Scalar(ScalarValue::null()),
        Json::Bool(value) => YamlValue::Scalar(ScalarValue::parse(value.to_string())),
        Json::Number(number) => YamlValue::Scalar(ScalarValue::parse(number.to_string())),
        Json::String(text) if texts == Texts::Quoted || !can_be_natural(text) => {
            YamlValue::Scalar(ScalarValue::double_quoted(text))
        }
        Json::String(text) => YamlValue::Scalar(ScalarValue::string(text)),
        Json::Array(items) => YamlValue::Sequence(items.iter().map(|item| yaml(item, texts)).collect()),
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), yaml(value, texts)));
            YamlValue::Mapping(members.collect::<BTreeMap<_, _>>())
        }
    }
}

/// Returns true if a value is a mapping without nested values and without long strings, so that it fits on one line in
/// flow style.
pub(super) fn is_flat(value: &Json) -> bool {
    match value {
        Json::Object(members) => members.values().all(|member| match member {
            Json::String(text) => !text.contains('\n') && text.len() < 60,
            other => !other.is_array() && !other.is_object(),
        }),
        _ => false,
    }
}
