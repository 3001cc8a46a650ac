//! Applies faults to requests, without a network.

use std::time::SystemTime;

use serde_json::Value;

use super::fault::Fault;
use crate::api::exchange::Reply;

/// The result of a request, as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection was refused.
    Refused,
    /// The connection was aborted without an answer.
    Lost,
    /// The connection was aborted in the middle of the answer's body. The reply contains the part of the body that was
    /// sent.
    CutOff(Reply),
    /// The client received this answer.
    Answered(Reply),
}

impl Fault {
    /// Applies this fault to a request, and returns the result that the client sees. Calls `process` to process the
    /// request, unless the fault prevents that. The caller must implement delays and slow bodies itself.
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

/// Removes a service from the list in an answer, and reduces the total number of services in the answer. If the answer
/// has no list of services, returns it unchanged.
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
