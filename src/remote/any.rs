//! Either API behind one type, for whoever learns only at run time which it is. May import `model` only.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::{ApiError, Classic, Listing, Platform, ReadApi, Reservation, ServiceList, WriteApi};
use crate::model::{
    AgentId, Api, BehaviorSet, BehaviorSetId, Catalog, ContextGraphId, Endpoint, LatestVersion, LiveService,
    Need, NewService, ServiceId, ServiceUpdate, SmokeTest, VersionSet, VersionSetName,
};

/// A connection to either API.
#[derive(Clone, Debug)]
pub enum AnyApi {
    /// An organization of the Classic API.
    Classic(Classic),
    /// A workspace of the Platform API.
    Platform(Platform),
}

impl AnyApi {
    /// A connection over a line of this process, for simulations.
    #[cfg(test)]
    pub(crate) fn over(
        line: std::sync::Arc<dyn super::transport::simulated::Line>,
        access: super::Access,
    ) -> Self {
        match access.credentials.api() {
            Api::Classic => Self::Classic(Classic::over(super::transport::simulated::over(line), access)),
            Api::Platform => Self::Platform(Platform::over(super::transport::simulated::over(line), access)),
        }
    }

    /// Which one it is.
    pub fn kind(&self) -> Api {
        match self {
            Self::Classic(_) => Api::Classic,
            Self::Platform(_) => Api::Platform,
        }
    }
}

/// Asks whichever it is.
macro_rules! ask {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Self::Classic(api) => api.$method($($argument),*).await,
            Self::Platform(api) => api.$method($($argument),*).await,
        }
    };
}

impl ReadApi for AnyApi {
    async fn list_services(&self, listing: Listing) -> Result<ServiceList, ApiError> {
        ask!(self.list_services(listing))
    }

    async fn service(&self, id: &ServiceId) -> Result<Option<LiveService>, ApiError> {
        ask!(self.service(id))
    }

    async fn services_by_id(&self, ids: &BTreeSet<ServiceId>) -> Result<Vec<LiveService>, ApiError> {
        ask!(self.services_by_id(ids))
    }

    async fn agents(&self, need: &Need<AgentId>) -> Result<Catalog<AgentId>, ApiError> {
        ask!(self.agents(need))
    }

    async fn context_graphs(&self, need: &Need<ContextGraphId>) -> Result<Catalog<ContextGraphId>, ApiError> {
        ask!(self.context_graphs(need))
    }

    async fn latest_agent_version(&self, id: &AgentId) -> Result<LatestVersion, ApiError> {
        ask!(self.latest_agent_version(id))
    }

    async fn latest_context_graph_version(&self, id: &ContextGraphId) -> Result<LatestVersion, ApiError> {
        ask!(self.latest_context_graph_version(id))
    }

    async fn behavior_sets(&self, services: &BTreeSet<ServiceId>) -> Result<Vec<BehaviorSet>, ApiError> {
        ask!(self.behavior_sets(services))
    }

    async fn behavior_set(&self, id: &BehaviorSetId) -> Result<Option<BehaviorSet>, ApiError> {
        ask!(self.behavior_set(id))
    }
}

impl WriteApi for AnyApi {
    fn to_the_end(&self) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.to_the_end()),
            Self::Platform(api) => Self::Platform(api.to_the_end()),
        }
    }

    fn until(&self, deadline: Instant) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.until(deadline)),
            Self::Platform(api) => Self::Platform(api.until(deadline)),
        }
    }

    fn once(&self) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.once()),
            Self::Platform(api) => Self::Platform(api.once()),
        }
    }

    fn using(&self, reserved: &Arc<Reservation>) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.using(reserved)),
            Self::Platform(api) => Self::Platform(api.using(reserved)),
        }
    }

    fn decided_on(&self, seen: &LiveService) -> Self {
        match self {
            Self::Classic(api) => Self::Classic(api.decided_on(seen)),
            Self::Platform(api) => Self::Platform(api.decided_on(seen)),
        }
    }

    async fn create_service(&self, new: &NewService) -> Result<ServiceId, ApiError> {
        ask!(self.create_service(new))
    }

    async fn update_service(&self, id: &ServiceId, update: &ServiceUpdate) -> Result<(), ApiError> {
        ask!(self.update_service(id, update))
    }

    async fn delete_service(&self, id: &ServiceId) -> Result<(), ApiError> {
        ask!(self.delete_service(id))
    }

    async fn write_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> Result<(), ApiError> {
        ask!(self.write_version_set(id, name, content))
    }

    async fn delete_version_set(&self, id: &ServiceId, name: &VersionSetName) -> Result<(), ApiError> {
        ask!(self.delete_version_set(id, name))
    }

    async fn apply_behavior_set(&self, id: &BehaviorSetId, service: &ServiceId) -> Result<(), ApiError> {
        ask!(self.apply_behavior_set(id, service))
    }

    async fn converse(&self, id: &ServiceId, test: &SmokeTest) -> Result<String, ApiError> {
        ask!(self.converse(id, test))
    }

    async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        ask!(self.reserve(endpoint, count))
    }
}
