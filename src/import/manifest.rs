//! Converts a live service to a document that declares everything that a manifest can declare, except values that come
//! from the project's defaults.

use serde_json::{Map, Value, json};

use super::context::{ImportContext, Note};
use super::layers;
use crate::model::settings::{self, EXPERIENCE_CONTROLS, Kind, SERVICE, SettingField};
use crate::model::{
    Catalog, LiveService, LlmPreference, Pin, TAG_PROTECTED, VersionSet, VersionSetName, forbidden_in_name,
};

/// Returns a new document for a live service that no manifest declares. Adds notes for the user to `notes`.
pub(super) fn document(
    context: &ImportContext<'_>,
    live: &LiveService,
    notes: &mut Vec<Note>,
) -> Map<String, Value> {
    let mut all = fields(context, live, notes);
    let mut overlay = Map::new();
    if context.mixed {
        // Another environment's API has no settings and no experience controls, so they go into this environment's
        // overlay.
        for field in SERVICE {
            overlay.extend(all.remove_entry(field.name));
        }
        // On the other API, ids have another format, and a name that is ambiguous here may be unique. So the document
        // refers to the agent or context graph by name, and the overlay by id.
        let agent = context.snapshot.agents.name_of(&live.agent);
        let graph = context.snapshot.context_graphs.name_of(&live.context_graph);
        for (key, name) in [("agent", agent), ("context_graph", graph)] {
            if let (Some(Value::Object(by_id)), Some(name)) =
                (all.get(key).cloned(), name.and_then(declarable))
            {
                all.insert(key.to_owned(), json!(name));
                overlay.insert(key.to_owned(), Value::Object(by_id));
            }
        }
        overlay.extend(take_controls(&mut all).map(|sets| ("version_sets".to_owned(), sets)));
    }
    let mut document = layers::over_defaults(context.defaults, &all);
    if !overlay.is_empty() {
        document.insert("environments".to_owned(), json!({context.environment: overlay}));
    }
    document
}

fn fields(context: &ImportContext<'_>, live: &LiveService, notes: &mut Vec<Note>) -> Map<String, Value> {
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
    put("service", json!(live.name));
    put("agent", reference(&live.agent, &context.snapshot.agents));
    put("context_graph", reference(&live.context_graph, &context.snapshot.context_graphs));
    if !live.description.trim().is_empty() {
        put("description", json!(live.description.trim()));
    }
    if !live.active || context.defaults.contains_key("active") {
        put("active", json!(live.active));
    }
    if !live.keyterms.is_empty() || context.defaults.contains_key("keyterms") {
        put("keyterms", json!(live.keyterms));
    }
    let tags = tags(context, live);
    if !tags.is_empty() {
        put("tags", Value::Object(tags));
    }
    if let Some(sets) = version_sets(context, live, notes) {
        put("version_sets", Value::Object(sets));
    }
    // Without this key, the next plan would remove the protection.
    if is_protected(live) {
        put("lifecycle", json!({"prevent_removal": true}));
    }
    all.extend(service_settings(context, live));
    all
}

/// Returns true if the live service has the tag that `prevent_removal` sets.
pub(super) fn is_protected(live: &LiveService) -> bool {
    live.tags.get(TAG_PROTECTED).is_some_and(|value| value.as_deref() == Some("true"))
}

/// Returns a reference to an agent or context graph: its name if that is unique, else its id.
pub(super) fn reference<Id: Ord + AsRef<str>>(id: &Id, catalog: &Catalog<Id>) -> Value {
    let name = catalog.name_of(id).and_then(declarable);
    let unique = |name: &&str| matches!(catalog.named(name).as_slice(), [(only, _)] if *only == id);
    match name.filter(unique) {
        Some(name) => json!(name),
        None => json!({"id": id.as_ref()}),
    }
}

/// Returns the trimmed name if a manifest can contain it, otherwise `None`.
fn declarable(name: &str) -> Option<&str> {
    Some(name.trim()).filter(|name| !name.is_empty() && forbidden_in_name(name).is_none())
}

