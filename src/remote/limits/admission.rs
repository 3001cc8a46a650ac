//! Types that the request budget of an endpoint (`budget`) and its two parts (`window` and `learned_rate`) use.

use std::time::Duration;

use tokio::time::Instant;

/// The length of a rate-limit window, if the server does not return when the window ends. A window is a period in which
/// the server accepts a fixed number of requests.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The answer of a budget to a caller that wants to send requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The requests can be sent now.
    Now,
    /// The caller must ask again at this time, or earlier if an answer of the server arrives earlier.
    At(Instant),
    /// The caller must ask again when the server's next answer arrives. Until then, it is not known when requests can
    /// be sent.
    AfterAnswer,
}

/// The outcome of a request, as far as it matters for the rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) enum RequestOutcome {
    /// The server accepted the request.
    Accepted,
    /// The server refused the request, because it exceeds the limit. Contains the `Retry-After` of the answer, if there
    /// is one.
    Refused(Option<Duration>),
    /// There was no answer, or an answer that says nothing about the limit (5xx). The server may have counted the
    /// request.
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
