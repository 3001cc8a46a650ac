//! Collects the problems that are found during a load, and converts spans to locations.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::diagnostic::{Code, Diagnostic, Location, Problems, Related, Severity, Sources, Spot};
use super::read_file::ReadFile;
use crate::model::Place;

/// The maximum number of problems that one load keeps. Further errors are only counted, so that a hostile file can't
/// exhaust the memory.
const MAX_KEPT: usize = 2_000;

/// The index of a file among the files of one load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId(u32);

/// A range in a file. The type is small in memory, because every node of every tree has a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Span {
    pub(super) file: FileId,
    pub(super) start: u32,
    pub(super) end: u32,
    /// The line at which the range starts, from 1. 0 means that the span stands for the whole file.
    pub(super) line: u32,
    /// The column at which the range starts, from 1, in characters.
    pub(super) column: u32,
}

impl Span {
    /// Returns a span that means the whole file.
    pub(super) fn whole(file: FileId) -> Self {
        Self { file, start: 0, end: 0, line: 0, column: 0 }
    }
}

struct Source {
    name: String,
    text: Arc<str>,
}

/// A problem that is being built. [`DiagnosticCollector::push`] reports it.
pub(super) struct Problem {
    code: Code,
    severity: Severity,
    span: Span,
    message: String,
    label: String,
    help: Vec<String>,
    related: Vec<(Span, String)>,
}

impl Problem {
    pub(super) fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
            related: Vec::new(),
        }
    }

    pub(super) fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    pub(super) fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// Collects the files and the problems of one load.
#[derive(Default)]
pub(super) struct DiagnosticCollector {
    sources: Vec<Source>,
    diagnostics: Vec<Diagnostic>,
    seen: HashSet<(Code, Span, String)>,
    secrets: Vec<Span>,
    quoted: BTreeSet<String>,
    read_files: Vec<ReadFile>,
    omitted: usize,
    errors: usize,
}

impl DiagnosticCollector {
    /// Registers a file by its name within the project, and returns its id.
    pub(super) fn add_file(&mut self, name: impl Into<String>, text: Arc<str>) -> FileId {
        let id = FileId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source { name: name.into(), text });
        id
    }

    /// Records that a file was read, with a hash of its content.
    pub(super) fn record_file(&mut self, file: ReadFile) {
        self.read_files.push(file);
    }

    /// Removes and returns the records of the files that were read.
    pub(super) fn take_files(&mut self) -> Vec<ReadFile> {
        std::mem::take(&mut self.read_files)
    }

    /// Returns the number of registered files.
    pub(super) fn files(&self) -> usize {
        self.sources.len()
    }

    /// Returns true if an error was reported.
    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Reports a problem, unless the same problem was already reported for the same span. Values of the defaults and of
    /// documents are checked several times, because they are merged with each overlay.
    pub(super) fn push(&mut self, problem: Problem) {
        if self.diagnostics.len() >= MAX_KEPT {
            let error = usize::from(problem.severity == Severity::Error);
            self.omitted += error;
            self.errors += error;
            return;
        }
        if !self.seen.insert((problem.code, problem.span, problem.message.clone())) {
            return;
        }
        self.errors += usize::from(problem.severity == Severity::Error);
        let related =
            problem.related.into_iter().map(|(span, label)| Related { location: self.location(span), label });
        let diagnostic = Diagnostic {
            code: problem.code,
            severity: problem.severity,
            message: problem.message,
            location: self.location(problem.span),
            label: problem.label,
            help: problem.help,
            related: related.collect(),
        };
        self.diagnostics.push(diagnostic);
    }

    /// Marks a file so that the result includes its text even if the file has no problem.
    pub(super) fn quote(&mut self, file: FileId) {
        self.quoted.insert(self.name(file));
    }

    /// Marks a span as secret, so that every report shows asterisks instead of its text.
    pub(super) fn mask(&mut self, span: Span) {
        self.secrets.push(span);
    }

    /// Converts a span to a `Place`, which is the form that the desired state uses.
    pub(super) fn place(&self, span: Span) -> Place {
        Place { file: self.name(span.file), line: span.line as usize, column: span.column as usize }
    }

    fn name(&self, file: FileId) -> String {
        self.sources.get(file.0 as usize).map(|source| source.name.clone()).unwrap_or_default()
    }

    /// Converts a span to a `Location`, which is the form that reports use.
    pub(super) fn location(&self, span: Span) -> Location {
        let spot = (span.line > 0).then(|| {
            // The end is computed from the file's text, because the masked text may have more characters.
            let text = self.sources.get(span.file.0 as usize).map_or("", |source| &source.text);
            let marked = text.get(span.start as usize..span.end as usize).unwrap_or_default();
            let (end_line, end_column) = end_of(marked, span.line as usize, span.column as usize);
            Spot {
                start: span.start as usize,
                end: span.end as usize,
                line: span.line as usize,
                column: span.column as usize,
                end_line,
                end_column,
            }
        });
        Location { file: self.name(span.file), spot }
    }

    /// Returns all problems in order, and the texts of the files that the problems refer to. Secrets in the texts are
    /// masked.
    pub(super) fn finish(self) -> Problems {
        let mut diagnostics = self.diagnostics;
        diagnostics.sort_by(Diagnostic::by_place);
        let mentioned: BTreeSet<&str> = diagnostics
            .iter()
            .flat_map(|one| {
                std::iter::once(&one.location).chain(one.related.iter().map(|other| &other.location))
            })
            .map(|location| location.file.as_str())
            .chain(self.quoted.iter().map(String::as_str))
            .collect();
        let mut sources = Sources::default();
        for (index, source) in self.sources.iter().enumerate() {
            if !mentioned.contains(source.name.as_str()) {
                continue;
            }
            let secrets = self.secrets.iter().filter(|span| span.file.0 as usize == index);
            sources.texts.insert(source.name.clone(), masked(&source.text, secrets));
        }
        Problems { diagnostics, sources, files: self.sources.len(), omitted: self.omitted }
    }
}

/// Returns the line and column at the end of a text that starts at `line` and `column`. As in YAML, `\r\n` counts as
/// one line break.
pub(super) fn end_of(text: &str, line: usize, column: usize) -> (usize, usize) {
    let (mut line, mut column) = (line, column);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\n' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
    }
    (line, column)
}

/// Returns a file's text with each secret span replaced by asterisks. Keeps line breaks and the number of bytes, so
/// that all offsets stay valid.
fn masked<'a>(text: &Arc<str>, secrets: impl Iterator<Item = &'a Span>) -> Arc<str> {
    let mut masked = None;
    for span in secrets {
        let range = span.start as usize..(span.end.max(span.start)) as usize;
        let text: &mut String = masked.get_or_insert_with(|| text.to_string());
        let Some(secret) = text.get(range.clone()) else { continue };
        let stars: String = secret
            .bytes()
            .map(|byte| if byte == b'\n' || byte == b'\r' { char::from(byte) } else { '*' })
            .collect();
        text.replace_range(range, &stars);
    }
    masked.map_or_else(|| Arc::clone(text), Arc::from)
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn end_of_counts_characters_and_line_breaks() {
        let table = [
            ("", (3, 5)),
            ("key", (3, 8)),
            ("日本e\u{301}", (3, 9)),
            ("a\nb", (4, 2)),
            ("a\r\nb", (4, 2)),
            ("a\r\rb", (5, 2)),
        ];
        for (text, end) in table {
            assert_eq!(end_of(text, 3, 5), end, "{text:?}");
        }
    }
}
