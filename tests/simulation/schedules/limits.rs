//! Tests that create many services under rate limits. No request is answered with 429, and the time is the minimum
//! that the limits allow.

use std::time::Duration;

use super::case::Case;
use super::run::run_completely;
use crate::build::{desired, sets, snapshot, wanted};
use crate::model::{Api, Endpoint};
use amigops_emulator::{Limits, WindowEnd};

const SERVICES: usize = 200;
/// The emulator's limit of requests per minute for endpoints for which the vendor publishes none. The client does not
/// know it at the start.
const UNPUBLISHED_LIMIT: u32 = 60;
/// The time that a run may take in addition to the time that the limits require: for reads, and for the last requests.
const FIXED_TIME: Duration = Duration::from_secs(10);

/// Creates services under the published limits. Each has a version set of its own. Returns the number of requests,
/// the time that they took, and the minimum time that the limits allow.
fn create_many(api: Api) -> (usize, Duration, Duration) {
    let case = case(api, Limits::PER_MINUTE);
    let (figures, plan) = run_completely(&case).expect("the plan can be applied");
    assert_eq!(figures.refused, 0, "no request exceeds a limit");
    let minutes = plan.estimate.by_endpoint.iter().map(|(endpoint, count)| {
        let limit = endpoint.per_minute(api).unwrap_or(UNPUBLISHED_LIMIT) as usize;
        (count - 1) / limit
    });
    let bound = Duration::from_secs(60 * minutes.max().unwrap_or_default() as u64);
    (figures.requests, figures.virtual_time, bound)
}

/// Returns a case in which a plan creates all services, without any disturbance.
fn case(api: Api, limits: Limits) -> Case {
    let services = (0..SERVICES).map(|n| {
        let mut service = wanted(&format!("Service {n:03}"), "A1");
        service.version_sets = sets(&[("release", 1, 1), ("staging", 2, 2)]);
        service
    });
    Case {
        desired: desired(services),
        live: snapshot([]),
        limits,
        token_lifetime: Duration::from_secs(3600),
        parallelism: 10,
        latency: 100,
        second_run: None,
        timeout: None,
        disturbances: Vec::new(),
        ..Case::from_seed(api, 0)
    }
}

#[allow(clippy::disallowed_macros, reason = "a test may print figures")]
fn check_creation_time(api: Api, min_bound: Duration) {
    let (requests, time, bound) = create_many(api);
    println!(
        "{}: {SERVICES} services, {requests} requests, 0 answers of 429, {time:.1?}; the limits require {bound:?}",
        api.as_str()
    );
    assert!(bound >= min_bound, "limits that require only {bound:?} prove little");
    assert!(time <= bound.mul_f64(1.05) + FIXED_TIME, "{time:?}, but the limits require only {bound:?}");
}

#[test]
fn creations_on_classic_take_the_minimum_time_under_published_limits() {
    check_creation_time(Api::Classic, Duration::from_secs(360));
}

#[test]
fn creations_on_platform_take_the_minimum_time_under_its_limits() {
    check_creation_time(Api::Platform, Duration::from_secs(180));
}

/// Creates services under rate limits whose periods begin with the first request. A period has `window` seconds.
/// Returns the time that the creates took, the minimum time that the limit for creates allows, and the number of
/// answers with 429.
fn create_from_first_request(
    api: Api,
    (requests, window): (Option<u32>, u64),
    window_end: WindowEnd,
    parallelism: usize,
) -> (Duration, Duration, usize) {
    let window = Duration::from_secs(window);
    let limits = Limits::FromFirstRequest { window, requests, window_end };
    let case = Case { parallelism, latency: 20, ..case(api, limits) };
    let (figures, _) = run_completely(&case).expect("the plan can be applied");
    let published = Endpoint::CreateService.per_minute(api).unwrap_or(UNPUBLISHED_LIMIT);
    let windows = (SERVICES as u32 - 1) / requests.unwrap_or(published);
    (figures.virtual_time, windows * window, figures.refused)
}

#[test]
fn window_ends_in_whole_seconds_do_not_cost_a_second_per_window() {
    for api in [Api::Classic, Api::Platform] {
        for window_end in [WindowEnd::RoundedUp, WindowEnd::RoundedDown] {
            for window in [3, 5, 10] {
                let (time, bound, refused) = create_from_first_request(api, (None, window), window_end, 10);
                let name = format!("{}: windows of {window} s, {window_end:?}", api.as_str());
                // The client learns the limit of each of three endpoints separately: creates, version sets and reads.
                let allowed = if window_end == WindowEnd::RoundedDown { 3 } else { 0 };
                assert!(refused <= allowed, "{name}: {refused} answers of 429");
                // The client learns the limits of the endpoints one after the other. For each, that costs up to a
                // second, and one request of a rate-limit period.
                let most = bound.mul_f64(1.1) + Duration::from_secs(2 * window + 4);
                assert!(time <= most, "{name}: {time:?}, but the limits require only {bound:?}");
            }
        }
    }
}

#[test]
fn limits_without_headers_are_learned_with_few_refusals() {
    for (requests, window) in [(20, 60), (60, 60), (60, 10), (100, 60), (30, 3)] {
        for parallelism in [2, 10, 64] {
            let window_end = WindowEnd::NotReported;
            let (time, bound, refused) =
                create_from_first_request(Api::Platform, (Some(requests), window), window_end, parallelism);
            let name = format!("{requests} in {window} s, {parallelism} at once");
            assert!(refused <= 12, "{name}: {refused} answers of 429");
            assert!(
                time <= bound.mul_f64(1.6) + FIXED_TIME,
                "{name}: {time:?}, but the limits require only {bound:?}"
            );
        }
    }
}
