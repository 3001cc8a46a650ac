//! Who watches requests and may break them. Imports the world.

use std::time::Duration;

use super::world::World;

/// Sees every request; tests and fault rehearsals are made of this.
pub trait Observer: Send + Sync {
    /// Called before the rules run, in order of arrival.
    fn before(&self, _request: &RequestInfo) -> Verdict {
        Verdict::Proceed
    }

    /// Called after the rules ran and the state is durable, before the answer is sent. Only for
    /// requests that the rules saw: not after [`Verdict::Drop`] and [`Verdict::Answer`].
    fn after(&self, _request: &RequestInfo, _status: u16, _world: &World) {}
}

/// What is to become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rules decide.
    Proceed,
    /// The rules decide, this much later.
    Delay(Duration),
    /// The connection closes; the rules never see the request.
    Drop,
    /// The rules run, and what they decide lasts; then the connection closes without an answer.
    ProcessThenDrop,
    /// This is the answer; the rules never see the request.
    Answer {
        /// The status.
        status: u16,
        /// Headers beside the length; those that HTTP doesn't allow are left out.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
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
    /// that was processed and then dropped has the status that nobody got to see.
    pub status: Option<u16>,
}
