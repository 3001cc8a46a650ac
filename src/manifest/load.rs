//! The whole way from a directory to the desired state. Imports `model`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decode::or_suggestion;
use super::diagnostic::{Code, Diagnostic, Problems, Sources};
use super::environment::{Environment, Target};
use super::places::{self, Places};
use super::project::{self, PROJECT_FILE, Project};
use super::service::{self, Decoded, Rules};
use super::sink::{FileId, Problem, Sink, Span};
use super::tree::{Key, Map, Node, Value, shortened};
use super::{check, decode, files, merge, yaml};
use crate::checkout;
use crate::model::{Api, Desired, did_you_mean};

/// What a project wants of one environment.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The project.
    pub project: Project,
    /// The chosen environment.
    pub environment: Environment,
    /// What is wanted there.
    pub desired: Desired,
    /// Problems that stop nothing.
    pub warnings: Vec<Diagnostic>,
    /// The text of `amigops.yaml`, and those that the warnings point into.
    pub sources: Sources,
    /// How many files were read, `amigops.yaml` included.
    pub files: usize,
}

/// The project that a directory belongs to: the nearest directory, upwards, with an `amigops.yaml`.
///
/// # Errors
///
/// When there is none, or the directory doesn't exist.
pub fn find_root(dir: &Path) -> Result<PathBuf, Problems> {
    let start = fs::canonicalize(dir).map_err(|error| not_found(dir, &format!("can't be read: {error}")))?;
    let found = start.ancestors().find(|ancestor| ancestor.join(PROJECT_FILE).symlink_metadata().is_ok());
    found.map(Path::to_owned).ok_or_else(|| {
        let reason = format!("has no `{PROJECT_FILE}`, and neither has a directory above it");
        not_found(dir, &reason)
    })
}

fn not_found(dir: &Path, reason: &str) -> Problems {
    let mut sink = Sink::default();
    let file = sink.add_file(dir.display().to_string(), Arc::from(""));
    let message = format!("`{}` {reason}", dir.display());
    let problem = Problem::error(Code::ProjectNotFound, Span::whole(file), message);
    let misnamed = dir.join("amigops.yml").exists();
    sink.push(if misnamed {
        problem.help("rename `amigops.yml` to `amigops.yaml`")
    } else {
        problem.help("`-C DIR` names a project's directory; `amigops init DIR` makes a new one")
    });
    Problems { files: 0, ..sink.finish() }
}

/// Reads only `amigops.yaml`.
///
/// # Errors
///
/// Every problem in it.
pub fn load_project(root: &Path) -> Result<Project, Problems> {
    let root = find_here(root)?;
    let mut sink = Sink::default();
    match read_project(&mut sink, &root) {
        Some(decoded) if !sink.has_errors() => Ok(decoded.project),
        _ => Err(sink.finish()),
    }
}

/// Reads a project and all its manifests, for this environment or else the default one.
///
/// # Errors
///
/// Every problem in every file, for every environment, in one go.
pub fn load(root: &Path, environment: Option<&str>) -> Result<Loaded, Problems> {
    loaded(examine(root, environment)?)
}

/// As [`load`], and where each service's version sets are said.
///
/// # Errors
///
/// As [`load`].
pub fn load_places(root: &Path, environment: Option<&str>) -> Result<(Loaded, Places), Problems> {
    let root = find_here(root)?;
    let mut reading = Reading { places: Some(Places::default()), ..Reading::default() };
    let loaded = load_with(&root, environment, &mut reading)?;
    Ok((loaded, reading.places.unwrap_or_default()))
}

/// How a project is read: as it is, or as it would be.
#[derive(Default)]
pub(super) struct Reading {
    /// Texts that stand in the place of files, by their names within the project.
    pub(super) instead: BTreeMap<String, String>,
    /// Whether a project without manifests is one.
    pub(super) may_be_empty: bool,
    /// Whether what follows is kept.
    pub(super) survey: bool,
    /// The project's defaults.
    pub(super) defaults: Option<Node>,
    /// Every document: its file, which of the file's documents it is, and what it says itself.
    pub(super) documents: Vec<(String, usize, Node)>,
    /// Where version sets are said, if that is asked for.
    pub(super) places: Option<Places>,
    /// The project's manifests by name, and how many documents each holds; none where `amigops.yaml` can't
    /// tell.
    pub(super) manifests: Option<BTreeMap<String, usize>>,
    /// The project's environments, as far as they can be read.
    pub(super) environments: Vec<Environment>,
}

