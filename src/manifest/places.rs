//! Records which layers declare each version set, for commands that edit the files.
//!
//! The location of a merged value shows where the value came from, but not where a new value belongs. So this module
//! stores three layers separately: the overlay of the selected environment, the document, and the project's defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::{Map, Node, Value};
use crate::model::ServiceName;

/// The key that contains the version sets in a document.
const SETS: &str = "version_sets";

/// A layer that can declare a value. A value in a later layer overrides the values in earlier layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The project's `defaults`.
    Defaults,
    /// The service's document.
    Document,
    /// The document's overlay for the environment.
    Overlay,
}

/// The location of a key: the file, the document in the file, and the keys that lead to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath {
    /// The file's path relative to the project, with `/` separators.
    pub file: String,
    /// The document's index in the file, from 0, counting empty documents.
    pub document: usize,
    /// The keys that lead from the document's root to the value of this key.
    pub path: Vec<String>,
}

/// The layers that declare the version sets of each service, for one environment.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub(super) environment: String,
    pub(super) defaults: Option<Arc<Node>>,
    pub(super) services: BTreeMap<ServiceName, ServiceLayers>,
}

/// The version sets of one service, in its document and in the document's overlay.
#[derive(Clone, Debug)]
pub(super) struct ServiceLayers {
    file: String,
    document: usize,
    base: Option<Node>,
    overlay: Option<Node>,
}

/// The state of a key in one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Absent,
    /// The key or a parent of the key is null, so the values of all earlier layers are removed.
    Removed,
    Present,
}

impl Places {
    /// Records the version sets in a document and in its overlay.
    pub(super) fn record(&mut self, file: &str, document: usize, root: &Node) {
        let Value::Map(map) = &root.value else { return };
        let Some(Value::Text(name)) = map.get("service").map(|node| &node.value) else { return };
        let overlay = below(root, "environments").and_then(|all| below(all, &self.environment));
        let sets = |layer: &Node| below(layer, SETS).cloned();
        let layers = ServiceLayers {
            file: file.to_owned(),
            document,
            base: sets(root),
            overlay: overlay.and_then(sets),
        };
        self.services.insert(ServiceName::new(name), layers);
    }

    /// Returns the layers that give a value to a version set (or to a field of it). The first item of `path` is the
    /// name of the version set. The layer with the highest precedence is first in the result.
    pub fn layers(&self, service: &ServiceName, path: &[&str]) -> Vec<Layer> {
        let Some(sets) = self.services.get(service) else { return Vec::new() };
        let mut found = Vec::new();
        for (layer, node) in [
            (Layer::Overlay, sets.overlay.as_ref()),
            (Layer::Document, sets.base.as_ref()),
            (Layer::Defaults, self.defaults.as_deref()),
        ] {
            match node.map_or(Entry::Absent, |node| find_entry(node, path)) {
                Entry::Present => found.push(layer),
                Entry::Removed => break,
                Entry::Absent => {}
            }
        }
        found
    }

    /// Returns true if the environment's overlay sets or removes a version set (or a field of it). If so, the
    /// document's value has no effect in that environment.
    pub fn is_in_overlay(&self, service: &ServiceName, path: &[&str]) -> bool {
        let overlay = self.services.get(service).and_then(|sets| sets.overlay.as_ref());
        overlay.is_some_and(|node| find_entry(node, path) != Entry::Absent)
    }

    /// Returns the key of a version set (or of a field of it) in the document or its overlay, even if the key does not
    /// exist yet. Defaults can't be edited for one service, so the key in the document is returned for
    /// [`Layer::Defaults`]. Returns `None` if no document declares the service.
    pub fn key_path(&self, service: &ServiceName, path: &[&str], layer: Layer) -> Option<KeyPath> {
        let ServiceLayers { file, document, .. } = self.services.get(service)?;
        let above: &[&str] = match layer {
            Layer::Overlay => &["environments", self.environment.as_str(), SETS],
            Layer::Document | Layer::Defaults => &[SETS],
        };
        let path = above.iter().chain(path).map(|key| (*key).to_owned()).collect();
        Some(KeyPath { file: file.clone(), document: *document, path })
    }
}

/// Returns the version sets in the project's defaults, or `None` if the defaults have none.
pub(super) fn default_version_sets(defaults: Option<&Node>) -> Option<Arc<Node>> {
    defaults.and_then(|node| below(node, SETS)).cloned().map(Arc::new)
}

fn below<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(map) => map.get(key),
        _ => None,
    }
}

fn find_entry(node: &Node, path: &[&str]) -> Entry {
    match (&node.value, path) {
        (Value::Null, _) => Entry::Removed,
        (Value::Map(map), [key, rest @ ..]) => member(map, key, rest),
        (_, []) => Entry::Present,
        _ => Entry::Absent,
    }
}

fn member(map: &Map, key: &str, rest: &[&str]) -> Entry {
    map.get(key).map_or(Entry::Absent, |node| find_entry(node, rest))
}
