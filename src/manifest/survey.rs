//! A project with what its documents say themselves, as it is or as it would be with other texts. Imports
//! `model`.
//!
//! For commands that write manifests: they have to know which layer says what, and they read what they are
//! about to write before they write it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::decode;
use super::diagnostic::Problems;
use super::load::{self, Loaded, Reading};
use super::sink::Sink;
use super::tree::Node;

/// One document of a manifest file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The file, relative to the project.
    pub file: String,
    /// Which of the file's documents it is, from 0, empty ones counted.
    pub index: usize,
    /// What it says itself, overlays included, defaults not.
    pub members: Map<String, Json>,
}

impl Document {
    /// The service that it names.
    pub fn service(&self) -> Option<&str> {
        self.members.get("service").and_then(Json::as_str).map(str::trim)
    }
}

/// A project and its documents.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The project as it is planned with.
    pub loaded: Loaded,
    /// Every document, in the order of files.
    pub documents: Vec<Document>,
    /// What is merged under every document.
    pub defaults: Map<String, Json>,
}

/// Reads a project as [`super::load`] does. It may have no manifests yet, and some of its files may stand in
/// `instead`, by their names within the project.
///
/// # Errors
///
/// Every problem in every file.
pub fn survey(
    root: &Path,
    environment: Option<&str>,
    instead: &BTreeMap<String, String>,
) -> Result<Survey, Problems> {
    let root = load::find_here(root)?;
    let mut reading =
        Reading { instead: instead.clone(), may_be_empty: true, survey: true, ..Reading::default() };
    let loaded = load::load_with(&root, environment, &mut reading)?;
    let documents = reading.documents.iter();
    let documents = documents.map(|(file, index, node)| Document {
        file: file.clone(),
        index: *index,
        members: members(node),
    });
    let documents = documents.collect();
    let defaults = reading.defaults.as_ref().map(members).unwrap_or_default();
    Ok(Survey { loaded, documents, defaults })
}

/// A document as JSON. Its problems were reported when it was read.
fn members(node: &Node) -> Map<String, Json> {
    match decode::json(&mut Sink::default(), node) {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}
