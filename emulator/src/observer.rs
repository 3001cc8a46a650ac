//! Who watches requests and may break them. Imports the world and the faults.

use super::faults::Fault;
use super::world::World;

/// Sees every request; tests and fault rehearsals are made of this.
pub trait Observer: Send + Sync {
    /// Called before the rules run, in order of arrival: what is to go wrong. Without an answer of its own, the
    /// schedule of the server decides.
    fn before(&self, _request: &RequestInfo) -> Option<Fault> {
        None
    }

    /// Called when something goes wrong with a request, as the schedule or an observer wants it.
    fn broken(&self, _request: &RequestInfo, _fault: &Fault) {}

    /// Called after the rules ran and the state is durable, before the answer is sent. Only for
    /// requests that the rules saw ([`Fault::is_processed`]).
    fn after(&self, _request: &RequestInfo, _status: u16, _world: &World) {}
}

/// A request, as an observer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// From 1, in order of arrival.
    pub number: u64,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent, with the query.
    pub path: String,
    /// The organization or the workspace, where the path names one.
    pub organization: Option<String>,
    /// The body; what isn't UTF-8 is replaced.
    pub body: String,
    /// The `user-agent` header.
    pub user_agent: Option<String>,
}

/// A request that arrived, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// From 1, in order of arrival.
    pub number: u64,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as sent, with the query.
    pub path: String,
    /// The status of the answer; none when the connection was closed before the rules ran. A request
    /// that was processed and whose answer was lost has the status that nobody got to see.
    pub status: Option<u16>,
}
