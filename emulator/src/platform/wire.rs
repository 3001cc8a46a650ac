//! Converts services to the JSON that answers contain.

use serde_json::{Map, Value, json};

use super::models::{ESCALATION_POLICY, PREFERENCES, VOICE_CONFIG};
use crate::api::exchange::iso;
use crate::state::VersionSet;
use crate::state::{PlatformService, Workspace};

/// Returns the JSON of a service, as answers contain it.
pub(super) fn service(home: &Workspace, service: &PlatformService) -> Value {
    let sets: Map<String, Value> =
        service.version_sets.iter().map(|(name, set)| (name.clone(), version_set(set))).collect();
    let agent = home.agents().get(&service.agent_id);
    let graph = home.context_graphs().get(&service.context_graph_id);
    json!({
        "id": service.id,
        "workspace_id": home.id(),
        "name": service.name,
        "description": service.description,
        "agent_id": service.agent_id,
        "context_graph_id": service.context_graph_id,
        "agent_name": agent.map(|agent| &agent.name),
        "context_graph_name": graph.map(|graph| &graph.name),
        "keyterms": service.keyterms,
        "is_active": service.is_active,
        "version_sets": sets,
        "tags": service.tags,
        "tool_capacity": service.tool_capacity,
        "safety_filters_enabled": service.safety_filters_enabled,
        "channel_type": service.channel_type,
        "environment": service.environment,
        "voice_config": service.voice_config.as_ref().map(|config| VOICE_CONFIG.show(config)),
        "escalation_policy": service.escalation_policy.as_ref().map(|policy| ESCALATION_POLICY.show(policy)),
        "is_system": service.is_system,
        "created_at": iso(service.created_at),
        "updated_at": iso(service.updated_at),
    })
}

fn version_set(set: &VersionSet) -> Value {
    json!({
        "agent_version_number": set.agent_version,
        "context_graph_version_number": set.context_graph_version,
        "llm_model_preferences": PREFERENCES.show(&Value::Object(set.llm_model_preferences.clone())),
    })
}
