//! The request budget of one endpoint. It computes when requests can be sent, so that they stay within the rate limit.
//! It does not wait itself.

use std::time::Duration;

use tokio::time::Instant;

use super::admission::{Admission, MINUTE, RateLimitHeaders, RequestOutcome};
use super::learned_rate::{LearnedRate, PAUSE};
use super::window::Windows;

/// The request budget of one endpoint.
#[derive(Debug)]
pub(super) struct Budget {
    /// The number of requests that the endpoint accepts in one window, which is a period such as a minute. `None` if
    /// the vendor publishes no limit, and no answer has contained the limit yet.
    pub(super) limit: Option<u32>,
    /// The number of requests that are allowed but not sent yet, or sent but not answered yet.
    outstanding: u32,
    /// True once any request to the endpoint has ended, with or without an answer.
    pub(super) has_ended_request: bool,
    windows: Windows,
    pub(super) rate: LearnedRate,
    /// The end of the last wait that was reported to the user. Other waits that end at the same time are not reported.
    announced: Option<Instant>,
    /// The number of callers that wait for the rate limit of this endpoint.
    pub(super) waiting: u32,
    /// The number of requests that a run has announced but not sent yet.
    pub(super) expected: u32,
}

impl Budget {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            outstanding: 0,
            has_ended_request: false,
            windows: Windows::new(),
            rate: LearnedRate::new(),
            announced: None,
            waiting: 0,
            expected: 0,
        }
    }

    /// Adds `count` to the number of expected requests.
    pub(super) fn expect(&mut self, count: u32) {
        self.expected = self.expected.saturating_add(count);
    }

    /// Returns [`Admission::Now`] if `count` requests can be sent now, and counts them as sent. Otherwise, returns when
    /// the caller must ask again. `waiting` is the number of callers that wait for the rate limit, including this
    /// caller.
    pub(super) fn ask(&mut self, count: u32, waiting: u32, now: Instant) -> Admission {
        // A limit of zero would never allow a request. So one request is allowed, because its answer shows the current
        // limit.
        let count = self.limit.map_or(count, |limit| count.min(limit.max(1)));
        let answer = self.admit(count, waiting.max(self.expected), now);
        if answer == Admission::Now {
            self.outstanding += count;
            self.expected = self.expected.saturating_sub(count);
        }
        answer
    }

    fn admit(&mut self, count: u32, waiting: u32, now: Instant) -> Admission {
        if let Some(end) = self.rate.closed_until(now) {
            return Admission::At(end);
        }
        self.windows.expire(count, now);
        if self.windows.is_known() {
            return self.windows.ask(count, self.outstanding, waiting, now);
        }
        if self.limit.is_none() && !self.has_ended_request && self.outstanding > 0 {
            return Admission::AfterAnswer;
        }
        if let Some(wait) = self.windows.wait_for_first_answer(count, self.outstanding, now) {
            return wait;
        }
        let limit = self.limit.map(|limit| {
            let others_wait = self.outstanding > 0 || waiting > limit;
            let held_back =
                if others_wait { self.windows.held_back(limit, self.has_ended_request) } else { 0 };
            let min = if self.outstanding == 0 { count } else { 1 };
            limit.saturating_sub(held_back).max(min)
        });
        self.rate.ask(count, self.outstanding, limit, now)
    }

    /// Returns the time when a wait for the limit is likely to end: at `ask_again`, or when the current window is over
    /// if that is later. The window can end later than `ask_again`: then the caller asks early, so that one request can
    /// test whether the window is already over.
    pub(super) fn wait_ends(&self, ask_again: Instant) -> Instant {
        self.windows.over().map_or(ask_again, |over| over.max(ask_again))
    }

    /// Returns true if a wait until this time must be reported to the user, and records it as reported. Returns false
    /// if a wait until this time was reported before.
    pub(super) fn announce(&mut self, until: Instant) -> bool {
        let known = self.announced.is_some_and(|known| until <= known + Duration::from_secs(1));
        if !known {
            self.announced = Some(until);
        }
        !known
    }

    /// Records the outcome of a request. `sent` is the time when it was sent.
    pub(super) fn record_outcome(
        &mut self,
        outcome: RequestOutcome,
        headers: Option<RateLimitHeaders>,
        sent: Instant,
        now: Instant,
    ) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.has_ended_request = true;
        match outcome {
            RequestOutcome::Accepted => self.rate.record_acceptance(now),
            RequestOutcome::Refused(_) => self.rate.record_refusal(now),
            RequestOutcome::Lost => {}
        }
        if let Some(headers) = headers {
            self.limit = Some(headers.limit);
            self.rate.forget_guesses();
            self.windows.learn(headers, sent, now);
        } else if !matches!(outcome, RequestOutcome::Refused(_)) {
            // The answer does not say how many requests are left. The server may have counted this request, so count
            // it.
            self.windows.count_request(sent);
        }
        match (outcome, headers) {
            (RequestOutcome::Refused(after), headers) => {
                let after = after.filter(|after| !after.is_zero()).map(|after| after.min(MINUTE));
                if headers.is_some() || self.windows.is_known() {
                    self.rate.close(now + after.unwrap_or(PAUSE));
                } else {
                    self.rate.learn_from_refusal(sent, self.outstanding, after, now);
                }
            }
            (_, Some(_)) => {}
            (RequestOutcome::Accepted, None) => self.rate.learn_from_acceptance(sent, now),
            (RequestOutcome::Lost, None) => self.rate.count_request(now),
        }
    }

    /// Adds `count` requests back to the budget. They were allowed, but never reached the server.
    pub(super) fn give_back(&mut self, count: u32) {
        self.outstanding = self.outstanding.saturating_sub(count);
        self.windows.cancel_probe();
    }
}
