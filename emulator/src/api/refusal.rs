//! The reasons for which requests are refused, and the answers to refused requests. The answers have the format of the
//! Python libraries FastAPI and pydantic.

use serde_json::{Value, json};

use crate::api::exchange::Answer;

/// The reason why a request was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    BadRequest(String),
    Unauthorized(String),
    Forbidden(String),
    NotFound(String),
    Conflict(String),
    TooMany { retry_after: u64 },
    Invalid(Vec<Value>),
}

impl Refusal {
    /// Returns the refusal of a request whose user does not have this permission.
    pub(crate) fn lacks(permission: &str) -> Self {
        Self::Forbidden(format!("missing permission {permission}"))
    }

    /// Returns the HTTP status of the refusal.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Unauthorized(_) => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Invalid(_) => 422,
            Self::TooMany { .. } => 429,
        }
    }

    /// Returns the answer that reports this refusal to the client.
    pub(crate) fn answer(&self) -> Answer {
        let detail = match self {
            Self::BadRequest(text) | Self::NotFound(text) | Self::Conflict(text) => json!(text),
            Self::Unauthorized(text) | Self::Forbidden(text) => json!(text),
            Self::TooMany { retry_after } => json!(format!("rate limit exceeded, retry in {retry_after} s")),
            Self::Invalid(problems) => json!(problems),
        };
        let answer = Answer::json(self.status(), &json!({ "detail": detail }));
        match self {
            Self::Unauthorized(_) => answer.with("www-authenticate", "Bearer"),
            Self::TooMany { retry_after } => answer.with("retry-after", retry_after),
            _ => answer,
        }
    }
}
