//! The operations of an API: [`ReadApi`] reads, [`WriteApi`] also writes.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use super::failure::ApiError;
use super::limits::Reservation;
use super::service_list::{Listing, ServiceList};
use crate::model::{
    AgentId, BehaviorSet, BehaviorSetId, Catalog, ContextGraphId, Endpoint, LatestVersion, LiveService, Need,
    NewService, ServiceId, ServiceUpdate, SmokeTest, VersionSet, VersionSetName, merge_readings,
    only_in_first,
};

/// The read operations of an API.
pub trait ReadApi {
    /// Reads the list of services that the API key's user can see. Reads the list only once. If another client changes
    /// the list during the reading, [`ServiceList::has_shifted`] is true.
    fn list_services(&self, listing: Listing) -> impl Future<Output = Result<ServiceList, ApiError>>;

    /// Returns the services that the API key's user can see. Reads the list a second time if another client changed it
    /// during the first reading.
    fn services(&self, listing: Listing) -> impl Future<Output = Result<Vec<LiveService>, ApiError>>
    where
        Self: Sized,
    {
        async move {
            let list = self.list_services(listing).await?;
            if list.has_shifted { read_services_again(self, &list).await } else { Ok(list.services) }
        }
    }

    /// Reads the list of services twice, and returns all services that either reading found. A single reading may miss
    /// a service if another client changes the list. So two readings are necessary before a decision that depends on
    /// the absence of a service.
    fn services_read_twice(&self) -> impl Future<Output = Result<Vec<LiveService>, ApiError>>
    where
        Self: Sized,
    {
        async { read_services_again(self, &self.list_services(Listing::All).await?).await }
    }

    /// Returns one service, or `None` if it is deleted or hidden from the API key's user.
    fn service(&self, id: &ServiceId) -> impl Future<Output = Result<Option<LiveService>, ApiError>>;

    /// Returns several services by id. Leaves out services that are deleted or hidden from the API key's user.
    ///
    /// Sends one request for every 20 services on Classic, and one for each service on Platform.
    fn services_by_id(
        &self,
        ids: &BTreeSet<ServiceId>,
    ) -> impl Future<Output = Result<Vec<LiveService>, ApiError>>;

    /// Returns all agents, or those with the ids in `need`.
    fn agents(&self, need: &Need<AgentId>) -> impl Future<Output = Result<Catalog<AgentId>, ApiError>>;

    /// Returns all context graphs, or those with the ids in `need`.
    fn context_graphs(
        &self,
        need: &Need<ContextGraphId>,
    ) -> impl Future<Output = Result<Catalog<ContextGraphId>, ApiError>>;

    /// Reads the newest version of an agent. This is necessary if the server's list of agents does not contain
    /// versions.
    fn latest_agent_version(&self, id: &AgentId) -> impl Future<Output = Result<LatestVersion, ApiError>>;

    /// Reads the newest version of a context graph. This is necessary if the server's list of context graphs does not
    /// contain versions.
    fn latest_context_graph_version(
        &self,
        id: &ContextGraphId,
    ) -> impl Future<Output = Result<LatestVersion, ApiError>>;

    /// Returns the behavior sets that apply to at least one of these services.
    fn behavior_sets(
        &self,
        services: &BTreeSet<ServiceId>,
    ) -> impl Future<Output = Result<Vec<BehaviorSet>, ApiError>>;

    /// Returns one behavior set, or `None` if it is deleted.
    fn behavior_set(&self, id: &BehaviorSetId)
    -> impl Future<Output = Result<Option<BehaviorSet>, ApiError>>;
}

/// The write operations of an API.
pub trait WriteApi: ReadApi + Sized {
    /// Returns a copy of this connection that sends requests even if the run is cancelled. Once the run is cancelled,
    /// each request is retried for at most a minute.
    fn uninterruptible(&self) -> Self;

