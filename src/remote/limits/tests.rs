//! Budgets, step by step, and many requests against servers whose windows differ.

use super::budget::MINUTE;
use super::*;

fn told(limit: u32, remaining: u32, seconds: u64) -> Option<Told> {
    let resets_in = Duration::from_secs(seconds);
    Some(Told { limit, remaining, resets_in, reset: resets_in })
}

/// A request that was sent just now is accepted.
fn accept(budget: &mut Budget, told: Option<Told>, now: Instant) {
    budget.answered(Fate::Accepted, told, now, now);
}

async fn acquire(limiter: &Limiter, endpoint: Endpoint, count: u32) -> Reservation {
    limiter.acquire(endpoint, count, None, &|_, _| {}).await.expect("room")
}

#[tokio::test(start_paused = true)]
async fn the_published_number_is_the_start_and_the_headers_the_truth() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(2));
    assert_eq!(budget.ask(1, 1, now), Answer::Go);
    assert_eq!(budget.ask(1, 1, now), Answer::Go);
    assert_eq!(budget.ask(1, 1, now), Answer::Unknown);
    accept(&mut budget, told(8, 6, 30), now);
    assert_eq!(budget.ask(5, 1, now), Answer::Go);
    assert_eq!(budget.ask(1, 1, now), Answer::Later(now + Duration::from_secs(30)));
    budget.give_back(6);
    assert_eq!(budget.ask(8, 1, now + Duration::from_secs(31)), Answer::Go);
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_answer_does_not_give_budget_back() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(8));
    for _ in 0..3 {
        assert_eq!(budget.ask(1, 1, now), Answer::Go);
    }
    accept(&mut budget, told(8, 5, 60), now);
    accept(&mut budget, told(8, 7, 60), now);
    accept(&mut budget, told(8, 8, 59), now);
    assert_eq!(budget.ask(6, 1, now), Answer::Later(now + Duration::from_secs(61)));
    assert_eq!(budget.ask(5, 1, now), Answer::Go);
}

