//! HTML that nothing from outside can break: texts are escaped by the only function that takes any, and what
//! is written as it stands is known when the program is built. Imports nothing of ours but `report::text`.

use super::super::text::push_visible;

/// Names and values of attributes; the values are escaped.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

/// A document that grows. Every element that is begun is ended.
#[derive(Debug, Default)]
pub(super) struct Markup {
    out: String,
}

impl Markup {
    /// An element and what is in it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.begin(name, attributes);
        inside(self);
        self.end(name);
    }

    /// An element that holds a text and nothing else.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.begin(name, attributes);
        self.text(text);
        self.end(name);
    }

    /// An element that holds nothing and has no end: `meta`, `input`.
    pub(super) fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
    }

    /// A text in one line.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            self.push(if c == '\n' { ' ' } else { c });
        }
    }

    /// A text whose line ends are kept.
    pub(super) fn lines(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' { self.out.push(c) } else { self.push(c) }
        }
    }

    /// Markup of our own, as it stands.
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn begin(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            self.text(value);
            self.out.push('"');
        }
        self.out.push('>');
    }

    fn end(&mut self, name: &'static str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn push(&mut self, c: char) {
        match c {
            // No line of a text may be a command to a CI system that reads the page: `::error::`, `##[…]`.
            ':' if self.out.ends_with(['\n', ' ', '\t', '>']) => self.out.push_str("&#58;"),
            '#' => self.out.push_str("&#35;"),
            '&' => self.out.push_str("&amp;"),
            '<' => self.out.push_str("&lt;"),
            '>' => self.out.push_str("&gt;"),
            '"' => self.out.push_str("&quot;"),
            '\'' => self.out.push_str("&#39;"),
            c => push_visible(&mut self.out, c),
        }
    }
}

/// The beginning of a text that would be too long for a heading or a label.
pub(super) fn clipped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
