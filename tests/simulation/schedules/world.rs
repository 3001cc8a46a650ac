//! Converts random live states to the emulator's types, and the emulator's services to rows that the rules can
//! compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::message::SimulatedRequest;
use crate::generate;
use crate::model::*;
use amigops_emulator::{
    self as emulator, InProcess, PlatformService, SANDBOX_WORKSPACE, Seed, ServiceTag, World,
};

/// The name of the organization in tests on Classic. Tests on Platform use a workspace with the same content.
pub(crate) const ORGANIZATION: &str = "lab";

/// Returns the time that the virtual clock shows at the start of each simulation.
pub(crate) fn start_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Returns a clock that follows the runtime's virtual time.
pub(super) fn virtual_clock(start: Instant) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
    Arc::new(move || start_time() + start.elapsed())
}

const SEED: &str = "
organizations:
  lab:
    agents: [{name: A1, versions: 5}, {name: A2, versions: 5}, {name: A3, versions: 5}, {name: A4, versions: 5}]
    context_graphs: [{name: G1, versions: 5}, {name: G2, versions: 5}]
    services: [{name: first, description: x, agent: A1, context_graph: G1, active: false}]
    behavior_sets: [{name: Escalate, applied_to: [first]}]
";

/// Returns the seed of the emulator in all tests: keys, agents, context graphs, and one service.
pub(crate) fn seed() -> Seed {
    let mut seed = Seed::from_yaml(SEED).expect("the seed is valid");
    seed.ensure_api_key(ORGANIZATION, "id", "key", "user");
    seed.mirror_organization(ORGANIZATION, SANDBOX_WORKSPACE);
    seed.ensure_workspace_key(SANDBOX_WORKSPACE, "key");
    seed
}

/// Returns the emulator's state after the seed was applied. It is made only once, because that takes longer than a
/// short simulation.
pub(super) fn seeded_world() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let open = || {
        let mut options = emulator::Options::new(Arc::new(start_time));
        options.seed = Some(seed());
        InProcess::open(options).expect("the emulator starts").world()
    };
    WORLD.get_or_init(open).clone()
}

/// Adds the live services of a case to the emulator's state.
pub(crate) fn add_live_services(api: Api, world: &mut World, live: &Snapshot) {
    match api {
        Api::Classic => add_to_organization(world, live),
        Api::Platform => add_to_workspace(world, live),
    }
}

fn add_to_organization(world: &mut World, live: &Snapshot) {
    let organization = world.organization(ORGANIZATION).expect("it exists").clone();
    let mut applied = Vec::new();
    for service in &live.services {
        let agent = &organization.agent(&service.agent.as_str().to_uppercase()).expect("the agent exists").id;
        let graph = &organization
            .context_graph(&service.context_graph.as_str().to_uppercase())
            .expect("the graph exists")
            .id;
        let mut row = emulator::Service::new(service.name.as_str(), agent, graph);
        row.description.clone_from(&service.description);
        row.is_active = service.active;
        row.tags.clone_from(&service.tags);
        row.version_sets.extend(version_sets(service));
        let id = world.add_service(ORGANIZATION, row).expect("the service is valid");
        if live.behavior_sets.get(&service.id).is_some_and(|sets| !sets.is_empty()) {
            applied.push(id);
        }
    }
    let organization = world.organization_mut(ORGANIZATION).expect("it exists");
    let set = organization.behavior_sets().iter().next().expect("the seed has one").id.clone();
    organization.behavior_sets_mut().get_mut(&set).expect("it exists").applied_to_services = applied;
}

/// Adds the live services of a case on Platform. Omits a random setting that no schema has, because the server would
/// drop it, too.
fn add_to_workspace(world: &mut World, live: &Snapshot) {
    let workspace = world.workspace_mut(SANDBOX_WORKSPACE).expect("it exists");
    let seeded: Vec<String> = workspace.services().iter().map(|service| service.id.clone()).collect();
    for id in seeded {
        workspace.services_mut().remove(&id);
    }
    let workspace = workspace.clone();
    for service in &live.services {
        let agent = &workspace.agent(&service.agent.as_str().to_uppercase()).expect("the agent exists").id;
        let graph = &workspace
            .context_graph(&service.context_graph.as_str().to_uppercase())
            .expect("the graph exists")
            .id;
        let mut row = PlatformService::new(service.name.as_str(), agent, graph);
        row.description.clone_from(&service.description);
        row.is_active = service.active;
        row.tags = tag_list(&service.tags);
        row.version_sets.extend(version_sets(service));
        row.tool_capacity = service.settings["tool_capacity"].as_u64().expect("a number") as u8;
        let block = |name: &str| {
            let normal = settings::normal(settings::SERVICE, &service.settings);
            let mut block = normal.get(name)?.as_object()?.clone();
            block.remove("unheard_of");
            Some(block)
        };
        row.voice_config = block("voice_config");
        row.escalation_policy = block("escalation_policy");
        world.add_platform_service(SANDBOX_WORKSPACE, row).expect("the service is valid");
    }
}

