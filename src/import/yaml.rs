//! Writes a document of JSON values as readable YAML.
//!
//! Supports only service documents. Keys are in the order of the documentation, small mappings and lists are on one
//! line, and long strings are block scalars. A string that YAML 1.2 or 1.1 could read as another type is quoted. The
//! caller parses the result again before it uses the result.

use serde_json::{Map, Value};

use crate::model::is_hidden;

/// The maximum line width. A line that can't be broken may be longer.
const WIDTH: usize = 100;

/// The order of keys at the top level of a document.
const TOP: &[&str] = &[
    "service",
    "description",
    "agent",
    "context_graph",
    "active",
    "channel_type",
    "environment",
    "tool_capacity",
    "safety_filters_enabled",
    "keyterms",
    "tags",
    "version_sets",
    "voice_config",
    "escalation_policy",
    "depends_on",
    "lifecycle",
    "smoke",
    "environments",
];
/// The order of keys in a version set and in a model preference.
const INNER: &[&str] = &[
    "release",
    "agent_version",
    "context_graph_version",
    "llm_model_preferences",
    "llm_name",
    "params",
    "experience_controls",
];

/// Returns a document as YAML text.
pub(super) fn document(members: &Map<String, Value>) -> String {
    let mut out = String::new();
    mapping(&mut out, members, &[], 0);
    out
}

/// Returns the members of a mapping in the order in which they are written.
fn ordered<'a>(members: &'a Map<String, Value>, path: &[&str]) -> Vec<(&'a String, &'a Value)> {
    let top = path.is_empty() || (path.len() == 2 && path[0] == "environments");
    let order = match path {
        _ if top => TOP,
        _ if path.contains(&"version_sets") => INNER,
        _ => &[],
    };
    let rank = |key: &str| order.iter().position(|known| *known == key).unwrap_or(order.len());
    let mut all: Vec<_> = members.iter().collect();
    all.sort_by_key(|(key, _)| (rank(key), *key));
    all
}

fn mapping(out: &mut String, members: &Map<String, Value>, path: &[&str], indent: usize) {
    for (key, value) in ordered(members, path) {
        out.push_str(&" ".repeat(indent));
        let before = out.len();
        out.push_str(&text(key));
        out.push(':');
        let column = indent + out[before..].chars().count() + 1;
        let path = [path, &[key.as_str()]].concat();
        member(out, value, &path, indent, column);
    }
}

/// Writes the value of a member, whose key and colon are already written. `column` is the column after the colon.
fn member(out: &mut String, value: &Value, path: &[&str], indent: usize, column: usize) {
    let below = indent + 2;
    match value {
        Value::Object(members)
            if !members.is_empty() && (is_always_spread(path, members) || !fits(value, column)) =>
        {
            out.push('\n');
            mapping(out, members, path, below);
        }
        Value::Array(items) if !items.is_empty() && !fits(value, column) => {
            out.push('\n');
            for item in items {
                out.push_str(&format!("{}- {}\n", " ".repeat(below), flow(item)));
            }
        }
        Value::String(long) if literal_fits(long) => literal(out, long, below),
        Value::String(long) if !fits(value, column) && can_fold(long) => folded(out, long, below),
        _ => out.push_str(&format!(" {}\n", flow(value))),
    }
}

/// Returns true if a mapping is written on several lines even if it would fit on one line.
fn is_always_spread(path: &[&str], members: &Map<String, Value>) -> bool {
    let overlay = path.first() == Some(&"environments") && path.len() <= 2;
    let last = path.last().copied().unwrap_or_default();
    overlay
        || matches!(last, "version_sets" | "llm_model_preferences")
        || members.contains_key("llm_model_preferences")
}

/// Returns true if a value that starts at `column` fits on the line.
fn fits(value: &Value, column: usize) -> bool {
    !has_lines(value) && column + flow(value).chars().count() <= WIDTH
}

fn has_lines(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_lines),
        Value::Object(members) => members.values().any(has_lines),
        Value::String(text) => text.contains('\n'),
        _ => false,
    }
}

/// Formats a value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Null => "~".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(value) => text(value),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = ordered(members, &["version_sets"]);
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{}: {}", text(key), flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Formats a string on one line: plain if every YAML parser reads it as a string, else in double quotes.
fn text(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Words that some YAML parsers don't read as strings unless they are quoted.
const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

fn is_plain(text: &str) -> bool {
    let inner = |c: char| {
        c.is_alphanumeric() || " _-./&'()+!%;@=<>*?^~|$".contains(c) || (!c.is_ascii() && is_printable(c))
    };
    text.starts_with(|c: char| c.is_ascii_alphabetic() || (c.is_alphabetic() && !c.is_ascii()))
        && text.chars().all(inner)
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_lowercase().as_str())
}

