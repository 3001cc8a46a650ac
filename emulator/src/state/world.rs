//! The complete state of the emulator, and functions with which tests and operators change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ids::{object_id, uuid};
use super::organization::{BehaviorSet, Organization, Service, UnitTest};
use super::rows::CatalogItem;
use super::table::Table;
use super::workspace::{PlatformService, Workspace};

/// All organizations and workspaces of an emulator. Copying them is cheap, because copies share everything that has not
/// changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    pub(crate) organizations: BTreeMap<String, Arc<Organization>>,
    pub(crate) workspaces: BTreeMap<String, Arc<Workspace>>,
    pub(crate) counter: u64,
}

impl World {
    /// Returns the organizations, sorted by name.
    pub fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.values().map(AsRef::as_ref)
    }

    /// Returns the organization with this name.
    pub fn organization(&self, name: &str) -> Option<&Organization> {
        self.organizations.get(name).map(AsRef::as_ref)
    }

    /// Returns a mutable reference to the organization with this name.
    pub fn organization_mut(&mut self, name: &str) -> Option<&mut Organization> {
        self.organizations.get_mut(name).map(Arc::make_mut)
    }

    /// Returns true if this state and `other` are unchanged copies of each other. Compares pointers, not contents, so
    /// equal states of different origin count as different.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.counter == other.counter
            && same_homes(&self.organizations, &other.organizations)
            && same_homes(&self.workspaces, &other.workspaces)
    }

    /// Returns the organization with this name. Creates it if it does not exist.
    pub(crate) fn organization_or_new(&mut self, name: &str) -> &mut Organization {
        let fresh = || Arc::new(Organization { name: name.to_owned(), ..Organization::default() });
        Arc::make_mut(self.organizations.entry(name.to_owned()).or_insert_with(fresh))
    }

    /// Returns the next sequence number, and an id that is generated from it.
    pub(crate) fn next_id(&mut self) -> (u64, String) {
        self.counter += 1;
        (self.counter, object_id(self.counter))
    }

    /// Adds a service as an operator would, without applying the API's rules. Sets its sequence number, and adds the
    /// version sets `edge` and `release` if they are missing. If the id is empty or already used, replaces it by a new
    /// one. Returns the id, or `None` if the organization does not exist.
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

    /// Adds an agent with the versions from 1 to `versions`. Returns the id of the agent, or `None` if the organization
    /// does not exist.
    pub fn add_agent(&mut self, organization: &str, name: &str, versions: u32) -> Option<String> {
        self.add_item(organization, name, versions, |home| &mut home.agents)
    }

    /// Adds a context graph with the versions from 1 to `versions`. Returns the id of the context graph, or `None` if
    /// the organization does not exist.
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

    /// Adds an active behavior set that applies to the services with these ids. Returns the id of the behavior set, or
    /// `None` if the organization does not exist.
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

    /// Adds a simulation unit test that uses this version set of this service. Returns false if the organization does
    /// not exist.
    pub fn add_unit_test(&mut self, organization: &str, service_id: &str, version_set: &str) -> bool {
        let (sequence, id) = self.next_id();
        let Some(home) = self.organization_mut(organization) else { return false };
        let (service_id, version_set) = (service_id.to_owned(), version_set.to_owned());
        home.unit_tests.push(UnitTest { id, sequence, service_id, version_set });
        true
    }
}

impl World {
    /// Returns the workspaces, sorted by id.
    pub fn workspaces(&self) -> impl Iterator<Item = &Workspace> {
        self.workspaces.values().map(AsRef::as_ref)
    }

    /// Returns the workspace with this id, which must be in lower case with hyphens.
    pub fn workspace(&self, id: &str) -> Option<&Workspace> {
        self.workspaces.get(id).map(AsRef::as_ref)
    }

    /// Returns a mutable reference to the workspace with this id.
    pub fn workspace_mut(&mut self, id: &str) -> Option<&mut Workspace> {
        self.workspaces.get_mut(id).map(Arc::make_mut)
    }

    /// Returns the workspace with this id. Creates it if it does not exist.
    pub(crate) fn workspace_or_new(&mut self, id: &str) -> &mut Workspace {
        let fresh = || Arc::new(Workspace { id: id.to_owned(), ..Workspace::default() });
        Arc::make_mut(self.workspaces.entry(id.to_owned()).or_insert_with(fresh))
    }

    /// Returns the next sequence number, and a UUID that is generated from it.
    pub(crate) fn next_uuid(&mut self) -> (u64, String) {
        let (sequence, _) = self.next_id();
        (sequence, uuid(sequence))
    }

    /// Adds a service as an operator would, without applying the API's rules. Sets its sequence number. If the id is
    /// empty or already used, replaces it by a new one. Returns the id, or `None` if the workspace does not exist.
    pub fn add_platform_service(&mut self, workspace: &str, mut service: PlatformService) -> Option<String> {
        let (sequence, id) = self.next_uuid();
        let home = self.workspace_mut(workspace)?;
        service.sequence = sequence;
        if service.id.is_empty() || home.services.get(&service.id).is_some() {
            service.id = id;
        }
        let id = service.id.clone();
        home.services.push(service);
        Some(id)
    }

    /// Adds an agent with the versions from 1 to `versions`. Returns the id of the agent, or `None` if the workspace
    /// does not exist.
    pub fn add_workspace_agent(&mut self, workspace: &str, name: &str, versions: u32) -> Option<String> {
        self.add_workspace_item(workspace, name, versions, |home| &mut home.agents)
    }

    /// Adds a context graph with the versions from 1 to `versions`. Returns the id of the context graph, or `None` if
    /// the workspace does not exist.
    pub fn add_workspace_context_graph(
        &mut self,
        workspace: &str,
        name: &str,
        versions: u32,
    ) -> Option<String> {
        self.add_workspace_item(workspace, name, versions, |home| &mut home.context_graphs)
    }

    fn add_workspace_item(
        &mut self,
        workspace: &str,
        name: &str,
        versions: u32,
        table: fn(&mut Workspace) -> &mut Table<CatalogItem>,
    ) -> Option<String> {
        let (sequence, id) = self.next_uuid();
        let home = self.workspace_mut(workspace)?;
        let (name, created_at) = (name.to_owned(), 0);
        let item = CatalogItem { id: id.clone(), sequence, name, versions, deprecated: false, created_at };
        table(home).push(item);
        Some(id)
    }
}

fn same_homes<T>(ours: &BTreeMap<String, Arc<T>>, theirs: &BTreeMap<String, Arc<T>>) -> bool {
    let mut pairs = ours.iter().zip(theirs);
    ours.len() == theirs.len()
        && pairs.all(|((name, one), (other_name, other))| name == other_name && Arc::ptr_eq(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_refers_to_the_active_service() {
        let mut world = World::default();
        world.organization_or_new("acme");
        let old = Service { is_active: false, ..Service::new("Coach", "a", "g") };
        world.add_service("acme", old).unwrap();
        let new = world.add_service("acme", Service::new("Coach", "a", "g")).unwrap();
        assert_eq!(world.organization("acme").unwrap().service("Coach").unwrap().id, new);
        assert!(world.add_service("missing", Service::new("Coach", "a", "g")).is_none());
    }
}
