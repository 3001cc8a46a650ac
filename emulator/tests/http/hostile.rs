//! Tests of malformed and hostile requests.

use std::io::{Read, Write};

use serde_json::json;

use super::harness::{SERVICE, TestServer, service};

fn send(api: &TestServer, body: Vec<u8>) -> super::harness::Reply {
    let bearer = format!("Bearer {}", api.token());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    api.raw("POST", "/v1/acme/service/", &headers, Some(body)).unwrap()
}

#[test]
fn bodies_that_are_not_json_objects_are_refused() {
    let api = TestServer::new();
    send(&api, b"".to_vec()).invalid("missing", json!(["body"]));
    let broken = send(&api, b"{\"name\":".to_vec()).expect(422).json();
    assert_eq!(broken["detail"][0]["type"], "json_invalid");
    assert_eq!(broken["detail"][0]["loc"][0], "body");
    for body in ["[]", "1", "\"x\"", "null", "true"] {
        send(&api, body.into()).invalid("model_attributes_type", json!(["body"]));
    }
    send(&api, b"{\"name\": \"\xff\xfe\"}".to_vec()).invalid("json_invalid", json!(["body"]));
    assert_eq!(send(&api, "[".repeat(100_000).into_bytes()).status, 422);
    assert_eq!(send(&api, "{\"a\":".repeat(100_000).into_bytes()).status, 422);
    assert_eq!(send(&api, b"{\"a\": 1e999}".to_vec()).status, 422);
}

#[test]
fn deeply_nested_bodies_are_refused() {
    let api = TestServer::new();
    let nested = |levels: usize| {
        let extra = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let body = format!(
            "{{\"version_set\": {{\"agent_version_number\": 1, \"llm_model_preferences\": {{}}, \
             \"service_hierarchical_state_machine_version_number\": 1, \"deep\": {extra}}}}}"
        );
        let bearer = format!("Bearer {}", api.token());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let path = format!("/v1/acme/service/{SERVICE}/version_sets/deep/");
        api.raw("PUT", &path, &headers, Some(body.into_bytes())).unwrap().status
    };
    assert_eq!(nested(99), 204);
    assert_eq!(nested(100), 422);
    assert_eq!(nested(120), 422);
}

#[test]
fn a_body_of_another_type_is_not_read() {
    let api = TestServer::new();
    let bearer = format!("Bearer {}", api.token());
    let body = service(&json!({})).to_string().into_bytes();
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let reply = api.raw("POST", "/v1/acme/service/", &headers, Some(body)).unwrap();
    reply.invalid("model_attributes_type", json!(["body"]));
}

#[test]
fn large_bodies_are_refused_and_the_server_keeps_running() {
    let api = TestServer::new();
    let name = "x".repeat(5 << 20);
    api.post("/service/", &service(&json!({"name": name}))).expect(413);
    api.get("/service/").expect(200);
}

#[test]
fn strange_paths_and_methods_are_refused() {
    let api = TestServer::new();
    for path in ["/", "/v1", "/v2/acme/service/", "/v1/acme/unknown/", "/v1//service/", "/%00", "/v1/%ff/x"] {
        let reply = api.raw("GET", path, &[], None).unwrap().expect(404);
        assert_eq!(reply.json(), json!({"detail": "Not Found"}), "{path}");
    }
    api.raw("GET", "/v1/%ff%fe/service/", &[], None).unwrap().expect(404);
    api.raw("GET", "/v1/%00/service/", &[], None).unwrap().expect(404);
    api.get("/service/%FF/version_sets/release/").expect(422);
    for method in ["DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"] {
        let reply = api.try_send(method, "/service/", None).unwrap().expect(405);
        assert_eq!(reply.header("allow"), Some("GET, POST"));
    }
}

#[test]
fn a_wrong_slash_redirects() {
    let api = TestServer::new();
    let location = |path: &str| {
        let reply = api.get(path).expect(307);
        reply.header("location").unwrap().strip_prefix(&api.url).unwrap().to_owned()
    };
    assert_eq!(location("/service?limit=1"), "/v1/acme/service/?limit=1");
    assert_eq!(location("/organization/agent/"), "/v1/acme/organization/agent");
}