#[tokio::test(start_paused = true)]
async fn without_headers_the_last_minute_counts() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(1));
    assert_eq!(budget.ask(1, 1, now), Answer::Go);
    accept(&mut budget, None, now);
    assert_eq!(budget.ask(1, 1, now), Answer::Later(now + MINUTE));
    assert_eq!(budget.ask(1, 1, now + MINUTE), Answer::Go);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_nothing_is_asked_again_when_its_window_ends() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(20));
    assert_eq!(budget.ask(1, 1, now), Answer::Go);
    accept(&mut budget, told(0, 0, 30), now);
    let end = now + Duration::from_secs(30);
    assert_eq!(budget.ask(1, 1, now), Answer::Later(end));
    assert_eq!(budget.ask(3, 1, end), Answer::Go);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_published_one_goes_first_and_tells() {
    let now = Instant::now();
    let mut budget = Budget::new(None);
    assert_eq!(budget.ask(3, 1, now), Answer::Go, "a reservation may be the first");
    assert_eq!(budget.ask(1, 1, now), Answer::Unknown);
    accept(&mut budget, told(9, 8, 30), now);
    assert_eq!(budget.ask(6, 1, now), Answer::Go, "two of the first three may still come");
    assert_eq!(budget.ask(1, 1, now), Answer::Later(now + Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_tells_nothing_is_asked_by_more_and_more_at_once() {
    let now = Instant::now();
    let mut budget = Budget::new(None);
    assert_eq!(budget.ask(1, 1, now), Answer::Go);
    accept(&mut budget, None, now);
    for _ in 0..1_000 {
        assert_eq!(budget.ask(1, 1, now), Answer::Go);
        accept(&mut budget, None, now);
    }
    let at_once = (0..100).take_while(|_| budget.ask(1, 1, now) == Answer::Go).count();
    assert!((20..=24).contains(&at_once), "{at_once}");
}

#[tokio::test(start_paused = true)]
async fn the_last_requests_of_a_window_go_where_no_others_wait() {
    let now = Instant::now();
    let mut budget = Budget::new(Some(20));
    for _ in 0..19 {
        assert_eq!(budget.ask(1, 1, now), Answer::Go);
    }
    assert_eq!(budget.ask(1, 1, now), Answer::Unknown, "others may follow those that are under way");
    let resets_in = Duration::from_millis(3_500);
    for remaining in (1..20).rev() {
        let told = Told { limit: 20, remaining, resets_in, reset: Duration::from_secs(4) };
        accept(&mut budget, Some(told), now);
    }
    let trial = Answer::Later(now + Duration::from_secs(3));
    assert_eq!(budget.ask(1, 2, now), trial, "two wait, and one is left");
    assert_eq!(budget.ask(1, 1, now), Answer::Go);
}

#[tokio::test(start_paused = true)]
async fn a_first_request_that_never_left_lets_another_be_the_first() {
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
async fn one_refusal_is_enough_for_all_who_wait() {
    let limiter = Limiter::new(Api::Platform);
    let began = Instant::now();
    for after in [Some(Duration::from_secs(7)), None] {
        limiter.answered(Endpoint::CreateService, Fate::Refused(after), None, began);
    }
    let other = acquire(&limiter, Endpoint::UpdateService, 1).await;
    assert!(other.take() && began.elapsed() == Duration::ZERO, "another endpoint is none of its business");
    let waited = acquire(&limiter, Endpoint::CreateService, 1).await;
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
        assert!(acquire(&spent, endpoint, 1).await.take());
        spent.answered(endpoint, Fate::Accepted, None, Instant::now());
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
async fn what_is_reserved_and_not_used_is_given_back() {
    let limiter = Limiter::new(Api::Classic);
    let reserved = acquire(&limiter, Endpoint::UpdateService, 20).await;
    assert!(reserved.take());
    limiter.answered(Endpoint::UpdateService, Fate::Accepted, None, Instant::now());
    drop(reserved);
    let again = acquire(&limiter, Endpoint::UpdateService, 19).await;
    assert!(again.take());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_everything_is_given_up() {
    let limiter = Limiter::new(Api::Platform);
    let (began, endpoint) = (Instant::now(), Endpoint::CreateService);
    let mut sent = 0;
    while let Some(room) = limiter.acquire(endpoint, 1, Some(REFUSING_FOR), &|_, _| {}).await {
        assert!(room.take());
        sent += 1;
        limiter.answered(endpoint, Fate::Refused(None), None, Instant::now());
    }
    assert_eq!((began.elapsed(), sent), (REFUSING_FOR, 11));
    assert!(!limiter.has_accepted_since(endpoint, began));
}

/// How a server tells the end of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Telling {
    /// Windows of the clock, told as they are.
    Clock,
    /// Windows that begin with their first request.
    Up,
    Down,
    Nothing,
}

/// A server with fixed windows.
struct Server {
    telling: Telling,
    limit: u32,
    window: Duration,
    /// The present window's end and what is spent of it.
    present: Mutex<(Duration, u32)>,
    refused: Mutex<u32>,
}

impl Server {
    /// Answers a request: what becomes of it, and what the headers tell. Times are since the epoch.
    fn answer(&self, now: Duration) -> (Fate, Option<(u32, Duration)>) {
        let mut present = self.present.lock().expect("a lock");
        if now >= present.0 {
            let begins = match self.telling {
                Telling::Clock => {
                    now - Duration::from_nanos((now.as_nanos() % self.window.as_nanos()) as u64)
                }
                _ => now,
            };
            *present = (begins + self.window, 0);
        }
        let (end, spent) = &mut *present;
        let fate = if *spent < self.limit { Fate::Accepted } else { Fate::Refused(None) };
        match fate {
            Fate::Accepted => *spent += 1,
            _ => *self.refused.lock().expect("a lock") += 1,
        }
        let reset = match self.telling {
            Telling::Clock | Telling::Up => end.as_secs() + u64::from(end.subsec_nanos() > 0),
            Telling::Down => end.as_secs(),
            Telling::Nothing => return (fate, None),
        };
        (fate, Some((self.limit - *spent, Duration::from_secs(reset))))
    }
}

/// How requests are sent.
#[derive(Clone, Copy)]
struct Load {
    requests: u32,
    at_once: usize,
    /// The way to the server and back, in milliseconds.
    way: u64,
    /// When the first one is sent, in milliseconds after a whole second.
    phase: u64,
}

/// Sends requests, each until it is accepted; gives the time from the first to the last one, and the refusals.
async fn run(api: Api, server: Server, load: Load) -> (Duration, u32) {
    let Load { requests, at_once, way, phase } = load;
    let origin = Instant::now();
    tokio::time::sleep(Duration::from_secs(1_000) + Duration::from_millis(phase)).await;
    let (limiter, left) = (Limiter::new(api), Mutex::new(requests));
    let began = Instant::now();
    let workers = (0..at_once).map(|_| async {
        while take_one(&left) {
            while one(&limiter, &server, origin, way).await != Fate::Accepted {}
        }
    });
    futures_util::future::join_all(workers).await;
    let refused = *server.refused.lock().expect("a lock");
    (began.elapsed(), refused)
}

/// Takes one of the requests that are left.
fn take_one(left: &Mutex<u32>) -> bool {
    let mut left = left.lock().expect("a lock");
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

/// Sends a request once.
async fn one(limiter: &Limiter, server: &Server, origin: Instant, way: u64) -> Fate {
    assert!(acquire(limiter, Endpoint::CreateService, 1).await.take());
    let sent = Instant::now();
    tokio::time::sleep(Duration::from_millis(way / 2)).await;
    let (fate, headers) = server.answer(origin.elapsed());
    tokio::time::sleep(Duration::from_millis(way / 2)).await;
    let told = headers.map(|(remaining, reset)| Told {
        limit: server.limit,
        remaining,
        resets_in: reset.saturating_sub(origin.elapsed()),
        reset,
    });
    limiter.answered(Endpoint::CreateService, fate, told, sent);
    fate
}

fn server(telling: Telling, limit: u32, seconds: u64) -> Server {
    let window = Duration::from_secs(seconds);
    Server { telling, limit, window, present: Mutex::default(), refused: Mutex::default() }
}

/// Windows of a few seconds, told in whole ones: no more time than the limits impose, but for the way in each window, a
/// second in the first, and one request of it; and no refusal, or one where the server rounds down.
#[tokio::test(start_paused = true)]
async fn whole_second_resets_cost_one_second_altogether() {
    for api in [Api::Classic, Api::Platform] {
        for telling in [Telling::Clock, Telling::Up, Telling::Down] {
            for (seconds, at_once) in [(2, 10), (3, 10), (3, 64), (5, 64), (19, 10)] {
                for phase in [0, 1, 20, 130, 500, 870, 980, 999] {
                    for way in [2, 20, 100] {
                        let load = Load { requests: 195, at_once, way, phase };
                        let (took, refused) = run(api, server(telling, 20, seconds), load).await;
                        let name = format!(
                            "{api:?} {telling:?}, windows of {seconds} s, {at_once} at once, {way} ms, from {phase} on"
                        );
                        let allowed = u32::from(telling == Telling::Down);
                        assert!(refused <= allowed, "{name}: {refused} refused; it took {took:?}");
                        let bound = Duration::from_secs(9 * seconds);
                        let ways = 30 * Duration::from_millis(way);
                        let most = bound + Duration::from_millis(1_100) + ways;
                        assert!(took <= most, "{name}: {took:?}, and the limits impose {bound:?}");
                    }
                }
            }
        }
    }
}

/// Limits that nothing tells: few refusals, and at most twice the time that the limits impose.
#[tokio::test(start_paused = true)]
async fn limits_that_nothing_tells_are_found_out() {
    for (limit, seconds) in [(20, 60), (60, 60), (100, 60), (20, 3), (60, 10), (30, 20)] {
        for at_once in [2, 10, 64] {
            for phase in [0, 300, 900] {
                let load = Load { requests: 200, at_once, way: 50, phase };
                let (took, refused) =
                    run(Api::Platform, server(Telling::Nothing, limit, seconds), load).await;
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

/// A refusal that has nothing to do with a rate does not slow everything down for long.
#[tokio::test(start_paused = true)]
async fn a_single_refusal_is_soon_forgotten() {
    let now = Instant::now();
    let mut budget = Budget::new(None);
    accept(&mut budget, None, now);
    budget.answered(Fate::Refused(None), None, now, now);
    let mut accepted = 0;
    for tenth in 0..600 {
        let at = now + Duration::from_millis(100 * tenth);
        while budget.ask(1, 1, at) == Answer::Go {
            accept(&mut budget, None, at);
            accepted += 1;
        }
    }
    assert!((500..10_000).contains(&accepted), "{accepted} in a minute");
}
