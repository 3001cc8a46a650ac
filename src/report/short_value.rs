//! Renders a value as text in one line.

use serde_json::Value;

use super::text::visible;

/// The maximum number of list items that are shown in a line.
const MAX_ITEMS: usize = 8;

/// Returns a JSON value as text in one line. Strings are not quoted, and null is written as `none`.
pub(super) fn short_value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "(no value)".to_owned(),
        Value::String(text) => visible(text),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => join_items(items, ", "),
        other => visible(&other.to_string()),
    }
}

/// Returns the items of a list in one line, separated by `between`. If there are too many, counts the items that are
/// not shown.
pub(super) fn join_items(items: &[Value], between: &str) -> String {
    let mut words: Vec<String> = items.iter().take(MAX_ITEMS).map(short_value).collect();
    if items.len() > MAX_ITEMS {
        words.push(format!("and {} more", items.len() - MAX_ITEMS));
    }
    words.join(between)
}
