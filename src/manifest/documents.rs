//! The documents of a project as they are in the files, without the defaults. Some commands need to know whether a
//! value comes from the document or from the defaults.

use serde_json::{Map, Value as Json};

use super::collector::DiagnosticCollector;
use super::decode;
use super::tree::Node;

/// One document of a manifest file. It declares one service.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestDocument {
    /// The file's path relative to the project.
    pub file: String,
    /// The document's index in the file, from 0, counting empty documents.
    pub index: usize,
    /// The members of the document, including `environments` with its overlays. The project's defaults are not merged
    /// into them.
    pub members: Map<String, Json>,
}

impl ManifestDocument {
    pub(super) fn new(file: &str, index: usize, root: &Node) -> Self {
        Self { file: file.to_owned(), index, members: members(root) }
    }

    /// Returns the name of the service that the document declares, or `None` if it is missing.
    pub fn service(&self) -> Option<&str> {
        self.members.get("service").and_then(Json::as_str).map(str::trim)
    }
}

/// Converts a mapping to JSON. Returns an empty map for any other node, because the loader has already reported it.
pub(super) fn members(node: &Node) -> Map<String, Json> {
    match decode::json(&mut DiagnosticCollector::default(), node) {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}
