//! Decodes `amigops.yaml` into a [`Project`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::collector::{DiagnosticCollector, Problem, Span};
use super::decode::{self, Fields, Shape, or_suggestion};
use super::diagnostic::Code;
use super::environment::{self, Environment};
use super::files;
use super::tree::{Node, Value, shortened};
use crate::model::{
    Api, Guardrails, MaxRemovals, Ownership, Policy, Retire, ServiceName, TAG_ORIGIN, TAG_PROTECTED,
    TAG_REPLACES, VersionSetName, VersionSetPatterns, did_you_mean,
};

/// The name of the file at the root of every project.
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
        "prune",
        "unmanaged_version_sets",
        "guardrails",
    ],
    help: "",
};
pub(super) const OWNERSHIP: Shape =
    Shape { what: "`ownership`", keys: &["tag", "value", "origin"], help: "" };
pub(super) const GUARDRAILS: Shape =
    Shape { what: "`guardrails`", keys: &["max_removals", "require_pins", "protected"], help: "" };

/// The content of `amigops.yaml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// The directory of `amigops.yaml`.
    pub root: PathBuf,
    /// The version of the file format. Always 1.
    pub version: u32,
    /// Glob patterns of manifest files, relative to the root.
    pub manifests: Vec<String>,
    /// The environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// The name of the environment that is used when no environment is selected.
    pub default_environment: Option<String>,
    /// True if plans retire orphans. An environment with its own `prune` overrides this value.
    pub prune: bool,
    /// The project's rules, such as its guardrails.
    pub policy: Policy,
}

impl Project {
    /// Returns true if plans for the environment with this name retire orphans. The environment's own value takes
    /// precedence over the project's value.
    pub fn prunes(&self, environment: &str) -> bool {
        self.environments.get(environment).and_then(|one| one.prune).unwrap_or(self.prune)
    }
}

/// The project, and the parts of `amigops.yaml` that only the loader needs. If there are errors, some parts are
/// missing.
pub(super) struct DecodedProject {
    pub(super) project: Project,
    /// The defaults, which apply to every service.
    pub(super) defaults: Option<Node>,
    /// The glob patterns of manifest files, and their spans.
    pub(super) globs: Vec<(String, Span)>,
    /// The span of the key `environments`.
    pub(super) environments: Span,
    /// The span of each environment's name.
    pub(super) places: BTreeMap<String, Span>,
    /// The services that `guardrails.protected` names, and the spans of their names.
    pub(super) protected: Vec<(ServiceName, Span)>,
}

/// Decodes the document of `amigops.yaml`. Returns `None` if it is not a mapping.
pub(super) fn decode(problems: &mut DiagnosticCollector, root: &Path, node: &Node) -> Option<DecodedProject> {
    let fields = Fields::open(problems, node, &SHAPE)?;
    let at = fields.map.entries.first().map_or(node.span, |(key, _)| key.span);
    check_version(problems, fields, at);
    let globs = match fields.require(problems, "manifests", at, "a project") {
        Some(node) => decode::texts(problems, node, "patterns of manifest files"),
        None => Vec::new(),
    };
    if let Some(Node { span, value: Value::List(items), .. }) = fields.raw("manifests")
        && items.is_empty()
    {
        problems.push(no_manifests(*span, "`manifests` is empty", "expected at least one pattern"));
    }
    let globs: Vec<_> = globs.into_iter().map(|(glob, span)| (glob.to_owned(), span)).collect();
    let (environments, places) = environments(problems, fields, root, at);
    let protected = protected(problems, fields);
    let defaults = defaults(problems, fields);
    let policy = Policy {
        ownership: ownership(problems, fields),
        unmanaged_version_sets: unmanaged_version_sets(problems, fields),
        guardrails: guardrails(problems, fields, &protected),
        retire_orphans: retire_orphans(problems, defaults.as_ref()),
    };
    let prune = fields.get(problems, "prune").and_then(|node| decode::boolean(problems, node));
    check_prune(problems, fields, &policy.ownership);
    let project = Project {
        root: root.to_owned(),
        version: 1,
        manifests: globs.iter().map(|(glob, _)| glob.clone()).collect(),
        default_environment: default_environment(problems, fields, &environments),
        environments,
        prune: prune.unwrap_or_default(),
        policy,
    };
    Some(DecodedProject {
        project,
        defaults,
        globs,
        environments: fields.key("environments").map_or(at, |key| key.span),
        places,
        protected,
    })
}

/// Creates the problem for a project that declares no service.
pub(super) fn no_manifests(at: Span, message: &str, label: &str) -> Problem {
    Problem::error(Code::NoManifests, at, message)
        .label(label)
        .help("an empty project is refused, because it would mean \"remove everything\"")
}

