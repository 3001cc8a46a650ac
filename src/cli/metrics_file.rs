//! The metrics file of `drift --metrics`. Reads the file of the previous run, and writes a new one.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::files;
use super::user_file;
use crate::checkout::PathError;
use crate::error::Failure;
use crate::report::metrics::{self, Run};

/// The maximum size of a metrics file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A metrics file that a run will replace.
pub(super) struct MetricsFile {
    path: PathBuf,
    /// The time of the last successful run of each environment, according to the previous file.
    previous: BTreeMap<String, u64>,
}

impl MetricsFile {
    /// Reads the file of the previous run, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the existing file was not written by an earlier run, because it must not be overwritten.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            Failure::other(format!("can't write metrics to `{}`: {why}", path.display()))
                .hint("choose a file that does not exist, or a metrics file that an earlier run wrote")
        };
        // If the path is a symbolic link, the file it leads to is replaced, not the link.
        let target = user_file::find_target(path).map_err(|error| refuse(&error.to_string()))?;
        let bytes = match user_file::read(&target, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(PathError::Io(error)) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(refuse(&error.to_string())),
        };
        let text = String::from_utf8_lossy(&bytes);
        if !text.is_empty() && !text.starts_with(metrics::BEGINNING) {
            return Err(refuse("the file contains something other than metrics from amigops"));
        }
        Ok(Self { path: target, previous: metrics::last_successes(&text) })
    }

    /// Returns the environments that the previous file contains.
    pub(super) fn environments(&self) -> Vec<String> {
        self.previous.keys().cloned().collect()
    }

    /// Returns the time of the environment's last successful run according to the previous file, or 0 if there was
    /// none.
    pub(super) fn last_success(&self, environment: &str) -> u64 {
        self.previous.get(environment).copied().unwrap_or_default()
    }

    /// Replaces the file with the metrics of these runs.
    pub(super) fn write(&self, runs: &[Run<'_>]) -> Result<(), Failure> {
        files::publish(&self.path, &metrics::render(env!("CARGO_PKG_VERSION"), runs))
    }
}
