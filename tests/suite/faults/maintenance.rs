//! Tests of servers that ask clients to wait: a run waits for a short time, but ends if the time is long.

use std::time::{Duration, Instant};

use super::{expect_recovery, lab_with_create};
use crate::harness::Run;
use crate::on_both_apis;

/// The maximum duration of a run that does not wait. It is longer than all retries together, and shorter than any
/// `Retry-After` in these tests.
const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn expect_wait_refused(run: &Run, words: &str) {
    let words = format!(
        "the server asks clients to wait {words}, but a request waits at most 5 minutes: run the command again"
    );
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    assert!(!run.stderr.contains("retrying in"), "nothing is waited for: {}", run.stderr);
    assert!(!run.stderr.contains("in a minute"), "{}", run.stderr);
}

on_both_apis! {
    fn a_long_retry_after_ends_the_run_at_once(api: Api) {
        let cases = [
            ("503, retry_after: 3600", "60 minutes"),
            ("503, retry_after_date: 3600", "60 minutes"),
            ("503, retry_after: 36000", "10 hours"),
            ("429, retry_after: 301", "6 minutes"),
        ];
        for (status, words) in cases {
            for (method, code) in [("POST", 4), ("GET", 1)] {
                let lab = lab_with_create(
                    api,
                    &format!("{{method: {method}, path: /service, fault: answer, status: {status}}}"),
                );
                let began = Instant::now();
                let run = lab.apply().expect(code);
                assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
                expect_wait_refused(&run, words);
                assert_eq!(lab.services().len(), 0);
                expect_recovery(&lab);
            }
        }
    }

    fn a_short_maintenance_is_waited_for(api: Api) {
        let rule = "{method: POST, path: /service, times: 3, fault: answer, status: 503, retry_after: 1}";
        let lab = lab_with_create(api, rule);
        let began = Instant::now();
        let run = lab.apply().expect(0);
        assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(run.stderr.matches("503 Service Unavailable; retrying in 1.0 s").count(), 3, "{}", run.stderr);
        assert_eq!(lab.writes().len(), 4);
        lab.expect_converged();
    }

    fn retries_end_during_endless_maintenance(api: Api) {
        let rule = "{method: POST, path: /service, times: 6, fault: answer, status: 503, retry_after: 0}";
        let lab = lab_with_create(api, rule);
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("the API is under maintenance: try again later"), "{}", run.stderr);
        assert_eq!(lab.writes().len(), 6);
        expect_recovery(&lab);
    }
}
