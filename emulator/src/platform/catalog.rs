//! The endpoints that return agents, context graphs and their versions.

use serde_json::{Value, json};

use super::Call;
use super::listing::ListQuery;
use crate::api::exchange::{Answer, iso};
use crate::api::problems::RequestProblems;
use crate::api::refusal::Refusal;
use crate::state::Table;
use crate::state::Workspace;
use crate::state::{CatalogItem, World};

const PAGE_MAX: u32 = 20;

/// The differences between the endpoints for agents and the endpoints for context graphs.
pub(super) struct Catalog {
    what: &'static str,
    id: &'static str,
    table: fn(&Workspace) -> &Table<CatalogItem>,
    show: fn(&Workspace, &CatalogItem) -> Value,
    show_version: fn(&Workspace, &CatalogItem, u32) -> Value,
}

pub(super) const AGENTS: Catalog = Catalog {
    what: "agent",
    id: "agent_id",
    table: Workspace::agents,
    show: item,
    show_version: agent_version,
};

pub(super) const CONTEXT_GRAPHS: Catalog = Catalog {
    what: "context graph",
    id: "context_graph_id",
    table: Workspace::context_graphs,
    show: context_graph,
    show_version: context_graph_version,
};

/// Answers `GET /agents` or `GET /context-graphs`: lists agents or context graphs.
pub(super) fn list(call: &Call<'_>, world: &World, catalog: &Catalog) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let wanted = ListQuery::read(call, &mut problems, PAGE_MAX, &["name", "created_at", "updated_at"]);
    problems.done()?;
    let home = call.home(world)?;
    let rows = (catalog.table)(home).iter().filter(|item| wanted.matches(&item.name));
    let compare = |field, a: &&CatalogItem, b: &&CatalogItem| match field {
        "name" => a.name.cmp(&b.name),
        "created_at" => a.created_at.cmp(&b.created_at),
        _ => version_created_at(a, a.versions).cmp(&version_created_at(b, b.versions)),
    };
    let document = wanted.document(rows.collect(), compare, |item| (catalog.show)(home, item));
    Ok(Answer::json(200, &document))
}

fn find<'w>(call: &Call<'_>, home: &'w Workspace, catalog: &Catalog) -> Result<&'w CatalogItem, Refusal> {
    let id = call.only_id(catalog.id)?;
    let missing = || Refusal::NotFound(format!("{} {id} does not exist", catalog.what));
    (catalog.table)(home).get(&id).ok_or_else(missing)
}

/// Answers `GET /agents/{id}` or `GET /context-graphs/{id}`: returns one agent or context graph.
pub(super) fn get(call: &Call<'_>, world: &World, catalog: &Catalog) -> Result<Answer, Refusal> {
    let home = call.home(world)?;
    Ok(Answer::json(200, &(catalog.show)(home, find(call, home, catalog)?)))
}

/// Answers `GET /agents/{id}/versions` or `GET /context-graphs/{id}/versions`: lists the versions of an agent or
/// context graph.
pub(super) fn versions(call: &Call<'_>, world: &World, catalog: &Catalog) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    call.id(&mut problems, catalog.id);
    let wanted = ListQuery::read(call, &mut problems, PAGE_MAX, &["version", "created_at", "updated_at"]);
    problems.done()?;
    let home = call.home(world)?;
    let item = find(call, home, catalog)?;
    // Every field to sort by gives the same order, because a higher version was always created later.
    let document = wanted.document(
        (1..=item.versions).collect(),
        |_, a, b| a.cmp(b),
        |version| (catalog.show_version)(home, item, version),
    );
    Ok(Answer::json(200, &document))
}

/// Returns an invented time of creation for a version, in milliseconds since 1970, because the state does not store the
/// real time. The time is one minute after the time of the previous version.
fn version_created_at(item: &CatalogItem, version: u32) -> i64 {
    item.created_at + i64::from(version.saturating_sub(1)) * 60_000
}

/// Returns the id of a version: the id of the agent or context graph, with its last eight digits replaced by the
/// version number.
fn version_id(item: &CatalogItem, version: u32) -> String {
    let head = item.id.get(..28).unwrap_or_default();
    format!("{head}{version:08x}")
}

fn item(home: &Workspace, item: &CatalogItem) -> Value {
    json!({
        "id": item.id,
        "workspace_id": home.id(),
        "name": item.name,
        "description": "",
        "latest_version": item.versions,
        "created_at": iso(item.created_at),
        "updated_at": iso(version_created_at(item, item.versions)),
    })
}

fn context_graph(home: &Workspace, graph: &CatalogItem) -> Value {
    let mut document = item(home, graph);
    document["state_count"] = json!(u8::from(graph.versions > 0));
    document
}

fn agent_version(home: &Workspace, agent: &CatalogItem, version: u32) -> Value {
    let initials: String = agent.name.split_whitespace().filter_map(|word| word.chars().next()).collect();
    json!({
        "id": version_id(agent, version),
        "workspace_id": home.id(),
        "agent_id": agent.id,
        "version": version,
        "name": agent.name,
        "initials": initials,
        "identity": {
            "name": agent.name,
            "role": "assistant",
            "developed_by": "operator",
            "default_spoken_language": "eng",
            "relationship_to_developer": {
                "ownership": "owned by its developer",
                "type": "product",
                "conversation_visibility": "visible",
                "thought_visibility": "visible",
            },
        },
        "voice_config": null,
        "background": format!("{} in its version {version}", agent.name),
        "behaviors": [],
        "communication_patterns": [],
        "created_at": iso(version_created_at(agent, version)),
        "updated_at": iso(version_created_at(agent, version)),
    })
}

fn context_graph_version(home: &Workspace, graph: &CatalogItem, version: u32) -> Value {
    json!({
        "id": version_id(graph, version),
        "workspace_id": home.id(),
        "context_graph_id": graph.id,
        "version": version,
        "description": format!("{} in its version {version}", graph.name),
        "states": [{
            "type": "action",
            "name": "engage",
            "objective": "answer",
            "actions": [],
            "intra_state_navigation_guidelines": [],
            "action_guidelines": [],
            "boundary_constraints": [],
            "exit_conditions": [],
        }],
        "new_user_initial_state": "engage",
        "returning_user_initial_state": "engage",
        "terminal_state": "engage",
        "global_intra_state_navigation_guidelines": [],
        "global_action_guidelines": [],
        "global_boundary_constraints": [],
        "topology_description": null,
        "created_at": iso(version_created_at(graph, version)),
        "updated_at": iso(version_created_at(graph, version)),
    })
}