/// Reads a project whose root is known, in some way.
pub(super) fn load_with(
    root: &Path,
    environment: Option<&str>,
    reading: &mut Reading,
) -> Result<Loaded, Problems> {
    loaded(examine_with(root, environment, reading))
}

/// What was found, where nothing is wrong with it.
fn loaded(Examined { loaded, problems, .. }: Examined) -> Result<Loaded, Problems> {
    match loaded {
        Some((project, environment, desired)) if !problems.has_errors() => Ok(Loaded {
            project,
            environment,
            desired,
            warnings: problems.diagnostics,
            sources: problems.sources,
            files: problems.files,
        }),
        _ => Err(problems),
    }
}

/// All that was found in a project's files, good or bad.
pub(super) struct Examined {
    /// What the project wants; best effort where there are errors.
    loaded: Option<(Project, Environment, Desired)>,
    /// Every problem.
    pub(super) problems: Problems,
    /// The project's manifests by name, and how many documents each holds; none where `amigops.yaml`
    /// can't tell.
    pub(super) manifests: Option<BTreeMap<String, usize>>,
    /// The project's environments, as far as they can be read.
    pub(super) environments: Vec<Environment>,
}

/// Reads everything, and keeps what it found whether or not something is wrong.
pub(super) fn examine(root: &Path, environment: Option<&str>) -> Result<Examined, Problems> {
    Ok(examine_with(&find_here(root)?, environment, &mut Reading::default()))
}

fn examine_with(root: &Path, environment: Option<&str>, reading: &mut Reading) -> Examined {
    let mut sink = Sink::default();
    let loaded = run(&mut sink, root, environment, reading);
    Examined {
        loaded,
        problems: sink.finish(),
        manifests: reading.manifests.take(),
        environments: std::mem::take(&mut reading.environments),
    }
}

/// The root with links resolved, so that paths can be compared.
pub(super) fn find_here(root: &Path) -> Result<PathBuf, Problems> {
    let real = fs::canonicalize(root).map_err(|error| not_found(root, &format!("can't be read: {error}")))?;
    if real.join(PROJECT_FILE).symlink_metadata().is_err() {
        return Err(not_found(root, &format!("has no `{PROJECT_FILE}`")));
    }
    Ok(real)
}

fn read_project(sink: &mut Sink, root: &Path) -> Option<project::Decoded> {
    let (file, text) = files::read(sink, root, PROJECT_FILE, &root.join(PROJECT_FILE))?;
    sink.quote(file);
    let documents = yaml::parse(sink, file, &text);
    if !documents.complete {
        // Without a tree there is no telling what is a credential: lines that name one are hidden.
        mask_lines(sink, file, &text);
    }
    let mut roots = documents.roots.into_iter();
    let Some(first) = roots.next() else {
        if documents.complete {
            let message = format!("`{PROJECT_FILE}` is empty");
            sink.push(Problem::error(Code::MissingKey, Span::whole(file), message));
        }
        return None;
    };
    if let Some(second) = roots.next() {
        let message = format!("`{PROJECT_FILE}` holds one document only");
        sink.push(Problem::error(Code::BadValue, second.span, message).label("a second one begins here"));
    }
    project::decode(sink, root, &first)
}

/// Hides what follows the colon in every line whose beginning names a credential.
fn mask_lines(sink: &mut Sink, file: FileId, text: &str) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(end) =
            line.match_indices(':').map(|(at, _)| at).find(|at| decode::names_credential(&line[..*at]))
        {
            let small = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
            let length = line.trim_end().len();
            let hidden =
                Span { start: small(start + end + 1), end: small(start + length), ..Span::whole(file) };
            sink.mask(hidden);
        }
        start += line.len();
    }
}

fn run(
    sink: &mut Sink,
    root: &Path,
    wanted: Option<&str>,
    reading: &mut Reading,
) -> Option<(Project, Environment, Desired)> {
    let decoded = read_project(sink, root)?;
    reading.environments = decoded.project.environments.values().cloned().collect();
    let chosen = choose(sink, &decoded, wanted);
    if let (Some(places), Some(chosen)) = (&mut reading.places, &chosen) {
        places.environment.clone_from(&chosen.name);
        places.defaults = places::of_defaults(decoded.defaults.as_ref());
    }
    let (documents, incomplete) = read_manifests(sink, root, &decoded, reading);
    reading.defaults.clone_from(&decoded.defaults);
    check::across(sink, &decoded, &documents, incomplete);
    let chosen = chosen?;
    let mut desired = Desired::default();
    for document in documents {
        if let Some(Decoded { service, .. }) = document.take(&chosen) {
            desired.services.insert(service.name.clone(), service);
        }
    }
    Some((decoded.project, chosen, desired))
}

