//! Edits manifests on disk, for `promote` and `outdated --write`. Replaces no file before the new texts of all files
//! are written to disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files;
use crate::checkout;
use crate::edit::{Change, edit_documents};
use crate::error::Failure;
use crate::manifest::{KeyPath, Layer, Places};
use crate::model::{ServiceName, VersionSetName};

/// Returns the layer of a manifest in which a field of a version set must be written to take effect: the document, or
/// the environment's overlay. Returns `None` if no layer contains the version set.
pub(super) fn layer_of(places: &Places, service: &ServiceName, set: &str, field: &str) -> Option<Layer> {
    if places.is_in_overlay(service, &[set, field]) {
        return Some(Layer::Overlay);
    }
    let of_field = places.layers(service, &[set, field]);
    let of_set = places.layers(service, &[set]);
    match of_field.first() {
        Some(_) => Some(Layer::Document),
        // The field is new. Write it into a layer that has the version set, preferably into the document, which all
        // environments share.
        None if of_set.contains(&Layer::Document) => Some(Layer::Document),
        None => of_set.first().map(|layer| (*layer).max(Layer::Document)),
    }
}

/// The changes to manifests, grouped by file.
#[derive(Default)]
pub(super) struct ManifestEdits {
    files: BTreeMap<String, BTreeMap<usize, Vec<Change>>>,
}

impl ManifestEdits {
    /// Adds a change that sets a value. `at` is the file and the path of the key.
    pub(super) fn set(&mut self, at: KeyPath, value: Value) {
        let KeyPath { file, document, path } = at;
        let changes = self.files.entry(file).or_default().entry(document).or_default();
        changes.push(Change::Set { path, value });
    }

    /// Makes all changes in memory, and returns the new texts of the files.
    ///
    /// # Errors
    ///
    /// Fails if a file can't be read, or if a change can't be made without changing something else. The error names
    /// every file with such a change.
    pub(super) fn apply_in_memory(&self, root: &Path) -> Result<Vec<NewText>, Failure> {
        let mut texts = Vec::new();
        let mut refusals = Vec::new();
        for (name, changes) in &self.files {
            let unreadable = |error| Failure::other(format!("can't read `{name}`: {error}"));
            let path = checkout::resolve_file(root, Path::new(name)).map_err(unreadable)?;
            let text = files::read_manifest(root, name).map_err(unreadable)?;
            match edit_documents(&text, changes) {
                Ok(new) => texts.push(NewText { name: name.clone(), path, text: new }),
                Err(error) => refusals.push(format!("{name}, {error}")),
            }
        }
        let mut refusals = refusals.into_iter();
        match refusals.next() {
            None => Ok(texts),
            Some(first) => {
                let failure = refusals.fold(Failure::other(first), |failure, more| failure.hint(more));
                Err(failure.hint("no file was changed"))
            }
        }
    }
}

/// A file of the project, and its new text.
pub(super) struct NewText {
    name: String,
    path: PathBuf,
    text: String,
}

/// Writes all files. Each new text is first written to a temporary file in the same directory. After that, all
/// temporary files are renamed.
///
/// # Errors
///
/// Returns an error that names the first file that can't be written. If a temporary file can't be written, no manifest
/// is changed.
pub(super) fn write(files: &[NewText]) -> Result<(), Failure> {
    let mut temporary_paths = Vec::new();
    let written = files.iter().try_for_each(|file| {
        let path = temporary_path(&file.path);
        temporary_paths.push(path.clone());
        write_temporary(file, &path).map_err(|error| (file, error))
    });
    let result = written.and_then(|()| {
        let mut pairs = files.iter().zip(&temporary_paths);
        pairs.try_for_each(|(file, new)| fs::rename(new, &file.path).map_err(|error| (file, error)))
    });
    result.map_err(|(file, error)| {
        for path in &temporary_paths {
            // This fails for temporary files that were already renamed, which does no harm.
            let _ = fs::remove_file(path);
        }
        Failure::other(format!("can't write `{}`: {error}", file.name))
    })
}

fn temporary_path(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // The name begins with a dot and does not end with `.yaml`, so that no pattern for manifests matches it.
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

fn write_temporary(file: &NewText, path: &Path) -> io::Result<()> {
    let permissions = fs::metadata(&file.path)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let mut new = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    new.set_permissions(permissions)?;
    new.write_all(file.text.as_bytes())?;
    new.sync_all()
}

/// Returns the services with these names, or all services if `names` is empty.
///
/// # Errors
///
/// Fails if one of the names belongs to no service.
pub(super) fn select_services<'a, T>(
    services: &'a BTreeMap<ServiceName, T>,
    names: &[String],
) -> Result<Vec<(&'a ServiceName, &'a T)>, Failure> {
    if names.is_empty() {
        return Ok(services.iter().collect());
    }
    let mut found = BTreeMap::new();
    for name in names {
        let Some((name, service)) = services.get_key_value(name.trim()) else {
            let failure = Failure::other(format!("no manifest declares a service named `{name}`"));
            return Err(suggest(failure, name, services.keys().map(ServiceName::as_str)));
        };
        found.insert(name, service);
    }
    Ok(found.into_iter().collect())
}

/// Returns the failure for a version set that does not exist. `subject` is the beginning of the message, such as "no
/// service has a".
pub(super) fn unknown_set<'a>(
    set: &str,
    subject: &str,
    known: impl Iterator<Item = &'a VersionSetName> + Clone,
) -> Failure {
    let failure = Failure::other(format!("{subject} version set `{set}`"));
    suggest(failure, set, known.map(VersionSetName::as_str))
}

/// Adds a hint to a failure: "did you mean …?" if a similar name is known, otherwise a list of known names.
pub(super) fn suggest<'a>(
    failure: Failure,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Failure {
    let similarity =
        |other: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let similar =
        known.clone().map(|other| (similarity(other), other)).filter(|(similarity, _)| *similarity > 0.5);
    if let Some((_, best)) = similar.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1))) {
        return failure.hint(format!("did you mean `{best}`?"));
    }
    let mut all: Vec<String> = known.map(|other| format!("`{other}`")).collect();
    all.sort();
    all.dedup();
    all.truncate(5);
    if all.is_empty() { failure } else { failure.hint(format!("known names include {}", all.join(", "))) }
}
