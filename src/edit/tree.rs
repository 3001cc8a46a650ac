//! Parses a YAML file into one tree per document, with the byte range of each node.
//!
//! Uses `granit-parser`, as the manifest loader does. But aliases and tags are not resolved: anchors, aliases, tags and
//! quotes are compared as they are written. So two trees are equal only if every YAML parser reads them in the same
//! way.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, StructureStyle};

use super::change::Refusal;

/// The maximum nesting depth of a document.
const MAX_DEPTH: usize = 96;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    /// The byte offset at which the document's text begins: at its `---`, or at the end of the previous document.
    pub(super) start: usize,
    pub(super) root: Node,
}

/// A node of the tree: a YAML value with its anchor and tag.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) anchor: Option<String>,
    pub(super) tag: Option<String>,
    /// The byte offset at which the node begins, including its anchor or tag.
    pub(super) start: usize,
    /// The byte offset after the node's last byte. Trailing white space is not included.
    pub(super) end: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar {
        text: String,
        style: Style,
    },
    /// An alias. Contains the name of its anchor, without the asterisk.
    Alias(String),
    List(Vec<Node>),
    Map(Map),
}

#[derive(Debug)]
pub(super) struct Map {
    pub(super) flow: bool,
    pub(super) entries: Vec<(Node, Node)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
    Block,
}

/// Two nodes are equal if every YAML parser reads them in the same way. Offsets are not compared, nor is the style
/// (block or flow) of lists and mappings.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.anchor == other.anchor
            && self.tag == other.tag
            && match (&self.value, &other.value) {
                (Value::Scalar { text: a, style: x }, Value::Scalar { text: b, style: y }) => {
                    a == b && x == y
                }
                (Value::Alias(a), Value::Alias(b)) => a == b,
                (Value::List(a), Value::List(b)) => a == b,
                (Value::Map(a), Value::Map(b)) => a.entries == b.entries,
                _ => false,
            }
    }
}

impl Map {
    /// Returns the index of the entry with this key, or `None` if there is none.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|(key, _)| key.text() == Some(name))
    }
}

impl Node {
    /// Returns the text of a scalar. Returns `None` for other values.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns true if the value is empty or null.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: Style::Plain }
            if self.tag.is_none() && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Calls `f` for this node and all nodes below it, including keys.
    pub(super) fn walk<'a>(&'a self, f: &mut dyn FnMut(&'a Node)) {
        f(self);
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.walk(f)),
            Value::Map(map) => map.entries.iter().for_each(|(key, value)| {
                key.walk(f);
                value.walk(f);
            }),
            Value::Scalar { .. } | Value::Alias(_) => {}
        }
    }
}

/// The reason why a text can't be parsed, and the byte offset of the error.
#[derive(Debug)]
pub(super) struct ParseError {
    pub(super) at: usize,
    pub(super) reason: String,
}

/// Parses all documents of a text, including empty documents. The text must not begin with a byte-order mark.
pub(super) fn read(text: &str) -> Result<Vec<Document>, ParseError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    let mut reader = Reader { events: Parser::new_from_str_with_options(text, options), text, peeked: None };
    let mut documents: Vec<Document> = Vec::new();
    let mut boundary = 0;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(explicit, _) => {
                if explicit && !documents.is_empty() && text.get(boundary..span_of(&span).0).is_none_or(blank)
                {
                    boundary = span_of(&span).0;
                }
                let (event, span) = reader.next()?;
                let root = reader.node(event, &span, 0)?;
                documents.push(Document { start: boundary, root });
            }
            Event::DocumentEnd => {
                let (start, end) = span_of(&span);
                // Without an end marker (`...`), the text of the next document begins where this document ends.
                boundary = if text.get(start..end) == Some("...") { line_after(text, end) } else { start };
            }
            _ => {}
        }
    }
}

/// Parses a text that has exactly one document. Errors if the text has several documents.
pub(super) fn parse_single(text: &str) -> Result<Node, Refusal> {
    let mut documents = read(text).map_err(|ParseError { at, reason }| Refusal::new(at, reason))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(Document { root, .. }), true) => Ok(root),
        _ => Err(Refusal::new(0, "expected exactly one document")),
    }
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Returns the offset at which the line after `at` starts, or the end of the text if there is no such line.
pub(super) fn line_after(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |found| at + found + 1)
}

/// Returns the offset at which the line that contains `at` starts.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |found| found + 1)
}