#[test]
fn malformed_http_does_not_stop_the_server() {
    let api = TestServer::new();
    let address = api.server().address();
    for bytes in [
        &b"\0\0\0\0"[..],
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /v1/\xff\xfe/service/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%zz?%=&&=+ HTTP/1.0\r\n\r\n",
    ] {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        // Errors are ignored here, because the server may close the connection as soon as it has read enough.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.contains(" 4"), "{answer}");
    }
    api.get("/service/").expect(200);
}

#[test]
fn strange_values_are_refused_or_stored_unchanged() {
    let api = TestServer::new();
    let id = api.create(&json!({"name": "a\u{0}b\u{202e}\u{1b}[31m", "description": "💥".repeat(1000)}));
    assert_eq!(api.shown(&id)["name"], "a\u{0}b\u{202e}\u{1b}[31m");
    for query in [
        "continuation_token=1e3",
        "limit=%00",
        "id=%ff",
        "tags=:",
        "is_active=%20",
        "limit=9223372036854775808",
    ] {
        api.get(&format!("/service/?{query}")).expect(422);
    }
    api.get("/service/?&&=&=x&%&%4&a=%ff").expect(200);
    api.get("/service/?continuation_token=9223372036854775807").expect(200);
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

/// Returns the body of a request in which some valid fields are replaced by random invalid values.
fn random_body(random: &mut Random) -> String {
    let mut body = service(&json!({
        "release_version_set": {"agent_version_number": 1, "llm_model_preferences": {"a": {"llm_name": "m"}},
            "service_hierarchical_state_machine_version_number": 1},
        "service_id": SERVICE, "initial_message": "x", "applied_to_services": [SERVICE],
    }));
    body["version_set"] = body["release_version_set"].clone();
    let nonsense = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("\u{0}"),
        json!([[[]]]),
        json!({"": {"": null}}),
        json!("x".repeat(5000)),
        json!(0.1),
    ];
    for _ in 0..random.below(4) {
        let fields = body.as_object_mut().unwrap();
        let names: Vec<String> = fields.keys().cloned().collect();
        let field = fields.get_mut(random.pick(&names)).unwrap();
        let inner: Vec<String> =
            field.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        match inner.is_empty() || random.below(2) == 0 {
            true => *field = random.pick(&nonsense).clone(),
            false => field[random.pick(&inner)] = random.pick(&nonsense).clone(),
        }
    }
    let text = body.to_string();
    match random.below(6) {
        0 => text.chars().take(random.below(text.len())).collect(),
        _ => text,
    }
}

#[test]
fn random_requests_cause_no_internal_error() {
    let api = TestServer::new();
    let mut random = Random(7);
    let segments = [
        "service",
        "version_sets",
        "release",
        SERVICE,
        "organization",
        "agent",
        "version",
        "x",
        "dynamic_behavior_set",
        "222222222222222222222222",
        "conversation",
        "finish",
        "%00",
        "%ff",
        "..",
        "%2F",
    ];
    let sound = [
        "/service/",
        "/service/111111111111111111111111/",
        "/conversation/",
        "/service/111111111111111111111111/version_sets/new/",
        "/dynamic_behavior_set/222222222222222222222222/",
        "/organization/agent",
        "/organization/agent/aaaaaaaaaaaaaaaaaaaaaaaa/version",
        "/dynamic_behavior_set/",
    ];
    let queries = [
        "",
        "?limit=-9223372036854775808",
        "?response_format=text&current_agent_action_type=((((",
        "?response_format=text",
        "?id=%00&id=",
        "?tags=%3A%3A&sort_by=%2B",
        "?version=4294967296-latest",
        "?current_agent_action_type=(a%7B1000%7D)%7B1000%7D&response_format=text",
        "?continuation_token=18446744073709551616",
    ];
    for n in 0..600 {
        let path = if random.below(4) > 0 {
            (*random.pick(&sound)).to_owned()
        } else {
            (0..=random.below(6)).map(|_| format!("/{}", random.pick(&segments))).collect()
        };
        let path = format!("{path}{}", random.pick(&queries));
        let body = random_body(&mut random);
        let method = *random.pick(&["GET", "POST", "PUT", "DELETE"]);
        let bearer = format!("Bearer {}", api.token());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let reply = api.raw(method, &format!("/v1/acme{path}"), &headers, Some(body.clone().into_bytes()));
        let status = reply.map(|reply| reply.status);
        assert!(status.as_ref().is_ok_and(|status| *status < 500), "{n}: {method} {path} {body}: {status:?}");
    }
}
