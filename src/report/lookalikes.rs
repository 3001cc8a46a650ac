//! Escapes values that differ but would look the same, such as texts that differ only in a trailing space.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use unicode_width::UnicodeWidthChar;

use super::short_value::short_value;
use super::text::{push_visible, visible};
use crate::model::{ServiceName, is_hidden, nfc};

/// Returns both values with escapes if they would look the same without them. Returns `None` if they look different.
///
/// In texts, a space at the end of a line or beside another blank is shown as `␠`. Other unclear characters are shown
/// as escapes, such as `\r` or `\u{a0}`. Only lines that would look the same as a line of the other text are escaped. A
/// text that looks like a value of another type is quoted, such as the text `3` if the other value is the number 3.
pub(super) fn distinct(before: &Value, after: &Value) -> Option<(Value, Value)> {
    let escaped = match (before, after) {
        (Value::String(before), Value::String(after)) => {
            let (before, after) = texts(before, after)?;
            return Some((Value::from(before), Value::from(after)));
        }
        (Value::Array(before), Value::Array(after)) => items(before, after),
        _ => None,
    };
    let (old, new) = escaped.as_ref().map_or((before, after), |(old, new)| (old, new));
    if old != new && plain(old) == plain(new) {
        return Some((quoted(before), quoted(after)));
    }
    escaped
}

/// Returns two names as text without hidden characters. If the names would look the same, they are returned with
/// escapes.
pub(super) fn names(one: &ServiceName, other: &ServiceName) -> (String, String) {
    texts(one.as_str(), other.as_str()).unwrap_or_else(|| (visible(one.as_str()), visible(other.as_str())))
}

fn texts(before: &str, after: &str) -> Option<(String, String)> {
    // If only one text ends with a line break, this line break makes no visible line. So it is compared separately.
    let mut ends = [before.ends_with('\n'), after.ends_with('\n')];
    if ends[0] == ends[1] {
        ends = [false; 2];
    }
    let lines = |text: &str, ends: bool| -> Vec<String> {
        let text = if ends { text.strip_suffix('\n').unwrap_or(text) } else { text };
        text.split('\n').map(str::to_owned).collect()
    };
    let (old, new) = (lines(before, ends[0]), lines(after, ends[1]));
    let escapes = escapes(&old, &new);
    let last = |lines: &[String]| lines.last().map(|line| appearance(line));
    let marks_end = ends[0] != ends[1] && last(&old) == last(&new);
    if escapes.is_empty() && !marks_end {
        return None;
    }
    let joined = |lines: &[String], ends: bool| {
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| escapes.get(line.as_str()).map_or(line.as_str(), String::as_str))
            .collect();
        let end = match (ends, marks_end) {
            (false, _) => "",
            (true, false) => "\n",
            (true, true) => "\\n",
        };
        lines.join("\n") + end
    };
    Some((joined(&old, ends[0]), joined(&new, ends[1])))
}

