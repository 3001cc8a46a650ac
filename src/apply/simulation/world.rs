//! Generated live states in the emulator's words, and the emulator's services in ours. May import `model` and
//! `emulator`.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::parcel::Parcel;
use crate::model::*;
use amigops_emulator::{
    self as emulator, InProcess, PlatformService, SANDBOX_WORKSPACE, Seed, ServiceTag, World,
};

/// The organization of both APIs' tests; on Platform, its mirror.
pub(in crate::apply) const ORGANIZATION: &str = "lab";

/// When it all begins.
pub(in crate::apply) fn beginning() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

const SEED: &str = "
organizations:
  lab:
    agents: [{name: A1, versions: 5}, {name: A2, versions: 5}, {name: A3, versions: 5}, {name: A4, versions: 5}]
    context_graphs: [{name: G1, versions: 5}, {name: G2, versions: 5}]
    services: [{name: first, description: x, agent: A1, context_graph: G1, active: false}]
    behavior_sets: [{name: Escalate, applied_to: [first]}]
";

/// What is there before the services, the keys included.
pub(in crate::apply) fn seed() -> Seed {
    let mut seed = Seed::from_yaml(SEED).expect("a seed");
    seed.ensure_api_key(ORGANIZATION, "id", "key", "user");
    seed.mirror_organization(ORGANIZATION, SANDBOX_WORKSPACE);
    seed.ensure_workspace_key(SANDBOX_WORKSPACE, "key");
    seed
}

/// The same as a world. It is read once: reading it takes longer than a short simulation.
pub(super) fn seeded() -> World {
    static WORLD: OnceLock<World> = OnceLock::new();
    let open = || {
        let mut options = emulator::Options::new(std::sync::Arc::new(beginning));
        options.seed = Some(seed());
        InProcess::open(options).expect("an emulator").world()
    };
    WORLD.get_or_init(open).clone()
}

/// Puts the live services there.
pub(in crate::apply) fn fill(api: Api, world: &mut World, live: &Snapshot) {
    match api {
        Api::Classic => fill_organization(world, live),
        Api::Platform => fill_workspace(world, live),
    }
}

fn fill_organization(world: &mut World, live: &Snapshot) {
    let organization = world.organization(ORGANIZATION).expect("it is there").clone();
    let mut applied = Vec::new();
    for service in &live.services {
        let agent = &organization.agent(&service.agent.as_str().to_uppercase()).expect("an agent").id;
        let graph =
            &organization.context_graph(&service.context_graph.as_str().to_uppercase()).expect("a graph").id;
        let mut row = emulator::Service::new(service.name.as_str(), agent, graph);
        row.description.clone_from(&service.description);
        row.is_active = service.active;
        row.tags.clone_from(&service.tags);
        row.version_sets.extend(sets(service));
        let id = world.add_service(ORGANIZATION, row).expect("a service");
        if live.behavior_sets.get(&service.id).is_some_and(|sets| !sets.is_empty()) {
            applied.push(id);
        }
    }
    let organization = world.organization_mut(ORGANIZATION).expect("it is there");
    let set = organization.behavior_sets().iter().next().expect("the seed has one").id.clone();
    organization.behavior_sets_mut().get_mut(&set).expect("it is there").applied_to_services = applied;
}

/// The same for Platform. The generated field that no schema knows is left out: the server would, too.
fn fill_workspace(world: &mut World, live: &Snapshot) {
    let workspace = world.workspace_mut(SANDBOX_WORKSPACE).expect("it is there");
    let seeded: Vec<String> = workspace.services().iter().map(|service| service.id.clone()).collect();
    for id in seeded {
        workspace.services_mut().remove(&id);
    }
    let workspace = workspace.clone();
    for service in &live.services {
        let agent = &workspace.agent(&service.agent.as_str().to_uppercase()).expect("an agent").id;
        let graph =
            &workspace.context_graph(&service.context_graph.as_str().to_uppercase()).expect("a graph").id;
        let mut row = PlatformService::new(service.name.as_str(), agent, graph);
        row.description.clone_from(&service.description);
        row.is_active = service.active;
        row.tags = tag_list(&service.tags);
        row.version_sets.extend(sets(service));
        row.tool_capacity = service.settings["tool_capacity"].as_u64().expect("a number") as u8;
        let block = |name: &str| {
            let normal = settings::normal(settings::SERVICE, &service.settings);
            let mut block = normal.get(name)?.as_object()?.clone();
            block.remove("unheard_of");
            Some(block)
        };
        row.voice_config = block("voice_config");
        row.escalation_policy = block("escalation_policy");
        world.add_platform_service(SANDBOX_WORKSPACE, row).expect("a service");
    }
}

pub(super) fn tag_list(tags: &BTreeMap<String, Option<String>>) -> Vec<ServiceTag> {
    tags.iter().map(|(key, value)| ServiceTag { key: key.clone(), value: value.clone() }).collect()
}

