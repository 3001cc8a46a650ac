//! Computes the desired content of a service and its differences from the live service. Values are compared in a normal
//! form, so that values with the same meaning are equal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::changes::{
    ChangePath, ChangedValue, Field, FieldChange, ServiceChanges, VersionSetChange, VersionSetChangeKind,
    VersionSetField,
};
use super::leaves::{Leaf, leaves};
use super::merged_sets::version_sets;
use super::records::ChangeRecord;
use super::resolve::ResolvedRefs;
use crate::model::{
    AgentId, Api, ContextGraphId, DesiredService, LiveService, LlmPreference, OriginTag, Pin, Policy,
    ServiceName, ServiceUpdate, TAG_ORIGIN, TAG_PROTECTED, TAG_REPLACES, VersionSet, VersionSetName, merged,
    patch, same_json, settings, trimmed, without_origin,
};

/// All values that a service will have after the plan is applied.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) name: ServiceName,
    /// The description. It is `None` only if the service is new and its manifest has no description.
    pub(super) description: Option<String>,
    pub(super) active: bool,
    pub(super) agent: AgentId,
    pub(super) context_graph: ContextGraphId,
    pub(super) tags: BTreeMap<String, Option<String>>,
    pub(super) keyterms: Vec<String>,
    /// All version sets, except `edge` if the server maintains it.
    pub(super) version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// The Platform settings, without nulls.
    pub(super) settings: Map<String, Value>,
}

/// Returns the content that a manifest asks for. `base` is the live service that the plan changes or replaces, if there
/// is one. Values in `lifecycle.ignore` are copied from it.
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

/// Returns true if a service is active after the plan. `base` is the live service, if there is one.
///
/// A manifest without `active` asks for an active service. But if `lifecycle.ignore` contains `active`, a live service
/// stays as it is.
pub(super) fn is_active(wanted: &DesiredService, base: Option<&LiveService>) -> bool {
    match base {
        Some(live) if ignores_active(wanted) => live.active,
        _ => wanted.active.unwrap_or(true),
    }
}

/// Returns true if a manifest has `active: false`. Returns false if `lifecycle.ignore` contains `active`.
pub(super) fn wants_inactive(wanted: &DesiredService) -> bool {
    wanted.active == Some(false) && !ignores_active(wanted)
}

fn ignores_active(wanted: &DesiredService) -> bool {
    wanted.lifecycle.ignore.iter().any(|path| path.0 == ["active"])
}

/// Returns the Platform settings that a service will have: the live settings, into which the declared ones are merged
/// at every depth.
fn service_settings(wanted: &DesiredService, base: Option<&LiveService>) -> Map<String, Value> {
    // In a merge patch, an empty object changes nothing.
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

/// Removes the value at a path from a merge patch, so that the patch does not change this value.
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

/// Returns the names of the settings that the live service has and `content` lacks. The API can't remove them in an
/// update. Settings whose removal would make no difference are not returned.
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

/// Returns all tags that a service will have: the tags that its manifest declares, and the tags that the tool adds. If
/// the manifest has no `tags`, the live tags are kept.
fn tags(
    wanted: &DesiredService,
    base: Option<&LiveService>,
    policy: &Policy,
) -> BTreeMap<String, Option<String>> {
    let own = |key: &str| policy.ownership.is_own_tag(key);
    // A tag `origin` that amigops has written is not the user's, even if the project does without it now.
    let live = || base.into_iter().flat_map(|live| without_origin(&live.tags)).filter(|(key, _)| !own(key));
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
    // A tag `origin` that amigops did not write stays as it is.
    if let Some(live) = base
        && let Some(value) = live.tags.get(TAG_ORIGIN)
        && policy.ownership.origin
        && OriginTag::of(&live.tags).is_none()
    {
        tags.entry(TAG_ORIGIN.to_owned()).or_insert_with(|| value.clone());
    }
    tags
}

/// Returns true if two services have the same tags for a user. A tag `origin` that amigops has written is ignored,
/// because it is never a change by itself.
pub(super) fn have_same_tags(
    one: &BTreeMap<String, Option<String>>,
    other: &BTreeMap<String, Option<String>>,
) -> bool {
    without_origin(one).eq(without_origin(other))
}

/// Returns the update that gives a live service this content, and the changes that the update makes. Version sets are
/// not included.
pub(super) fn fields(content: &Content, live: &LiveService) -> (ServiceUpdate, Vec<FieldChange>) {
    let mut update = ServiceUpdate::default();
    let mut changes = Vec::new();
    let mut change = |field: Field, before: Value, after: Value| {
        changes.push(FieldChange::new(field, before, after));
    };
    if content.name != live.name {
        update.name = Some(content.name.clone());
        change(Field::Name, json!(live.name), json!(content.name));
    }
    if let Some(description) = &content.description
        && trimmed(description) != trimmed(&live.description)
    {
        update.description = Some(description.clone());
        change(Field::Description, text_or_null(&live.description), json!(description));
    }
    if content.active != live.active {
        update.active = Some(content.active);
        change(Field::Active, json!(live.active), json!(content.active));
    }
    if content.agent != live.agent {
        update.agent = Some(content.agent.clone());
        change(Field::Agent, json!(live.agent), json!(content.agent));
    }
    if content.context_graph != live.context_graph {
        update.context_graph = Some(content.context_graph.clone());
        change(Field::ContextGraph, json!(live.context_graph), json!(content.context_graph));
    }
    if !same_keyterms(&content.keyterms, &live.keyterms) {
        update.keyterms = Some(content.keyterms.clone());
        change(Field::Keyterms, json!(sorted(&live.keyterms)), json!(sorted(&content.keyterms)));
    }
    if !have_same_tags(&content.tags, &live.tags) {
        update.tags = Some(content.tags.clone());
        let [old, new] =
            [&live.tags, &content.tags].map(|tags| without_origin(tags).collect::<BTreeMap<_, _>>());
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (old.get(key).copied(), new.get(key).copied());
            if before != after {
                change(Field::Tag((*key).clone()), tag_value(before), tag_value(after));
            }
        }
    }
    changed_settings(content, live, &mut update, &mut changes);
    (update, changes)
}

