//! Errors of API requests, with hints on what to do.

use std::fmt;

use reqwest::Method;
use serde_json::Value;

use crate::model::{Api, Secrets};

/// The reason why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// The server answered with an error status.
    Status(u16),
    /// The request was not sent, because there was no connection or no time left.
    NotSent,
    /// The request was sent, but its answer was lost. The server may have carried out the request.
    Lost,
    /// The answer is not JSON, or is cut off.
    Malformed,
    /// The answer could be read, but is not an answer that the API specifies.
    Unexpected,
    /// The server accepted the request, but its answer shows that not all of the request was applied.
    NotApplied,
    /// The request was not sent, because another client has changed the service since the caller read it.
    Moved,
    /// The request was not sent, because the run was cancelled.
    Interrupted,
    /// The request was not sent, because of a problem on our side, such as a wrong address or credentials for the wrong
    /// API.
    Setup,
}

impl FailureCause {
    /// Returns true if a request that failed for this reason may have been carried out by the server.
    fn is_ambiguous(&self) -> bool {
        match self {
            Self::Lost | Self::Malformed | Self::Unexpected | Self::NotApplied => true,
            Self::Status(status) => *status == 408 || (500..600).contains(status) && *status != 503,
            Self::NotSent | Self::Moved | Self::Interrupted | Self::Setup => false,
        }
    }
}

/// The status of an answer, and the beginning of its body.
#[derive(Clone, Copy)]
pub(super) struct ErrorAnswer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

