//! A request and its answer, free of any HTTP library, so that rules can be tested without one.

use std::time::{SystemTime, UNIX_EPOCH};

/// A request that was read whole.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// As sent: percent-encoded.
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) now: SystemTime,
}

impl Request {
    /// The first header with this name (given in lower case).
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is sent back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Payload,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Payload {
    Empty,
    Json(Vec<u8>),
    /// Bytes of this content type.
    Bytes(&'static str, Vec<u8>),
    /// NDJSON, each piece sent on its own.
    Stream(Vec<Vec<u8>>),
}

impl Answer {
    /// A status and nothing else.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Payload::Empty }
    }

    /// A JSON document.
    pub(super) fn json(status: u16, document: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(document) {
            Ok(body) => Self { status, headers: Vec::new(), body: Payload::Json(body) },
            Err(_) => Self::empty(500),
        }
    }

    /// A refusal with a reason.
    pub(super) fn detail(status: u16, text: &str) -> Self {
        Self::json(status, &serde_json::json!({ "detail": text }))
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// Milliseconds since the epoch.
pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time as ISO 8601.
pub(super) fn iso(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}