fn span_of(span: &Span) -> (usize, usize) {
    let start = span.start.byte_offset().unwrap_or(0);
    (start, span.end.byte_offset().unwrap_or(start).max(start))
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    text: &'a str,
    peeked: Option<(Event<'a>, Span)>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), ParseError> {
        if let Some(peeked) = self.peeked.take() {
            return Ok(peeked);
        }
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(ParseError {
                at: error.marker().byte_offset().unwrap_or(0),
                reason: format!("invalid YAML: {}", error.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, ParseError> {
        let (mut start, end) = span_of(span);
        if depth > MAX_DEPTH {
            return Err(ParseError { at: start, reason: "nested too deeply".to_owned() });
        }
        if let Some(tag) = span.tag_start().and_then(|tag| tag.byte_offset()) {
            start = start.min(tag);
        }
        let tag = event.tag().map(granit_parser::Tag::original);
        let mut anchor = None;
        if event.anchor_id().is_some() {
            match self.next()? {
                (Event::Anchor(_, name), at) => {
                    start = start.min(span_of(&at).0);
                    anchor = Some(name.into_owned());
                }
                other => self.peeked = Some(other),
            }
        }
        let end = start + self.text.get(start..end).map_or(end - start, |text| text.trim_end().len());
        let mut node = Node { anchor, tag, start, end, value: Value::List(Vec::new()) };
        node.value = match event {
            Event::Scalar(text, style, ..) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    _ => Style::Quoted,
                };
                Value::Scalar { text: text.into_owned(), style }
            }
            Event::Alias(_) => {
                Value::Alias(self.text.get(start..end).unwrap_or_default().trim_start_matches('*').to_owned())
            }
            Event::SequenceStart(..) => self.list(&mut node, depth)?,
            Event::MappingStart(style, ..) => self.map(&mut node, style == StructureStyle::Flow, depth)?,
            _ => return Err(ParseError { at: start, reason: "expected a value".to_owned() }),
        };
        Ok(node)
    }

    fn list(&mut self, node: &mut Node, depth: usize) -> Result<Value, ParseError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                self.close(node, &span, items.last());
                return Ok(Value::List(items));
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn map(&mut self, node: &mut Node, flow: bool, depth: usize) -> Result<Value, ParseError> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                self.close(node, &span, entries.last().map(|(_, value)| value));
                // An empty value has no text, so the mapping ends at least where its last key ends.
                node.end = node.end.max(entries.last().map_or(0, |(key, _)| key.end));
                return Ok(Value::Map(Map { flow, entries }));
            }
            let key = self.node(event, &span, depth + 1)?;
            if key.text().is_some() && entries.iter().any(|(known, _)| known.text() == key.text()) {
                let reason = format!("duplicate key `{}`", key.text().unwrap_or_default());
                return Err(ParseError { at: key.start, reason });
            }
            let (event, span) = self.next()?;
            let mut value = self.node(event, &span, depth + 1)?;
            if value.start == value.end {
                // The parser reports an empty value at the position where it notices that the value is missing. Move
                // the value to the end of its key.
                value.start = key.end;
                value.end = key.end;
            }
            if let Value::Scalar { style: Style::Block, .. } = value.value {
                // The parser's range of a block scalar does not include the `|`. Extend the range to it.
                value.start = value.start.min(self.after_colon(key.end));
            }
            if let Value::List(_) = value.value {
                // If a list has the same indentation as its key, the parser's range starts after the first dash. Extend
                // the range to the dash.
                let line = line_start(self.text, value.start);
                let before = self.text.get(line..value.start).unwrap_or_default();
                if before.trim() == "-" {
                    value.start = line + before.len() - before.trim_start().len();
                }
            }
            entries.push((key, value));
        }
    }

    /// Returns the offset at which a key's value starts. `key_end` is the offset after the key.
    fn after_colon(&self, key_end: usize) -> usize {
        let rest = self.text.get(key_end..).unwrap_or_default();
        let colon = rest.find(':').map_or(0, |colon| colon + 1);
        let blanks = rest.get(colon..).map_or(0, |rest| rest.len() - rest.trim_start().len());
        key_end + colon + blanks
    }

    /// Sets the end of a list or mapping: the end of its closing bracket, or the end of its last member if it has no
    /// brackets.
    fn close(&self, node: &mut Node, span: &Span, last: Option<&Node>) {
        let (start, end) = span_of(span);
        let bracket = self.text.get(start..end).is_some_and(|text| matches!(text, "}" | "]"));
        node.end = match (bracket, last) {
            (true, _) => end,
            (false, Some(last)) => last.end.max(node.start),
            (false, None) => node.end,
        };
    }
}
