//! The description of one API request.

use reqwest::Method;
use serde_json::Value;

use crate::model::Endpoint;

/// A request to one endpoint of either API.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// The path below the base URL. A slash at the end must be kept, because the server distinguishes paths with and
    /// without it.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// True if sending the request twice has the same effect as sending it once.
    pub(super) repeatable: bool,
    /// True if the caller checks, after a lost answer, whether the server applied the request.
    pub(super) is_checked_by_caller: bool,
}

impl Call {
    /// Creates a GET request.
    pub(super) fn get(endpoint: Endpoint, path: String, query: Vec<(&'static str, String)>) -> Self {
        Self { query, ..Self::new(endpoint, Method::GET, path, None) }
    }

    /// Creates a request that is marked as repeatable: sending it twice has the same effect as sending it once.
    pub(super) fn new(endpoint: Endpoint, method: Method, path: String, body: Option<Value>) -> Self {
        Self {
            endpoint,
            method,
            path,
            query: Vec::new(),
            body,
            repeatable: true,
            is_checked_by_caller: false,
        }
    }

    /// Marks the request as one that must not be sent again before the caller has checked whether it was applied.
    pub(super) fn checked_by_caller(self) -> Self {
        Self { repeatable: false, is_checked_by_caller: true, ..self }
    }
}

/// Percent-encodes a string, so that it can be one segment of a URL path.
pub(super) fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
