//! Parses YAML text into trees with spans, within limits.
//!
//! Uses `granit-parser`'s events directly: serde loses spans in tagged and flattened types, and a
//! deserializer that stops at the first error can't report every problem of a file.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, StrInput, StructureStyle, Tag};

use super::collector::{DiagnosticCollector, FileId, Problem, Span};
use super::diagnostic::Code;
use super::scalar::resolve;
use super::tree::{Key, Map, Node, Value};

/// The maximum size of a file in bytes.
pub const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// The maximum nesting depth of a document.
const MAX_DEPTH: usize = 64;
/// The maximum number of values in one file, including those that aliases expand to.
const MAX_NODES: usize = 1_000_000;
/// The maximum number of values that anchors and aliases can copy in one file. [`MAX_COPIED_BYTES`] limits the size of
/// their texts.
const MAX_COPIED_NODES: usize = 100_000;
const MAX_COPIED_BYTES: usize = 8 * 1024 * 1024;
/// In a mapping with at least this many keys, duplicates are found with a hash map. In a smaller mapping, they are
/// found with a linear search.
const FEW_KEYS: usize = 16;

/// The documents that were parsed from a file.
pub(super) struct Documents {
    /// The root nodes of the documents that could be parsed. Empty documents are left out.
    pub(super) roots: Vec<Node>,
    /// For each document in `roots`, its index in the file, from 0.
    pub(super) numbers: Vec<usize>,
    /// True if the file was parsed to its end.
    pub(super) complete: bool,
}

/// Parses all documents in the text of a file. The text must not begin with a byte-order mark.
pub(super) fn parse(problems: &mut DiagnosticCollector, file: FileId, text: &str) -> Documents {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        problems,
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
                builder.problems.push(*problem);
                break false;
            }
        }
    };
    Documents { roots, numbers, complete }
}

/// The size of a tree: the number of its nodes, and the number of bytes of its texts.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

type Step<T> = Result<T, Box<Problem>>;

struct Builder<'input, 'problems> {
    events: Parser<'input, StrInput<'input>>,
    problems: &'problems mut DiagnosticCollector,
    file: FileId,
    text: &'input str,
    anchors: HashMap<usize, Node>,
    /// The spans of the brackets and braces that are not closed yet.
    open: Vec<Span>,
    nodes: usize,
    copied: Weight,
}