fn choose(sink: &mut Sink, decoded: &project::Decoded, wanted: Option<&str>) -> Option<Environment> {
    let environments = &decoded.project.environments;
    let single = || (environments.len() == 1).then(|| environments.keys().next()).flatten();
    let Some(name) =
        wanted.or(decoded.project.default_environment.as_deref()).or(single().map(String::as_str))
    else {
        // An invalid default or list was reported already.
        if !sink.has_errors() {
            let names: Vec<_> = environments.keys().map(|name| format!("`{name}`")).collect();
            let problem =
                Problem::error(Code::NoEnvironment, decoded.environments, "no environment is chosen");
            sink.push(
                problem
                    .label(format!("there are {}", names.join(", ")))
                    .help("name one with `-e`, or set `default_environment`"),
            );
        }
        return None;
    };
    let Some(environment) = environments.get(name) else {
        if !decoded.places.contains_key(name) {
            let message = format!("there is no environment `{}`", shortened(name));
            let known = did_you_mean(name, decoded.places.keys().map(String::as_str));
            let all: Vec<_> = decoded.places.keys().map(|known| format!("`{known}`")).collect();
            sink.push(
                Problem::error(Code::UnknownEnvironment, decoded.environments, message)
                    .label(or_suggestion(known, &format!("there are {}", all.join(", ")))),
            );
        }
        return None;
    };
    let at = decoded.places.get(name).copied().unwrap_or(decoded.environments);
    if let Target::Embedded { seed: Some(seed), .. } = &environment.target
        && let Err(error) = checkout::resolve_file(&decoded.project.root, seed)
    {
        let name = files::relative(&decoded.project.root, seed);
        sink.push(Problem::error(Code::Unreadable, at, format!("can't read the seed `{name}`: {error}")));
    }
    Some(environment.clone())
}

/// A document, read for each environment that it differs in.
#[derive(Default)]
pub(super) struct Variants {
    /// The document without any overlay, by the rules of each API that some environment without an
    /// overlay is on.
    base: BTreeMap<Api, Decoded>,
    /// By environment.
    pub(super) overlays: BTreeMap<String, Decoded>,
}

impl Variants {
    /// The document as this environment has it.
    pub(super) fn of(&self, environment: &Environment) -> Option<&Decoded> {
        self.overlays.get(&environment.name).or_else(|| self.base.get(&environment.target.api()))
    }

    /// The document in any environment, for what no overlay can change.
    pub(super) fn any(&self) -> Option<&Decoded> {
        self.base.values().next().or_else(|| self.overlays.values().next())
    }

    fn take(mut self, environment: &Environment) -> Option<Decoded> {
        self.overlays.remove(&environment.name).or_else(|| self.base.remove(&environment.target.api()))
    }
}

/// All documents, and whether some are missing.
fn read_manifests(
    sink: &mut Sink,
    root: &Path,
    decoded: &project::Decoded,
    reading: &mut Reading,
) -> (Vec<Variants>, bool) {
    let mut except = vec![root.join(PROJECT_FILE)];
    for environment in decoded.project.environments.values() {
        if let Target::Embedded { seed: Some(seed), .. } = &environment.target {
            except.push(seed.clone());
        }
    }
    let before = sink.files();
    let mut found = files::find(sink, root, &decoded.globs, &except);
    let more = reading.instead.keys().filter(|name| files::matches(&decoded.globs, name));
    found.extend(more.map(|name| (name.clone(), root.join(name))));
    let mut incomplete = sink.files() > before;
    let mut documents = Vec::new();
    let mut counts: BTreeMap<String, usize> = found.keys().map(|name| (name.clone(), 0)).collect();
    for (name, path) in &found {
        let read = match reading.instead.get(name) {
            Some(text) => {
                let text: Arc<str> = Arc::from(text.as_str());
                Some((sink.add_file(name.clone(), Arc::clone(&text)), text))
            }
            None => files::read(sink, root, name, path),
        };
        let Some((file, text)) = read else {
            incomplete = true;
            continue;
        };
        let parsed = yaml::parse(sink, file, &text);
        counts.insert(name.clone(), parsed.roots.len());
        incomplete |= !parsed.complete;
        for (root, number) in parsed.roots.into_iter().zip(parsed.numbers) {
            if let Some(places) = &mut reading.places {
                places.note(name, number, &root);
            }
            if reading.survey {
                reading.documents.push((name.clone(), number, root.clone()));
            }
            let variants = variants(sink, decoded, root);
            incomplete |= variants.any().is_none();
            documents.push(variants);
        }
    }
    if documents.is_empty() && !incomplete && !decoded.globs.is_empty() && !reading.may_be_empty {
        refuse_nothing(sink, decoded, found.len());
    }
    reading.manifests = Some(counts);
    (documents, incomplete)
}

