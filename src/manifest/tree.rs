//! The tree of a YAML document, with the span of each node.

use super::collector::Span;

/// A value in a YAML document, and its range in the file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
    /// True if the value is a scalar without quotes, without a block indicator (`|` or `>`) and without a tag.
    pub(super) plain: bool,
}

/// A YAML value. Its type is one of those in the core schema of YAML 1.2.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

/// A number, and its text in the file. The text distinguishes `0123` from `123`, and `1.0` from `1`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) raw: String,
    /// The number in JSON. `None` for infinities, NaN, and integers of more than 64 bits, which can't be sent exactly.
    pub(super) json: Option<serde_json::Number>,
}

impl Number {
    /// Returns true if the number is written as an integer.
    pub(super) fn is_integer(&self) -> bool {
        let digits = self.raw.strip_prefix(['-', '+']).unwrap_or(&self.raw);
        digits.bytes().all(|byte| byte.is_ascii_digit())
            || digits.starts_with("0x")
            || digits.starts_with("0o")
    }
}

/// The key of a member of a mapping, and its range in the file.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Span,
}

/// A mapping. Its members are in the order of the file, and its keys are unique.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub(super) entries: Vec<(Key, Node)>,
}

/// Compares only the values of nodes, neither spans nor styles.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Compares mappings. Ignores the order of their members.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self.entries.iter().all(|(key, value)| other.get(&key.name) == Some(value))
    }
}

impl Map {
    /// Returns the value of the member with this name, or `None` if there is none.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// Returns the key and the value of the member with this name, or `None` if there is none.
    pub(super) fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        self.entries.iter().find(|(key, _)| key.name == name)
    }

    /// Removes the member with this name and returns it. Returns `None` if there is no such member.
    pub(super) fn remove(&mut self, name: &str) -> Option<(Key, Node)> {
        let index = self.entries.iter().position(|(key, _)| key.name == name)?;
        Some(self.entries.remove(index))
    }
}

impl Node {
    /// Creates a node that is not a plain scalar.
    pub(super) fn new(span: Span, value: Value) -> Self {
        Self { span, value, plain: false }
    }

    /// Describes the node for a message of the form "expected …, found …".
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("the boolean `{value}`"),
            Value::Number(number) => format!("the number `{}`", shortened(&number.raw)),
            Value::Text(text) => format!("the string `{}`", shortened(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Shortens a string to 60 characters, so that it fits into a message.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
