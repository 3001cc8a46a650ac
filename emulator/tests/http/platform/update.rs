//! Tests of updating and deleting services: unchanged fields, replaced fields and nulls.

use std::time::Duration;

use amigops_emulator::PlatformOptions;
use serde_json::{Value, json};

use super::harness::{GRAPH, MISSING, NOVICE, SERVICE, SHORT_GRAPH, WorkspaceServer, problems};

#[test]
fn an_update_changes_only_the_fields_that_it_contains() {
    let api = WorkspaceServer::new();
    let before = api.shown(SERVICE);
    api.0.clock.advance(Duration::from_secs(5));
    let after = api.update(json!({"description": "New", "tool_capacity": "7"})).expect(200).json();
    let mut expected = before;
    expected["description"] = json!("New");
    expected["tool_capacity"] = json!(7);
    expected["updated_at"] = json!("2027-01-15T08:00:05Z");
    assert_eq!(after, expected);
    assert_eq!(api.shown(SERVICE), after);
}

#[test]
fn a_null_field_changes_nothing() {
    let api = WorkspaceServer::new();
    let before = api.shown(SERVICE);
    let fields = before.as_object().unwrap().keys();
    let nulls: Value = fields.map(|name| (name.clone(), Value::Null)).collect();
    assert_eq!(api.update(nulls).expect(200).json(), before);
    assert_eq!(api.update(json!({})).expect(200).json(), before);
}

#[test]
fn null_within_a_block_means_absent() {
    let api = WorkspaceServer::new();
    let voice =
        json!({"tts_model": null, "forwarding": null, "max_response_words": 5, "tts_config": {"a": null}});
    let shown = api.update(json!({"voice_config": voice})).expect(200).json();
    let config = &shown["voice_config"];
    assert_eq!((&config["tts_model"], &config["forwarding"]), (&Value::Null, &Value::Null));
    assert_eq!(config["max_response_words"], 5);
    assert_eq!(config["tts_config"], json!({"a": null}), "a free object is kept as it is");
    let stored = api.0.server().world();
    let stored = stored.workspace("5a4db0c5-0000-4000-8000-000000000000").unwrap().service(SERVICE).unwrap();
    let keys: Vec<_> = stored.voice_config.as_ref().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["backchannel_delay_ms", "filler_style", "forward_call_enabled", "max_response_words", "tts_config"];
    assert_eq!(keys, expected);
    let tags = api.update(json!({"tags": [{"key": "a", "value": null}]})).expect(200).json();
    assert_eq!(tags["tags"], json!([{"key": "a", "value": null}]));
    let set = json!({"agent_version_number": null, "llm_model_preferences": {"t": {"llm_name": "m",
        "experience_controls": {"seed": null}}}});
    let shown = api.update(json!({"version_sets": {"a": set}})).expect(200).json();
    assert_eq!(shown["version_sets"]["a"]["agent_version_number"], Value::Null);
    let controls = &shown["version_sets"]["a"]["llm_model_preferences"]["t"]["experience_controls"];
    assert_eq!(controls["seed"], Value::Null);
    assert!(controls.is_object());
}

#[test]
fn a_block_is_replaced_as_a_whole() {
    let api = WorkspaceServer::new();
    let shown = api.update(json!({"voice_config": {}, "escalation_policy": {}})).expect(200).json();
    assert_eq!(shown["voice_config"]["tts_model"], Value::Null);
    assert_eq!(shown["voice_config"]["filler_style"], "backchannel");
    assert_eq!(shown["escalation_policy"]["risk_scorer"], json!({"type": "operator"}));
    let policy = json!({"conversation_monitor": {"type": "forward"}});
    let shown = api.update(json!({"escalation_policy": policy})).expect(200).json();
    let types: Vec<_> =
        shown["escalation_policy"].as_object().unwrap().values().map(|a| &a["type"]).collect();
    assert_eq!(types, ["operator", "forward", "operator"]);
    let shown = api.update(json!({"tags": [], "keyterms": []})).expect(200).json();
    assert_eq!((&shown["tags"], &shown["keyterms"]), (&json!([]), &json!([])));
}

