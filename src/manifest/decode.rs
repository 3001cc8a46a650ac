//! Trees → values, reporting each problem and going on. Imports `model`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::diagnostic::Code;
use super::sink::{Problem, Sink, Span};
use super::tree::{Key, Map, Node, Value, shortened};
use crate::model::did_you_mean;

/// What a mapping is, and which keys it may have.
pub(super) struct Shape<'s> {
    /// With its article: "a service".
    pub(super) what: &'s str,
    pub(super) keys: &'s [&'s str],
    /// What helps someone who wrote another key; may be empty.
    pub(super) help: &'s str,
}

/// A mapping whose keys were checked.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) map: &'a Map,
}

impl<'a> Fields<'a> {
    /// The members of a mapping, after reporting what isn't one and what isn't known.
    pub(super) fn open(sink: &mut Sink, node: &'a Node, shape: &Shape<'_>) -> Option<Self> {
        Self::open_with(sink, node, shape, |_, _, _| false)
    }

    /// As [`Self::open`]; `special` may take care of an unknown key itself and then says `true`.
    pub(super) fn open_with(
        sink: &mut Sink,
        node: &'a Node,
        shape: &Shape<'_>,
        mut special: impl FnMut(&mut Sink, &Key, &Node) -> bool,
    ) -> Option<Self> {
        let map = mapping(sink, node, shape.what)?;
        for (key, value) in &map.entries {
            if shape.keys.contains(&key.name.as_str()) {
                continue;
            }
            if names_credential(&key.name) {
                mask(sink, value);
            }
            if !special(sink, key, value) {
                sink.push(unknown_key(key, shape));
            }
        }
        Some(Self { map })
    }

    /// A member's value, null or not.
    pub(super) fn raw(&self, name: &str) -> Option<&'a Node> {
        self.map.get(name)
    }

    /// A member's key.
    pub(super) fn key(&self, name: &str) -> Option<&'a Key> {
        self.map.entry(name).map(|(key, _)| key)
    }

    /// A member's value; a key without one is a problem.
    pub(super) fn get(&self, sink: &mut Sink, name: &str) -> Option<&'a Node> {
        let (key, node) = self.map.entry(name)?;
        if node.value == Value::Null {
            sink.push(
                Problem::error(Code::NoValue, key.span, format!("`{name}` has no value"))
                    .help("leave the key out where nothing is to be said"),
            );
            return None;
        }
        Some(node)
    }

    /// A member's value, which must be there.
    pub(super) fn require(&self, sink: &mut Sink, name: &str, at: Span, what: &str) -> Option<&'a Node> {
        if self.map.entry(name).is_none() {
            sink.push(
                Problem::error(Code::MissingKey, at, format!("{what} needs `{name}`"))
                    .label(format!("`{name}` is missing")),
            );
        }
        self.get(sink, name)
    }
}

fn unknown_key(key: &Key, shape: &Shape<'_>) -> Problem {
    let name = shortened(&key.name);
    let problem = Problem::error(Code::UnknownKey, key.span, format!("unknown key `{name}`"));
    let problem = match did_you_mean(&key.name, shape.keys.iter().copied()) {
        Some(known) => problem.label(format!("did you mean `{known}`?")),
        None => problem.label(format!("{} has no such key", shape.what)),
    };
    if key.name == "<<" {
        return problem.help("YAML 1.2 has no merge keys; share values with `defaults` in amigops.yaml");
    }
    if shape.help.is_empty() { problem } else { problem.help(shape.help) }
}

/// "did you mean …?" where there is something to mean.
pub(super) fn or_suggestion(suggestion: Option<&str>, otherwise: &str) -> String {
    suggestion.map_or_else(|| otherwise.to_owned(), |known| format!("did you mean `{known}`?"))
}

/// A problem of type.
pub(super) fn wrong_type(node: &Node, expected: &str) -> Problem {
    // The line itself shows the text, unless it is masked.
    let found = if matches!(node.value, Value::Text(_)) { "a text".to_owned() } else { node.describe() };
    Problem::error(Code::WrongType, node.span, format!("expected {expected}, found {found}"))
        .label(format!("expected {expected}"))
}

/// A mapping.
pub(super) fn mapping<'a>(sink: &mut Sink, node: &'a Node, what: &str) -> Option<&'a Map> {
    match &node.value {
        Value::Map(map) => Some(map),
        _ => {
            sink.push(wrong_type(node, &format!("a mapping ({what})")));
            None
        }
    }
}

/// A list.
pub(super) fn list<'a>(sink: &mut Sink, node: &'a Node, what: &str) -> Option<&'a [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        _ => {
            sink.push(wrong_type(node, &format!("a list of {what}")));
            None
        }
    }
}

/// A text; what only looks like one is to be quoted.
pub(super) fn text<'a>(sink: &mut Sink, node: &'a Node) -> Option<&'a str> {
    let written = match &node.value {
        Value::Text(text) => return Some(text),
        Value::Number(number) => number.raw.clone(),
        Value::Bool(value) => value.to_string(),
        _ => {
            sink.push(wrong_type(node, "a text"));
            return None;
        }
    };
    let problem = wrong_type(node, "a text").label(format!("quote it: \"{}\"", shortened(&written)));
    sink.push(problem);
    None
}

