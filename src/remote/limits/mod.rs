//! Keeps requests within the API's rate limits, so that the server does not refuse requests with status 429.
//!
//! Each endpoint allows a number of requests per minute to the whole organization. The published numbers are the
//! starting point. The headers of each answer correct these numbers, so requests of other clients are counted, too. If
//! no limit is published, one request is sent first, and the others wait for its answer, which may contain the limit.
//! If no answer contains the limit, the rate is learned from refusals ([`learned_rate`]).

mod admission;
mod budget;
mod learned_rate;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use admission::Admission;
pub(super) use admission::{RateLimitHeaders, RequestOutcome};
use budget::Budget;

use crate::model::{Api, Endpoint};

/// The minimum length of a wait that is reported to the user. Shorter waits are not worth a message.
const MIN_REPORTED_WAIT: Duration = Duration::from_secs(1);

/// The time after which a run without a deadline stops if an endpoint refuses all requests.
pub(super) const MAX_REFUSING_TIME: Duration = Duration::from_secs(300);

/// The request budgets of all organizations in a process. A request budget decides when the next request to an endpoint
/// can be sent. Clones share the budgets. Two environments of the same organization use the same budgets.
#[derive(Clone, Debug, Default)]
pub struct Budgets {
    limiters: Arc<Mutex<BTreeMap<Home, Limiter>>>,
}

/// The key under which a limiter is stored: the API, its address, and the organization or workspace.
type Home = (Api, String, String);

impl Budgets {
    /// Returns the limiter of an organization or workspace at an address. Creates it if necessary.
    pub(super) fn limiter(&self, api: Api, address: String, organization: &str) -> Limiter {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let home = (api, address, organization.to_owned());
        limiters.entry(home).or_insert_with(|| Limiter::new(api)).clone()
    }
}

/// The request budgets of one organization or workspace, one for each endpoint. Clones share the budgets.
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

    fn with_budget<T>(&self, endpoint: Endpoint, work: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        work(budgets.entry(endpoint).or_insert_with(|| Budget::new(endpoint.per_minute(self.api))))
    }

    /// Announces that about `count` requests will follow. The limiter can then hold back one request of a window, even
    /// if no other request waits yet. That request later tests whether the window is over.
    pub(super) fn expect(&self, endpoint: Endpoint, count: u32) {
        self.with_budget(endpoint, |budget| budget.expect(count));
    }

    /// Waits until `count` requests can be sent, and reserves them. Before a wait of a second or more, calls `on_wait`
    /// with the length of the wait and with the limit, if it is known. Returns `None` if the endpoint has refused all
    /// requests for the time `max_refusing`.
    pub(super) async fn acquire(
        &self,
        endpoint: Endpoint,
        count: u32,
        max_refusing: Option<Duration>,
        on_wait: &dyn Fn(Duration, Option<u32>),
    ) -> Option<Reservation> {
        let mut waiter = Waiter { limiter: self, endpoint, is_counted: false };
        loop {
            // Start to listen before the check, so that an answer that arrives between the check and the wait is not
            // missed.
            let changed = self.changed.notified();
            let now = Instant::now();
            let (admission, limit, has_ended_request, give_up_at, is_guessed) =
                self.with_budget(endpoint, |budget| {
                    let admission = budget.ask(count, budget.waiting + u32::from(!waiter.is_counted), now);
                    let since = budget.rate.refusing_since();
                    let give_up_at = since.zip(max_refusing).map(|(since, max)| since + max);
                    (admission, budget.limit, budget.has_ended_request, give_up_at, budget.rate.is_guessed())
                });
            if admission != Admission::Now && give_up_at.is_some_and(|at| at <= now) {
                return None;
            }
            match admission {
                Admission::Now => {
                    return Some(Reservation {
                        limiter: self.clone(),
                        endpoint,
                        left: Mutex::new(limit.map_or(count, |limit| count.min(limit.max(1)))),
                        is_limit_unknown: limit.is_none() && !has_ended_request,
                    });
                }
                Admission::AfterAnswer => {
                    waiter.count();
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(give_up_at) => {}
                    }
                }
                Admission::At(at) => {
                    waiter.count();
                    let (ends, is_news) = self.with_budget(endpoint, |budget| {
                        let ends = budget.wait_ends(at);
                        (ends, ends >= now + MIN_REPORTED_WAIT && budget.announce(ends))
                    });
                    if is_news {
                        on_wait(ends - now, limit.filter(|_| !is_guessed));
                    }
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                        () = sleep_until(give_up_at) => {}
                    }
                }
            }
        }
    }

    /// Records the outcome of a request. `sent` is the time when it was sent.
    pub(super) fn record_outcome(
        &self,
        endpoint: Endpoint,
        outcome: RequestOutcome,
        headers: Option<RateLimitHeaders>,
        sent: Instant,
    ) {
        self.with_budget(endpoint, |budget| budget.record_outcome(outcome, headers, sent, Instant::now()));
        self.changed.notify_waiters();
    }

    /// Returns true if the endpoint has accepted a request after this time.
    pub(super) fn has_accepted_since(&self, endpoint: Endpoint, time: Instant) -> bool {
        self.with_budget(endpoint, |budget| budget.rate.accepted_since(time))
    }

    /// Adds `count` requests back to the endpoint's budget. They were allowed, but never reached the server.
    pub(super) fn give_back(&self, endpoint: Endpoint, count: u32) {
        self.with_budget(endpoint, |budget| budget.give_back(count));
        self.changed.notify_waiters();
    }
}

/// Waits until a time, or forever if the time is `None`.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// A caller of [`Limiter::acquire`], which may have to wait. Once it waits, the budget counts it as a waiting caller
/// until this value is dropped.
struct Waiter<'a> {
    limiter: &'a Limiter,
    endpoint: Endpoint,
    is_counted: bool,
}

impl Waiter<'_> {
    fn count(&mut self) {
        if !self.is_counted {
            self.is_counted = true;
            self.limiter.with_budget(self.endpoint, |budget| budget.waiting += 1);
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.is_counted {
            self.limiter.with_budget(self.endpoint, |budget| budget.waiting -= 1);
        }
    }
}

/// A number of requests that can be sent without another wait for the rate limit. When the reservation is dropped, its
/// unused requests are added back to the budget.
#[derive(Debug)]
pub struct Reservation {
    limiter: Limiter,
    endpoint: Endpoint,
    left: Mutex<u32>,
    /// True if the limit was unknown when the reservation was made.
    is_limit_unknown: bool,
}

impl Reservation {
    /// Returns true if the limit was unknown when the reservation was made. In this case the reservation guarantees
    /// nothing, and one request should be sent first to learn the limit.
    pub fn is_limit_unknown(&self) -> bool {
        self.is_limit_unknown
    }

    /// Returns the endpoint of the reserved requests.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// Uses one of the reserved requests. Returns false if no reserved request is left.
    pub(super) fn take(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let is_available = *left > 0;
        *left = left.saturating_sub(1);
        is_available
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
