//! Reads values from request bodies and queries, with the rules and error messages of pydantic, a Python validation
//! library.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::api::problems::{At, Read, RequestProblems};
use crate::api::refusal::Refusal;

static ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ID_PATTERN).ok());
static KEYTERM: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(KEYTERM_PATTERN).ok());
static SET_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SET_NAME_PATTERN).ok());

const ID_PATTERN: &str = "^[a-f0-9]{24}$";
const KEYTERM_PATTERN: &str = "^[a-z-]+( [a-z-]+){0,2}$";
const SET_NAME_PATTERN: &str = "^[A-Za-z0-9_-]+$";

/// The maximum number of tags of a service, behavior set or conversation, and of keyterms of a service.
pub(super) const MOST: usize = 20;

fn string<'v>(problems: &mut RequestProblems, at: &At, value: &'v Value) -> Option<&'v str> {
    if value.as_str().is_none() {
        problems.add("string_type", at, "Input should be a valid string", value);
    }
    value.as_str()
}

/// Returns true if a string matches a pattern. Otherwise, adds an error and returns false.
pub(super) fn matching(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    text: &str,
    (regex, pattern): (&Option<Regex>, &str),
) -> bool {
    let fits = regex.as_ref().is_some_and(|regex| regex.is_match(text));
    if !fits {
        let message = format!("String should match pattern '{pattern}'");
        problems.add("string_pattern_mismatch", at, message, value);
    }
    fits
}

/// Reads a string and removes the spaces around it. If the rest is empty, adds an error and returns `None`.
pub(super) fn text(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<String> {
    let stripped = string(problems, at, value)?.trim();
    if stripped.is_empty() {
        problems.add("string_too_short", at, "String should have at least 1 character", value);
        return None;
    }
    Some(stripped.to_owned())
}

/// Reads a string and returns it unchanged.
pub(super) fn plain(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<String> {
    string(problems, at, value).map(str::to_owned)
}

/// Reads an id, which must have 24 hexadecimal digits.
pub(super) fn id(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<String> {
    let id = string(problems, at, value)?;
    matching(problems, at, value, id, (&ID, ID_PATTERN)).then(|| id.to_owned())
}

/// Reads a list of ids, and removes duplicates from it.
pub(super) fn ids(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Vec<String>> {
    let mut unique: Vec<String> = Vec::new();
    for id in list(problems, at, value, usize::MAX, id)? {
        if !unique.contains(&id) {
            unique.push(id);
        }
    }
    Some(unique)
}

/// Reads a boolean, which must be `true` or `false` in JSON.
pub(super) fn boolean(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<bool> {
    if value.as_bool().is_none() {
        problems.add("bool_type", at, "Input should be a valid boolean", value);
    }
    value.as_bool()
}

/// Reads a JSON object with any content.
pub(super) fn map(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Map<String, Value>> {
    if value.as_object().is_none() {
        problems.add("dict_type", at, "Input should be a valid dictionary", value);
    }
    value.as_object().cloned()
}

fn list<T>(
    problems: &mut RequestProblems,
    at: &At,
    value: &Value,
    most: usize,
    read: Read<T>,
) -> Option<Vec<T>> {
    let Some(items) = value.as_array() else {
        problems.add("list_type", at, "Input should be a valid list", value);
        return None;
    };
    if items.len() > most {
        let message = format!("List should have at most {most} items after validation, not {}", items.len());
        problems.add("too_long", at, message, value);
        return None;
    }
    items.iter().enumerate().map(|(n, item)| read(problems, &at.then(n), item)).collect()
}

/// Reads a list of keyterms: words that speech recognition should expect.
pub(super) fn keyterms(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<Vec<String>> {
    list(problems, at, value, MOST, |problems, at, value| {
        let term = text(problems, at, value)?;
        matching(problems, at, value, &term, (&KEYTERM, KEYTERM_PATTERN)).then_some(term)
    })
}

/// Reads the name of a version set: at most 40 letters, digits, `_` and `-`.
pub(super) fn set_name(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<String> {
    let name = text(problems, at, value)?;
    if name.chars().count() > 40 {
        problems.add("string_too_long", at, "String should have at most 40 characters", value);
        return None;
    }
    matching(problems, at, value, &name, (&SET_NAME, SET_NAME_PATTERN)).then_some(name)
}

/// Reads an id from a segment of the path, or refuses the request. `name` is the name of the parameter in the error
/// message.
pub(super) fn path_id(name: &str, segment: &str) -> Result<String, Refusal> {
    let mut problems = RequestProblems::default();
    id(&mut problems, &At::path(name), &json!(segment)).ok_or_else(|| problems.refusal())
}

/// Reads the name of a version set from a segment of the path, or refuses the request.
pub(super) fn path_set_name(segment: &str) -> Result<String, Refusal> {
    let mut problems = RequestProblems::default();
    let at = At::path("version_set_name");
    set_name(&mut problems, &at, &json!(segment)).ok_or_else(|| problems.refusal())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "literals read better by value")]
    pub(in crate::classic) fn reads<T>(read: Read<T>, value: Value) -> Option<T> {
        let mut problems = RequestProblems::default();
        let result = read(&mut problems, &At::body(), &value);
        assert_eq!(
            result.is_some(),
            problems.done().is_ok(),
            "a problem is noted exactly when nothing is read"
        );
        result
    }

    #[test]
    fn texts_are_stripped_and_not_empty() {
        assert_eq!(reads(text, json!("  a b\n")), Some("a b".to_owned()));
        for bad in [json!(""), json!("\u{2003}"), json!(1), json!(null), json!(["a"])] {
            assert_eq!(reads(text, bad), None);
        }
    }

    #[test]
    fn ids_have_24_lower_case_digits() {
        assert!(reads(id, json!("0123456789abcdef01234567")).is_some());
        for bad in ["0123456789ABCDEF01234567", "0123456789abcdef0123456", "0123456789abcdef01234567\n", ""] {
            assert_eq!(reads(id, json!(bad)), None, "{bad:?}");
        }
        assert_eq!(
            reads(ids, json!(["0123456789abcdef01234567", "0123456789abcdef01234567"])).map(|ids| ids.len()),
            Some(1)
        );
    }

    #[test]
    fn keyterms_are_up_to_three_lower_case_words() {
        assert_eq!(reads(keyterms, json!([" a-b c d "])), Some(vec!["a-b c d".to_owned()]));
        for bad in
            [json!(["a b c d"]), json!(["a  b"]), json!(["A"]), json!(["a1"]), json!("a"), json!([null])]
        {
            assert_eq!(reads(keyterms, bad), None);
        }
        assert!(reads(keyterms, json!(vec!["a"; 20])).is_some());
        assert!(reads(keyterms, json!(vec!["a"; 21])).is_none());
    }

    #[test]
    fn names_of_version_sets_are_checked() {
        assert!(reads(set_name, json!("Pre-view_2")).is_some());
        for bad in ["a b", "a.b", "ä", "", "x\u{0}"] {
            assert_eq!(reads(set_name, json!(bad)), None, "{bad:?}");
        }
        assert!(reads(set_name, json!("x".repeat(40))).is_some());
        assert!(reads(set_name, json!("x".repeat(41))).is_none());
    }
}