/// A name: a text in one line, trimmed as the servers do, and not empty.
pub(super) fn name<'a>(sink: &mut Sink, node: &'a Node, what: &str) -> Option<&'a str> {
    let trimmed = prose(sink, node, what)?;
    if trimmed.chars().any(is_unprintable) {
        sink.push(
            Problem::error(
                Code::BadText,
                node.span,
                format!("{what} has a line break or an invisible character"),
            )
            .label("one line of printable text is expected"),
        );
        return None;
    }
    Some(trimmed)
}

/// Line breaks, control characters, and those that reorder text or can't be seen: two names that look
/// the same should be the same.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a key's name says that a credential stands behind it.
pub(super) fn names_credential(key: &str) -> bool {
    let key = key.to_lowercase().replace('_', "-");
    // A model's bound, such as `max_output_tokens`.
    if key.starts_with("max-") && key.ends_with("-tokens") {
        return false;
    }
    ["authorization", "cookie", "api-key", "apikey", "token", "secret", "password", "user-id", "credential"]
        .iter()
        .any(|part| key.contains(part))
}

/// Hides every value of a tree from reports; a collection's own place is only its bracket.
pub(super) fn mask(sink: &mut Sink, node: &Node) {
    match &node.value {
        Value::Map(map) => map.entries.iter().for_each(|(_, value)| mask(sink, value)),
        Value::List(items) => items.iter().for_each(|item| mask(sink, item)),
        _ => sink.mask(node.span),
    }
}

/// Whether a text has as many characters as the API takes; it is reported where it has not.
pub(super) fn check_length(
    sink: &mut Sink,
    span: Span,
    what: &str,
    text: &str,
    (min, max): (usize, usize),
) -> bool {
    let length = text.chars().count();
    let fits = (min..=max).contains(&length);
    if !fits {
        let allowed =
            if min == 0 { format!("{max} are the most") } else { format!("{min} to {max} are taken") };
        let characters = if length == 1 { "character" } else { "characters" };
        let message = format!("{what} has {length} {characters}, {allowed}");
        let label = if length < min { "too short" } else { "too long" };
        sink.push(Problem::error(Code::BadLength, span, message).label(label));
    }
    fits
}

/// A text of any number of lines, trimmed and not empty.
pub(super) fn prose<'a>(sink: &mut Sink, node: &'a Node, what: &str) -> Option<&'a str> {
    let trimmed = text(sink, node)?.trim();
    if trimmed.is_empty() {
        sink.push(Problem::error(Code::BadText, node.span, format!("{what} is empty")));
        return None;
    }
    Some(trimmed)
}

/// A boolean.
pub(super) fn boolean(sink: &mut Sink, node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(value) => Some(*value),
        other => {
            let problem = wrong_type(node, "`true` or `false`");
            let hint = match other {
                Value::Text(text) if is_yaml_1_1_boolean(text) => {
                    problem.help("YAML 1.2 takes `yes`, `no`, `on` and `off` as texts")
                }
                _ => problem,
            };
            sink.push(hint);
            None
        }
    }
}

fn is_yaml_1_1_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n", "true", "false"].contains(&text.to_lowercase().as_str())
}

/// One of a few words.
pub(super) fn word<'a>(
    sink: &mut Sink,
    node: &'a Node,
    what: &str,
    words: &[&'static str],
) -> Option<&'a str> {
    let found = text(sink, node)?;
    if words.contains(&found) {
        return Some(found);
    }
    let expected: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    let expected = expected.join(" or ");
    sink.push(
        Problem::error(
            Code::BadValue,
            node.span,
            format!("{what} is {expected}, not `{}`", shortened(found)),
        )
        .label(or_suggestion(did_you_mean(found, words.iter().copied()), &format!("expected {expected}"))),
    );
    None
}

/// A number whose leading zeros leave open which one is meant.
pub(super) fn is_ambiguous(raw: &str) -> bool {
    let digits = raw.trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A node as JSON, for values that are passed through.
pub(super) fn json(sink: &mut Sink, node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(|item| json(sink, item)).collect()),
        Value::Map(map) => Json::Object(
            map.entries.iter().map(|(key, value)| (key.name.clone(), json(sink, value))).collect(),
        ),
        Value::Number(number) => {
            if is_ambiguous(&number.raw) {
                let message = format!("`{}` may be read as octal or as decimal", shortened(&number.raw));
                sink.push(
                    Problem::error(Code::BadValue, node.span, message)
                        .label("write it without the zero, or quote it"),
                );
            }
            match &number.json {
                Some(value) => Json::Number(value.clone()),
                None => {
                    let message = format!("`{}` is no number that JSON can carry", shortened(&number.raw));
                    sink.push(Problem::error(Code::BadValue, node.span, message));
                    Json::Null
                }
            }
        }
    }
}

/// A list of texts with their places.
pub(super) fn texts<'a>(sink: &mut Sink, node: &'a Node, what: &str) -> Vec<(&'a str, Span)> {
    let Some(items) = list(sink, node, what) else { return Vec::new() };
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        if let Some(text) = name(sink, item, &format!("one of the {what}")) {
            found.push((text, item.span));
        }
    }
    found
}

/// A mapping of names to texts.
pub(super) fn text_map(sink: &mut Sink, node: &Node, what: &str) -> BTreeMap<String, (String, Span, Span)> {
    let mut found = BTreeMap::new();
    let Some(map) = mapping(sink, node, what) else { return found };
    for (key, value) in &map.entries {
        if let Some(text) = text(sink, value) {
            found.insert(key.name.clone(), (text.to_owned(), key.span, value.span));
        }
    }
    found
}
