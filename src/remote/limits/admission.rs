//! The types that the budget of an endpoint and its parts share.

use std::time::Duration;

use tokio::time::Instant;

/// The length of a rate-limit window if the server does not return its end.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The answer of a budget to a caller that wants to send requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The requests can be sent now.
    Now,
    /// The caller must ask again at this time, or after the next answer if that comes earlier.
    At(Instant),
    /// The caller must ask again after the next answer, because the time is not known before.
    AfterAnswer,
}

/// The result of a request, as far as it matters for limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) enum RequestOutcome {
    /// The server accepted the request.
    Accepted,
    /// The server refused the request, because it exceeds the limit. Contains the `Retry-After` of the answer.
    Refused(Option<Duration>),
    /// There was no answer, or one that says nothing about limits (5xx). The server may have counted the request.
    Lost,
}

/// The rate limit in the headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) struct RateLimitHeaders {
    /// The number of requests that a window allows.
    pub(in crate::remote) limit: u32,
    /// The number of requests left in the current window.
    pub(in crate::remote) remaining: u32,
    /// The time until the next window begins.
    pub(in crate::remote) resets_in: Duration,
    /// The end of the window as the header states it, as time since the epoch. It identifies the window.
    pub(in crate::remote) reset: Duration,
}
