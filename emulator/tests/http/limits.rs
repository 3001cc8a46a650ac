//! Tests of rate limits, and of the response headers that describe them.

use std::time::Duration;

use amigops_emulator::Limits;
use serde_json::json;

use super::harness::{SERVICE, TestServer};

fn limited() -> TestServer {
    TestServer::with(|options| options.limits = Limits::PER_MINUTE)
}

fn number(reply: &super::harness::Reply, name: &str) -> u64 {
    reply.header(name).unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[test]
fn published_limits_are_enforced_with_retry_after() {
    let api = limited();
    for n in 1..=50 {
        let reply = api.get("/service/").expect(200);
        assert_eq!(number(&reply, "x-ratelimit-limit"), 50);
        assert_eq!(number(&reply, "x-ratelimit-remaining"), 50 - n);
        assert_eq!(number(&reply, "x-ratelimit-reset"), 1_800_000_060);
    }
    api.clock.advance(Duration::from_millis(10_500));
    let refused = api.get("/service/").expect(429);
    assert_eq!(number(&refused, "retry-after"), 50);
    assert_eq!(number(&refused, "x-ratelimit-remaining"), 0);
    assert!(refused.json()["detail"].is_string());
    api.clock.advance(Duration::from_secs(50));
    api.get("/service/").expect(200);
}

#[test]
fn each_endpoint_has_its_own_limit() {
    let api = limited();
    let set = format!("/service/{SERVICE}/version_sets/staging/");
    let start = "/conversation/?response_format=text";
    let graph = "/organization/service_hierarchical_state_machine";
    let agent_versions = "/organization/agent/aaaaaaaaaaaaaaaaaaaaaaaa/version";
    let finish = format!("/conversation/{SERVICE}/finish/");
    let cases = [
        ("GET", "/service/", 50),
        ("POST", "/service/", 20),
        ("POST", "/service/111111111111111111111111/", 20),
        ("GET", set.as_str(), 100),
        ("PUT", set.as_str(), 30),
        ("DELETE", set.as_str(), 30),
        ("GET", "/organization/agent", 20),
        ("GET", agent_versions, 20),
        ("GET", graph, 20),
        ("GET", "/dynamic_behavior_set/", 500),
        ("POST", "/dynamic_behavior_set/111111111111111111111111/", 500),
        ("GET", "/conversation/", 15),
        ("POST", start, 5),
        ("POST", finish.as_str(), 5),
        ("POST", "/user/signin_with_api_key", 5),
    ];
    for (method, path, limit) in cases {
        let reply = api.try_send(method, path, Some(&json!({}))).unwrap();
        assert_eq!(number(&reply, "x-ratelimit-limit"), limit, "{method} {path}");
    }
}

#[test]
fn limits_count_per_organization_and_not_per_key() {
    let api = limited();
    for _ in 0..4 {
        api.sign_in("acme", "other", "secret", "noor").expect(200);
    }
    api.sign_in("acme", "all", "secret", "maya").expect(429);
    api.sign_in("globex", "all", "secret", "greg").expect(200);
}

#[test]
fn refusals_have_the_headers() {
    let api = limited();
    let unsigned = api.raw("GET", "/v1/acme/service/", &[], None).unwrap().expect(401);
    assert_eq!(number(&unsigned, "x-ratelimit-remaining"), 49);
    let invalid = api.get("/service/?limit=99").expect(422);
    assert_eq!(number(&invalid, "x-ratelimit-remaining"), 48);
}

#[test]
fn the_window_can_be_shortened() {
    let window = Duration::from_millis(200);
    let api = TestServer::with(|options| options.limits = Limits::Documented { window });
    for _ in 0..20 {
        api.get("/organization/agent").expect(200);
    }
    assert_eq!(number(&api.get("/organization/agent").expect(429), "retry-after"), 1);
    api.clock.advance(window);
    api.get("/organization/agent").expect(200);
}

#[test]
fn headers_are_sent_without_limits() {
    let api = TestServer::new();
    for _ in 0..60 {
        let reply = api.get("/service/").expect(200);
        assert!(number(&reply, "x-ratelimit-remaining") > 1_000_000);
        number(&reply, "x-ratelimit-reset");
    }
}
