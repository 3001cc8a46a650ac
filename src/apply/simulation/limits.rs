//! Many services under the published limits: no 429, and no longer than the limits impose. May import `model`
//! and `emulator`.

use std::time::Duration;

use super::case::Case;
use super::run::calm;
use crate::emulator::Limits;
use crate::model::Api;
use crate::plan::tests::build::{desired, sets, snapshot, wanted};

const SERVICES: usize = 200;
/// What the emulator allows a minute where nothing is published, and the client has to learn it.
const UNPUBLISHED: u32 = 60;
/// What the limits do not know of: reading, and the way of the last requests.
const CONSTANT: Duration = Duration::from_secs(10);

/// Creates services from nothing, each with a version set of its own; gives requests, time, and the least time
/// that the limits allow.
fn create_many(api: Api) -> (usize, Duration, Duration) {
    let services = (0..SERVICES).map(|n| {
        let mut service = wanted(&format!("Service {n:03}"), "A1");
        service.version_sets = sets(&[("release", 1, 1), ("staging", 2, 2)]);
        service
    });
    let case = Case {
        desired: desired(services),
        live: snapshot([]),
        limits: Limits::PER_MINUTE,
        token_lifetime: Duration::from_secs(3600),
        parallelism: 10,
        latency: 100,
        second: None,
        timeout: None,
        troubles: Vec::new(),
        ..Case::of(api, 0)
    };
    let (figures, plan) = calm(&case).expect("a plan that is carried out");
    assert_eq!(figures.refused, 0, "no request was one too many");
    let minutes = plan.estimate.by_endpoint.iter().map(|(endpoint, count)| {
        let limit = endpoint.per_minute(api).unwrap_or(UNPUBLISHED) as usize;
        (count - 1) / limit
    });
    let bound = Duration::from_secs(60 * minutes.max().unwrap_or_default() as u64);
    (figures.requests, figures.virtual_time, bound)
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
