//! Tests of rate limits, and of the response headers that describe them.

use std::time::Duration;

use amigops_emulator::Limits;
use serde_json::json;

use super::super::harness::Reply;
use super::harness::{SERVICE, WorkspaceServer};

fn limit(reply: &Reply) -> u64 {
    reply.header("x-ratelimit-limit").unwrap().parse().unwrap()
}

#[test]
fn turns_have_a_lower_limit() {
    let api = WorkspaceServer::with(|options| options.limits = Limits::PER_MINUTE);
    let service = format!("/services/{SERVICE}");
    let (set, text) = (format!("{service}/version-sets/a"), format!("{service}/text-turn"));
    let voice = format!("{service}/voice-turn");
    for (method, path, expected) in [
        ("GET", "/services", 60),
        ("POST", "/services", 60),
        ("PUT", service.as_str(), 60),
        ("PUT", set.as_str(), 60),
        ("GET", "/agents", 60),
        ("GET", "/context-graphs", 60),
        ("POST", text.as_str(), 20),
        ("POST", voice.as_str(), 20),
    ] {
        let reply = api.send(method, path, Some(&json!({})));
        assert_eq!(limit(&reply), expected, "{method} {path}");
    }
}

#[test]
fn a_429_has_retry_after() {
    let api = WorkspaceServer::with(|options| options.limits = Limits::PER_MINUTE);
    for n in 1..=60 {
        let reply = api.get("/services").expect(200);
        assert_eq!(reply.header("x-ratelimit-remaining"), Some((60 - n).to_string().as_str()));
    }
    let refused = api.get("/services").expect(429);
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert!(refused.json()["detail"].is_string());
    api.get("/agents").expect(200);
    api.0.clock.advance(Duration::from_secs(60));
    api.get("/services").expect(200);
}

#[test]
fn headers_are_sent_without_limits() {
    let api = WorkspaceServer::new();
    assert!(limit(&api.get("/services").expect(200)) > 1_000_000);
    assert!(limit(&api.send_as("wrong", "GET", "/services", None).expect(401)) > 1_000_000);
    assert!(limit(&api.get("/services?limit=0").expect(422)) > 1_000_000);
}
