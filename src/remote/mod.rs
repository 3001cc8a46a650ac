//! The two APIs over HTTP: reading, writing, sign-in, limits, retries. May import `model` only.
//!
//! A command that plans holds a [`ReadApi`]: it cannot write, by type. Only `apply` is given a
//! [`WriteApi`].

mod access;
mod any;
mod body;
mod bounds;
mod classic;
mod extent;
mod failure;
mod http;
mod limits;
mod mask;
mod pages;
mod platform;
mod retry;
mod service_list;
mod snapshot;
mod token;
mod transport;
mod tries;
mod wire;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use access::{Access, Credentials, Stop, StopReason, Watch};
pub use any::AnyApi;
pub use classic::Classic;
pub use failure::{ApiError, Cause};
pub use limits::{Budgets, Reservation};
pub use platform::Platform;
pub use service_list::{Listing, ServiceList, read_services_again};
pub use snapshot::{complete_snapshot, read_snapshot};
#[cfg(test)]
pub(crate) use transport::{Broken, How, simulated::Line};

use crate::model::{
    AgentId, BehaviorSet, BehaviorSetId, Catalog, ContextGraphId, Endpoint, LatestVersion, LiveService, Need,
    NewService, ServiceId, ServiceUpdate, SmokeTest, VersionSet, VersionSetName,
};

/// What an API can be asked.
pub trait ReadApi {
    /// One reading of the list of the services that the user may see.
    fn list_services(&self, listing: Listing) -> impl Future<Output = Result<ServiceList, ApiError>>;

    /// The services that the user may see. A list that shifted while it was read is read again.
    fn services(&self, listing: Listing) -> impl Future<Output = Result<Vec<LiveService>, ApiError>>
    where
        Self: Sized,
    {
        async move {
            let list = self.list_services(listing).await?;
            if list.has_shifted { read_services_again(self, &list).await } else { Ok(list.services) }
        }
    }

    /// All services after two readings of the list: for what rests on a service that is not there.
    fn services_read_twice(&self) -> impl Future<Output = Result<Vec<LiveService>, ApiError>>
    where
        Self: Sized,
    {
        async { read_services_again(self, &self.list_services(Listing::All).await?).await }
    }

    /// One service; none where it is gone, or hidden from the user.
    fn service(&self, id: &ServiceId) -> impl Future<Output = Result<Option<LiveService>, ApiError>>;

    /// Several services by id, in as few requests as the API allows: up to 20 a request on Classic, one each on
    /// Platform. Services that are gone, or hidden from the user, are left out.
    fn services_by_id(
        &self,
        ids: &BTreeSet<ServiceId>,
    ) -> impl Future<Output = Result<Vec<LiveService>, ApiError>>;

    /// Agents: all, or some by id.
    fn agents(&self, need: &Need<AgentId>) -> impl Future<Output = Result<Catalog<AgentId>, ApiError>>;

    /// Context graphs: all, or some by id.
    fn context_graphs(
        &self,
        need: &Need<ContextGraphId>,
    ) -> impl Future<Output = Result<Catalog<ContextGraphId>, ApiError>>;

    /// The newest version of an agent, for lists that don't tell it.
    fn latest_agent_version(&self, id: &AgentId) -> impl Future<Output = Result<LatestVersion, ApiError>>;

    /// The newest version of a context graph, for lists that don't tell it.
    fn latest_context_graph_version(
        &self,
        id: &ContextGraphId,
    ) -> impl Future<Output = Result<LatestVersion, ApiError>>;

    /// The behavior sets that are applied to at least one of these services.
    fn behavior_sets(
        &self,
        services: &BTreeSet<ServiceId>,
    ) -> impl Future<Output = Result<Vec<BehaviorSet>, ApiError>>;

    /// One behavior set; none where it is gone.
    fn behavior_set(&self, id: &BehaviorSetId)
    -> impl Future<Output = Result<Option<BehaviorSet>, ApiError>>;
}

/// What an API can be told.
pub trait WriteApi: ReadApi + Sized {
    /// The same connection for what must come to its end: a wish to stop does not keep it from being sent, and it is
    /// tried for a minute at most then.
    fn to_the_end(&self) -> Self;

    /// The same connection for what must come to its end before a deadline, whoever wishes to stop: no request, wait
    /// or further try goes beyond it. What a reservation covers is tried for a few seconds only.
    fn until(&self, deadline: Instant) -> Self;

    /// The same connection, whose requests to the reserved endpoint don't wait for its limit as long as the
    /// reservation lasts.
    fn using(&self, reserved: &Arc<Reservation>) -> Self;

    /// The same connection, whose requests are not sent again when they fail: the caller looks first what is there.
    fn once(&self) -> Self;

    /// The same connection for a write that was decided on this state of a service. A write that the API wants whole is
    /// made of the service as it is read once more: if it is not like this any more, nothing is sent
    /// ([`Cause::Moved`]).
    fn decided_on(&self, seen: &LiveService) -> Self;

    /// Creates a service and gives its id. Never repeated after an answer was lost: the caller looks
    /// it up first ([`ApiError::may_have_happened`]).
    fn create_service(&self, new: &NewService) -> impl Future<Output = Result<ServiceId, ApiError>>;

    /// Changes a service. A change of its name is never repeated after an answer was lost: the caller looks it
    /// up first ([`ApiError::may_have_happened`]).
    fn update_service(
        &self,
        id: &ServiceId,
        update: &ServiceUpdate,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Deletes a service; one that is gone already is no error. Platform only.
    fn delete_service(&self, id: &ServiceId) -> impl Future<Output = Result<(), ApiError>>;

    /// Writes a version set, whole.
    fn write_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Deletes a version set; one that is gone already is no error.
    fn delete_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Adds a service to those that a behavior set is applied to; one that is gone applies to nobody, and that is no
    /// error. Who else is added or taken out meanwhile stays so.
    fn apply_behavior_set(
        &self,
        id: &BehaviorSetId,
        service: &ServiceId,
    ) -> impl Future<Output = Result<(), ApiError>>;

    /// Holds a conversation, ends it, and gives what the agent said.
    fn converse(&self, id: &ServiceId, test: &SmokeTest) -> impl Future<Output = Result<String, ApiError>>;

    /// Waits until `count` requests to an endpoint can follow each other without a wait between them.
    ///
    /// Fails only when the wait is interrupted.
    fn reserve(
        &self,
        endpoint: Endpoint,
        count: u32,
    ) -> impl Future<Output = Result<Arc<Reservation>, ApiError>>;
}

/// How long one request may take, its whole answer included, before it counts as lost.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