/// The error of a failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ApiError {
    /// The HTTP method of the request. Empty if the error does not belong to a single request.
    pub method: String,
    /// The path of the request. Empty if the error does not belong to a single request.
    pub path: String,
    /// The reason why the request failed.
    pub cause: FailureCause,
    /// The message of the server, or our own message. A server's message is untrusted, and it is sanitized only when it
    /// is displayed.
    pub message: String,
    /// Hints on what the user can do next.
    pub hints: Vec<String>,
    /// True if the server may have carried out the request, in this attempt or an earlier one.
    pub ambiguous: bool,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{} {}: ", self.method, self.path)?;
        }
        match self.cause {
            FailureCause::Status(status) => write!(f, "{status} {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl ApiError {
    /// Creates the error for a failed request.
    pub(super) fn new(method: &Method, path: &str, cause: FailureCause, message: impl Into<String>) -> Self {
        let ambiguous = cause.is_ambiguous();
        Self {
            method: method.to_string(),
            path: truncate(path, MAX_PATH),
            cause,
            message: truncate(&message.into(), MAX_MESSAGE),
            hints: Vec::new(),
            ambiguous,
        }
    }

    /// Creates the error for a problem that prevents a request from being sent.
    pub fn setup(message: impl Into<String>) -> Self {
        Self {
            method: String::new(),
            path: String::new(),
            cause: FailureCause::Setup,
            message: message.into(),
            hints: Vec::new(),
            ambiguous: false,
        }
    }

    /// Adds a hint on what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the status code, or `None` if the server did not answer with an error status.
    pub fn status(&self) -> Option<u16> {
        match self.cause {
            FailureCause::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Returns true if the server may have carried out the request, in this attempt or an earlier one, although the
    /// request failed.
    pub fn may_have_happened(&self) -> bool {
        self.ambiguous
    }

    /// Creates an error from an answer with an error status.
    ///
    /// Masks `secrets` in the message, because a server or a proxy may repeat them. They are masked before a long
    /// message is shortened, because a part of a secret would not be recognized.
    pub(super) fn from_answer(
        api: Api,
        method: &Method,
        path: &str,
        ErrorAnswer { status, body }: ErrorAnswer<'_>,
        secrets: &[&str],
    ) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = secrets.iter().collect::<Secrets>().mask(&text).into_owned();
        let error =
            Self::new(method, path, FailureCause::Status(status), parse_server_message(status, &text));
        match status_hint(api, method, path, status) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Returns the hint for an error status, or `None` if there is no hint for it.
fn status_hint(api: Api, method: &Method, path: &str, status: u16) -> Option<String> {
    let home = api.home_noun();
    // `is_list` is true if the request is about the whole organization or workspace (a list, or the sign-in), not about
    // one service.
    let (is_list, is_turn) = match api {
        Api::Classic => (*method == Method::GET || path.ends_with("/signin_with_api_key"), false),
        Api::Platform => (
            ["/services", "/agents", "/context-graphs"].iter().any(|list| path.ends_with(list))
                && *method == Method::GET,
            path.ends_with("-turn"),
        ),
    };
    let is_create = *method == Method::POST && (path.ends_with("/service/") || path.ends_with("/services"));
    let hint = match (api, status) {
        (Api::Classic, 403) => "the API key's user lacks the permission that the message names",
        (Api::Platform, 403) => {
            "the API key lacks the permission that the message names, or belongs to another workspace"
        }
        (_, 404) if is_list => return Some(format!("check `{home}:` and `base_url:` of the environment")),
        (_, 404) if is_create => {
            "the agent or context graph may have been removed since this run read it: run `amigops plan` again"
        }
        (_, 404) => "the service may have been removed since this run read it: run `amigops plan` again",
        (_, 409) => name_taken_hint(api, is_create, is_turn),
        (_, 429) => {
            return Some(format!(
                "other clients also use up the {home}'s request limit: try again in a minute"
            ));
        }
        (_, 503) => "the API is under maintenance: try again later",
        (_, 500..=599) => "the API failed: try again; completed changes stay in place",
        (_, 300..=399) => "redirects are not followed: check `base_url:`",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Returns the hint for status 409, which usually means that another service already has the requested name.
fn name_taken_hint(api: Api, is_create: bool, is_turn: bool) -> &'static str {
    match api {
        Api::Platform if is_turn => {
            "another conversation turn with this phone number is in progress: try again later"
        }
        Api::Classic if is_create => {
            "another active service has this name. A concurrent run may have created it, or it is hidden from this API key's user (lists omit such services): run `amigops plan` again"
        }
        Api::Classic => {
            "another active service has this name, or another client is changing this service: run `amigops plan` again"
        }
        Api::Platform if is_create => {
            "another service has this name. It may be inactive, created by a concurrent run, or hidden from this API key (lists omit such services): run `amigops plan` again"
        }
        Api::Platform => {
            "another service has this name (perhaps an inactive one), or another client is changing this service: run `amigops plan` again"
        }
    }
}

/// The maximum number of characters of an error message, which may contain text from a server.
const MAX_MESSAGE: usize = 2_000;
/// The maximum number of characters of a path in an error, which may contain an id from the server.
pub(super) const MAX_PATH: usize = 500;

/// Returns the text. If it has more than `max` characters, shortens it to `max` characters and `…`.
pub(super) fn truncate(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the message of an error answer, with its error code and request id.
///
/// The framework of the servers (FastAPI) writes the message into the field `detail`. The field is a string, or a list
/// of problems, each with the path of the field that has the problem.
fn parse_server_message(status: u16, text: &str) -> String {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let detail = json.as_ref().and_then(|json| json.get("detail"));
    let message = match detail {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Array(problems)) => problems.iter().map(field_problem).collect::<Vec<_>>().join("; "),
        Some(other) => match other.get("message").or_else(|| other.get("msg")).and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => other.to_string(),
        },
        None => match &json {
            Some(json) => json.to_string(),
            None if text.trim_start().starts_with('<') => {
                "an HTML page instead of an API response".to_owned()
            }
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
    let mut message = truncate(&message, MAX_MESSAGE - 2 * MAX_ID - 100);
    // Without a `detail`, the whole answer is shown, so the ids are already in it.
    let ids = json.as_ref().filter(|_| detail.is_some()).map(error_ids).unwrap_or_default();
    if !ids.is_empty() {
        message.push_str(&format!(" ({})", ids.join(", ")));
    }
    message
}

/// The maximum number of characters of a request id or an error code.
const MAX_ID: usize = 100;

/// Returns the `error_code` and the `request_id` of an error answer, as parts of the error message. Leaves out a field
/// that the answer does not have.
fn error_ids(error: &Value) -> Vec<String> {
    let text = |key: &str| -> Option<String> {
        match error.get(key)? {
            Value::String(text) => Some(text.chars().take(MAX_ID).collect()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    };
    let code = text("error_code").map(|code| format!("error code {code}"));
    let request = text("request_id").map(|id| format!("request id {id}"));
    code.into_iter().chain(request).collect()
}

/// Formats one problem from an answer with status 422, such as `tags.0: too long`. Leaves out `body` or `query` at the
/// beginning of the field's path.
fn field_problem(problem: &Value) -> String {
    let message = problem.get("msg").and_then(Value::as_str).unwrap_or("invalid");
    let place: Vec<String> = problem
        .get("loc")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
        .collect();
    let place = match place.split_first() {
        Some((first, rest)) if matches!(first.as_str(), "body" | "query") => rest,
        _ => &place[..],
    };
    if place.is_empty() { message.to_owned() } else { format!("{}: {message}", place.join(".")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_messages_are_extracted() {
        let table = [
            (r#"{"detail":"no such agent"}"#, "no such agent"),
            (r#"{"detail":[{"loc":["body","tags",0],"msg":"too long","type":"x"}]}"#, "tags.0: too long"),
            (
                r#"{"detail":[{"loc":["body","voice_config","forwarding","forward_to"],"msg":"too short","input":"1","ctx":{}},
                    {"loc":["query","limit"],"msg":"too much"},{"loc":["body"],"msg":"no body"},{"loc":7},null]}"#,
                "voice_config.forwarding.forward_to: too short; limit: too much; no body; invalid; invalid",
            ),
            (r#"{"detail":{"code":7}}"#, r#"{"code":7}"#),
            (r#"{"detail":{"message":"taken","x":1}}"#, "taken"),
            (
                r#"{"detail":"taken","request_id":"r-1","error_code":"conflict"}"#,
                "taken (error code conflict, request id r-1)",
            ),
            (r#"{"detail":"","request_id":7}"#, "Bad Gateway (request id 7)"),
            (r#"{"request_id":"r-1"}"#, r#"{"request_id":"r-1"}"#),
            ("[1", "[1"),
            ("<html><body>nginx</body></html>", "an HTML page instead of an API response"),
            ("", "Bad Gateway"),
            ("plain", "plain"),
        ];
        for (body, expected) in table {
            assert_eq!(parse_server_message(502, body), expected);
        }
    }

    #[test]
    fn causes_that_leave_the_outcome_unknown() {
        let error = |cause| ApiError::new(&Method::POST, "/", cause, "");
        let of = |cause| error(cause).may_have_happened();
        assert!(
            of(FailureCause::Lost)
                && of(FailureCause::Malformed)
                && of(FailureCause::Unexpected)
                && of(FailureCause::Status(504))
                && of(FailureCause::Status(408))
        );
        assert!(
            !of(FailureCause::NotSent)
                && !of(FailureCause::Status(503))
                && !of(FailureCause::Status(409))
                && !of(FailureCause::Setup)
        );
        let after_a_lost_attempt = ApiError { ambiguous: true, ..error(FailureCause::Status(503)) };
        assert!(after_a_lost_attempt.may_have_happened());
    }

    #[test]
    fn secrets_are_masked_and_hints_fit_the_api() {
        let of = |api, method, path, status| {
            let secrets = ["s3cret-key-of-acme", "token-of-the-run"];
            let body = b"no: s3cret-key-of-acme, Bearer token-of-the-run";
            let error = ApiError::from_answer(api, &method, path, ErrorAnswer { status, body }, &secrets);
            assert_eq!(error.message, "no: ***, Bearer ***");
            error.hints.join(" ")
        };
        let platform = |method, path, status| of(Api::Platform, method, path, status);
        // There is no hint for status 401 here: the sender adds it, because it knows the names of the environment
        // variables.
        assert_eq!(of(Api::Classic, Method::GET, "/v1/o/service/", 401), "");
        assert!(platform(Method::GET, "/v1/w/services", 404).contains("`workspace:`"));
        assert!(platform(Method::GET, "/v1/w/services/s", 404).contains("the service may have been removed"));
        assert!(platform(Method::POST, "/v1/w/services", 404).contains("agent"));
        assert!(platform(Method::POST, "/v1/w/services", 409).contains("may be inactive"));
        assert!(
            platform(Method::POST, "/v1/w/services/s/text-turn", 409).contains("another conversation turn")
        );
        assert!(platform(Method::PUT, "/v1/w/services/s", 429).contains("the workspace's request limit"));
        let refused = |body: &str, secret: &str| {
            let answer = ErrorAnswer { status: 403, body: body.as_bytes() };
            ApiError::from_answer(Api::Platform, &Method::GET, "/", answer, &[secret]).message
        };
        assert_eq!(
            refused("the sandbox is full", "sandbox"),
            "the sandbox is full",
            "short keys are ordinary words, and not masked"
        );
        let message =
            refused(&format!("{}s3cret-key-of-acme", "x".repeat(MAX_MESSAGE - 6)), "s3cret-key-of-acme");
        assert!(!message.contains("s3c"), "{message}");
    }
}
