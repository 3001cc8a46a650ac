//! Computes, without requests, the snapshot that the client would read from an emulator with a given seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use amigops::model::{
    BehaviorSet, Catalog, CatalogEntry, LatestVersion, LiveService, LlmPreference, Pin, Snapshot, VersionSet,
    VersionSetName,
};
use amigops_emulator::{self as emulator, CatalogItem, Options, Organization, Seed, Server, Table, World};
use serde_json::{Map, Value};

/// Returns the state of an emulator that starts with this seed.
fn world(seed: &str) -> World {
    let mut options = Options::new(Arc::new(|| SystemTime::UNIX_EPOCH));
    options.seed = Some(Seed::from_yaml(seed).unwrap_or_else(|error| panic!("{error}")));
    Server::start(options).expect("it starts").world()
}

fn home<'a>(world: &'a World, organization: &str) -> &'a Organization {
    world.organization(organization).expect("the seed names it")
}

/// Returns the snapshot that the client would read from an emulator with this seed.
pub(super) fn snapshot(seed: &str, organization: &str) -> Snapshot {
    let world = world(seed);
    let home = home(&world, organization);
    let behavior_sets = home.services().iter().map(|service| {
        let applied = home.behavior_sets().iter().filter(|set| set.applied_to_services.contains(&service.id));
        (service.id.as_str().into(), applied.map(behavior_set).collect())
    });
    Snapshot {
        services: home.services().iter().map(service).collect(),
        agents: catalog(home.agents()),
        context_graphs: catalog(home.context_graphs()),
        behavior_sets: behavior_sets.collect(),
    }
}

/// Returns the pairs of a service's name and a version set that the seed's simulation unit tests use.
pub(super) fn tested(seed: &str, organization: &str) -> Vec<(String, String)> {
    let world = world(seed);
    let home = home(&world, organization);
    let name = |id: &str| home.services().get(id).expect("it exists").name.clone();
    home.unit_tests().iter().map(|test| (name(&test.service_id), test.version_set.clone())).collect()
}

fn service(service: &emulator::Service) -> LiveService {
    let set = |(name, set): (&String, &emulator::VersionSet)| (VersionSetName::new(name), version_set(set));
    LiveService {
        id: service.id.as_str().into(),
        name: service.name.as_str().into(),
        description: service.description.clone(),
        active: service.is_active,
        agent: service.agent_id.as_str().into(),
        context_graph: service.context_graph_id.as_str().into(),
        tags: service.tags.clone(),
        repeated_tags: BTreeSet::new(),
        keyterms: service.keyterms.clone(),
        version_sets: service.version_sets.iter().map(set).collect(),
        settings: Map::new(),
        system: false,
        updated_by: None,
        updated_at: None,
    }
}

fn version_set(set: &emulator::VersionSet) -> VersionSet {
    let pin = |version: Option<u32>| version.map_or(Pin::Latest, Pin::Number);
    let preferences = set.llm_model_preferences.iter().map(|(name, one)| (name.clone(), preference(one)));
    VersionSet {
        agent_version: pin(set.agent_version),
        context_graph_version: pin(set.context_graph_version),
        llm_model_preferences: preferences.collect(),
        carried: set.extra.clone(),
    }
}

fn preference(value: &Value) -> LlmPreference {
    LlmPreference {
        llm_name: value["llm_name"].as_str().unwrap_or_default().to_owned(),
        params: value["params"].as_object().cloned().unwrap_or_default(),
        experience_controls: Map::new(),
        carried: Map::new(),
    }
}

fn catalog<Id: Ord + for<'a> From<&'a str>>(items: &Table<CatalogItem>) -> Catalog<Id> {
    let entry = |item: &CatalogItem| CatalogEntry {
        name: item.name.clone(),
        latest: if item.versions == 0 { LatestVersion::None } else { LatestVersion::Number(item.versions) },
        deprecated: item.deprecated,
    };
    let entries: BTreeMap<Id, CatalogEntry> =
        items.iter().map(|item| (item.id.as_str().into(), entry(item))).collect();
    Catalog { complete: true, entries, missing: BTreeSet::new() }
}

fn behavior_set(set: &emulator::BehaviorSet) -> BehaviorSet {
    BehaviorSet {
        id: set.id.as_str().into(),
        name: set.name.clone(),
        applied_to: set.applied_to_services.iter().map(|id| id.as_str().into()).collect(),
    }
}