impl<'input> Builder<'input, '_> {
    fn next(&mut self) -> Step<(Event<'input>, Span)> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.span(span))),
            Some(Err(error)) => Err(Box::new(self.syntax_error(&error))),
            None => Ok((Event::StreamEnd, Span::whole(self.file))),
        }
    }

    fn span(&self, span: granit_parser::Span) -> Span {
        let start = span.start.byte_offset().unwrap_or(0);
        let end = span.end.byte_offset().unwrap_or(start).max(start);
        // The parser ends multi-line scalars after their last line break. The span must not include that line break.
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
        let mut problem = Problem::error(Code::Syntax, span, format!("invalid YAML: {info}"));
        // The parser may notice a missing bracket only some lines later.
        if let Some(open) = self.open.last().filter(|open| open.line < span.line) {
            problem = problem.related(*open, "opened here: is the closing bracket missing?");
        }
        if info.contains("quoted scalar") {
            problem = problem.help("is a closing quote missing before this position?");
        }
        match error.kind() {
            Kind::RecursionLimitExceeded => self.too_deep(span),
            _ if about_tabs => problem.help("indent YAML with spaces, not tabs"),
            Kind::MappingValueNotAllowed => {
                problem.help("put a value that contains `: ` in quotes, and give all keys of a mapping the same indentation")
            }
            Kind::UnexpectedCharacter { character: '@' | '`' | '%' } => {
                problem.help("put a string that begins with this character in quotes")
            }
            Kind::UnknownAnchor => problem.help("put a string that begins with `*` in quotes"),
            _ => problem,
        }
    }

    /// Moves the span of an error to the tab that caused the error, if that tab is at the start of a later line.
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

    /// Parses the root of the next document. Returns `None` at the end of the file.
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
                Problem::error(Code::TooComplex, span, message).help("split the file into several files"),
            ));
        }
        Ok(())
    }

    /// Adds the size of a value to the total size of the values that anchors and aliases copy. Errors if the total is
    /// too large, so that a small file can't expand to a huge tree.
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
        let plain = matches!(&event, Event::Scalar(_, ScalarStyle::Plain, _, None));
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
            _ => return Err(Box::new(Problem::error(Code::Syntax, span, "invalid YAML: expected a value"))),
        };
        let node = Node { span, value, plain };
        if anchor != 0 {
            self.charge(span, weigh(&node))?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Reads a list or mapping with the function `read`. If the list or mapping has brackets or braces, the span of the
    /// opening bracket or brace is in `open` until the closing bracket or brace is read. After an error, the span stays
    /// in `open`, so that the error can point to it.
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
            let message = "this alias is inside the value that it refers to";
            return Err(Box::new(Problem::error(Code::TooComplex, span, message)));
        };
        if depth + height(node) > MAX_DEPTH {
            return Err(Box::new(self.too_deep(span)));
        }
        let weight = weigh(node);
        self.charge(span, weight)?;
        self.count(span, weight.nodes)?;
        Ok(self.anchors.get(&id).cloned().unwrap_or(Node::new(span, Value::Null)))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Value {
        match tag.map(|tag| (tag, tag.core_suffix())) {
            None if style == ScalarStyle::Plain => resolve(text),
            Some((_, Some(name @ ("null" | "bool" | "int" | "float")))) => self.tagged(text, name, span),
            Some((_, Some("str"))) | None => Value::Text(text.to_owned()),
            // The tag `!` alone means that the scalar is a string.
            Some((tag, _)) if tag.original() == "!" => Value::Text(text.to_owned()),
            Some(_) => {
                self.check_tag(tag, "str", span);
                Value::Text(text.to_owned())
            }
        }
    }

    /// Returns the value of a scalar whose tag names a type. If the text is not of that type, reports the text and
    /// returns some value of the type, so that the value causes no other problem.
    fn tagged(&mut self, text: &str, tag: &str, span: Span) -> Value {
        let value = resolve(text);
        let fits = match &value {
            Value::Null => tag == "null",
            Value::Bool(_) => tag == "bool",
            Value::Number(number) => tag == "float" || (tag == "int" && number.is_integer()),
            _ => false,
        };
        if fits {
            return value;
        }
        let what = match tag {
            "null" => "null",
            "bool" => "a boolean",
            "int" => "a whole number",
            _ => "a number",
        };
        let message = format!("`{}` does not fit the tag `!!{tag}`", super::tree::shortened(text));
        self.problems.push(
            Problem::error(Code::UnsupportedYaml, span, message)
                .label(format!("not {what}"))
                .help("remove the tag, or correct the value"),
        );
        match tag {
            "null" => Value::Null,
            "bool" => Value::Bool(false),
            _ => resolve("1"),
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, span: Span) {
        let Some(tag) = tag else { return };
        if tag.core_suffix() != Some(expected) && tag.original() != "!" {
            let message = format!("the YAML tag `{}` is not supported", tag.original());
            self.problems.push(Problem::error(Code::UnsupportedYaml, span, message));
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
            match find_duplicate(&map, &mut index, &key) {
                Some(first) => {
                    let problem = duplicate_key(&key, first);
                    self.problems.push(problem);
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

    /// Reads the key of a member. Reports a key that is not a string or that is a merge key, and returns `None` for it.
    fn key(&mut self, event: Event<'input>, span: Span, depth: usize) -> Step<Option<Key>> {
        // An unquoted `NO`, `1` or `true` as a key is probably meant as a name, so it is used as a string.
        if matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<") {
            self.problems.push(merge_key(span));
            self.node(event, span, depth + 1)?;
            return Ok(None);
        }
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
                let problem = Problem::error(Code::UnsupportedYaml, span, "a key must be a string")
                    .label("not a string")
                    .help("a key can't be `{…}`, `[…]`, `? …` or empty; if the key is a string, put it in quotes");
                self.problems.push(problem);
                return Ok(None);
            }
        };
        Ok(Some(Key { name, span }))
    }
}

/// Returns the span of an earlier entry with the same key, or `None` if the key is new.
fn find_duplicate(map: &Map, index: &mut HashMap<String, Span>, key: &Key) -> Option<Span> {
    if map.entries.len() < FEW_KEYS {
        return map.entry(&key.name).map(|(first, _)| first.span);
    }
    if index.is_empty() {
        index.extend(map.entries.iter().map(|(key, _)| (key.name.clone(), key.span)));
    }
    index.get(&key.name).copied()
}

fn merge_key(span: Span) -> Problem {
    Problem::error(Code::UnsupportedYaml, span, "the merge key `<<` is not supported")
        .label("YAML 1.2 has no merge keys")
        .help("use `defaults` in amigops.yaml to share values; put `<<` in quotes if it is the name of a key")
}

fn duplicate_key(key: &Key, first: Span) -> Problem {
    let name = super::tree::shortened(&key.name);
    Problem::error(
        Code::DuplicateKey,
        key.span,
        format!("duplicate key `{name}`, which is already on line {}", first.line),
    )
    .label("duplicate")
    .related(first, "first defined here")
}

/// Returns the size of the tree below a node, including the node.
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

/// Returns the number of levels below a node. The recursion is limited, because no tree is deeper than [`MAX_DEPTH`].
fn height(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => items.iter().map(|item| height(item) + 1).max().unwrap_or(0),
        Value::Map(map) => map.entries.iter().map(|(_, value)| height(value) + 1).max().unwrap_or(0),
        _ => 0,
    }
}
