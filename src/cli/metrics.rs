//! The file that `drift --metrics` keeps: what it said, and what it is to say. May import everything.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files;
use crate::error::Failure;
use crate::report::metrics::{self, Run};

/// A file of metrics that is to be written anew.
pub(super) struct MetricsFile {
    path: PathBuf,
    /// When runs last succeeded, by environment, as the former file tells.
    former: BTreeMap<String, u64>,
}

impl MetricsFile {
    /// Reads what the file says, if it is there.
    ///
    /// # Errors
    ///
    /// A file that is no file of metrics of ours: it is somebody else's, and stays.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            Failure::other(format!("`{}` can't be used for metrics: {why}", path.display()))
                .hint("name a file that does not exist yet, or one that an earlier run wrote")
        };
        // What a link leads to is written, not the link.
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), former: BTreeMap::new() });
            }
            Err(error) => return Err(refuse(&error.to_string())),
        };
        if !fs::metadata(&real).is_ok_and(|about| about.is_file()) {
            return Err(refuse("it is no regular file"));
        }
        let bytes = fs::read(&real).map_err(|error| refuse(&error.to_string()))?;
        let text = String::from_utf8_lossy(&bytes);
        if !text.is_empty() && !text.starts_with(metrics::BEGINNING) {
            return Err(refuse("it holds something else"));
        }
        Ok(Self { path: real, former: metrics::last_successes(&text) })
    }

    /// The environments that the former file tells of.
    pub(super) fn environments(&self) -> Vec<String> {
        self.former.keys().cloned().collect()
    }

    /// When a run for this environment last succeeded, as the former file tells; 0 for never.
    pub(super) fn last_success(&self, environment: &str) -> u64 {
        self.former.get(environment).copied().unwrap_or_default()
    }

    /// Writes the figures of these runs, and nothing else.
    pub(super) fn write(&self, runs: &[Run<'_>]) -> Result<(), Failure> {
        files::publish(&self.path, &metrics::render(env!("CARGO_PKG_VERSION"), runs))
    }
}
