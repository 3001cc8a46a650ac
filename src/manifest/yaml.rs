//! Text → spanned trees, bounded. Imports nothing of ours.
//!
//! `granit-parser`'s events are used directly: serde's spans get lost in tagged and flattened types,
//! and a first-error-only deserializer can't report every problem of a file.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput, StructureStyle, Tag};

use super::diagnostic::Code;
use super::scalar::resolve;
use super::sink::{FileId, Problem, Sink, Span};
use super::tree::{Key, Map, Node, Value};

/// The most bytes of one file.
pub const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The most values in one file, those that aliases expand to included.
const MAX_NODES: usize = 1_000_000;
/// The most values, and bytes of text, that anchors and aliases may copy in one file.
const MAX_COPIED_NODES: usize = 100_000;
const MAX_COPIED_BYTES: usize = 8 * 1024 * 1024;
/// From this many keys on, duplicates are found by hashing.
const FEW_KEYS: usize = 16;

/// A file's documents.
pub(super) struct Documents {
    /// Those that could be read; empty documents are left out.
    pub(super) roots: Vec<Node>,
    /// Which document of the file each of them is, from 0.
    pub(super) numbers: Vec<usize>,
    /// Whether the file was read to its end.
    pub(super) complete: bool,
}

/// Reads every document of a text that has no byte-order mark.
pub(super) fn parse(sink: &mut Sink, file: FileId, text: &str) -> Documents {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        sink,
        file,
        text,
        anchors: HashMap::new(),
        open: Vec::new(),
        nodes: 0,
        copied: Weight::default(),
    };
    let (mut roots, mut numbers) = (Vec::new(), Vec::new());
    let mut number = 0;
    let complete = loop {
        match builder.document() {
            Ok(Some(root)) => {
                if root.value != Value::Null {
                    roots.push(root);
                    numbers.push(number);
                }
                number += 1;
            }
            Ok(None) => break true,
            Err(problem) => {
                builder.sink.push(*problem);
                break false;
            }
        }
    };
    Documents { roots, numbers, complete }
}

#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

type Step<T> = Result<T, Box<Problem>>;

struct Builder<'input, 'sink> {
    events: Parser<'input, StrInput<'input>>,
    sink: &'sink mut Sink,
    file: FileId,
    text: &'input str,
    anchors: HashMap<usize, Node>,
    /// The brackets and braces that are open.
    open: Vec<Span>,
    nodes: usize,
    copied: Weight,
}

