//! Many services under the published limits: no 429, and no longer than the limits impose. May import `model`
//! and `emulator`.

use std::time::Duration;

use super::case::Case;
use super::run::calm;
use crate::model::{Api, Endpoint};
use crate::plan::tests::build::{desired, sets, snapshot, wanted};
use amigops_emulator::{Limits, WindowEnd};

const SERVICES: usize = 200;
/// What the emulator allows a minute where nothing is published, and the client has to learn it.
const UNPUBLISHED: u32 = 60;
/// What the limits do not know of: reading, and the way of the last requests.
const CONSTANT: Duration = Duration::from_secs(10);

/// Creates services from nothing, each with a version set of its own, under the published limits; gives requests,
/// time, and the least time that the limits allow.
fn create_many(api: Api) -> (usize, Duration, Duration) {
    let case = case(api, Limits::PER_MINUTE);
    let (figures, plan) = calm(&case).expect("a plan that is carried out");
    assert_eq!(figures.refused, 0, "no request was one too many");
    let minutes = plan.estimate.by_endpoint.iter().map(|(endpoint, count)| {
        let limit = endpoint.per_minute(api).unwrap_or(UNPUBLISHED) as usize;
        (count - 1) / limit
    });
    let bound = Duration::from_secs(60 * minutes.max().unwrap_or_default() as u64);
    (figures.requests, figures.virtual_time, bound)
}

/// The case of as many creates as there are services, and nothing else.
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
        second: None,
        timeout: None,
        troubles: Vec::new(),
        ..Case::of(api, 0)
    }
}

#[allow(clippy::disallowed_macros, reason = "what a test prints is shown with --nocapture only")]
fn as_fast_as_the_limits_allow(api: Api, least: Duration) {
    let (requests, time, bound) = create_many(api);
    println!(
        "{}: {SERVICES} services, {requests} requests, 0 answers of 429, {time:.1?}; the limits impose {bound:?}",
        api.as_str()
    );
    assert!(bound >= least, "limits that impose {bound:?} prove little");
    assert!(time <= bound.mul_f64(1.05) + CONSTANT, "{time:?}, and the limits impose {bound:?}");
}

#[test]
fn two_hundred_creations_on_classic_take_what_the_published_limits_impose() {
    as_fast_as_the_limits_allow(Api::Classic, Duration::from_secs(360));
}

#[test]
fn two_hundred_creations_on_platform_take_what_its_limits_impose() {
    as_fast_as_the_limits_allow(Api::Platform, Duration::from_secs(180));
}

/// Creates many services where windows begin with their first request; gives the time, the least time that the creates'
/// limit allows, and the answers of 429.
fn create_from_first_request(
    api: Api,
    (requests, window): (Option<u32>, u64),
    told: WindowEnd,
    parallelism: usize,
) -> (Duration, Duration, usize) {
    let window = Duration::from_secs(window);
    let limits = Limits::FromFirstRequest { window, requests, window_end: told };
    let case = Case { parallelism, latency: 20, ..case(api, limits) };
    let (figures, _) = calm(&case).expect("a plan that is carried out");
    let published = Endpoint::CreateService.per_minute(api).unwrap_or(UNPUBLISHED);
    let windows = (SERVICES as u32 - 1) / requests.unwrap_or(published);
    (figures.virtual_time, windows * window, figures.refused)
}

#[test]
fn whole_second_resets_cost_no_second_a_window() {
    for api in [Api::Classic, Api::Platform] {
        for told in [WindowEnd::RoundedUp, WindowEnd::RoundedDown] {
            for window in [3, 5, 10] {
                let (time, bound, refused) = create_from_first_request(api, (None, window), told, 10);
                let name = format!("{}: windows of {window} s, {told:?}", api.as_str());
                // Creates, version sets, and what is read: each endpoint finds out for itself.
                let allowed = if told == WindowEnd::RoundedDown { 3 } else { 0 };
                assert!(refused <= allowed, "{name}: {refused} answers of 429");
                // Besides that, each endpoint pays a second and a request of a window, here in a row.
                let most = bound.mul_f64(1.1) + Duration::from_secs(2 * window + 4);
                assert!(time <= most, "{name}: {time:?}, and the limits impose {bound:?}");
            }
        }
    }
}

#[test]
fn limits_that_no_header_tells_are_found_out_with_few_refusals() {
    for (requests, window) in [(20, 60), (60, 60), (60, 10), (100, 60), (30, 3)] {
        for parallelism in [2, 10, 64] {
            let told = WindowEnd::NotReported;
            let (time, bound, refused) =
                create_from_first_request(Api::Platform, (Some(requests), window), told, parallelism);
            let name = format!("{requests} in {window} s, {parallelism} at once");
            assert!(refused <= 12, "{name}: {refused} answers of 429");
            assert!(
                time <= bound.mul_f64(1.6) + CONSTANT,
                "{name}: {time:?}, and the limits impose {bound:?}"
            );
        }
    }
}
