//! The rate limit of an endpoint whose answers have no rate-limit headers. It is learned from refusals (answers with
//! status 429).
//!
//! 1. At first only a few requests may be in flight, and each acceptance allows more. When the limit is reached, only
//!    the requests in flight are refused.
//! 2. A refusal halves the allowed number in flight. Then single requests test whether the server accepts requests
//!    again. The pause between these requests doubles each time.
//! 3. When a request is accepted again, a rate is known that works. Its number of requests is the number that was
//!    accepted before the refusal. Its period is the time from the first of these requests until now.
//! 4. From then on, that rate is used. From time to time it is raised a little.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::admission::{Admission, MINUTE};

/// The maximum number of requests in flight at first, if no limit is known.
const FIRST_IN_FLIGHT: f64 = 2.0;
/// The factor that determines how fast the allowed number of requests in flight grows. Each acceptance adds this factor
/// divided by the current number: 6 are allowed after 60 acceptances, 16 after 500.
const GROWTH: f64 = 0.25;
/// The pause after the first refusal without a `Retry-After`.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// The number of periods without a refusal that must pass before the rate is raised. The number doubles each time that
/// the server refuses a raised rate.
const FIRST_HOLD: u32 = 2;
const LONGEST_HOLD: u32 = 64;

/// A tolerance that is added to the period in which accepted requests are counted, because answers can arrive in a
/// different order from their requests.
const SLACK: Duration = Duration::from_millis(100);

/// A rate of requests that the server has accepted: a number per period.
#[derive(Debug)]
struct Rate {
    /// The number of requests that are sent in one period.
    count: u32,
    period: Duration,
    /// The number of requests per period that the server is known to accept.
    worked: u32,
    /// The earliest time when the rate can be raised.
    raise_at: Instant,
    /// The number of periods without a refusal that must pass before the next raise.
    hold: u32,
}

/// The state after a refusal, while single requests test whether the server accepts requests again.
#[derive(Debug)]
struct Search {
    /// The time when the first of the requests in [`Self::worked`] was accepted.
    first: Instant,
    /// The number of requests that were accepted before the refusal: in the last minute, or in the last period of the
    /// rate that was used until then.
    worked: u32,
    pause: Duration,
}

/// The acceptances and refusals of one endpoint, and the rate learned from them.
#[derive(Debug)]
pub(super) struct LearnedRate {
    /// The times at which requests were, or may have been, accepted in the last minute.
    accepted: VecDeque<Instant>,
    in_flight: f64,
    rate: Option<Rate>,
    search: Option<Search>,
    refused_at: Option<Instant>,
    accepted_at: Option<Instant>,
    refusing_since: Option<Instant>,
    /// The end of the current pause, in which nothing is sent.
    closed_until: Option<Instant>,
}

impl LearnedRate {
    pub(super) fn new() -> Self {
        Self {
            accepted: VecDeque::new(),
            in_flight: FIRST_IN_FLIGHT,
            rate: None,
            search: None,
            refused_at: None,
            accepted_at: None,
            refusing_since: None,
            closed_until: None,
        }
    }

