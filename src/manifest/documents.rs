//! A project with its documents as written, for commands that write manifests.
//!
//! These commands need to know which layer declares a value. They also load the new texts before they write them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::collector::DiagnosticCollector;
use super::decode;
use super::diagnostic::Problems;
use super::load::{self, LoadOptions, Loaded};
use super::tree::Node;

/// One document of a manifest file.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestDocument {
    /// The file's path relative to the project.
    pub file: String,
    /// The document's index in the file, from 0, counting empty documents.
    pub index: usize,
    /// The document's own members: with its overlays, without the defaults.
    pub members: Map<String, Json>,
}

impl ManifestDocument {
    /// Returns the name of the service.
    pub fn service(&self) -> Option<&str> {
        self.members.get("service").and_then(Json::as_str).map(str::trim)
    }
}

/// A project and its documents.
#[derive(Clone, Debug)]
pub struct ProjectDocuments {
    /// The project's desired state.
    pub loaded: Loaded,
    /// Every document, ordered by file.
    pub documents: Vec<ManifestDocument>,
    /// The project's defaults, which are merged under every document.
    pub defaults: Map<String, Json>,
}

/// Loads a project like [`super::load`], and keeps its documents. The project may have no manifests yet.
/// `replacements` are texts that replace files or add new ones, by name within the project.
///
/// # Errors
///
/// Errors with every problem in every file.
pub fn load_documents(
    root: &Path,
    environment: Option<&str>,
    replacements: &BTreeMap<String, String>,
) -> Result<ProjectDocuments, Problems> {
    let options = LoadOptions {
        environment,
        replacements: replacements.clone(),
        allow_empty: true,
        keep_documents: true,
        ..LoadOptions::default()
    };
    let result = load::load_with(root, &options)?;
    let documents = result.documents.iter();
    let documents = documents.map(|(file, index, node)| ManifestDocument {
        file: file.clone(),
        index: *index,
        members: members(node),
    });
    let documents = documents.collect();
    let defaults = result.defaults.as_ref().map(members).unwrap_or_default();
    Ok(ProjectDocuments { loaded: result.into_loaded()?, documents, defaults })
}

/// Converts a document to JSON. Its problems were reported during the load.
fn members(node: &Node) -> Map<String, Json> {
    match decode::json(&mut DiagnosticCollector::default(), node) {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}
