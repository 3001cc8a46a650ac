//! A change of a YAML document, and the reason why a change is refused.

use serde_json::Value as Json;

/// One change of one YAML document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Sets a key to a value. If a key on the way to the value is missing or has no value, the key gets a mapping as
    /// its value.
    Set {
        /// The keys that lead from the document's root to the changed value.
        path: Vec<String>,
        /// The new value. If the new and the old value are mappings, only the members that differ are changed.
        value: Json,
    },
    /// Removes a key and its value. A missing key is not an error.
    Remove {
        /// The keys that lead from the document's root to the removed key.
        path: Vec<String>,
    },
}

impl Change {
    /// Returns the keys that lead from the document's root to the changed key.
    pub(super) fn path(&self) -> &[String] {
        match self {
            Self::Set { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// The reason why a change is refused, and the byte offset of the cause in the text.
pub(super) struct Refusal {
    pub(super) at: usize,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}
