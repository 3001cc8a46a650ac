//! Tests of listing services: pages, searches and sort orders.

use std::time::Duration;

use amigops_emulator::PlatformOptions;
use serde_json::{Value, json};

use super::harness::{AGENT, GRAPH, SERVICE, WorkspaceServer, names, problems};

#[test]
fn a_service_has_every_field_of_the_schema() {
    let api = WorkspaceServer::new();
    let controls = Value::Null;
    let voice_config = json!({
        "tts_model": "sonic-3", "max_buffer_delay_ms": null, "eager_eot_threshold": null, "eot_timeout_ms": null,
        "filler_style": "backchannel", "filler_vocabulary": null, "backchannel_delay_ms": 400,
        "max_response_sentences": null, "max_response_words": null, "barge_in_min_speech_s": null,
        "barge_in_cooldown_s": null, "min_tts_speed": null, "post_eot_pause_ms": null,
        "transition_deadline_ms": null, "progress_interval_ms": null, "empathy_hold_ms": null,
        "filler_cooldown_ms": null, "progress_vocabulary": null, "tts_provider": null, "tts_config": null,
        "language_providers": null, "forward_call_enabled": false,
        "forwarding": {"forward_to": "+4912345", "should_disconnect": true, "warm_transfer": true},
    });
    let expected = json!({
        "id": SERVICE, "workspace_id": "5a4db0c5-0000-4000-8000-000000000000", "name": "Health Coach",
        "description": "Coaches", "agent_id": AGENT, "context_graph_id": GRAPH, "agent_name": "Coach Maya",
        "context_graph_name": "Coaching Flow", "keyterms": ["Metformin"], "is_active": true,
        "version_sets": {
            "release": {"agent_version_number": 3, "context_graph_version_number": 5, "llm_model_preferences": {}},
            "staging": {"agent_version_number": null, "context_graph_version_number": 6,
                "llm_model_preferences": {"talk": {"llm_name": "m", "params": {}, "experience_controls": controls}}},
        },
        "tags": [{"key": "audited", "value": null}, {"key": "team", "value": "care"}],
        "tool_capacity": 5, "safety_filters_enabled": true, "channel_type": "voice", "environment": "production",
        "voice_config": voice_config,
        "escalation_policy": {
            "context_window_exhaustion": {"type": "operator"}, "risk_scorer": {"type": "hangup"},
            "conversation_monitor": {"type": "operator"},
        },
        "is_system": false, "created_at": "2027-01-15T08:00:00Z", "updated_at": "2027-01-15T08:00:00Z",
    });
    assert_eq!(api.shown(SERVICE), expected);
    let list = api.get("/services").expect(200).json();
    assert_eq!(list["items"][0], expected);
    let rest = [&list["has_more"], &list["continuation_token"], &list["total"]];
    assert_eq!(rest, [&json!(false), &Value::Null, &json!(3)]);
}

#[test]
fn pages_are_complete_and_in_order() {
    let api = WorkspaceServer::new();
    for n in 0..22 {
        api.create(json!({"name": format!("Service {n:02}")})).expect(201);
    }
    let page = |query: &str| api.get(&format!("/services?{query}")).expect(200).json();
    let first = page("");
    assert_eq!(names(&first).len(), 10, "ten where nothing is said");
    assert_eq!((&first["has_more"], &first["continuation_token"]), (&json!(true), &json!(10)));
    assert_eq!(first["total"], 25);
    let last = page("limit=10&continuation_token=20");
    assert_eq!(names(&last).len(), 5);
    assert_eq!((&last["has_more"], &last["continuation_token"]), (&json!(false), &Value::Null));
    assert_eq!(names(&page("limit=100")).len(), 25);
    assert_eq!(names(&page("limit=5.0")).len(), 5);
    assert!(names(&page("continuation_token=99")).is_empty());
    let at = |query: &str| problems(api.get(&format!("/services?{query}")));
    assert_eq!(at("limit=0"), ["greater_than query.limit"]);
    assert_eq!(
        at("limit=101&continuation_token=x"),
        ["int_parsing query.continuation_token", "less_than_equal query.limit"]
    );
    assert_eq!(names(&page("continuation_token=-1")), names(&page("")), "a token has no bounds");
    assert!(names(&page("continuation_token=99999999999999999999")).is_empty());
}

#[test]
fn the_maximum_page_size_can_be_reduced() {
    let api =
        WorkspaceServer::optioned(PlatformOptions { services_page_max: 20, ..PlatformOptions::default() });
    assert_eq!(problems(api.get("/services?limit=100")), ["less_than_equal query.limit"]);
    api.get("/services?limit=20").expect(200);
    api.get("/services?limit=21").refused(422, "less than or equal to 20");
}

#[test]
fn lists_are_searched_and_filtered() {
    let api = WorkspaceServer::new();
    let found = |query: &str| {
        let list = api.get(&format!("/services?{query}")).expect(200).json();
        names(&list).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("search=HEALTH"), ["Health Coach"]);
    assert_eq!(found("search=e").len(), 3);
    assert_eq!(found("search=x"), [""; 0]);
    assert_eq!(found("is_active=false"), ["Sleeper"]);
    assert_eq!(found("is_active=yes&search=h"), ["Health Coach", "House"]);
    let at = |query: &str| problems(api.get(&format!("/services?{query}")));
    assert_eq!(at("search="), ["string_too_short query.search"]);
    found(&format!("search={}", "x".repeat(200)));
    assert_eq!(at(&format!("search={}", "x".repeat(201))), ["string_too_long query.search"]);
    assert_eq!(
        at("is_active=perhaps&sort_by=name"),
        ["bool_parsing query.is_active", "value_error query.sort_by"]
    );
}

#[test]
fn lists_are_sorted() {
    let api = WorkspaceServer::new();
    api.0.clock.advance(Duration::from_secs(1));
    api.create(json!({"name": "Able"})).expect(201);
    api.0.clock.advance(Duration::from_secs(1));
    api.update(json!({"description": "newer"})).expect(200);
    let first = |order: &str| {
        let list = api.get(&format!("/services?sort_by={order}")).expect(200).json();
        names(&list)[0].to_owned()
    };
    assert_eq!(first("%2Bname"), "Able");
    assert_eq!(first("-name"), "Sleeper");
    assert_eq!(first("-created_at"), "Able");
    assert_eq!(first("%2Bcreated_at"), "Health Coach");
    assert_eq!(first("-updated_at"), "Health Coach");
    for unknown in ["%2Bagent_id", "name", "+name", "-", ""] {
        let at = problems(api.get(&format!("/services?sort_by={unknown}")));
        assert_eq!(at, ["value_error query.sort_by"], "{unknown}");
    }
}
