//! Merges trees by JSON Merge Patch (RFC 7396): `defaults` ← document ← overlay.
//!
//! The settings of the Platform API are themselves a patch over the live values, in which null means "remove". So a
//! null in a setting removes the value in the target of the merge. If the target has no value, the null is kept, so
//! that it removes the live value.
//!
//! Every node keeps its span, so that a problem in a merged value points to the line that set it.

use std::collections::{HashMap, HashSet};

use super::tree::{Key, Map, Node, Value};
use crate::model::settings::{self, SERVICE};

/// The fields of a document in which a null is a value and does not remove anything.
const NULL_IS_A_VALUE: &[&str] = &["tags"];

/// Merges an overlay (`patch`) over a document according to RFC 7396, so a null removes a value. Unlike in the RFC, a
/// null in a setting is kept if there is nothing to remove.
pub(super) fn overlay(target: Node, patch: &Node) -> Node {
    apply(Some(target), patch, Nulls::Overlay)
}

/// Merges a document over the project's defaults. A null removes a default. A null that has nothing to remove is kept,
/// so that a key without a value can be reported. In `tags`, null is a value.
pub(super) fn document(defaults: &Node, document: &Node) -> Node {
    apply(Some(defaults.clone()), document, Nulls::RemoveDeclared)
}

/// The rule for the nulls in a mapping of the patch: they are kept, or they remove values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// A null removes the target's value, and is not kept.
    Remove,
    /// A null removes the target's value. If the target has no value, the null is kept.
    RemoveDeclared,
    /// A null is kept as a value.
    Keep,
    /// The top level of an overlay, where the rule depends on the member.
    Overlay,
    /// The version sets of an overlay. The rule `Remove` applies, except in `experience_controls`.
    VersionSets,
}

impl Nulls {
    /// Returns two rules: one for a null that is the value of this member, and one for nulls inside its value.
    fn of_member(self, name: &str) -> (Self, Self) {
        match self {
            Self::Overlay if settings::field(SERVICE, name).is_some() => {
                (Self::RemoveDeclared, Self::RemoveDeclared)
            }
            Self::Overlay if name == "version_sets" => (Self::Remove, Self::VersionSets),
            Self::Overlay => (Self::Remove, Self::Remove),
            Self::VersionSets if name == "experience_controls" => {
                (Self::RemoveDeclared, Self::RemoveDeclared)
            }
            Self::VersionSets => (Self::Remove, Self::VersionSets),
            Self::RemoveDeclared if NULL_IS_A_VALUE.contains(&name) => (Self::RemoveDeclared, Self::Keep),
            other => (other, other),
        }
    }
}

fn apply(target: Option<Node>, patch: &Node, nulls: Nulls) -> Node {
    let Value::Map(members) = &patch.value else { return patch.clone() };
    let target = match target {
        Some(Node { value: Value::Map(map), .. }) => map,
        _ => Map::default(),
    };
    Node::new(patch.span, Value::Map(apply_members(target, members, nulls)))
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
        let (own, below) = nulls.of_member(&key.name);
        let removed = match own {
            Nulls::Keep => false,
            Nulls::RemoveDeclared => old.is_some(),
            _ => true,
        };
        if value.value == Value::Null && removed {
            continue;
        }
        let merged = (key.clone(), apply(old.map(|(_, node)| node), value, below));
        match slot.and_then(|at| slots.get_mut(at)) {
            Some(slot) => *slot = Some(merged),
            None => slots.push(Some(merged)),
        }
    }
    Map { entries: slots.into_iter().flatten().collect() }
}

/// Returns the keys of a mapping, or an empty set for any other node.
pub(super) fn keys(node: &Node) -> HashSet<&str> {
    match &node.value {
        Value::Map(map) => map.entries.iter().map(|(key, _)| key.name.as_str()).collect(),
        _ => HashSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::collector::DiagnosticCollector;
    use super::super::tree::{Node, Value};
    use super::super::yaml;
    use super::{document, overlay};

    fn tree(text: &str) -> Node {
        let mut problems = DiagnosticCollector::default();
        let file = problems.add_file("t.yaml", Arc::from(text));
        // The text is parsed as a list, because a null alone would be an empty document.
        let text = format!("[{text}]");
        let root = yaml::parse(&mut problems, file, &text).roots.remove(0);
        assert!(!problems.has_errors(), "{text}");
        let Value::List(mut items) = root.value else { panic!("{text} is a list") };
        items.remove(0)
    }

    /// Tests the examples in appendix A of RFC 7396.
    #[test]
    fn examples_of_the_rfc_hold() {
        let table = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ];
        for (target, patch, result) in table {
            assert_eq!(overlay(tree(target), &tree(patch)), tree(result), "{target} ← {patch}");
        }
    }

    #[test]
    fn document_keeps_nulls_that_remove_nothing() {
        let table = [
            ("{a: x}", "{a: ~}", "{}"),
            ("{}", "{a: ~}", "{a: ~}"),
            ("{v: {r: {a: 1, b: 2}}}", "{v: {r: {a: ~}, s: ~}}", "{v: {r: {b: 2}, s: ~}}"),
            ("{tags: {a: x, b: ~}}", "{tags: {a: ~, c: ~}}", "{tags: {a: ~, b: ~, c: ~}}"),
            ("{tags: {a: x}}", "{tags: ~}", "{}"),
            ("{a: x}", "{a: {b: ~}}", "{a: {b: ~}}"),
        ];
        for (defaults, text, result) in table {
            assert_eq!(document(&tree(defaults), &tree(text)), tree(result), "{defaults} ← {text}");
        }
    }

    #[test]
    fn overlay_keeps_nulls_of_settings_that_remove_nothing() {
        let table = [
            (
                "{}",
                "{voice_config: {tts_model: ~}, tags: {a: ~}}",
                "{voice_config: {tts_model: ~}, tags: {}}",
            ),
            (
                "{voice_config: {tts_model: x, b: 1}}",
                "{voice_config: {tts_model: ~}}",
                "{voice_config: {b: 1}}",
            ),
            ("{voice_config: {b: 1}}", "{voice_config: ~}", "{}"),
            ("{}", "{escalation_policy: ~}", "{escalation_policy: ~}"),
            ("{}", "{tags: {environment: ~}}", "{tags: {}}"),
            (
                "{}",
                "{version_sets: {r: {a: ~, p: {experience_controls: {seed: ~}}}, s: ~}}",
                "{version_sets: {r: {p: {experience_controls: {seed: ~}}}}}",
            ),
        ];
        for (target, patch, result) in table {
            assert_eq!(overlay(tree(target), &tree(patch)), tree(result), "{target} ← {patch}");
        }
    }

    #[test]
    fn merged_nodes_keep_their_spans() {
        let merged = overlay(tree("{a: 1, b: 2}"), &tree("{      b: 3}"));
        let Value::Map(map) = merged.value else { panic!("a mapping") };
        let columns: Vec<_> =
            map.entries.iter().map(|(key, value)| (key.span.column, value.span.column)).collect();
        assert_eq!(columns, [(3, 6), (9, 12)]);
    }
}
