//! Finds the directory of the project to load. Only this module resolves the links in the directory's path, so that all
//! later code can compare paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::collector::{DiagnosticCollector, Problem, Span};
use super::diagnostic::{Code, Problems};
use super::project::PROJECT_FILE;

/// The location of the project to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectSource<'a> {
    /// The project that this directory belongs to. Its `amigops.yaml` is in this directory or in the nearest parent
    /// directory that has one.
    WorkingDirectory(&'a Path),
    /// The project in a Git commit, whose files the caller has written to this directory.
    CommitTree(&'a Path),
}

impl ProjectSource<'_> {
    /// Returns the project's directory, with links resolved.
    ///
    /// # Errors
    ///
    /// Errors if there is no project, or if the directory can't be read.
    pub(super) fn find_root(self) -> Result<PathBuf, Problems> {
        let (Self::WorkingDirectory(directory) | Self::CommitTree(directory)) = self;
        let real = fs::canonicalize(directory)
            .map_err(|error| not_found(directory, &format!("can't be read: {error}")))?;
        let has_project = |directory: &&Path| directory.join(PROJECT_FILE).symlink_metadata().is_ok();
        let (found, reason) = match self {
            Self::WorkingDirectory(_) => {
                (real.ancestors().find(has_project), ", and no parent directory has one")
            }
            Self::CommitTree(_) => (Some(real.as_path()).filter(has_project), ""),
        };
        let root = found.map(Path::to_owned);
        root.ok_or_else(|| not_found(directory, &format!("has no `{PROJECT_FILE}`{reason}")))
    }
}

fn not_found(directory: &Path, reason: &str) -> Problems {
    let mut problems = DiagnosticCollector::default();
    let file = problems.add_file(directory.display().to_string(), Arc::from(""));
    let message = format!("`{}` {reason}", directory.display());
    let problem = Problem::error(Code::ProjectNotFound, Span::whole(file), message);
    let misnamed = directory.join("amigops.yml").exists();
    problems.push(if misnamed {
        problem.help("rename `amigops.yml` to `amigops.yaml`")
    } else {
        problem
            .help("use `-C DIR` to select a project's directory, or `amigops init DIR` to create a project")
    });
    Problems { files: 0, ..problems.finish() }
}
