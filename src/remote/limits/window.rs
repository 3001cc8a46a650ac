//! Windows whose end answers tell in whole seconds. Imports nothing of ours.
//!
//! # How soon the next window's requests can go
//!
//! `X-RateLimit-Reset` is a whole second, R. Servers differ in where a window truly ends:
//!
//! 1. Windows of the clock (a minute that begins at :00) end with a whole second: at R.
//! 2. Windows that begin with their first request, at s, end anywhere within a second, at s + L. R is the second after
//!    that where the server rounds up, and the second before it where it rounds down.
//!
//! A client that always waits for R gets on with a server of the first kind as fast as the limits allow. With one that
//! rounds up it pays a second a window: the next window begins just after R, so that its end is rounded up by almost a
//! second again. With one that rounds down it is refused at each R.
//!
//! The headers can't tell these apart: for a window that begins between two whole seconds, L - 1 rounded up, L rounded
//! down and L seconds of the clock give the same R. Only a request that is sent at the time in question can tell, and
//! where the old window is not over, that request is refused, unless something is left of the old window. So one request
//! of a window is kept back where others wait as well, and sent at the earliest time at which the window can be over:
//!
//! * The answer tells another R: the window was over. From then on each next one begins as long after the first answer of
//!   the last one, however R is rounded. One request of one window was not used: that is the price.
//! * The answer tells the same R: the window was not over, and the request was within its budget.
//!
//! At the first R, one request goes alone. A server that rounds down refuses it, and then each window counts as over a
//! second after R, unless it is found out as above that it is over earlier.
//!
//! So a server that rounds up, or has windows of the clock, refuses nothing; one that rounds down refuses one request. What
//! is left is one way to the server and back a window. For windows of 20 seconds and more nothing is kept back: to wait for
//! R costs less than a twentieth.

use std::time::Duration;

use tokio::time::Instant;

use super::budget::Answer;

/// What an answer's headers say of an endpoint's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) struct Told {
    /// Requests a window.
    pub(in crate::remote) limit: u32,
    /// Requests left in the present window.
    pub(in crate::remote) remaining: u32,
    /// How long until the next window begins.
    pub(in crate::remote) resets_in: Duration,
    /// The same as it was told, since the epoch: tells windows apart.
    pub(in crate::remote) reset: Duration,
}

const SECOND: Duration = Duration::from_secs(1);
/// Differences below this are not worth a trial, and no reason to doubt one.
const SLACK: Duration = Duration::from_millis(100);
/// For windows of so many seconds, one more or less is a twentieth: whether one ends before R is not tried.
const LONG: u64 = 20;
/// So often it is tried in vain: once may be by the chance of a window that begins with a whole second.
const TRIALS: u32 = 2;
/// Smaller windows can't do without a request.
const SMALLEST: u32 = 10;

/// Where windows end, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Unknown,
    /// At R at the latest.
    ByReset,
    /// Within the second after R.
    AfterReset,
}

/// The present window.
#[derive(Debug)]
struct Window {
    /// R as it was told.
    reset: Duration,
    /// R by our clock.
    end: Instant,
    /// Requests left.
    left: u32,
    /// When the request that began it was sent and answered; none where it was not one of ours.
    first: Option<(Instant, Instant)>,
    /// When the request that is kept back is sent.
    trial_at: Option<Instant>,
    /// Since when it is under way.
    on_trial: Option<Instant>,
}

