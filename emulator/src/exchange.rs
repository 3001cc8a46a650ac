//! Requests and answers without any HTTP library, so that the rules can be tested without one.

use std::time::{SystemTime, UNIX_EPOCH};

/// A request with its whole body.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// As sent, percent-encoded.
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// Header names are in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) now: SystemTime,
}

impl Request {
    /// Returns the first header with this name, given in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer to a request.
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
    /// Bytes with this content type.
    Bytes(&'static str, Vec<u8>),
    /// NDJSON whose chunks are sent one at a time.
    Stream(Vec<Vec<u8>>),
}

impl Answer {
    /// An answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Payload::Empty }
    }

    /// An answer with a JSON body.
    pub(super) fn json(status: u16, document: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(document) {
            Ok(body) => Self { status, headers: Vec::new(), body: Payload::Json(body) },
            Err(_) => Self::empty(500),
        }
    }

    /// An error with the reason as its `detail`.
    pub(super) fn detail(status: u16, text: &str) -> Self {
        Self::json(status, &serde_json::json!({ "detail": text }))
    }

    /// Adds a header.
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

/// Formats a time as ISO 8601.
pub(super) fn iso(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}
