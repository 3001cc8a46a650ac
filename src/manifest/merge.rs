//! JSON Merge Patch (RFC 7396) on trees: `defaults` ← document ← overlay. Imports nothing of ours.
//!
//! Every node keeps the place it came from, so that a problem in a merged value points to the line
//! that brought it in.

use std::collections::{HashMap, HashSet};

use super::tree::{Key, Map, Node, Value};

/// The fields in which null is a value of its own when a document says it.
const NULL_IS_A_VALUE: &[&str] = &["tags"];

/// An overlay over a document, exactly as RFC 7396 says: null removes.
pub(super) fn overlay(target: Node, patch: &Node) -> Node {
    apply(Some(target), patch, Nulls::Remove)
}

/// A document over the project's defaults. Null removes what the defaults have. Where there is nothing
/// to remove it stays, so that a key without a value can be reported; and among tags it is a value.
pub(super) fn document(defaults: &Node, document: &Node) -> Node {
    apply(Some(defaults.clone()), document, Nulls::RemoveDefaults)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    Remove,
    RemoveDefaults,
    Keep,
}

fn apply(target: Option<Node>, patch: &Node, nulls: Nulls) -> Node {
    let Value::Map(members) = &patch.value else { return patch.clone() };
    let target = match target {
        Some(Node { value: Value::Map(map), .. }) => map,
        _ => Map::default(),
    };
    Node { span: patch.span, value: Value::Map(apply_members(target, members, nulls)) }
}

fn apply_members(target: Map, members: &Map, nulls: Nulls) -> Map {
    let mut slots: Vec<Option<(Key, Node)>> = target.entries.into_iter().map(Some).collect();
    let index: HashMap<String, usize> = slots
        .iter()
        .enumerate()
        .filter_map(|(at, slot)| slot.as_ref().map(|(key, _)| (key.name.clone(), at)))
        .collect();
    for (key, value) in &members.entries {
        let slot = index.get(&key.name).copied();
        let old = slot.and_then(|at| slots.get_mut(at)).and_then(Option::take);
        let removed = match nulls {
            Nulls::Remove => true,
            Nulls::RemoveDefaults => old.is_some(),
            Nulls::Keep => false,
        };
        if value.value == Value::Null && removed {
            continue;
        }
        let below = match nulls {
            Nulls::RemoveDefaults if NULL_IS_A_VALUE.contains(&key.name.as_str()) => Nulls::Keep,
            other => other,
        };
        let merged = (key.clone(), apply(old.map(|(_, node)| node), value, below));
        match slot.and_then(|at| slots.get_mut(at)) {
            Some(slot) => *slot = Some(merged),
            None => slots.push(Some(merged)),
        }
    }
    Map { entries: slots.into_iter().flatten().collect() }
}

/// The keys of a mapping, for "is it there?".
pub(super) fn keys(node: &Node) -> HashSet<&str> {
    match &node.value {
        Value::Map(map) => map.entries.iter().map(|(key, _)| key.name.as_str()).collect(),
        _ => HashSet::new(),
    }
}
