//! One type for both APIs, for callers that learn only at run time which API they use.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::api::{ReadApi, WriteApi};
use super::classic::Classic;
use super::failure::ApiError;
use super::limits::Reservation;
use super::platform::Platform;
use super::service_list::{Listing, ServiceList};
use crate::model::{
    AgentId, Api, BehaviorSet, BehaviorSetId, Catalog, ContextGraphId, Endpoint, LatestVersion, LiveService,
    Need, NewService, ServiceId, ServiceUpdate, SmokeTest, VersionSet, VersionSetName,
};

/// A connection to one of the two APIs.
#[derive(Clone, Debug)]
pub enum AnyApi {
    /// A connection to an organization of the Classic API.
    Classic(Classic),
    /// A connection to a workspace of the Platform API.
    Platform(Platform),
}

impl AnyApi {
    /// Returns a connection that sends its requests to a handler in this process, for simulations.
    #[cfg(any(test, feature = "test-support"))]
    pub fn simulated(
        handler: std::sync::Arc<dyn super::transport::simulated::RequestHandler>,
        access: super::access::Access,
    ) -> Self {
        let (api, transport) = (access.credentials.api(), super::transport::simulated::transport_to(handler));
        match api {
            Api::Classic => Self::Classic(Classic::over(transport, access)),
            Api::Platform => Self::Platform(Platform::over(transport, access)),
        }
    }

    /// Returns the API that this connection uses.
    pub fn kind(&self) -> Api {
        match self {
            Self::Classic(_) => Api::Classic,
            Self::Platform(_) => Api::Platform,
        }
    }
}

/// Calls a method on the [`Classic`] or [`Platform`] connection that an [`AnyApi`] contains.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Self::Classic(api) => api.$method($($argument),*).await,
            Self::Platform(api) => api.$method($($argument),*).await,
        }
    };
}

impl ReadApi for AnyApi {
    async fn list_services(&self, listing: Listing) -> Result<ServiceList, ApiError> {
        delegate!(self.list_services(listing))
    }

    async fn service(&self, id: &ServiceId) -> Result<Option<LiveService>, ApiError> {
        delegate!(self.service(id))
    }

    async fn services_by_id(&self, ids: &BTreeSet<ServiceId>) -> Result<Vec<LiveService>, ApiError> {
        delegate!(self.services_by_id(ids))
    }

    async fn agents(&self, need: &Need<AgentId>) -> Result<Catalog<AgentId>, ApiError> {
        delegate!(self.agents(need))
    }

    async fn context_graphs(&self, need: &Need<ContextGraphId>) -> Result<Catalog<ContextGraphId>, ApiError> {
        delegate!(self.context_graphs(need))
    }

    async fn latest_agent_version(&self, id: &AgentId) -> Result<LatestVersion, ApiError> {
        delegate!(self.latest_agent_version(id))
    }

    async fn latest_context_graph_version(&self, id: &ContextGraphId) -> Result<LatestVersion, ApiError> {
        delegate!(self.latest_context_graph_version(id))
    }

    async fn behavior_sets(&self, services: &BTreeSet<ServiceId>) -> Result<Vec<BehaviorSet>, ApiError> {
        delegate!(self.behavior_sets(services))
    }

    async fn behavior_set(&self, id: &BehaviorSetId) -> Result<Option<BehaviorSet>, ApiError> {
        delegate!(self.behavior_set(id))
    }
}

impl WriteApi for AnyApi {
    fn uninterruptible(&self) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.uninterruptible()),
            Self::Platform(api) => Self::Platform(api.uninterruptible()),
        }
    }

    fn with_deadline(&self, deadline: Instant) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.with_deadline(deadline)),
            Self::Platform(api) => Self::Platform(api.with_deadline(deadline)),
        }
    }

    fn expect_requests(&self, endpoint: Endpoint, count: u32) {
        match self {
            Self::Classic(api) => api.expect_requests(endpoint, count),
            Self::Platform(api) => api.expect_requests(endpoint, count),
        }
    }

    fn without_retries(&self) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.without_retries()),
            Self::Platform(api) => Self::Platform(api.without_retries()),
        }
    }

    fn with_reservation(&self, reservation: &Arc<Reservation>) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.with_reservation(reservation)),
            Self::Platform(api) => Self::Platform(api.with_reservation(reservation)),
        }
    }

    fn decided_on(&self, seen: &LiveService) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.decided_on(seen)),
            Self::Platform(api) => Self::Platform(api.decided_on(seen)),
        }
    }

    async fn create_service(&self, new: &NewService) -> Result<ServiceId, ApiError> {
        delegate!(self.create_service(new))
    }

    async fn update_service(&self, id: &ServiceId, update: &ServiceUpdate) -> Result<(), ApiError> {
        delegate!(self.update_service(id, update))
    }

    async fn delete_service(&self, id: &ServiceId) -> Result<(), ApiError> {
        delegate!(self.delete_service(id))
    }

    async fn write_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> Result<(), ApiError> {
        delegate!(self.write_version_set(id, name, content))
    }

    async fn delete_version_set(&self, id: &ServiceId, name: &VersionSetName) -> Result<(), ApiError> {
        delegate!(self.delete_version_set(id, name))
    }

    async fn apply_behavior_set(&self, id: &BehaviorSetId, service: &ServiceId) -> Result<(), ApiError> {
        delegate!(self.apply_behavior_set(id, service))
    }

    async fn converse(&self, id: &ServiceId, test: &SmokeTest) -> Result<String, ApiError> {
        delegate!(self.converse(id, test))
    }

    async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        delegate!(self.reserve(endpoint, count))
    }
}
