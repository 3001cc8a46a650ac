//! The entry points of the loader: a project directory to the desired state.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::collector::{DiagnosticCollector, FileId, Problem, Span};
use super::decode::or_suggestion;
use super::diagnostic::{Code, Diagnostic, Problems, Sources};
use super::environment::{Environment, Target};
use super::places::{self, Places};
use super::project::{self, DecodedProject, PROJECT_FILE, Project};
use super::service::DecodedService;
use super::tree::{Node, shortened};
use super::variants::{self, Variants};
use super::{check, decode, files, yaml};
use crate::checkout;
use crate::model::{Desired, did_you_mean};

/// The desired state of one environment, and the project it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The project.
    pub project: Project,
    /// The selected environment.
    pub environment: Environment,
    /// The desired state of the environment.
    pub desired: Desired,
    /// The warnings.
    pub warnings: Vec<Diagnostic>,
    /// The text of `amigops.yaml`, and of the files that the warnings refer to.
    pub sources: Sources,
    /// The number of files that were read, `amigops.yaml` included.
    pub files: usize,
}

/// Returns the project that a directory belongs to: the nearest directory, upwards, with an `amigops.yaml`.
///
/// # Errors
///
/// Errors if there is none, or if the directory can't be read.
pub fn find_root(dir: &Path) -> Result<PathBuf, Problems> {
    let start = fs::canonicalize(dir).map_err(|error| not_found(dir, &format!("can't be read: {error}")))?;
    let found = start.ancestors().find(|ancestor| ancestor.join(PROJECT_FILE).symlink_metadata().is_ok());
    found.map(Path::to_owned).ok_or_else(|| {
        let reason = format!("has no `{PROJECT_FILE}`, and neither has a parent directory");
        not_found(dir, &reason)
    })
}

fn not_found(dir: &Path, reason: &str) -> Problems {
    let mut problems = DiagnosticCollector::default();
    let file = problems.add_file(dir.display().to_string(), Arc::from(""));
    let message = format!("`{}` {reason}", dir.display());
    let problem = Problem::error(Code::ProjectNotFound, Span::whole(file), message);
    let misnamed = dir.join("amigops.yml").exists();
    problems.push(if misnamed {
        problem.help("rename `amigops.yml` to `amigops.yaml`")
    } else {
        problem
            .help("use `-C DIR` to select a project's directory, or `amigops init DIR` to create a project")
    });
    Problems { files: 0, ..problems.finish() }
}

/// Loads only `amigops.yaml`.
///
/// # Errors
///
/// Errors with every problem in the file.
pub fn load_project(root: &Path) -> Result<Project, Problems> {
    let root = canonical_root(root)?;
    let mut problems = DiagnosticCollector::default();
    match read_project(&mut problems, &root) {
        Some(decoded) if !problems.has_errors() => Ok(decoded.project),
        _ => Err(problems.finish()),
    }
}

/// Loads a project and all its manifests for one environment; without a name, for the default one.
///
/// # Errors
///
/// Errors with every problem in every file, for every environment.
pub fn load(root: &Path, environment: Option<&str>) -> Result<Loaded, Problems> {
    load_with(root, &LoadOptions { environment, ..LoadOptions::default() })?.into_loaded()
}

/// Like [`load`], but also returns the layers that declare each service's version sets.
///
/// # Errors
///
/// Errors like [`load`].
pub fn load_places(root: &Path, environment: Option<&str>) -> Result<(Loaded, Places), Problems> {
    let options = LoadOptions { environment, keep_places: true, ..LoadOptions::default() };
    let mut result = load_with(root, &options)?;
    let places = result.places.take().unwrap_or_default();
    Ok((result.into_loaded()?, places))
}

/// The options of a load.
#[derive(Default)]
pub(super) struct LoadOptions<'a> {
    /// The environment to load; without a name, the default one.
    pub(super) environment: Option<&'a str>,
    /// Texts that replace files or add new ones, by name within the project.
    pub(super) replacements: BTreeMap<String, String>,
    /// Allows a project without manifests.
    pub(super) allow_empty: bool,
    /// Keeps the documents and the defaults in the result.
    pub(super) keep_documents: bool,
    /// Keeps the layers of version sets in the result.
    pub(super) keep_places: bool,
}

