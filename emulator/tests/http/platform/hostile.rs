//! Tests of malformed and hostile requests.

use amigops_emulator::SANDBOX_WORKSPACE;
use serde_json::{Value, json};

use super::super::harness::Reply;
use super::harness::{SERVICE, WorkspaceServer, problems, service};

fn send(api: &WorkspaceServer, body: Vec<u8>) -> Reply {
    api.send_as("all", "POST", "/services", Some(body))
}

#[test]
fn bodies_that_are_not_json_objects_are_refused() {
    let api = WorkspaceServer::new();
    assert_eq!(problems(send(&api, Vec::new())), ["missing body"]);
    let broken = send(&api, b"{\"name\":".to_vec()).expect(422).json()["detail"][0].clone();
    assert_eq!((&broken["type"], &broken["msg"]), (&json!("json_invalid"), &json!("JSON decode error")));
    assert!(broken["ctx"]["error"].is_string() && broken["loc"][1].is_number());
    for body in ["[]", "1", "\"x\"", "null"] {
        assert_eq!(problems(send(&api, body.into())), ["model_attributes_type body"]);
    }
    send(&api, b"{\"name\": \"\xff\"}".to_vec()).refused(422, "not UTF-8");
    send(&api, "[".repeat(100_000).into_bytes()).expect(422);
    let deep = |levels: usize| {
        let params = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let body = format!(
            "{{\"name\": \"n\", \"voice_config\": {{\"tts_config\": {{\"a\": {params}}}}}, \
             \"agent_id\": \"aaaaaaaa-0000-4000-8000-000000000001\", \
             \"context_graph_id\": \"bbbbbbbb-0000-4000-8000-000000000001\"}}"
        );
        send(&api, body.into_bytes()).status
    };
    assert_eq!((deep(120), deep(98)), (422, 201));
}

#[test]
fn nesting_that_is_accepted_can_be_read_again() {
    let home = tempfile::tempdir().unwrap();
    let kept = || WorkspaceServer::with(|options| options.state = Some(home.path().join("state.redb")));
    let api = kept();
    let mut deep = json!(1);
    for _ in 0..95 {
        deep = json!([deep]);
    }
    let set = json!({"llm_model_preferences": {"t": {"llm_name": "m", "params": {"a": deep}}}});
    let path = format!("/services/{SERVICE}/version-sets/deep");
    api.put(&path, json!({"version_set": set})).expect(204);
    drop(api);
    assert!(kept().shown(SERVICE)["version_sets"]["deep"].is_object());
}

#[test]
fn large_bodies_and_other_types_are_refused() {
    let api = WorkspaceServer::new();
    api.create(json!({"description": "x".repeat(5 << 20)})).expect(413);
    let path = format!("/v1/{SANDBOX_WORKSPACE}/services");
    let headers = [("authorization", "Bearer all"), ("content-type", "text/plain")];
    let body = service(json!({})).to_string().into_bytes();
    let reply = api.0.raw("POST", &path, &headers, Some(body)).unwrap();
    assert_eq!(problems(reply), ["model_attributes_type body"]);
}

#[test]
fn strange_paths_and_methods_are_refused() {
    let api = WorkspaceServer::new();
    let location = api.get("/services/?limit=1").expect(307);
    let expected = format!("{}/v1/{SANDBOX_WORKSPACE}/services?limit=1", api.0.url);
    assert_eq!(location.header("location"), Some(expected.as_str()));
    for path in ["/services/a/b", "/agents/a/b/c", "/services//version-sets/a", "/context-graphs//versions"] {
        assert_eq!(api.get(path).expect(404).json(), json!({"detail": "Not Found"}), "{path}");
    }
    for path in ["/services/%00", "/services/%ff", "/services/..%5C..", "/agents/%F0%9F%92%A5"] {
        assert_eq!(problems(api.get(path)).len(), 1, "{path}");
    }
    for method in ["PATCH", "HEAD", "OPTIONS", "BREW"] {
        let reply = api.send(method, "/services", None).expect(405);
        assert_eq!(reply.header("allow"), Some("GET, POST"));
    }
    api.0.raw("GET", "/v1/%ff/services", &[("authorization", "Bearer all")], None).unwrap().expect(422);
}

/// A generator of pseudorandom numbers. The numbers are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Replaces a random part of a JSON value with a random invalid value.
fn mangle(random: &mut Random, value: &mut Value) {
    let nonsense = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(i64::MIN),
        json!("\u{0}"),
        json!([[[]]]),
        json!({"": {"": null}, "type": []}),
        json!("9".repeat(50)),
        json!("nan"),
        json!(0.1),
    ];
    let keys: Vec<String> = value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    match keys.is_empty() || random.below(4) == 0 {
        true => *value = random.pick(&nonsense).clone(),
        false => {
            let key = random.pick(&keys);
            mangle(random, &mut value[key]);
        }
    }
}

#[test]
fn random_requests_cause_no_internal_error() {
    let api = WorkspaceServer::new();
    let mut random = Random(11);
    let set = json!({"agent_version_number": 1, "context_graph_version_number": 1, "llm_model_preferences":
        {"t": {"llm_name": "m", "params": {}, "experience_controls": {"stop": ["a"], "temperature": 1, "seed": 1,
            "logit_bias": {"a": 1}, "metadata": {"a": "b"}}}}});
    let body = service(json!({
        "version_sets": {"a": set}, "version_set": set, "tags": [{"key": "a"}], "keyterms": ["a"],
        "phone_number": "+123", "text": "hi", "tool_capacity": 3, "is_active": true,
        "voice_config": {"eager_eot_threshold": 1, "forwarding": {"forward_to": "+12"}, "tts_config": {},
            "language_providers": {"de": {"provider": "groq", "config": {}}}},
        "escalation_policy": {"risk_scorer": {"type": "hangup"}},
    }));
    let paths = [
        "/services".to_owned(),
        format!("/services/{SERVICE}"),
        format!("/services/{SERVICE}/version-sets/a"),
        format!("/services/{SERVICE}/text-turn"),
        format!("/services/{SERVICE}/voice-turn"),
        "/agents".to_owned(),
        "/context-graphs/%00/versions".to_owned(),
    ];
    let queries =
        ["", "?limit=99999999999999999999", "?limit=-1&search=%00", "?continuation_token=1e5&sort_by=%F0"];
    for n in 0..500 {
        let mut sent = body.clone();
        for _ in 0..random.below(4) {
            mangle(&mut random, &mut sent);
            if !sent.is_object() {
                break;
            }
        }
        let path = format!("{}{}", random.pick(&paths), random.pick(&queries));
        let method = *random.pick(&["GET", "POST", "PUT", "PUT"]);
        let status = api.send(method, &path, Some(&sent)).status;
        assert!(status < 500, "{n}: {method} {path} {sent}: {status}");
    }
    api.get("/services").expect(200);
}