    /// Returns the end of the current pause, or `None` if there is no pause.
    pub(super) fn closed_until(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|end| *end > now)
    }

    /// Sets a pause until the given time, in which nothing is sent. If the current pause is longer, it stays.
    pub(super) fn close(&mut self, until: Instant) {
        self.closed_until = self.closed_until.max(Some(until));
    }

    /// Returns true if the server accepted a request after this time.
    pub(super) fn accepted_since(&self, time: Instant) -> bool {
        self.accepted_at.is_some_and(|at| at > time)
    }

    /// Returns the time of the first refusal after the last accepted request, or `None` if nothing was refused since
    /// then.
    pub(super) fn refusing_since(&self) -> Option<Instant> {
        self.refusing_since
    }

    /// Returns true if the rate is learned from refusals, not read from headers.
    pub(super) fn is_guessed(&self) -> bool {
        self.rate.is_some() || self.search.is_some()
    }

    /// Returns how many requests were, or may have been, accepted in the last `period`, and the time of the first of
    /// them.
    fn accepted_within(&self, period: Duration, now: Instant) -> (u32, Option<Instant>) {
        let from = self.accepted.partition_point(|at| now.duration_since(*at) >= period);
        ((self.accepted.len() - from) as u32, self.accepted.get(from).copied())
    }

    /// Returns whether `count` requests can be sent now, or when to ask again. `outstanding` is the number of requests
    /// in flight. `limit` is the number of requests that the server allows per minute, or `None` if it is not known.
    pub(super) fn ask(
        &mut self,
        count: u32,
        outstanding: u32,
        limit: Option<u32>,
        now: Instant,
    ) -> Admission {
        while self.accepted.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.accepted.pop_front();
        }
        if self.search.is_some() {
            return if outstanding == 0 { Admission::Now } else { Admission::AfterAnswer };
        }
        if limit.is_none() && outstanding > 0 && outstanding + count > self.in_flight as u32 {
            return Admission::AfterAnswer;
        }
        self.raise_rate(count, outstanding, now);
        let guessed = self.rate.as_ref().map(|rate| (rate.count.max(count), rate.period));
        let mut later = None;
        for (allowed, period) in limit.map(|limit| (limit, MINUTE)).into_iter().chain(guessed) {
            let (spent, first) = self.accepted_within(period, now);
            if outstanding + count + spent > allowed {
                let Some(first) = first else { return Admission::AfterAnswer };
                later = later.max(Some(first + period));
            }
        }
        later.map_or(Admission::Now, Admission::At)
    }

    /// Raises the rate a little if there was no refusal for a while, and if the requests would otherwise have to wait.
    fn raise_rate(&mut self, count: u32, outstanding: u32, now: Instant) {
        let Some(rate) = self.rate.as_ref().filter(|rate| rate.raise_at <= now) else { return };
        let is_used_up = outstanding + count + self.accepted_within(rate.period, now).0 > rate.count;
        if let (Some(rate), true) = (&mut self.rate, is_used_up) {
            rate.worked = rate.count;
            rate.count += (rate.count / 16).max(1);
            rate.raise_at = now + rate.period;
        }
    }

    /// Counts a request that the server accepted or may have accepted.
    pub(super) fn count_request(&mut self, now: Instant) {
        self.accepted.push_back(now);
    }

    /// Records that the server accepted a request.
    pub(super) fn record_acceptance(&mut self, now: Instant) {
        self.accepted_at = Some(now);
        self.refusing_since = None;
    }

    /// Updates the learned rate after a request that was accepted without rate-limit headers.
    pub(super) fn learn_from_acceptance(&mut self, sent: Instant, now: Instant) {
        self.count_request(now);
        self.in_flight += GROWTH / self.in_flight;
        let is_later = self.refused_at.is_none_or(|at| sent > at);
        let Some(search) = &mut self.search else { return };
        if !is_later {
            search.worked += 1;
            return;
        }
        let period = now.duration_since(search.first).min(MINUTE);
        let (count, hold) = (search.worked, FIRST_HOLD);
        self.rate =
            (count > 0).then(|| Rate { count, period, worked: count, raise_at: now + hold * period, hold });
        self.search = None;
    }

    /// Drops the learned rate, because the server's headers contain the real limit.
    pub(super) fn forget_guesses(&mut self) {
        (self.rate, self.search) = (None, None);
    }

    /// Updates the learned rate after a request that was refused without rate-limit headers. `outstanding` is the
    /// number of other requests in flight.
    pub(super) fn learn_from_refusal(
        &mut self,
        sent: Instant,
        outstanding: u32,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        if let Some(after) = retry_after {
            self.close(now + after);
        }
        // If the request was sent before the previous refusal arrived, its own refusal tells nothing new.
        if self.refused_at.is_some_and(|at| sent <= at) {
            return;
        }
        self.refused_at = Some(now);
        self.in_flight = (self.in_flight / 2.0).max(1.0);
        // Look back from now to one whole period before the request was sent.
        let period = self.rate.as_ref().map_or(MINUTE, |rate| rate.period) + now.duration_since(sent) + SLACK;
        let (worked, first) = self.accepted_within(period, now);
        if let (Some(rate), None) = (&mut self.rate, &self.search)
            && worked + outstanding >= rate.worked
        {
            // As many requests were accepted, or are in flight, as the rate before the raise allows. So only the raise
            // was too high, and it is undone.
            rate.hold = (rate.hold * 2).min(LONGEST_HOLD);
            (rate.count, rate.raise_at) = (rate.worked, now + rate.hold * rate.period);
            return;
        }
        let search = match self.search.take() {
            Some(search) => Search { pause: (search.pause * 2).min(MINUTE), ..search },
            None => Search { first: first.unwrap_or(now), worked, pause: PAUSE },
        };
        if retry_after.is_none() {
            // If the server has windows of a minute, the window is over one minute after its first request, so do not
            // pause for longer.
            let minute = Some(search.first + MINUTE).filter(|at| *at > now);
            let pause = now + search.pause;
            self.close(minute.map_or(pause, |minute| minute.min(pause)));
        }
        self.search = Some(search);
    }

    /// Records that the server refused a request.
    pub(super) fn record_refusal(&mut self, now: Instant) {
        self.refusing_since.get_or_insert(now);
    }
}
