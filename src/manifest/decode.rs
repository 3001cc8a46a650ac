//! Decodes the nodes of a YAML tree into values. Each function reports the problems that it finds and returns what it
//! could decode, so that one load finds all problems.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::collector::{DiagnosticCollector, Problem, Span};
use super::diagnostic::Code;
use super::scalar::yaml_1_1_type;
use super::tree::{Key, Map, Node, Value, shortened};
use crate::model::{code_point, did_you_mean, forbidden_in_name};

/// A kind of mapping: its name, the keys that it may have, and a hint for unknown keys.
pub(super) struct Shape<'s> {
    /// The kind of mapping with its article, such as "a service".
    pub(super) what: &'s str,
    pub(super) keys: &'s [&'s str],
    /// The hint for an unknown key. May be empty.
    pub(super) help: &'s str,
}

/// A mapping whose unknown keys have already been reported.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) map: &'a Map,
}

impl<'a> Fields<'a> {
    /// Returns the members of a mapping, and reports its unknown keys. If the node is not a mapping, reports it and
    /// returns `None`.
    pub(super) fn open(
        problems: &mut DiagnosticCollector,
        node: &'a Node,
        shape: &Shape<'_>,
    ) -> Option<Self> {
        Self::open_with(problems, node, shape, |_, _, _| false)
    }

    /// Returns the members of a mapping, as [`Self::open`] does. Calls `special` for each unknown key. If `special`
    /// returns true, it has already reported the key. Otherwise, this function reports the key.
    pub(super) fn open_with(
        problems: &mut DiagnosticCollector,
        node: &'a Node,
        shape: &Shape<'_>,
        mut special: impl FnMut(&mut DiagnosticCollector, &Key, &Node) -> bool,
    ) -> Option<Self> {
        let map = mapping(problems, node, shape.what)?;
        for (key, value) in &map.entries {
            if shape.keys.contains(&key.name.as_str()) {
                continue;
            }
            if names_credential(&key.name) {
                mask(problems, value);
            }
            if !special(problems, key, value) {
                problems.push(unknown_key(key, shape));
            }
        }
        Some(Self { map })
    }

    /// Returns the value of the member with this name, even if the value is null. Returns `None` if there is no such
    /// member.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Node> {
        self.map.get(name)
    }

    /// Returns the key of the member with this name, with the key's span. Returns `None` if there is no such member.
    pub(super) fn key(&self, name: &str) -> Option<&'a Key> {
        self.map.entry(name).map(|(key, _)| key)
    }

    /// Returns the value of the member with this name, or `None` if there is no such member. If the value is null,
    /// reports it and returns `None`.
    pub(super) fn get(&self, problems: &mut DiagnosticCollector, name: &str) -> Option<&'a Node> {
        let (key, node) = self.map.entry(name)?;
        if node.value == Value::Null {
            problems.push(
                Problem::error(Code::NoValue, key.span, format!("`{name}` has no value"))
                    .help("remove the key, or give it a value"),
            );
            return None;
        }
        Some(node)
    }

    /// Returns the value of a required member. If the key is missing or its value is null, reports that and returns
    /// `None`. A missing key is reported at the span `at`, as a key that `what` needs.
    pub(super) fn require(
        &self,
        problems: &mut DiagnosticCollector,
        name: &str,
        at: Span,
        what: &str,
    ) -> Option<&'a Node> {
        if self.map.entry(name).is_none() {
            problems.push(
                Problem::error(Code::MissingKey, at, format!("{what} needs `{name}`"))
                    .label(format!("`{name}` is missing")),
            );
        }
        self.get(problems, name)
    }
}

fn unknown_key(key: &Key, shape: &Shape<'_>) -> Problem {
    let name = shortened(&key.name);
    let problem = Problem::error(Code::UnknownKey, key.span, format!("unknown key `{name}`"));
    let problem = match did_you_mean(&key.name, shape.keys.iter().copied()) {
        Some(known) => problem.label(format!("did you mean `{known}`?")),
        None => problem.label(format!("not a key of {}", shape.what)),
    };
    if shape.help.is_empty() { problem } else { problem.help(shape.help) }
}

/// Returns "did you mean …?" with the suggestion, or the text `otherwise` if there is no suggestion.
pub(super) fn or_suggestion(suggestion: Option<&str>, otherwise: &str) -> String {
    suggestion.map_or_else(|| otherwise.to_owned(), |known| format!("did you mean `{known}`?"))
}

