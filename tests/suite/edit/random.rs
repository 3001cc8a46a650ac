//! Tests of random changes to random documents in random layouts: the result parses as intended, and unrelated lines
//! are unchanged.

use amigops::edit::{Change, edit};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A small generator of random numbers. Its seed is a number that `proptest` chooses, and shrinks if a test fails.
struct Choices(u64);

impl Choices {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

const KEYS: &[&str] =
    &["a", "release", "agent_version", "EngageUser", "a b", "1", "true", "é", "x-y", "k.l", "no"];
const TEXTS: &[&str] = &[
    "hello",
    "it's",
    "a: b",
    "x # y",
    "3rd floor",
    "12",
    "yes",
    "~",
    "",
    "- a",
    "{b}",
    "日本",
    "a\nb\n",
    "a\n\n  b",
    "*x",
    "a, b] }",
    "\"quoted\"",
    " lead",
    "trail ",
    "@at",
    "%p",
    "1e3",
    "0x1F",
    "2026-01-01",
    "tab\tin",
    "!t",
    "a\nb",
    "\n",
    "a\\b",
];
const COMMENTS: &[&str] = &["# c", "# a: b", "#", "# it's {here}", "# ünï"];

/// Generates a tree and its YAML text at the same time, so that the text can contain things that JSON can't express,
/// such as comments.
struct Writer {
    choices: Choices,
    out: String,
}

impl Writer {
    fn scalar(&mut self, flow: bool) -> Value {
        match self.choices.below(6) {
            0 => {
                let number = self.choices.below(20);
                self.out.push_str(&number.to_string());
                json!(number)
            }
            1 => {
                self.out.push_str("0.5");
                json!(0.5)
            }
            2 => {
                let value = self.choices.chance(50);
                self.out.push_str(if value { "true" } else { "false" });
                json!(value)
            }
            3 => {
                self.out.push('~');
                Value::Null
            }
            4 => {
                let text = self.choices.pick(&["hello", "two words", "x-y", "a.b", "Coach Maya"]);
                self.out.push_str(text);
                json!(text)
            }
            _ => {
                let text = self.choices.pick(TEXTS);
                if !text.contains(['\n', '\t']) && !flow && self.choices.chance(50) {
                    self.out.push_str(&format!("'{}'", text.replace('\'', "''")));
                } else {
                    self.out.push_str(&json!(text).to_string());
                }
                json!(text)
            }
        }
    }

    fn key(&mut self, map: &Map<String, Value>) -> Option<String> {
        let key = self.choices.pick(KEYS);
        if map.contains_key(key) {
            return None;
        }
        let written = if self.choices.chance(20) { json!(key).to_string() } else { key.to_owned() };
        self.out.push_str(&written);
        Some(key.to_owned())
    }

    fn flow(&mut self, depth: u64) -> Value {
        let mut map = Map::new();
        let pad = if self.choices.chance(20) { " " } else { "" };
        self.out.push_str(&format!("{{{pad}"));
        for index in 0..self.choices.below(4) {
            let before = self.out.len();
            if index > 0 && !map.is_empty() {
                self.out.push_str(if self.choices.chance(90) { ", " } else { "," });
            }
            let Some(key) = self.key(&map) else {
                self.out.truncate(before);
                continue;
            };
            self.out.push_str(": ");
            let value = match self.choices.below(4) {
                0 if depth > 0 => self.flow(depth - 1),
                1 => {
                    self.out.push_str("[1, b]");
                    json!([1, "b"])
                }
                _ => self.scalar(true),
            };
            map.insert(key, value);
        }
        self.out.push_str(&format!("{}}}", if map.is_empty() { "" } else { pad }));
        Value::Object(map)
    }

    fn end_line(&mut self) {
        if self.choices.chance(30) {
            let comment = self.choices.pick(COMMENTS);
            self.out.push_str(&format!("{} {comment}", " ".repeat(usize::from(self.choices.chance(50)))));
        }
        self.out.push('\n');
    }

    fn block(&mut self, indent: usize, depth: u64) -> Value {
        let mut map = Map::new();
        let step = if self.choices.chance(70) { 2 } else { 4 };
        for index in 0..=self.choices.below(5) {
            let before = self.out.len();
            if index > 0 && self.choices.chance(20) {
                self.out.push('\n');
            }
            if index > 0 && self.choices.chance(20) {
                let comment = self.choices.pick(COMMENTS);
                self.out.push_str(&format!("{}{comment}\n", " ".repeat(indent)));
            }
            self.out.push_str(&" ".repeat(indent));
            let Some(key) = self.key(&map) else {
                self.out.truncate(before);
                continue;
            };
            self.out.push(':');
            let value = self.value(indent, step, depth);
            map.insert(key, value);
        }
        Value::Object(map)
    }