/// Returns the tags of a live service, without the tags that amigops itself sets.
pub(super) fn tags(context: &ImportContext<'_>, live: &LiveService) -> Map<String, Value> {
    let own = |key: &str| context.policy.ownership.is_own_tag(key);
    live.tags.iter().filter(|(key, _)| !own(key)).map(|(key, value)| (key.clone(), json!(value))).collect()
}

/// Returns the live version sets in the form that manifests use. Returns `None` if there are no version sets besides an
/// unpinned `release` without model preferences. Also returns `None`, and adds a note, if `guardrails.require_pins`
/// forbids one of the version sets.
fn version_sets(
    context: &ImportContext<'_>,
    live: &LiveService,
    notes: &mut Vec<Note>,
) -> Option<Map<String, Value>> {
    let is_initial = |name: &VersionSetName, set: &VersionSet| {
        let VersionSet { agent_version, context_graph_version, llm_model_preferences, carried: _ } = set;
        name.is_release()
            && *agent_version == Pin::Latest
            && *context_graph_version == Pin::Latest
            && llm_model_preferences.is_empty()
    };
    let managed = live.version_sets.iter().filter(|(name, _)| !context.policy.is_unmanaged(name));
    let sets: Vec<_> = managed.filter(|(name, set)| !is_initial(name, set)).collect();
    let pinned = |name: &VersionSetName| context.policy.guardrails.require_pins.contains(name);
    let latest =
        |set: &VersionSet| set.agent_version == Pin::Latest || set.context_graph_version == Pin::Latest;
    if let Some((name, _)) = sets.iter().find(|(name, set)| pinned(name) && latest(set)) {
        let message = format!(
            "the version sets of this service are not imported: `{name}` uses `latest`, which `guardrails.require_pins` forbids"
        );
        notes.push(Note::new(&live.name, message));
        return None;
    }
    let sets: Map<String, Value> =
        sets.into_iter().map(|(name, set)| (name.to_string(), version_set(set))).collect();
    (!sets.is_empty()).then_some(sets)
}

/// Converts one version set to the form that it has in a manifest.
pub(super) fn version_set(set: &VersionSet) -> Value {
    let mut value = Map::new();
    value.insert("agent_version".to_owned(), pin(set.agent_version));
    value.insert("context_graph_version".to_owned(), pin(set.context_graph_version));
    if !set.llm_model_preferences.is_empty() {
        let all = set.llm_model_preferences.iter().map(|(name, one)| (name.clone(), preference(one)));
        value.insert("llm_model_preferences".to_owned(), all.collect());
    }
    Value::Object(value)
}

/// Converts a pin to the form that it has in a manifest: a version number, or `latest`.
pub(super) fn pin(pin: Pin) -> Value {
    match pin {
        Pin::Latest => json!("latest"),
        Pin::Number(number) => json!(number),
    }
}

/// Converts one model preference to the form that it has in a manifest. Omits experience controls (settings of the
/// model's behavior) that manifests can't declare.
pub(super) fn preference(one: &LlmPreference) -> Value {
    let mut value = Map::new();
    value.insert("llm_name".to_owned(), json!(one.llm_name));
    if !one.params.is_empty() {
        value.insert("params".to_owned(), json!(one.params));
    }
    let controls = known(EXPERIENCE_CONTROLS, &one.experience_controls);
    if !controls.is_empty() {
        value.insert("experience_controls".to_owned(), Value::Object(controls));
    }
    Value::Object(value)
}

/// Removes the `experience_controls` of all model preferences from the version sets. Returns the removed controls in a
/// mapping with the same structure, or `None` if there are none.
fn take_controls(all: &mut Map<String, Value>) -> Option<Value> {
    const PREFERENCES: &str = "llm_model_preferences";
    const CONTROLS: &str = "experience_controls";
    let mut taken = Map::new();
    for (name, set) in all.get_mut("version_sets")?.as_object_mut()? {
        let Some(preferences) = set.get_mut(PREFERENCES).and_then(Value::as_object_mut) else { continue };
        let mut of_set = Map::new();
        for (interaction, one) in preferences {
            let controls = one.as_object_mut().and_then(|one| one.remove(CONTROLS));
            of_set.extend(controls.map(|controls| (interaction.clone(), json!({CONTROLS: controls}))));
        }
        if !of_set.is_empty() {
            taken.insert(name.clone(), json!({PREFERENCES: of_set}));
        }
    }
    (!taken.is_empty()).then_some(Value::Object(taken))
}

