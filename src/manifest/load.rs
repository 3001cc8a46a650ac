//! The entry point of the loader, which converts the files of a project to the desired state of one environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::collector::{DiagnosticCollector, FileId, Problem, Span};
use super::decode::or_suggestion;
use super::diagnostic::{Code, Diagnostic, Problems, Sources};
use super::documents::{self, ManifestDocument};
use super::environment::{Environment, EnvironmentTarget};
use super::patterns::help_for_unmatched;
use super::places::{self, Places};
use super::project::{self, DecodedProject, PROJECT_FILE, Project};
use super::read_file::ReadFile;
use super::service::DecodedService;
use super::source::ProjectSource;
use super::tree::shortened;
use super::variants::{self, Variants};
use super::{check, decode, files, yaml};
use crate::checkout;
use crate::model::{Desired, did_you_mean};

/// The options of a load: the project, the environment, and the additional results to return.
#[derive(Clone, Debug)]
pub struct LoadOptions<'a> {
    /// The location of the project to load.
    pub source: ProjectSource<'a>,
    /// The name of the environment to load. `None` selects the default environment. The overlays of all other
    /// environments are checked, too.
    pub environment: Option<&'a str>,
    /// The contents of files to use instead of those on disk, by the file's path in the project. A path that is not on
    /// disk adds a new file.
    pub replacements: BTreeMap<String, String>,
    /// True to allow a project without manifests.
    pub allow_empty: bool,
    /// True to return [`Loaded::documents`] and [`Loaded::defaults`].
    pub keep_documents: bool,
    /// True to return [`Loaded::places`].
    pub keep_places: bool,
}

impl<'a> LoadOptions<'a> {
    /// Creates the options to load a project's desired state in one environment. `None` selects the default
    /// environment.
    pub fn new(source: ProjectSource<'a>, environment: Option<&'a str>) -> Self {
        Self {
            source,
            environment,
            replacements: BTreeMap::new(),
            allow_empty: false,
            keep_documents: false,
            keep_places: false,
        }
    }
}

/// The result of a load: the desired state of one environment, and the project that it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The content of `amigops.yaml`.
    pub project: Project,
    /// The selected environment.
    pub environment: Environment,
    /// The desired state of the environment.
    pub desired: Desired,
    /// The warnings that were found in the files.
    pub warnings: Vec<Diagnostic>,
    /// The text of `amigops.yaml`, and of the files that the warnings refer to.
    pub sources: Sources,
    /// The number of files that were read, including `amigops.yaml`.
    pub files: usize,
    /// The files that were read, each with a hash of its content.
    pub read_files: Vec<ReadFile>,
    /// Every document as it is in its file, ordered by file. Empty without [`LoadOptions::keep_documents`].
    pub documents: Vec<ManifestDocument>,
    /// The project's defaults, which apply to every document. Empty without [`LoadOptions::keep_documents`].
    pub defaults: Map<String, Json>,
    /// The layers (defaults, document or overlay) that declare each version set. Empty without
    /// [`LoadOptions::keep_places`].
    pub places: Places,
}

/// Loads a project and all its manifests.
///
/// # Errors
///
/// Errors if there is an error in any file, for any environment. The error contains all problems.
pub fn load(options: &LoadOptions<'_>) -> Result<Loaded, Problems> {
    load_with_problems(options)?.into_loaded()
}

/// Loads only `amigops.yaml`.
///
/// # Errors
///
/// Errors if there is an error in the file. The error contains all problems.
pub fn load_project(source: ProjectSource<'_>) -> Result<Project, Problems> {
    let root = source.find_root()?;
    let mut problems = DiagnosticCollector::default();
    match read_project(&mut problems, &root) {
        Some(decoded) if !problems.has_errors() => Ok(decoded.project),
        _ => Err(problems.finish()),
    }
}

/// Everything that a load found, even if there are errors.
#[derive(Default)]
pub(super) struct LoadResult {
    /// The project's directory.
    pub(super) root: PathBuf,
    /// The project, the selected environment and the desired state. If there are errors, the desired state is
    /// incomplete, or all three are missing.
    state: Option<(Project, Environment, Desired)>,
    /// All errors and warnings.
    pub(super) problems: Problems,
    /// The number of documents in each manifest, by file name. `None` if `amigops.yaml` can't be read.
    pub(super) manifests: Option<BTreeMap<String, usize>>,
    /// The environments in `amigops.yaml` that could be decoded.
    pub(super) environments: Vec<Environment>,
    documents: Vec<ManifestDocument>,
    defaults: Map<String, Json>,
    places: Places,
    read_files: Vec<ReadFile>,
}

impl LoadResult {
    /// Returns the loaded project and desired state, or all problems if one of them is an error.
    fn into_loaded(self) -> Result<Loaded, Problems> {
        let Self { problems, documents, defaults, places, read_files, .. } = self;
        match self.state {
            Some((project, environment, desired)) if !problems.has_errors() => Ok(Loaded {
                project,
                environment,
                desired,
                warnings: problems.diagnostics,
                sources: problems.sources,
                files: problems.files,
                read_files,
                documents,
                defaults,
                places,
            }),
            _ => Err(problems),
        }
    }
}

