//! Escapes untrusted text for Markdown.
//!
//! In code spans and code blocks, GitHub does not link mentions, references or URLs, and does not render markup. So
//! untrusted text is always written in them. The only exception is text that [`prose`] finds to be free of special
//! characters.

use crate::report::text::{visible, without_commands};

/// The size after which `label` clips a name, in bytes.
const LABEL: usize = 60;
/// The maximum length of a sentence with untrusted text, in characters.
const SENTENCE: usize = 1_000;
/// The maximum length of a name in a code span, in characters.
const NAME: usize = 280;

/// Returns the text in one line, without control sequences, invisible characters, and workflow commands of CI systems.
pub(super) fn clean(text: &str) -> String {
    without_commands(&visible(text))
}

/// Returns the text in one line. If it is longer than `most` characters, the rest is replaced by the number of hidden
/// characters. The hidden part is only counted, so that a huge text costs little time.
pub(super) fn short(text: &str, most: usize) -> String {
    let all = text.chars().count();
    if all <= most {
        return clean(text);
    }
    let head: String = text.chars().take(most).collect();
    format!("{}… ({} more characters)", clean(&head), all - most)
}

/// Returns the text as a code span, clipped to at most `NAME` characters.
pub(super) fn code(text: &str) -> String {
    code_within(text, NAME)
}

/// Returns the text as a code span, clipped to at most `most` characters.
pub(super) fn code_within(text: &str, most: usize) -> String {
    let text = short(text, most);
    if text.trim().is_empty() {
        return "`(empty)`".to_owned();
    }
    let marks = "`".repeat(longest_run(&text, '`') + 1);
    let at_edge = |c: char| text.starts_with(c) || text.ends_with(c);
    let blank = if at_edge('`') || at_edge(' ') { " " } else { "" };
    format!("{marks}{blank}{text}{blank}{marks}")
}

/// Returns a name as a code span, clipped after `LABEL` bytes, so that every report has room for it.
pub(super) fn label(text: &str) -> String {
    let text = short(text, 4 * LABEL);
    let end = (0..=text.len().min(LABEL)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    code(&short(&text, text.get(..end).map_or(0, |head| head.chars().count())))
}

/// Returns a name as a code span for a table cell. Pipes are replaced, because renderers disagree on the meaning of a
/// pipe after a backslash.
pub(super) fn cell(text: &str) -> String {
    label(&text.replace('|', "¦"))
}

/// Returns the text as an HTML `code` element, for places where Markdown is not rendered.
pub(super) fn html(text: &str) -> String {
    let mut out = String::from("<code>");
    for c in short(text, NAME).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '`' | '$' | '@' | '#' | '|' | '*' | '_' | '[' | ']' | '!' | '\\' | '~' => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push_str("</code>");
    out
}

/// Renders a sentence in which backticks enclose the untrusted parts. Each of these parts becomes a code span. If the
/// rest of the sentence could contain markup, the whole sentence becomes one code span.
pub(super) fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let balanced = parts.len() % 2 == 1;
    if !balanced || text.chars().count() > SENTENCE || !parts.iter().step_by(2).all(|part| is_plain(part)) {
        return code(text);
    }
    let shown =
        parts.iter().enumerate().map(|(number, part)| if number % 2 == 1 { code(part) } else { clean(part) });
    shown.collect()
}

/// Returns true if the text contains nothing that has a meaning in Markdown or on GitHub.
fn is_plain(text: &str) -> bool {
    let harmless = |c: char| c.is_alphanumeric() || " .,;:'\"()-/=%…—→·“”‘’".contains(c);
    let lower = text.to_lowercase();
    text.chars().all(harmless) && !["//", "www.", "gh-"].iter().any(|link| lower.contains(link))
}

/// Returns the lines as a fenced code block. The fence is longer than any sequence of backticks in the lines, so no
/// line can close the block.
pub(super) fn fence(info: &str, lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line, '`')).max().unwrap_or_default();
    let marks = "`".repeat(longest.max(2) + 1);
    format!("{marks}{info}\n{}\n{marks}\n", lines.join("\n"))
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_whatever_it_is_given() {
        let table = [
            ("plain", "`plain`"),
            ("", "`(empty)`"),
            ("a`b", "``a`b``"),
            ("`", "`` ` ``"),
            ("``x", "``` ``x ```"),
            ("a\nb\u{1b}[31m\u{202e}", "`a b␛[31m�`"),
        ];
        for (text, expected) in table {
            assert_eq!(code(text), expected);
        }
        assert_eq!(cell("a|b\\|c"), "`a¦b\\¦c`");
        assert!(code(&"x".repeat(200_000)).ends_with("x… (199720 more characters)`"));
    }

    #[test]
    fn sentences_keep_their_names_apart() {
        let table = [
            ("a new service replaces `Old`", "a new service replaces `Old`"),
            ("owned by this project, not declared", "owned by this project, not declared"),
            ("see https://example.test", "`see https://example.test`"),
            ("`a` @team`", "``` `a` @team` ```"),
            ("`a`@team`b`", "`` `a`@team`b` ``"),
            ("see #12", "`see #12`"),
        ];
        for (text, expected) in table {
            let shown = prose(text);
            // The number of backticks around a code span depends on its content, so it is not compared.
            assert_eq!(
                shown.replace("``` ", "`` ").replace(" ```", " ``"),
                expected.replace("``` ", "`` ").replace(" ```", " ``")
            );
        }
    }

    #[test]
    fn a_fence_is_longer_than_what_is_in_it() {
        assert_eq!(fence("diff", &["+ a".to_owned()]), "```diff\n+ a\n```\n");
        assert_eq!(fence("", &["````".to_owned()]), "`````\n````\n`````\n");
    }
}