fn check_version(problems: &mut DiagnosticCollector, fields: Fields<'_>, at: Span) {
    let Some(node) = fields.require(problems, "version", at, "a project") else { return };
    match &node.value {
        Value::Number(number) if number.raw == "1" => {}
        Value::Number(number) => {
            let message = format!("version {} of this file is not supported", shortened(&number.raw));
            problems.push(Problem::error(Code::BadValue, node.span, message).label("expected version 1"));
        }
        _ => problems.push(decode::wrong_type(node, "the number 1")),
    }
}

fn defaults(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> Option<Node> {
    let node = fields.get(problems, "defaults")?;
    let map = decode::mapping(problems, node, "defaults for all services")?;
    let mut allowed = map.clone();
    for name in ["service", "environments"] {
        if let Some((key, _)) = allowed.remove(name) {
            let message = format!("`{name}` can't have a default");
            problems.push(
                Problem::error(Code::BadValue, key.span, message)
                    .label("set this key in each service's own document"),
            );
        }
    }
    Some(Node::new(node.span, Value::Map(allowed)))
}

/// Decodes `lifecycle.retire` of the project's defaults, which applies to services whose manifests were deleted. Does
/// not check that the API supports `delete`, because that is checked later for each manifest.
fn retire_orphans(problems: &mut DiagnosticCollector, defaults: Option<&Node>) -> Retire {
    let member = |node: &Node, name: &str| match &node.value {
        Value::Map(map) => map.get(name).filter(|node| node.value != Value::Null).cloned(),
        _ => None,
    };
    let retire = defaults.and_then(|node| member(&member(node, "lifecycle")?, "retire"));
    retire.and_then(|node| super::lifecycle::parse_retire(problems, &node)).unwrap_or_default()
}

fn environments(
    problems: &mut DiagnosticCollector,
    fields: Fields<'_>,
    root: &Path,
    at: Span,
) -> (BTreeMap<String, Environment>, BTreeMap<String, Span>) {
    let mut found = BTreeMap::new();
    let mut places = BTreeMap::new();
    let Some(node) = fields.require(problems, "environments", at, "a project") else {
        return (found, places);
    };
    let Some(map) = decode::mapping(problems, node, "environments by name") else { return (found, places) };
    if map.entries.is_empty() {
        problems.push(Problem::error(
            Code::BadValue,
            node.span,
            "`environments` is empty: a project needs at least one environment",
        ));
    }
    for (key, value) in &map.entries {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if key.name.is_empty()
            || key.name.len() > 64
            || key.name.starts_with('.')
            || !key.name.chars().all(fits)
        {
            let message = format!("`{}` can't be an environment's name", shortened(&key.name));
            problems.push(
                Problem::error(Code::BadValue, key.span, message)
                    .label("use at most 64 letters, digits, `-`, `_` and `.`"),
            );
        }
        places.insert(key.name.clone(), key.span);
        if let Some(environment) = environment::decode(problems, root, key, value) {
            found.insert(key.name.clone(), environment);
        }
    }
    (found, places)
}

fn default_environment(
    problems: &mut DiagnosticCollector,
    fields: Fields<'_>,
    environments: &BTreeMap<String, Environment>,
) -> Option<String> {
    let node = fields.get(problems, "default_environment")?;
    let name = decode::name(problems, node, "the default environment")?;
    let declared = fields.raw("environments").map(super::merge::keys).unwrap_or_default();
    if !declared.contains(name) {
        let message = format!("there is no environment `{}`", shortened(name));
        let known = did_you_mean(name, environments.keys().map(String::as_str));
        problems.push(
            Problem::error(Code::UnknownEnvironment, node.span, message)
                .label(or_suggestion(known, "not in `environments`")),
        );
        return None;
    }
    Some(name.to_owned())
}

fn ownership(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> Ownership {
    let default = Ownership::default();
    let Some(node) = fields.get(problems, "ownership") else { return default };
    let Some(fields) = Fields::open(problems, node, &OWNERSHIP) else { return default };
    let is_written = fields.raw("value").is_some();
    let mut part = |name: &str, otherwise: String| {
        let Some(node) = fields.get(problems, name) else { return otherwise };
        let Some(text) = decode::name(problems, node, "the ownership tag") else { return otherwise };
        if !super::tags::is_valid(text) {
            problems.push(super::tags::bad_tag(node.span, text, "the ownership tag"));
        } else if name == "tag" && [TAG_REPLACES, TAG_PROTECTED, TAG_ORIGIN].contains(&text) {
            let message = format!("the tag `{text}` is reserved");
            problems.push(Problem::error(Code::OwnTag, node.span, message).label("choose another tag"));
        }
        text.to_owned()
    };
    let (tag, value) = (part("tag", default.tag), part("value", default.value));
    let origin = fields.get(problems, "origin").and_then(|node| decode::boolean(problems, node));
    Ownership { tag, value, is_written, origin: origin.unwrap_or(default.origin) }
}

/// Reports each `prune: true`, of the project or of an environment, if the file does not set an ownership value. All
/// projects without an ownership value share the default value. So without this check, a plan would also retire the
/// services of those other projects.
fn check_prune(problems: &mut DiagnosticCollector, fields: Fields<'_>, ownership: &Ownership) {
    if ownership.is_written {
        return;
    }
    let member = |node: &Node| match &node.value {
        Value::Map(map) => map.get("prune").cloned(),
        _ => None,
    };
    let environments = match fields.raw("environments").map(|node| &node.value) {
        Some(Value::Map(map)) => map.entries.iter().filter_map(|(_, node)| member(node)).collect(),
        _ => Vec::new(),
    };
    let (tag, value) = (&ownership.tag, &ownership.value);
    for node in fields.raw("prune").cloned().into_iter().chain(environments) {
        if node.value == Value::Bool(true) {
            let message = "`prune: true` needs `ownership.value`";
            problems.push(
                Problem::error(Code::PruneWithoutOwner, node.span, message)
                    .label("services without a manifest would be retired")
                    .help(format!(
                        "without it, this project and every other one that writes none own the services tagged \
                         `{tag}: {value}`: write a value that no other project of the organization has"
                    ))
                    .help(format!(
                        "then move this project's services to it once, with `amigops apply --take-over {value}`"
                    )),
            );
        }
    }
}

fn unmanaged_version_sets(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> VersionSetPatterns {
    let Some(node) = fields.get(problems, "unmanaged_version_sets") else {
        return VersionSetPatterns::default();
    };
    let mut patterns = Vec::new();
    for (pattern, span) in decode::texts(problems, node, "patterns of version sets") {
        let one = [pattern.to_owned()];
        match VersionSetPatterns::new(&one) {
            Ok(_) => patterns.extend(one),
            Err(error) => problems.push(files::bad_glob(span, pattern, &error)),
        }
    }
    VersionSetPatterns::new(&patterns).unwrap_or_default()
}

fn protected(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> Vec<(ServiceName, Span)> {
    let guardrails = fields.raw("guardrails").map(|node| &node.value);
    let Some(Value::Map(guardrails)) = guardrails else { return Vec::new() };
    let Some(node) = guardrails.get("protected").filter(|node| node.value != Value::Null) else {
        return Vec::new();
    };
    decode::texts(problems, node, "protected services")
        .into_iter()
        .map(|(name, span)| (ServiceName::new(name), span))
        .collect()
}

fn guardrails(
    problems: &mut DiagnosticCollector,
    fields: Fields<'_>,
    protected: &[(ServiceName, Span)],
) -> Guardrails {
    let Some(node) = fields.get(problems, "guardrails") else { return Guardrails::default() };
    let Some(fields) = Fields::open(problems, node, &GUARDRAILS) else { return Guardrails::default() };
    // `protected` has already been decoded. This call only reports the key if it has no value.
    let _ = fields.get(problems, "protected");
    let max_removals = fields.get(problems, "max_removals").and_then(|node| max_removals(problems, node));
    let mut require_pins = BTreeSet::new();
    if let Some(node) = fields.get(problems, "require_pins") {
        for (name, span) in decode::texts(problems, node, "version sets that must be pinned") {
            // A guardrail applies to both APIs, so it accepts every name that Platform allows. Platform is more
            // permissive than Classic.
            if super::version_set::check_name(problems, name, span, Api::Platform) {
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

fn max_removals(problems: &mut DiagnosticCollector, node: &Node) -> Option<MaxRemovals> {
    let found = match &node.value {
        Value::Number(number) if !decode::is_ambiguous(&number.raw) => {
            number.raw.parse::<usize>().ok().map(MaxRemovals::Count)
        }
        Value::Text(text) if text.trim().ends_with('%') => text.parse().ok(),
        _ => None,
    };
    if found.is_none() {
        let message = format!("`max_removals` must be {}, not {}", MaxRemovals::EXPECTED, node.describe());
        problems.push(
            Problem::error(Code::BadValue, node.span, message)
                .label("the maximum number of removals in one plan"),
        );
    }
    found
}
