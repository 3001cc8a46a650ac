//! Tests of conversations that do not end, and of answers in conversations that are too long.

use std::time::{Duration, Instant};

use amigops::model::Api;

use super::server::{Reply, Request};
use super::{json, measure, start_hostile_proxy};
use crate::apply::replacement::lab;
use crate::harness::Lab;
use crate::on_both_apis;

const SMOKE: &str = "smoke:\n  - {say: Hello, expect: hello}\n";

/// Returns true if a request starts a conversation or takes a turn.
fn is_conversation(request: &Request) -> bool {
    let path = request.target.split('?').next().unwrap_or_default();
    request.method == "POST" && (path.ends_with("/conversation/") || path.ends_with("/text-turn"))
}

fn lab_with_smoke_test(api: Api) -> Lab {
    lab(api, "Coach Noor", SMOKE)
}

/// Replaces a service whose smoke test gets this answer from the server. Checks that the run fails with `words`.
#[track_caller]
fn talk(api: Api, words: &[&str], reply: impl Fn() -> Reply + Send + Sync + 'static) {
    let lab = lab_with_smoke_test(api);
    let old = lab.active("Health Coach");
    start_hostile_proxy(&lab, move |request| if is_conversation(request) { Some(reply()) } else { None });
    let began = Instant::now();
    measure(&lab, &["apply", "--auto-approve"]).expect(4, words, 150);
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    assert_eq!(lab.active("Health Coach").id, old.id, "the old service stays");
}

fn endless(first: &str, piece: &str) -> Reply {
    Reply::Endless { first: first.into(), piece: piece.into(), pause: Duration::ZERO }
}

#[test]
fn an_endless_line_is_an_error() {
    talk(Api::Classic, &["POST /v1/", "a line of the conversation is longer than 1 MB"], || {
        endless("{\"type\":\"new-message\",\"message\":\"", &"hello ".repeat(10_000))
    });
}

#[test]
fn endless_lines_are_an_error() {
    let line = format!("{{\"type\":\"new-message\",\"message\":\"{}\"}}\n", "hello ".repeat(1_000));
    talk(Api::Classic, &["POST /v1/", "the conversation is longer than 16 MB"], move || endless("", &line));
}

#[test]
fn endless_events_are_an_error() {
    talk(Api::Classic, &["POST /v1/", "the conversation has more than 100000 events"], || {
        endless("", &"{\"type\":\"x\"}\n".repeat(1_000))
    });
}

on_both_apis! {
    fn an_endless_answer_is_an_error(api: Api) {
        let words = match api {
            Api::Classic => "is longer than",
            Api::Platform => "the answer is longer than the limit of 1 MB",
        };
        talk(api, &["POST /v1/", words], || endless("{\"text\":\"", &"hello ".repeat(10_000)));
    }

    fn a_long_answer_is_truncated_in_messages(api: Api) {
        let text = "never ".repeat(150_000);
        let lab = lab_with_smoke_test(api);
        start_hostile_proxy(&lab, move |request| {
            let lines = format!(
                "{{\"type\":\"conversation-created\",\"conversation_id\":\"c\"}}\n{{\"type\":\"interaction-complete\",\"full_message\":\"{text}\"}}\n"
            );
            let answer = if api == Api::Classic { lines } else { format!("{{\"text\":\"{text}\"}}") };
            if is_conversation(request) { json(answer) } else if request.target.contains("/c/finish") { json("") } else { None }
        });
        measure(&lab, &["apply", "--auto-approve"]).expect(4, &["does not match"], 150);
    }
}
