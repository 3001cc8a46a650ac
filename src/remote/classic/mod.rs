//! The requests of the Classic API. Their parameters and results are types of `model`.

mod conversation;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::access::Access;
use super::api::{ReadApi, WriteApi};
use super::body::parse_nothing;
use super::call::{Call, segment};
use super::client::Client;
use super::failure::ApiError;
use super::limits::Reservation;
use super::pages::{Page, VersionEntry, add_to_catalog, page};
use super::service_list::{Listing, ServiceList};
use super::wire::CatalogItem;
use crate::model::{
    AgentId, Api, BehaviorSet, BehaviorSetId, Catalog, ContextGraphId, Endpoint, LatestVersion, LiveService,
    Need, NewService, ServiceId, ServiceUpdate, SmokeTest, VersionSet, VersionSetName,
};

/// The maximum number of ids in one request. The limit keeps the URLs short.
const MAX_IDS_PER_REQUEST: usize = 20;

/// A connection to one organization of the Classic API.
#[derive(Clone, Debug)]
pub struct Classic {
    client: Client,
}

impl Classic {
    /// Prepares a connection. Nothing is sent yet: the sign-in takes place before the first request.
    ///
    /// # Errors
    ///
    /// Fails if the credentials must not be sent to the address or belong to the other API. Also fails if TLS can't be
    /// set up on this machine.
    pub fn new(access: Access) -> Result<Self, ApiError> {
        Ok(Self { client: Client::new(access, Api::Classic)? })
    }

    /// Prepares a connection that uses the given transport, for simulations.
    #[cfg(any(test, feature = "test-support"))]
    pub(super) fn over(transport: super::transport::Transport, access: Access) -> Self {
        Self { client: Client::over(transport, access, Api::Classic) }
    }

    fn service_path(&self, id: &ServiceId) -> String {
        self.client.path(&format!("service/{}/", segment(id.as_str())))
    }

    fn version_set_path(&self, id: &ServiceId, name: &VersionSetName) -> String {
        self.client.path(&format!(
            "service/{}/version_sets/{}/",
            segment(id.as_str()),
            segment(name.as_str())
        ))
    }

    /// Reads all agents or all context graphs, or only those with the ids in `need`.
    async fn catalog<T: Page<Item = CatalogItem>, Id: Ord + Clone + AsRef<str> + for<'t> From<&'t str>>(
        &self,
        endpoint: Endpoint,
        path: &str,
        need: &Need<Id>,
    ) -> Result<Catalog<Id>, ApiError> {
        let mut catalog = Catalog::default();
        let read = match need {
            Need::Nothing => return Ok(catalog),
            Need::All => {
                catalog.complete = true;
                self.client.pages::<T>(endpoint, path, &[]).await?
            }
            Need::Only(ids) => {
                let ids: Vec<&Id> = ids.iter().collect();
                let mut read = Vec::new();
                for chunk in ids.chunks(MAX_IDS_PER_REQUEST) {
                    let filter: Vec<_> = chunk.iter().map(|id| ("id", id.as_ref().to_owned())).collect();
                    read.extend(self.client.pages::<T>(endpoint, path, &filter).await?);
                }
                read
            }
        };
        add_to_catalog(&mut catalog, read);
        Ok(catalog)
    }
}

page!(Services, services, wire::Service);
page!(Agents, agents, CatalogItem);
page!(StateMachines, service_hierarchical_state_machines, CatalogItem);
page!(AgentVersions, agent_versions, VersionEntry);
page!(StateMachineVersions, state_machine_versions, VersionEntry);
page!(BehaviorSets, dynamic_behavior_sets, wire::BehaviorSet);

impl ReadApi for Classic {
    async fn list_services(&self, listing: Listing) -> Result<ServiceList, ApiError> {
        let (endpoint, path) = (Endpoint::ListServices, self.client.path("service/"));
        let size = endpoint.page_size(Api::Classic);
        let reading = self.client.read_pages::<Services>(endpoint, &path, &listing.filter(), size).await?;
        Ok(ServiceList::new(listing, path, reading, wire::Service::into_live))
    }

    async fn service(&self, id: &ServiceId) -> Result<Option<LiveService>, ApiError> {
        let filter = [("id", id.as_str().to_owned())];
        let read = self
            .client
            .pages::<Services>(Endpoint::ListServices, &self.client.path("service/"), &filter)
            .await?;
        Ok(read.into_iter().map(wire::Service::into_live).find(|service| &service.id == id))
    }

    async fn services_by_id(&self, ids: &BTreeSet<ServiceId>) -> Result<Vec<LiveService>, ApiError> {
        let ids: Vec<&ServiceId> = ids.iter().collect();
        let mut services = Vec::new();
        for chunk in ids.chunks(MAX_IDS_PER_REQUEST) {
            let filter: Vec<_> = chunk.iter().map(|id| ("id", id.as_str().to_owned())).collect();
            let read = self
                .client
                .pages::<Services>(Endpoint::ListServices, &self.client.path("service/"), &filter)
                .await?;
            // Filter the services again, because some servers ignore the filter and return all services.
            let wanted = read.into_iter().map(wire::Service::into_live);
            services.extend(wanted.filter(|service| chunk.contains(&&service.id)));
        }
        Ok(services)
    }

    async fn agents(&self, need: &Need<AgentId>) -> Result<Catalog<AgentId>, ApiError> {
        self.catalog::<Agents, _>(Endpoint::ListAgents, &self.client.path("organization/agent"), need).await
    }

