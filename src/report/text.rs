//! Sanitizes text from files and the API, and defines the styles that all renderers share.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::is_hidden;

/// The style of added values and successful steps.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// The style of removed values and failed steps.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// The style of changes and waits.
pub(super) const CHANGED: Style = AnsiColor::Yellow.on_default();
/// The style of ids, times and other details.
pub(super) const DIM: Style = Style::new().dimmed();
/// The style of names and totals.
pub(super) const STRONG: Style = Style::new().bold();

/// Encloses the text in the terminal escape codes that turn a style on and off, and returns the result.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns the text in one line. Control characters and invisible characters are replaced by visible ones.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut out, if c == '\n' { ' ' } else { c });
    }
    out
}

pub(super) fn push_visible(out: &mut String, c: char) {
    match c {
        '\t' => out.push_str("    "),
        '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('�')),
        '\x7f' => out.push('␡'),
        c if is_hidden(c) => out.push('�'),
        _ => out.push(c),
    }
}

/// Returns a value as JSON that is safe to show on a terminal. The characters that [`visible`] replaces are written as
/// `\uXXXX`. They occur only in strings, so the JSON value stays the same.
pub fn json(value: &impl serde::Serialize) -> String {
    // Serialization fails only for maps whose keys are not strings. Our values have no such maps.
    harmless(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// Returns a value as JSON in one line. Like the result of [`json`], it is safe to show on a terminal.
pub fn json_line(value: &impl serde::Serialize) -> String {
    harmless(&serde_json::to_string(value).unwrap_or_default())
}

fn harmless(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len() + 1);
    let mut last = ' ';
    for c in plain.chars() {
        // Some CI systems read `##[` as the start of a command anywhere in a line, so the second `#` is escaped.
        let commands = c == '#' && last == '#';
        last = c;
        if c == '\x7f' || commands || (!c.is_ascii() && is_hidden(c)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out.push('\n');
    out
}

/// Returns a short form of an id: its first and last four characters. An id of at most 12 characters is returned whole.
pub fn short_id(id: &str) -> String {
    let id = visible(id);
    let characters: Vec<char> = id.chars().collect();
    if characters.len() <= 12 {
        return id;
    }
    let (head, tail) = (&characters[..4], &characters[characters.len() - 4..]);
    format!("{}…{}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}

/// Returns the first ten characters of a commit's id.
pub(super) fn short_commit(id: &str) -> String {
    visible(id).chars().take(10).collect()
}

/// The number of columns of a common terminal. Progress lines fit into it.
pub(super) const TERMINAL: usize = 80;

/// Returns the number of columns that the text takes up on a terminal. A CJK character takes up two columns. An accent
/// that is a separate character takes up none.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Returns the text. If it takes up more than `most` columns, replaces its end by `…`.
pub(super) fn clipped(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    format!("{}…", head(text, most.saturating_sub(1)).trim_end())
}

/// Returns the text. If it takes up more than `most` columns, replaces its middle by `…`.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(1);
    let tail = tail(text, room / 2);
    format!("{}…{tail}", head(text, room - width(tail)))
}

/// Returns the longest beginning of the text that fits into `most` columns.
fn head(text: &str, most: usize) -> &str {
    text.get(..fitting(text.char_indices(), most).map_or(text.len(), |(at, _)| at)).unwrap_or_default()
}

/// Returns the longest end of the text that fits into `most` columns. It does not begin with an accent that belongs to
/// the character before it.
fn tail(text: &str, most: usize) -> &str {
    let start = fitting(text.char_indices().rev(), most).map_or(0, |(at, c)| at + c.len_utf8());
    text.get(start..).unwrap_or_default().trim_start_matches(|c: char| c.width() == Some(0))
}

/// Returns the first character that is beyond `most` columns, with its position in bytes. Returns `None` if all
/// characters fit.
fn fitting(characters: impl Iterator<Item = (usize, char)>, most: usize) -> Option<(usize, char)> {
    let mut used = 0;
    let mut characters = characters;
    characters.find(|(_, c)| {
        used += c.width().unwrap_or(1);
        used > most
    })
}

/// Returns the text, followed by spaces up to the given number of columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Returns a number with a noun in the singular or plural: `1 service`, `2 services`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Renders an error message with its hints.
pub fn error(message: &str, hints: &[String]) -> String {
    let mut out = format!("{}: {}\n", styled(BAD.bold(), "error"), styled(STRONG, &visible(message)));
    for hint in hints {
        out.push_str(&format!("   = help: {}\n", visible(hint)));
    }
    out
}

/// Renders the message that a run was refused, with details and hints.
pub fn refusal(message: &str, details: &str, hints: &[String]) -> String {
    let mut out =
        format!("{}: {}\n{details}", styled(BAD.bold(), "refused"), styled(STRONG, &visible(message)));
    for hint in hints {
        out.push_str(&format!("   = help: {}\n", visible(hint)));
    }
    out.push_str(&format!("{}: nothing was sent\n", styled(BAD.bold(), "error")));
    out
}

/// Returns the text with a space inserted into each workflow command, so that a CI system that reads the text does not
/// run the command. Workflow commands are `::add-mask::`, `##[error]`, `##vso[…]` and `##teamcity[…]`, for example.
pub fn without_commands(text: &str) -> String {
    let harmless = |line: &str| {
        let blanks = line.len() - line.trim_start().len();
        let (blank, rest) = line.split_at(blanks);
        let rest = if rest.starts_with("::") { rest.replacen("::", ": :", 1) } else { rest.to_owned() };
        let mut out = blank.to_owned();
        for c in rest.chars() {
            if c == '[' {
                let word = out.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
                if out[..word].ends_with("##") {
                    out.insert(word, ' ');
                }
            }
            out.push(c);
        }
        out
    };
    text.split_inclusive('\n').map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::{clipped, json, padded, shortened, width, without_commands};

    #[test]
    fn texts_are_measured_and_shortened_in_columns() {
        assert_eq!(width("日本語"), 6);
        assert_eq!(width("cafe\u{301}"), 4);
        assert_eq!(padded("日本", 6), "日本  ");
        assert_eq!(clipped("日本語日本語", 7), "日本語…");
        assert_eq!(clipped("one two", 5), "one…");
        let table = [
            ("Front Desk", 10, "Front Desk"),
            ("Front Desk of Berlin", 11, "Front…erlin"),
            ("日本語日本語日本語", 10, "日本…本語"),
            ("ae\u{301}e\u{301}e\u{301}e\u{301}x", 4, "ae\u{301}…x"),
            ("x", 0, "…"),
        ];
        for (text, most, expected) in table {
            assert_eq!(shortened(text, most), expected, "{text}");
        }
    }

    #[test]
    fn only_workflow_commands_are_changed() {
        let table = [
            ("::add-mask::x\n  ::error::y\n", ": :add-mask::x\n  : :error::y\n"),
            ("a ##[error] b", "a ## [error] b"),
            ("###vso[task.x]y ##teamcity[z", "### vso[task.x]y ## teamcity[z"),
            ("## a ##b c## ####", "## a ##b c## ####"),
            ("std::fmt and ## [x]\n\n", "std::fmt and ## [x]\n\n"),
        ];
        for (text, expected) in table {
            assert_eq!(without_commands(text), expected);
        }
    }

    #[test]
    fn json_escapes_hidden_characters_and_keeps_its_value() {
        let text = "a\u{202e}b\u{9b}31m\u{e0041}\x7f\u{1b}é日\n::error::##[x]";
        let shown = json(&text);
        assert_eq!(shown, "\"a\\u202eb\\u009b31m\\udb40\\udc41\\u007f\\u001bé日\\n::error::#\\u0023[x]\"\n");
        assert_eq!(serde_json::from_str::<String>(&shown).ok().as_deref(), Some(text));
    }
}
