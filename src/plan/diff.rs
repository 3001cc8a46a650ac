//! The desired content of a service, and its differences from the live service, in normal form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::resolve::ResolvedRefs;
use super::types::Change;
use crate::model::{
    AgentId, Api, ContextGraphId, DesiredPreference, DesiredService, DesiredVersionSet, LiveService,
    LlmPreference, Pin, Policy, ServiceName, ServiceUpdate, TAG_PROTECTED, TAG_REPLACES, VersionSet,
    VersionSetName, merged, patch, same_json, settings, trimmed,
};

/// The whole content of a service after the plan has run.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) name: ServiceName,
    /// None only if neither the manifest nor a live service has one.
    pub(super) description: Option<String>,
    pub(super) active: bool,
    pub(super) agent: AgentId,
    pub(super) context_graph: ContextGraphId,
    pub(super) tags: BTreeMap<String, Option<String>>,
    pub(super) keyterms: Vec<String>,
    /// All version sets except the server's own `edge`.
    pub(super) version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// Platform's settings, without nulls.
    pub(super) settings: Map<String, Value>,
}

/// Returns the content that a manifest asks for, given the live service that it changes or replaces.
pub(super) fn content(
    wanted: &DesiredService,
    joins: &ResolvedRefs,
    base: Option<&LiveService>,
    policy: &Policy,
    api: Api,
) -> Content {
    let ignored =
        |field: &str| base.is_some() && wanted.lifecycle.ignore.iter().any(|path| path.0 == [field]);
    let description = match base {
        Some(live) if ignored("description") || wanted.description.is_none() => {
            Some(live.description.clone())
        }
        _ => wanted.description.clone(),
    };
    let active = is_active(wanted, base);
    let keyterms = match (base, &wanted.keyterms) {
        (Some(live), _) if ignored("keyterms") => live.keyterms.clone(),
        (Some(live), None) => live.keyterms.clone(),
        (_, Some(keyterms)) => keyterms.clone(),
        (None, None) => Vec::new(),
    };
    Content {
        name: wanted.name.clone(),
        description,
        active,
        agent: base
            .filter(|_| ignored("agent"))
            .map_or_else(|| joins.agent.clone(), |live| live.agent.clone()),
        context_graph: base
            .filter(|_| ignored("context_graph"))
            .map_or_else(|| joins.context_graph.clone(), |live| live.context_graph.clone()),
        tags: tags(wanted, base, policy),
        keyterms,
        version_sets: version_sets(wanted, base, policy, api),
        settings: service_settings(wanted, base),
    }
}

/// Returns true if a manifest wants its service active, given the live one.
pub(super) fn is_active(wanted: &DesiredService, base: Option<&LiveService>) -> bool {
    match base {
        Some(live) if ignores_active(wanted) => live.active,
        _ => wanted.active.unwrap_or_else(|| base.is_none_or(|live| live.active)),
    }
}

/// Returns true if a manifest asks for an inactive service, and does not only leave it inactive.
pub(super) fn wants_inactive(wanted: &DesiredService) -> bool {
    wanted.active == Some(false) && !ignores_active(wanted)
}

fn ignores_active(wanted: &DesiredService) -> bool {
    wanted.lifecycle.ignore.iter().any(|path| path.0 == ["active"])
}

