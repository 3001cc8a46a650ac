//! Accessors of the world for the API rules, tests and operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::Table;
use super::world::{
    ApiKey, BehaviorSet, CatalogItem, Conversation, Organization, Service, Settings, UnitTest, VersionSet,
    World,
};

impl World {
    /// The organizations, by name.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values().map(AsRef::as_ref)
    }

    /// Returns one organization.
    pub fn organization(&self, name: &str) -> Option<&Organization> {
        self.organizations.get(name).map(AsRef::as_ref)
    }

    /// Returns one organization for changes.
    pub fn organization_mut(&mut self, name: &str) -> Option<&mut Organization> {
        self.organizations.get_mut(name).map(Arc::make_mut)
    }

    /// Returns true if nothing changed between two copies of a world. Compares pointers, not contents.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.counter == other.counter
            && same_homes(&self.organizations, &other.organizations)
            && same_homes(&self.workspaces, &other.workspaces)
    }

    /// Returns one organization, and creates it if it is missing.
    pub(super) fn organization_or_new(&mut self, name: &str) -> &mut Organization {
        let fresh = || Arc::new(Organization { name: name.to_owned(), ..Organization::default() });
        Arc::make_mut(self.organizations.entry(name.to_owned()).or_insert_with(fresh))
    }

    /// Returns the next sequence number and the id made from it.
    pub(super) fn next_id(&mut self) -> (u64, String) {
        self.counter += 1;
        (self.counter, object_id(self.counter))
    }

    /// Adds a service as an operator would, without the API's rules. Sets only its id, its sequence number
    /// and, if missing, the version sets `edge` and `release`. Returns the id, which is a new one if the
    /// service's own is empty or taken. Returns `None` if the organization does not exist.
    pub fn add_service(&mut self, organization: &str, mut service: Service) -> Option<String> {
        let (sequence, id) = self.next_id();
        let home = self.organization_mut(organization)?;
        service.sequence = sequence;
        if service.id.is_empty() || home.services.get(&service.id).is_some() {
            service.id = id;
        }
        for set in ["edge", "release"] {
            service.version_sets.entry(set.to_owned()).or_default();
        }
        let id = service.id.clone();
        home.services.push(service);
        Some(id)
    }

    /// Adds an agent with versions 1 to `versions`. Returns its id, or `None` if the organization does not
    /// exist.
    pub fn add_agent(&mut self, organization: &str, name: &str, versions: u32) -> Option<String> {
        self.add_item(organization, name, versions, |home| &mut home.agents)
    }

    /// Adds a context graph with versions 1 to `versions`. Returns its id, or `None` if the organization does
    /// not exist.
    pub fn add_context_graph(&mut self, organization: &str, name: &str, versions: u32) -> Option<String> {
        self.add_item(organization, name, versions, |home| &mut home.context_graphs)
    }

    fn add_item(
        &mut self,
        organization: &str,
        name: &str,
        versions: u32,
        table: fn(&mut Organization) -> &mut Table<CatalogItem>,
    ) -> Option<String> {
        let (sequence, id) = self.next_id();
        let home = self.organization_mut(organization)?;
        let (name, created_at) = (name.to_owned(), 0);
        let item = CatalogItem { id: id.clone(), sequence, name, versions, deprecated: false, created_at };
        table(home).push(item);
        Some(id)
    }

    /// Adds an active behavior set that applies to these services, given by id. Returns its id, or `None` if
    /// the organization does not exist.
    pub fn add_behavior_set(
        &mut self,
        organization: &str,
        name: &str,
        applied_to_services: &[&str],
    ) -> Option<String> {
        let (sequence, id) = self.next_id();
        let home = self.organization_mut(organization)?;
        home.behavior_sets.push(BehaviorSet {
            id: id.clone(),
            sequence,
            name: name.to_owned(),
            is_active: true,
            applied_to_services: applied_to_services.iter().map(|id| (*id).to_owned()).collect(),
            tags: BTreeMap::new(),
            creator: "operator".to_owned(),
            updated_by: "operator".to_owned(),
            created_at: 0,
            updated_at: 0,
        });
        Some(id)
    }

    /// Marks a version set as used by a simulation unit test. Returns false if the organization does not
    /// exist.
    pub fn add_unit_test(&mut self, organization: &str, service_id: &str, version_set: &str) -> bool {
        let (sequence, id) = self.next_id();
        let Some(home) = self.organization_mut(organization) else { return false };
        let (service_id, version_set) = (service_id.to_owned(), version_set.to_owned());
        home.unit_tests.push(UnitTest { id, sequence, service_id, version_set });
        true
    }
}

fn same_homes<T>(ours: &BTreeMap<String, Arc<T>>, theirs: &BTreeMap<String, Arc<T>>) -> bool {
    let mut pairs = ours.iter().zip(theirs);
    ours.len() == theirs.len()
        && pairs.all(|((name, one), (other_name, other))| name == other_name && Arc::ptr_eq(one, other))
}

