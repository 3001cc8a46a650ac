//! Edits of a YAML file that keep everything else byte for byte.
//!
//! `yaml-edit` makes the change; what it can't lay out well is done around it (`place`, `lines`). Nothing
//! is believed: after each change the file is read again, by the reader that the manifest loader uses, and
//! compared with what was meant, both as trees and as bytes (`check`). What doesn't hold is refused, with
//! the place to edit by hand.

mod check;
mod lines;
mod place;
mod tree;
mod value;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use tree::{Document, Node};

/// One change of one document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Gives a key a value. Keys on the way that are missing, or have no value, become mappings.
    Set {
        /// Keys from the document's root.
        path: Vec<String>,
        /// The new value. Where a mapping meets a mapping, only what differs is touched.
        value: Json,
    },
    /// Takes a key and its value away; one that isn't there is no error.
    Remove {
        /// Keys from the document's root.
        path: Vec<String>,
    },
}

impl Change {
    fn path(&self) -> &[String] {
        match self {
            Self::Set { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// Why a file is not edited, and where to do it by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct EditError {
    /// What was to be changed.
    pub path: Vec<String>,
    /// The line of the file where a hand is needed, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

impl EditError {
    fn sentence(&self) -> String {
        let Self { path, line, reason } = self;
        if path.is_empty() {
            return format!("line {line}: {reason}");
        }
        format!("line {line}: `{}` can't be changed here: {reason}; edit it by hand", path.join("."))
    }
}

/// Why one change is refused: at which byte, and the reason.
struct Refusal {
    at: usize,
    reason: String,
}

impl Refusal {
    fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// Changes one document of a file. `document` counts from 0, empty documents included.
///
/// # Errors
///
/// The first change that can't be made without touching anything else.
pub fn edit(text: &str, document: usize, changes: &[Change]) -> Result<String, EditError> {
    edit_documents(text, &BTreeMap::from([(document, changes.to_vec())]))
}

/// Changes several documents of a file: all that is asked for, or nothing.
///
/// # Errors
///
/// The first change that can't be made without touching anything else.
pub fn edit_documents(text: &str, changes: &BTreeMap<usize, Vec<Change>>) -> Result<String, EditError> {
    let (mark, body) = lines::split_mark(text);
    let unreadable = |refusal: &tree::Unreadable| EditError {
        path: Vec::new(),
        line: lines::line_of(body, refusal.at),
        reason: refusal.reason.clone(),
    };
    let documents = tree::read(body).map_err(|error| unreadable(&error))?;
    let mut out = String::with_capacity(text.len() + 256);
    let mut meant = Vec::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        let end = documents.get(index + 1).map_or(body.len(), |next| next.start);
        let slice = body.get(document.start..end).unwrap_or_default();
        let edited = match changes.get(&index) {
            Some(changes) => {
                let (edited, root) = edit_slice(slice, lines::line_of(body, document.start), changes)?;
                meant.push(root);
                edited
            }
            None => {
                meant.push(None);
                slice.to_owned()
            }
        };
        out.push_str(&edited);
    }
    if let Some((index, changes)) = changes.iter().find(|(index, _)| **index >= documents.len()) {
        let reason = format!("there is no document {}: the file has {}", index + 1, documents.len());
        let path = changes.first().map(|change| change.path().to_vec()).unwrap_or_default();
        return Err(EditError { path, line: lines::line_of(body, body.len()), reason });
    }
    // Each document was checked by itself; this is the file as the loader will see it.
    let again = tree::read(&out).map_err(|error| unreadable(&error))?;
    let same = again.len() == documents.len()
        && again.iter().zip(documents.iter().zip(&meant)).all(|(now, (before, meant))| {
            now.root == *meant.as_ref().map_or(&before.root, |root: &Node| root)
        });
    if !same {
        let path = changes.values().flatten().next().map(|change| change.path().to_vec()).unwrap_or_default();
        return Err(EditError { path, line: 1, reason: "the other documents would change".to_owned() });
    }
    Ok(format!("{mark}{out}"))
}

/// Changes a text that holds one document, and gives its new tree.
fn edit_slice(text: &str, line: usize, changes: &[Change]) -> Result<(String, Option<Node>), EditError> {
    let mut text = text.to_owned();
    let mut tree = None;
    for change in changes {
        let mut pending = vec![change.clone()];
        while let Some(change) = pending.pop() {
            let refused = |refusal: Refusal| EditError {
                path: change.path().to_vec(),
                line: line + lines::line_of(&text, refusal.at) - 1,
                reason: refusal.reason,
            };
            let root = one(&text).map_err(refused)?;
            if let Some(parts) = value::split(&root, &change) {
                pending.extend(parts.into_iter().rev());
                tree = Some(root);
                continue;
            }
            let (edited, root) = place::make(&text, root, &change).map_err(refused)?;
            text = edited;
            tree = Some(root);
        }
    }
    Ok((text, tree))
}

/// The only document of a text.
fn one(text: &str) -> Result<Node, Refusal> {
    let mut documents =
        tree::read(text).map_err(|tree::Unreadable { at, reason }| Refusal::new(at, reason))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(Document { root, .. }), true) => Ok(root),
        _ => Err(Refusal::new(0, "this part of the file is not one document")),
    }
}
