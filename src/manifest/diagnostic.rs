//! Diagnostics: problems in files as data, with a stable code, a location and a message.
//!
//! The module `report` renders diagnostics. A message may quote a file, so renderers escape control characters. Secrets
//! are already masked in [`Sources`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

macro_rules! codes {
    ($(#[doc = $doc:literal] $name:ident = $number:literal,)*) => {
        /// The stable code of a kind of problem. A number is never reused for another kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// All codes, ordered by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code as reports show it, such as `AG012`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("AG", $number),)*
                }
            }

            /// Returns one sentence that describes the code.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$name => $doc.trim_ascii(),)*
                }
            }
        }
    };
}

codes! {
    /// There is no `amigops.yaml` in this directory or a parent directory.
    ProjectNotFound = "001",
    /// A file or directory can't be read.
    Unreadable = "002",
    /// A file is larger than the limit.
    TooLarge = "003",
    /// A file is not UTF-8.
    NotUtf8 = "004",
    /// A file is not valid YAML.
    Syntax = "005",
    /// A file is nested too deeply, or has or expands to too many values.
    TooComplex = "006",
    /// A file uses a YAML feature that is not supported: custom tags, or keys that are not strings.
    UnsupportedYaml = "007",
    /// A path leads out of the project directory, or into a `.git` directory.
    OutsideProject = "008",
    /// No manifest was found.
    NoManifests = "009",
    /// A value has the wrong type.
    WrongType = "010",
    /// A key is given twice.
    DuplicateKey = "011",
    /// A key that is not allowed here.
    UnknownKey = "012",
    /// A required key is missing.
    MissingKey = "013",
    /// A key has no value.
    NoValue = "014",
    /// A value is not allowed.
    BadValue = "015",
    /// A feature that only the Platform API has.
    PlatformOnly = "016",
    /// A feature that amigops does not support yet.
    NotYet = "017",
    /// A text that is shorter or longer than the API allows.
    BadLength = "018",
    /// A name or text is empty or contains control characters.
    BadText = "020",
    /// A tag's key or value contains characters that the API rejects.
    BadTag = "021",
    /// More entries than the API allows.
    TooMany = "022",
    /// A tag that amigops writes itself.
    OwnTag = "023",
    /// A key term that the API rejects.
    BadKeyterm = "024",
    /// A version set name that the API rejects.
    BadVersionSetName = "025",
    /// `edge` is declared, but the server manages it.
    EdgeDeclared = "026",
    /// A declared version set matches `unmanaged_version_sets`.
    UnmanagedDeclared = "027",
    /// A version that is neither a positive number nor `latest`.
    BadPin = "028",
    /// A version set that must be pinned is not pinned.
    PinRequired = "029",
    /// An id in the wrong format: Classic uses 24 hexadecimal digits, Platform a UUID.
    BadId = "030",
    /// A model of an unknown family.
    UnknownModel = "031",
    /// A key term is listed twice.
    DuplicateKeyterm = "032",
    /// An invalid regular expression.
    BadRegex = "033",
    /// A path in `lifecycle.ignore` that is not a field.
    BadFieldPath = "034",
    /// A smoke test uses a version set that is not declared.
    UnknownVersionSet = "035",
    /// A smoke test that is skipped because the API can't run it.
    SmokeNotRun = "036",
    /// A phone number that is not in E.164 format.
    BadPhoneNumber = "037",
    /// Two documents declare the same service.
    DuplicateService = "040",
    /// `depends_on` names a service that is not declared.
    UnknownDependency = "041",
    /// Services depend on one another in a cycle.
    DependencyCycle = "042",
    /// `renamed_from` conflicts with another declaration.
    RenameConflict = "043",
    /// An overlay changes a key that overlays can't change.
    BadOverlay = "044",
    /// An environment that is not in `amigops.yaml`.
    UnknownEnvironment = "050",
    /// No environment is selected, and there is no default.
    NoEnvironment = "051",
    // The number 052 once meant an environment on an unsupported API. It is not reused.
    /// A base URL that is invalid or not safe.
    BadUrl = "053",
    /// A header that a file can't set, such as one that carries credentials.
    BadHeader = "054",
    /// A credential instead of the name of an environment variable.
    BadCredential = "055",
    /// An invalid glob pattern.
    BadGlob = "056",
    /// The environment's host is not allowed to receive credentials.
    HostNotAllowed = "057",
    /// A variable that `amigops.yaml` names is not allowed to hold credentials.
    VariableNotAllowed = "058",
    /// A pattern that matches no file.
    EmptyGlob = "060",
    /// A guardrail protects a service that is not declared.
    UnknownProtected = "061",
    /// A path on the command line is not a file of the project.
    NotOfProject = "062",
    /// `prune: true` without `ownership.value`.
    PruneWithoutOwner = "063",
}

