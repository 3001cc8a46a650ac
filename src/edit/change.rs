//! A change of a document, and its refusal.

use serde_json::Value as Json;

/// One change of one document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Sets a key to a value. Keys on the path that are missing, or have no value, become mappings.
    Set {
        /// The keys that lead from the document's root to the changed value.
        path: Vec<String>,
        /// The new value. If it and the old value are mappings, only the members that differ change.
        value: Json,
    },
    /// Removes a key and its value. A missing key is not an error.
    Remove {
        /// The keys from the document's root.
        path: Vec<String>,
    },
}

impl Change {
    /// Returns the keys from the document's root.
    pub(super) fn path(&self) -> &[String] {
        match self {
            Self::Set { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// The reason why a change is refused, and the byte offset that it is about.
pub(super) struct Refusal {
    pub(super) at: usize,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}