/// Returns the settings that differ from the server's defaults. If the project has a default for a setting, the setting
/// is returned with all its members, so that the default does not change them.
fn service_settings(context: &ImportContext<'_>, live: &LiveService) -> Map<String, Value> {
    let values = settings::normal(SERVICE, &live.settings);
    let mut found = Map::new();
    for field in SERVICE {
        let Some(value) = values.get(field.name).filter(|value| is_declarable(&field.kind, value)) else {
            continue;
        };
        let here = if context.defaults.contains_key(field.name) {
            known_value(&field.kind, value)
        } else {
            let Some(value) = without_defaults(field, value) else { continue };
            value
        };
        found.insert(field.name.to_owned(), here);
    }
    if live.settings.is_empty() && context.defaults.is_empty() { Map::new() } else { found }
}

/// Removes the parts of a setting's value that equal the server's defaults. Returns `None` if nothing is left. A
/// required object is returned even if it is empty.
fn without_defaults(field: &SettingField, value: &Value) -> Option<Value> {
    use settings::Default;
    match field.default {
        Default::Boolean(default) if *value == json!(default) => return None,
        Default::Integer(default) if *value == json!(default) => return None,
        Default::Word(default) if *value == json!(default) => return None,
        _ => {}
    }
    let value = match (&field.kind, value) {
        (Kind::Object(fields), Value::Object(values)) => Value::Object(all_without_defaults(fields, values)),
        (kind, value) => known_value(kind, value),
    };
    let empty = value.as_object().is_some_and(Map::is_empty);
    (!empty || field.required).then_some(value)
}

fn all_without_defaults(fields: &[SettingField], values: &Map<String, Value>) -> Map<String, Value> {
    let member = |field: &SettingField| {
        let value = values.get(field.name).filter(|value| is_declarable(&field.kind, value))?;
        Some((field.name.to_owned(), without_defaults(field, value)?))
    };
    fields.iter().filter_map(member).collect()
}

/// Returns the members of `values` that manifests can declare. All other members are omitted, because no manifest can
/// change them. So a member that amigops does not know does not prevent an import.
pub(super) fn known(fields: &[SettingField], values: &Map<String, Value>) -> Map<String, Value> {
    let known = |field: &SettingField| {
        let value = values.get(field.name).filter(|value| is_declarable(&field.kind, value))?;
        Some((field.name.to_owned(), known_value(&field.kind, value)))
    };
    fields.iter().filter_map(known).collect()
}

/// Returns true if a manifest can declare `value` for a setting of this kind. The members of an object are checked
/// separately.
fn is_declarable(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::OneOf(words), Value::String(text)) => words.contains(&text.as_str()),
        (Kind::Text { min, max }, Value::String(text)) => (*min..=*max).contains(&text.chars().count()),
        (Kind::Integer { min, max }, Value::Number(number)) => {
            number.as_i64().is_some_and(|number| (*min..=*max).contains(&number))
        }
        (Kind::Number { min, max }, Value::Number(number)) => {
            number.as_f64().is_some_and(|number| (*min..=*max).contains(&number))
        }
        (Kind::List(of), Value::Array(items)) => items.iter().all(|item| is_declarable(of, item)),
        (Kind::Map { of, most }, Value::Object(members)) => {
            members.len() <= *most && members.values().all(|value| is_declarable(of, value))
        }
        (Kind::TextOrList, Value::Array(items)) => items.iter().all(Value::is_string),
        (Kind::Boolean, Value::Bool(_))
        | (Kind::TextOrList, Value::String(_))
        | (Kind::Any, _)
        | (Kind::Object(_), Value::Object(_)) => true,
        _ => false,
    }
}

fn known_value(kind: &Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Object(fields), Value::Object(values)) => Value::Object(known(fields, values)),
        (Kind::Map { of, .. }, Value::Object(values)) => {
            values.iter().map(|(key, value)| (key.clone(), known_value(of, value))).collect()
        }
        (_, value) => value.clone(),
    }
}
