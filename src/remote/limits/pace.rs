//! The rate that an endpoint takes whose answers tell no limit: learned from its refusals. Imports nothing of ours.
//!
//! Few requests are under way at first, and more with each that is accepted: when the limit is reached, only these are
//! refused. A refusal halves how many are under way. Then one request at a time asks whether the server takes more again,
//! after pauses that double. The answer tells a rate that works: so many requests as were accepted before, in the time
//! from the first of them until now. From then on no more are sent in that time; a little more is tried seldom.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::budget::{Answer, MINUTE};

/// So many requests are under way at first, where no limit is known.
const FIRST_IN_FLIGHT: f64 = 2.0;
/// How much each accepted request adds, divided by how many are under way: 6 of them after 60, 16 after 500.
const GROWTH: f64 = 0.25;
/// How long nothing is sent after the first refusal without a `Retry-After`.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// After so many times without a refusal, more is tried; twice as many after each vain trial.
const FIRST_HOLD: u32 = 2;
const LONGEST_HOLD: u32 = 64;

/// Requests reach the server in another order than their answers come, so much apart.
const SLACK: Duration = Duration::from_millis(100);

/// A rate that was accepted.
#[derive(Debug)]
struct Rate {
    /// So many requests may go
    count: u32,
    /// in this time.
    period: Duration,
    /// How many have been accepted in it.
    worked: u32,
    /// When more may be tried.
    raise_at: Instant,
    hold: u32,
}

/// The search for the time when the server takes requests again.
#[derive(Debug)]
struct Search {
    /// The first request that was accepted before the refusal.
    first: Instant,
    /// How many were.
    worked: u32,
    pause: Duration,
}

/// What one endpoint has accepted and refused.
#[derive(Debug)]
pub(super) struct Pace {
    /// Requests of the last minute that were accepted, or may have been.
    accepted: VecDeque<Instant>,
    in_flight: f64,
    rate: Option<Rate>,
    search: Option<Search>,
    refused_at: Option<Instant>,
    accepted_at: Option<Instant>,
    refusing_since: Option<Instant>,
    /// Until when nothing goes.
    closed: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            accepted: VecDeque::new(),
            in_flight: FIRST_IN_FLIGHT,
            rate: None,
            search: None,
            refused_at: None,
            accepted_at: None,
            refusing_since: None,
            closed: None,
        }
    }

    /// The end of a pause.
    pub(super) fn closed_until(&self, now: Instant) -> Option<Instant> {
        self.closed.filter(|end| *end > now)
    }

    /// Lets nothing go until then.
    pub(super) fn close(&mut self, until: Instant) {
        self.closed = self.closed.max(Some(until));
    }

    /// Whether a request was accepted after this time.
    pub(super) fn accepted_since(&self, time: Instant) -> bool {
        self.accepted_at.is_some_and(|at| at > time)
    }

    /// Since when all requests have been refused.
    pub(super) fn refusing_since(&self) -> Option<Instant> {
        self.refusing_since
    }

    /// Whether a rate is known from refusals only.
    pub(super) fn is_guessed(&self) -> bool {
        self.rate.is_some() || self.search.is_some()
    }

    /// How many were accepted in this time, and the first of them.
    fn within(&self, period: Duration, now: Instant) -> (u32, Option<Instant>) {
        let from = self.accepted.partition_point(|at| now.duration_since(*at) >= period);
        ((self.accepted.len() - from) as u32, self.accepted.get(from).copied())
    }

    /// Whether requests can go; `limit`: what is published a minute.
    pub(super) fn ask(&mut self, count: u32, outstanding: u32, limit: Option<u32>, now: Instant) -> Answer {
        while self.accepted.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.accepted.pop_front();
        }
        if self.search.is_some() {
            return if outstanding == 0 { Answer::Go } else { Answer::Unknown };
        }
        if limit.is_none() && outstanding > 0 && outstanding + count > self.in_flight as u32 {
            return Answer::Unknown;
        }
        self.raise(count, outstanding, now);
        let guessed = self.rate.as_ref().map(|rate| (rate.count.max(count), rate.period));
        let mut later = None;
        for (allowed, period) in limit.map(|limit| (limit, MINUTE)).into_iter().chain(guessed) {
            let (spent, first) = self.within(period, now);
            if outstanding + count + spent > allowed {
                let Some(first) = first else { return Answer::Unknown };
                later = later.max(Some(first + period));
            }
        }
        later.map_or(Answer::Go, Answer::Later)
    }

    /// Lets a little more go where the rate has worked for a while and holds requests up.
    fn raise(&mut self, count: u32, outstanding: u32, now: Instant) {
        let Some(rate) = self.rate.as_ref().filter(|rate| rate.raise_at <= now) else { return };
        let is_spent = outstanding + count + self.within(rate.period, now).0 > rate.count;
        if let (Some(rate), true) = (&mut self.rate, is_spent) {
            rate.worked = rate.count;
            rate.count += (rate.count / 16).max(1);
            rate.raise_at = now + rate.period;
        }
    }

    /// A request may have been accepted: its answer was lost.
    pub(super) fn spend(&mut self, now: Instant) {
        self.accepted.push_back(now);
    }

    /// Notes that something got through.
    pub(super) fn progress(&mut self, now: Instant) {
        self.accepted_at = Some(now);
        self.refusing_since = None;
    }

    /// A request was accepted without a word on limits.
    pub(super) fn accept(&mut self, sent: Instant, now: Instant) {
        self.spend(now);
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

    /// A server that tells limits needs no guesses.
    pub(super) fn forget(&mut self) {
        (self.rate, self.search) = (None, None);
    }

    /// A request was refused without a word on limits, while others are under way.
    pub(super) fn refuse(
        &mut self,
        sent: Instant,
        outstanding: u32,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        if let Some(after) = retry_after {
            self.close(now + after);
        }
        // What was sent before the last refusal came tells nothing new.
        if self.refused_at.is_some_and(|at| sent <= at) {
            return;
        }
        self.refused_at = Some(now);
        self.in_flight = (self.in_flight / 2.0).max(1.0);
        // As it was when the request was sent.
        let period = self.rate.as_ref().map_or(MINUTE, |rate| rate.period) + now.duration_since(sent) + SLACK;
        let (worked, first) = self.within(period, now);
        if let (Some(rate), None) = (&mut self.rate, &self.search)
            && worked + outstanding >= rate.worked
        {
            // More than what works was tried.
            rate.hold = (rate.hold * 2).min(LONGEST_HOLD);
            (rate.count, rate.raise_at) = (rate.worked, now + rate.hold * rate.period);
            return;
        }
        let search = match self.search.take() {
            Some(search) => Search { pause: (search.pause * 2).min(MINUTE), ..search },
            None => Search { first: first.unwrap_or(now), worked, pause: PAUSE },
        };
        if retry_after.is_none() {
            // A minute after the first, the window of a minute is over.
            let minute = Some(search.first + MINUTE).filter(|at| *at > now);
            let pause = now + search.pause;
            self.close(minute.map_or(pause, |minute| minute.min(pause)));
        }
        self.search = Some(search);
    }

    /// Notes that all requests are refused from now on, unless they have been before.
    pub(super) fn note_refusal(&mut self, now: Instant) {
        self.refusing_since.get_or_insert(now);
    }
}
