//! Keeps requests within the API's limits, so that no 429 is ever asked for. May import `model` only.
//!
//! An endpoint has so many requests a minute, for the whole organization. The published numbers are the
//! start; every answer's headers are the truth, also when somebody else spends the same budget. Where nothing
//! is published, one request goes first and the others wait for its answer: it tells the limit, or that there
//! is none to be told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{Api, Endpoint};

/// The length of a window where the server does not say when it ends.
const MINUTE: Duration = Duration::from_secs(60);

/// How long nothing more is sent to an endpoint that refused a request without a `Retry-After`.
const PAUSE: Duration = Duration::from_secs(1);

/// A wait from this length on is told.
const WORTH_A_WORD: Duration = Duration::from_secs(1);

/// What an answer's headers say of an endpoint's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Requests a window.
    pub(super) limit: u32,
    /// Requests left in the present window.
    pub(super) remaining: u32,
    /// How long until the next window begins.
    pub(super) resets_in: Duration,
}

/// One endpoint's budget: a pure account, without waiting.
#[derive(Debug)]
struct Budget {
    /// Requests a window; none until an answer tells, where nothing is published.
    limit: Option<u32>,
    /// What the server said last of the present window: requests left, and its end.
    told: Option<(u32, Instant)>,
    /// Requests promised to somebody and not answered yet.
    outstanding: u32,
    /// Whether a request has ended, with or without a word on the budget.
    tried: bool,
    /// When requests were answered without a word on the budget.
    untold: VecDeque<Instant>,
    /// Until when nothing goes, because the server refused a request and did not say more than that.
    closed: Option<Instant>,
    /// The end of the wait that somebody was told of: others who wait for the same say nothing.
    announced: Option<Instant>,
}

/// Whether requests can go now, or when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Go,
    /// At this time, or when a request is answered, whichever is first.
    Later(Instant),
    /// When a request is answered: only that can tell more.
    Unknown,
}

