//! What the Classic API says and wants, byte for byte. May import `model` only.
//!
//! Reading is tolerant: unknown fields are passed over (or carried, in version sets), missing ones have a
//! meaning. Writing is exact.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::{
    self, LiveService, LlmPreference, NewService, Pin, ServiceUpdate, VersionSet, VersionSetName,
};

/// A service in a list.
#[derive(Deserialize)]
pub(super) struct Service {
    id: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    is_active: Option<bool>,
    agent_id: String,
    service_hierarchical_state_machine_id: String,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    keyterms: Option<Vec<String>>,
    #[serde(default)]
    version_sets: Option<BTreeMap<String, Option<Map<String, Value>>>>,
    #[serde(default)]
    updated_by: Option<Value>,
}

/// Tags: a list in answers; a map is understood, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<Tag>),
    Map(BTreeMap<String, Option<String>>),
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: Option<String>,
}

impl Service {
    pub(super) fn into_live(self) -> LiveService {
        let trimmed = |text: String| text.trim().to_owned();
        let tags = match self.tags {
            None => BTreeMap::new(),
            Some(Tags::List(list)) => {
                list.into_iter().map(|tag| (trimmed(tag.key), tag.value.map(trimmed))).collect()
            }
            Some(Tags::Map(map)) => {
                map.into_iter().map(|(key, value)| (trimmed(key), value.map(trimmed))).collect()
            }
        };
        let sets = self.version_sets.unwrap_or_default();
        LiveService {
            id: self.id.as_str().into(),
            name: self.name.as_str().into(),
            description: trimmed(self.description.unwrap_or_default()),
            active: self.is_active.unwrap_or_default(),
            agent: self.agent_id.as_str().into(),
            context_graph: self.service_hierarchical_state_machine_id.as_str().into(),
            tags,
            keyterms: self.keyterms.unwrap_or_default().into_iter().map(trimmed).collect(),
            version_sets: sets
                .into_iter()
                .map(|(name, set)| (VersionSetName::new(name), version_set(set.unwrap_or_default())))
                .collect(),
            settings: Map::new(),
            system: false,
            updated_by: self.updated_by.and_then(|by| by.get("user_id")?.as_str().map(str::to_owned)),
        }
    }
}

/// The two spellings of each pin; the later one is of the early documents.
const AGENT_VERSION: [&str; 2] = ["agent_version_number", "agent_version"];
const CONTEXT_GRAPH_VERSION: [&str; 3] = [
    "service_hierarchical_state_machine_version_number",
    "service_hierarchical_state_machine_version",
    "context_graph_version",
];
/// What some answers repeat of the service; it belongs to no version set.
const ECHOES: [&str; 2] = ["agent_id", "service_hierarchical_state_machine_id"];

/// Reads a version set; what has no meaning for us is carried.
fn version_set(mut set: Map<String, Value>) -> VersionSet {
    let preferences = match set.remove("llm_model_preferences") {
        Some(Value::Object(preferences)) => preferences,
        _ => Map::new(),
    };
    let agent_version = take_pin(&mut set, &AGENT_VERSION);
    let context_graph_version = take_pin(&mut set, &CONTEXT_GRAPH_VERSION);
    set.retain(|key, _| !ECHOES.contains(&key.as_str()));
    VersionSet {
        agent_version,
        context_graph_version,
        llm_model_preferences: preferences
            .into_iter()
            .filter_map(|(key, value)| Some((key, preference(value)?)))
            .collect(),
        carried: set,
    }
}

fn take_pin(set: &mut Map<String, Value>, spellings: &[&str]) -> Pin {
    let mut pin = Pin::Latest;
    for spelling in spellings.iter().rev() {
        let value = set.remove(*spelling);
        if let Some(number) = value.as_ref().and_then(version_number) {
            pin = Pin::Number(number);
        }
    }
    pin
}

/// A version number: `3`, `3.0` or `"3"`.
pub(super) fn version_number(value: &Value) -> Option<u32> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    (number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX)).then_some(number as u32)
}

/// Parameters that older answers put beside the model's name.
const OLD_PARAMS: [&str; 3] = ["temperature", "top_k", "top_p"];

fn preference(value: Value) -> Option<LlmPreference> {
    let Value::Object(mut fields) = value else { return None };
    // Without a name it is none that a manifest could mean, and it is carried as it is.
    let llm_name =
        fields.remove("llm_name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let mut params = match fields.remove("params") {
        Some(Value::Object(params)) => params,
        _ => Map::new(),
    };
    for key in OLD_PARAMS {
        if let Some(value) = fields.remove(key).filter(|value| !value.is_null()) {
            params.entry(key).or_insert(value);
        }
    }
    Some(LlmPreference { llm_name, params, experience_controls: Map::new(), carried: fields })
}

/// An agent or state machine in a list.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) deprecated: Option<bool>,
    /// Absent and null differ: not said, and no version.
    #[serde(default, deserialize_with = "present")]
    pub(super) latest_version: Option<Value>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A conversation in a list.
#[derive(Deserialize)]
pub(super) struct Conversation {
    pub(super) id: String,
}

/// A dynamic behavior set in a list.
#[derive(Deserialize)]
pub(super) struct BehaviorSet {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    applied_to_services: Option<Vec<String>>,
}

impl BehaviorSet {
    pub(super) fn into_set(self) -> model::BehaviorSet {
        model::BehaviorSet {
            id: self.id.as_str().into(),
            name: self.name.unwrap_or_default(),
            applied_to: self.applied_to_services.iter().flatten().map(|id| id.as_str().into()).collect(),
        }
    }
}

