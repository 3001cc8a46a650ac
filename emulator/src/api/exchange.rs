//! Types for requests and answers. They need no HTTP library, so the rules of the APIs can be tested without a server.

use std::time::{SystemTime, UNIX_EPOCH};

/// A request with its complete body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path as the client sent it, still percent-encoded.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// The names and values of the headers. The names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) now: SystemTime,
}

impl Request {
    /// Returns the value of the first header with this name. The name must be in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer to a request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Payload,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Payload {
    Empty,
    Json(Vec<u8>),
    /// A body of any kind: its content type and its bytes.
    Bytes(&'static str, Vec<u8>),
    /// NDJSON (one JSON document per line), which is sent in several chunks.
    Stream(Vec<Vec<u8>>),
}

impl Answer {
    /// Returns an answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Payload::Empty }
    }

    /// Returns an answer with a JSON body.
    pub(crate) fn json(status: u16, document: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(document) {
            Ok(body) => Self { status, headers: Vec::new(), body: Payload::Json(body) },
            Err(_) => Self::empty(500),
        }
    }

    /// Returns an error answer whose body has the field `detail` with this text.
    pub(crate) fn detail(status: u16, text: &str) -> Self {
        Self::json(status, &serde_json::json!({ "detail": text }))
    }

    /// Adds a header to the answer, and returns the answer.
    pub(crate) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// An answer to a request, with the headers and the body in the form in which HTTP transmits them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The names and values of the headers. The names are in lower case.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
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

/// Converts a time to milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Formats a time, given in milliseconds since 1970, as ISO 8601.
pub(crate) fn iso(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}
