//! The emulator without sockets or threads: takes a request and returns the answer by the same rules.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use super::core::Core;
use super::exchange::{Answer, Payload, Request};
use super::faults::Fault;
use super::server::Options;
use super::store::StoreError;
use super::world::World;

/// Both APIs, called directly. Simulations with virtual time use this.
pub struct InProcess {
    core: Mutex<Core>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// An answer as it would be sent over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The result of a request as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection was refused.
    Refused,
    /// The connection was aborted without an answer.
    Lost,
    /// The connection was aborted in the middle of the body. The reply holds what was sent before.
    CutOff(Reply),
    /// The client received this answer.
    Answered(Reply),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let mut headers = answer.headers;
        let mut kind = |kind: &str| headers.push(("content-type".to_owned(), kind.to_owned()));
        let body = match answer.body {
            Payload::Empty => Vec::new(),
            Payload::Json(bytes) => {
                kind("application/json");
                bytes
            }
            Payload::Bytes(content_type, bytes) => {
                kind(content_type);
                bytes
            }
            Payload::Stream(pieces) => {
                kind("application/x-ndjson");
                pieces.concat()
            }
        };
        Self { status: answer.status, headers, body }
    }
}

impl InProcess {
    /// Opens the state file and applies the seed. Ignores the address, the observer and the faults.
    ///
    /// # Errors
    ///
    /// Errors if the state file can't be used.
    pub fn open(mut options: Options) -> Result<Self, StoreError> {
        let clock = Arc::clone(&options.clock);
        let core = Core::open(&mut options, clock())?;
        Ok(Self { core: Mutex::new(core), clock })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request. `target` is the path with its query as sent; header names are in lower case.
    pub fn answer(&self, method: &str, target: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Reply {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let (method, path) = (method.to_owned(), path.to_owned());
        let request = Request { method, path, query, headers, body, now: (self.clock)() };
        self.core().answer(&request).into()
    }

    /// Returns a copy of the current world.
    pub fn world(&self) -> World {
        self.core().world.clone()
    }

    /// Changes the world as an operator would, without the API's rules.
    ///
    /// # Errors
    ///
    /// Errors if the state file can't be written. Nothing is changed then.
    pub fn edit(&self, change: impl FnOnce(&mut World)) -> Result<(), StoreError> {
        self.core().edit(change)
    }
}

impl Fault {
    /// Injects this fault into a request, and returns what the client sees. `process` runs the rules. The
    /// caller itself must apply delays and the speed of a slow body.
    pub fn inject(&self, now: SystemTime, process: impl FnOnce() -> Reply) -> Outcome {
        let reply = self.is_processed().then(process);
        match (self, reply) {
            (Self::Refuse, _) => Outcome::Refused,
            (Self::CutAnswer, Some(reply)) => Outcome::CutOff(halved(reply)),
            (Self::Garble, Some(reply)) => Outcome::Answered(halved(reply)),
            (Self::Delay { .. } | Self::SlowBody { .. }, Some(reply)) => Outcome::Answered(reply),
            (Self::Close, Some(mut reply)) => {
                reply.headers.push(("connection".to_owned(), "close".to_owned()));
                Outcome::Answered(reply)
            }
            (Self::Hide { service }, Some(reply)) => Outcome::Answered(without_service(reply, service)),
            (Self::Answer { status, headers, retry_after, body, .. }, _) => {
                let after = retry_after.map(|after| ("retry-after".to_owned(), after.header(now)));
                Outcome::Answered(Reply {
                    status: *status,
                    headers: headers.clone().into_iter().chain(after).collect(),
                    body: body.clone().into_bytes(),
                })
            }
            _ => Outcome::Lost,
        }
    }
}

fn halved(mut reply: Reply) -> Reply {
    reply.body.truncate(reply.body.len() / 2);
    reply
}

/// Removes a service from a list of services. Leaves any other answer unchanged.
fn without_service(mut reply: Reply, service: &str) -> Reply {
    let Ok(mut document) = serde_json::from_slice::<Value>(&reply.body) else { return reply };
    let is_hidden = |item: &Value| item["name"] == service || item["id"] == service;
    let mut hidden = 0;
    for list in ["services", "items"] {
        if let Some(items) = document.get_mut(list).and_then(Value::as_array_mut) {
            let before = items.len();
            items.retain(|item| !is_hidden(item));
            hidden += before - items.len();
        }
    }
    if let Some(total) = document.get("total").and_then(Value::as_u64) {
        document["total"] = total.saturating_sub(hidden as u64).into();
    }
    if hidden > 0 {
        reply.body = document.to_string().into_bytes();
    }
    reply
}