    /// Returns a copy of this connection that sends requests even if the run is cancelled, but not after a deadline.
    /// Every request, wait and retry ends by the deadline. Requests that use a [`Reservation`] are retried for only a
    /// few seconds.
    fn with_deadline(&self, deadline: Instant) -> Self;

    /// Returns a copy of this connection with a reservation, which allows some requests to one endpoint without a wait.
    /// When these requests are used up, later requests to the endpoint wait for the rate limit.
    fn with_reservation(&self, reservation: &Arc<Reservation>) -> Self;

    /// Announces that about `count` requests to an endpoint will follow. With this estimate, the limiter can spread
    /// them better over the windows (periods) of the rate limit.
    fn expect_requests(&self, endpoint: Endpoint, count: u32);

    /// Returns a copy of this connection that does not retry requests. It is for callers that check the live state
    /// themselves after a failure.
    fn without_retries(&self) -> Self;

    /// Returns a copy of this connection for writes to the service `seen`. The writes were planned when the service had
    /// this state.
    ///
    /// The API replaces some values as a whole, so the service is read again before one of these values is written. If
    /// the service differs from `seen`, nothing is sent ([`FailureCause::Moved`](super::FailureCause::Moved)).
    fn decided_on(&self, seen: &LiveService) -> Self;

    /// Creates a service and returns its id.
    ///
    /// If the answer is lost, the request is not sent again. The caller must first check whether the server applied it
    /// ([`ApiError::may_have_happened`]).
    fn create_service(&self, new: &NewService) -> impl Future<Output = Result<ServiceId, ApiError>>;

    /// Changes a service.
    ///
    /// If the answer is lost, a change of the name is not sent again. The caller must first check whether the server
    /// applied it ([`ApiError::may_have_happened`]).
    fn update_service(
        &self,
        id: &ServiceId,
        update: &ServiceUpdate,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Deletes a service (Platform only). Succeeds if the service is already deleted.
    fn delete_service(&self, id: &ServiceId) -> impl Future<Output = Result<(), ApiError>>;

    /// Writes a whole version set, which replaces an existing version set of the same name.
    fn write_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Deletes a version set. Succeeds if the version set is already deleted.
    fn delete_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Adds a service to the services that a behavior set applies to. Also succeeds if the behavior set does not exist
    /// any more.
    ///
    /// Before each attempt, the behavior set's list of services is read again, so that changes by other clients are
    /// kept.
    fn apply_behavior_set(
        &self,
        id: &BehaviorSetId,
        service: &ServiceId,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Holds the conversation of a smoke test with a service, and returns the agent's answer. The caller compares the
    /// answer with [`SmokeTest::expect`].
    fn converse(&self, id: &ServiceId, test: &SmokeTest) -> impl Future<Output = Result<String, ApiError>>;

    /// Waits until `count` requests to an endpoint can be sent without a wait between them, and reserves them.
    ///
    /// # Errors
    ///
    /// Fails if the run is cancelled during the wait, or if the connection's deadline passes. In a run without a
    /// deadline, also fails if the endpoint has refused all requests for minutes.
    fn reserve(
        &self,
        endpoint: Endpoint,
        count: u32,
    ) -> impl Future<Output = Result<Arc<Reservation>, ApiError>>;
}

/// Reads the list of services a second time, and returns the services of both readings. `first` is the first reading.
/// Services that only the first reading contains are read by id, to find out whether they still exist.
///
/// # Errors
///
/// Fails if a request fails permanently. Also fails if the list changed during both readings, so that services are
/// still missing.
pub async fn read_services_again(
    api: &impl ReadApi,
    first: &ServiceList,
) -> Result<Vec<LiveService>, ApiError> {
    let second = api.list_services(first.listing).await?;
    let only_first = only_in_first(&first.services, &second.services);
    let mut found = if only_first.is_empty() { Vec::new() } else { api.services_by_id(&only_first).await? };
    found.retain(|service| first.listing.shows(service));
    second.check_complete(first, second.services.len() + found.len())?;
    Ok(merge_readings(second.services, found))
}
