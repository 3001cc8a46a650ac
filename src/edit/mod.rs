//! Edits a value in a YAML file and keeps everything else byte for byte.
//!
//! The library `yaml-edit` makes each change. `apply` and `lines` handle layouts that `yaml-edit` can't handle. After
//! each change, the manifest loader's parser reads the new text. `check` then compares the texts before and after the
//! change, as trees and as bytes. An edit that fails this check is refused. The error contains the number of the line
//! that the user can edit by hand.

mod apply;
mod change;
mod check;
mod lines;
mod target;
mod tree;
mod value;

use std::collections::BTreeMap;

pub use change::Change;
use change::Refusal;
use tree::{Node, parse_single};

/// The reason why a file can't be edited, and the line to edit by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct EditError {
    /// The keys that lead from the document's root to the value that could not be changed.
    pub path: Vec<String>,
    /// The line to edit by hand, from 1.
    pub line: usize,
    /// The reason why the value could not be changed.
    pub reason: String,
}

impl EditError {
    fn sentence(&self) -> String {
        let Self { path, line, reason } = self;
        if path.is_empty() {
            return format!("line {line}: {reason}");
        }
        format!("line {line}: `{}` can't be changed here ({reason}); edit the file by hand", path.join("."))
    }
}

/// Changes one document of a file, and returns the new text. `document` is the document's index, counted from 0 and
/// including empty documents.
///
/// # Errors
///
/// Returns an error for the first change that can't be made without changing anything else.
pub fn edit(text: &str, document: usize, changes: &[Change]) -> Result<String, EditError> {
    edit_documents(text, &BTreeMap::from([(document, changes.to_vec())]))
}

/// Changes several documents of a file, and returns the new text. Makes either all changes or none. `changes` contains
/// the changes of each document, by the document's index (counted from 0).
///
/// # Errors
///
/// Returns an error for the first change that can't be made without changing anything else.
pub fn edit_documents(text: &str, changes: &BTreeMap<usize, Vec<Change>>) -> Result<String, EditError> {
    let (mark, body) = lines::split_mark(text);
    let unreadable = |refusal: &tree::ParseError| EditError {
        path: Vec::new(),
        line: lines::line_of(body, refusal.at),
        reason: refusal.reason.clone(),
    };
    let documents = tree::read(body).map_err(|error| unreadable(&error))?;
    let mut out = String::with_capacity(text.len() + 256);
    let mut expected = Vec::with_capacity(documents.len());
    for (index, document) in documents.iter().enumerate() {
        let end = documents.get(index + 1).map_or(body.len(), |next| next.start);
        let slice = body.get(document.start..end).unwrap_or_default();
        let edited = match changes.get(&index) {
            Some(changes) => {
                let (edited, root) = edit_slice(slice, lines::line_of(body, document.start), changes)?;
                expected.push(root);
                edited
            }
            None => {
                expected.push(None);
                slice.to_owned()
            }
        };
        out.push_str(&edited);
    }
    if let Some((index, changes)) = changes.iter().find(|(index, _)| **index >= documents.len()) {
        let reason = format!(
            "document {} does not exist; the number of documents in the file is {}",
            index + 1,
            documents.len()
        );
        let path = changes.first().map(|change| change.path().to_vec()).unwrap_or_default();
        return Err(EditError { path, line: lines::line_of(body, body.len()), reason });
    }
    // Each document was checked alone. Check the whole file, as the loader will see it.
    let again = tree::read(&out).map_err(|error| unreadable(&error))?;
    let same = again.len() == documents.len()
        && again.iter().zip(documents.iter().zip(&expected)).all(|(now, (before, expected))| {
            now.root == *expected.as_ref().map_or(&before.root, |root: &Node| root)
        });
    if !same {
        let path = changes.values().flatten().next().map(|change| change.path().to_vec()).unwrap_or_default();
        return Err(EditError {
            path,
            line: 1,
            reason: "the edit would also change other documents".to_owned(),
        });
    }
    Ok(format!("{mark}{out}"))
}

/// Makes changes in a text that contains one document and begins at line `line` of its file. Returns the new text, and
/// its tree if there are any changes.
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
            let root = parse_single(&text).map_err(refused)?;
            if let Some(parts) = value::split(&root, &change) {
                pending.extend(parts.into_iter().rev());
                tree = Some(root);
                continue;
            }
            let (edited, root) = apply::apply(&text, root, &change).map_err(refused)?;
            text = edited;
            tree = Some(root);
        }
    }
    Ok((text, tree))
}