#[test]
fn the_map_of_version_sets_is_replaced_as_a_whole() {
    let api = WorkspaceServer::new();
    let sets = json!({"staging": {}, "canary": {"agent_version_number": 2}});
    let shown = api.update(json!({"version_sets": sets})).expect(200).json();
    let names: Vec<_> = shown["version_sets"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["canary", "staging"], "release was not named and is gone");
    let empty = json!({"agent_version_number": null, "context_graph_version_number": null,
        "llm_model_preferences": {}});
    assert_eq!(shown["version_sets"]["staging"], empty);
    let shown = api.update(json!({"version_sets": {}})).expect(200).json();
    assert_eq!(shown["version_sets"], json!({}));
}

#[test]
fn a_server_can_keep_omitted_version_sets() {
    let api =
        WorkspaceServer::optioned(PlatformOptions { keeps_version_sets: true, ..PlatformOptions::default() });
    let shown = api.update(json!({"version_sets": {"canary": {}}})).expect(200).json();
    let names: Vec<_> = shown["version_sets"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["canary", "release", "staging"]);
}

#[test]
fn agent_and_context_graph_change_in_place() {
    let api = WorkspaceServer::new();
    api.update(json!({"version_sets": {}})).expect(200);
    let shown = api.update(json!({"agent_id": NOVICE, "context_graph_id": SHORT_GRAPH})).expect(200).json();
    assert_eq!(
        (&shown["agent_name"], &shown["context_graph_name"]),
        (&json!("Novice"), &json!("Short Flow"))
    );
    assert_eq!(shown["id"], SERVICE);
    api.update(json!({"agent_id": MISSING})).refused(404, "agent");
    api.update(json!({"context_graph_id": NOVICE})).refused(404, "context graph");
}

#[test]
fn problems_of_path_and_body_are_reported_together() {
    let api = WorkspaceServer::new();
    let at = problems(api.put("/services/nonsense", json!({"tool_capacity": 0, "voice_config": 1})));
    assert_eq!(
        at,
        [
            "greater_than_equal body.tool_capacity",
            "model_attributes_type body.voice_config",
            "uuid_parsing path.service_id"
        ]
    );
    api.put(&format!("/services/{MISSING}"), json!({})).refused(404, MISSING);
    api.get(&format!("/services/{MISSING}")).refused(404, MISSING);
}

#[test]
fn names_of_inactive_services_are_taken_by_default() {
    let api = WorkspaceServer::new();
    api.update(json!({"name": "Sleeper"})).refused(409, "taken");
    api.update(json!({"name": "Health Coach"})).expect(200);
    let made = api.create(json!({"is_active": false})).expect(201).json();
    let path = format!("/services/{}", made["id"].as_str().unwrap());
    api.put(&path, json!({"name": "Health Coach"})).refused(409, "taken");

    let open = PlatformOptions { inactive_names_taken: false, ..PlatformOptions::default() };
    let api = WorkspaceServer::optioned(open);
    let made = api.create(json!({"name": "Health Coach", "is_active": false})).expect(201).json();
    let path = format!("/services/{}", made["id"].as_str().unwrap());
    api.put(&path, json!({"is_active": true})).refused(409, "taken");
    api.update(json!({"name": "Sleeper"})).expect(200);
    api.put(&path, json!({"is_active": true})).expect(200);
    api.update(json!({"name": "Health Coach"})).refused(409, "taken");
}

#[test]
fn a_deleted_service_is_gone_and_its_name_is_free() {
    let api = WorkspaceServer::new();
    let path = format!("/services/{SERVICE}");
    let gone = api.send("DELETE", &path, None).expect(204);
    assert!(gone.text.is_empty());
    api.get(&path).expect(404);
    api.update(json!({})).expect(404);
    api.send("DELETE", &path, None).expect(404);
    api.put(&format!("{path}/version-sets/release"), json!({"version_set": {}})).expect(404);
    let again = api.create(json!({"name": "Health Coach", "context_graph_id": GRAPH})).expect(201).json();
    assert_ne!(again["id"], SERVICE);
}