impl Organization {
    /// The organization's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The accepted LLMs and the canned replies.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The accepted LLMs and the canned replies, for changes.
    pub fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    /// The keys that can sign in.
    pub fn api_keys(&self) -> &Table<ApiKey> {
        &self.api_keys
    }

    /// The agents.
    pub fn agents(&self) -> &Table<CatalogItem> {
        &self.agents
    }

    /// The agents, for changes.
    pub fn agents_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.agents
    }

    /// Returns the agent with this name.
    pub fn agent(&self, name: &str) -> Option<&CatalogItem> {
        self.agents.iter().find(|agent| agent.name == name)
    }

    /// The context graphs.
    pub fn context_graphs(&self) -> &Table<CatalogItem> {
        &self.context_graphs
    }

    /// The context graphs, for changes.
    pub fn context_graphs_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.context_graphs
    }

    /// Returns the context graph with this name.
    pub fn context_graph(&self, name: &str) -> Option<&CatalogItem> {
        self.context_graphs.iter().find(|graph| graph.name == name)
    }

    /// The services.
    pub fn services(&self) -> &Table<Service> {
        &self.services
    }

    /// The services, for changes: `services_mut().get_mut(id)`, `.remove(id)`.
    pub fn services_mut(&mut self) -> &mut Table<Service> {
        &mut self.services
    }

    /// Returns the service with this id or name. If several have the name, the active one wins, else the
    /// oldest.
    pub fn service(&self, id_or_name: &str) -> Option<&Service> {
        let named = || self.services.iter().filter(|service| service.name == id_or_name);
        self.services
            .get(id_or_name)
            .or_else(|| named().find(|service| service.is_active))
            .or_else(|| named().next())
    }

    /// Like [`Organization::service`], for changes.
    pub fn service_mut(&mut self, id_or_name: &str) -> Option<&mut Service> {
        let id = self.service(id_or_name)?.id.clone();
        self.services.get_mut(&id)
    }

    /// Returns the active service with this name.
    pub fn active_service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.is_active && service.name == name)
    }

    /// The behavior sets.
    pub fn behavior_sets(&self) -> &Table<BehaviorSet> {
        &self.behavior_sets
    }

    /// The behavior sets, for changes.
    pub fn behavior_sets_mut(&mut self) -> &mut Table<BehaviorSet> {
        &mut self.behavior_sets
    }

    /// The version sets that simulation unit tests use.
    pub fn unit_tests(&self) -> &Table<UnitTest> {
        &self.unit_tests
    }

    /// The version sets that simulation unit tests use, for changes.
    pub fn unit_tests_mut(&mut self) -> &mut Table<UnitTest> {
        &mut self.unit_tests
    }

    /// The conversations.
    pub fn conversations(&self) -> &Table<Conversation> {
        &self.conversations
    }
}

impl Service {
    /// An active service for [`World::add_service`], with only the required fields set.
    pub fn new(name: &str, agent_id: &str, context_graph_id: &str) -> Self {
        Self {
            id: String::new(),
            sequence: 0,
            name: name.to_owned(),
            description: name.to_owned(),
            is_active: true,
            agent_id: agent_id.to_owned(),
            context_graph_id: context_graph_id.to_owned(),
            tags: BTreeMap::new(),
            keyterms: Vec::new(),
            version_sets: BTreeMap::new(),
            creator: "operator".to_owned(),
            updated_by: "operator".to_owned(),
        }
    }

    /// Returns the version set with this name.
    pub fn version_set(&self, name: &str) -> Option<&VersionSet> {
        self.version_sets.get(name)
    }
}

/// Returns the n-th id. Mixing the counter keeps ids unique and makes them look like the vendor's.
/// Neighbouring ids differ in their first and last characters, which abbreviated reports show.
fn object_id(n: u64) -> String {
    let high = mix(n);
    let low = mix(high ^ 0x5bf0_3635_dcb2_a5d1) >> 32;
    format!("{high:016x}{low:08x}")
}

/// One step of SplitMix64. It is a bijection, so two counters never share an id.
pub(super) fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_look_like_the_vendors_and_never_repeat() {
        let ids: BTreeSet<String> = (1..=20_000).map(object_id).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        let starts: BTreeSet<String> = (1..=200).map(|n| object_id(n)[..6].to_owned()).collect();
        let ends: BTreeSet<String> = (1..=200).map(|n| object_id(n)[18..].to_owned()).collect();
        assert_eq!((starts.len(), ends.len()), (200, 200));
    }

    #[test]
    fn a_name_means_the_active_service() {
        let mut world = World::default();
        world.organization_or_new("acme");
        let old = Service { is_active: false, ..Service::new("Coach", "a", "g") };
        world.add_service("acme", old).unwrap();
        let new = world.add_service("acme", Service::new("Coach", "a", "g")).unwrap();
        assert_eq!(world.organization("acme").unwrap().service("Coach").unwrap().id, new);
        assert!(world.add_service("nobody", Service::new("Coach", "a", "g")).is_none());
    }
}
