//! Enforces rate limits. The requests of each organization to each endpoint are counted separately, in time windows of
//! a fixed length.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::api::exchange::Answer;

/// The rate limits that the emulator enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// No limits. The answers still have rate limit headers, but with a limit so high that no client reaches it.
    Off,
    /// The limits that the vendor has published. The length of the time windows is one minute, or less in tests.
    Documented {
        /// The length of a time window.
        window: Duration,
    },
    /// The vendor's published limits, or one limit for all endpoints. Each time window begins with its first request.
    FromFirstRequest {
        /// The length of a time window.
        window: Duration,
        /// The limit of every endpoint, in requests per window. `None` means the vendor's published limits.
        requests: Option<u32>,
        /// The time that answers report as the end of a window.
        window_end: WindowEnd,
    },
}

/// The time that answers report as the end of a window. The header counts whole seconds, so the real end must be
/// rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowEnd {
    /// Answers report the end of the window, rounded up to a whole second.
    RoundedUp,
    /// Answers report the end of the window, rounded down to a whole second.
    RoundedDown,
    /// Answers do not report the end of the window. They have no rate limit headers. Answers with status 429 have no
    /// `Retry-After` header either.
    NotReported,
}

impl Limits {
    /// The vendor's published limits, in time windows of one minute.
    pub const PER_MINUTE: Self = Self::Documented { window: Duration::from_secs(60) };
}

/// Returns the time that is `by` after `now`. If `by` is longer than 100 years, adds only 100 years, to prevent an
/// overflow.
pub(crate) fn later(now: SystemTime, by: Duration) -> SystemTime {
    now + by.min(Duration::from_secs(100 * 365 * 24 * 3600))
}

/// The limit that the headers report if there are no rate limits. No client reaches it.
const UNLIMITED: u32 = 1_000_000_000;

/// The values of the rate limit headers in the answer to one request. The request is refused if `retry_after` has a
/// value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// The time at which the window ends, in seconds since 1970.
    pub(crate) reset: u64,
    /// The seconds until the window ends, if the request exceeds the limit. `None` if the request is allowed.
    pub(crate) retry_after: Option<u64>,
    /// True if answers have rate limit headers.
    has_headers: bool,
}

impl Allowance {
    /// Adds the rate limit headers to an answer, and returns it. If the emulator is configured not to report limits,
    /// removes `Retry-After` instead.
    pub(crate) fn add_headers(self, mut answer: Answer) -> Answer {
        if !self.has_headers {
            answer.headers.retain(|(name, _)| name != "retry-after");
            return answer;
        }
        answer
            .with("x-ratelimit-limit", self.limit)
            .with("x-ratelimit-remaining", self.remaining)
            .with("x-ratelimit-reset", self.reset)
    }
}

#[derive(Clone, Copy)]
struct Window {
    ends: SystemTime,
    used: u32,
}

/// Counts the requests of each organization to each endpoint, in time windows.
pub(crate) struct Limiter<Endpoint> {
    limits: Limits,
    windows: HashMap<(String, Endpoint), Window>,
}

impl<Endpoint: Copy + Eq + std::hash::Hash> Limiter<Endpoint> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, windows: HashMap::new() }
    }

    /// Returns the header values for a new window, without counting a request.
    pub(crate) fn unused(&self, limit: u32, now: SystemTime) -> Allowance {
        let (limit, length) = match self.limits {
            Limits::Off => (UNLIMITED, Duration::from_secs(60)),
            Limits::Documented { window } => (limit, window),
            Limits::FromFirstRequest { window, requests, .. } => (requests.unwrap_or(limit), window),
        };
        let (reset, has_headers) = (self.reset(later(now, length)), self.reports_limits());
        Allowance { limit, remaining: limit, reset, retry_after: None, has_headers }
    }

    fn reports_limits(&self) -> bool {
        !matches!(self.limits, Limits::FromFirstRequest { window_end: WindowEnd::NotReported, .. })
    }

    /// Returns the end of a window as the header reports it: in whole seconds since 1970.
    fn reset(&self, end: SystemTime) -> u64 {
        match self.limits {
            Limits::FromFirstRequest { window_end: WindowEnd::RoundedDown, .. } => {
                end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
            }
            _ => seconds(end),
        }
    }

    /// Returns the end of a window whose first request arrives now. With [`Limits::Documented`], a window that lasts
    /// whole seconds begins at the start of the current second. Its end is then also a whole second, so the reported
    /// end is exact.
    fn end(&self, now: SystemTime, length: Duration) -> SystemTime {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let whole = matches!(self.limits, Limits::Documented { .. }) && length.subsec_nanos() == 0;
        later(if whole { UNIX_EPOCH + Duration::from_secs(since.as_secs()) } else { now }, length)
    }

    /// Counts a request, and returns the header values for its answer. If the previous window has ended, a new window
    /// starts with this request.
    pub(crate) fn take(
        &mut self,
        organization: &str,
        endpoint: Endpoint,
        limit: u32,
        now: SystemTime,
    ) -> Allowance {
        let (limit, length) = match self.limits {
            Limits::Off => return self.unused(limit, now),
            Limits::Documented { window } => (limit, window),
            Limits::FromFirstRequest { window, requests, .. } => (requests.unwrap_or(limit), window),
        };
        let fresh = Window { ends: self.end(now, length), used: 0 };
        let window = self
            .windows
            .entry((organization.to_owned(), endpoint))
            .and_modify(|window| {
                // If the clock was set back, the window must not stay open for too long.
                if now >= window.ends || window.ends > later(now, length) {
                    *window = fresh;
                }
            })
            .or_insert(fresh);
        let refused = window.used >= limit;
        if !refused {
            window.used += 1;
        }
        let (ends, remaining) = (window.ends, limit - window.used);
        let left = ends.duration_since(now).unwrap_or_default();
        Allowance {
            limit,
            remaining,
            reset: self.reset(ends),
            retry_after: refused.then(|| (left.as_nanos().div_ceil(1_000_000_000) as u64).max(1)),
            has_headers: self.reports_limits(),
        }
    }
}

