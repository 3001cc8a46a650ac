//! Merges the version sets that a manifest declares into the live version sets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use crate::model::{
    Api, DesiredPreference, DesiredService, DesiredVersionSet, LiveService, LlmPreference, Pin, Policy,
    VersionSet, VersionSetName, merged,
};

/// Returns all version sets that a service will have, except `edge` if the server maintains it. Declared version sets
/// are merged into the live ones. The result also contains the live version sets that stay as they are.
pub(super) fn version_sets(
    wanted: &DesiredService,
    base: Option<&LiveService>,
    policy: &Policy,
    api: Api,
) -> BTreeMap<VersionSetName, VersionSet> {
    let ignored_fields = |name: &VersionSetName| -> Option<BTreeSet<&str>> {
        let paths = wanted.lifecycle.ignore.iter().map(|path| &path.0).filter(|path| {
            path[0] == "version_sets" && path.get(1).is_none_or(|second| second == name.as_str())
        });
        let fields: BTreeSet<&str> = paths.map(|path| path.get(2).map_or("*", String::as_str)).collect();
        (!fields.is_empty()).then_some(fields)
    };
    // On Classic the server makes `edge`, and clients can't write it. On Platform `edge` is a version set like any
    // other.
    let servers_own = |name: &VersionSetName| name.is_edge() && api.makes_version_sets();
    let mut sets = BTreeMap::new();
    for (name, live) in
        base.into_iter().flat_map(|live| &live.version_sets).filter(|(name, _)| !servers_own(name))
    {
        let stays = wanted.version_sets.is_none()
            || name.is_release()
            || policy.is_unmanaged(name)
            || ignored_fields(name).is_some_and(|fields| fields.contains("*"));
        if stays {
            sets.insert(name.clone(), live.clone());
        }
    }
    for (name, declared) in wanted.version_sets.iter().flatten() {
        let live = base.and_then(|live| live.version_sets.get(name));
        let ignored = live.and_then(|_| ignored_fields(name)).unwrap_or_default();
        if !ignored.contains("*") {
            sets.insert(name.clone(), merge(declared, live, &ignored));
        }
    }
    sets
}

/// Merges a declared version set into the live one, or into a new, unpinned one. Live values stay as they are if the
/// manifest does not declare the field, ignores it, or can't declare it.
fn merge(declared: &DesiredVersionSet, live: Option<&VersionSet>, ignored: &BTreeSet<&str>) -> VersionSet {
    let latest = VersionSet::latest();
    let base = live.unwrap_or(&latest);
    let pin = |field: &str, wanted: Option<Pin>, there: Pin| {
        if ignored.contains(field) { there } else { wanted.unwrap_or(there) }
    };
    let preferences = match &declared.llm_model_preferences {
        Some(wanted) if !ignored.contains("llm_model_preferences") => wanted
            .iter()
            .map(|(interaction, one)| {
                (interaction.clone(), merge_preference(one, base.llm_model_preferences.get(interaction)))
            })
            .collect(),
        _ => base.llm_model_preferences.clone(),
    };
    VersionSet {
        agent_version: pin("agent_version", declared.agent_version, base.agent_version),
        context_graph_version: pin(
            "context_graph_version",
            declared.context_graph_version,
            base.context_graph_version,
        ),
        llm_model_preferences: preferences,
        carried: base.carried.clone(),
    }
}

fn merge_preference(wanted: &DesiredPreference, live: Option<&LlmPreference>) -> LlmPreference {
    let same_model = live.filter(|live| live.llm_name == wanted.llm_name);
    LlmPreference {
        llm_name: wanted.llm_name.clone(),
        params: wanted
            .params
            .clone()
            .unwrap_or_else(|| same_model.map_or_else(Map::new, |live| live.params.clone())),
        experience_controls: match (&wanted.experience_controls, same_model) {
            (Some(None), _) | (None, None) => Map::new(),
            (None, Some(live)) => live.experience_controls.clone(),
            (Some(Some(patch)), live) => {
                merged(live.map_or(&Map::new(), |live| &live.experience_controls), patch)
            }
        },
        carried: same_model.map_or_else(Map::new, |live| live.carried.clone()),
    }
}