fn pin(pin: Pin) -> Value {
    match pin {
        Pin::Latest => Value::Null,
        Pin::Number(number) => json!(number),
    }
}

/// A version set as PUT and create want it: all three fields present, and what is carried beside them.
pub(super) fn version_set_body(set: &VersionSet) -> Value {
    let VersionSet { agent_version, context_graph_version, llm_model_preferences, carried } = set;
    let preferences: Map<String, Value> = llm_model_preferences
        .iter()
        .map(|(interaction, LlmPreference { llm_name, params, carried, experience_controls: _ })| {
            let mut body = carried.clone();
            if !llm_name.is_empty() {
                body.insert("llm_name".to_owned(), json!(llm_name));
                body.insert("params".to_owned(), json!(params));
            }
            (interaction.clone(), Value::Object(body))
        })
        .collect();
    let mut body = carried.clone();
    body.insert(AGENT_VERSION[0].to_owned(), pin(*agent_version));
    body.insert(CONTEXT_GRAPH_VERSION[0].to_owned(), pin(*context_graph_version));
    body.insert("llm_model_preferences".to_owned(), Value::Object(preferences));
    Value::Object(body)
}

/// The body of a create: `keyterms` and `tags` always, as newer servers refuse to do without.
pub(super) fn create_body(new: &NewService) -> Value {
    let NewService {
        name,
        description,
        active,
        agent,
        context_graph,
        tags,
        keyterms,
        version_sets,
        settings: _,
    } = new;
    let mut body = json!({
        "name": name,
        "description": description,
        "is_active": active,
        "agent_id": agent,
        "service_hierarchical_state_machine_id": context_graph,
        "tags": tags,
        "keyterms": keyterms,
    });
    let release = version_sets.get(VersionSetName::RELEASE);
    if let (Some(release), Some(body)) = (release, body.as_object_mut()) {
        body.insert("release_version_set".to_owned(), version_set_body(release));
    }
    body
}

/// The body of an update: only what changes.
pub(super) fn update_body(update: &ServiceUpdate) -> Value {
    let ServiceUpdate {
        name,
        description,
        active,
        tags,
        keyterms,
        agent,
        context_graph,
        version_sets: _,
        settings: _,
    } = update;
    let mut body = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    put("name", name.as_ref().map(|name| json!(name)));
    put("description", description.as_ref().map(|text| json!(text)));
    put("is_active", active.map(|active| json!(active)));
    put("tags", tags.as_ref().map(|tags| json!(tags)));
    put("keyterms", keyterms.as_ref().map(|terms| json!(terms)));
    put("agent_id", agent.as_ref().map(|id| json!(id)));
    put("service_hierarchical_state_machine_id", context_graph.as_ref().map(|id| json!(id)));
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(value: Value) -> LiveService {
        serde_json::from_value::<Service>(value).expect("a service").into_live()
    }

    #[test]
    fn an_early_answer_without_the_newer_fields_is_understood() {
        let service = live(json!({
            "id": "1", "name": " Meet & Greet ", "description": "x", "icon": null, "active_conversation_id": null,
            "is_active": true, "service_hierarchical_state_machine_id": "g", "agent_id": "a", "conversation_metrics": [],
        }));
        assert_eq!(service.name.as_str(), "Meet & Greet");
        assert!(service.version_sets.is_empty() && service.tags.is_empty());
    }

    #[test]
    fn both_spellings_of_pins_and_old_params_are_read_and_the_rest_is_carried() {
        let service = live(json!({
            "id": "1", "name": "x", "service_hierarchical_state_machine_id": "g", "agent_id": "a",
            "tags": [{"key": "tier", "value": "gold"}, {"key": "audited", "value": null}],
            "version_sets": {"release": {
                "agent_version": 3, "agent_version_number": 3, "context_graph_version": null,
                "service_hierarchical_state_machine_version_number": null, "applied_behavior_ids": ["b"],
                "llm_model_preferences": {"EngageUser": {"llm_name": "m", "temperature": 0.4, "top_p": null, "new": 1}},
            }},
        }));
        let set = &service.version_sets["release"];
        assert_eq!((set.agent_version, set.context_graph_version), (Pin::Number(3), Pin::Latest));
        assert_eq!(Value::Object(set.carried.clone()), json!({"applied_behavior_ids": ["b"]}));
        let preference = &set.llm_model_preferences["EngageUser"];
        assert_eq!(Value::Object(preference.params.clone()), json!({"temperature": 0.4}));
        assert_eq!(
            version_set_body(set),
            json!({
                "agent_version_number": 3, "service_hierarchical_state_machine_version_number": null,
                "applied_behavior_ids": ["b"],
                "llm_model_preferences": {"EngageUser": {"llm_name": "m", "params": {"temperature": 0.4}, "new": 1}},
            })
        );
    }

    #[test]
    fn no_version_and_not_said_differ() {
        let of = |value: Value| serde_json::from_value::<Named>(value).expect("named").latest_version;
        assert_eq!(of(json!({"id": "1", "name": "a"})), None);
        assert_eq!(of(json!({"id": "1", "name": "a", "latest_version": null})), Some(Value::Null));
    }

    #[test]
    fn an_update_sends_only_what_changes() {
        let update =
            ServiceUpdate { active: Some(false), tags: Some(BTreeMap::new()), ..ServiceUpdate::default() };
        assert_eq!(update_body(&update), json!({"is_active": false, "tags": {}}));
    }
}