/// Returns true if a character is visible and not a line break.
fn is_printable(c: char) -> bool {
    !is_hidden(c) && (c == ' ' || !c.is_whitespace()) && !matches!(c, '\u{200c}' | '\u{fff0}'..='\u{ffff}')
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // A zero-width joiner combines several emoji into one, and is harmless.
            '\u{200d}' => out.push(c),
            c if is_printable(c) => out.push(c),
            c if (c as u32) <= 0xffff => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// Returns true if a string has several lines and can be written as a literal block (`|-`) without loss.
fn literal_fits(text: &str) -> bool {
    let shown = |c: char| is_printable(c) || matches!(c, '\n' | '\t' | '\u{200d}');
    // A first line that begins with white space would need an indentation indicator.
    let starts = !text.starts_with(|c: char| c.is_whitespace());
    text.trim_end().contains('\n') && starts && text.chars().all(shown)
        && !text.ends_with(|c: char| c.is_whitespace())
        // Many editors remove white space at the end of a line.
        && text.split('\n').all(|line| !line.ends_with(|c: char| c.is_whitespace()))
}

fn literal(out: &mut String, text: &str, indent: usize) {
    out.push_str(" |-\n");
    for line in text.split('\n') {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// Returns true if a string has one line and can be written as a block that is folded at spaces (`>-`) without loss.
fn can_fold(text: &str) -> bool {
    let shown = |c: char| is_printable(c) || c == '\u{200d}';
    let edge = |c: char| c.is_whitespace();
    text.contains(' ') && text.chars().all(shown) && !text.starts_with(edge) && !text.ends_with(edge)
}

fn folded(out: &mut String, text: &str, indent: usize) {
    out.push_str(" >-\n");
    let mut line = String::new();
    let mut flush = |line: &mut String| {
        out.push_str(&" ".repeat(indent));
        out.push_str(line);
        out.push('\n');
        line.clear();
    };
    for word in text.split(' ') {
        // A line may not begin or end with a space, so only break at single spaces between words.
        let breakable = !line.is_empty() && !line.ends_with(' ') && !word.is_empty();
        if breakable && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            flush(&mut line);
            line.push_str(word);
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    flush(&mut line);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: Value) -> String {
        let Value::Object(members) = value else { panic!("not a mapping") };
        document(&members)
    }

    #[test]
    fn document_has_the_layout_of_the_documentation() {
        let text = written(json!({
            "service": "Health Coach", "agent": "Coach Maya", "context_graph": {"id": "6618791275530b73714e9d18"},
            "description": "Line one.\n\n  * Line \"two\"", "tags": {"tier": "gold", "audited": null},
            "keyterms": ["metformin", "blood sugar"], "active": false,
            "version_sets": {
                "dev": {"agent_version": "latest", "context_graph_version": 6, "llm_model_preferences": {
                    "EngageUser": {"params": {"temperature": 0.4}, "llm_name": "openai_gpt-5.1"}}},
                "release": {"context_graph_version": 5, "agent_version": 3},
            },
        }));
        let wanted = "service: Health Coach\ndescription: |-\n  Line one.\n\n    * Line \"two\"\nagent: Coach Maya\n\
            context_graph: {id: \"6618791275530b73714e9d18\"}\nactive: false\nkeyterms: [metformin, blood sugar]\n\
            tags: {audited: ~, tier: gold}\nversion_sets:\n  release: {agent_version: 3, context_graph_version: 5}\n\
            \x20 dev:\n    agent_version: latest\n    context_graph_version: 6\n    llm_model_preferences:\n\
            \x20     EngageUser: {llm_name: openai_gpt-5.1, params: {temperature: 0.4}}\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn no_line_ends_with_white_space() {
        for text in [
            "one \ntwo",
            "one\t\ntwo",
            "one\n \ntwo",
            "one\ntwo\n",
            "one\ntwo\n\n",
            "one\u{3000}\ntwo",
            "one ",
        ] {
            let written = written(json!({"description": text}));
            assert!(written.starts_with("description: \"one"), "{written}");
            assert_eq!(written.lines().count(), 1, "{written}");
        }
        let wide = format!("{}  {}", "word ".repeat(30).trim(), "more ".repeat(30).trim());
        for text in ["one\n\n  two", &wide] {
            let written = written(json!({"description": text}));
            assert!(written.lines().count() > 1, "{written}");
            assert!(written.lines().all(|line| line == line.trim_end()), "{written}");
        }
    }

    #[test]
    fn ambiguous_texts_are_quoted() {
        for plain in ["Meet & Greet", "it's", "Größe 2", "a-b", "日本 語", "x 🙂"] {
            assert_eq!(text(plain), plain);
        }
        for strange in [
            "yes",
            "No",
            "0123",
            "1e3",
            "- a",
            "a: b",
            "a #b",
            "*a",
            "",
            " a",
            "a ",
            "~",
            "a\tb",
            "{",
            "2026-11-22",
            "a,b",
            "12:30",
            "\u{7f}",
        ] {
            assert!(text(strange).starts_with('"'), "{strange:?}: {}", text(strange));
        }
        assert_eq!(text("a\u{7f}\u{2028}"), "\"a\\u007f\\u2028\"");
    }
}
