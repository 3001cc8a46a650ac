//! What goes wrong between us and an API, with its place and what to do. May import `model` only.

use std::fmt;

use reqwest::Method;
use serde_json::Value;

use crate::model::{Api, Secrets};

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The server said no, with this status.
    Status(u16),
    /// No connection came about: the request was not sent.
    NotSent,
    /// The request was sent, and its answer was lost: what it asked may have happened.
    Lost,
    /// The answer was no JSON, or a part of one only.
    Garbled,
    /// The answer was not what the API promises.
    Unreadable,
    /// The server said yes, and its answer shows that it did not do all that was asked.
    Kept,
    /// It was not sent, because the service has changed since the state that the request was decided on.
    Moved,
    /// It was not sent, because the run was interrupted.
    Interrupted,
    /// Something on our side, before anything was sent (credentials, addresses).
    Setup,
}

impl Cause {
    /// Whether a request that failed like this may have been carried out.
    fn is_unsure(&self) -> bool {
        match self {
            Self::Lost | Self::Garbled | Self::Unreadable | Self::Kept => true,
            Self::Status(status) => *status == 408 || (500..600).contains(status) && *status != 503,
            Self::NotSent | Self::Moved | Self::Interrupted | Self::Setup => false,
        }
    }
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
    /// Whether the request may have been carried out, by this try or an earlier one.
    pub unsure: bool,
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
        let cause_is_unsure = cause.is_unsure();
        Self {
            method: method.to_string(),
            path: cut(path, MAX_PATH),
            cause,
            message: cut(&message.into(), MAX_MESSAGE),
            hints: Vec::new(),
            unsure: cause_is_unsure,
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
            unsure: false,
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

    /// Whether what was asked may have happened, by this try or one before it, although no good answer came.
    pub fn may_have_happened(&self) -> bool {
        self.unsure
    }

    /// An error from a status and an answer's body.
    ///
    /// `secrets` are taken out of it, which a server or a proxy may have repeated: before anything is cut, or a
    /// part of one could stay.
    pub(super) fn from_answer(
        api: Api,
        method: &Method,
        path: &str,
        status: u16,
        body: &[u8],
        secrets: &[&str],
    ) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = secrets.iter().collect::<Secrets>().mask(&text).into_owned();
        let error = Self::new(method, path, Cause::Status(status), server_message(status, &text));
        match meaning(api, method, path, status) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// What a status means for who reads it at 2 a.m.
fn meaning(api: Api, method: &Method, path: &str, status: u16) -> Option<String> {
    let home = api.home_noun();
    // Everything but one thing's own address: a list, or signing in.
    let (is_list, is_turn) = match api {
        Api::Classic => (*method == Method::GET || path.ends_with("/signin_with_api_key"), false),
        Api::Platform => (
            ["/services", "/agents", "/context-graphs"].iter().any(|list| path.ends_with(list))
                && *method == Method::GET,
            path.ends_with("-turn"),
        ),
    };
    let is_create = *method == Method::POST && (path.ends_with("/service/") || path.ends_with("/services"));
    Some(match (api, status) {
        (Api::Classic, 401) => {
            "the API key, its id or the user is not accepted: check AMIGO_API_KEY, AMIGO_API_KEY_ID and AMIGO_USER_ID"
                .to_owned()
        }
        (Api::Platform, 401) => {
            "the API key is wrong, or it is another workspace's: check PLATFORM_API_KEY or AMIGO_API_KEY (or the variable that `credentials:` names), and `workspace:` of the environment"
                .to_owned()
        }
        (Api::Classic, 403) => "the API key's user lacks the permission that the message names".to_owned(),
        (Api::Platform, 403) => {
            "the API key lacks the permission that the message names, or is another workspace's".to_owned()
        }
        (_, 404) if is_list => format!("check `{home}:` and `base_url:` of the environment"),
        (_, 404) if is_create => {
            "the agent or context graph may have been removed meanwhile: run `amigops plan` again".to_owned()
        }
        (_, 404) => "the service may have been removed meanwhile: run `amigops plan` again".to_owned(),
        (Api::Classic, 409) if is_create => {
            "another active service has this name: another run may have made it just now, or it is one that this API key's user may not see (lists leave such services out): run `amigops plan` again"
                .to_owned()
        }
        (Api::Classic, 409) => {
            "another active service has this name, or somebody works on it at the same time: run `amigops plan` again"
                .to_owned()
        }
        (Api::Platform, 409) if is_turn => {
            "another turn with this phone number is under way: try again later".to_owned()
        }
        (Api::Platform, 409) if is_create => {
            "another service has this name: perhaps an inactive one, one that another run has made just now, or one that this API key may not see (lists leave such services out): run `amigops plan` again"
                .to_owned()
        }
        (Api::Platform, 409) => {
            "another service has this name, perhaps an inactive one, or somebody works on it at the same time: run `amigops plan` again"
                .to_owned()
        }
        (_, 429) => format!("the {home}'s requests are used up by somebody else, too: try again in a minute"),
        (_, 503) => "the API is under maintenance: try again later".to_owned(),
        (_, 500..=599) => "the API failed: try again; what is done is kept".to_owned(),
        (_, 300..=399) => "redirects are not followed: check `base_url:`".to_owned(),
        _ => return None,
    })
}

/// The most characters of a message, which may quote a server, that are kept.
const MAX_MESSAGE: usize = 2_000;
/// The most characters of a path that are kept: an id in it is the server's.
const MAX_PATH: usize = 500;

/// The beginning of a text.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a server says in an error: FastAPI's `detail`, as a text or as a list of places and messages, and by
/// which name its makers find it again.
fn server_message(status: u16, text: &str) -> String {
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
    let mut message = cut(&message, MAX_MESSAGE - 2 * MAX_MARK - 100);
    // Without a `detail`, the whole answer is shown anyway.
    let marks = json.as_ref().filter(|_| detail.is_some()).map(marks).unwrap_or_default();
    if !marks.is_empty() {
        message.push_str(&format!(" ({})", marks.join(", ")));
    }
    message
}

/// The most characters of an id or a code.
const MAX_MARK: usize = 100;

/// `error_code` and `request_id`, where an error has them.
fn marks(error: &Value) -> Vec<String> {
    let text = |key: &str| -> Option<String> {
        match error.get(key)? {
            Value::String(text) => Some(text.chars().take(MAX_MARK).collect()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    };
    let code = text("error_code").map(|code| format!("error code {code}"));
    let request = text("request_id").map(|id| format!("request id {id}"));
    code.into_iter().chain(request).collect()
}

/// One entry of a 422: `tags.0: too long`. That it stood in the body or the query goes without saying.
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
    fn messages_of_servers() {
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
            ("<html><body>nginx</body></html>", "an HTML page instead of an answer"),
            ("", "Bad Gateway"),
            ("plain", "plain"),
        ];
        for (body, expected) in table {
            assert_eq!(server_message(502, body), expected);
        }
    }

    #[test]
    fn what_may_have_happened() {
        let error = |cause| ApiError::new(&Method::POST, "/", cause, "");
        let of = |cause| error(cause).may_have_happened();
        assert!(
            of(Cause::Lost)
                && of(Cause::Garbled)
                && of(Cause::Unreadable)
                && of(Cause::Status(504))
                && of(Cause::Status(408))
        );
        assert!(
            !of(Cause::NotSent) && !of(Cause::Status(503)) && !of(Cause::Status(409)) && !of(Cause::Setup)
        );
        let after_a_lost_try = ApiError { unsure: true, ..error(Cause::Status(503)) };
        assert!(after_a_lost_try.may_have_happened());
    }

    #[test]
    fn keys_are_taken_out_and_hints_fit_the_api() {
        let of = |api, method, path, status| {
            let secrets = ["s3cret-key-of-acme", "token-of-the-run"];
            let body = b"no: s3cret-key-of-acme, Bearer token-of-the-run";
            let error = ApiError::from_answer(api, &method, path, status, body, &secrets);
            assert_eq!(error.message, "no: ***, Bearer ***");
            error.hints.join(" ")
        };
        let platform = |method, path, status| of(Api::Platform, method, path, status);
        assert!(of(Api::Classic, Method::GET, "/v1/o/service/", 401).contains("AMIGO_API_KEY_ID"));
        assert!(platform(Method::GET, "/v1/w/services", 401).contains("PLATFORM_API_KEY"));
        assert!(platform(Method::GET, "/v1/w/services", 404).contains("`workspace:`"));
        assert!(platform(Method::GET, "/v1/w/services/s", 404).contains("removed meanwhile"));
        assert!(platform(Method::POST, "/v1/w/services", 404).contains("agent"));
        assert!(platform(Method::POST, "/v1/w/services", 409).contains("an inactive one"));
        assert!(platform(Method::POST, "/v1/w/services/s/text-turn", 409).contains("another turn"));
        assert!(platform(Method::PUT, "/v1/w/services/s", 429).contains("the workspace's requests"));
        let refused = |body: &str, secret: &str| {
            ApiError::from_answer(Api::Platform, &Method::GET, "/", 403, body.as_bytes(), &[secret]).message
        };
        assert_eq!(
            refused("the sandbox is full", "sandbox"),
            "the sandbox is full",
            "a made-up key is a word"
        );
        let cut =
            refused(&format!("{}s3cret-key-of-acme", "x".repeat(MAX_MESSAGE - 6)), "s3cret-key-of-acme");
        assert!(!cut.contains("s3c"), "{cut}");
    }
}