/// Converts a time to seconds since 1970. The result is rounded up, so that a client that waits until this time waits
/// long enough.
fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() + u64::from(since.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_000_000_000_000 + millis)
    }

    #[test]
    fn a_full_window_reports_its_end() {
        let mut limiter = Limiter::new(Limits::PER_MINUTE);
        let first = limiter.take("acme", 'a', 2, at(500));
        assert_eq!(
            first,
            Allowance { limit: 2, remaining: 1, reset: 1_000_000_060, retry_after: None, has_headers: true },
            "the window begins with a whole second"
        );
        assert_eq!(limiter.take("acme", 'a', 2, at(600)).remaining, 0);
        let refused = limiter.take("acme", 'a', 2, at(1_000));
        assert_eq!((refused.remaining, refused.retry_after), (0, Some(59)));
        assert_eq!(limiter.take("acme", 'a', 2, at(59_900)).retry_after, Some(1));
        assert_eq!(limiter.take("acme", 'a', 2, at(60_000)).remaining, 1, "a new window");
    }

    #[test]
    fn the_end_of_a_window_is_rounded_or_not_reported() {
        let window = Duration::from_secs(3);
        let of = |window_end| {
            let mut limiter =
                Limiter::new(Limits::FromFirstRequest { window, requests: Some(2), window_end });
            let first = limiter.take("acme", 'a', 20, at(500));
            assert_eq!(limiter.take("acme", 'a', 20, at(3_400)).remaining, 0, "it has not ended");
            assert!(limiter.take("acme", 'a', 20, at(3_499)).retry_after.is_some());
            assert_eq!(limiter.take("acme", 'a', 20, at(3_500)).remaining, 1, "a new window");
            first
        };
        assert_eq!((of(WindowEnd::RoundedUp).limit, of(WindowEnd::RoundedUp).reset), (2, 1_000_000_004));
        assert_eq!(of(WindowEnd::RoundedDown).reset, 1_000_000_003);
        let refusal = Answer::empty(429).with("retry-after", 1);
        assert_eq!(of(WindowEnd::NotReported).add_headers(refusal).headers, []);
    }

    #[test]
    fn organizations_and_endpoints_have_separate_windows() {
        let mut limiter = Limiter::new(Limits::PER_MINUTE);
        limiter.take("acme", 'a', 1, at(0));
        assert!(limiter.take("acme", 'a', 1, at(0)).retry_after.is_some());
        assert!(limiter.take("acme", 'b', 1, at(0)).retry_after.is_none());
        assert!(limiter.take("other", 'a', 1, at(0)).retry_after.is_none());
    }

    #[test]
    fn limits_off_still_reports_numbers() {
        let mut limiter = Limiter::new(Limits::Off);
        for _ in 0..1_000 {
            assert!(limiter.take("acme", 'a', 1, at(0)).retry_after.is_none());
        }
        assert!(limiter.take("acme", 'a', 1, at(0)).remaining > 1_000_000);
    }

    #[test]
    fn a_clock_set_back_does_not_freeze_a_window() {
        let mut limiter = Limiter::new(Limits::PER_MINUTE);
        limiter.take("acme", 'a', 1, at(10_000_000));
        assert!(limiter.take("acme", 'a', 1, at(0)).retry_after.is_none());
    }
}