impl Code {
    /// Returns true if the code means that the files are valid, but break a rule: a rule of the project, or the rule
    /// against empty projects.
    pub fn is_guardrail(self) -> bool {
        matches!(self, Self::NoManifests | Self::PinRequired | Self::PruneWithoutOwner)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The severity of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The problem stops the command, so that nothing is sent to the API.
    Error,
    /// The problem does not stop the command.
    Warning,
}

/// A range of a file's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The offset in bytes at which the range begins. A byte-order mark at the start of the file is not counted.
    pub start: usize,
    /// The offset in bytes at which the range ends. The byte at this offset is not part of the range.
    pub end: usize,
    /// The line of the first byte, from 1.
    pub line: usize,
    /// The column of the first character, from 1.
    pub column: usize,
    /// The line of the last byte, from 1.
    pub end_line: usize,
    /// The column of the first character after the range, from 1.
    pub end_column: usize,
}

/// A location: a file, and usually a range in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file's path relative to the project, with `/` separators.
    pub file: String,
    /// The range in the file. `None` means the whole file.
    pub spot: Option<Spot>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spot {
            Some(spot) => write!(f, "{}:{}:{}", self.file, spot.line, spot.column),
            None => f.write_str(&self.file),
        }
    }
}

/// Another location that belongs to a problem, such as the first definition of a duplicate key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The location that is shown in addition to the problem's own.
    pub location: Location,
    /// The text to show at the location.
    pub label: String,
}

/// One problem in a file, with its code, location and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code of the kind of problem.
    pub code: Code,
    /// The severity of the problem.
    pub severity: Severity,
    /// The message: a phrase that begins with a lower-case letter.
    pub message: String,
    /// The location of the problem.
    pub location: Location,
    /// The text to show at the location. May be empty.
    pub label: String,
    /// Hints on how to fix the problem.
    pub help: Vec<String>,
    /// Other locations that belong to the problem.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// Compares two problems by location, severity, code and message. Reports list problems in this order.
    pub(super) fn by_place(a: &Self, b: &Self) -> std::cmp::Ordering {
        (&a.location, a.severity, a.code, &a.message).cmp(&(&b.location, b.severity, b.code, &b.message))
    }
}

/// The texts of the files that problems refer to. Secrets are masked.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The texts, by the file names of [`Location::file`].
    pub texts: BTreeMap<String, Arc<str>>,
}

impl Sources {
    /// Returns the text of a file, or `None` if the file is not included.
    pub fn get(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(AsRef::as_ref)
    }
}

/// All problems of a load, errors and warnings, ordered by file and position.
#[derive(Clone, Debug, Default, thiserror::Error)]
#[error("{}", self.summary())]
pub struct Problems {
    /// The problems, ordered by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts of the files that the problems refer to.
    pub sources: Sources,
    /// The number of files that were read.
    pub files: usize,
    /// The number of errors that are not in `diagnostics`, because there were too many.
    pub omitted: usize,
}

impl Problems {
    /// Returns true if there is an error. Warnings don't count.
    pub fn has_errors(&self) -> bool {
        self.omitted > 0 || self.diagnostics.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Returns true if the problem is that there is no project to load.
    pub fn is_project_missing(&self) -> bool {
        self.diagnostics.iter().any(|problem| problem.code == Code::ProjectNotFound)
    }

    /// Returns true if there are errors and all of them come from guardrails: the files are valid, but a rule forbids
    /// them.
    pub fn is_refusal(&self) -> bool {
        let mut errors =
            self.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).peekable();
        self.omitted == 0 && errors.peek().is_some() && errors.all(|problem| problem.code.is_guardrail())
    }

    /// Returns the last line of a report, which states the number of problems and the number of files that have
    /// problems.
    pub fn summary(&self) -> String {
        let errors = || self.diagnostics.iter().filter(|problem| problem.severity == Severity::Error);
        let files: std::collections::BTreeSet<_> = errors().map(|problem| &problem.location.file).collect();
        let hidden = match self.omitted {
            0 => String::new(),
            more => format!(", {more} of them not shown"),
        };
        format!(
            "{} in {}{hidden}; nothing was sent",
            counted(errors().count() + self.omitted, "problem"),
            counted(files.len(), "file"),
        )
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_are_unique_and_described() {
        let texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(texts.is_sorted_by(|a, b| a < b), "{texts:?}");
        assert!(Code::ALL.iter().all(|code| code.summary().ends_with('.')));
        assert_eq!(Code::UnknownKey.as_str(), "AG012");
    }
}
