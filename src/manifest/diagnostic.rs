//! What is wrong with a file, as data: a stable code, a place, words. Imports nothing of ours.
//!
//! Rendering is `report`'s job. Texts here may quote the files, so they are data to a renderer: it
//! neutralizes control characters. Secrets are masked in [`Sources`] before anyone can show them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

macro_rules! codes {
    ($(#[doc = $doc:literal] $name:ident = $number:literal,)*) => {
        /// The stable code of a kind of problem. A number is never given to another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as people write it, such as `AG012`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("AG", $number),)*
                }
            }

            /// One sentence on what the code means.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Self::$name => $doc.trim_ascii(),)*
                }
            }
        }
    };
}

codes! {
    /// There is no `amigops.yaml` here or in a directory above.
    ProjectNotFound = "001",
    /// A file or directory can't be read.
    Unreadable = "002",
    /// A file is larger than the loader accepts.
    TooLarge = "003",
    /// A file isn't UTF-8.
    NotUtf8 = "004",
    /// A file isn't YAML.
    Syntax = "005",
    /// A file nests too deeply, or has or expands to too many values.
    TooComplex = "006",
    /// A file uses a part of YAML that manifests have no use for: custom tags, keys that aren't texts.
    UnsupportedYaml = "007",
    /// A path leads out of the project directory, or into a `.git` directory.
    OutsideProject = "008",
    /// No manifest was found at all.
    NoManifests = "009",
    /// A value has the wrong type.
    WrongType = "010",
    /// A key is given twice.
    DuplicateKey = "011",
    /// A key that isn't known here.
    UnknownKey = "012",
    /// A required key is missing.
    MissingKey = "013",
    /// A key is there, but has no value.
    NoValue = "014",
    /// A value is outside of what is allowed.
    BadValue = "015",
    /// Something that only the Platform API knows.
    PlatformOnly = "016",
    /// Something that waits for a later version of the tool.
    NotYet = "017",
    /// A text that is shorter or longer than the API takes.
    BadLength = "018",
    /// A name or text is empty or holds control characters.
    BadText = "020",
    /// A tag's key or value has characters that the API refuses.
    BadTag = "021",
    /// More entries than the API takes.
    TooMany = "022",
    /// A tag that the tool writes itself.
    OwnTag = "023",
    /// A key term that the API refuses.
    BadKeyterm = "024",
    /// A version set's name that the API refuses.
    BadVersionSetName = "025",
    /// `edge` is declared: it belongs to the server.
    EdgeDeclared = "026",
    /// A version set is declared that the project calls unmanaged.
    UnmanagedDeclared = "027",
    /// A pin that is neither a positive number nor `latest`.
    BadPin = "028",
    /// A version set that must be pinned isn't.
    PinRequired = "029",
    /// An id of another form than the API's: 24 hexadecimal digits on Classic, a UUID on Platform.
    BadId = "030",
    /// A model of a family that the tool has not heard of.
    UnknownModel = "031",
    /// A key term is given twice.
    DuplicateKeyterm = "032",
    /// A regular expression that isn't one.
    BadRegex = "033",
    /// A path in `lifecycle.ignore` that names no field.
    BadFieldPath = "034",
    /// A smoke test talks to a version set that isn't declared.
    UnknownVersionSet = "035",
    /// A smoke test that the API can't hold, so that it is not run there.
    SmokeNotRun = "036",
    /// A phone number that isn't in E.164 form.
    BadPhoneNumber = "037",
    /// Two documents declare the same service.
    DuplicateService = "040",
    /// `depends_on` names a service that isn't declared.
    UnknownDependency = "041",
    /// Services depend on one another in a circle.
    DependencyCycle = "042",
    /// `renamed_from` contradicts another declaration.
    RenameConflict = "043",
    /// An overlay changes what an overlay may not.
    BadOverlay = "044",
    /// An environment that `amigops.yaml` doesn't have.
    UnknownEnvironment = "050",
    /// No environment is chosen, and none is the default.
    NoEnvironment = "051",
    // 052 was an environment on an API that wasn't managed; the number stays unused.
    /// A base URL that isn't one, or isn't safe.
    BadUrl = "053",
    /// A header that can't be set in a file, such as one that carries credentials.
    BadHeader = "054",
    /// A credential where the name of an environment variable belongs.
    BadCredential = "055",
    /// A pattern that isn't one.
    BadGlob = "056",
    /// The environment's address is not among the hosts that may get credentials.
    HostNotAllowed = "057",
    /// A variable that `amigops.yaml` names is not among those that may hold credentials.
    VariableNotAllowed = "058",
    /// A pattern that matches nothing.
    EmptyGlob = "060",
    /// A guardrail protects a service that isn't declared.
    UnknownProtected = "061",
    /// A path that a command was given is no file of the project.
    NotOfProject = "062",
}

impl Code {
    /// Whether it says that a rule of the project, or the one against empty projects, forbids what is otherwise
    /// sound.
    pub fn is_guardrail(self) -> bool {
        matches!(self, Self::NoManifests | Self::PinRequired)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is sent.
    Error,
    /// Worth a look.
    Warning,
}

/// A stretch of a file's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The first byte, in the text without its byte-order mark.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line of the end, from 1.
    pub end_line: usize,
    /// The column after the last character, from 1.
    pub end_column: usize,
}

/// A file, and where in it; no spot means the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, relative to the project, with `/` between its parts.
    pub file: String,
    /// Where in it.
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

/// Another place that a problem is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub location: Location,
    /// What is there.
    pub label: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one lower-case fragment.
    pub message: String,
    /// Where.
    pub location: Location,
    /// What to say at the place itself; may be empty.
    pub label: String,
    /// What helps.
    pub help: Vec<String>,
    /// Other places.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// The order in which problems are reported.
    pub(super) fn by_place(a: &Self, b: &Self) -> std::cmp::Ordering {
        (&a.location, a.severity, a.code, &a.message).cmp(&(&b.location, b.severity, b.code, &b.message))
    }
}

/// The texts of the files that problems are in, secrets masked, by their names in [`Location`].
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Name → text.
    pub texts: BTreeMap<String, Arc<str>>,
}

impl Sources {
    /// A file's text.
    pub fn get(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(AsRef::as_ref)
    }
}

/// Why there is no desired state: every problem of a run, errors and warnings, by file and position.
#[derive(Clone, Debug, Default, thiserror::Error)]
#[error("{}", self.summary())]
pub struct Problems {
    /// The problems.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts they point into.
    pub sources: Sources,
    /// How many files were looked at.
    pub files: usize,
    /// How many errors were left out because there were too many to keep.
    pub omitted: usize,
}

impl Problems {
    /// Whether something is wrong that stops everything; warnings don't.
    pub fn has_errors(&self) -> bool {
        self.omitted > 0 || self.diagnostics.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether rules alone stand against what the files say: every error is a guardrail's.
    pub fn is_refusal(&self) -> bool {
        let mut errors =
            self.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).peekable();
        self.omitted == 0 && errors.peek().is_some() && errors.all(|problem| problem.code.is_guardrail())
    }

    /// The last line of a report: how many problems, in how many files.
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
    fn a_code_has_one_meaning() {
        let texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(texts.is_sorted_by(|a, b| a < b), "{texts:?}");
        assert!(Code::ALL.iter().all(|code| code.summary().ends_with('.')));
        assert_eq!(Code::UnknownKey.as_str(), "AG012");
    }
}
