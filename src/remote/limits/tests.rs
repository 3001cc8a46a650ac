//! Tests request budgets step by step, and with many requests to simulated servers. The servers differ in their windows
//! (the periods in which they accept a limited number of requests).

use super::admission::MINUTE;
use super::*;

fn headers(limit: u32, remaining: u32, seconds: u64) -> Option<RateLimitHeaders> {
    let resets_in = Duration::from_secs(seconds);
    Some(RateLimitHeaders { limit, remaining, resets_in, reset: resets_in })
}

/// Records in the budget that the server accepted a request that was sent now. The answer has these rate-limit headers.
fn accept(budget: &mut Budget, headers: Option<RateLimitHeaders>, now: Instant) {
    budget.record_outcome(RequestOutcome::Accepted, headers, now, now);
}

async fn acquire(limiter: &Limiter, endpoint: Endpoint, count: u32) -> Reservation {
    limiter.acquire(endpoint, count, None, &|_, _| {}).await.expect("room")
}

#[tokio::test(start_paused = true)]
async fn headers_override_the_published_limit() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(2));
    assert_eq!(budget.ask(1, 1, now), Admission::Now);
    assert_eq!(budget.ask(1, 1, now), Admission::Now);
    assert_eq!(budget.ask(1, 1, now), Admission::AfterAnswer);
    accept(&mut budget, headers(8, 6, 30), now);
    assert_eq!(budget.ask(5, 1, now), Admission::Now);
    assert_eq!(budget.ask(1, 1, now), Admission::At(now + Duration::from_secs(30)));
    budget.give_back(6);
    assert_eq!(budget.ask(8, 1, now + Duration::from_secs(31)), Admission::Now);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_increase_the_budget() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(8));
    for _ in 0..3 {
        assert_eq!(budget.ask(1, 1, now), Admission::Now);
    }
    accept(&mut budget, headers(8, 5, 60), now);
    accept(&mut budget, headers(8, 7, 60), now);
    accept(&mut budget, headers(8, 8, 59), now);
    assert_eq!(budget.ask(6, 1, now), Admission::At(now + Duration::from_secs(61)));
    assert_eq!(budget.ask(5, 1, now), Admission::Now);
}

#[tokio::test(start_paused = true)]
async fn without_headers_the_last_minute_counts() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(1));
    assert_eq!(budget.ask(1, 1, now), Admission::Now);
    accept(&mut budget, None, now);
    assert_eq!(budget.ask(1, 1, now), Admission::At(now + MINUTE));
    assert_eq!(budget.ask(1, 1, now + MINUTE), Admission::Now);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_zero_is_checked_again_after_its_window() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(20));
    assert_eq!(budget.ask(1, 1, now), Admission::Now);
    accept(&mut budget, headers(0, 0, 30), now);
    let end = now + Duration::from_secs(30);
    assert_eq!(budget.ask(1, 1, now), Admission::At(end));
    assert_eq!(budget.ask(3, 1, end), Admission::Now);
}

