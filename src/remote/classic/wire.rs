//! The JSON of the Classic API's requests and answers.
//!
//! Reading is tolerant: missing fields get a default. Unknown fields of version sets are kept, because a write would
//! otherwise remove them. Other unknown fields are ignored. Writing is exact: a request contains only known fields and
//! the fields that were kept.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::pages::ListItem;
use super::super::wire::{self as shared, RawVersionSets, Tags, trim_text};
use crate::model::{self, LiveService, NewService, ServiceUpdate, VersionSet, VersionSetName};

/// A service, as an entry of the list of services.
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
    version_sets: Option<RawVersionSets>,
    #[serde(default)]
    updated_by: Option<Value>,
    #[serde(default)]
    updated_at: Option<Value>,
}

impl ListItem for Service {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Service {
    pub(super) fn into_live(self) -> LiveService {
        let (tags, repeated_tags) = self.tags.map(Tags::into_map).unwrap_or_default();
        LiveService {
            id: self.id.as_str().into(),
            name: self.name.as_str().into(),
            description: trim_text(&self.description.unwrap_or_default()),
            active: self.is_active.unwrap_or_default(),
            agent: self.agent_id.as_str().into(),
            context_graph: self.service_hierarchical_state_machine_id.as_str().into(),
            tags,
            repeated_tags,
            keyterms: self.keyterms.unwrap_or_default().iter().map(|term| trim_text(term)).collect(),
            version_sets: shared::parse_version_sets(self.version_sets),
            settings: Map::new(),
            system: false,
            updated_by: self.updated_by.as_ref().and_then(shared::user_id),
            updated_at: self.updated_at.as_ref().and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// Classic's key for the version of a context graph.
const CONTEXT_GRAPH_VERSION: &str = "service_hierarchical_state_machine_version_number";

/// A conversation, as an entry of the list of conversations.
#[derive(Deserialize)]
pub(super) struct Conversation {
    pub(super) id: String,
}

/// A behavior set, as an entry of the list of behavior sets.
#[derive(Deserialize)]
pub(super) struct BehaviorSet {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    applied_to_services: Option<Vec<String>>,
}

impl ListItem for Conversation {
    fn id(&self) -> &str {
        &self.id
    }
}

impl ListItem for BehaviorSet {
    fn id(&self) -> &str {
        &self.id
    }
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

/// Returns the JSON of a version set for a request that writes the version set or creates a service. The JSON contains
/// the versions of the agent and the context graph, the model preferences, and the unknown fields that were read from
/// the server.
pub(super) fn version_set_body(set: &VersionSet) -> Value {
    Value::Object(shared::version_set_body(set, CONTEXT_GRAPH_VERSION))
}

/// Returns the body of a request that creates a service. It always contains `keyterms` and `tags`, because newer
/// servers require them.
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

/// Returns the body of a request that updates a service: only the changed fields.
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Pin;

    fn live(value: Value) -> LiveService {
        serde_json::from_value::<Service>(value).expect("a service").into_live()
    }

    #[test]
    fn answers_without_newer_fields_are_read() {
        let service = live(json!({
            "id": "1", "name": " Meet & Greet ", "description": "x", "icon": null, "active_conversation_id": null,
            "is_active": true, "service_hierarchical_state_machine_id": "g", "agent_id": "a", "conversation_metrics": [],
        }));
        assert_eq!(service.name.as_str(), "Meet & Greet");
        assert!(service.version_sets.is_empty() && service.tags.is_empty());
    }

    #[test]
    fn old_and_new_keys_are_read_and_unknown_fields_are_kept() {
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
    fn an_update_sends_changed_fields_only() {
        let update =
            ServiceUpdate { active: Some(false), tags: Some(BTreeMap::new()), ..ServiceUpdate::default() };
        assert_eq!(update_body(&update), json!({"is_active": false, "tags": {}}));
    }
}