/// Everything that a load found, with or without errors.
#[derive(Default)]
pub(super) struct LoadResult {
    /// The desired state; incomplete if there are errors.
    loaded: Option<(Project, Environment, Desired)>,
    /// Every problem.
    pub(super) problems: Problems,
    /// The number of documents of each manifest, by name. None if `amigops.yaml` can't be read.
    pub(super) manifests: Option<BTreeMap<String, usize>>,
    /// The environments that could be read.
    pub(super) environments: Vec<Environment>,
    /// The project's defaults.
    pub(super) defaults: Option<Node>,
    /// Every document as written: its file, its index in the file, and its content.
    pub(super) documents: Vec<(String, usize, Node)>,
    /// The layers that declare version sets.
    places: Option<Places>,
}

impl LoadResult {
    /// Returns the desired state if there is no error.
    pub(super) fn into_loaded(self) -> Result<Loaded, Problems> {
        let problems = self.problems;
        match self.loaded {
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
}

/// Loads a project and keeps everything it finds, with or without errors. Errors only if there is no project.
pub(super) fn load_with(root: &Path, options: &LoadOptions<'_>) -> Result<LoadResult, Problems> {
    let root = canonical_root(root)?;
    let mut problems = DiagnosticCollector::default();
    let mut result = LoadResult::default();
    result.loaded = load_files(&mut problems, &root, options, &mut result);
    result.problems = problems.finish();
    Ok(result)
}

/// Returns the root with links resolved, so that paths can be compared.
fn canonical_root(root: &Path) -> Result<PathBuf, Problems> {
    let real = fs::canonicalize(root).map_err(|error| not_found(root, &format!("can't be read: {error}")))?;
    if real.join(PROJECT_FILE).symlink_metadata().is_err() {
        return Err(not_found(root, &format!("has no `{PROJECT_FILE}`")));
    }
    Ok(real)
}

fn read_project(problems: &mut DiagnosticCollector, root: &Path) -> Option<DecodedProject> {
    let (file, text) = files::read(problems, root, PROJECT_FILE, &root.join(PROJECT_FILE))?;
    problems.quote(file);
    let documents = yaml::parse(problems, file, &text);
    if !documents.complete {
        // Without a complete tree, credentials can't be found by key: mask each line that names one.
        mask_lines(problems, file, &text);
    }
    let mut roots = documents.roots.into_iter();
    let Some(first) = roots.next() else {
        if documents.complete {
            let message = format!("`{PROJECT_FILE}` is empty");
            problems.push(Problem::error(Code::MissingKey, Span::whole(file), message));
        }
        return None;
    };
    if let Some(second) = roots.next() {
        let message = format!("`{PROJECT_FILE}` may contain only one document");
        problems.push(
            Problem::error(Code::BadValue, second.span, message).label("a second document begins here"),
        );
    }
    project::decode(problems, root, &first)
}

/// Masks the text after the colon in every line whose start names a credential.
fn mask_lines(problems: &mut DiagnosticCollector, file: FileId, text: &str) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(end) =
            line.match_indices(':').map(|(at, _)| at).find(|at| decode::names_credential(&line[..*at]))
        {
            let small = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
            let length = line.trim_end().len();
            let hidden =
                Span { start: small(start + end + 1), end: small(start + length), ..Span::whole(file) };
            problems.mask(hidden);
        }
        start += line.len();
    }
}

fn load_files(
    problems: &mut DiagnosticCollector,
    root: &Path,
    options: &LoadOptions<'_>,
    result: &mut LoadResult,
) -> Option<(Project, Environment, Desired)> {
    let decoded = read_project(problems, root)?;
    result.environments = decoded.project.environments.values().cloned().collect();
    let selected = select_environment(problems, &decoded, options.environment);
    if options.keep_places {
        let environment = selected.as_ref().map(|selected| selected.name.clone()).unwrap_or_default();
        let defaults = places::default_version_sets(decoded.defaults.as_ref());
        result.places = Some(Places { environment, defaults, ..Places::default() });
    }
    let (documents, incomplete) = read_manifests(problems, root, &decoded, options, result);
    result.defaults.clone_from(&decoded.defaults);
    check::check_services(problems, &decoded, &documents, incomplete);
    let selected = selected?;
    let mut desired = Desired::default();
    for document in documents {
        if let Some(DecodedService { service, .. }) = document.take(&selected) {
            desired.services.insert(service.name.clone(), service);
        }
    }
    Some((decoded.project, selected, desired))
}

