//! Rate-limit windows: periods in which the server accepts a limited number of requests. The server returns the end of
//! a window in whole seconds.
//!
//! # When the next window begins
//!
//! The header `X-RateLimit-Reset` contains a whole second, R. Servers differ in the time when a window really ends:
//!
//! 1. Clock windows, such as a minute that begins at :00, end exactly at R.
//! 2. Other windows begin with their first request. If a window has length L and begins at s, it ends at s + L, which
//!    lies between two whole seconds. R is the next whole second if the server rounds up, and the previous one if it
//!    rounds down.
//!
//! A client could simply wait for R before it sends more requests. With clock windows, such a client is as fast as the
//! limits allow. With a server that rounds up, the client loses a second in each window: the next window begins just
//! after R, so its end is again rounded up by almost a second. With a server that rounds down, the client's first
//! request after each R is refused.
//!
//! The headers do not show which of these kinds a server is. For a window that begins between two whole seconds, three
//! cases give the same R: a length of L - 1 rounded up, a length of L rounded down, and clock windows of L. Only a
//! request just before or after R can show the kind. If the old window is not over, the server refuses that request,
//! unless the old window has a request left. So if more requests are waiting, one request of the old window is held
//! back as a probe. The probe is sent at the earliest time at which the window can be over:
//!
//! * If the answer has another R, the window was over. In this case, the probe measures the time from the first answer
//!   of a window to the beginning of the next window. From then on, this time is used instead of R. The cost is one
//!   unused request of one window.
//! * If the answer has the same R, the window was not over, and the probe was within its limit.
//!
//! When R is reached for the first time, only one request is sent. A server that rounds down refuses this request. From
//! then on, each window is considered over one second after R, unless a probe shows that it ends earlier.
//!
//! So a server that rounds up or has clock windows refuses no request, and a server that rounds down refuses one
//! request. The only time that is lost is one round trip in each window. For windows of 20 seconds and more there is no
//! probe, because waiting for R costs less than a twentieth of the window.

use std::time::Duration;

use tokio::time::Instant;

use super::admission::{Admission, RateLimitHeaders};

const SECOND: Duration = Duration::from_secs(1);
/// The smallest time difference that matters. A probe (a test request) is only sent if it can save more time than this.
/// A request that is sent at most this long after the reset time counts as sent at the reset time.
const SLACK: Duration = Duration::from_millis(100);
/// The smallest window length, in seconds, for which no probe (a test request) is sent. A probe can save one second,
/// which is at most a twentieth of such a window.
const LONG_WINDOW_SECONDS: u64 = 20;
/// The number of failed probes (requests that test whether a window is over) after which no more probes are sent. It is
/// more than one, because a single probe can fail by chance, if the window happened to begin exactly at a whole second.
const MAX_FAILED_PROBES: u32 = 2;
/// The smallest limit for which one request of a window is held back as a probe (a test whether the window is over).
const MIN_LIMIT_FOR_PROBE: u32 = 10;

/// The time when windows really end, compared with the reset time in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Unknown,
    /// Windows end at the reset time in the header, or earlier.
    ByReset,
    /// Windows end within the second after the reset time in the header.
    AfterReset,
}

/// The current rate-limit window of an endpoint.
#[derive(Debug)]
struct Window {
    /// The end of the window according to the header `X-RateLimit-Reset`.
    reset: Duration,
    /// The end of the window according to the header, converted to our clock.
    end: Instant,
    /// The number of requests that are left in the window.
    left: u32,
    /// The times when the first request of the window was sent and answered. `None` if they are not known, for example
    /// because another client sent the request.
    first: Option<(Instant, Instant)>,
    /// The time when the probe, which tests whether the window is over, will be sent. `None` if no probe is planned.
    probe_at: Option<Instant>,
    /// The time when the probe (the test request) was sent. `None` if no probe is in flight.
    probe_sent_at: Option<Instant>,
}