pub(super) fn tag_list(tags: &BTreeMap<String, Option<String>>) -> Vec<ServiceTag> {
    tags.iter().map(|(key, value)| ServiceTag { key: key.clone(), value: value.clone() }).collect()
}

fn version_sets(service: &LiveService) -> impl Iterator<Item = (String, emulator::VersionSet)> {
    let number = |pin: Pin| match pin {
        Pin::Latest => None,
        Pin::Number(number) => Some(number),
    };
    service.version_sets.iter().map(move |(name, set)| {
        let set = emulator::VersionSet {
            agent_version: number(set.agent_version),
            context_graph_version: number(set.context_graph_version),
            ..emulator::VersionSet::default()
        };
        (name.as_str().to_owned(), set)
    })
}

/// Adds data that no run may change: services that the project does not own, and fields of version sets that no
/// manifest names.
pub(super) fn add_unowned_services(api: Api, world: &mut World) {
    let owner = |value: &str| BTreeMap::from([("managed_by".to_owned(), Some(value.to_owned()))]);
    let services = [("Bystander", BTreeMap::new()), ("Foreign", owner("terraform"))];
    match api {
        Api::Classic => {
            let home = world.organization_mut(ORGANIZATION).expect("it exists");
            let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
            let (agent, graph) =
                (agent.expect("the agent exists").id.clone(), graph.expect("the graph exists").id.clone());
            let ids: Vec<_> = home.services().iter().map(|service| service.id.clone()).collect();
            for id in &ids {
                let service = home.services_mut().get_mut(id).expect("it exists");
                add_undeclared_preference(service.version_sets.iter_mut());
                let named = service.version_sets.iter_mut().filter(|(name, _)| *name != "edge");
                named.for_each(|(_, set)| {
                    set.extra.insert("applied_behavior_ids".to_owned(), json!([id]));
                });
            }
            for (name, tags) in services {
                let mut row = emulator::Service::new(name, &agent, &graph);
                row.tags = tags;
                row.is_active = true;
                world.add_service(ORGANIZATION, row).expect("the service is valid");
            }
        }
        Api::Platform => {
            let home = world.workspace_mut(SANDBOX_WORKSPACE).expect("it exists");
            let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
            let (agent, graph) =
                (agent.expect("the agent exists").id.clone(), graph.expect("the graph exists").id.clone());
            let ids: Vec<_> = home.services().iter().map(|service| service.id.clone()).collect();
            for id in &ids {
                add_undeclared_preference(
                    home.services_mut().get_mut(id).expect("it exists").version_sets.iter_mut(),
                );
            }
            for (name, tags) in services.into_iter().chain([("System", BTreeMap::new())]) {
                let mut row = PlatformService::new(name, &agent, &graph);
                row.tags = tag_list(&tags);
                row.is_system = name == "System";
                world.add_platform_service(SANDBOX_WORKSPACE, row).expect("the service is valid");
            }
        }
    }
}

/// Adds services that the project does not own, so that the project's services are not the first and the last ones in a
/// list.
pub(super) fn add_decoys(api: Api, world: &mut World) {
    for number in 1..=3 {
        let name = format!("Decoy {number}");
        match api {
            Api::Classic => {
                let home = world.organization(ORGANIZATION).expect("it exists");
                let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
                let (agent, graph) = (agent.expect("the agent exists"), graph.expect("the graph exists"));
                let row = emulator::Service::new(&name, &agent.id, &graph.id);
                world.add_service(ORGANIZATION, row).expect("the service is valid");
            }
            Api::Platform => {
                let home = world.workspace(SANDBOX_WORKSPACE).expect("it exists");
                let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
                let (agent, graph) = (agent.expect("the agent exists"), graph.expect("the graph exists"));
                let row = PlatformService::new(&name, &agent.id, &graph.id);
                world.add_platform_service(SANDBOX_WORKSPACE, row).expect("the service is valid");
            }
        }
    }
}