    async fn context_graphs(&self, need: &Need<ContextGraphId>) -> Result<Catalog<ContextGraphId>, ApiError> {
        let path = self.client.path("organization/service_hierarchical_state_machine");
        self.catalog::<StateMachines, _>(Endpoint::ListContextGraphs, &path, need).await
    }

    async fn latest_agent_version(&self, id: &AgentId) -> Result<LatestVersion, ApiError> {
        let path = self.client.path(&format!("organization/agent/{}/version", segment(id.as_str())));
        self.client
            .newest_version::<AgentVersions>(Endpoint::ListAgentVersions, path, ("version", "latest"))
            .await
    }

    async fn latest_context_graph_version(&self, id: &ContextGraphId) -> Result<LatestVersion, ApiError> {
        let id = segment(id.as_str());
        let path = self.client.path(&format!("organization/service_hierarchical_state_machine/{id}/version"));
        let endpoint = Endpoint::ListContextGraphVersions;
        self.client.newest_version::<StateMachineVersions>(endpoint, path, ("version", "latest")).await
    }

    async fn behavior_sets(&self, services: &BTreeSet<ServiceId>) -> Result<Vec<BehaviorSet>, ApiError> {
        let services: Vec<&ServiceId> = services.iter().collect();
        let mut sets: BTreeMap<BehaviorSetId, BehaviorSet> = BTreeMap::new();
        for chunk in services.chunks(MAX_IDS_PER_REQUEST) {
            let filter: Vec<_> =
                chunk.iter().map(|id| ("applied_to_service", id.as_str().to_owned())).collect();
            let path = self.client.path("dynamic_behavior_set/");
            let read = self.client.pages::<BehaviorSets>(Endpoint::ListBehaviorSets, &path, &filter).await?;
            sets.extend(read.into_iter().map(wire::BehaviorSet::into_set).map(|set| (set.id.clone(), set)));
        }
        Ok(sets.into_values().collect())
    }

    async fn behavior_set(&self, id: &BehaviorSetId) -> Result<Option<BehaviorSet>, ApiError> {
        let filter = [("id", id.as_str().to_owned())];
        let path = self.client.path("dynamic_behavior_set/");
        let read = self.client.pages::<BehaviorSets>(Endpoint::ListBehaviorSets, &path, &filter).await?;
        Ok(read.into_iter().map(wire::BehaviorSet::into_set).find(|set| &set.id == id))
    }
}

impl WriteApi for Classic {
    fn uninterruptible(&self) -> Self {
        Self { client: self.client.uninterruptible() }
    }

    fn with_deadline(&self, deadline: Instant) -> Self {
        Self { client: self.client.with_deadline(deadline) }
    }

    fn expect_requests(&self, endpoint: Endpoint, count: u32) {
        self.client.expect_requests(endpoint, count);
    }

    fn without_retries(&self) -> Self {
        Self { client: self.client.without_retries() }
    }

    fn with_reservation(&self, reservation: &Arc<Reservation>) -> Self {
        Self { client: self.client.with_reservation(reservation) }
    }

    /// Returns the connection unchanged. The state of the service is not needed, because a write on Classic never reads
    /// the service first.
    fn decided_on(&self, _: &LiveService) -> Self {
        self.clone()
    }

    async fn create_service(&self, new: &NewService) -> Result<ServiceId, ApiError> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        let body = wire::create_body(new);
        let call = Call::new(Endpoint::CreateService, Method::POST, self.client.path("service/"), Some(body))
            .checked_by_caller();
        let created: Created = self.client.call_json(&call).await?;
        Ok(ServiceId::new(created.id))
    }

    async fn update_service(&self, id: &ServiceId, update: &ServiceUpdate) -> Result<(), ApiError> {
        let body = wire::update_body(update);
        let call = Call::new(Endpoint::UpdateService, Method::POST, self.service_path(id), Some(body));
        let call = if update.name.is_some() { call.checked_by_caller() } else { call };
        self.client.call_unit(&call).await
    }

    async fn delete_service(&self, id: &ServiceId) -> Result<(), ApiError> {
        Err(ApiError::setup(format!("service {id} can't be deleted: the Classic API can't delete services")))
    }

    async fn write_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> Result<(), ApiError> {
        let body = json!({ "version_set": wire::version_set_body(content) });
        let path = self.version_set_path(id, name);
        self.client.call_unit(&Call::new(Endpoint::WriteVersionSet, Method::PUT, path, Some(body))).await
    }

    async fn delete_version_set(&self, id: &ServiceId, name: &VersionSetName) -> Result<(), ApiError> {
        let path = self.version_set_path(id, name);
        match self.client.call_unit(&Call::new(Endpoint::DeleteVersionSet, Method::DELETE, path, None)).await
        {
            Err(error) if error.status() == Some(404) => Ok(()),
            result => result,
        }
    }

    async fn apply_behavior_set(&self, id: &BehaviorSetId, service: &ServiceId) -> Result<(), ApiError> {
        let build = async || {
            let Some(set) = self.behavior_set(id).await? else { return Ok(None) };
            let mut services = set.applied_to;
            if !services.insert(service.clone()) {
                return Ok(None);
            }
            let path = self.client.path(&format!("dynamic_behavior_set/{}/", segment(id.as_str())));
            let body = json!({ "applied_to_services": services });
            Ok(Some(Call::new(Endpoint::UpdateBehaviorSet, Method::POST, path, Some(body))))
        };
        self.client.call_rebuilding_request(build, parse_nothing).await.map(|_| ())
    }

    async fn converse(&self, id: &ServiceId, test: &SmokeTest) -> Result<String, ApiError> {
        conversation::hold_conversation(&self.client, id, test).await
    }

    async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        self.client.reserve(endpoint, count).await
    }
}
