//! Keeps requests within the API's limits, so that no 429 is ever asked for. May import `model` only.
//!
//! An endpoint has so many requests a minute, for the whole organization. The published numbers are the
//! start; every answer's headers are the truth, also when somebody else spends the same budget. Where nothing
//! is published, one request goes first and the others wait for its answer: it tells the limit, or that there
//! is none to be told. Then the rate is learned from refusals ([`pace`]).

mod budget;
mod pace;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub(super) use budget::Fate;
use budget::{Answer, Budget};
pub(super) use window::Told;

use crate::model::{Api, Endpoint};

/// A wait from this length on is told.
const WORTH_A_WORD: Duration = Duration::from_secs(1);

/// An endpoint that refuses everything for this long is given up, where the run has no deadline.
pub(super) const REFUSING_FOR: Duration = Duration::from_secs(300);

/// The budgets of every organization that a process talks to; clones share them. Two environments of one
/// organization spend one budget.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    limiters: Arc<Mutex<BTreeMap<Home, Limiter>>>,
}

/// An API, its address, and the organization or workspace.
type Home = (Api, String, String);

impl Budgets {
    /// The budget of an organization or workspace at an address.
    pub(super) fn of(&self, api: Api, address: String, organization: &str) -> Limiter {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let home = (api, address, organization.to_owned());
        limiters.entry(home).or_insert_with(|| Limiter::new(api)).clone()
    }
}

/// All budgets of one organization; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Limiter {
    api: Api,
    budgets: Arc<Mutex<BTreeMap<Endpoint, Budget>>>,
    changed: Arc<Notify>,
}

impl Limiter {
    pub(super) fn new(api: Api) -> Self {
        Self { api, budgets: Arc::default(), changed: Arc::default() }
    }

    fn with<T>(&self, endpoint: Endpoint, work: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        work(budgets.entry(endpoint).or_insert_with(|| Budget::new(endpoint.per_minute(self.api))))
    }

    /// Waits until `count` requests may go; `waiting` hears of waits that are worth a word, with the number of requests
    /// a minute if the server tells it. None: the endpoint has refused everything for `patience`.
    pub(super) async fn acquire(
        &self,
        endpoint: Endpoint,
        count: u32,
        patience: Option<Duration>,
        waiting: &dyn Fn(Duration, Option<u32>),
    ) -> Option<Reservation> {
        let mut place = Place { limiter: self, endpoint, is_waiting: false };
        loop {
            // Registered before asking, so that an answer in between is not missed.
            let changed = self.changed.notified();
            let now = Instant::now();
            let (answer, limit, tried, given_up_at, is_guessed) = self.with(endpoint, |budget| {
                let answer = budget.ask(count, budget.waiting + u32::from(!place.is_waiting), now);
                let since = budget.pace.refusing_since().filter(|_| patience.is_some());
                let given_up_at = since.map(|since| since + patience.unwrap_or_default());
                (answer, budget.limit, budget.tried, given_up_at, budget.pace.is_guessed())
            });
            if answer != Answer::Go && given_up_at.is_some_and(|at| at <= now) {
                return None;
            }
            match answer {
                Answer::Go => {
                    return Some(Reservation {
                        limiter: self.clone(),
                        endpoint,
                        left: Mutex::new(limit.map_or(count, |limit| count.min(limit.max(1)))),
                        blind: limit.is_none() && !tried,
                    });
                }
                Answer::Unknown => {
                    place.take();
                    tokio::select! {
                        () = changed => {}
                        () = until(given_up_at) => {}
                    }
                }
                Answer::Later(at) => {
                    place.take();
                    let (ends, is_news) = self.with(endpoint, |budget| {
                        let ends = budget.wait_ends(at);
                        (ends, ends >= now + WORTH_A_WORD && budget.announce(ends))
                    });
                    if is_news {
                        waiting(ends - now, limit.filter(|_| !is_guessed));
                    }
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                        () = until(given_up_at) => {}
                    }
                }
            }
        }
    }

    /// Notes how a request ended that was sent at this time.
    pub(super) fn answered(&self, endpoint: Endpoint, fate: Fate, told: Option<Told>, sent: Instant) {
        self.with(endpoint, |budget| budget.answered(fate, told, sent, Instant::now()));
        self.changed.notify_waiters();
    }

    /// Whether the endpoint has accepted a request after this time.
    pub(super) fn has_accepted_since(&self, endpoint: Endpoint, time: Instant) -> bool {
        self.with(endpoint, |budget| budget.pace.accepted_since(time))
    }

    /// Takes back what was promised and never reached the server.
    pub(super) fn give_back(&self, endpoint: Endpoint, count: u32) {
        self.with(endpoint, |budget| budget.give_back(count));
        self.changed.notify_waiters();
    }
}

/// Waits for a time, or for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// A place among those that wait for an endpoint; given up when it is dropped.
struct Place<'a> {
    limiter: &'a Limiter,
    endpoint: Endpoint,
    is_waiting: bool,
}

impl Place<'_> {
    fn take(&mut self) {
        if !self.is_waiting {
            self.is_waiting = true;
            self.limiter.with(self.endpoint, |budget| budget.waiting += 1);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_waiting {
            self.limiter.with(self.endpoint, |budget| budget.waiting -= 1);
        }
    }
}

/// Requests that may be sent without a further wait; what is not used is given back.
#[derive(Debug)]
pub struct Reservation {
    limiter: Limiter,
    endpoint: Endpoint,
    left: Mutex<u32>,
    /// Whether nothing was known of the limit when it was made.
    blind: bool,
}

impl Reservation {
    /// Whether it was made without knowing the limit, so that it promises nothing: one request tells more.
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// The endpoint whose requests are reserved.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// Uses one of the reserved requests; false when none is left.
    pub(super) fn take(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let left = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left > 0 {
            self.limiter.give_back(self.endpoint, left);
        }
    }
}
