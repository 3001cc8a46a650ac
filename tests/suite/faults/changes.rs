//! Tests of faults during an update: the update is retried if its answer does not show the outcome, and an HTML page
//! does not count as success.

use std::time::Instant;

use super::{Case, case, expect_recovery, lab_with_change, slow};
use crate::on_both_apis;

const LOST: &str = "the connection closed before the answer arrived";
const DONE: &str = "Applied: 1 step · read back: converged";

const CASES: &[Case] = &[
    case("refuse", 2, LOST),
    case("lose_request", 2, LOST),
    case("lose_answer", 2, LOST),
    case("cut_answer", 2, "the answer was cut off"),
    slow("delay, millis: 300", 1, DONE, 300),
    slow("dribble, millis: 300", 1, DONE, 300),
    case("close", 1, DONE),
    slow("answer, status: 429, retry_after: 1", 2, "429 Too Many Requests; retrying in 1.0 s", 1_000),
    slow("answer, status: 503, retry_after: 1", 2, "503 Service Unavailable; retrying in 1.0 s", 1_000),
    case("answer, status: 500", 2, "500 Internal Server Error; retrying in "),
    case("answer, status: 500, processed: true", 2, "500 Internal Server Error; retrying in "),
    case(
        "answer, status: 502, body: <html>Bad Gateway</html>",
        2,
        "502 an HTML page instead of an API response",
    ),
    case(
        "answer, status: 502, body: <html>, processed: true",
        2,
        "502 an HTML page instead of an API response",
    ),
    case("answer, status: 200, body: <html>Sign in to the guest network</html>", 2, "the answer is not JSON"),
    case("answer, status: 200, body: '%PDF-1.7', processed: true", 2, "the answer is not JSON"),
    case("garble", 2, "the JSON ends too early"),
];

on_both_apis! {
    fn a_change_is_made_once_whatever_happens_to_its_answer(api: Api) {
        for case in CASES {
            let lab = lab_with_change(api, case.fault);
            let began = Instant::now();
            let run = lab.apply();
            case.check(lab.writes().len(), began.elapsed(), &run);
            let [service] = &lab.services()[..] else { panic!("{}: {:?}", case.fault, lab.services()) };
            assert_eq!(service.description, "The Desk", "{}", case.fault);
            lab.expect_converged();
        }
    }

    fn an_endless_html_page_does_not_count_as_success_of_a_change(api: Api) {
        for body in ["<html>Sign in to the guest network</html>", "'%PDF-1.7'"] {
            let lab = lab_with_change(api, &format!("answer, status: 200, times: 3, body: {body}"));
            let run = lab.apply().expect(4);
            assert!(run.stderr.contains("the answer can't be read: the answer is not JSON"), "{}", run.stderr);
            assert_eq!(lab.writes().len(), 3);
            expect_recovery(&lab);
        }
    }
}
