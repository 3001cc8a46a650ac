//! Tests of creating services: default values, limits of values, and the location of each error.

use serde_json::{Value, json};

use super::harness::{AGENT, GRAPH, MISSING, NOVICE, WorkspaceServer, problems};

#[test]
fn defaults_are_filled_in() {
    let api = WorkspaceServer::new();
    let made = api.create(json!({})).expect(201).json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(api.shown(id), made, "the answer is the whole service");
    let expected = json!({
        "description": "", "is_active": true, "tool_capacity": 3, "channel_type": "voice", "keyterms": [],
        "environment": "production", "safety_filters_enabled": true, "tags": [], "version_sets": {},
        "voice_config": null, "escalation_policy": null, "is_system": false, "agent_name": "Coach Maya",
        "name": "Meet & Greet", "agent_id": AGENT, "context_graph_id": GRAPH,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
}

#[test]
fn all_sent_fields_are_stored() {
    let api = WorkspaceServer::new();
    let sent = json!({
        "name": "  Größe\n", "description": " as it is ", "is_active": false, "tool_capacity": 10,
        "channel_type": "text", "environment": "sandbox", "safety_filters_enabled": false,
        "keyterms": ["Ä b", "Ä b"], "tags": [{"key": "b", "value": "1"}, {"key": "a", "value": null},
            {"key": "b", "value": ""}],
        "escalation_policy": {"risk_scorer": {"type": "forward"}, "conversation_monitor": {"type": "hangup"},
            "context_window_exhaustion": {"type": "operator"}},
        "version_sets": {"release": {"agent_version_number": 1, "context_graph_version_number": 2,
            "llm_model_preferences": {"talk": {"llm_name": "m", "params": {"a": {"b": [null]}},
                "experience_controls": null}}}},
    });
    let made = api.create(sent.clone()).expect(201).json();
    for (name, value) in sent.as_object().unwrap() {
        assert_eq!(made[name], *value, "{name}");
    }
}

/// Tries to create a service with these fields changed. Returns the errors, each as a string of its type and its
/// location.
#[track_caller]
fn refused(api: &WorkspaceServer, changes: Value) -> Vec<String> {
    problems(api.create(changes))
}

#[test]
fn lower_and_upper_limits_are_enforced() {
    let api = WorkspaceServer::new();
    let x = |count: usize| "ä".repeat(count);
    let tags = |count: usize| (0..count).map(|n| json!({"key": n.to_string()})).collect::<Vec<_>>();
    let fine = [
        json!({"name": x(1)}),
        json!({"name": x(256)}),
        json!({"description": x(2000)}),
        json!({"keyterms": vec![x(128); 500]}),
        json!({"keyterms": ["x"]}),
        json!({"tags": tags(50)}),
        json!({"tool_capacity": 1}),
        json!({"tool_capacity": "10"}),
        json!({"tool_capacity": 3.0}),
        json!({"voice_config": {"forwarding": {"forward_to": x(2)}}}),
        json!({"voice_config": {"forwarding": {"forward_to": x(16)}}}),
    ];
    for (n, changes) in fine.into_iter().enumerate() {
        let mut changes = changes;
        if changes.get("name").is_none() {
            changes["name"] = json!(format!("Fine {n}"));
        }
        api.create(changes).expect(201);
    }
    let bad = [
        (json!({"name": ""}), "string_too_short body.name"),
        (json!({"name": x(257)}), "string_too_long body.name"),
        (json!({"description": x(2001)}), "string_too_long body.description"),
        (json!({"keyterms": vec![""; 1]}), "string_too_short body.keyterms.0"),
        (json!({"keyterms": ["a", x(129)]}), "string_too_long body.keyterms.1"),
        (json!({"keyterms": vec!["x"; 501]}), "too_long body.keyterms"),
        (json!({"tags": tags(51)}), "too_long body.tags"),
        (json!({"tool_capacity": 0}), "greater_than_equal body.tool_capacity"),
        (json!({"tool_capacity": 11}), "less_than_equal body.tool_capacity"),
        (
            json!({"voice_config": {"forwarding": {"forward_to": "+"}}}),
            "string_too_short body.voice_config.forwarding.forward_to",
        ),
        (
            json!({"voice_config": {"forwarding": {"forward_to": x(17)}}}),
            "string_too_long body.voice_config.forwarding.forward_to",
        ),
    ];
    for (changes, expected) in bad {
        assert_eq!(refused(&api, changes), [expected]);
    }
}

#[test]
fn types_are_coerced_as_by_pydantic() {
    let api = WorkspaceServer::new();
    let bad = [
        (json!({"name": 1}), "string_type body.name"),
        (json!({"name": null}), "string_type body.name"),
        (json!({"description": null}), "string_type body.description"),
        (json!({"agent_id": "x"}), "uuid_parsing body.agent_id"),
        (json!({"agent_id": 1}), "uuid_type body.agent_id"),
        (json!({"tool_capacity": "x"}), "int_parsing body.tool_capacity"),
        (json!({"tool_capacity": 1.5}), "int_from_float body.tool_capacity"),
        (json!({"tool_capacity": null}), "int_type body.tool_capacity"),
        (json!({"is_active": "perhaps"}), "bool_parsing body.is_active"),
        (json!({"is_active": []}), "bool_type body.is_active"),
        (json!({"channel_type": "fax"}), "literal_error body.channel_type"),
        (json!({"environment": null}), "literal_error body.environment"),
        (json!({"keyterms": "x"}), "list_type body.keyterms"),
        (json!({"tags": {"a": "b"}}), "list_type body.tags"),
        (json!({"tags": [{"value": "b"}]}), "missing body.tags.0.key"),
        (json!({"tags": ["a"]}), "model_attributes_type body.tags.0"),
        (json!({"version_sets": []}), "dict_type body.version_sets"),
        (json!({"version_sets": {"a": null}}), "model_attributes_type body.version_sets.a"),
        (json!({"voice_config": []}), "model_attributes_type body.voice_config"),
        (json!({"voice_config": {"filler_style": null}}), "literal_error body.voice_config.filler_style"),
        (
            json!({"voice_config": {"backchannel_delay_ms": null}}),
            "int_type body.voice_config.backchannel_delay_ms",
        ),
        (
            json!({"voice_config": {"filler_vocabulary": [1]}}),
            "string_type body.voice_config.filler_vocabulary.0",
        ),
        (
            json!({"voice_config": {"language_providers": {"de": {"provider": "x"}}}}),
            "literal_error body.voice_config.language_providers.de.provider",
        ),
        (json!({"voice_config": {"forwarding": {}}}), "missing body.voice_config.forwarding.forward_to"),
        (
            json!({"escalation_policy": {"risk_scorer": {}}}),
            "union_tag_not_found body.escalation_policy.risk_scorer",
        ),
        (
            json!({"escalation_policy": {"risk_scorer": {"type": "x"}}}),
            "union_tag_invalid body.escalation_policy.risk_scorer",
        ),
        (
            json!({"escalation_policy": {"risk_scorer": "hangup"}}),
            "model_attributes_type body.escalation_policy.risk_scorer",
        ),
    ];
    for (changes, expected) in bad {
        assert_eq!(refused(&api, changes), [expected]);
    }
    let lax = json!({"tool_capacity": true, "is_active": "off", "safety_filters_enabled": 0, "unknown": {},
        "agent_id": AGENT.to_uppercase().replace('-', "")});
    let made = api.create(lax).expect(201).json();
    assert_eq!((&made["tool_capacity"], &made["is_active"]), (&json!(1), &json!(false)));
    assert_eq!((&made["agent_id"], made.get("unknown")), (&json!(AGENT), None));
}

#[test]
fn error_messages_match_pydantic() {
    let api = WorkspaceServer::new();
    let reply = api.create(json!({"voice_config": {"tts_model": "sonic-4"}, "tool_capacity": 11}));
    let expected = json!([
        {"type": "less_than_equal", "loc": ["body", "tool_capacity"], "input": 11, "ctx": {"le": 10},
            "msg": "Input should be less than or equal to 10"},
        {"type": "literal_error", "loc": ["body", "voice_config", "tts_model"], "input": "sonic-4",
            "ctx": {"expected": "'sonic-turbo' or 'sonic-3'"},
            "msg": "Input should be 'sonic-turbo' or 'sonic-3'"},
    ]);
    assert_eq!(reply.expect(422).json()["detail"], expected);
}

#[test]
fn all_problems_are_reported_at_once() {
    let api = WorkspaceServer::new();
    let body = json!({
        "name": "", "agent_id": "x", "tool_capacity": 11, "tags": [{"key": 1}, {}],
        "version_sets": {"a": {"agent_version_number": "x", "llm_model_preferences": {"t": {
            "experience_controls": {"temperature": 3, "brevity": 1, "stop": [1]}}}}},
    });
    let expected = [
        "extra_forbidden body.version_sets.a.llm_model_preferences.t.experience_controls.brevity",
        "int_parsing body.version_sets.a.agent_version_number",
        "less_than_equal body.tool_capacity",
        "less_than_equal body.version_sets.a.llm_model_preferences.t.experience_controls.temperature",
        "missing body.context_graph_id",
        "missing body.tags.1.key",
        "missing body.version_sets.a.llm_model_preferences.t.llm_name",
        "string_too_short body.name",
        "string_type body.tags.0.key",
        "string_type body.version_sets.a.llm_model_preferences.t.experience_controls.stop.list[str].0",
        "string_type body.version_sets.a.llm_model_preferences.t.experience_controls.stop.str",
        "uuid_parsing body.agent_id",
    ];
    assert_eq!(problems(api.post("/services", body)), expected);
    let missing = ["missing body.agent_id", "missing body.context_graph_id", "missing body.name"];
    assert_eq!(problems(api.post("/services", json!({}))), missing);
}

#[test]
fn there_are_nineteen_experience_controls() {
    let api = WorkspaceServer::new();
    let set = |controls: Value| {
        json!({"version_sets": {"a": {"llm_model_preferences": {"t": {"llm_name": "m",
            "experience_controls": controls}}}}})
    };
    let sent = json!({"temperature": 1, "top_p": "0.5", "stop": ["a"], "seed": 7, "logit_bias": {"5": -100},
        "metadata": {"a": "b"}, "response_format": {"type": null}, "verbosity": "low", "store": 1});
    let made = api.create(set(sent)).expect(201).json();
    let shown = &made["version_sets"]["a"]["llm_model_preferences"]["t"]["experience_controls"];
    assert_eq!(shown.as_object().unwrap().len(), 19);
    assert_eq!(shown["temperature"].to_string(), "1.0", "a number is a float afterwards");
    assert_eq!((&shown["top_p"], &shown["store"]), (&json!(0.5), &json!(true)));
    assert_eq!((&shown["response_format"], &shown["top_logprobs"]), (&json!({"type": null}), &Value::Null));
    let at = "body.version_sets.a.llm_model_preferences.t.experience_controls";
    for (controls, expected) in [
        (json!({"top_p": 1.1}), "less_than_equal top_p"),
        (json!({"presence_penalty": -2.1}), "greater_than_equal presence_penalty"),
        (json!({"frequency_penalty": 2.1}), "less_than_equal frequency_penalty"),
        (json!({"top_logprobs": 21}), "less_than_equal top_logprobs"),
        (json!({"logit_bias": {"5": 101}}), "less_than_equal logit_bias.5"),
        (json!({"metadata": {"a": null}}), "string_type metadata.a"),
        (json!({"reasoning_effort": "max"}), "literal_error reasoning_effort"),
        (json!({"prompt_cache_retention": "1h"}), "literal_error prompt_cache_retention"),
        (json!({"max_tokens": 5}), "extra_forbidden max_tokens"),
    ] {
        let (kind, field) = expected.split_once(' ').unwrap();
        assert_eq!(refused(&api, set(controls)), [format!("{kind} {at}.{field}")]);
    }
}

#[test]
fn agent_and_context_graph_must_exist() {
    let api = WorkspaceServer::new();
    api.create(json!({"agent_id": MISSING})).refused(404, "agent");
    api.create(json!({"context_graph_id": MISSING})).refused(404, "context graph");
    api.create(json!({"agent_id": GRAPH})).expect(404);
}

#[test]
fn names_are_unique() {
    let api = WorkspaceServer::new();
    let reply = api.create(json!({"name": "Health Coach"})).expect(409);
    assert!(reply.json()["detail"].as_str().unwrap().contains("name \"Health Coach\" is already taken"));
    assert!(reply.json()["request_id"].is_string() && reply.json()["error_code"].is_string());
    api.create(json!({"name": "Sleeper"})).refused(409, "taken");
    api.create(json!({"name": "health coach"})).expect(201);
    api.create(json!({"name": "Health Coach "})).expect(201);
}

#[test]
fn the_same_requests_lead_to_the_same_state() {
    let run = || {
        let api = WorkspaceServer::new();
        let made = api.create(json!({"tags": [{"key": "a"}]})).expect(201).text;
        let taken = api.create(json!({"agent_id": NOVICE})).expect(409).text;
        (made, taken, api.get("/services").expect(200).text)
    };
    assert_eq!(run(), run());
}