fn sets(service: &LiveService) -> impl Iterator<Item = (String, emulator::VersionSet)> {
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

/// Adds what nobody's business here is: other people's services, and fields of version sets that no manifest
/// names.
pub(super) fn add_strangers(api: Api, world: &mut World) {
    let owner = |value: &str| BTreeMap::from([("managed_by".to_owned(), Some(value.to_owned()))]);
    let strangers = [("Bystander", BTreeMap::new()), ("Foreign", owner("terraform"))];
    match api {
        Api::Classic => {
            let home = world.organization_mut(ORGANIZATION).expect("it is there");
            let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
            let (agent, graph) = (agent.expect("an agent").id.clone(), graph.expect("a graph").id.clone());
            let ids: Vec<_> = home.services().iter().map(|service| service.id.clone()).collect();
            for id in &ids {
                let service = home.services_mut().get_mut(id).expect("it is there");
                enrich(service.version_sets.iter_mut());
                let named = service.version_sets.iter_mut().filter(|(name, _)| *name != "edge");
                named.for_each(|(_, set)| {
                    set.extra.insert("applied_behavior_ids".to_owned(), json!([id]));
                });
            }
            for (name, tags) in strangers {
                let mut row = emulator::Service::new(name, &agent, &graph);
                row.tags = tags;
                row.is_active = true;
                world.add_service(ORGANIZATION, row).expect("a service");
            }
        }
        Api::Platform => {
            let home = world.workspace_mut(SANDBOX_WORKSPACE).expect("it is there");
            let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
            let (agent, graph) = (agent.expect("an agent").id.clone(), graph.expect("a graph").id.clone());
            let ids: Vec<_> = home.services().iter().map(|service| service.id.clone()).collect();
            for id in &ids {
                enrich(home.services_mut().get_mut(id).expect("it is there").version_sets.iter_mut());
            }
            for (name, tags) in strangers.into_iter().chain([("System", BTreeMap::new())]) {
                let mut row = PlatformService::new(name, &agent, &graph);
                row.tags = tag_list(&tags);
                row.is_system = name == "System";
                world.add_platform_service(SANDBOX_WORKSPACE, row).expect("a service");
            }
        }
    }
}

/// Adds services of others that lists begin or end with.
pub(super) fn add_decoys(api: Api, world: &mut World) {
    for number in 1..=3 {
        let name = format!("Decoy {number}");
        match api {
            Api::Classic => {
                let home = world.organization(ORGANIZATION).expect("it is there");
                let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
                let (agent, graph) = (agent.expect("an agent"), graph.expect("a graph"));
                let row = emulator::Service::new(&name, &agent.id, &graph.id);
                world.add_service(ORGANIZATION, row).expect("a service");
            }
            Api::Platform => {
                let home = world.workspace(SANDBOX_WORKSPACE).expect("it is there");
                let (agent, graph) = (home.agent("A1"), home.context_graph("G1"));
                let (agent, graph) = (agent.expect("an agent"), graph.expect("a graph"));
                let row = PlatformService::new(&name, &agent.id, &graph.id);
                world.add_platform_service(SANDBOX_WORKSPACE, row).expect("a service");
            }
        }
    }
}

/// Carries out a rename on Classic that the emulator refuses because an active service has the name; returns whether
/// the request is one.
pub(super) fn rename_anyway(emulator: &InProcess, parcel: &Parcel) -> bool {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&parcel.body) else { return false };
    let id = parcel.target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let Some(name) = body.get("name").and_then(Value::as_str) else { return false };
    if body.contains_key("is_active") || parcel.method != "POST" {
        return false;
    }
    let mut renamed = false;
    let rename = |world: &mut World| {
        let home = world.organization_mut(ORGANIZATION).expect("it is there");
        let Some(service) = home.services_mut().get_mut(id).filter(|service| service.is_active) else {
            return;
        };
        service.name = name.to_owned();
        if let Some(Ok(tags)) = body.get("tags").map(|tags| serde_json::from_value(tags.clone())) {
            service.tags = tags;
        }
        renamed = true;
    };
    emulator.edit(rename).expect("an edit");
    renamed
}

/// Gives version sets a preference that no generated manifest names.
fn enrich<'a>(sets: impl Iterator<Item = (&'a String, &'a mut emulator::VersionSet)>) {
    for (_, set) in sets.filter(|(name, _)| *name != "edge") {
        let preference = json!({"llm_name": "openai_gpt-5", "params": {}});
        set.llm_model_preferences.insert("EngageUser".to_owned(), preference);
    }
}

/// A service as the rules see it, on either API.
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
    /// A tag's value.
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key)?.as_deref()
    }

    pub(super) fn is_ours(&self) -> bool {
        self.tag("managed_by") == Some("amigops")
    }
}

/// The id of an agent.
pub(super) fn agent_id(api: Api, world: &World, name: &str) -> String {
    let agent = match api {
        Api::Classic => world.organization(ORGANIZATION).and_then(|home| home.agent(name)),
        Api::Platform => world.workspace(SANDBOX_WORKSPACE).and_then(|home| home.agent(name)),
    };
    agent.map(|agent| agent.id.clone()).unwrap_or_default()
}

/// All services, by id.
pub(super) type Rows = BTreeMap<String, Row>;

/// The services of the organization or the workspace.
pub(super) fn rows(api: Api, world: &World) -> Rows {
    match api {
        Api::Classic => {
            let home = world.organization(ORGANIZATION).expect("it is there");
            home.services().iter().map(|service| (service.id.clone(), classic_row(service))).collect()
        }
        Api::Platform => {
            let home = world.workspace(SANDBOX_WORKSPACE).expect("it is there");
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
