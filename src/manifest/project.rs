//! `amigops.yaml` → [`Project`]. Imports `model`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::decode::{self, Fields, Shape, or_suggestion};
use super::diagnostic::Code;
use super::environment::{self, Environment};
use super::sink::{Problem, Sink, Span};
use super::tree::{Node, Value, shortened};
use crate::model::{
    Api, Guardrails, MaxRemovals, Ownership, Policy, Retire, ServiceName, TAG_PROTECTED, TAG_REPLACES,
    VersionSetName, VersionSetPatterns, did_you_mean,
};

/// The file at the root of every project.
pub const PROJECT_FILE: &str = "amigops.yaml";

pub(super) const SHAPE: Shape = Shape {
    what: "a project",
    keys: &[
        "version",
        "manifests",
        "defaults",
        "environments",
        "default_environment",
        "ownership",
        "unmanaged_version_sets",
        "guardrails",
    ],
    help: "",
};
pub(super) const OWNERSHIP: Shape = Shape { what: "`ownership`", keys: &["tag", "value"], help: "" };
pub(super) const GUARDRAILS: Shape =
    Shape { what: "`guardrails`", keys: &["max_removals", "require_pins", "protected"], help: "" };

/// What `amigops.yaml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// The directory that holds it.
    pub root: PathBuf,
    /// The version of the file's form; always 1.
    pub version: u32,
    /// Patterns of manifest files, relative to the root.
    pub manifests: Vec<String>,
    /// The environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// The environment that is meant where none is named.
    pub default_environment: Option<String>,
    /// The project's rules.
    pub policy: Policy,
}

/// A project with what only the loader needs of it. Best effort where the sink has errors.
pub(super) struct Decoded {
    pub(super) project: Project,
    /// Merged under every service.
    pub(super) defaults: Option<Node>,
    /// The patterns with their places.
    pub(super) globs: Vec<(String, Span)>,
    /// Where the environments are listed.
    pub(super) environments: Span,
    /// Where each environment is named.
    pub(super) places: BTreeMap<String, Span>,
    /// Protected services and where they are named.
    pub(super) protected: Vec<(ServiceName, Span)>,
}

/// Reads the file's one document.
pub(super) fn decode(sink: &mut Sink, root: &Path, node: &Node) -> Option<Decoded> {
    let fields = Fields::open(sink, node, &SHAPE)?;
    let at = fields.map.entries.first().map_or(node.span, |(key, _)| key.span);
    version(sink, fields, at);
    let globs = match fields.require(sink, "manifests", at, "a project") {
        Some(node) => decode::texts(sink, node, "patterns of manifest files"),
        None => Vec::new(),
    };
    if let Some(Node { span, value: Value::List(items) }) = fields.raw("manifests")
        && items.is_empty()
    {
        sink.push(no_manifests(*span, "no manifest is named", "at least one pattern is expected"));
    }
    let globs: Vec<_> = globs.into_iter().map(|(glob, span)| (glob.to_owned(), span)).collect();
    let (environments, places) = environments(sink, fields, root, at);
    let protected = protected(sink, fields);
    let defaults = defaults(sink, fields);
    let policy = Policy {
        ownership: ownership(sink, fields),
        unmanaged_version_sets: unmanaged(sink, fields),
        guardrails: guardrails(sink, fields, &protected),
        retire_orphans: retire_orphans(sink, defaults.as_ref()),
    };
    let project = Project {
        root: root.to_owned(),
        version: 1,
        manifests: globs.iter().map(|(glob, _)| glob.clone()).collect(),
        default_environment: default_environment(sink, fields, &environments),
        environments,
        policy,
    };
    Some(Decoded {
        project,
        defaults,
        globs,
        environments: fields.key("environments").map_or(at, |key| key.span),
        places,
        protected,
    })
}

/// Nothing is declared at all, for whichever reason.
pub(super) fn no_manifests(at: Span, message: &str, label: &str) -> Problem {
    Problem::error(Code::NoManifests, at, message)
        .label(label)
        .help("an empty project is refused: it would mean \"remove everything\"")
}

