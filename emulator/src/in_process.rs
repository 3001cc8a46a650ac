//! The emulator without a socket or a thread: a request in, an answer out, by the same rules. Imports the core.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use super::core::Core;
use super::exchange::{Answer, Payload, Request};
use super::faults::Fault;
use super::server::Options;
use super::store::StoreError;
use super::world::World;

/// Both APIs, called directly: for simulations whose time is not the machine's.
pub struct InProcess {
    core: Mutex<Core>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// An answer as it would go over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a client gets to see of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No connection.
    Refused,
    /// A connection that dies without an answer.
    Lost,
    /// An answer whose body breaks off where this one ends.
    CutOff(Reply),
    /// An answer.
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
    /// Opens the state and seeds it. The address and the observer have no meaning here.
    ///
    /// # Errors
    ///
    /// A state file that can't be used.
    pub fn open(mut options: Options) -> Result<Self, StoreError> {
        let clock = Arc::clone(&options.clock);
        let core = Core::open(&mut options, clock())?;
        Ok(Self { core: Mutex::new(core), clock })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request: the path with its query as sent, header names in lower case.
    pub fn answer(&self, method: &str, target: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Reply {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let (method, path) = (method.to_owned(), path.to_owned());
        let request = Request { method, path, query, headers, body, now: (self.clock)() };
        self.core().answer(&request).into()
    }

    /// Everything that exists now.
    pub fn world(&self) -> World {
        self.core().world.clone()
    }

    /// Changes the world past all rules, as an operator would in between.
    ///
    /// # Errors
    ///
    /// A state file that can't be written; nothing is changed then.
    pub fn edit(&self, change: impl FnOnce(&mut World)) -> Result<(), StoreError> {
        self.core().edit(change)
    }
}

impl Fault {
    /// What the client sees, given the time and how to have the request processed. A delay is the caller's to
    /// keep, and how fast a body comes.
    pub fn strike(&self, now: SystemTime, process: impl FnOnce() -> Reply) -> Outcome {
        let reply = self.is_processed().then(process);
        match (self, reply) {
            (Self::Refuse, _) => Outcome::Refused,
            (Self::CutAnswer, Some(reply)) => Outcome::CutOff(halved(reply)),
            (Self::Garble, Some(reply)) => Outcome::Answered(halved(reply)),
            (Self::Delay { .. } | Self::Dribble { .. }, Some(reply)) => Outcome::Answered(reply),
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

/// Leaves a service out of a list of services; any other answer stays as it is.
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
