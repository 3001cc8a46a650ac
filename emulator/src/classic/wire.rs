//! Converts services, version sets, behavior sets and conversations to the JSON that answers contain.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::exchange::iso;
use crate::state::{BehaviorSet, Conversation, Service, VersionSet};

/// Returns the JSON that represents a user in answers.
pub(super) fn user(organization: &str, user: &str) -> Value {
    json!({"org_id": organization, "user_id": user})
}

/// Returns the JSON of a service, as lists of services contain it.
pub(super) fn service(organization: &str, service: &Service) -> Value {
    let sets: Map<String, Value> = service
        .version_sets
        .iter()
        .map(|(name, set)| (name.clone(), Value::Object(version_set(set))))
        .collect();
    json!({
        "id": service.id,
        "name": service.name,
        "description": service.description,
        "is_active": service.is_active,
        "agent_id": service.agent_id,
        "service_hierarchical_state_machine_id": service.context_graph_id,
        "tags": tag_list(&service.tags),
        "keyterms": service.keyterms,
        "version_sets": sets,
        "creator": user(organization, &service.creator),
        "updated_by": user(organization, &service.updated_by),
    })
}

/// Returns the tags as a JSON list, in reverse order. The API's contract promises no order. The reverse order exposes
/// clients that rely on an order.
fn tag_list(tags: &BTreeMap<String, Option<String>>) -> Vec<Value> {
    tags.iter().rev().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// Returns the JSON of a version set in the form that it has in a list of services.
pub(super) fn version_set(set: &VersionSet) -> Map<String, Value> {
    let mut fields = set.extra.clone();
    fields.insert("agent_version_number".to_owned(), json!(set.agent_version));
    fields.insert(
        "service_hierarchical_state_machine_version_number".to_owned(),
        json!(set.context_graph_version),
    );
    fields.insert("llm_model_preferences".to_owned(), Value::Object(set.llm_model_preferences.clone()));
    fields
}

/// Returns the JSON of a version set for an answer that contains only this version set. The JSON has each version
/// number under two names, because pages of the vendor's documentation disagree on the names.
pub(super) fn version_set_both_ways(set: &VersionSet) -> Map<String, Value> {
    let mut fields = version_set(set);
    fields.insert("agent_version".to_owned(), json!(set.agent_version));
    fields.insert("context_graph_version".to_owned(), json!(set.context_graph_version));
    fields
}

/// Returns the JSON of a behavior set, as lists of behavior sets contain it.
pub(super) fn behavior_set(organization: &str, set: &BehaviorSet) -> Value {
    json!({
        "id": set.id,
        "name": set.name,
        "is_active": set.is_active,
        "applied_to_services": set.applied_to_services,
        "tags": set.tags,
        "creator": user(organization, &set.creator),
        "updated_by": user(organization, &set.updated_by),
        "created_at": iso(set.created_at),
        "updated_at": iso(set.updated_at),
    })
}

/// Returns the JSON of a conversation, as lists of conversations contain it.
pub(super) fn conversation(conversation: &Conversation) -> Value {
    json!({
        "id": conversation.id,
        "user_id": conversation.user_id,
        "service_id": conversation.service_id,
        "created_at": iso(conversation.created_at),
        "is_finished": conversation.is_finished,
        "is_analyzed": false,
        "completed_post_processings": [],
        "final_message": conversation.messages.last().map_or("", String::as_str),
        "num_messages": conversation.messages.len(),
        "tags": conversation.tags,
        "version_set_info": {
            "name": conversation.version_set,
            "agent_version_info": conversation.agent,
            "service_hierarchical_state_machine_version_info": conversation.context_graph,
            "llm_model_preferences": conversation.llm_model_preferences,
        },
    })
}
