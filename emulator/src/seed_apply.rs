//! Applies a seed to a world: everything the first time, later only additions.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::seed::{Seed, SeedBehaviorSet, SeedItem, SeedKey, SeedOrganization, SeedService, version_set};
use super::seed_workspaces_apply::apply_to_workspace;
use super::table::Table;
use super::world::{ApiKey, BehaviorSet, CatalogItem, Organization, Service, Settings, World};

/// The creator of all seeded services and sets.
const OPERATOR: &str = "operator";

impl Seed {
    /// Adds to the world what the seed has and the world lacks. Applying a seed twice changes nothing.
    pub(super) fn apply(&self, world: &mut World, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        for (name, seed) in &self.organizations {
            let is_new = world.organization(name).is_none();
            world.organization_or_new(name);
            OrganizationSeeder { world, name, millis }.apply(seed, is_new);
        }
        for (id, seed) in &self.workspaces {
            apply_to_workspace(world, id, seed, millis);
        }
    }
}

struct OrganizationSeeder<'a> {
    world: &'a mut World,
    name: &'a str,
    millis: i64,
}

impl OrganizationSeeder<'_> {
    fn home(&mut self) -> &mut Organization {
        self.world.organization_or_new(self.name)
    }

    fn apply(&mut self, seed: &SeedOrganization, is_new: bool) {
        let settings = Settings { llms: seed.llms.clone(), replies: seed.replies.clone() };
        if *self.home().settings != settings {
            self.home().settings = Arc::new(settings);
        }
        for key in &seed.api_keys {
            self.key(key);
        }
        for agent in &seed.agents {
            self.item(agent, |home| &mut home.agents);
        }
        for graph in &seed.context_graphs {
            self.item(graph, |home| &mut home.context_graphs);
        }
        if !is_new {
            return;
        }
        for service in &seed.services {
            self.service(service);
        }
        for set in &seed.behavior_sets {
            self.behavior_set(set);
        }
        for test in &seed.unit_tests {
            if let Some(id) = self.service_id(&test.service.value) {
                self.world.add_unit_test(self.name, &id, &test.version_set);
            }
        }
    }

    fn service_id(&mut self, name: &str) -> Option<String> {
        self.home().service(name).map(|service| service.id.clone())
    }

    fn key(&mut self, seed: &SeedKey) {
        let known = self.home().api_keys.get(&seed.id).cloned();
        let sequence = known.as_ref().map_or_else(|| self.world.next_id().0, |known| known.sequence);
        let key = ApiKey {
            id: seed.id.clone(),
            sequence,
            key: seed.key.clone(),
            user: seed.user.clone(),
            permissions: seed.permissions.clone(),
            hidden_services: seed.hidden_services.clone(),
        };
        match known {
            Some(known) if known == key => {}
            Some(_) => {
                if let Some(place) = self.home().api_keys.get_mut(&seed.id) {
                    *place = key;
                }
            }
            None => self.home().api_keys.push(key),
        }
    }

    fn item(&mut self, seed: &SeedItem, table: fn(&mut Organization) -> &mut Table<CatalogItem>) {
        let known = known_item(table(self.home()), seed).cloned();
        let Some(known) = known else {
            let (sequence, id) = self.world.next_id();
            let item = new_item(seed, sequence, id, self.millis);
            table(self.home()).push(item);
            return;
        };
        let item = renewed_item(seed, &known);
        if item != known
            && let Some(place) = table(self.home()).get_mut(&known.id)
        {
            *place = item;
        }
    }

    fn service(&mut self, seed: &SeedService) {
        let home = self.home();
        let agent = home.agent(&seed.agent.value).map(|agent| agent.id.clone());
        let graph = home.context_graph(&seed.context_graph.value).map(|graph| graph.id.clone());
        // The seed was checked, so both exist.
        let (Some(agent), Some(graph)) = (agent, graph) else { return };
        let sets = seed.version_sets.iter();
        let sets = sets.filter_map(|(name, fields)| Some((name.clone(), version_set(&fields.value).ok()?)));
        let service = Service {
            id: seed.id.as_ref().map(|id| id.value.clone()).unwrap_or_default(),
            description: seed.description.clone().unwrap_or_else(|| seed.name.value.clone()),
            is_active: seed.active,
            tags: seed.tags.clone(),
            keyterms: seed.keyterms.clone(),
            version_sets: sets.collect(),
            ..Service::new(&seed.name.value, &agent, &graph)
        };
        self.world.add_service(self.name, service);
    }

    fn behavior_set(&mut self, seed: &SeedBehaviorSet) {
        let applied: Vec<String> =
            seed.applied_to.iter().filter_map(|name| self.service_id(&name.value)).collect();
        let (sequence, id) = self.world.next_id();
        let set = BehaviorSet {
            id: seed.id.as_ref().map_or(id, |id| id.value.clone()),
            sequence,
            name: seed.name.value.clone(),
            is_active: seed.active,
            applied_to_services: applied,
            tags: seed.tags.clone(),
            creator: OPERATOR.to_owned(),
            updated_by: OPERATOR.to_owned(),
            created_at: self.millis,
            updated_at: self.millis,
        };
        self.home().behavior_sets.push(set);
    }
}

/// Finds the item that a seed means by its id, or else by its name.
pub(super) fn known_item<'t>(table: &'t Table<CatalogItem>, seed: &SeedItem) -> Option<&'t CatalogItem> {
    table.iter().find(|item| match &seed.id {
        Some(id) => item.id == id.value,
        None => item.name == seed.name.value,
    })
}

/// Creates an item that does not exist yet.
pub(super) fn new_item(seed: &SeedItem, sequence: u64, id: String, millis: i64) -> CatalogItem {
    CatalogItem {
        id: seed.id.as_ref().map_or(id, |id| id.value.clone()),
        sequence,
        name: seed.name.value.clone(),
        versions: seed.versions,
        deprecated: seed.deprecated,
        created_at: millis,
    }
}

/// Updates an existing item from the seed.
pub(super) fn renewed_item(seed: &SeedItem, known: &CatalogItem) -> CatalogItem {
    CatalogItem {
        name: seed.name.value.clone(),
        // Versions are only added, never removed: services may pin them.
        versions: known.versions.max(seed.versions),
        deprecated: seed.deprecated,
        ..known.clone()
    }
}
