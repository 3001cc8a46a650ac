//! Finds the place in a document where a change must be made.

use serde_json::Value as Json;

use super::change::{Change, Refusal};
use super::tree::{Node, Value};

/// The place in a document where a change must be made.
pub(super) struct Target<'a> {
    /// The index of the entry to follow in each mapping, on the way from the root to the mapping `holder`.
    pub(super) steps: Vec<usize>,
    /// The mapping that contains the key, or to which the key is added.
    pub(super) holder: &'a Node,
    /// The index of the key's entry in `holder`, if the key exists.
    pub(super) found: Option<usize>,
    /// The number of keys in the change's path, up to and including the key that is looked up in `holder`.
    pub(super) depth: usize,
}

/// Returns the entry of a mapping at an index, or `None` if there is no such entry or the node is not a mapping.
pub(super) fn entry(node: &Node, at: usize) -> Option<&(Node, Node)> {
    match &node.value {
        Value::Map(map) => map.entries.get(at),
        _ => None,
    }
}

/// Returns the value to write at the target, or null if the change removes a key. For each key of the path after the
/// first `depth` keys, the new value is wrapped in a mapping.
pub(super) fn whole_value(change: &Change, depth: usize) -> Json {
    match change {
        Change::Remove { .. } => Json::Null,
        Change::Set { path, value } => {
            path.iter().skip(depth).rev().fold(value.clone(), |value, key| serde_json::json!({ key: value }))
        }
    }
}

/// Finds the place of a change. Refuses the change if the value is also used elsewhere in the document, through an
/// anchor, an alias or a merge key.
pub(super) fn locate<'a>(root: &'a Node, change: &Change) -> Result<Target<'a>, Refusal> {
    let path = change.path();
    let mut target = Target { steps: Vec::new(), holder: root, found: None, depth: 0 };
    let mut node = root;
    for (index, key) in path.iter().enumerate() {
        check_not_shared(root, node)?;
        let map = match &node.value {
            Value::Map(map) => map,
            Value::Alias(name) => {
                let reason = format!(
                    "the value is inside the alias `*{name}`, and the edit would change the other uses of the alias"
                );
                return Err(Refusal::new(node.start, reason));
            }
            // The key has no value, so the rest of the path becomes its value.
            _ if node.is_null() && target.found.is_some() => return Ok(target),
            _ => {
                let name = index.checked_sub(1).and_then(|at| path.get(at));
                let what = name.map_or("the document".to_owned(), |name| format!("`{name}`"));
                return Err(Refusal::new(node.start, format!("{what} is not a mapping")));
            }
        };
        if let Some(at) = target.found {
            target.steps.push(at);
        }
        target.holder = node;
        target.depth = index + 1;
        target.found = map.find(key);
        match target.found.and_then(|at| map.entries.get(at)) {
            Some((_, value)) => node = value,
            None if map.find("<<").is_some() => {
                let reason = "the value may come from a merge key (`<<`), and the edit would also change the other uses";
                return Err(Refusal::new(node.start, reason));
            }
            None => {
                // A key that is an alias (`*name`) may stand for this key.
                return match map.entries.iter().find(|(key, _)| key.text().is_none()) {
                    Some((key, _)) => Err(Refusal::new(key.start, "another key of this mapping is an alias")),
                    None => Ok(target),
                };
            }
        }
    }
    if path.is_empty() {
        return Err(Refusal::new(root.start, "a whole document can't be replaced"));
    }
    check_no_outside_alias(root, node)?;
    Ok(target)
}

/// Checks that a part of a value can be changed. Returns a refusal if the value has an anchor with aliases, because the
/// change would also affect the aliases.
fn check_not_shared(root: &Node, node: &Node) -> Result<(), Refusal> {
    let Some(anchor) = &node.anchor else { return Ok(()) };
    match aliases(root, anchor).first() {
        Some(_) => {
            let reason = format!(
                "the value is inside the anchor `&{anchor}`, and the edit would also change `*{anchor}`"
            );
            Err(Refusal::new(node.start, reason))
        }
        None => Ok(()),
    }
}

/// Checks that a value can be replaced or removed. Returns a refusal if the value contains an anchor, and an alias
/// outside the value refers to this anchor.
fn check_no_outside_alias(root: &Node, removed: &Node) -> Result<(), Refusal> {
    let mut anchors = Vec::new();
    removed.walk(&mut |node| anchors.extend(node.anchor.as_deref().map(|anchor| (anchor, node.start))));
    for (anchor, at) in anchors {
        if aliases(root, anchor).iter().any(|alias| *alias < removed.start || *alias >= removed.end) {
            let reason = format!(
                "the value contains the anchor `&{anchor}`, and the edit would also change `*{anchor}`"
            );
            return Err(Refusal::new(at, reason));
        }
    }
    Ok(())
}

fn aliases(root: &Node, anchor: &str) -> Vec<usize> {
    let mut found = Vec::new();
    root.walk(&mut |node| {
        if matches!(&node.value, Value::Alias(name) if name == anchor) {
            found.push(node.start);
        }
    });
    found
}