fn items(before: &[Value], after: &[Value]) -> Option<(Value, Value)> {
    let texts = |items: &[Value]| -> Vec<String> {
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (old, new) = (texts(before), texts(after));
    let escapes = escapes(&old, &new);
    let escaped = |items: &[Value]| {
        let escaped = |item: &Value| item.as_str().and_then(|text| escapes.get(text)).cloned();
        items.iter().map(|item| escaped(item).map_or_else(|| item.clone(), Value::from)).collect()
    };
    (!escapes.is_empty()).then(|| (Value::Array(escaped(before)), Value::Array(escaped(after))))
}

/// Finds each line that is in only one of the two texts, but looks like a line that is only in the other text. Returns
/// the escaped forms of these lines. If some lines would still look the same, returns an escaped form of every line.
fn escapes<'a>(old: &'a [String], new: &'a [String]) -> BTreeMap<&'a str, String> {
    let lines = |lines: &'a [String]| -> BTreeSet<&'a str> { lines.iter().map(String::as_str).collect() };
    let (old, new) = (lines(old), lines(new));
    let looks = |lines: &BTreeSet<&str>, others: &BTreeSet<&str>| -> BTreeSet<String> {
        lines.difference(others).map(|line| appearance(line)).collect()
    };
    let (gone, added) = (looks(&old, &new), looks(&new, &old));
    let shared: BTreeSet<&String> = gone.intersection(&added).collect();
    if shared.is_empty() {
        return BTreeMap::new();
    }
    let changed = old.symmetric_difference(&new).copied();
    let alike = changed.filter(|line| shared.contains(&appearance(line)));
    let few: BTreeMap<&'a str, String> = alike.map(|line| (line, escape(line, Extent::Unclear))).collect();
    let all: BTreeSet<&str> = old.union(&new).copied().collect();
    let shown: BTreeSet<&str> = all.iter().map(|line| few.get(line).map_or(*line, String::as_str)).collect();
    if shown.len() == all.len() {
        return few;
    }
    // Two lines would still be shown alike, for example because one contains `␠` as its own text.
    all.into_iter().map(|line| (line, escape(line, Extent::Everything))).collect()
}

/// Returns a form of the text that is equal for texts that look the same on a terminal or on a page.
fn appearance(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in nfc(text).chars() {
        match c {
            c if c.is_whitespace() => shown.push(' '),
            '\u{200c}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{fffd}' => {}
            c if c.is_control() => push_visible(&mut shown, c),
            c if is_hidden(c) => {}
            c => shown.push(c),
        }
    }
    shown.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The selection of the characters that are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Only the characters that are hard to see or to tell apart.
    Unclear,
    /// Every character that is not ASCII, and the backslash, so that different texts have different escaped forms.
    Everything,
}

fn escape(text: &str, extent: Extent) -> String {
    let characters: Vec<char> = text.chars().collect();
    let is_blank = |at: Option<usize>| at.and_then(|at| characters.get(at)).is_none_or(|c| c.is_whitespace());
    let everything = extent == Extent::Everything;
    let mut out = String::with_capacity(text.len());
    for (at, &c) in characters.iter().enumerate() {
        match c {
            ' ' if !is_blank(at.checked_sub(1)) && !is_blank(Some(at + 1)) => out.push(' '),
            ' ' if !everything => out.push('␠'),
            '\r' | '\n' | '\t' => out.extend(c.escape_default()),
            '\\' if everything => out.push_str("\\\\"),
            c if is_unclear(c) || (everything && !c.is_ascii()) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

fn is_unclear(c: char) -> bool {
    let is_separate_accent = || c.width() == Some(0);
    // Unicode normalization (NFC) replaces some characters by others, such as the Angstrom sign by `Å`.
    let is_variant = || nfc(c.encode_utf8(&mut [0; 4])).chars().ne([c]);
    is_hidden(c) || c.is_whitespace() || (!c.is_ascii() && (is_separate_accent() || is_variant()))
}

/// Returns a value as reports show it, without shortening long lists.
fn plain(value: &Value) -> String {
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(short_value).collect::<Vec<_>>().join(", ")
        }
        value => short_value(value),
    }
}

/// Returns a text or a list as a string that contains its JSON, so that it can't be mistaken for a value of another
/// type. Returns other values unchanged.
fn quoted(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Array(_) => Value::from(value.to_string()),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_look_the_same_are_escaped() {
        let table = [
            (json!("one"), json!("one "), "one", "one␠"),
            (json!("a b"), json!("a  b"), "a b", "a␠␠b"),
            (json!("one\ntwo\n"), json!("one\r\ntwo\r\n"), "one\ntwo\n", "one\\r\ntwo\\r\n"),
            (json!("one\n"), json!("one"), "one\\n", "one"),
            (json!("a b"), json!("a\u{a0}b"), "a b", "a\\u{a0}b"),
            (json!("caf\u{e9}"), json!("cafe\u{301}"), "caf\u{e9}", "cafe\\u{301}"),
            (json!("\u{c5}"), json!("\u{212b}"), "\u{c5}", "\\u{212b}"),
            (json!("a\u{200b}b"), json!("a\u{feff}b"), "a\\u{200b}b", "a\\u{feff}b"),
            (json!("a\tb"), json!("a    b"), "a\\tb", "a␠␠␠␠b"),
            (json!("x\u{1b}"), json!("x␛"), "x\\u{1b}", "x␛"),
            (json!(""), json!("  "), "", "␠␠"),
            (json!(3), json!("3"), "3", "\"3\""),
            (json!(null), json!("none"), "none", "\"none\""),
            (json!(["a, b"]), json!(["a", "b"]), "[\"a, b\"]", "[\"a\",\"b\"]"),
            (json!(["a", "b"]), json!(["a ", "b"]), "a, b", "a␠, b"),
        ];
        for (before, after, old, new) in table {
            let text = |value: &Value| value.as_str().map_or_else(|| short_value(value), str::to_owned);
            for (one, other, expected) in [(&before, &after, (old, new)), (&after, &before, (new, old))] {
                let (one, other) = distinct(one, other).unwrap_or_else(|| panic!("{before} {after}"));
                assert_eq!((text(&one).as_str(), text(&other).as_str()), expected);
            }
        }
    }

    #[test]
    fn values_that_look_different_stay_as_they_are() {
        for (before, after) in [
            (json!("one "), json!("two ")),
            (json!("a\nb\n"), json!("a\nc")),
            (json!("a\u{a0}b\nc"), json!("a\u{a0}b\nd")),
            (json!("caf\u{e9}"), json!("cafe")),
            (json!(["a", "b"]), json!(["b", "a"])),
            (json!(null), json!("")),
            (json!(3), json!(4)),
        ] {
            assert_eq!(distinct(&before, &after), None, "{before} {after}");
        }
    }

    #[test]
    fn only_lines_that_look_the_same_are_escaped() {
        let (before, after) = texts("Caf\u{e9}\n  same\nold\nend", "Caf\u{e9}\n  same\nnew\nend ").unwrap();
        assert_eq!(before, "Caf\u{e9}\n  same\nold\nend");
        assert_eq!(after, "Caf\u{e9}\n  same\nnew\nend␠");
    }

    #[test]
    fn different_texts_are_never_shown_alike() {
        let (one, other) = texts("x ", "x\nx␠").unwrap();
        assert_eq!((one.as_str(), other.as_str()), ("x\\u{20}", "x\nx\\u{2420}"));
        let (one, other) = texts("a\u{a0}b\nq ", "a\\u{a0}b\nq").unwrap();
        assert_ne!(one.lines().next(), other.lines().next(), "{one}");
    }
}