fn select_environment(
    problems: &mut DiagnosticCollector,
    decoded: &DecodedProject,
    name: Option<&str>,
) -> Option<Environment> {
    let environments = &decoded.project.environments;
    let single = || (environments.len() == 1).then(|| environments.keys().next()).flatten();
    let Some(name) = name.or(decoded.project.default_environment.as_deref()).or(single().map(String::as_str))
    else {
        // An invalid default or list is already reported.
        if !problems.has_errors() {
            let names: Vec<_> = environments.keys().map(|name| format!("`{name}`")).collect();
            let problem =
                Problem::error(Code::NoEnvironment, decoded.environments, "no environment is selected");
            problems.push(
                problem
                    .label(format!("available: {}", names.join(", ")))
                    .help("select one with `-e`, or set `default_environment`"),
            );
        }
        return None;
    };
    let Some(environment) = environments.get(name) else {
        if !decoded.places.contains_key(name) {
            let message = format!("there is no environment `{}`", shortened(name));
            let known = did_you_mean(name, decoded.places.keys().map(String::as_str));
            let all: Vec<_> = decoded.places.keys().map(|known| format!("`{known}`")).collect();
            problems.push(
                Problem::error(Code::UnknownEnvironment, decoded.environments, message)
                    .label(or_suggestion(known, &format!("available: {}", all.join(", ")))),
            );
        }
        return None;
    };
    let at = decoded.places.get(name).copied().unwrap_or(decoded.environments);
    if let Target::Embedded { seed: Some(seed), .. } = &environment.target
        && let Err(error) = checkout::resolve_file(&decoded.project.root, seed)
    {
        let name = files::relative(&decoded.project.root, seed);
        problems.push(Problem::error(Code::Unreadable, at, format!("can't read the seed `{name}`: {error}")));
    }
    Some(environment.clone())
}

/// Reads all documents. Returns them, and true if some of them are missing.
fn read_manifests(
    problems: &mut DiagnosticCollector,
    root: &Path,
    decoded: &DecodedProject,
    options: &LoadOptions<'_>,
    result: &mut LoadResult,
) -> (Vec<Variants>, bool) {
    let before = problems.files();
    let found = find_manifests(problems, root, decoded, options);
    let mut incomplete = problems.files() > before;
    let mut documents = Vec::new();
    let mut counts: BTreeMap<String, usize> = found.keys().map(|name| (name.clone(), 0)).collect();
    for (name, path) in &found {
        let read = match options.replacements.get(name) {
            Some(text) => {
                let text: Arc<str> = Arc::from(text.as_str());
                Some((problems.add_file(name.clone(), Arc::clone(&text)), text))
            }
            None => files::read(problems, root, name, path),
        };
        let Some((file, text)) = read else {
            incomplete = true;
            continue;
        };
        let parsed = yaml::parse(problems, file, &text);
        counts.insert(name.clone(), parsed.roots.len());
        incomplete |= !parsed.complete;
        for (root, number) in parsed.roots.into_iter().zip(parsed.numbers) {
            if let Some(places) = &mut result.places {
                places.record(name, number, &root);
            }
            if options.keep_documents {
                result.documents.push((name.clone(), number, root.clone()));
            }
            let variants = variants::decode(problems, decoded, root);
            incomplete |= variants.any().is_none();
            documents.push(variants);
        }
    }
    if documents.is_empty() && !incomplete && !decoded.globs.is_empty() && !options.allow_empty {
        report_no_manifests(problems, decoded, found.len());
    }
    result.manifests = Some(counts);
    (documents, incomplete)
}

/// Returns the manifest files by name, with the replacements that would be manifests.
fn find_manifests(
    problems: &mut DiagnosticCollector,
    root: &Path,
    decoded: &DecodedProject,
    options: &LoadOptions<'_>,
) -> BTreeMap<String, PathBuf> {
    let mut except = vec![root.join(PROJECT_FILE)];
    for environment in decoded.project.environments.values() {
        if let Target::Embedded { seed: Some(seed), .. } = &environment.target {
            except.push(seed.clone());
        }
    }
    let mut found = files::find(problems, root, &decoded.globs, &except);
    let more = options.replacements.keys().filter(|name| files::matches(&decoded.globs, name));
    found.extend(more.map(|name| (name.clone(), root.join(name))));
    found
}

fn report_no_manifests(problems: &mut DiagnosticCollector, decoded: &DecodedProject, files: usize) {
    let Some((_, at)) = decoded.globs.first() else { return };
    let (message, label) = match files {
        0 => ("no manifest was found", "these patterns match no file"),
        _ => ("no service is declared", "the files that these patterns match contain no document"),
    };
    problems.push(project::no_manifests(*at, message, label));
}
