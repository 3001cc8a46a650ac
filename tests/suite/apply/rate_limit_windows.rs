//! Tests of different rate-limit windows, which are the periods in which a server counts requests: windows that start
//! with the first request, reset times in whole seconds, and limits without headers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use amigops::model::Api;
use amigops_emulator::{Limits, WindowEnd};

use super::{EMPTY, services};
use crate::harness::{Lab, Run, is_create};
use crate::on_both_apis;

/// Applies manifests of `count` new services under these limits. Returns the finished run, the time from the first
/// create to the last one, and the number of 429 responses.
fn create(api: Api, count: usize, limits: Limits) -> (Run, Duration, usize) {
    let lab = Lab::on_with(api, EMPTY, |options| options.limits = limits);
    lab.manifests(&services(count, ""));
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&times);
    lab.after(move |request, _, _| {
        if is_create(request) {
            noted.lock().unwrap().push(Instant::now());
        }
    });
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "64"]);
    lab.remove_hooks();
    let refused = lab.server.requests().iter().filter(|record| record.status == Some(429)).count();
    let times = times.lock().unwrap();
    (run, *times.last().unwrap() - times[0], refused)
}

on_both_apis! {
    fn resets_in_whole_seconds_do_not_cost_a_second_per_window(api: Api) {
        let window = Duration::from_secs(3);
        let limit = if api == Api::Classic { 20 } else { 60 };
        for window_end in [WindowEnd::RoundedUp, WindowEnd::RoundedDown] {
            let limits = Limits::FromFirstRequest { window, requests: None, window_end };
            let (run, took, refused) = create(api, 5 * limit - 3, limits);
            let run = run.expect(0);
            // If a server rounds the reset time down, it refuses the first request after the reported time.
            let allowed = usize::from(window_end == WindowEnd::RoundedDown);
            assert!(refused <= allowed, "{window_end:?}: {refused} refused: {}", run.stderr);
            // Four windows pass before the last one. In one of them, the client learns when a window ends, which takes
            // up to a second longer. The other windows take at most a tenth of a second longer each, for network
            // delays.
            let most = 4 * window + Duration::from_millis(1_400);
            assert!(took <= most, "{window_end:?}: {took:?}, and {most:?} are possible: {}", run.stderr);
        }
    }
}

#[test]
fn a_limit_without_headers_is_learned() {
    let window = Duration::from_secs(6);
    let limits = Limits::FromFirstRequest { window, requests: Some(20), window_end: WindowEnd::NotReported };
    let (run, took, refused) = create(Api::Platform, 60, limits);
    let run = run.expect(0);
    assert!(refused <= 12, "{refused} answers of 429: {}", run.stderr);
    assert!(run.stderr.contains("the server refuses more for now"), "{}", run.stderr);
    // Two windows pass before the last one.
    let most = (2 * window).mul_f64(1.5);
    assert!(took <= most, "{took:?}, and the limits impose {:?}: {}", 2 * window, run.stderr);
}

#[test]
fn retries_end_if_every_request_is_refused() {
    let limits = Limits::FromFirstRequest {
        window: Duration::from_secs(3_600),
        // The limit is enough for the two readings of the list, and for two creates.
        requests: Some(2),
        window_end: WindowEnd::NotReported,
    };
    let lab = Lab::on_with(Api::Platform, EMPTY, |options| options.limits = limits);
    lab.manifests(&services(3, ""));
    let began = Instant::now();
    let run = lab.run(&["apply", "--auto-approve", "--timeout", "8s"]).expect(4);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(run.stderr.contains("2 of 3 steps done"), "{}", run.stderr);
}