/// The windows of one endpoint.
#[derive(Debug)]
pub(super) struct Windows {
    current: Option<Window>,
    /// R of the window that was over last, and when it was thought to be.
    ended: Option<(Duration, Instant)>,
    ends: Ends,
    /// As long as a window that begins with its first request can be.
    length: Option<Duration>,
    /// How often it was tried in vain to learn that: before R, and after it.
    in_vain: [u32; 2],
    /// Until when one request goes first, and the others wait for its answer: it tells whether the last window was
    /// over. Then it was over in any case.
    alone_until: Option<Instant>,
    was_told: bool,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self {
            current: None,
            ended: None,
            ends: Ends::Unknown,
            length: None,
            in_vain: [0; 2],
            alone_until: None,
            was_told: false,
        }
    }

    /// Whether the present window is told.
    pub(super) fn is_told(&self) -> bool {
        self.current.is_some()
    }

    /// Whether so many requests must wait since nobody knows whether the last window was over.
    pub(super) fn wait_alone(&self, count: u32, outstanding: u32, now: Instant) -> Option<Answer> {
        let until = self.alone_until.filter(|until| *until > now)?;
        (count > 1 || outstanding > 0).then_some(Answer::Later(until))
    }

    /// How many requests of a window that is not told yet are kept back.
    pub(super) fn kept_back(&self, limit: u32, was_tried: bool) -> u32 {
        let is_told = self.was_told || !was_tried;
        u32::from(limit >= SMALLEST && is_told && self.length.is_none() && !self.is_in_vain())
    }

    fn is_in_vain(&self) -> bool {
        self.in_vain[usize::from(self.ends == Ends::AfterReset)] >= TRIALS
    }

    /// When a window is over for sure.
    fn over_at(&self, window: &Window) -> Instant {
        let by_reset = match self.ends {
            Ends::AfterReset => window.end + SECOND,
            Ends::Unknown | Ends::ByReset => window.end,
        };
        match (self.length, window.first) {
            // A window whose end is told more than a second later has another length.
            (Some(length), Some((_, answered))) if answered + length + SECOND > window.end => {
                by_reset.min(answered + length)
            }
            _ => by_reset,
        }
    }

    /// Chooses when the request that is kept back from the present window is sent, if one is.
    fn plan_trial(&mut self, limit: u32) {
        let Some(window) = &self.current else { return };
        let (None, false, Some((_, answered))) = (self.length, self.is_in_vain(), window.first) else {
            return;
        };
        // A window of whole seconds ends neither a second before R nor a second after it.
        let not_before = if self.ends == Ends::AfterReset { window.end } else { window.end - SECOND };
        let seconds = not_before.saturating_duration_since(answered).as_secs() + 1;
        if seconds >= LONG {
            self.in_vain = [TRIALS; 2];
            return;
        }
        let at = answered + Duration::from_secs(seconds);
        let is_worth_it = limit >= SMALLEST && at + SLACK < self.over_at(window);
        if let Some(window) = &mut self.current {
            window.trial_at = is_worth_it.then_some(at);
        }
    }

    /// When so many requests can go in the next window. Several that follow each other can't be the trial.
    fn next_at(&self, window: &Window, count: u32) -> Instant {
        let is_unsure = self.ends == Ends::Unknown && count > 1;
        if is_unsure { window.end + SECOND } else { self.over_at(window) }
    }

    /// When the present window is over for sure.
    pub(super) fn over(&self) -> Option<Instant> {
        self.current.as_ref().map(|window| self.over_at(window))
    }

    /// Forgets the present window once it is over.
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

    /// Whether requests can go in the present window; `waiting`: how many wait for it, this one included.
    pub(super) fn ask(&mut self, count: u32, outstanding: u32, waiting: u32, now: Instant) -> Answer {
        let Some(next_at) = self.current.as_ref().map(|window| self.next_at(window, count)) else {
            return Answer::Unknown;
        };
        let Some(window) = &mut self.current else { return Answer::Unknown };
        if window.left == 0 {
            window.trial_at = None;
        }
        let is_due = count == 1 && window.trial_at.is_some_and(|at| at <= now);
        if is_due && window.left > outstanding {
            window.trial_at = None;
            window.on_trial = Some(now);
            return Answer::Go;
        }
        // Those under way are likely to be followed by others.
        let is_crowded = outstanding > 0 || waiting > window.left;
        let kept_back = u32::from(is_crowded && window.trial_at.is_some());
        if outstanding + count + kept_back <= window.left {
            return Answer::Go;
        }
        match window.trial_at {
            Some(at) if count == 1 && !is_due => Answer::Later(at),
            _ if next_at <= now => Answer::Unknown,
            _ => Answer::Later(next_at),
        }
    }

    /// One more request was spent that no header tells of.
    pub(super) fn spend(&mut self, sent: Instant) {
        if let Some(window) = &mut self.current {
            window.left = window.left.saturating_sub(1);
        }
        self.end_trial(sent);
    }

    /// A request that was to go did not.
    pub(super) fn give_back(&mut self) {
        if let Some(window) = &mut self.current {
            window.on_trial = None;
        }
    }

    /// The end of a trial, if this request was one: when it was sent.
    fn end_trial(&mut self, sent: Instant) -> Option<Instant> {
        self.alone_until = None;
        let window = self.current.as_mut()?;
        window.on_trial.filter(|at| *at <= sent)?;
        window.on_trial = None;
        Some(sent)
    }

    /// Learns from the headers of an answer.
    pub(super) fn learn(&mut self, told: Told, sent: Instant, now: Instant) {
        self.was_told = true;
        let was_alone = self.alone_until.is_some_and(|until| sent + SECOND <= until + SLACK);
        let trial = self.end_trial(sent);
        let Told { limit, remaining, resets_in, reset } = told;
        let end = now + resets_in;
        // Answers can overtake each other: one of an earlier window tells nothing of the present one.
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
            // In one window the smallest number is the newest.
            window.left = window.left.min(remaining);
            window.end = window.end.max(end);
            let is_news = window.first.is_none() && first.is_some();
            window.first = window.first.or(first);
            if trial.is_some() {
                self.in_vain[usize::from(self.ends == Ends::AfterReset)] += 1;
            } else if is_news {
                self.plan_trial(limit);
            }
            return;
        }
        if let Some(window) = self.current.take() {
            if trial.is_some() {
                self.was_over(&window, sent, now);
            }
        } else if self.ended.is_some_and(|(ended, _)| ended == reset) {
            // It was thought to be over too early.
            (self.ends, self.length, self.in_vain) = (Ends::AfterReset, None, [TRIALS, 0]);
        } else if was_alone {
            self.ends = Ends::ByReset;
        }
        let (trial_at, on_trial) = (None, None);
        self.current = Some(Window { reset, end, left: remaining, first, trial_at, on_trial });
        self.plan_trial(limit);
    }

    /// The request that was kept back has begun a new window.
    fn was_over(&mut self, window: &Window, sent: Instant, now: Instant) {
        if self.ends == Ends::Unknown && sent < window.end {
            self.ends = Ends::ByReset;
        }
        if let Some((first_sent, first_answered)) = window.first {
            // Windows last whole seconds: one that ended within this second had ended at its beginning.
            let seconds = Duration::from_secs((sent - first_answered).as_secs());
            self.length = (now - first_sent < seconds + SECOND).then_some(seconds);
        }
    }
}