/// Adds the changed Platform settings to the update and to the list of changes.
fn changed_settings(
    content: &Content,
    live: &LiveService,
    update: &mut ServiceUpdate,
    changes: &mut Vec<FieldChange>,
) {
    // The settings are usually identical. Then their normal forms need not be computed.
    if content.settings == live.settings {
        return;
    }
    let (before, after) = (normal_settings(&live.settings), normal_settings(&content.settings));
    for name in settings::SERVICE.iter().map(|field| field.name) {
        let leaves = leaves(&[name], before.get(name), after.get(name));
        if !leaves.is_empty()
            && let Some(value) = content.settings.get(name)
        {
            let only = |value: Option<&Value>| value.map(|value| (name.to_owned(), value.clone()));
            let (before, after) = (only(live.settings.get(name)), only(Some(value)));
            update.settings.extend(patch(&before.into_iter().collect(), &after.into_iter().collect()));
        }
        changes.extend(leaves.into_iter().map(|leaf| leaf.change(Field::Setting)));
    }
}

/// Returns the changes that turn one state of a service into another. If two values differ only in form, and not in
/// meaning, this is not a change.
pub fn differences(before: &LiveService, after: &LiveService) -> Vec<ChangeRecord> {
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
    let (_, fields) = fields(&content, before);
    let names: BTreeSet<_> = before.version_sets.keys().chain(after.version_sets.keys()).collect();
    let version_sets = names
        .into_iter()
        .filter_map(|name| version_set(name, before.version_sets.get(name), after.version_sets.get(name)))
        .collect();
    let changes = ServiceChanges { fields, version_sets };
    let change = |value: ChangedValue<'_>| match value.path {
        ChangePath::Field(Field::Name) => ChangeRecord { path: "name".to_owned(), ..value.into() },
        _ => value.into(),
    };
    changes.values().map(change).collect()
}

/// Returns the change that turns one version set into another, or `None` if nothing changes.
pub(super) fn version_set(
    name: &VersionSetName,
    before: Option<&VersionSet>,
    after: Option<&VersionSet>,
) -> Option<VersionSetChange> {
    let mut fields = Vec::new();
    let mut compare = |field: VersionSetField, before: Value, after: Value| {
        if !same_json(&before, &after) {
            fields.push(FieldChange::new(field, before, after));
        }
    };
    let pin = |set: Option<&VersionSet>, get: fn(&VersionSet) -> Pin| {
        set.map_or(Value::Null, |set| pin_value(get(set)))
    };
    compare(
        VersionSetField::AgentVersion,
        pin(before, |set| set.agent_version),
        pin(after, |set| set.agent_version),
    );
    compare(
        VersionSetField::ContextGraphVersion,
        pin(before, |set| set.context_graph_version),
        pin(after, |set| set.context_graph_version),
    );
    for leaf in changed_preferences(before, after) {
        fields.push(leaf.change(VersionSetField::Preference));
    }
    fields.extend(changed_carried_fields(before, after));
    let kind = match (before, after) {
        (None, _) => VersionSetChangeKind::Created,
        (Some(_), Some(_)) => VersionSetChangeKind::Changed,
        (Some(_), None) => VersionSetChangeKind::Deleted,
    };
    (!fields.is_empty()).then(|| VersionSetChange { name: name.clone(), kind, fields })
}

fn changed_preferences(before: Option<&VersionSet>, after: Option<&VersionSet>) -> Vec<Leaf> {
    let nothing = BTreeMap::new();
    let [old, new] = [before, after].map(|set| set.map_or(&nothing, |set| &set.llm_model_preferences));
    let interactions: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    interactions
        .into_iter()
        .flat_map(|interaction| {
            let [before, after] = [old, new].map(|all| all.get(interaction).map(preference_value));
            leaves(&[interaction.as_str()], before.as_ref(), after.as_ref())
        })
        .collect()
}

fn changed_carried_fields(
    before: Option<&VersionSet>,
    after: Option<&VersionSet>,
) -> Vec<FieldChange<VersionSetField>> {
    let nothing = Map::new();
    let [old, new] = [before, after].map(|set| set.map_or(&nothing, |set| &set.carried));
    let mut changes = Vec::new();
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let [before, after] = [old, new].map(|all| all.get(key).cloned().unwrap_or_default());
        if !same_json(&before, &after) {
            changes.push(FieldChange::new(VersionSetField::Other(key.clone()), before, after));
        }
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

/// Returns the value of a tag for a report: null if the tag is absent, and an empty string if the tag has no value.
pub(super) fn tag_value(tag: Option<&Option<String>>) -> Value {
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
