//! Validates a project: finds the problems of all its files, or of selected files.
//!
//! Every file is read even if only some files are selected, because duplicate names and dependencies involve several
//! files. The selection only determines which problems are reported.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::allowlist::Allowlist;
use super::diagnostic::{Code, Diagnostic, Location, Problems, Severity};
use super::files;
use super::load::{self, LoadOptions, LoadResult};
use super::project::PROJECT_FILE;
use super::tree::shortened;

/// The result of a validation.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// The project's directory, with links resolved. `None` if there is no project.
    pub project: Option<PathBuf>,
    /// The errors and warnings.
    pub problems: Problems,
    /// The number of selected files. If no files were selected, the number of all files, including `amigops.yaml`.
    pub files: usize,
    /// The number of documents in the selected files. Each document declares one service.
    pub services: usize,
}

impl Validation {
    /// Returns true if there is no error.
    pub fn is_valid(&self) -> bool {
        !self.problems.has_errors()
    }
}

impl From<Problems> for Validation {
    fn from(problems: Problems) -> Self {
        Self { project: None, files: problems.files, services: 0, problems }
    }
}

/// Validates a project. Returns the problems of the files in `paths`, and of the files below the directories in
/// `paths`. Without paths, returns the problems of every file.
///
/// Errors in `amigops.yaml` are always returned, because they affect every file. A problem in another file is also
/// returned if it refers to a selected file, as a duplicate name does.
///
/// A host or variable that the allowlist does not allow is only a warning. A validation sends nothing, and the
/// allowlist of a later run may allow it.
pub fn validate(options: &LoadOptions<'_>, paths: &[PathBuf], allowlist: &Allowlist) -> Validation {
    let mut result = match load::load_with_problems(options) {
        Err(problems) => return problems.into(),
        Ok(result) => result,
    };
    let warned = result.environments.iter().flat_map(|one| allowlist.problems(one, Severity::Warning));
    result.problems.diagnostics.extend(warned);
    result.problems.diagnostics.sort_by(Diagnostic::by_place);
    if !paths.is_empty() {
        return restrict_to_paths(result, paths);
    }
    let services = result.manifests.into_iter().flatten().map(|(_, documents)| documents).sum();
    Validation { project: Some(result.root), services, ..result.problems.into() }
}

/// Keeps the problems of the files that `paths` selects, and the errors in `amigops.yaml`. Reports each path that
/// selects no file.
fn restrict_to_paths(result: LoadResult, paths: &[PathBuf]) -> Validation {
    let LoadResult { root, mut problems, manifests, .. } = result;
    let mut selected = BTreeSet::new();
    let mut unknown = Vec::new();
    // If `amigops.yaml` can't be read, the manifests are not known. In this case, only the errors of `amigops.yaml` are
    // reported.
    if let Some(manifests) = &manifests {
        let with_problems = problems.diagnostics.iter().map(|one| one.location.file.as_str());
        let known = manifests.keys().map(String::as_str).chain([PROJECT_FILE]).chain(with_problems).collect();
        for path in paths {
            match select_files(&root, path, &known) {
                Ok(files) => selected.extend(files.map(str::to_owned)),
                Err(reason) => unknown.push(not_of_project(path, &reason)),
            }
        }
    }
    let is_selected = |location: &Location| selected.contains(location.file.as_str());
    problems.diagnostics.retain(|one| {
        let of_project = one.severity == Severity::Error && one.location.file == PROJECT_FILE;
        of_project
            || is_selected(&one.location)
            || one.related.iter().any(|other| is_selected(&other.location))
    });
    let services = manifests.iter().flatten().filter(|(file, _)| selected.contains(file.as_str()));
    let services = services.map(|(_, documents)| documents).sum();
    let files = selected.len();
    problems.diagnostics.splice(0..0, unknown);
    Validation { project: Some(root), problems, files, services }
}

/// Returns the names of the project files that a path selects, or the reason why it selects none.
fn select_files<'a>(
    root: &Path,
    path: &Path,
    known: &BTreeSet<&'a str>,
) -> Result<impl Iterator<Item = &'a str>, String> {
    let meta = fs::symlink_metadata(path).map_err(|error| format!("can't be read: {error}"))?;
    let by_target = fs::canonicalize(path);
    let is_dir = by_target.as_ref().is_ok_and(|path| path.is_dir());
    // A manifest that is a link is known by its own name, not by the name of its target.
    let by_own_name = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            fs::canonicalize(parent).map(|parent| parent.join(name)).ok()
        }
        _ => None,
    };
    for real in by_own_name.into_iter().filter(|_| meta.is_symlink() || !is_dir).chain(by_target) {
        if !real.starts_with(root) {
            continue;
        }
        let name = files::relative(root, &real);
        let below: Vec<&str> = known
            .iter()
            .copied()
            .filter(|file| {
                name.is_empty()
                    || file.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .collect();
        if !below.is_empty() {
            return Ok(below.into_iter());
        }
    }
    Err(if is_dir { "contains no manifest of this project" } else { "is not a manifest of this project" }
        .to_owned())
}

fn not_of_project(path: &Path, reason: &str) -> Diagnostic {
    let path = path.display().to_string();
    Diagnostic {
        code: Code::NotOfProject,
        severity: Severity::Error,
        message: format!("`{}` {reason}", shortened(&path)),
        location: Location { file: path, spot: None },
        label: String::new(),
        help: vec![format!(
            "`manifests` in {PROJECT_FILE} lists the manifests; paths are relative to the working directory"
        )],
        related: Vec::new(),
    }
}
