//! Reads tags from request bodies.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::validate::{MOST, matching, text};
use crate::api::problems::{At, Read, RequestProblems};

static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(TAG_PATTERN).ok());
const TAG_PATTERN: &str = r"^[\w\s]+$";

/// The maximum length of the value of a conversation's tag, in characters.
const LONGEST_TAG: usize = 100;

/// Tags as they are stored: each key with its value. The value is `None` if the client sent null.
type Tags = BTreeMap<String, Option<String>>;

/// Reads the tags of a service or behavior set: an object in which each value is a string or null.
pub(super) fn tags(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Tags> {
    tags_with(problems, at, value, tag)
}

/// Reads the tags of a conversation. Each value is null, or a non-empty string of at most [`LONGEST_TAG`] characters.
pub(super) fn conversation_tags(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Tags> {
    tags_with(problems, at, value, |problems, at, value| {
        let text = text(problems, at, value)?;
        if text.chars().count() > LONGEST_TAG {
            let message = format!("String should have at most {LONGEST_TAG} characters");
            problems.add("string_too_long", at, message, value);
            return None;
        }
        Some(text)
    })
}

fn tags_with(problems: &mut RequestProblems, at: &At, value: &Value, read: Read<String>) -> Option<Tags> {
    let Some(entries) = value.as_object() else {
        problems.add("dict_type", at, "Input should be a valid dictionary", value);
        return None;
    };
    if entries.len() > MOST {
        let count = entries.len();
        let message = format!("Dictionary should have at most {MOST} items after validation, not {count}");
        problems.add("too_long", at, message, value);
        return None;
    }
    let mut tags = BTreeMap::new();
    let mut sound = true;
    for (key, value) in entries {
        let place = at.then(key.as_str());
        let name = tag(problems, &place.then("[key]"), &json!(key));
        let value = if value.is_null() { Some(None) } else { read(problems, &place, value).map(Some) };
        match (name, value) {
            (Some(name), Some(value)) => drop(tags.insert(name, value)),
            _ => sound = false,
        }
    }
    sound.then_some(tags)
}

fn tag(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<String> {
    let tag = text(problems, at, value)?;
    matching(problems, at, value, &tag, (&TAG, TAG_PATTERN)).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::super::validate::tests::reads;
    use super::*;

    #[test]
    fn tags_are_words_and_values_may_be_null() {
        assert_eq!(reads(tags, json!({" a b ": null})), Some([("a b".to_owned(), None)].into()));
        assert!(reads(tags, json!({"größe_1": "Ä 2"})).is_some());
        for bad in
            [json!({"a": ""}), json!({"": "a"}), json!({"a.b": "c"}), json!({"a": 1}), json!({"a": "b:c"})]
        {
            assert_eq!(reads(tags, bad), None);
        }
    }

    #[test]
    fn tags_of_conversations_have_freer_values() {
        let value = |text: &str| reads(conversation_tags, json!({ "a": text })).is_some();
        assert!(value("b:c, d!"));
        assert!(value(&"x".repeat(100)));
        assert!(!value(&"x".repeat(101)));
        assert!(!value(" "));
        assert_eq!(reads(conversation_tags, json!({"a.b": null})), None);
    }
}
