//! Adds an organization of a seed to the state. Keys, agents and context graphs are added or updated. Services,
//! behavior sets and unit tests are added only if the organization is new.

use std::sync::Arc;

use super::items::{SeedItem, known_item, new_item, renewed_item, version_set};
use super::organization::{SeedBehaviorSet, SeedKey, SeedOrganization, SeedService};
use crate::state::{AgentSettings, ApiKey, BehaviorSet, CatalogItem, Organization, Service, Table, World};

/// The user who is recorded as the creator of the services and behavior sets that come from a seed.
const OPERATOR: &str = "operator";

/// Adds or updates the organization `name` as the seed describes it. Doing this again with the same seed changes
/// nothing.
pub(super) fn apply_to_organization(world: &mut World, name: &str, seed: &SeedOrganization, millis: i64) {
    let is_new = world.organization(name).is_none();
    world.organization_or_new(name);
    OrganizationSeeder { world, name, millis }.apply(seed, is_new);
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
        let settings = AgentSettings { llms: seed.llms.clone(), replies: seed.replies.clone() };
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
        // The agent and the context graph exist, because the seed was checked when it was read.
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
