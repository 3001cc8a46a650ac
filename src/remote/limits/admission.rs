//! The words that the budget of an endpoint and its parts share.

use std::time::Duration;

use tokio::time::Instant;

/// The length of a window if the server does not return its end.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The answer of a budget: requests can be sent now, or when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// They can be sent now.
    Now,
    /// Ask again at this time, or after the next answer if that is earlier.
    At(Instant),
    /// Ask again after the next answer, because only an answer can tell more.
    AfterAnswer,
}

/// How a request ended, as far as limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) enum RequestOutcome {
    /// The server let it through.
    Accepted,
    /// The server refused it as one too many, with this `Retry-After`.
    Refused(Option<Duration>),
    /// There was no answer, or one that says nothing about limits (5xx). The server may have counted the request.
    Lost,
}

/// The rate limit in an answer's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) struct RateLimitHeaders {
    /// Requests in a window.
    pub(in crate::remote) limit: u32,
    /// Requests left in the current window.
    pub(in crate::remote) remaining: u32,
    /// Time until the next window begins.
    pub(in crate::remote) resets_in: Duration,
    /// The end of the window as the header has it, since the epoch. Tells windows apart.
    pub(in crate::remote) reset: Duration,
}