impl Budget {
    fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            told: None,
            outstanding: 0,
            tried: false,
            untold: VecDeque::new(),
            closed: None,
            announced: None,
        }
    }

    fn ask(&mut self, count: u32, now: Instant) -> Answer {
        if self.told.is_some_and(|(_, end)| end <= now) {
            self.told = None;
        }
        while self.untold.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.untold.pop_front();
        }
        if let Some(end) = self.closed.filter(|end| *end > now) {
            return Answer::Later(end);
        }
        let Some(limit) = self.limit else {
            if !self.tried && self.outstanding > 0 {
                return Answer::Unknown;
            }
            self.outstanding += count;
            return Answer::Go;
        };
        // A limit of nothing would be waited for without end: one request asks again.
        let limit = limit.max(1);
        let count = count.min(limit);
        let spent = self.untold.len() as u32;
        let left = self.told.map_or_else(|| limit.saturating_sub(spent), |(remaining, _)| remaining);
        if self.outstanding + count <= left {
            self.outstanding += count;
            return Answer::Go;
        }
        let opens = match (self.told, self.untold.front()) {
            (Some((_, end)), _) => Some(end),
            (None, Some(at)) => Some(*at + MINUTE),
            (None, None) => None,
        };
        opens.map_or(Answer::Unknown, Answer::Later)
    }

    /// Whether a wait until then is news.
    fn announce(&mut self, until: Instant) -> bool {
        let known = self.announced.is_some_and(|known| until <= known + Duration::from_secs(1));
        if !known {
            self.announced = Some(until);
        }
        !known
    }

    fn answered(&mut self, told: Option<Told>, now: Instant) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.tried = true;
        let Some(Told { limit, remaining, resets_in }) = told else {
            self.untold.push_back(now);
            // The server may have counted it all the same.
            if let Some((left, _)) = &mut self.told {
                *left = left.saturating_sub(1);
            }
            return;
        };
        self.limit = Some(limit);
        let end = now + resets_in;
        // Answers can overtake each other: in one window the smallest number is the newest. Ends are told
        // in whole seconds, so that those of one window differ a little.
        let same_window = |known: Instant| {
            let (a, b) = (known.max(end), known.min(end));
            a.duration_since(b) < Duration::from_millis(1_500)
        };
        self.told = match self.told {
            Some((left, known)) if same_window(known) => Some((left.min(remaining), known.max(end))),
            Some((left, known)) if known > end => Some((left, known)),
            _ => Some((remaining, end)),
        };
    }
}

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

    /// Waits until `count` requests may go; `waiting` hears of waits that are worth a word.
    pub(super) async fn acquire(
        &self,
        endpoint: Endpoint,
        count: u32,
        waiting: &dyn Fn(Duration, u32),
    ) -> Reservation {
        loop {
            // Registered before asking, so that an answer in between is not missed.
            let changed = self.changed.notified();
            let (answer, limit, tried) = self.with(endpoint, |budget| {
                let answer = budget.ask(count, Instant::now());
                (answer, budget.limit, budget.tried)
            });
            let now = Instant::now();
            match answer {
                Answer::Go => {
                    return Reservation {
                        limiter: self.clone(),
                        endpoint,
                        left: Mutex::new(limit.map_or(count, |limit| count.min(limit.max(1)))),
                        blind: limit.is_none() && !tried,
                    };
                }
                Answer::Unknown => changed.await,
                Answer::Later(at) => {
                    let wait = at.saturating_duration_since(now);
                    if wait >= WORTH_A_WORD && self.with(endpoint, |budget| budget.announce(at)) {
                        waiting(wait, limit.unwrap_or_default());
                    }
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
            }
        }
    }

    /// Notes that a request was answered (or given up).
    pub(super) fn answered(&self, endpoint: Endpoint, told: Option<Told>) {
        self.with(endpoint, |budget| budget.answered(told, Instant::now()));
        self.changed.notify_waiters();
    }

    /// Notes that a request was refused as one too many: the others need not be refused each for itself.
    pub(super) fn refused(&self, endpoint: Endpoint, retry_after: Option<Duration>) {
        let end = Instant::now() + retry_after.unwrap_or(PAUSE).min(MINUTE);
        self.with(endpoint, |budget| budget.closed = budget.closed.max(Some(end)));
    }

    /// Takes back what was promised and never reached the server.
    pub(super) fn give_back(&self, endpoint: Endpoint, count: u32) {
        self.with(endpoint, |budget| budget.outstanding = budget.outstanding.saturating_sub(count));
        self.changed.notify_waiters();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(limit: u32, remaining: u32, seconds: u64) -> Option<Told> {
        Some(Told { limit, remaining, resets_in: Duration::from_secs(seconds) })
    }

    #[tokio::test(start_paused = true)]
    async fn the_published_number_is_the_start_and_the_headers_the_truth() {
        let now = Instant::now();
        let mut budget = Budget::new(Some(2));
        assert_eq!(budget.ask(1, now), Answer::Go);
        assert_eq!(budget.ask(1, now), Answer::Go);
        assert_eq!(budget.ask(1, now), Answer::Unknown);
        budget.answered(told(100, 60, 30), now);
        assert_eq!(budget.ask(59, now), Answer::Go);
        assert_eq!(budget.ask(1, now), Answer::Later(now + Duration::from_secs(30)));
        budget.outstanding = 0;
        assert_eq!(budget.ask(100, now + Duration::from_secs(30)), Answer::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn an_overtaken_answer_does_not_give_budget_back() {
        let now = Instant::now();
        let mut budget = Budget::new(Some(20));
        for _ in 0..3 {
            assert_eq!(budget.ask(1, now), Answer::Go);
        }
        budget.answered(told(20, 17, 60), now);
        budget.answered(told(20, 19, 60), now);
        assert_eq!(budget.told.map(|(left, _)| left), Some(17));
    }

    #[tokio::test(start_paused = true)]
    async fn without_headers_the_last_minute_counts() {
        let now = Instant::now();
        let mut budget = Budget::new(Some(1));
        assert_eq!(budget.ask(1, now), Answer::Go);
        budget.answered(None, now);
        assert_eq!(budget.ask(1, now), Answer::Later(now + MINUTE));
        assert_eq!(budget.ask(1, now + MINUTE), Answer::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_nothing_is_asked_again_when_its_window_ends() {
        let now = Instant::now();
        let mut budget = Budget::new(Some(20));
        assert_eq!(budget.ask(1, now), Answer::Go);
        budget.answered(told(0, 0, 30), now);
        let end = now + Duration::from_secs(30);
        assert_eq!(budget.ask(1, now), Answer::Later(end));
        assert_eq!(budget.ask(3, end), Answer::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_published_one_goes_first_and_tells() {
        let now = Instant::now();
        let mut budget = Budget::new(None);
        assert_eq!(budget.ask(3, now), Answer::Go, "a reservation may be the first");
        assert_eq!(budget.ask(1, now), Answer::Unknown);
        budget.answered(told(10, 9, 30), now);
        assert_eq!(budget.ask(7, now), Answer::Go, "two of the first three may still come");
        assert_eq!(budget.ask(1, now), Answer::Later(now + Duration::from_secs(30)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_tells_nothing_is_not_waited_for() {
        let now = Instant::now();
        let mut budget = Budget::new(None);
        assert_eq!(budget.ask(1, now), Answer::Go);
        budget.answered(None, now);
        for _ in 0..100 {
            assert_eq!(budget.ask(1, now), Answer::Go);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_request_that_never_left_lets_another_be_the_first() {
        let limiter = Limiter::new(Api::Platform);
        let first = limiter.acquire(Endpoint::CreateService, 1, &|_, _| {}).await;
        let other = limiter.acquire(Endpoint::CreateService, 1, &|_, _| {});
        let gives_up = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (other, ()) = tokio::join!(other, gives_up);
        assert!(other.take());
    }

    #[tokio::test(start_paused = true)]
    async fn one_refusal_is_enough_for_all_who_wait() {
        let limiter = Limiter::new(Api::Platform);
        let began = Instant::now();
        limiter.refused(Endpoint::CreateService, Some(Duration::from_secs(7)));
        limiter.refused(Endpoint::CreateService, None);
        let other = limiter.acquire(Endpoint::UpdateService, 1, &|_, _| {}).await;
        assert!(
            other.take() && began.elapsed() == Duration::ZERO,
            "another endpoint is none of its business"
        );
        let waited = limiter.acquire(Endpoint::CreateService, 1, &|_, _| {}).await;
        assert!(waited.take());
        assert_eq!(began.elapsed(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn environments_of_one_organization_spend_one_budget() {
        let budgets = Budgets::default();
        let of = |address: &str, organization| budgets.of(Api::Classic, address.to_owned(), organization);
        let limit = Endpoint::CreateService.per_minute(Api::Classic).expect("a published number");
        for _ in 0..limit {
            let (spent, endpoint) = (of("https://a", "acme"), Endpoint::CreateService);
            assert!(spent.acquire(endpoint, 1, &|_, _| {}).await.take());
            spent.answered(endpoint, None);
        }
        let waits = |limiter: Limiter| async move {
            let began = Instant::now();
            limiter.acquire(Endpoint::CreateService, 1, &|_, _| {}).await;
            began.elapsed()
        };
        assert_eq!(waits(of("https://a", "other")).await, Duration::ZERO);
        assert_eq!(waits(of("https://b", "acme")).await, Duration::ZERO);
        assert_eq!(waits(of("https://a", "acme")).await, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_reserved_and_not_used_is_given_back() {
        let limiter = Limiter::new(Api::Classic);
        let reserved = limiter.acquire(Endpoint::UpdateService, 20, &|_, _| {}).await;
        assert!(reserved.take());
        limiter.answered(Endpoint::UpdateService, None);
        drop(reserved);
        let again = limiter.acquire(Endpoint::UpdateService, 19, &|_, _| {}).await;
        assert!(again.take());
    }
}
