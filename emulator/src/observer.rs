//! A hook that sees each request and can inject faults.

use crate::faults::Fault;
use crate::state::World;

/// Is called for each request. Tests and fault rehearsals implement it.
pub trait Observer: Send + Sync {
    /// Is called before the rules run, in order of arrival. Returns the fault to inject. Without one, the
    /// server's schedule decides.
    fn before(&self, _request: &RequestInfo) -> Option<Fault> {
        None
    }

    /// Is called when a fault of the schedule or of this observer is injected.
    fn fault_injected(&self, _request: &RequestInfo, _fault: &Fault) {}

    /// Is called after the rules ran and the state is stored, before the answer is sent. Is called only for
    /// requests that the rules process ([`Fault::is_processed`]).
    fn after(&self, _request: &RequestInfo, _status: u16, _world: &World) {}
}

/// A request as observers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The request's number in order of arrival, from 1.
    pub number: u64,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its query, as sent.
    pub path: String,
    /// The organization or workspace in the path, if any.
    pub organization: Option<String>,
    /// The body. Bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The `user-agent` header.
    pub user_agent: Option<String>,
}

/// A request that arrived, and the status of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// The request's number in order of arrival, from 1.
    pub number: u64,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its query, as sent.
    pub path: String,
    /// The status of the answer. `None` if the connection was closed before the rules ran. If a processed
    /// request's answer was lost, this is the status of the lost answer.
    pub status: Option<u16>,
}