    fn value(&mut self, indent: usize, step: usize, depth: u64) -> Value {
        match self.choices.below(8) {
            0 | 1 if depth > 0 => {
                self.end_line();
                self.block(indent + step, depth - 1)
            }
            2 | 3 => {
                self.out.push(' ');
                let value = self.flow(2);
                self.end_line();
                value
            }
            4 => {
                self.end_line();
                let pad = " ".repeat(indent + if self.choices.chance(50) { 0 } else { step });
                self.out.push_str(&format!("{pad}- one\n{pad}- {{k: 2}} # item\n"));
                json!(["one", {"k": 2}])
            }
            5 => {
                let pad = " ".repeat(indent + step);
                let (head, text) =
                    if self.choices.chance(50) { ("|", "one\n\ntwo\n") } else { ("|-", "one\n\ntwo") };
                self.out.push_str(&format!(" {head}\n{pad}one\n\n{pad}two\n"));
                json!(text)
            }
            6 if self.choices.chance(30) => {
                self.end_line();
                Value::Null
            }
            _ => {
                self.out.push(' ');
                let value = self.scalar(false);
                self.end_line();
                value
            }
        }
    }
}

/// Returns the path of a random key in the tree. If `may_be_new` is true, the key may be one that does not exist yet.
fn path(choices: &mut Choices, root: &Value, may_be_new: bool) -> Vec<String> {
    let mut path = Vec::new();
    let mut node = root;
    loop {
        let Value::Object(map) = node else { return path };
        let count = map.len() as u64;
        if count == 0 || (may_be_new && choices.chance(30)) {
            path.push(format!("new{}", choices.below(3)));
            return path;
        }
        let (key, value) = map.iter().nth(usize::try_from(choices.below(count)).unwrap()).unwrap();
        path.push(key.clone());
        if !value.is_object() || choices.chance(30) {
            return path;
        }
        node = value;
    }
}

fn changed(root: &Value, change: &Change) -> Value {
    fn go(node: &mut Value, path: &[String], value: Option<&Value>) {
        if node.is_null() {
            *node = json!({});
        }
        let map = node.as_object_mut().unwrap();
        match (path, value) {
            ([key], Some(value)) => drop(map.insert(key.clone(), value.clone())),
            ([key], None) => drop(map.remove(key)),
            ([key, rest @ ..], _) => go(map.entry(key.clone()).or_insert(json!({})), rest, value),
            ([], _) => unreachable!(),
        }
    }
    let mut root = root.clone();
    match change {
        Change::Set { path, value } => go(&mut root, path, Some(value)),
        Change::Remove { path } => go(&mut root, path, None),
    }
    root
}

fn new_value(choices: &mut Choices) -> Value {
    match choices.below(8) {
        0 => json!(choices.below(100)),
        1 => json!(0.25),
        2 => json!(choices.chance(50)),
        3 => json!({"agent_version": 3, "context_graph_version": "latest"}),
        4 => json!({"m": {"llm_name": "x", "params": {"temperature": 0.4, "stop": ["a", "b"]}}}),
        5 => json!(["a", 1, null]),
        _ => json!(choices.pick(TEXTS)),
    }
}

fn read(text: &str) -> Vec<Value> {
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    serde_saphyr::from_multiple_with_options(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Returns the number of lines of the old text that are neither in the common beginning nor in the common end.
fn lines_touched(before: &str, after: &str) -> usize {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    old.len() - head - tail
}

fn one_case(seed: u64) {
    let mut writer = Writer { choices: Choices(seed), out: String::new() };
    writer.choices.below(2);
    let root = writer.block(0, 3);
    let Writer { mut choices, out: mut own } = writer;
    let mut number = 0;
    if choices.chance(30) {
        own = format!("# first\nother: {{a: 1}} # other\n---\n{own}");
        number = 1;
    }
    let mut text = own;
    if choices.chance(30) {
        text.push_str("--- # third\nlast: |\n  text\n\n");
    } else if choices.chance(20) {
        text.truncate(text.trim_end_matches('\n').len());
    }
    if choices.chance(20) {
        text = text.replace('\n', "\r\n");
    }
    if choices.chance(10) {
        text.insert(0, '\u{feff}');
    }
    let change = if choices.chance(75) {
        Change::Set { path: path(&mut choices, &root, true), value: new_value(&mut choices) }
    } else {
        Change::Remove { path: path(&mut choices, &root, false) }
    };
    let (Change::Set { path, .. } | Change::Remove { path }) = &change;
    let old = path.iter().try_fold(&root, |node, key| node.get(key));
    let removes = matches!(change, Change::Remove { .. });
    let holder = path[..path.len() - 1].iter().try_fold(&root, |node, key| node.get(key));
    let alone = holder.and_then(Value::as_object).is_some_and(|holder| holder.len() == 1);
    let edited = match edit(&text, number, std::slice::from_ref(&change)) {
        Ok(edited) => edited,
        // Removing the only member of a mapping moves `{}` past a comment, which may be refused.
        Err(_) if removes && alone => return,
        Err(error) => panic!("{error}\n{change:?}\n{text}"),
    };
    let mut meant = read(&text);
    assert_eq!(meant[number], root, "the generated text must parse as the generated tree:\n{text}");
    meant[number] = changed(&root, &change);
    assert_eq!(read(&edited), meant, "{change:?}\n{text}\n→\n{edited}");
    let touched = lines_touched(&text, &edited);
    let most = match old {
        // The maximum number of lines of a value, without blank lines and comments.
        Some(Value::Object(_)) => usize::MAX,
        Some(Value::Array(_)) => 3,
        // Replacing or removing a block scalar also changes the line of its key.
        Some(Value::String(text)) if text.starts_with("one\n") => 5,
        _ => 1,
    };
    // A removal may also remove one blank line around it.
    let most = most.saturating_add(usize::from(removes));
    assert!(touched <= most, "{touched} lines changed: {change:?}\n{text}\n→\n{edited}");
    assert_eq!(text.starts_with('\u{feff}'), edited.starts_with('\u{feff}'));
    let windows = text.contains('\r');
    let breaks = edited.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    assert!(breaks.into_iter().all(|line| line.ends_with("\r\n") == windows), "{edited:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_text_parses_as_intended(seed in any::<u64>()) {
        one_case(seed);
    }
}
