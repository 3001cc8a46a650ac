//! Three states made one: what a step wants to change is changed, and what others have changed since the plan was
//! made stays. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{VersionSet, same_json};

type Tags = BTreeMap<String, Option<String>>;

/// The tags to write: the wanted ones where the plan changes them, all others as they are now.
pub(super) fn tags(planned: &Tags, now: &Tags, wanted: &Tags) -> Tags {
    map(planned, now, wanted, |one, other| one == other)
}

/// The version set to write. A set that is not there now is written as it is wanted.
pub(super) fn version_set(
    planned: Option<&VersionSet>,
    now: Option<&VersionSet>,
    wanted: &VersionSet,
) -> VersionSet {
    let (Some(planned), Some(now)) = (planned, now) else { return wanted.clone() };
    let same = |one: &serde_json::Value, other: &serde_json::Value| same_json(one, other);
    VersionSet {
        agent_version: value(&planned.agent_version, &now.agent_version, &wanted.agent_version),
        context_graph_version: value(
            &planned.context_graph_version,
            &now.context_graph_version,
            &wanted.context_graph_version,
        ),
        llm_model_preferences: map(
            &planned.llm_model_preferences,
            &now.llm_model_preferences,
            &wanted.llm_model_preferences,
            |one, other| one == other,
        ),
        carried: json_map(&planned.carried, &now.carried, &wanted.carried, same),
    }
}

fn value<T: Clone + PartialEq>(planned: &T, now: &T, wanted: &T) -> T {
    if planned == wanted { now.clone() } else { wanted.clone() }
}

/// The same of each entry of a map.
fn map<T: Clone>(
    planned: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    wanted: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
) -> BTreeMap<String, T> {
    let keys: BTreeSet<&String> = now.keys().chain(wanted.keys()).collect();
    let entry = |key: &String| {
        let stays = match (planned.get(key), wanted.get(key)) {
            (Some(planned), Some(wanted)) => same(planned, wanted),
            (None, None) => true,
            _ => false,
        };
        let value = if stays { now.get(key) } else { wanted.get(key) };
        value.map(|value| (key.clone(), value.clone()))
    };
    keys.into_iter().filter_map(entry).collect()
}

type Json = serde_json::Map<String, serde_json::Value>;

fn json_map(
    planned: &Json,
    now: &Json,
    wanted: &Json,
    same: impl Fn(&serde_json::Value, &serde_json::Value) -> bool,
) -> Json {
    let tree = |map: &Json| map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    map(&tree(planned), &tree(now), &tree(wanted), same).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Pin;

    fn tag_map(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn tags_of_others_stay_and_those_that_the_plan_changes_change() {
        let planned = tag_map(&[("tier", "gold"), ("old", "x"), ("gone", "x")]);
        let now = tag_map(&[("tier", "gold"), ("old", "x"), ("console", "yes")]);
        let wanted = tag_map(&[("tier", "silver"), ("gone", "x"), ("managed_by", "us")]);
        let merged = tags(&planned, &now, &wanted);
        assert_eq!(merged, tag_map(&[("tier", "silver"), ("console", "yes"), ("managed_by", "us")]));
    }

    #[test]
    fn fields_of_a_version_set_are_merged_one_by_one() {
        let set = |agent, graph| VersionSet {
            agent_version: Pin::Number(agent),
            context_graph_version: Pin::Number(graph),
            ..VersionSet::latest()
        };
        assert_eq!(version_set(Some(&set(1, 1)), Some(&set(1, 2)), &set(3, 1)), set(3, 2));
        assert_eq!(version_set(Some(&set(1, 1)), None, &set(3, 1)), set(3, 1));
    }
}
