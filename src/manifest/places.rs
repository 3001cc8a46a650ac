//! Where version sets are said, for commands that change the files. Imports `model`.
//!
//! Merging gives each value the place it came from, but not the place where a new one belongs. So the
//! layers of each document are kept apart here: the overlay of the chosen environment, the document itself,
//! and the defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::{Map, Node, Value};
use crate::model::ServiceName;

/// The key that holds version sets.
const SETS: &str = "version_sets";

/// Which layer says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The project's `defaults`.
    Defaults,
    /// The service's document.
    Document,
    /// The document's overlay for the environment.
    Overlay,
}

/// A place in a file, by keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath {
    /// The file, relative to the project, with `/` between its parts.
    pub file: String,
    /// Which of the file's documents, from 0, empty ones counted.
    pub document: usize,
    /// Keys from the document's root.
    pub path: Vec<String>,
}

/// Where the version sets of each service are said, for one environment.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub(super) environment: String,
    pub(super) defaults: Option<Arc<Node>>,
    services: BTreeMap<ServiceName, Sets>,
}

/// The layers of one service that can be written.
#[derive(Clone, Debug)]
struct Sets {
    file: String,
    document: usize,
    base: Option<Node>,
    overlay: Option<Node>,
}

/// What a layer says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    /// Null, there or above: what the layers below say is taken away.
    Away,
    Something,
}

impl Places {
    /// Notes a document as it stands in its file.
    pub(super) fn note(&mut self, file: &str, document: usize, root: &Node) {
        let Value::Map(map) = &root.value else { return };
        let Some(Value::Text(name)) = map.get("service").map(|node| &node.value) else { return };
        let overlay = below(root, "environments").and_then(|all| below(all, &self.environment));
        let sets = |layer: &Node| below(layer, SETS).cloned();
        let noted =
            Sets { file: file.to_owned(), document, base: sets(root), overlay: overlay.and_then(sets) };
        self.services.insert(ServiceName::new(name), noted);
    }

    /// The layers that give a version set (or a field of it) something, the highest first.
    pub fn layers(&self, service: &ServiceName, path: &[&str]) -> Vec<Layer> {
        let Some(sets) = self.services.get(service) else { return Vec::new() };
        let mut found = Vec::new();
        for (layer, node) in [
            (Layer::Overlay, sets.overlay.as_ref()),
            (Layer::Document, sets.base.as_ref()),
            (Layer::Defaults, self.defaults.as_deref()),
        ] {
            match node.map_or(Said::Nothing, |node| said(node, path)) {
                Said::Something => found.push(layer),
                Said::Away => break,
                Said::Nothing => {}
            }
        }
        found
    }

    /// Whether the environment's overlay speaks of a version set (or a field of it), be it to take it away:
    /// then what the document says of it has no effect there.
    pub fn overlaid(&self, service: &ServiceName, path: &[&str]) -> bool {
        let overlay = self.services.get(service).and_then(|sets| sets.overlay.as_ref());
        overlay.is_some_and(|node| said(node, path) != Said::Nothing)
    }

    /// Where a version set (or a field of it) stands, or would stand, in the document or in its overlay.
    /// Defaults can't be written for one service: what they say is written into the document.
    pub fn at(&self, service: &ServiceName, path: &[&str], layer: Layer) -> Option<KeyPath> {
        let Sets { file, document, .. } = self.services.get(service)?;
        let above: &[&str] = match layer {
            Layer::Overlay => &["environments", self.environment.as_str(), SETS],
            Layer::Document | Layer::Defaults => &[SETS],
        };
        let path = above.iter().chain(path).map(|key| (*key).to_owned()).collect();
        Some(KeyPath { file: file.clone(), document: *document, path })
    }
}

/// The project's default version sets.
pub(super) fn of_defaults(defaults: Option<&Node>) -> Option<Arc<Node>> {
    defaults.and_then(|node| below(node, SETS)).cloned().map(Arc::new)
}

fn below<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(map) => map.get(key),
        _ => None,
    }
}

fn said(node: &Node, path: &[&str]) -> Said {
    match (&node.value, path) {
        (Value::Null, _) => Said::Away,
        (Value::Map(map), [key, rest @ ..]) => member(map, key, rest),
        (_, []) => Said::Something,
        _ => Said::Nothing,
    }
}

fn member(map: &Map, key: &str, rest: &[&str]) -> Said {
    map.get(key).map_or(Said::Nothing, |node| said(node, rest))
}
