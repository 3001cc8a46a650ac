//! Adds a workspace of a seed to the state. Keys, agents and context graphs are added or updated. Services are added
//! only if the workspace is new.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::items::{SeedItem, known_item, new_item, renewed_item, version_set};
use super::workspace::{
    SeedPlatformService, SeedWorkspace, SeedWorkspaceKey, escalation_policy, platform_set, voice_config,
};
use crate::state::{
    AgentSettings, CatalogItem, PlatformService, Table, VersionSet, Workspace, WorkspaceKey, World,
};

/// Adds or updates the workspace `id` as the seed describes it. Doing this again with the same seed changes nothing.
pub(crate) fn apply_to_workspace(world: &mut World, id: &str, seed: &SeedWorkspace, millis: i64) {
    let is_new = world.workspace(id).is_none();
    let home = world.workspace_or_new(id);
    let settings = AgentSettings { llms: seed.llms.clone(), replies: seed.replies.clone() };
    if *home.settings != settings {
        home.settings = Arc::new(settings);
    }
    for key in &seed.api_keys {
        add_key(world, id, key);
    }
    for agent in &seed.agents {
        add_or_update_item(world, id, agent, millis, |home| &mut home.agents);
    }
    for graph in &seed.context_graphs {
        add_or_update_item(world, id, graph, millis, |home| &mut home.context_graphs);
    }
    for service in seed.services.iter().filter(|_| is_new) {
        add_missing_service(world, id, service, millis);
    }
}

fn add_key(world: &mut World, workspace: &str, seed: &SeedWorkspaceKey) {
    let known = world.workspace_or_new(workspace).api_keys.get(seed.identity()).cloned();
    let sequence = known.as_ref().map_or_else(|| world.next_uuid().0, |known| known.sequence);
    let key = WorkspaceKey {
        id: seed.identity().to_owned(),
        sequence,
        key: seed.key.clone(),
        permissions: seed.permissions.clone(),
    };
    let keys = &mut world.workspace_or_new(workspace).api_keys;
    match known {
        None => keys.push(key),
        Some(known) if known == key => {}
        Some(_) => {
            if let Some(place) = keys.get_mut(seed.identity()) {
                *place = key;
            }
        }
    }
}

fn add_or_update_item(
    world: &mut World,
    workspace: &str,
    seed: &SeedItem,
    millis: i64,
    table: fn(&mut Workspace) -> &mut Table<CatalogItem>,
) {
    let known = known_item(table(world.workspace_or_new(workspace)), seed).cloned();
    let Some(known) = known else {
        let (sequence, id) = world.next_uuid();
        table(world.workspace_or_new(workspace)).push(new_item(seed, sequence, id, millis));
        return;
    };
    let item = renewed_item(seed, &known);
    if item != known
        && let Some(place) = table(world.workspace_or_new(workspace)).get_mut(&known.id)
    {
        *place = item;
    }
}

fn add_missing_service(world: &mut World, workspace: &str, seed: &SeedPlatformService, millis: i64) {
    let home = world.workspace_or_new(workspace);
    let agent = home.agent(&seed.agent.value).map(|agent| agent.id.clone());
    let graph = home.context_graph(&seed.context_graph.value).map(|graph| graph.id.clone());
    // The agent and the context graph exist, because the seed was checked when it was read.
    let (Some(agent), Some(graph)) = (agent, graph) else { return };
    let sets = seed.version_sets.iter();
    let sets = sets.filter_map(|(name, fields)| Some((name.clone(), any_set(&fields.value)?)));
    let basics = PlatformService::new(&seed.name.value, &agent, &graph);
    let service = PlatformService {
        id: seed.id.as_ref().map(|id| id.value.clone()).unwrap_or_default(),
        description: seed.description.clone(),
        is_active: seed.active,
        tags: seed.tag_list(),
        keyterms: seed.keyterms.clone(),
        version_sets: sets.collect(),
        tool_capacity: seed.tool_capacity.as_ref().map_or(basics.tool_capacity, |capacity| capacity.value),
        safety_filters_enabled: seed.safety_filters_enabled,
        channel_type: seed.channel_type.map_or(basics.channel_type.clone(), |kind| kind.name().to_owned()),
        environment: seed.environment.map_or(basics.environment.clone(), |name| name.name().to_owned()),
        voice_config: seed.voice_config.as_ref().and_then(|config| voice_config(&config.value).ok()),
        escalation_policy: seed.escalation_policy.as_ref().and_then(|p| escalation_policy(&p.value).ok()),
        is_system: seed.is_system,
        created_at: millis,
        updated_at: millis,
        ..basics
    };
    world.add_platform_service(workspace, service);
}

/// Reads a version set of a seed. Omits all LLM preferences if one of them is not valid on the Platform API. Invalid
/// preferences can occur in version sets that were copied from an organization. Returns `None` if a version number is
/// invalid.
fn any_set(fields: &Map<String, Value>) -> Option<VersionSet> {
    let without = || {
        let set = version_set(fields).ok()?;
        Some(VersionSet { llm_model_preferences: Map::new(), extra: Map::new(), ..set })
    };
    platform_set(fields).ok().or_else(without)
}