/// Returns the settings of Platform: the live ones, with the declared ones merged into them member by member.
fn service_settings(wanted: &DesiredService, base: Option<&LiveService>) -> Map<String, Value> {
    // An empty object changes nothing.
    let asks = |value: &Value| value.as_object().is_none_or(|members| !members.is_empty());
    let mut patch: Map<String, Value> = wanted
        .settings
        .iter()
        .filter(|(_, value)| asks(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let Some(live) = base else { return merged(&Map::new(), &patch) };
    for path in &wanted.lifecycle.ignore {
        leave_out(&mut patch, &path.0);
    }
    merged(&live.settings, &patch)
}

/// Removes a path from a patch, so that the patch doesn't change it.
fn leave_out(patch: &mut Map<String, Value>, path: &[String]) {
    match path {
        [] => {}
        [last] => {
            patch.remove(last);
        }
        [first, rest @ ..] => {
            if let Some(Value::Object(inner)) = patch.get_mut(first) {
                leave_out(inner, rest);
            }
        }
    }
}

/// Returns the blocks that the live service has and the content lacks. An update can't remove them.
pub(super) fn cleared(content: &Content, live: &LiveService) -> Vec<&'static str> {
    let gone = settings::SERVICE
        .iter()
        .filter(|field| live.settings.contains_key(field.name) && !content.settings.contains_key(field.name));
    let (before, after) = (normal_settings(&live.settings), normal_settings(&content.settings));
    gone.map(|field| field.name).filter(|name| before.get(*name) != after.get(*name)).collect()
}

fn normal_settings(values: &Map<String, Value>) -> Map<String, Value> {
    settings::normal(settings::SERVICE, values)
}

/// Returns all tags: the declared ones (or the live ones, if none are declared), and the tool's own.
fn tags(
    wanted: &DesiredService,
    base: Option<&LiveService>,
    policy: &Policy,
) -> BTreeMap<String, Option<String>> {
    let own = |key: &str| policy.ownership.is_own_tag(key);
    let live = || base.into_iter().flat_map(|live| &live.tags).filter(|(key, _)| !own(key));
    let ignored: BTreeSet<&str> = wanted
        .lifecycle
        .ignore
        .iter()
        .filter(|path| path.0[0] == "tags" && base.is_some())
        .map(|path| path.0.get(1).map_or("*", String::as_str))
        .collect();
    let mut tags: BTreeMap<String, Option<String>> = match &wanted.tags {
        Some(declared) if !ignored.contains("*") => declared
            .iter()
            .filter(|(key, _)| !ignored.contains(key.as_str()))
            .chain(live().filter(|(key, _)| ignored.contains(key.as_str())))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        _ => live().map(|(key, value)| (key.clone(), value.clone())).collect(),
    };
    tags.insert(policy.ownership.tag.clone(), Some(policy.ownership.value.clone()));
    if wanted.lifecycle.prevent_removal {
        tags.insert(TAG_PROTECTED.to_owned(), Some("true".to_owned()));
    }
    if let Some(replaces) = base.and_then(|live| live.tags.get(TAG_REPLACES)) {
        tags.insert(TAG_REPLACES.to_owned(), replaces.clone());
    }
    tags
}

/// Returns all version sets except the server's own `edge`: declared ones merged into the live ones, and those that stay
/// as they are.
fn version_sets(
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
    // On Classic the server makes `edge`, and it can't be written. On Platform it is a version set like others.
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

/// Merges a declared version set into the live one. Absent fields, and fields that no manifest names, stay.
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

/// Returns the update that gives a live service this content, and its changes, without version sets.
pub(super) fn fields(content: &Content, live: &LiveService) -> (ServiceUpdate, Vec<Change>) {
    let mut update = ServiceUpdate::default();
    let mut changes = Vec::new();
    let mut change = |path: &str, before: Value, after: Value| {
        changes.push(Change::new(path, before, after));
    };
    if content.name != live.name {
        update.name = Some(content.name.clone());
        change("service", json!(live.name), json!(content.name));
    }
    if let Some(description) = &content.description
        && trimmed(description) != trimmed(&live.description)
    {
        update.description = Some(description.clone());
        change("description", text_or_null(&live.description), json!(description));
    }
    if content.active != live.active {
        update.active = Some(content.active);
        change("active", json!(live.active), json!(content.active));
    }
    if content.agent != live.agent {
        update.agent = Some(content.agent.clone());
        change("agent", json!(live.agent), json!(content.agent));
    }
    if content.context_graph != live.context_graph {
        update.context_graph = Some(content.context_graph.clone());
        change("context_graph", json!(live.context_graph), json!(content.context_graph));
    }
    if !same_keyterms(&content.keyterms, &live.keyterms) {
        update.keyterms = Some(content.keyterms.clone());
        change("keyterms", json!(sorted(&live.keyterms)), json!(sorted(&content.keyterms)));
    }
    if content.tags != live.tags {
        update.tags = Some(content.tags.clone());
        for key in live.tags.keys().chain(content.tags.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (live.tags.get(key), content.tags.get(key));
            if before != after {
                change(&format!("tags.{key}"), tag_value(before), tag_value(after));
            }
        }
    }
    // They are usually identical, so that no normal forms are needed.
    if content.settings != live.settings {
        let (before, after) = (normal_settings(&live.settings), normal_settings(&content.settings));
        for name in settings::SERVICE.iter().map(|field| field.name) {
            let known = changes.len();
            leaves(name, before.get(name), after.get(name), &mut changes);
            if changes.len() > known
                && let Some(value) = content.settings.get(name)
            {
                let only = |value: Option<&Value>| value.map(|value| (name.to_owned(), value.clone()));
                let (before, after) = (only(live.settings.get(name)), only(Some(value)));
                update.settings.extend(patch(&before.into_iter().collect(), &after.into_iter().collect()));
            }
        }
    }
    (update, changes)
}

/// Returns the changes from one state of a service to another, in normal form.
pub fn differences(before: &LiveService, after: &LiveService) -> Vec<Change> {
    let content = Content {
        name: after.name.clone(),
        description: Some(after.description.clone()),
        active: after.active,
        agent: after.agent.clone(),
        context_graph: after.context_graph.clone(),
        tags: after.tags.clone(),
        keyterms: after.keyterms.clone(),
        version_sets: BTreeMap::new(),
        settings: after.settings.clone(),
    };
    let (_, mut changes) = fields(&content, before);
    for change in changes.iter_mut().filter(|change| change.path == "service") {
        change.path = "name".to_owned();
    }
    let names: BTreeSet<_> = before.version_sets.keys().chain(after.version_sets.keys()).collect();
    for name in names {
        changes.extend(version_set(name, before.version_sets.get(name), after.version_sets.get(name)));
    }
    changes
}

/// Adds the changed values below a path, one for each value that is not an object.
fn leaves(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    let null = Value::Null;
    if same_json(before.unwrap_or(&null), after.unwrap_or(&null)) {
        return;
    }
    let members = match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => Some((before.clone(), after.clone())),
        (None, Some(Value::Object(after))) if !after.is_empty() => Some((Map::new(), after.clone())),
        (Some(Value::Object(before)), None) if !before.is_empty() => Some((before.clone(), Map::new())),
        _ => None,
    };
    let Some((before_members, after_members)) = members else {
        let (before, after) = (before.cloned().unwrap_or_default(), after.cloned().unwrap_or_default());
        changes.push(Change::new(path, before, after));
        return;
    };
    for key in before_members.keys().chain(after_members.keys()).collect::<BTreeSet<_>>() {
        leaves(&format!("{path}.{key}"), before_members.get(key), after_members.get(key), changes);
    }
}

/// Returns the changes from one version set to another.
pub(super) fn version_set(
    name: &VersionSetName,
    before: Option<&VersionSet>,
    after: Option<&VersionSet>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let compare = |changes: &mut Vec<Change>, path: String, before: Value, after: Value| {
        if !same_json(&before, &after) {
            changes.push(Change::new(format!("version_sets.{name}.{path}"), before, after));
        }
    };
    let pin = |set: Option<&VersionSet>, get: fn(&VersionSet) -> Pin| {
        set.map_or(Value::Null, |set| pin_value(get(set)))
    };
    compare(
        &mut changes,
        "agent_version".to_owned(),
        pin(before, |set| set.agent_version),
        pin(after, |set| set.agent_version),
    );
    compare(
        &mut changes,
        "context_graph_version".to_owned(),
        pin(before, |set| set.context_graph_version),
        pin(after, |set| set.context_graph_version),
    );
    let preferences =
        |set: Option<&VersionSet>| set.map(|set| set.llm_model_preferences.clone()).unwrap_or_default();
    let (old, new) = (preferences(before), preferences(after));
    for interaction in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let path = format!("version_sets.{name}.llm_model_preferences.{interaction}");
        let (before, after) = (old.get(interaction), new.get(interaction));
        leaves(
            &path,
            before.map(preference_value).as_ref(),
            after.map(preference_value).as_ref(),
            &mut changes,
        );
    }
    let carried = |set: Option<&VersionSet>| set.map(|set| set.carried.clone()).unwrap_or_default();
    let (old, new) = (carried(before), carried(after));
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let value = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
        compare(&mut changes, key.clone(), value(&old), value(&new));
    }
    changes
}

fn same_keyterms(left: &[String], right: &[String]) -> bool {
    sorted(left) == sorted(right)
}

fn sorted(keyterms: &[String]) -> BTreeSet<&str> {
    keyterms.iter().map(|term| trimmed(term)).collect()
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

/// Returns the value of a tag in a report: null if the tag is absent, an empty text if it has no value.
fn tag_value(tag: Option<&Option<String>>) -> Value {
    tag.map_or(Value::Null, |value| json!(value.as_deref().unwrap_or_default()))
}

fn pin_value(pin: Pin) -> Value {
    match pin {
        Pin::Latest => json!("latest"),
        Pin::Number(number) => json!(number),
    }
}

fn preference_value(preference: &LlmPreference) -> Value {
    let LlmPreference { llm_name, params, experience_controls, carried } = preference;
    let mut value = carried.clone();
    value.insert("llm_name".to_owned(), json!(llm_name));
    if !params.is_empty() {
        value.insert("params".to_owned(), json!(params));
    }
    if !experience_controls.is_empty() {
        value.insert("experience_controls".to_owned(), json!(experience_controls));
    }
    Value::Object(value)
}