fn refuse_nothing(sink: &mut Sink, decoded: &project::Decoded, files: usize) {
    let Some((_, at)) = decoded.globs.first() else { return };
    let (message, label) = match files {
        0 => ("no manifest was found", "these patterns match no file"),
        _ => ("no service is declared", "the files that these patterns match hold no document"),
    };
    sink.push(project::no_manifests(*at, message, label));
}

fn variants(sink: &mut Sink, project: &project::Decoded, document: Node) -> Variants {
    let Some((base, overlays)) = split(sink, project, document) else { return Variants::default() };
    let environments = &project.project.environments;
    let policy = &project.project.policy;
    let mut variants = Variants::default();
    let plain = environments.values().filter(|one| !overlays.contains_key(&one.name));
    let mut apis: BTreeSet<Api> = plain.map(|one| one.target.api()).collect();
    if environments.is_empty() {
        // None could be read, which was reported. The documents' own problems are told all the same.
        apis.insert(Api::Classic);
    }
    for api in apis {
        if let Some(decoded) = service::decode(sink, &base, &Rules { policy, api }) {
            variants.base.insert(api, decoded);
        }
    }
    for (name, overlay) in &overlays {
        let Some(environment) = environments.get(name) else { continue };
        let rules = Rules { policy, api: environment.target.api() };
        let mut merged = merge::overlay(base.clone(), overlay);
        merged.span = base.span;
        if let Some(decoded) = service::decode(sink, &merged, &rules) {
            variants.overlays.insert(name.clone(), decoded);
        }
    }
    variants
}

/// A document over the defaults, and its overlays by environment.
fn split(
    sink: &mut Sink,
    project: &project::Decoded,
    document: Node,
) -> Option<(Node, BTreeMap<String, Node>)> {
    let Node { span, value: Value::Map(mut map) } = document else {
        decode::mapping(sink, &document, "a service");
        return None;
    };
    let span = map.entries.first().map_or(span, |(key, _)| key.span);
    let overlays = match map.remove("environments") {
        Some((key, node)) => overlays(sink, project, &key, &node),
        None => BTreeMap::new(),
    };
    let mut base = Node { span, value: Value::Map(map) };
    if let Some(defaults) = &project.defaults {
        base = merge::document(defaults, &base);
    }
    Some((base, overlays))
}

fn overlays(sink: &mut Sink, project: &project::Decoded, key: &Key, node: &Node) -> BTreeMap<String, Node> {
    let mut found = BTreeMap::new();
    if node.value == Value::Null {
        sink.push(Problem::error(Code::NoValue, key.span, "`environments` has no value"));
        return found;
    }
    let Some(map) = decode::mapping(sink, node, "overlays by environment") else { return found };
    for (key, value) in &map.entries {
        if !project.places.contains_key(&key.name) {
            let message = format!("amigops.yaml has no environment `{}`", shortened(&key.name));
            let known = did_you_mean(&key.name, project.places.keys().map(String::as_str));
            sink.push(
                Problem::error(Code::UnknownEnvironment, key.span, message)
                    .label(or_suggestion(known, "nothing would ever use this overlay")),
            );
        } else if let Some(overlay) = decode::mapping(sink, value, "an overlay") {
            let overlay = without_identity(sink, overlay.clone());
            found.insert(key.name.clone(), Node { span: value.span, value: Value::Map(overlay) });
        }
    }
    found
}

/// An overlay less what it can't say.
fn without_identity(sink: &mut Sink, mut overlay: Map) -> Map {
    for name in ["service", "environments"] {
        if let Some((key, _)) = overlay.remove(name) {
            let message = format!("an overlay can't change `{name}`");
            let label = match name {
                "service" => "the name is the service's identity in every environment",
                _ => "overlays don't nest",
            };
            sink.push(Problem::error(Code::BadOverlay, key.span, message).label(label));
        }
    }
    for name in ["agent", "context_graph"] {
        if overlay.get(name).is_some_and(|node| node.value == Value::Null)
            && let Some((key, _)) = overlay.remove(name)
        {
            let message = format!("an overlay can't take `{name}` away");
            let label = "every service has one: name another here";
            sink.push(Problem::error(Code::BadOverlay, key.span, message).label(label));
        }
    }
    overlay
}
