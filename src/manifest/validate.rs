//! All of a project's problems, or those of some of its files. Imports nothing of ours.
//!
//! Every file is read whichever are asked about: names that are given twice and dependencies are matters
//! between files. What is asked about only decides which problems are told.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::allowlist::Allowlist;
use super::diagnostic::{Code, Diagnostic, Location, Problems, Severity};
use super::files;
use super::load::{self, Examined};
use super::project::PROJECT_FILE;
use super::tree::shortened;

/// What a validation found.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// The problems, warnings too; none at all, or warnings only, when all is well.
    pub problems: Problems,
    /// How many files it is about, `amigops.yaml` included where nothing else was asked for.
    pub files: usize,
    /// How many documents those files hold, each of which declares a service.
    pub services: usize,
}

impl Validation {
    /// Whether there is no error.
    pub fn is_valid(&self) -> bool {
        !self.problems.has_errors()
    }
}

impl From<Problems> for Validation {
    fn from(problems: Problems) -> Self {
        Self { files: problems.files, services: 0, problems }
    }
}

/// Reads a whole project, and tells the problems of these files and of those below these directories; of
/// every file, when none is named.
///
/// Errors in `amigops.yaml` are told in any case: no file can be called valid while they stand. So are
/// problems elsewhere that point at one of the files, such as a name that another file gives again.
///
/// A host or a variable that the list does not allow is a warning: another process may allow it, and nothing is sent.
pub fn validate(
    root: &Path,
    environment: Option<&str>,
    paths: &[PathBuf],
    allowlist: &Allowlist,
) -> Validation {
    let mut examined = match load::examine(root, environment) {
        Err(problems) => return problems.into(),
        Ok(examined) => examined,
    };
    let warned = examined.environments.iter().flat_map(|one| allowlist.problems(one, Severity::Warning));
    examined.problems.diagnostics.extend(warned);
    examined.problems.diagnostics.sort_by(Diagnostic::by_place);
    if !paths.is_empty() {
        return restrict(root, examined, paths);
    }
    let services = examined.manifests.into_iter().flatten().map(|(_, documents)| documents).sum();
    Validation { services, ..examined.problems.into() }
}

fn restrict(root: &Path, examined: Examined, paths: &[PathBuf]) -> Validation {
    let Examined { mut problems, manifests, .. } = examined;
    let mut chosen = BTreeSet::new();
    let mut strangers = Vec::new();
    // Without a readable `amigops.yaml` nobody knows which files are manifests: its errors are told.
    if let Some(manifests) = &manifests {
        let told = problems.diagnostics.iter().map(|one| one.location.file.as_str());
        let known = manifests.keys().map(String::as_str).chain([PROJECT_FILE]).chain(told).collect();
        for path in paths {
            match named(root, path, &known) {
                Ok(files) => chosen.extend(files.map(str::to_owned)),
                Err(reason) => strangers.push(stranger(path, &reason)),
            }
        }
    }
    let is_chosen = |location: &Location| chosen.contains(location.file.as_str());
    problems.diagnostics.retain(|one| {
        let of_project = one.severity == Severity::Error && one.location.file == PROJECT_FILE;
        of_project || is_chosen(&one.location) || one.related.iter().any(|other| is_chosen(&other.location))
    });
    let services = manifests.iter().flatten().filter(|(file, _)| chosen.contains(file.as_str()));
    let services = services.map(|(_, documents)| documents).sum();
    let files = chosen.len();
    problems.diagnostics.splice(0..0, strangers);
    Validation { problems, files, services }
}

/// The files of the project that a path means.
fn named<'a>(
    root: &Path,
    path: &Path,
    known: &BTreeSet<&'a str>,
) -> Result<impl Iterator<Item = &'a str>, String> {
    let meta = fs::symlink_metadata(path).map_err(|error| format!("can't be read: {error}"))?;
    let root = fs::canonicalize(root).map_err(|error| format!("can't be compared: {error}"))?;
    let whole = fs::canonicalize(path);
    let is_dir = whole.as_ref().is_ok_and(|path| path.is_dir());
    // A manifest that is a link has its own name, not that of the file it leads to.
    let beside = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            fs::canonicalize(parent).map(|parent| parent.join(name)).ok()
        }
        _ => None,
    };
    for real in beside.into_iter().filter(|_| meta.is_symlink() || !is_dir).chain(whole) {
        if !real.starts_with(&root) {
            continue;
        }
        let name = files::relative(&root, &real);
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
    Err(if is_dir { "holds no manifest of this project" } else { "is no manifest of this project" }
        .to_owned())
}

fn stranger(path: &Path, reason: &str) -> Diagnostic {
    let path = path.display().to_string();
    Diagnostic {
        code: Code::NotOfProject,
        severity: Severity::Error,
        message: format!("`{}` {reason}", shortened(&path)),
        location: Location { file: path, spot: None },
        label: String::new(),
        help: vec![format!(
            "`manifests` in {PROJECT_FILE} says which files are; paths count from the working directory"
        )],
        related: Vec::new(),
    }
}
