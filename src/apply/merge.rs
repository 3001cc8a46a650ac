//! Merges the changes of a step with changes that other users have made since the plan was made. A value that the step
//! changes gets the step's value. All other values stay as they are now.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{VersionSet, same_json};

type Tags = BTreeMap<String, Option<String>>;

/// Returns the tags to write: the step's changes from `planned` to `wanted`, merged into the current tags `now`.
pub(super) fn merge_tags(planned: &Tags, now: &Tags, wanted: &Tags) -> Tags {
    merge_map(planned, now, wanted, |one, other| one == other)
}

/// Returns the version set to write: the step's changes from `planned` to `wanted`, merged into the current version set
/// `now`. Returns `wanted` if the version set does not exist now, or did not exist when the plan was made.
pub(super) fn merge_version_set(
    planned: Option<&VersionSet>,
    now: Option<&VersionSet>,
    wanted: &VersionSet,
) -> VersionSet {
    let (Some(planned), Some(now)) = (planned, now) else { return wanted.clone() };
    let same = |one: &serde_json::Value, other: &serde_json::Value| same_json(one, other);
    VersionSet {
        agent_version: merge_value(&planned.agent_version, &now.agent_version, &wanted.agent_version),
        context_graph_version: merge_value(
            &planned.context_graph_version,
            &now.context_graph_version,
            &wanted.context_graph_version,
        ),
        llm_model_preferences: merge_map(
            &planned.llm_model_preferences,
            &now.llm_model_preferences,
            &wanted.llm_model_preferences,
            |one, other| one == other,
        ),
        carried: merge_json_map(&planned.carried, &now.carried, &wanted.carried, same),
    }
}

fn merge_value<T: Clone + PartialEq>(planned: &T, now: &T, wanted: &T) -> T {
    if planned == wanted { now.clone() } else { wanted.clone() }
}

/// Merges the changes from `planned` to `wanted` into `now`, entry by entry. `same` returns true if two values are
/// equal.
fn merge_map<T: Clone>(
    planned: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    wanted: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
) -> BTreeMap<String, T> {
    let keys: BTreeSet<&String> = now.keys().chain(wanted.keys()).collect();
    let entry = |key: &String| {
        let is_unchanged_by_step = match (planned.get(key), wanted.get(key)) {
            (Some(planned), Some(wanted)) => same(planned, wanted),
            (None, None) => true,
            _ => false,
        };
        let value = if is_unchanged_by_step { now.get(key) } else { wanted.get(key) };
        value.map(|value| (key.clone(), value.clone()))
    };
    keys.into_iter().filter_map(entry).collect()
}

type Json = serde_json::Map<String, serde_json::Value>;

fn merge_json_map(
    planned: &Json,
    now: &Json,
    wanted: &Json,
    same: impl Fn(&serde_json::Value, &serde_json::Value) -> bool,
) -> Json {
    let tree = |map: &Json| map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    merge_map(&tree(planned), &tree(now), &tree(wanted), same).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Pin;

    fn tag_map(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn tags_that_the_plan_does_not_change_keep_their_current_value() {
        let planned = tag_map(&[("tier", "gold"), ("old", "x"), ("gone", "x")]);
        let now = tag_map(&[("tier", "gold"), ("old", "x"), ("console", "yes")]);
        let wanted = tag_map(&[("tier", "silver"), ("gone", "x"), ("managed_by", "us")]);
        let merged = merge_tags(&planned, &now, &wanted);
        assert_eq!(merged, tag_map(&[("tier", "silver"), ("console", "yes"), ("managed_by", "us")]));
    }

    #[test]
    fn fields_of_a_version_set_are_merged_separately() {
        let set = |agent, graph| VersionSet {
            agent_version: Pin::Number(agent),
            context_graph_version: Pin::Number(graph),
            ..VersionSet::latest()
        };
        assert_eq!(merge_version_set(Some(&set(1, 1)), Some(&set(1, 2)), &set(3, 1)), set(3, 2));
        assert_eq!(merge_version_set(Some(&set(1, 1)), None, &set(3, 1)), set(3, 1));
    }
}
