//! What goes wrong between us and an API, with its place and what to do. May import `model` only.

use std::fmt;

use reqwest::Method;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server said no, with this status.
    Status(u16),
    /// No connection came about: the request was not sent.
    NotSent,
    /// The request was sent, and its answer was lost: what it asked may have happened.
    Lost,
    /// The answer was not what the API promises.
    Unreadable,
    /// It was not sent, because the run was interrupted.
    Interrupted,
    /// Something on our side, before anything was sent (credentials, addresses).
    Setup,
}

/// A failed request: what happened, where, what it means, what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ApiError {
    /// The method; empty where nothing was sent.
    pub method: String,
    /// The path; empty where nothing was sent.
    pub path: String,
    /// Why.
    pub cause: Cause,
    /// The server's message, or ours. Text from outside: sanitized only where it is shown.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{} {}: ", self.method, self.path)?;
        }
        match self.cause {
            Cause::Status(status) => write!(f, "{status} {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl ApiError {
    /// An error of a request.
    pub(super) fn new(method: &Method, path: &str, cause: Cause, message: impl Into<String>) -> Self {
        Self {
            method: method.to_string(),
            path: path.to_owned(),
            cause,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// An error before any request.
    pub fn setup(message: impl Into<String>) -> Self {
        Self {
            method: String::new(),
            path: String::new(),
            cause: Cause::Setup,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The status, if the server answered.
    pub fn status(&self) -> Option<u16> {
        match self.cause {
            Cause::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether what was asked may have happened although no good answer came.
    pub fn may_have_happened(&self) -> bool {
        match self.cause {
            Cause::Lost | Cause::Unreadable => true,
            Cause::Status(status) => status == 408 || (500..600).contains(&status) && status != 503,
            Cause::NotSent | Cause::Interrupted | Cause::Setup => false,
        }
    }

    /// An error from a status and an answer's body.
    pub(super) fn from_answer(method: &Method, path: &str, status: u16, body: &[u8]) -> Self {
        let error = Self::new(method, path, Cause::Status(status), server_message(status, body));
        match meaning(method, path, status) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// What a status means for who reads it at 2 a.m.
fn meaning(method: &Method, path: &str, status: u16) -> Option<&'static str> {
    Some(match status {
        401 => {
            "the API key, its id or the user is not accepted: check AMIGO_API_KEY, AMIGO_API_KEY_ID and AMIGO_USER_ID"
        }
        403 => "the API key's user lacks the permission that the message names",
        404 if path.ends_with("/signin_with_api_key") || *method == Method::GET => {
            "check `organization:` and `base_url:` of the environment"
        }
        404 if path.ends_with("/service/") => {
            "the agent or context graph may have been removed meanwhile: run `amigops plan` again"
        }
        404 => "the service may have been removed meanwhile: run `amigops plan` again",
        409 => {
            "another active service has this name, or somebody works on it at the same time: run `amigops plan` again"
        }
        429 => "the organization's requests are used up by somebody else, too: try again in a minute",
        503 => "the API is under maintenance: try again later",
        500..=599 => "the API failed: try again; what is done is kept",
        300..=399 => "redirects are not followed: check `base_url:`",
        _ => return None,
    })
}

/// The most characters of a server's message that are kept.
const MAX_MESSAGE: usize = 2_000;

/// What a server says in an error: FastAPI's `detail`, as a text or as a list of places and messages.
fn server_message(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let detail = json.as_ref().and_then(|json| json.get("detail"));
    let message = match detail {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Array(problems)) => {
            problems.iter().map(field_problem).collect::<Vec<_>>().join("; ")
        }
        Some(other) => other.to_string(),
        None => match json {
            Some(json) => json.to_string(),
            None if text.trim_start().starts_with('<') => "an HTML page instead of an answer".to_owned(),
            None => text.trim().to_owned(),
        },
    };
    let message = if message.is_empty() {
        reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("no message")
            .to_owned()
    } else {
        message
    };
    message.chars().take(MAX_MESSAGE).collect()
}

/// One entry of a 422: `body.tags: too many`.
fn field_problem(problem: &serde_json::Value) -> String {
    let message = problem.get("msg").and_then(serde_json::Value::as_str).unwrap_or("invalid");
    let place: Vec<String> = problem
        .get("loc")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
        .collect();
    if place.is_empty() { message.to_owned() } else { format!("{}: {message}", place.join(".")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_servers() {
        let table: [(&str, &str); 6] = [
            (r#"{"detail":"no such agent"}"#, "no such agent"),
            (
                r#"{"detail":[{"loc":["body","tags",0],"msg":"too long","type":"x"}]}"#,
                "body.tags.0: too long",
            ),
            (r#"{"detail":{"code":7}}"#, r#"{"code":7}"#),
            ("<html><body>nginx</body></html>", "an HTML page instead of an answer"),
            ("", "Bad Gateway"),
            ("plain", "plain"),
        ];
        for (body, expected) in table {
            assert_eq!(server_message(502, body.as_bytes()), expected);
        }
    }

    #[test]
    fn what_may_have_happened() {
        let of = |cause| ApiError::new(&Method::POST, "/", cause, "").may_have_happened();
        assert!(of(Cause::Lost) && of(Cause::Unreadable) && of(Cause::Status(504)) && of(Cause::Status(408)));
        assert!(
            !of(Cause::NotSent) && !of(Cause::Status(503)) && !of(Cause::Status(409)) && !of(Cause::Setup)
        );
    }
}
