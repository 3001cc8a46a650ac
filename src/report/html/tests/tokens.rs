//! Parses an HTML page and checks that it has only known elements and attributes, and that every element is closed.

use std::collections::{BTreeMap, BTreeSet};

const ELEMENTS: &[&str] = &[
    "a", "article", "b", "body", "button", "code", "dd", "del", "details", "div", "dl", "dt", "fieldset",
    "footer", "form", "h1", "h2", "h3", "h4", "head", "header", "html", "input", "ins", "label", "legend",
    "li", "main", "meta", "nav", "ol", "output", "p", "path", "rect", "script", "section", "span", "style",
    "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "ul",
];
const ATTRIBUTES: &[&str] = &[
    "aria-hidden",
    "aria-keyshortcuts",
    "aria-label",
    "autocomplete",
    "charset",
    "class",
    "colspan",
    "content",
    "d",
    "data-kind",
    "data-only",
    "for",
    "height",
    "hidden",
    "href",
    "http-equiv",
    "id",
    "lang",
    "name",
    "placeholder",
    "role",
    "rx",
    "scope",
    "spellcheck",
    "tabindex",
    "title",
    "type",
    "value",
    "width",
    "x",
    "y",
];
const VOID: &[&str] = &["input", "meta"];

/// A start tag. The values of its attributes are unescaped.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
}

/// The content of a parsed page: its start tags and its text.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) tags: Vec<Tag>,
    /// All unescaped text outside the style and the script, with single spaces between words.
    pub(super) text: String,
}

/// Parses a page. Panics if the page contains anything that our renderer never writes.
#[track_caller]
pub(super) fn tokens(page: &str) -> Tokens {
    let found = tokens_of(page.strip_prefix("<!DOCTYPE html>\n").expect("it begins with a doctype"));
    found.sound();
    found
}

/// Parses a fragment of a page. Panics if it has unknown elements or attributes, or an element that is not closed.
#[track_caller]
pub(super) fn tokens_of(part: &str) -> Tokens {
    let mut rest = part;
    let (mut found, mut open) = (Tokens::default(), Vec::new());
    while let Some(at) = rest.find('<') {
        found.text.push_str(&unescape(&rest[..at]));
        found.text.push(' ');
        let (tag, after) = rest[at + 1..].split_once('>').expect("a tag is ended");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "what is begun last is ended first");
            continue;
        }
        let tag = parsed(tag);
        if let Some((own, end)) = [("style", super::super::STYLE), ("script", super::super::SCRIPT)]
            .into_iter()
            .find(|(name, _)| *name == tag.name)
        {
            rest = rest.strip_prefix(end).unwrap_or_else(|| panic!("a {own} that isn't ours"));
        }
        if !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        found.tags.push(tag);
    }
    assert_eq!(open, Vec::<String>::new(), "all is ended");
    assert_eq!(rest.trim_end(), "");
    found.text = words(&found.text);
    found
}

/// Returns the text with single spaces between words.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parsed(tag: &str) -> Tag {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(ELEMENTS.contains(&name), "no element of ours: <{tag}>");
    let mut attributes = BTreeMap::new();
    while !rest.trim().is_empty() {
        let (attribute, after) = match rest.split_once("=\"") {
            // `hidden`, the only attribute without a value, is always the last one.
            Some((attribute, after)) if !attribute.contains(' ') => (attribute, after),
            _ => (rest, "\""),
        };
        let (value, after) = after.split_once('"').expect("a value is ended");
        assert!(ATTRIBUTES.contains(&attribute), "no attribute of ours: {attribute} in <{tag}>");
        let twice = attributes.insert(attribute.to_owned(), unescape(value));
        assert!(twice.is_none(), "{attribute} twice in <{tag}>");
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Tag { name: name.to_owned(), attributes }
}

/// Replaces the escapes in a text by their characters. Panics on unknown escapes and on characters that must be
/// escaped.
fn unescape(text: &str) -> String {
    assert!(!text.contains(['<', '>', '"', '\'']), "not escaped: {text}");
    let mut out = String::new();
    let mut parts = text.split('&');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, after) = part.split_once(';').expect("an escape is ended");
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            "#58" => ':',
            "#35" => '#',
            other => panic!("no escape of ours: {other}"),
        });
        out.push_str(after);
    }
    out
}

impl Tokens {
    /// Returns the values of all attributes with this name.
    pub(super) fn all(&self, attribute: &str) -> Vec<&str> {
        self.tags.iter().filter_map(|tag| tag.attributes.get(attribute)).map(String::as_str).collect()
    }

    /// Returns the number of elements with this name.
    pub(super) fn count(&self, name: &str) -> usize {
        self.tags.iter().filter(|tag| tag.name == name).count()
    }

    /// Panics unless all ids differ and every link leads to an id. Also panics unless elements such as `body` and `h1`
    /// occur exactly once, and no heading level is skipped.
    #[track_caller]
    fn sound(&self) {
        let ids: BTreeSet<&str> = self.all("id").into_iter().collect();
        assert_eq!(ids.len(), self.all("id").len(), "ids are given once");
        for link in self.all("href") {
            assert!(link.strip_prefix('#').is_some_and(|id| ids.contains(id)), "a link to {link}");
        }
        for name in ["html", "head", "style", "body", "h1", "main", "script"] {
            assert_eq!(self.count(name), 1, "{name}");
        }
        let levels = self.tags.iter().filter_map(|tag| match tag.name.as_bytes() {
            [b'h', level @ b'1'..=b'6'] => Some(level - b'0'),
            _ => None,
        });
        let mut last = 0;
        for level in levels {
            assert!(level <= last + 1, "a heading of level {level} after one of level {last}");
            last = level;
        }
    }
}