#[tokio::test(start_paused = true)]
async fn without_a_published_limit_one_request_goes_first() {
    let now = Instant::now();
    let mut budget = Budget::new(None);
    assert_eq!(budget.ask(3, 1, now), Admission::Now, "a reservation may be the first");
    assert_eq!(budget.ask(1, 1, now), Admission::AfterAnswer);
    accept(&mut budget, headers(9, 8, 30), now);
    assert_eq!(budget.ask(6, 1, now), Admission::Now, "two of the first three may still come");
    assert_eq!(budget.ask(1, 1, now), Admission::At(now + Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn without_any_limit_more_requests_go_at_once() {
    let now = Instant::now();
    let mut budget = Budget::new(None);
    assert_eq!(budget.ask(1, 1, now), Admission::Now);
    accept(&mut budget, None, now);
    for _ in 0..1_000 {
        assert_eq!(budget.ask(1, 1, now), Admission::Now);
        accept(&mut budget, None, now);
    }
    let at_once = (0..100).take_while(|_| budget.ask(1, 1, now) == Admission::Now).count();
    assert!((20..=24).contains(&at_once), "{at_once}");
}

#[tokio::test(start_paused = true)]
async fn the_last_request_of_a_window_is_held_back_only_if_others_wait_or_follow() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(20));
    for _ in 0..19 {
        assert_eq!(budget.ask(1, 1, now), Admission::Now);
    }
    assert_eq!(budget.ask(1, 1, now), Admission::AfterAnswer, "others may follow those in flight");
    let resets_in = Duration::from_millis(3_500);
    for remaining in (1..20).rev() {
        let headers = RateLimitHeaders { limit: 20, remaining, resets_in, reset: Duration::from_secs(4) };
        accept(&mut budget, Some(headers), now);
    }
    let probe = Admission::At(now + Duration::from_secs(3));
    assert_eq!(budget.ask(1, 2, now), probe, "two wait, and one is left");
    budget.expect(2);
    assert_eq!(budget.ask(1, 1, now), probe, "one more will follow");
    budget.expected = 1;
    assert_eq!(budget.ask(1, 1, now), Admission::Now);
}

#[tokio::test(start_paused = true)]
async fn another_request_goes_first_if_the_first_was_not_sent() {
    let limiter = Limiter::new(Api::Platform);
    let first = acquire(&limiter, Endpoint::CreateService, 1).await;
    let other = acquire(&limiter, Endpoint::CreateService, 1);
    let gives_up = async {
        tokio::task::yield_now().await;
        drop(first);
    };
    let (other, ()) = tokio::join!(other, gives_up);
    assert!(other.take());
}

#[tokio::test(start_paused = true)]
async fn one_refusal_delays_all_requests_to_the_endpoint() {
    let limiter = Limiter::new(Api::Platform);
    let began = Instant::now();
    for after in [Some(Duration::from_secs(7)), None] {
        limiter.record_outcome(Endpoint::CreateService, RequestOutcome::Refused(after), None, began);
    }
    let other = acquire(&limiter, Endpoint::UpdateService, 1).await;
    assert!(other.take() && began.elapsed() == Duration::ZERO, "another endpoint is not affected");
    let waited = acquire(&limiter, Endpoint::CreateService, 1).await;
    assert!(waited.take());
    assert_eq!(began.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn environments_of_one_organization_share_one_budget() {
    let budgets = Budgets::default();
    let of = |address: &str, organization| budgets.limiter(Api::Classic, address.to_owned(), organization);
    let limit = Endpoint::CreateService.per_minute(Api::Classic).expect("a published number");
    for _ in 0..limit {
        let (spent, endpoint) = (of("https://a", "acme"), Endpoint::CreateService);
        assert!(acquire(&spent, endpoint, 1).await.take());
        spent.record_outcome(endpoint, RequestOutcome::Accepted, None, Instant::now());
    }
    let waits = |limiter: Limiter| async move {
        let began = Instant::now();
        acquire(&limiter, Endpoint::CreateService, 1).await;
        began.elapsed()
    };
    assert_eq!(waits(of("https://a", "other")).await, Duration::ZERO);
    assert_eq!(waits(of("https://b", "acme")).await, Duration::ZERO);
    assert_eq!(waits(of("https://a", "acme")).await, MINUTE);
}

#[tokio::test(start_paused = true)]
async fn unused_reserved_requests_are_given_back() {
    let limiter = Limiter::new(Api::Classic);
    let reserved = acquire(&limiter, Endpoint::UpdateService, 20).await;
    assert!(reserved.take());
    limiter.record_outcome(Endpoint::UpdateService, RequestOutcome::Accepted, None, Instant::now());
    drop(reserved);
    let again = acquire(&limiter, Endpoint::UpdateService, 19).await;
    assert!(again.take());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_everything_is_given_up() {
    let limiter = Limiter::new(Api::Platform);
    let (began, endpoint) = (Instant::now(), Endpoint::CreateService);
    let mut sent = 0;
    while let Some(room) = limiter.acquire(endpoint, 1, Some(MAX_REFUSING_TIME), &|_, _| {}).await {
        assert!(room.take());
        sent += 1;
        limiter.record_outcome(endpoint, RequestOutcome::Refused(None), None, Instant::now());
    }
    assert_eq!((began.elapsed(), sent), (MAX_REFUSING_TIME, 11));
    assert!(!limiter.has_accepted_since(endpoint, began));
}

/// The way in which a simulated server returns the end of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ResetHeader {
    /// Windows begin and end at fixed times of the clock. The header contains the exact end.
    Clock,
    /// Windows begin with their first request. The header contains the end, rounded up to a whole second.
    RoundedUp,
    /// Windows begin with their first request. The header contains the end, rounded down to a whole second.
    RoundedDown,
    /// Answers have no rate-limit headers.
    Missing,
}

/// A simulated server that limits the requests in windows of a fixed length.
struct Server {
    reset_header: ResetHeader,
    limit: u32,
    window: Duration,
    /// The end of the current window, and the number of requests counted in the window.
    current: Mutex<(Duration, u32)>,
    refused: Mutex<u32>,
}

impl Server {
    /// Answers a request. Returns the outcome, and the remaining requests and the reset time in the headers. Times are
    /// since the epoch.
    fn answer(&self, now: Duration) -> (RequestOutcome, Option<(u32, Duration)>) {
        let mut current = self.current.lock().expect("a lock");
        if now >= current.0 {
            let begins = match self.reset_header {
                ResetHeader::Clock => {
                    now - Duration::from_nanos((now.as_nanos() % self.window.as_nanos()) as u64)
                }
                _ => now,
            };
            *current = (begins + self.window, 0);
        }
        let (end, spent) = &mut *current;
        let outcome =
            if *spent < self.limit { RequestOutcome::Accepted } else { RequestOutcome::Refused(None) };
        match outcome {
            RequestOutcome::Accepted => *spent += 1,
            _ => *self.refused.lock().expect("a lock") += 1,
        }
        let reset = match self.reset_header {
            ResetHeader::Clock | ResetHeader::RoundedUp => end.as_secs() + u64::from(end.subsec_nanos() > 0),
            ResetHeader::RoundedDown => end.as_secs(),
            ResetHeader::Missing => return (outcome, None),
        };
        (outcome, Some((self.limit - *spent, Duration::from_secs(reset))))
    }
}

/// The requests that a test sends.
#[derive(Clone, Copy)]
struct Load {
    requests: u32,
    at_once: usize,
    /// The time between a request and its answer, in milliseconds.
    round_trip: u64,
    /// The time when the first request is sent, in milliseconds after a whole second.
    phase: u64,
    /// True if the number of requests is announced to the limiter before they are sent.
    is_announced: bool,
}

/// Sends the requests of a test. Sends each request again until the server accepts it. Returns the total time, and the
/// number of refusals.
async fn run(api: Api, server: Server, load: Load) -> (Duration, u32) {
    let Load { requests, at_once, round_trip, phase, is_announced } = load;
    let origin = Instant::now();
    tokio::time::sleep(Duration::from_secs(1_000) + Duration::from_millis(phase)).await;
    let (limiter, left) = (Limiter::new(api), Mutex::new(requests));
    if is_announced {
        limiter.expect(Endpoint::CreateService, requests);
    }
    let began = Instant::now();
    let workers = (0..at_once).map(|_| async {
        while take_request(&left) {
            while send_once(&limiter, &server, origin, round_trip).await != RequestOutcome::Accepted {}
        }
    });
    futures_util::future::join_all(workers).await;
    let refused = *server.refused.lock().expect("a lock");
    (began.elapsed(), refused)
}

/// Takes one of the requests that the test has still to send. Returns false if no request is left.
fn take_request(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().expect("a lock");
    let is_available = *left > 0;
    *left = left.saturating_sub(1);
    is_available
}

/// Waits for the rate limit, sends one request to the simulated server, and returns the outcome.
async fn send_once(limiter: &Limiter, server: &Server, origin: Instant, round_trip: u64) -> RequestOutcome {
    assert!(acquire(limiter, Endpoint::CreateService, 1).await.take());
    let sent = Instant::now();
    tokio::time::sleep(Duration::from_millis(round_trip / 2)).await;
    let (outcome, headers) = server.answer(origin.elapsed());
    tokio::time::sleep(Duration::from_millis(round_trip / 2)).await;
    let rate_limit = headers.map(|(remaining, reset)| RateLimitHeaders {
        limit: server.limit,
        remaining,
        resets_in: reset.saturating_sub(origin.elapsed()),
        reset,
    });
    limiter.record_outcome(Endpoint::CreateService, outcome, rate_limit, sent);
    outcome
}

fn server(reset_header: ResetHeader, limit: u32, seconds: u64) -> Server {
    let window = Duration::from_secs(seconds);
    Server { reset_header, limit, window, current: Mutex::default(), refused: Mutex::default() }
}

/// The simulated server has windows of a few seconds, and returns their ends in whole seconds. 195 requests must take
/// little longer than the limits require: at most a second more in the first window, and a round trip in each window.
/// There may be one refusal if the server rounds down, and none otherwise.
#[tokio::test(start_paused = true)]
async fn whole_second_resets_cost_one_second_altogether() {
    for api in [Api::Classic, Api::Platform] {
        for reset_header in [ResetHeader::Clock, ResetHeader::RoundedUp, ResetHeader::RoundedDown] {
            for (seconds, at_once) in [(2, 10), (3, 10), (3, 64), (5, 64), (19, 10), (3, 1), (5, 1)] {
                for phase in [0, 1, 20, 130, 500, 870, 980, 999] {
                    for round_trip in [2, 20, 100] {
                        // With a single sender, no other request ever waits. So the limiter must be told that more
                        // requests will follow.
                        let is_announced = at_once == 1;
                        let load = Load { requests: 195, at_once, round_trip, phase, is_announced };
                        let (took, refused) = run(api, server(reset_header, 20, seconds), load).await;
                        let name = format!(
                            "{api:?} {reset_header:?}, windows of {seconds} s, {at_once} at once, {round_trip} ms, from {phase} on"
                        );
                        let allowed = u32::from(reset_header == ResetHeader::RoundedDown);
                        assert!(refused <= allowed, "{name}: {refused} refused; it took {took:?}");
                        let bound = Duration::from_secs(9 * seconds);
                        let round_trips = 30 * Duration::from_millis(round_trip);
                        let most = bound + Duration::from_millis(1_100) + round_trips;
                        assert!(took <= most, "{name}: {took:?}, and the limits impose {bound:?}");
                    }
                }
            }
        }
    }
}

/// The answers of the simulated server have no rate-limit headers. There must be few refusals, and the requests must
/// take at most twice the time that the limits require, plus three seconds.
#[tokio::test(start_paused = true)]
async fn limits_without_headers_are_learned() {
    for (limit, seconds) in [(20, 60), (60, 60), (100, 60), (20, 3), (60, 10), (30, 20)] {
        for at_once in [2, 10, 64] {
            for phase in [0, 300, 900] {
                let load = Load { requests: 200, at_once, round_trip: 50, phase, is_announced: true };
                let (took, refused) =
                    run(Api::Platform, server(ResetHeader::Missing, limit, seconds), load).await;
                let bound = Duration::from_secs(u64::from(199 / limit) * seconds);
                let name = format!("{limit} in {seconds} s, {at_once} at once, from {phase} on");
                assert!(refused <= 14, "{name}: {refused} refusals, {took:?} of {bound:?}");
                let most = if seconds == 60 { bound.mul_f64(1.1) } else { bound.mul_f64(2.0) };
                assert!(
                    took <= most + Duration::from_secs(3),
                    "{name}: {took:?}, and the limits impose {bound:?}"
                );
            }
        }
    }
}

/// The server refuses one request, and accepts all later ones. So the refusal has nothing to do with a rate, and in the
/// next minute, hundreds of requests must be allowed.
#[tokio::test(start_paused = true)]
async fn a_single_refusal_is_soon_forgotten() {
    let now = Instant::now();
    let mut budget = Budget::new(None);
    accept(&mut budget, None, now);
    budget.record_outcome(RequestOutcome::Refused(None), None, now, now);
    let mut accepted = 0;
    for tenth in 0..600 {
        let at = now + Duration::from_millis(100 * tenth);
        while budget.ask(1, 1, at) == Admission::Now {
            accept(&mut budget, None, at);
            accepted += 1;
        }
    }
    assert!((500..10_000).contains(&accepted), "{accepted} in a minute");
}
