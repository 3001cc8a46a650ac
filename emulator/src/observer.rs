//! A hook that is called for each request, and that can inject faults.

use crate::faults::Fault;
use crate::state::World;

/// A hook that is called for each request. Tests and the command `amigops emulator` implement it.
pub trait Observer: Send + Sync {
    /// Called when a request arrives, in the order of arrival and before the API processes the request. Returns the
    /// fault to inject. If this method returns `None`, the server's fault rules decide whether a fault is injected.
    fn before(&self, _request: &RequestInfo) -> Option<Fault> {
        None
    }

    /// Called when a fault is injected. The fault was chosen by this observer or by a fault rule of the server.
    fn fault_injected(&self, _request: &RequestInfo, _fault: &Fault) {}

    /// Called when the API has processed a request and the state is stored, but before the answer is sent. Not called
    /// if a fault prevents the processing ([`Fault::is_processed`]).
    fn after(&self, _request: &RequestInfo, _status: u16, _world: &World) {}
}

/// A request, as observers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The number of the request in the order of arrival, counted from 1.
    pub number: u64,
    /// The HTTP method, such as `GET`.
    pub method: String,
    /// The path and query, as the client sent them.
    pub path: String,
    /// The organization or workspace in the path. `None` if the path contains neither.
    pub organization: Option<String>,
    /// The body as text. Bytes that are not UTF-8 are replaced.
    pub body: String,
    /// The value of the `user-agent` header. `None` if there is no such header.
    pub user_agent: Option<String>,
}

/// A request that the server has received, and the status of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// The number of the request in the order of arrival, counted from 1.
    pub number: u64,
    /// The HTTP method, such as `GET`.
    pub method: String,
    /// The path and query, as the client sent them.
    pub path: String,
    /// The status of the answer, even if a fault kept the answer from the client. `None` if the connection was aborted
    /// before the API processed the request.
    pub status: Option<u16>,
}
