//! Tests of faults during a create: no service is created twice.

use std::time::Instant;

use super::{Case, case, lab_with_create, slow};
use crate::on_both_apis;

const DONE: &str = "Applied: 1 step · read back: converged";
const LOOKED: &str = "; checking whether the request was applied";

/// If the answer to a create is lost, the run checks whether the create was applied, and retries it only if it was not.
const CASES: &[Case] = &[
    case("refuse", 2, DONE),
    case("lose_request", 2, LOOKED),
    case("lose_answer", 1, LOOKED),
    case("cut_answer", 1, LOOKED),
    case("garble", 1, LOOKED),
    slow("delay, millis: 300", 1, DONE, 300),
    slow("dribble, millis: 300", 1, DONE, 300),
    case("close", 1, DONE),
    slow("answer, status: 429, retry_after: 1", 2, "429 Too Many Requests; retrying in 1.0 s", 1_000),
    case("answer, status: 429, retry_after_date: 2", 2, "429 Too Many Requests; retrying in "),
    slow("answer, status: 503, retry_after: 1", 2, "503 Service Unavailable; retrying in 1.0 s", 1_000),
    case("answer, status: 500", 2, LOOKED),
    case("answer, status: 500, processed: true", 1, DONE),
    case("answer, status: 502, body: <html>Bad Gateway</html>", 2, DONE),
    case("answer, status: 502, body: <html>Bad Gateway</html>, processed: true", 1, DONE),
    case("answer, status: 200, body: <html>Sign in</html>", 2, DONE),
    case("answer, status: 200, body: <html>Sign in</html>, processed: true", 1, DONE),
    case("answer, status: 201, body: '%PDF-1.7'", 2, DONE),
    case("answer, status: 201, body: '%PDF-1.7', processed: true", 1, DONE),
];

on_both_apis! {
    fn no_service_is_created_twice(api: Api) {
        for case in CASES {
            let lab = lab_with_create(api, &format!("{{method: POST, path: /service, fault: {}}}", case.fault));
            let began = Instant::now();
            let run = lab.apply();
            case.check(lab.writes().len(), began.elapsed(), &run);
            assert_eq!(lab.services().len(), 1, "{}", case.fault);
            lab.expect_converged();
        }
    }
}
