//! Renders problems in files, in the style of the Rust compiler's messages.
//!
//! Text from files is untrusted, so control characters, terminal escapes and hidden characters are replaced by visible
//! ones. Only the part of a long line that surrounds the problem is shown.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::text::{push_visible, visible};
use crate::manifest::{Diagnostic, Location, Problems, Related, Severity, Sources, Spot};

/// The number of characters of a long line that are shown before the problem.
const BEFORE: usize = 60;
/// The maximum number of characters of a long line that are shown.
const WINDOW: usize = 120;

/// Renders all problems, and a final line that counts them.
pub fn render_problems(problems: &Problems, color: bool) -> String {
    let mut out = render(&problems.diagnostics, &problems.sources, color);
    if !out.is_empty() {
        out.push('\n');
    }
    let summary = [Group::with_title(Level::ERROR.primary_title(problems.summary()))];
    out.push_str(&renderer(color).render(&summary));
    out.push('\n');
    out
}

/// Renders each problem with the lines of the file that it is about. Blank lines separate the problems.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = renderer(color);
    let mut out = String::new();
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        let separator = if index > 0 { "\n" } else { "" };
        let mut headers = Vec::new();
        let group = group(diagnostic, sources, &mut headers);
        let rendered = with_headers(&renderer.render(&[group]), &headers);
        // Writing to a string can't fail.
        let _ = writeln!(out, "{separator}{rendered}");
    }
    out
}

fn renderer(color: bool) -> Renderer {
    if color { Renderer::styled() } else { Renderer::plain() }
}

/// The location of a problem as text, in two forms. In `drawn`, the column counts from the start of the shown part of
/// the line. In `meant`, it counts from the start of the line in the file.
struct Header {
    drawn: String,
    meant: String,
}

/// Replaces each printed column with the column in the file, because the renderer counts columns from the start of the
/// shown part of a line.
fn with_headers(rendered: &str, headers: &[Header]) -> String {
    let mut out = String::with_capacity(rendered.len());
    // The first line is skipped. It is the message, which may contain the same text as a location.
    let (title, mut rest) = rendered.split_at(rendered.find('\n').unwrap_or(rendered.len()));
    out.push_str(title);
    for header in headers {
        let Some((before, after)) = rest.split_once(header.drawn.as_str()) else { continue };
        out.push_str(before);
        out.push_str(&header.meant);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn group<'a>(diagnostic: &Diagnostic, sources: &Sources, headers: &mut Vec<Header>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(visible(&diagnostic.message)).id(diagnostic.code.as_str());
    let Diagnostic { location, label, .. } = diagnostic;
    let mut group = Group::with_title(title);
    group = add_place(group, &Place { location, label, kind: AnnotationKind::Primary }, sources, headers);
    for Related { location, label } in &diagnostic.related {
        group = add_place(group, &Place { location, label, kind: AnnotationKind::Context }, sources, headers);
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    group
}

/// A location that a diagnostic shows, and its label.
struct Place<'a> {
    location: &'a Location,
    label: &'a str,
    kind: AnnotationKind,
}

fn add_place<'a>(
    group: Group<'a>,
    place: &Place<'_>,
    sources: &Sources,
    headers: &mut Vec<Header>,
) -> Group<'a> {
    let Place { location, label, kind } = place;
    let file = visible(&location.file);
    let Some(spot) = location.spot else {
        let group = group.element(Origin::path(file));
        return if label.is_empty() { group } else { group.element(Level::NOTE.message(visible(label))) };
    };
    let Some(window) = sources.get(&location.file).and_then(|text| Window::around(text, spot)) else {
        return group.element(Origin::path(file).line(spot.line).char_column(spot.column));
    };
    let drawn = window.text.get(..window.start).unwrap_or_default().chars().count() + 1;
    headers.push(Header {
        drawn: format!("{file}:{}:{drawn}", spot.line),
        meant: format!("{file}:{}:{}", spot.line, spot.column),
    });
    let annotation = kind.span(window.start..window.end).label(visible(label));
    group.element(Snippet::source(window.text).path(file).line_start(spot.line).annotation(annotation))
}

/// The part of a line that is shown, with hidden characters replaced by visible ones. `start` and `end` are the byte
/// range of the problem in this part.
struct Window {
    text: String,
    start: usize,
    end: usize,
}

impl Window {
    fn around(text: &str, spot: Spot) -> Option<Self> {
        let before = text.get(..spot.start)?;
        let after = text.get(spot.start..)?;
        let line_break = |c: &char| *c == '\n' || *c == '\r';
        let mut lead: Vec<char> =
            before.chars().rev().take_while(|c| !line_break(c)).take(BEFORE + 1).collect();
        let cut_before = lead.len() > BEFORE;
        lead.truncate(BEFORE);
        let mut window = Self { text: String::new(), start: 0, end: 0 };
        if cut_before {
            window.text.push('…');
        }
        lead.into_iter().rev().for_each(|c| push_visible(&mut window.text, c));
        window.start = window.text.len();
        window.end = window.start;
        let shown = WINDOW - BEFORE;
        for (count, (offset, c)) in after.char_indices().take_while(|(_, c)| !line_break(c)).enumerate() {
            if count == shown {
                window.text.push('…');
                break;
            }
            push_visible(&mut window.text, c);
            if spot.start + offset < spot.end {
                window.end = window.text.len();
            }
        }
        Some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(visible("a\u{1b}[31mb"), "a␛[31mb");
        assert_eq!(visible("a\u{202e}b\u{2066}c\u{9b}d\u{7f}"), "a�b�c�d␡");
        assert_eq!(visible("one\ntwo\tthree\r"), "one two    three␍");
    }
}
