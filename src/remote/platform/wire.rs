//! The JSON of the Platform API's requests and answers.
//!
//! Reading is tolerant: missing fields get a default. Unknown fields of version sets are kept, because a write would
//! otherwise remove them. Other unknown fields are ignored. Writing is exact: a request contains only known fields and
//! the fields that were kept.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::pages::ListItem;
use super::super::wire::{self as shared, RawVersionSets, Tags, trim_text};
use crate::model::settings::{self, EXPERIENCE_CONTROLS, SERVICE, without_unset};
use crate::model::{LiveService, NewService, ServiceUpdate, VersionSet};

/// A service, as an entry of the list of services. The answer to an update has the same format.
#[derive(Deserialize)]
pub(super) struct Service {
    id: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    is_active: Option<bool>,
    agent_id: String,
    context_graph_id: String,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    keyterms: Option<Vec<String>>,
    #[serde(default)]
    version_sets: Option<RawVersionSets>,
    #[serde(default)]
    is_system: Option<bool>,
    #[serde(default)]
    updated_by: Option<Value>,
    #[serde(default)]
    updated_at: Option<Value>,
    /// The settings of the service, and its unknown fields.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl ListItem for Service {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Service {
    pub(super) fn into_live(self) -> LiveService {
        let mut rest = self.rest;
        rest.retain(|key, _| settings::field(SERVICE, key).is_some());
        let mut version_sets = shared::parse_version_sets(self.version_sets);
        version_sets.values_mut().for_each(take_controls);
        let (tags, repeated_tags) = self.tags.map(Tags::into_map).unwrap_or_default();
        LiveService {
            id: self.id.as_str().into(),
            name: self.name.as_str().into(),
            description: trim_text(&self.description.unwrap_or_default()),
            active: self.is_active.unwrap_or_default(),
            agent: self.agent_id.as_str().into(),
            context_graph: self.context_graph_id.as_str().into(),
            tags,
            repeated_tags,
            keyterms: self.keyterms.unwrap_or_default().iter().map(|term| trim_text(term)).collect(),
            version_sets,
            settings: without_unset(SERVICE, &rest),
            system: self.is_system.unwrap_or_default(),
            updated_by: self.updated_by.as_ref().and_then(shared::user_id),
            updated_at: self.updated_at.as_ref().and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// Platform's key for the version of a context graph.
const CONTEXT_GRAPH_VERSION: &str = "context_graph_version_number";
const CONTROLS: &str = "experience_controls";

/// Moves the experience controls (settings of the model's behavior) of each model preference from the unknown fields
/// into a field of their own. A null means that there are no controls.
fn take_controls(set: &mut VersionSet) {
    for preference in set.llm_model_preferences.values_mut() {
        match preference.carried.remove(CONTROLS) {
            Some(Value::Object(controls)) => {
                preference.experience_controls = without_unset(EXPERIENCE_CONTROLS, &controls);
            }
            None | Some(Value::Null) => {}
            // This value is not an object, so no manifest can declare it. Keep it, so that writes send it back
            // unchanged.
            Some(other) => {
                preference.carried.insert(CONTROLS.to_owned(), other);
            }
        }
    }
}

/// Returns the JSON of a version set for a write. In the JSON, null as a version stands for the latest version.
pub(super) fn version_set_body(set: &VersionSet) -> Value {
    Value::Object(shared::version_set_body(set, CONTEXT_GRAPH_VERSION))
}

/// Returns tags as a list, the format in which the Platform API expects them.
fn tag_list(tags: &std::collections::BTreeMap<String, Option<String>>) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// Returns the body of a request that creates a service. Leaves out settings that are null, because a missing setting
/// has the same effect.
pub(super) fn create_body(new: &NewService) -> Map<String, Value> {
    let NewService {
        name,
        description,
        active,
        agent,
        context_graph,
        tags: new_tags,
        keyterms,
        version_sets,
        settings,
    } = new;
    let sets: Map<String, Value> =
        version_sets.iter().map(|(name, set)| (name.to_string(), version_set_body(set))).collect();
    let mut body = without_unset(SERVICE, settings);
    body.extend([
        ("name".to_owned(), json!(name)),
        ("description".to_owned(), json!(description)),
        ("is_active".to_owned(), json!(active)),
        ("agent_id".to_owned(), json!(agent)),
        ("context_graph_id".to_owned(), json!(context_graph)),
        ("tags".to_owned(), tag_list(new_tags)),
        ("keyterms".to_owned(), json!(keyterms)),
        ("version_sets".to_owned(), Value::Object(sets)),
    ]);
    body
}

/// Returns the body of a request that updates a service: only the changed fields, without version sets. The caller adds
/// version sets and settings with nested fields, because these are written as a whole.
pub(super) fn update_body(update: &ServiceUpdate) -> Map<String, Value> {
    let ServiceUpdate {
        name,
        description,
        active,
        tags: new_tags,
        keyterms,
        agent,
        context_graph,
        version_sets: _,
        settings,
    } = update;
    let mut body = without_unset(SERVICE, settings);
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    put("name", name.as_ref().map(|name| json!(name)));
    put("description", description.as_ref().map(|text| json!(text)));
    put("is_active", active.map(|active| json!(active)));
    put("tags", new_tags.as_ref().map(tag_list));
    put("keyterms", keyterms.as_ref().map(|terms| json!(terms)));
    put("agent_id", agent.as_ref().map(|id| json!(id)));
    put("context_graph_id", context_graph.as_ref().map(|id| json!(id)));
    body
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Pin;

    fn live(value: Value) -> LiveService {
        serde_json::from_value::<Service>(value).expect("a service").into_live()
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn all_fields_are_read() {
        let service = live(json!({
            "id": "s", "workspace_id": "w", "name": " Coach ", "description": " x ", "agent_id": "a",
            "agent_name": "Maya", "context_graph_id": "g", "context_graph_name": "Flow", "is_active": true,
            "keyterms": [" glucose "], "tags": [{"key": " team ", "value": " care "}, {"key": "audited"}],
            "tool_capacity": 5, "safety_filters_enabled": false, "channel_type": "text",
            "environment": "sandbox", "voice_config": {"tts_model": "sonic-3", "eot_timeout_ms": null},
            "escalation_policy": null, "is_system": true, "updated_by": "u", "created_at": "2026-11-22T00:00:00Z",
            "updated_at": "2026-11-22T09:57:12Z",
            "version_sets": {"release": {
                "agent_version_number": 3, "context_graph_version_number": null, "applied_behavior_ids": ["b"],
                "llm_model_preferences": {"EngageUser": {
                    "llm_name": "m", "params": {"x": 1}, "new": 1,
                    "experience_controls": {"verbosity": "low", "seed": null},
                }},
            }},
        }));
        assert_eq!(
            (service.id.as_str(), service.name.as_str(), service.description.as_str()),
            ("s", "Coach", "x")
        );
        assert_eq!((service.agent.as_str(), service.context_graph.as_str()), ("a", "g"));
        assert!(service.active && service.system);
        assert_eq!(service.updated_by.as_deref(), Some("u"));
        assert_eq!(service.updated_at.as_deref(), Some("2026-11-22T09:57:12Z"));
        assert_eq!(service.keyterms, ["glucose"]);
        let tags = [("audited".to_owned(), None), ("team".to_owned(), Some("care".to_owned()))];
        assert_eq!(service.tags, BTreeMap::from(tags));
        let settings = json!({
            "tool_capacity": 5, "safety_filters_enabled": false, "channel_type": "text",
            "environment": "sandbox", "voice_config": {"tts_model": "sonic-3"},
        });
        assert_eq!(Value::Object(service.settings.clone()), settings);
        let set = &service.version_sets["release"];
        assert_eq!((set.agent_version, set.context_graph_version), (Pin::Number(3), Pin::Latest));
        let preference = &set.llm_model_preferences["EngageUser"];
        assert_eq!(Value::Object(preference.experience_controls.clone()), json!({"verbosity": "low"}));
        assert_eq!(
            version_set_body(set),
            json!({
                "agent_version_number": 3, "context_graph_version_number": null,
                "applied_behavior_ids": ["b"],
                "llm_model_preferences": {"EngageUser": {
                    "llm_name": "m", "params": {"x": 1}, "new": 1, "experience_controls": {"verbosity": "low"},
                }},
            })
        );
    }

    #[test]
    fn missing_null_and_unknown_fields_are_accepted() {
        let bare = live(json!({"id": "s", "name": "x", "agent_id": "a", "context_graph_id": "g"}));
        assert!(!bare.active && !bare.system && bare.updated_by.is_none());
        assert!(bare.settings.is_empty() && bare.version_sets.is_empty() && bare.tags.is_empty());
        let nulls = live(json!({
            "id": "s", "name": "x", "agent_id": "a", "context_graph_id": "g", "description": null,
            "is_active": null, "tags": null, "keyterms": null, "version_sets": null, "is_system": null,
            "updated_by": null, "updated_at": null, "voice_config": null, "tool_capacity": null, "from_the_future": {"x": [1]},
        }));
        assert_eq!(nulls, bare);
        let odd = live(json!({
            "id": "s", "name": "x", "agent_id": "a", "context_graph_id": "g", "updated_at": 7, "updated_by": [],
            "version_sets": {"a": null, "b": {"llm_model_preferences": {"E": {"llm_name": "m", "experience_controls": 7}}}},
        }));
        assert_eq!((odd.updated_by, odd.updated_at), (None, None));
        assert_eq!(odd.version_sets["a"], VersionSet::latest());
        let preference = &odd.version_sets["b"].llm_model_preferences["E"];
        assert_eq!(preference.carried["experience_controls"], json!(7));
    }

    #[test]
    fn a_create_sends_all_fields() {
        let mut new = NewService {
            name: "Coach".into(),
            description: String::new(),
            active: false,
            agent: "a".into(),
            context_graph: "g".into(),
            tags: BTreeMap::from([("k".to_owned(), None), ("t".to_owned(), Some("v".to_owned()))]),
            keyterms: vec!["glucose".to_owned()],
            version_sets: BTreeMap::from([("release".into(), VersionSet::latest())]),
            settings: object(
                &json!({"tool_capacity": 5, "voice_config": {"tts_model": null, "eot_timeout_ms": 9}}),
            ),
        };
        let mut wanted = json!({
            "name": "Coach", "description": "", "is_active": false, "agent_id": "a", "context_graph_id": "g",
            "tags": [{"key": "k", "value": null}, {"key": "t", "value": "v"}], "keyterms": ["glucose"],
            "version_sets": {"release": {
                "agent_version_number": null, "context_graph_version_number": null, "llm_model_preferences": {},
            }},
            "tool_capacity": 5, "voice_config": {"eot_timeout_ms": 9},
        });
        assert_eq!(Value::Object(create_body(&new)), wanted);
        (new.version_sets, wanted["version_sets"]) = (BTreeMap::new(), json!({}));
        assert_eq!(Value::Object(create_body(&new)), wanted);
    }

    #[test]
    fn an_update_sends_changed_fields_only() {
        let update = ServiceUpdate {
            active: Some(false),
            tags: Some(BTreeMap::new()),
            settings: object(&json!({"tool_capacity": 2})),
            ..ServiceUpdate::default()
        };
        let wanted = json!({"is_active": false, "tags": [], "tool_capacity": 2});
        assert_eq!(Value::Object(update_body(&update)), wanted);
        assert!(update_body(&ServiceUpdate::default()).is_empty());
    }
}