fn version(sink: &mut Sink, fields: Fields<'_>, at: Span) {
    let Some(node) = fields.require(sink, "version", at, "a project") else { return };
    match &node.value {
        Value::Number(number) if number.raw == "1" => {}
        Value::Number(number) => {
            let message = format!("version {} of this file isn't known", shortened(&number.raw));
            sink.push(Problem::error(Code::BadValue, node.span, message).label("this tool reads version 1"));
        }
        _ => sink.push(decode::wrong_type(node, "the number 1")),
    }
}

fn defaults(sink: &mut Sink, fields: Fields<'_>) -> Option<Node> {
    let node = fields.get(sink, "defaults")?;
    let map = decode::mapping(sink, node, "what every service starts from")?;
    let mut kept = map.clone();
    for name in ["service", "environments"] {
        if let Some((key, _)) = kept.remove(name) {
            let message = format!("`{name}` can't have a default");
            sink.push(
                Problem::error(Code::BadValue, key.span, message)
                    .label("only a service's own document says it"),
            );
        }
    }
    Some(Node { span: node.span, value: Value::Map(kept) })
}

/// What the defaults say of retirement: it is all that is known of services whose manifests are gone. Each
/// manifest's own checks say so where `delete` is more than its API can do.
fn retire_orphans(sink: &mut Sink, defaults: Option<&Node>) -> Retire {
    let member = |node: &Node, name: &str| match &node.value {
        Value::Map(map) => map.get(name).filter(|node| node.value != Value::Null).cloned(),
        _ => None,
    };
    let said = defaults.and_then(|node| member(&member(node, "lifecycle")?, "retire"));
    said.and_then(|node| super::lifecycle::retire_word(sink, &node)).unwrap_or_default()
}

fn environments(
    sink: &mut Sink,
    fields: Fields<'_>,
    root: &Path,
    at: Span,
) -> (BTreeMap<String, Environment>, BTreeMap<String, Span>) {
    let mut found = BTreeMap::new();
    let mut places = BTreeMap::new();
    let Some(node) = fields.require(sink, "environments", at, "a project") else { return (found, places) };
    let Some(map) = decode::mapping(sink, node, "environments by name") else { return (found, places) };
    if map.entries.is_empty() {
        sink.push(Problem::error(Code::BadValue, node.span, "a project needs at least one environment"));
    }
    for (key, value) in &map.entries {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if key.name.is_empty()
            || key.name.len() > 64
            || key.name.starts_with('.')
            || !key.name.chars().all(fits)
        {
            let message = format!("`{}` can't be an environment's name", shortened(&key.name));
            sink.push(
                Problem::error(Code::BadValue, key.span, message)
                    .label("letters, digits, `-`, `_` and `.`, at most 64"),
            );
        }
        places.insert(key.name.clone(), key.span);
        if let Some(environment) = environment::decode(sink, root, key, value) {
            found.insert(key.name.clone(), environment);
        }
    }
    (found, places)
}

fn default_environment(
    sink: &mut Sink,
    fields: Fields<'_>,
    environments: &BTreeMap<String, Environment>,
) -> Option<String> {
    let node = fields.get(sink, "default_environment")?;
    let name = decode::name(sink, node, "the default environment")?;
    let declared = fields.raw("environments").map(super::merge::keys).unwrap_or_default();
    if !declared.contains(name) {
        let message = format!("there is no environment `{}`", shortened(name));
        let known = did_you_mean(name, environments.keys().map(String::as_str));
        sink.push(
            Problem::error(Code::UnknownEnvironment, node.span, message)
                .label(or_suggestion(known, "not among `environments`")),
        );
        return None;
    }
    Some(name.to_owned())
}