/// Creates a problem that reports a value of the wrong type.
pub(super) fn wrong_type(node: &Node, expected: &str) -> Problem {
    // The report quotes the line with the text, unless the text is masked. So the message does not repeat it.
    let found = if matches!(node.value, Value::Text(_)) { "a string".to_owned() } else { node.describe() };
    Problem::error(Code::WrongType, node.span, format!("expected {expected}, found {found}"))
        .label(format!("expected {expected}"))
}

/// Returns the mapping in a node. Reports any other value, and returns `None` for it.
pub(super) fn mapping<'a>(problems: &mut DiagnosticCollector, node: &'a Node, what: &str) -> Option<&'a Map> {
    match &node.value {
        Value::Map(map) => Some(map),
        _ => {
            problems.push(wrong_type(node, &format!("a mapping ({what})")));
            None
        }
    }
}

/// Returns the items of the list in a node. Reports any other value, and returns `None` for it.
pub(super) fn list<'a>(problems: &mut DiagnosticCollector, node: &'a Node, what: &str) -> Option<&'a [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        _ => {
            problems.push(wrong_type(node, &format!("a list of {what}")));
            None
        }
    }
}

/// Returns the string in a node. Reports any other value, and returns `None` for it. For a number or a boolean, the
/// report suggests quotes.
pub(super) fn text<'a>(problems: &mut DiagnosticCollector, node: &'a Node) -> Option<&'a str> {
    let written = match &node.value {
        Value::Text(text) => return Some(text),
        Value::Number(number) => number.raw.clone(),
        Value::Bool(value) => value.to_string(),
        _ => {
            problems.push(wrong_type(node, "a string"));
            return None;
        }
    };
    let problem = wrong_type(node, "a string").label(format!("quote it: \"{}\"", shortened(&written)));
    problems.push(problem);
    None
}

/// Decodes a name: a non-empty string of one line. Removes white space at both ends, as the servers do. Reports any
/// other value, and returns `None` for it.
pub(super) fn name<'a>(problems: &mut DiagnosticCollector, node: &'a Node, what: &str) -> Option<&'a str> {
    let trimmed = prose(problems, node, what)?;
    if let Some(c) = forbidden_in_name(trimmed) {
        let message = format!("{what} contains {}", code_point(c));
        let label =
            if c.is_whitespace() && !c.is_control() { "write an ordinary space" } else { "remove it" };
        problems.push(Problem::error(Code::BadText, node.span, message).label(label));
        return None;
    }
    Some(trimmed)
}

/// Returns true if a key's name suggests that its value is a credential.
pub(super) fn names_credential(key: &str) -> bool {
    let key = key.to_lowercase().replace('_', "-");
    // The key is a limit of a model, such as `max_output_tokens`.
    if key.starts_with("max-") && key.ends_with("-tokens") {
        return false;
    }
    ["authorization", "cookie", "api-key", "apikey", "token", "secret", "password", "user-id", "credential"]
        .iter()
        .any(|part| key.contains(part))
}

/// Masks every value of a tree in all reports. The span of a list or mapping covers only its first bracket, so each of
/// its members is masked.
pub(super) fn mask(problems: &mut DiagnosticCollector, node: &Node) {
    match &node.value {
        Value::Map(map) => map.entries.iter().for_each(|(_, value)| mask(problems, value)),
        Value::List(items) => items.iter().for_each(|item| mask(problems, item)),
        _ => problems.mask(node.span),
    }
}

/// Reports a string that is shorter or longer than the API allows. Returns true if the length is allowed.
pub(super) fn check_length(
    problems: &mut DiagnosticCollector,
    span: Span,
    what: &str,
    text: &str,
    (min, max): (usize, usize),
) -> bool {
    let length = text.chars().count();
    let fits = (min..=max).contains(&length);
    if !fits {
        let allowed =
            if min == 0 { format!("the limit is {max}") } else { format!("the API allows {min} to {max}") };
        let characters = if length == 1 { "character" } else { "characters" };
        let message = format!("{what} has {length} {characters}; {allowed}");
        let label = if length < min { "too short" } else { "too long" };
        problems.push(Problem::error(Code::BadLength, span, message).label(label));
    }
    fits
}

/// Decodes a non-empty string of any number of lines. Removes white space at both ends. Reports any other value, and
/// returns `None` for it.
pub(super) fn prose<'a>(problems: &mut DiagnosticCollector, node: &'a Node, what: &str) -> Option<&'a str> {
    let trimmed = text(problems, node)?.trim();
    if trimmed.is_empty() {
        problems.push(Problem::error(Code::BadText, node.span, format!("{what} is empty")));
        return None;
    }
    Some(trimmed)
}