/// The rate-limit windows of one endpoint.
#[derive(Debug)]
pub(super) struct Windows {
    current: Option<Window>,
    /// The reset time in the header for the previous window, and the time when we considered that window over.
    ended: Option<(Duration, Instant)>,
    ends: Ends,
    /// The length of windows that begin with their first request, if a probe (a test request) has measured it.
    length: Option<Duration>,
    /// The number of failed probes (test requests) sent before the reset time, and the number of those sent after it.
    failed_probes: [u32; 2],
    /// The time until which only one request is sent, because its answer shows whether the previous window is over.
    /// After this time, the previous window is over in any case.
    alone_until: Option<Instant>,
    /// True once any answer had rate-limit headers.
    has_seen_headers: bool,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self {
            current: None,
            ended: None,
            ends: Ends::Unknown,
            length: None,
            failed_probes: [0; 2],
            alone_until: None,
            has_seen_headers: false,
        }
    }

    /// Returns true if the current window is known from the headers of an answer.
    pub(super) fn is_known(&self) -> bool {
        self.current.is_some()
    }

    /// Returns the time until which `count` requests must wait while a single request tests whether the previous window
    /// is over. Returns `None` if they need not wait for this test.
    pub(super) fn wait_for_first_answer(
        &self,
        count: u32,
        outstanding: u32,
        now: Instant,
    ) -> Option<Admission> {
        let until = self.alone_until.filter(|until| *until > now)?;
        (count > 1 || outstanding > 0).then_some(Admission::At(until))
    }

    /// Returns the number of requests to hold back in a new window, before its first answer arrives: 1 if a request is
    /// held back to test later whether the window is over, and 0 otherwise.
    pub(super) fn held_back(&self, limit: u32, has_ended_request: bool) -> u32 {
        let has_headers = self.has_seen_headers || !has_ended_request;
        u32::from(
            limit >= MIN_LIMIT_FOR_PROBE && has_headers && self.length.is_none() && !self.is_probing_over(),
        )
    }

    /// Returns true if no more probes (requests that test whether a window is over) are sent, because too many have
    /// failed.
    fn is_probing_over(&self) -> bool {
        self.failed_probes[usize::from(self.ends == Ends::AfterReset)] >= MAX_FAILED_PROBES
    }

    /// Returns the time when a window is considered over.
    fn over_at(&self, window: &Window) -> Instant {
        let by_reset = match self.ends {
            Ends::AfterReset => window.end + SECOND,
            Ends::Unknown | Ends::ByReset => window.end,
        };
        match (self.length, window.first) {
            // If the reset time in the header is more than a second later, this window is longer than the measured one.
            (Some(length), Some((_, answered))) if answered + length + SECOND > window.end => {
                by_reset.min(answered + length)
            }
            _ => by_reset,
        }
    }

    /// Sets the time when a probe (a test request) is sent to find out whether the current window is over. Sets no time
    /// if a probe is not useful.
    fn plan_probe(&mut self, limit: u32) {
        let Some(window) = &self.current else { return };
        let (None, false, Some((_, answered))) = (self.length, self.is_probing_over(), window.first) else {
            return;
        };
        // If the length of a window is a whole number of seconds, the window ends less than a second before or after
        // the reset time.
        let not_before = if self.ends == Ends::AfterReset { window.end } else { window.end - SECOND };
        let seconds = not_before.saturating_duration_since(answered).as_secs() + 1;
        if seconds >= LONG_WINDOW_SECONDS {
            self.failed_probes = [MAX_FAILED_PROBES; 2];
            return;
        }
        let at = answered + Duration::from_secs(seconds);
        let is_worth_it = limit >= MIN_LIMIT_FOR_PROBE && at + SLACK < self.over_at(window);
        if let Some(window) = &mut self.current {
            window.probe_at = is_worth_it.then_some(at);
        }
    }

    /// Returns the time when `count` requests can be sent in the next window. If the end of the window is uncertain,
    /// several requests wait a second longer. Only a single request is sent earlier, to test whether the window is
    /// over.
    fn next_at(&self, window: &Window, count: u32) -> Instant {
        let is_uncertain = self.ends == Ends::Unknown && count > 1;
        if is_uncertain { window.end + SECOND } else { self.over_at(window) }
    }

    /// Returns the time when the current window is considered over, or `None` if there is no known window.
    pub(super) fn over(&self) -> Option<Instant> {
        self.current.as_ref().map(|window| self.over_at(window))
    }

    /// Removes the current window if `count` requests can already be sent in the next window.
    pub(super) fn expire(&mut self, count: u32, now: Instant) {
        let Some(window) = &self.current else { return };
        let last = window.end + SECOND;
        if now < self.next_at(window, count) {
            return;
        }
        self.alone_until = (self.ends == Ends::Unknown && now < last).then_some(last);
        self.ended = Some((window.reset, now));
        self.current = None;
    }

    /// Returns whether `count` requests can be sent in the current window now, or when to ask again. `waiting` is the
    /// number of callers that wait, including this caller.
    pub(super) fn ask(&mut self, count: u32, outstanding: u32, waiting: u32, now: Instant) -> Admission {
        let Some(next_at) = self.current.as_ref().map(|window| self.next_at(window, count)) else {
            return Admission::AfterAnswer;
        };
        let Some(window) = &mut self.current else { return Admission::AfterAnswer };
        if window.left == 0 {
            window.probe_at = None;
        }
        let is_due = count == 1 && window.probe_at.is_some_and(|at| at <= now);
        if is_due && window.left > outstanding {
            window.probe_at = None;
            window.probe_sent_at = Some(now);
            return Admission::Now;
        }
        // While requests are in flight, more requests are likely to follow.
        let others_wait = outstanding > 0 || waiting > window.left;
        let held_back = u32::from(others_wait && window.probe_at.is_some());
        if outstanding + count + held_back <= window.left {
            return Admission::Now;
        }
        match window.probe_at {
            Some(at) if count == 1 && !is_due => Admission::At(at),
            _ if next_at <= now => Admission::AfterAnswer,
            _ => Admission::At(next_at),
        }
    }

    /// Counts a request whose answer had no rate-limit headers, so that the window has one request fewer left.
    pub(super) fn count_request(&mut self, sent: Instant) {
        if let Some(window) = &mut self.current {
            window.left = window.left.saturating_sub(1);
        }
        self.end_probe(sent);
    }

    /// Cancels the probe (the request that tests whether the window is over). Called when an allowed request was not
    /// sent, because that request may have been the probe.
    pub(super) fn cancel_probe(&mut self) {
        if let Some(window) = &mut self.current {
            window.probe_sent_at = None;
        }
    }

    /// Ends the probe (the request that tests whether the window is over) if the request that was sent at `sent` is the
    /// probe. Returns `sent` in that case, and `None` otherwise.
    fn end_probe(&mut self, sent: Instant) -> Option<Instant> {
        self.alone_until = None;
        let window = self.current.as_mut()?;
        window.probe_sent_at.filter(|at| *at <= sent)?;
        window.probe_sent_at = None;
        Some(sent)
    }

    /// Updates what is known about windows from the rate-limit headers of an answer.
    pub(super) fn learn(&mut self, headers: RateLimitHeaders, sent: Instant, now: Instant) {
        self.has_seen_headers = true;
        let was_alone = self.alone_until.is_some_and(|until| sent + SECOND <= until + SLACK);
        let probe = self.end_probe(sent);
        let RateLimitHeaders { limit, remaining, resets_in, reset } = headers;
        let end = now + resets_in;
        // Answers can overtake each other. An answer from an earlier window tells nothing about the current window.
        let is_late = match (&self.current, self.ended) {
            (Some(window), _) => reset < window.reset,
            (None, Some((ended, at))) => reset < ended || (reset == ended && sent < at),
            (None, None) => false,
        };
        if is_late {
            return;
        }
        let first = (remaining + 1 == limit).then_some((sent, now));
        if let Some(window) = self.current.as_mut().filter(|window| window.reset == reset) {
            // Within a window, the number of remaining requests only decreases, so the smallest number is the newest.
            window.left = window.left.min(remaining);
            window.end = window.end.max(end);
            let is_first_known = window.first.is_none() && first.is_some();
            window.first = window.first.or(first);
            if probe.is_some() {
                self.failed_probes[usize::from(self.ends == Ends::AfterReset)] += 1;
            } else if is_first_known {
                self.plan_probe(limit);
            }
            return;
        }
        if let Some(window) = self.current.take() {
            if probe.is_some() {
                self.record_successful_probe(&window, sent, now);
            }
        } else if self.ended.is_some_and(|(ended, _)| ended == reset) {
            // The previous window was considered over too early, because this answer still belongs to it.
            (self.ends, self.length, self.failed_probes) = (Ends::AfterReset, None, [MAX_FAILED_PROBES, 0]);
        } else if was_alone {
            self.ends = Ends::ByReset;
        }
        let (probe_at, probe_sent_at) = (None, None);
        self.current = Some(Window { reset, end, left: remaining, first, probe_at, probe_sent_at });
        self.plan_probe(limit);
    }

    /// Records that the probe, the request that tests whether a window is over, was the first request of a new window.
    fn record_successful_probe(&mut self, window: &Window, sent: Instant, now: Instant) {
        if self.ends == Ends::Unknown && sent < window.end {
            self.ends = Ends::ByReset;
        }
        if let Some((first_sent, first_answered)) = window.first {
            // Windows last a whole number of seconds. If the measured time, including round trips, is less than a
            // second longer than `seconds`, no other whole number is possible.
            let seconds = Duration::from_secs((sent - first_answered).as_secs());
            self.length = (now - first_sent < seconds + SECOND).then_some(seconds);
        }
    }
}