/// Loads a project and returns everything that it finds, even if there are errors in files. Errors only if there is no
/// project.
pub(super) fn load_with_problems(options: &LoadOptions<'_>) -> Result<LoadResult, Problems> {
    let mut problems = DiagnosticCollector::default();
    let mut result = LoadResult { root: options.source.find_root()?, ..LoadResult::default() };
    result.state = load_files(&mut problems, options, &mut result);
    result.read_files = problems.take_files();
    result.problems = problems.finish();
    Ok(result)
}

fn read_project(problems: &mut DiagnosticCollector, root: &Path) -> Option<DecodedProject> {
    let (file, text) = files::read(problems, root, PROJECT_FILE, &root.join(PROJECT_FILE))?;
    problems.quote(file);
    let documents = yaml::parse(problems, file, &text);
    if !documents.complete {
        // The parser stopped at an error, so credentials after it can't be found by their keys. Each line that may
        // contain a credential is masked instead.
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

/// Masks the text after a colon in each line in which the text before the colon suggests a credential.
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
    options: &LoadOptions<'_>,
    result: &mut LoadResult,
) -> Option<(Project, Environment, Desired)> {
    let decoded = read_project(problems, &result.root)?;
    result.environments = decoded.project.environments.values().cloned().collect();
    let selected = select_environment(problems, &decoded, options.environment);
    if options.keep_places {
        let environment = selected.as_ref().map(|selected| selected.name.clone()).unwrap_or_default();
        let defaults = places::default_version_sets(decoded.defaults.as_ref());
        result.places = Places { environment, defaults, ..Places::default() };
    }
    if options.keep_documents {
        result.defaults = decoded.defaults.as_ref().map(documents::members).unwrap_or_default();
    }
    let (documents, incomplete) = read_manifests(problems, &decoded, options, result);
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
        // If the default environment or the list of environments is invalid, that has already been reported.
        if !problems.has_errors() {
            let names: Vec<_> = environments.keys().map(|name| format!("`{name}`")).collect();
            let problem =
                Problem::error(Code::NoEnvironment, decoded.environments, "no environment is selected");
            problems.push(
                problem
                    .label(format!("available: {}", names.join(", ")))
                    .help("select an environment with `-e`, or set `default_environment`"),
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
    if let EnvironmentTarget::Embedded { seed: Some(seed), .. } = &environment.target
        && let Err(error) = checkout::resolve_file(&decoded.project.root, seed)
    {
        let name = files::relative(&decoded.project.root, seed);
        problems.push(Problem::error(
            Code::Unreadable,
            at,
            format!("can't read the seed file `{name}`: {error}"),
        ));
    }
    Some(environment.clone())
}

/// Reads and decodes the documents of all manifests. Returns the decoded documents, and true if some documents could
/// not be read or decoded.
fn read_manifests(
    problems: &mut DiagnosticCollector,
    decoded: &DecodedProject,
    options: &LoadOptions<'_>,
    result: &mut LoadResult,
) -> (Vec<Variants>, bool) {
    let before = problems.files();
    let found = find_manifests(problems, decoded, options);
    let mut incomplete = problems.files() > before;
    let mut documents = Vec::new();
    let mut counts: BTreeMap<String, usize> = found.keys().map(|name| (name.clone(), 0)).collect();
    for (name, path) in &found {
        let read = match options.replacements.get(name) {
            Some(text) => {
                let text: Arc<str> = Arc::from(text.as_str());
                Some((problems.add_file(name.clone(), Arc::clone(&text)), text))
            }
            None => files::read(problems, &decoded.project.root, name, path),
        };
        let Some((file, text)) = read else {
            incomplete = true;
            continue;
        };
        let parsed = yaml::parse(problems, file, &text);
        counts.insert(name.clone(), parsed.roots.len());
        incomplete |= !parsed.complete;
        for (root, number) in parsed.roots.into_iter().zip(parsed.numbers) {
            if options.keep_places {
                result.places.record(name, number, &root);
            }
            if options.keep_documents {
                result.documents.push(ManifestDocument::new(name, number, &root));
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

/// Returns the paths of the manifest files, by name. Includes replacements (see [`LoadOptions`]) whose names match a
/// manifest pattern.
fn find_manifests(
    problems: &mut DiagnosticCollector,
    decoded: &DecodedProject,
    options: &LoadOptions<'_>,
) -> BTreeMap<String, PathBuf> {
    let root = decoded.project.root.as_path();
    let mut except = vec![root.join(PROJECT_FILE)];
    for environment in decoded.project.environments.values() {
        if let EnvironmentTarget::Embedded { seed: Some(seed), .. } = &environment.target {
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
    let patterns = decoded.globs.iter().filter(|_| files == 0);
    let help = patterns.filter_map(|(text, _)| help_for_unmatched(&decoded.project.root, text));
    problems.push(help.fold(project::no_manifests(*at, message, label), Problem::help));
}