/// Carries out a rename on Classic that the emulator has refused, because an active service already has the name.
/// Returns false if the request is not such a rename.
pub(super) fn rename_without_check(emulator: &InProcess, request: &SimulatedRequest) -> bool {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&request.body) else { return false };
    let id = request.target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let Some(name) = body.get("name").and_then(Value::as_str) else { return false };
    if body.contains_key("is_active") || request.method != "POST" {
        return false;
    }
    let mut renamed = false;
    let rename = |world: &mut World| {
        let home = world.organization_mut(ORGANIZATION).expect("it exists");
        let Some(service) = home.services_mut().get_mut(id).filter(|service| service.is_active) else {
            return;
        };
        service.name = name.to_owned();
        if let Some(Ok(tags)) = body.get("tags").map(|tags| serde_json::from_value(tags.clone())) {
            service.tags = tags;
        }
        renamed = true;
    };
    emulator.edit(rename).expect("the state can be edited");
    renamed
}

/// Adds an LLM preference to each version set. No manifest names it.
fn add_undeclared_preference<'a>(sets: impl Iterator<Item = (&'a String, &'a mut emulator::VersionSet)>) {
    for (_, set) in sets.filter(|(name, _)| *name != "edge") {
        let preference = json!({"llm_name": "openai_gpt-5", "params": {}});
        set.llm_model_preferences.insert("EngageUser".to_owned(), preference);
    }
}

/// A service of either API, with only the values that the rules compare.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) description: String,
    pub(super) agent: String,
    pub(super) graph: String,
    pub(super) tags: BTreeMap<String, Option<String>>,
    pub(super) keyterms: Vec<String>,
    pub(super) sets: BTreeMap<String, emulator::VersionSet>,
    pub(super) blocks: [Option<Map<String, Value>>; 2],
    pub(super) system: bool,
}

impl Row {
    /// Returns the value of a tag. Returns `None` if the service has no such tag, or if the tag has no value.
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key)?.as_deref()
    }

    /// Returns true if the project owns the service.
    pub(super) fn is_owned(&self) -> bool {
        self.tag("managed_by") == Some("amigops")
    }
}

/// Returns the id of the agent with this name.
pub(super) fn agent_id(api: Api, world: &World, name: &str) -> String {
    let agent = match api {
        Api::Classic => world.organization(ORGANIZATION).and_then(|home| home.agent(name)),
        Api::Platform => world.workspace(SANDBOX_WORKSPACE).and_then(|home| home.agent(name)),
    };
    agent.map(|agent| agent.id.clone()).unwrap_or_default()
}

/// All services, by their ids.
pub(super) type Rows = BTreeMap<String, Row>;

/// Returns all services of the organization or the workspace.
pub(super) fn rows(api: Api, world: &World) -> Rows {
    match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it exists");
            home.services().iter().map(|service| (service.id.clone(), classic_row(service))).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it exists");
            home.services().iter().map(|service| (service.id.clone(), platform_row(service))).collect()
        }
    }
}

fn classic_row(service: &emulator::Service) -> Row {
    Row {
        name: service.name.clone(),
        active: service.is_active,
        description: service.description.clone(),
        agent: service.agent_id.clone(),
        graph: service.context_graph_id.clone(),
        tags: service.tags.clone(),
        keyterms: service.keyterms.clone(),
        sets: service.version_sets.clone(),
        blocks: [None, None],
        system: false,
    }
}

fn platform_row(service: &PlatformService) -> Row {
    Row {
        name: service.name.clone(),
        active: service.is_active,
        description: service.description.clone(),
        agent: service.agent_id.clone(),
        graph: service.context_graph_id.clone(),
        tags: service.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect(),
        keyterms: service.keyterms.clone(),
        sets: service.version_sets.clone(),
        blocks: [service.voice_config.clone(), service.escalation_policy.clone()],
        system: service.is_system,
    }
}

/// Returns the policy that all cases use. It is made only once, because compiling its patterns takes time.
pub(super) fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(generate::policy)
}

/// Returns true if the server of a case may refuse names that inactive services have. For that, all names must be
/// unique, and every inactive service must be owned by the project.
pub(crate) fn may_refuse_inactive_names(live: &Snapshot) -> bool {
    let names: BTreeSet<&ServiceName> = live.services.iter().map(|service| &service.name).collect();
    let is_unowned_inactive =
        |service: &LiveService| !service.active && !policy().ownership.owns(&service.tags);
    names.len() == live.services.len() && !live.services.iter().any(is_unowned_inactive)
}