impl<'input> Builder<'input, '_> {
    fn next(&mut self) -> Step<(Event<'input>, Span)> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                let span = self.span(span);
                Ok((event, span))
            }
            Some(Err(error)) => Err(Box::new(self.syntax_error(&error))),
            None => Ok((Event::StreamEnd, Span::whole(self.file))),
        }
    }

    fn span(&self, span: granit_parser::Span) -> Span {
        let start = span.start.byte_offset().unwrap_or(0);
        let end = span.end.byte_offset().unwrap_or(start).max(start);
        // Multi-line scalars end after their last line break: what is marked should not.
        let end = self.text.get(start..end).map_or(end, |slice| start + slice.trim_end().len());
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Span {
            file: self.file,
            start: small(start),
            end: small(end),
            line: small(span.start.line().max(1)),
            column: small(span.start.col() + 1),
        }
    }

    fn syntax_error(&self, error: &granit_parser::ScanError) -> Problem {
        use granit_parser::ErrorKind as Kind;
        let mut span = self.span(granit_parser::Span::empty(*error.marker()));
        let info = error.info();
        let about_tabs = info.contains("tab");
        if about_tabs {
            self.find_tab(&mut span);
        }
        let mut problem = Problem::error(Code::Syntax, span, format!("not YAML: {info}"));
        // What is missing at the end of a line is noticed lines later.
        if let Some(open) = self.open.last().filter(|open| open.line < span.line) {
            problem = problem.related(*open, "this is open here still: is its end missing?");
        }
        if info.contains("quoted scalar") {
            problem = problem.help("is the quote missing that ends a text before this place?");
        }
        match error.kind() {
            Kind::RecursionLimitExceeded => self.too_deep(span),
            _ if about_tabs => problem.help("YAML is indented with spaces, never with tabs"),
            Kind::MappingValueNotAllowed => problem
                .help("a text with `: ` in it must be in quotes; keys of one mapping stand in one column"),
            Kind::UnexpectedCharacter { character: '@' | '`' | '%' } => {
                problem.help("a text that begins like this must be in quotes")
            }
            Kind::UnknownAnchor => problem.help("a text that begins with `*` must be in quotes"),
            _ => problem,
        }
    }

    /// Moves a place to the tab that it is about: one at the start of this line or of the next.
    fn find_tab(&self, span: &mut Span) {
        let start = span.start as usize;
        let rest = self.text.get(start..).unwrap_or_default();
        if let Some(at) = rest.find("\n\t")
            && !rest.starts_with('\t')
            && !self.text.get(..start).unwrap_or_default().ends_with('\t')
        {
            let at = at + 1;
            span.line += u32::try_from(rest.get(..at).unwrap_or_default().matches('\n').count()).unwrap_or(0);
            span.column = 1;
            span.start += u32::try_from(at).unwrap_or(0);
            span.end = span.start + 1;
        }
    }

    /// The next document's root; none at the end of the file.
    fn document(&mut self) -> Step<Option<Node>> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::DocumentStart(..), _) => {
                    self.anchors.clear();
                    let (event, span) = self.next()?;
                    return self.node(event, span, 0).map(Some);
                }
                _ => {}
            }
        }
    }

    fn too_deep(&self, span: Span) -> Problem {
        Problem::error(Code::TooComplex, span, format!("nested more than {MAX_DEPTH} levels deep"))
    }

    fn count(&mut self, span: Span, added: usize) -> Step<()> {
        self.nodes += added;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values in one file");
            return Err(Box::new(
                Problem::error(Code::TooComplex, span, message).help("split the file into several"),
            ));
        }
        Ok(())
    }

    /// Charges a copy that an anchor or alias makes: small files must not expand to large ones.
    fn charge(&mut self, span: Span, weight: Weight) -> Step<()> {
        self.copied.nodes += weight.nodes;
        self.copied.bytes += weight.bytes;
        if self.copied.nodes > MAX_COPIED_NODES || self.copied.bytes > MAX_COPIED_BYTES {
            let message = format!(
                "aliases expand to more than {MAX_COPIED_NODES} values or {} MB",
                MAX_COPIED_BYTES / (1024 * 1024)
            );
            return Err(Box::new(Problem::error(Code::TooComplex, span, message)));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'input>, span: Span, depth: usize) -> Step<Node> {
        if depth > MAX_DEPTH {
            return Err(Box::new(self.too_deep(span)));
        }
        self.count(span, 1)?;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(&text, style, tag.as_deref(), span))
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", span);
                (anchor, self.within(style, span, |builder| builder.list(depth))?)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", span);
                (anchor, self.within(style, span, |builder| builder.map(depth))?)
            }
            Event::Alias(id) => return self.alias(id, span, depth),
            _ => return Err(Box::new(Problem::error(Code::Syntax, span, "not YAML: a value is expected"))),
        };
        let node = Node { span, value };
        if anchor != 0 {
            self.charge(span, weigh(&node))?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Reads a collection, and knows meanwhile where its bracket is. After an error nothing more is read.
    fn within(
        &mut self,
        style: StructureStyle,
        span: Span,
        read: impl FnOnce(&mut Self) -> Step<Value>,
    ) -> Step<Value> {
        let flow = style == StructureStyle::Flow;
        if flow {
            self.open.push(span);
        }
        let value = read(self)?;
        if flow {
            self.open.pop();
        }
        Ok(value)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Step<Node> {
        let Some(node) = self.anchors.get(&id) else {
            let message = "an alias within the value that it stands for";
            return Err(Box::new(Problem::error(Code::TooComplex, span, message)));
        };
        if depth + height(node) > MAX_DEPTH {
            return Err(Box::new(self.too_deep(span)));
        }
        let weight = weigh(node);
        self.charge(span, weight)?;
        self.count(span, weight.nodes)?;
        Ok(self.anchors.get(&id).cloned().unwrap_or(Node { span, value: Value::Null }))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Value {
        match tag.map(|tag| (tag, tag.core_suffix())) {
            None if style == ScalarStyle::Plain => resolve(text),
            Some((_, Some("null" | "bool" | "int" | "float"))) => resolve(text),
            Some((_, Some("str"))) | None => Value::Text(text.to_owned()),
            // A lone `!` means: not resolved.
            Some((tag, _)) if tag.original() == "!" => Value::Text(text.to_owned()),
            Some(_) => {
                self.check_tag(tag, "str", span);
                Value::Text(text.to_owned())
            }
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, span: Span) {
        let Some(tag) = tag else { return };
        if tag.core_suffix() != Some(expected) && tag.original() != "!" {
            let message = format!("the tag `{}` means nothing here", tag.original());
            self.sink.push(Problem::error(Code::UnsupportedYaml, span, message));
        }
    }

    fn list(&mut self, depth: usize) -> Step<Value> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Step<Value> {
        let mut map = Map::default();
        let mut index = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(map));
            }
            let key = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let Some(key) = key else { continue };
            match first_of(&map, &mut index, &key) {
                Some(first) => {
                    let problem = duplicate_key(&key, first);
                    self.sink.push(problem);
                }
                None => {
                    if map.entries.len() >= FEW_KEYS {
                        index.insert(key.name.clone(), key.span);
                    }
                    map.entries.push((key, value));
                }
            }
        }
    }

    /// A member's key; none, and a problem, when it isn't a text.
    fn key(&mut self, event: Event<'input>, span: Span, depth: usize) -> Step<Option<Key>> {
        // Unquoted `NO`, `1` and `true` are what people mean as names, so the text counts, not its type.
        let plain = match &event {
            Event::Scalar(text, style, 0, None) if *style != ScalarStyle::Plain || !text.is_empty() => {
                Some(text.clone().into_owned())
            }
            _ => None,
        };
        let node = self.node(event, span, depth + 1)?;
        let name = match (plain, node.value) {
            (Some(name), value) if value != Value::Null => name,
            (_, Value::Text(text)) => text,
            _ => {
                let problem = Problem::error(Code::UnsupportedYaml, span, "a key must be a text")
                    .label("not a text")
                    .help("`{…}`, `[…]`, `? …` and an empty key can't name anything; put a text in quotes");
                self.sink.push(problem);
                return Ok(None);
            }
        };
        Ok(Some(Key { name, span }))
    }
}