/// Returns the boolean in a node. Reports any other value, and returns `None` for it.
pub(super) fn boolean(problems: &mut DiagnosticCollector, node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(value) => Some(*value),
        other => {
            let problem = wrong_type(node, "`true` or `false`");
            let hint = match other {
                Value::Text(text) if yaml_1_1_type(text) == Some("a boolean") => {
                    problem.help("in YAML 1.2, `yes`, `no`, `on` and `off` are strings")
                }
                Value::Text(text) if ["true", "false"].contains(&text.to_lowercase().as_str()) => {
                    problem.label(format!("write the value without quotes: {}", text.to_lowercase()))
                }
                _ => problem,
            };
            problems.push(hint);
            None
        }
    }
}

/// Returns the string in a node if it is one of the allowed `words`. Reports any other value, and returns `None` for
/// it.
pub(super) fn word<'a>(
    problems: &mut DiagnosticCollector,
    node: &'a Node,
    what: &str,
    words: &[&'static str],
) -> Option<&'a str> {
    let found = text(problems, node)?;
    if words.contains(&found) {
        return Some(found);
    }
    let expected: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    let expected = expected.join(" or ");
    problems.push(
        Problem::error(
            Code::BadValue,
            node.span,
            format!("{what} must be {expected}, not `{}`", shortened(found)),
        )
        .label(or_suggestion(did_you_mean(found, words.iter().copied()), &format!("expected {expected}"))),
    );
    None
}

/// Returns true if leading zeros make a number ambiguous, because it may be meant as octal or as decimal.
pub(super) fn is_ambiguous(raw: &str) -> bool {
    let digits = raw.trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reports a text without quotes that YAML 1.1 reads as a number or boolean. It is for values of any type, where it is
/// not clear whether the user means a string or the other type.
fn check_plain_text(problems: &mut DiagnosticCollector, span: Span, text: &str) {
    let Some(what) = yaml_1_1_type(text) else { return };
    let message = format!("`{}` is {what} in YAML 1.1, but a string in YAML 1.2", shortened(text));
    problems.push(
        Problem::error(Code::BadValue, span, message).label("put it in quotes to mean the text").help(
            match what {
                "a boolean" => "write `true` or `false` to mean a boolean",
                _ => "write only decimal digits to mean a number",
            },
        ),
    );
}

/// Converts a node to JSON, for values that the loader does not interpret. Reports a number with ambiguous leading
/// zeros. Reports a number that JSON can't express, and converts it to null.
pub(super) fn json(problems: &mut DiagnosticCollector, node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Text(text) => {
            if node.plain {
                check_plain_text(problems, node.span, text);
            }
            Json::String(text.clone())
        }
        Value::List(items) => Json::Array(items.iter().map(|item| json(problems, item)).collect()),
        Value::Map(map) => Json::Object(
            map.entries.iter().map(|(key, value)| (key.name.clone(), json(problems, value))).collect(),
        ),
        Value::Number(number) => {
            if is_ambiguous(&number.raw) {
                let message = format!(
                    "`{}` is ambiguous: the number could be octal or decimal",
                    shortened(&number.raw)
                );
                problems.push(
                    Problem::error(Code::BadValue, node.span, message)
                        .label("remove the leading zero, or put the value in quotes"),
                );
            }
            match &number.json {
                Some(value) => Json::Number(value.clone()),
                None => {
                    let raw = shortened(&number.raw);
                    problems.push(if number.is_integer() {
                        let message = format!("`{raw}` has more than 64 bits, so it can't be sent exactly");
                        Problem::error(Code::BadValue, node.span, message)
                            .label("put the number in quotes to send it as a string")
                    } else {
                        let message = format!("`{raw}` is a number that JSON can't express");
                        Problem::error(Code::BadValue, node.span, message)
                    });
                    Json::Null
                }
            }
        }
    }
}

/// Decodes a list of strings. Returns the strings with their spans.
pub(super) fn texts<'a>(
    problems: &mut DiagnosticCollector,
    node: &'a Node,
    what: &str,
) -> Vec<(&'a str, Span)> {
    let Some(items) = list(problems, node, what) else { return Vec::new() };
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        if let Some(text) = name(problems, item, &format!("one of the {what}")) {
            found.push((text, item.span));
        }
    }
    found
}

/// Decodes a mapping of names to strings. Returns each string with the spans of its key and of its value.
pub(super) fn text_map(
    problems: &mut DiagnosticCollector,
    node: &Node,
    what: &str,
) -> BTreeMap<String, (String, Span, Span)> {
    let mut found = BTreeMap::new();
    let Some(map) = mapping(problems, node, what) else { return found };
    for (key, value) in &map.entries {
        if let Some(text) = text(problems, value) {
            found.insert(key.name.clone(), (text.to_owned(), key.span, value.span));
        }
    }
    found
}