fn ownership(sink: &mut Sink, fields: Fields<'_>) -> Ownership {
    let default = Ownership::default();
    let Some(node) = fields.get(sink, "ownership") else { return default };
    let Some(fields) = Fields::open(sink, node, &OWNERSHIP) else { return default };
    let is_written = fields.raw("value").is_some();
    let mut part = |name: &str, otherwise: String| {
        let Some(node) = fields.get(sink, name) else { return otherwise };
        let Some(text) = decode::name(sink, node, "the ownership tag") else { return otherwise };
        if !super::tags::is_valid(text) {
            sink.push(super::tags::bad_tag(node.span, text, "the ownership tag"));
        } else if name == "tag" && (text == TAG_REPLACES || text == TAG_PROTECTED) {
            let message = format!("the tag `{text}` has another use");
            sink.push(Problem::error(Code::OwnTag, node.span, message).label("choose another tag"));
        }
        text.to_owned()
    };
    Ownership { tag: part("tag", default.tag), value: part("value", default.value), is_written }
}

fn unmanaged(sink: &mut Sink, fields: Fields<'_>) -> VersionSetPatterns {
    let Some(node) = fields.get(sink, "unmanaged_version_sets") else { return VersionSetPatterns::default() };
    let mut patterns = Vec::new();
    for (pattern, span) in decode::texts(sink, node, "patterns of version sets") {
        let one = [pattern.to_owned()];
        match VersionSetPatterns::new(&one) {
            Ok(_) => patterns.extend(one),
            Err(error) => sink.push(bad_glob(span, pattern, &error)),
        }
    }
    VersionSetPatterns::new(&patterns).unwrap_or_default()
}

/// A pattern that globset refuses.
pub(super) fn bad_glob(span: Span, pattern: &str, error: &globset::Error) -> Problem {
    let message = format!("`{}` isn't a pattern", shortened(pattern));
    Problem::error(Code::BadGlob, span, message).label(error.kind().to_string())
}

fn protected(sink: &mut Sink, fields: Fields<'_>) -> Vec<(ServiceName, Span)> {
    let guardrails = fields.raw("guardrails").map(|node| &node.value);
    let Some(Value::Map(guardrails)) = guardrails else { return Vec::new() };
    let Some(node) = guardrails.get("protected").filter(|node| node.value != Value::Null) else {
        return Vec::new();
    };
    decode::texts(sink, node, "protected services")
        .into_iter()
        .map(|(name, span)| (ServiceName::new(name), span))
        .collect()
}

fn guardrails(sink: &mut Sink, fields: Fields<'_>, protected: &[(ServiceName, Span)]) -> Guardrails {
    let Some(node) = fields.get(sink, "guardrails") else { return Guardrails::default() };
    let Some(fields) = Fields::open(sink, node, &GUARDRAILS) else { return Guardrails::default() };
    // Read before; here only a key without a value is reported.
    let _ = fields.get(sink, "protected");
    let max_removals = fields.get(sink, "max_removals").and_then(|node| max_removals(sink, node));
    let mut require_pins = BTreeSet::new();
    if let Some(node) = fields.get(sink, "require_pins") {
        for (name, span) in decode::texts(sink, node, "version sets that must be pinned") {
            // Whatever either API takes.
            if super::version_set::check_name(sink, name, span, Api::Platform) {
                require_pins.insert(VersionSetName::new(name));
            }
        }
    }
    Guardrails {
        max_removals,
        require_pins,
        protected: protected.iter().map(|(name, _)| name.clone()).collect(),
    }
}

fn max_removals(sink: &mut Sink, node: &Node) -> Option<MaxRemovals> {
    let found = match &node.value {
        Value::Number(number) if !decode::is_ambiguous(&number.raw) => {
            number.raw.parse::<usize>().ok().map(MaxRemovals::Count)
        }
        Value::Text(text) if text.trim().ends_with('%') => text.parse().ok(),
        _ => None,
    };
    if found.is_none() {
        let message = format!("`max_removals` is {}, not {}", MaxRemovals::EXPECTED, node.describe());
        sink.push(
            Problem::error(Code::BadValue, node.span, message).label("how much may one plan remove at most?"),
        );
    }
    found
}