/// Where the key was given first.
fn first_of(map: &Map, index: &mut HashMap<String, Span>, key: &Key) -> Option<Span> {
    if map.entries.len() < FEW_KEYS {
        return map.entry(&key.name).map(|(first, _)| first.span);
    }
    if index.is_empty() {
        index.extend(map.entries.iter().map(|(key, _)| (key.name.clone(), key.span)));
    }
    index.get(&key.name).copied()
}

fn duplicate_key(key: &Key, first: Span) -> Problem {
    let name = super::tree::shortened(&key.name);
    Problem::error(
        Code::DuplicateKey,
        key.span,
        format!("`{name}` is given twice; line {} has it already", first.line),
    )
    .label("given again here")
    .related(first, "first given here")
}

fn weigh(node: &Node) -> Weight {
    let mut total = Weight::default();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        total.nodes += 1;
        match &node.value {
            Value::Text(text) => total.bytes += text.len(),
            Value::List(items) => open.extend(items),
            Value::Map(map) => {
                total.bytes += map.entries.iter().map(|(key, _)| key.name.len()).sum::<usize>();
                open.extend(map.entries.iter().map(|(_, value)| value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    total
}

/// How many levels a node has below itself. Recursion is bounded: no tree is deeper than the limit.
fn height(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => items.iter().map(|item| height(item) + 1).max().unwrap_or(0),
        Value::Map(map) => map.entries.iter().map(|(_, value)| height(value) + 1).max().unwrap_or(0),
        _ => 0,
    }
}
