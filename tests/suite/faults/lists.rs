//! Tests of faults while a list is read: the list is read again, or planning fails. An incomplete list is never used.

use std::time::Instant;

use super::{Case, case, expect_recovery, lab_with_create, lists, slow};
use crate::on_both_apis;

const LOST: &str = "list services: GET /v1/";

const CASES: &[Case] = &[
    case("refuse", 2, LOST),
    case("lose_request", 2, LOST),
    case("lose_answer", 2, LOST),
    case("cut_answer", 2, "the answer was cut off"),
    slow("delay, millis: 300", 1, "", 300),
    slow("dribble, millis: 300", 1, "", 300),
    case("close", 1, ""),
    slow("answer, status: 429, retry_after: 1", 2, "429 Too Many Requests; retrying in 1.0 s", 1_000),
    case("answer, status: 429, retry_after_date: 2", 2, "429 Too Many Requests; retrying in "),
    slow("answer, status: 503, retry_after: 1", 2, "503 Service Unavailable; retrying in 1.0 s", 1_000),
    case("answer, status: 500", 2, "500 Internal Server Error; retrying in "),
    case(
        "answer, status: 502, body: <html>Bad Gateway</html>",
        2,
        "502 an HTML page instead of an API response",
    ),
    case("garble", 2, "the JSON ends too early (EOF while parsing"),
    case("answer, status: 200, body: <html>Sign in</html>", 2, "the answer is not JSON"),
];

/// Faults that make a response invalid, each with words of the error if the fault happens again and again.
const UNREADABLE: &[(&str, &str, &str)] = &[
    ("garble", "the JSON ends too early (EOF while parsing", "a proxy may have cut the answer off"),
    ("answer, status: 200, body: <html>Sign in</html>", "the answer is not JSON", "a network sign-in page"),
    ("answer, status: 200, body: '%PDF-1.7'", "the answer is not JSON", "check `base_url:` and the network"),
    ("answer, status: 200, body: '{\"ok\": true}'", "missing field", "another server may be answering"),
];

on_both_apis! {
    fn a_failed_list_request_is_retried(api: Api) {
        for case in CASES {
            let lab = lab_with_create(api, &format!("{{method: GET, path: /service, fault: {}}}", case.fault));
            let undisturbed = {
                let lab = lab_with_create(api, "");
                lab.run(&["plan"]).expect(0);
                lists(&lab)
            };
            let began = Instant::now();
            let run = lab.run(&["plan"]);
            case.check(lists(&lab) + 1 - undisturbed, began.elapsed(), &run);
            expect_recovery(&lab);
        }
    }

    fn an_incomplete_list_is_never_used(api: Api) {
        for (fault, what, hint) in UNREADABLE {
            let lab = lab_with_create(api, &format!("{{method: GET, path: /service, times: 3, fault: {fault}}}"));
            let run = lab.apply().expect(1);
            let message = format!("the answer can't be read: {what}");
            assert!(run.stderr.contains(&message) && run.stderr.contains(hint), "{fault}: {}", run.stderr);
            assert_eq!(lab.writes().len(), 0, "{fault}");
            // A well-formed but wrong response is read once, so two faults are left.
            lab.run(&["plan"]);
            lab.run(&["plan"]);
            expect_recovery(&lab);
        }
    }
}
