//! One endpoint's budget: a pure account, without waiting. Imports nothing of ours.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::{PAUSE, Pace};
use super::window::{Told, Windows};

/// The length of a window where the server does not say when it ends.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Whether requests can go now, or when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Go,
    /// At this time, or when a request is answered, whichever is first.
    Later(Instant),
    /// When a request is answered: only that can tell more.
    Unknown,
}

/// How a request ended, as far as limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::remote) enum Fate {
    /// It was let through.
    Accepted,
    /// It was one too many, with the answer's `Retry-After`.
    Refused(Option<Duration>),
    /// No answer came, or one that says nothing of limits (503): it may have been counted.
    Lost,
}

/// One endpoint's budget.
#[derive(Debug)]
pub(super) struct Budget {
    /// Requests a window; none until an answer tells, where nothing is published.
    pub(super) limit: Option<u32>,
    /// Requests promised to somebody and not answered yet.
    outstanding: u32,
    /// Whether a request has ended, with or without a word on the budget.
    pub(super) tried: bool,
    windows: Windows,
    pub(super) pace: Pace,
    /// The end of the wait that somebody was told of: others who wait for the same say nothing.
    announced: Option<Instant>,
    /// How many wait for room.
    pub(super) waiting: u32,
}

impl Budget {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            outstanding: 0,
            tried: false,
            windows: Windows::new(),
            pace: Pace::new(),
            announced: None,
            waiting: 0,
        }
    }

    /// Asks for room for so many requests; `waiting`: how many ask, this one included.
    pub(super) fn ask(&mut self, count: u32, waiting: u32, now: Instant) -> Answer {
        // A limit of nothing would be waited for without end: one request asks again.
        let count = self.limit.map_or(count, |limit| count.min(limit.max(1)));
        let answer = self.room(count, waiting, now);
        if answer == Answer::Go {
            self.outstanding += count;
        }
        answer
    }

    fn room(&mut self, count: u32, waiting: u32, now: Instant) -> Answer {
        if let Some(end) = self.pace.closed_until(now) {
            return Answer::Later(end);
        }
        self.windows.expire(count, now);
        if self.windows.is_told() {
            return self.windows.ask(count, self.outstanding, waiting, now);
        }
        if self.limit.is_none() && !self.tried && self.outstanding > 0 {
            return Answer::Unknown;
        }
        if let Some(wait) = self.windows.wait_alone(count, self.outstanding, now) {
            return wait;
        }
        let limit = self.limit.map(|limit| {
            let is_crowded = self.outstanding > 0 || waiting > limit;
            let kept_back = if is_crowded { self.windows.kept_back(limit, self.tried) } else { 0 };
            let least = if self.outstanding == 0 { count } else { 1 };
            limit.saturating_sub(kept_back).max(least)
        });
        self.pace.ask(count, self.outstanding, limit, now)
    }

    /// When a wait ends that asks again at this time: one request of many may go earlier, as a trial.
    pub(super) fn wait_ends(&self, ask_again: Instant) -> Instant {
        self.windows.over().map_or(ask_again, |over| over.max(ask_again))
    }

    /// Whether a wait until then is news.
    pub(super) fn announce(&mut self, until: Instant) -> bool {
        let known = self.announced.is_some_and(|known| until <= known + Duration::from_secs(1));
        if !known {
            self.announced = Some(until);
        }
        !known
    }

    /// Notes how a request ended that was sent at this time.
    pub(super) fn answered(&mut self, fate: Fate, told: Option<Told>, sent: Instant, now: Instant) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.tried = true;
        match fate {
            Fate::Accepted => self.pace.progress(now),
            Fate::Refused(_) => self.pace.note_refusal(now),
            Fate::Lost => {}
        }
        if let Some(told) = told {
            self.limit = Some(told.limit);
            self.pace.forget();
            self.windows.learn(told, sent, now);
        } else if !matches!(fate, Fate::Refused(_)) {
            // The server may have counted it all the same.
            self.windows.spend(sent);
        }
        match (fate, told) {
            (Fate::Refused(after), told) => {
                let after = after.filter(|after| !after.is_zero()).map(|after| after.min(MINUTE));
                if told.is_some() || self.windows.is_told() {
                    self.pace.close(now + after.unwrap_or(PAUSE));
                } else {
                    self.pace.refuse(sent, self.outstanding, after, now);
                }
            }
            (_, Some(_)) => {}
            (Fate::Accepted, None) => self.pace.accept(sent, now),
            (Fate::Lost, None) => self.pace.spend(now),
        }
    }

    /// Takes back what was promised and never reached the server.
    pub(super) fn give_back(&mut self, count: u32) {
        self.outstanding = self.outstanding.saturating_sub(count);
        self.windows.give_back();
    }
}
