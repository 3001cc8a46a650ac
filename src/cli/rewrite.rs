//! Changes of manifests on disk: where a pin belongs, and all files or none. May import everything.

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

/// The layer in which a field of a version set is to be written so that the environment has it; none where
/// nothing says the set.
pub(super) fn layer_of(places: &Places, service: &ServiceName, set: &str, field: &str) -> Option<Layer> {
    if places.is_in_overlay(service, &[set, field]) {
        return Some(Layer::Overlay);
    }
    let of_field = places.layers(service, &[set, field]);
    let of_set = places.layers(service, &[set]);
    match of_field.first() {
        Some(_) => Some(Layer::Document),
        // The field is new: it goes where the set is, and rather to what all environments share.
        None if of_set.contains(&Layer::Document) => Some(Layer::Document),
        None => of_set.first().map(|layer| (*layer).max(Layer::Document)),
    }
}

/// Changes to be made, file by file.
#[derive(Default)]
pub(super) struct Rewrite {
    files: BTreeMap<String, BTreeMap<usize, Vec<Change>>>,
}

impl Rewrite {
    /// Asks for a value at a place.
    pub(super) fn set(&mut self, at: KeyPath, value: Value) {
        let KeyPath { file, document, path } = at;
        let changes = self.files.entry(file).or_default().entry(document).or_default();
        changes.push(Change::Set { path, value });
    }

    /// Makes every change in memory.
    ///
    /// # Errors
    ///
    /// Every file that can't be edited without touching anything else.
    pub(super) fn edited(&self, root: &Path) -> Result<Vec<NewText>, Failure> {
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

/// A file's new content.
pub(super) struct NewText {
    name: String,
    path: PathBuf,
    text: String,
}

/// Writes all files: first beside the old ones, and only when all are complete, in their places.
///
/// # Errors
///
/// The first file that can't be written. Up to the renames, no file is touched.
pub(super) fn write(files: &[NewText]) -> Result<(), Failure> {
    let mut beside = Vec::new();
    let written = files.iter().try_for_each(|file| {
        let path = name_beside(&file.path);
        beside.push(path.clone());
        write_beside(file, &path).map_err(|error| (file, error))
    });
    let result = written.and_then(|()| {
        let mut pairs = files.iter().zip(&beside);
        pairs.try_for_each(|(file, new)| fs::rename(new, &file.path).map_err(|error| (file, error)))
    });
    result.map_err(|(file, error)| {
        for path in &beside {
            // Those that are in their places already are not here any more.
            let _ = fs::remove_file(path);
        }
        Failure::other(format!("can't write `{}`: {error}", file.name))
    })
}

fn name_beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A leading dot, and no `.yaml` at the end: no pattern of manifests means it.
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

fn write_beside(file: &NewText, path: &Path) -> io::Result<()> {
    let permissions = fs::metadata(&file.path)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let mut new = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    new.set_permissions(permissions)?;
    new.write_all(file.text.as_bytes())?;
    new.sync_all()
}

/// The services that the arguments name, or all.
///
/// # Errors
///
/// A name that no service has.
pub(super) fn selected<'a, T>(
    services: &'a BTreeMap<ServiceName, T>,
    names: &[String],
) -> Result<Vec<(&'a ServiceName, &'a T)>, Failure> {
    if names.is_empty() {
        return Ok(services.iter().collect());
    }
    let mut found = BTreeMap::new();
    for name in names {
        let Some((name, service)) = services.get_key_value(name.trim()) else {
            let failure = Failure::other(format!("no manifest declares a service `{name}`"));
            return Err(suggest(failure, name, services.keys().map(ServiceName::as_str)));
        };
        found.insert(name, service);
    }
    Ok(found.into_iter().collect())
}

/// A version set that nothing says.
pub(super) fn unknown_set<'a>(
    set: &str,
    wher: &str,
    known: impl Iterator<Item = &'a VersionSetName> + Clone,
) -> Failure {
    let failure = Failure::other(format!("{wher} no version set `{set}`"));
    suggest(failure, set, known.map(VersionSetName::as_str))
}

/// Adds "did you mean …?", or what there is.
pub(super) fn suggest<'a>(
    failure: Failure,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Failure {
    let likeness =
        |other: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let near = known.clone().map(|other| (likeness(other), other)).filter(|(likeness, _)| *likeness > 0.5);
    if let Some((_, near)) = near.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1))) {
        return failure.hint(format!("did you mean `{near}`?"));
    }
    let mut all: Vec<String> = known.map(|other| format!("`{other}`")).collect();
    all.sort();
    all.dedup();
    all.truncate(5);
    if all.is_empty() {
        failure
    } else {
        failure.hint(format!("there are, among others: {}", all.join(", ")))
    }
}
