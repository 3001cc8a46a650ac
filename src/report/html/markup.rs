//! Builds HTML safely: text is always escaped, and markup must be a `&'static str`.

use super::super::text::push_visible;

/// The names and values of attributes. The values are escaped when they are written.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

/// Builds an HTML document, in which every element is closed.
#[derive(Debug, Default)]
pub(super) struct Markup {
    out: String,
}

impl Markup {
    /// Writes an element with its content.
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

    /// Writes an element that contains only text.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.begin(name, attributes);
        self.text(text);
        self.end(name);
    }

    /// Writes an element that has no content and no end tag, such as `meta` or `input`.
    pub(super) fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
    }

    /// Writes text with escapes, and replaces line breaks by spaces.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            self.push(if c == '\n' { ' ' } else { c });
        }
    }

    /// Writes text with escapes, and keeps its line breaks.
    pub(super) fn lines(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' { self.out.push(c) } else { self.push(c) }
        }
    }

    /// Writes markup without escaping it.
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// Returns the complete document.
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
            // A CI system that prints the page must not run text such as `::error::` or `##[…]` as a workflow command.
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

/// Returns the text, clipped to at most `most` characters. An ellipsis replaces the rest.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
