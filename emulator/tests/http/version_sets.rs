//! Tests of reading, replacing and deleting version sets.

use serde_json::{Value, json};

use super::harness::{AGENT, GRAPH, MISSING, NOVICE, SERVICE, TestServer};

fn path(name: &str) -> String {
    format!("/service/{SERVICE}/version_sets/{name}/")
}

fn set(agent: Value, graph: Value) -> Value {
    json!({"version_set": {"agent_version_number": agent,
        "service_hierarchical_state_machine_version_number": graph, "llm_model_preferences": {}}})
}

#[test]
fn a_set_is_returned_in_both_forms() {
    let api = TestServer::new();
    let expected = json!({
        "agent_version_number": null, "agent_version": null,
        "service_hierarchical_state_machine_version_number": 6, "context_graph_version": 6,
        "llm_model_preferences": {}, "applied_behavior_ids": ["x"],
    });
    assert_eq!(api.get(&path("staging")).expect(200).json(), expected);
    api.get(&path("edge")).expect(200);
    api.get(&path("unknown")).refused(404, "unknown");
    api.get(&format!("/service/{MISSING}/version_sets/release/")).refused(404, MISSING);
}

#[test]
fn invalid_names_are_refused() {
    let api = TestServer::new();
    let at = json!(["path", "version_set_name"]);
    let long = "x".repeat(41);
    for (name, kind) in [
        ("a%20b", "string_pattern_mismatch"),
        ("a.b", "string_pattern_mismatch"),
        ("%00", "string_pattern_mismatch"),
        (long.as_str(), "string_too_long"),
        ("%20", "string_too_short"),
    ] {
        api.get(&path(name)).invalid(kind, at.clone());
        api.put(&path(name), &set(json!(1), json!(1))).invalid(kind, at.clone());
        api.delete(&path(name)).refused(404, "does not exist");
    }
    api.put(&path(&"x".repeat(40)), &set(json!(1), json!(1))).expect(204);
}

#[test]
fn a_put_replaces_the_whole_set() {
    let api = TestServer::new();
    let mut full = set(json!(2), json!(3));
    full["version_set"]["applied_behavior_ids"] = json!(["a"]);
    full["version_set"]["future"] = json!({"x": [1]});
    full["version_set"]["llm_model_preferences"] =
        json!({"EngageUser": {"llm_name": "m", "params": {"temperature": 0.4}, "top_p": 1}});
    let reply = api.put(&path("new"), &full).expect(204);
    assert_eq!(reply.text, "");
    let sets = api.shown(SERVICE)["version_sets"].clone();
    assert_eq!(sets["new"], full["version_set"], "kept as sent");
    api.put(&path("new"), &set(Value::Null, json!(1))).expect(204);
    let sets = api.shown(SERVICE)["version_sets"].clone();
    assert_eq!(sets["new"], set(Value::Null, json!(1))["version_set"], "what was not sent is gone");
    assert_eq!(api.shown(SERVICE)["updated_by"]["user_id"], "maya");
}

#[test]
fn a_set_can_be_written_back_as_read() {
    let api = TestServer::new();
    let read = api.get(&path("staging")).expect(200).json();
    api.put(&path("copy"), &json!({ "version_set": read })).expect(204);
    let sets = api.shown(SERVICE)["version_sets"].clone();
    assert_eq!(sets["copy"], sets["staging"]);
}

#[test]
fn all_three_fields_must_be_present() {
    let api = TestServer::new();
    for field in
        ["agent_version_number", "service_hierarchical_state_machine_version_number", "llm_model_preferences"]
    {
        let mut body = set(json!(1), json!(1));
        body["version_set"].as_object_mut().unwrap().remove(field);
        api.put(&path("new"), &body).invalid("missing", json!(["body", "version_set", field]));
    }
    api.put(&path("new"), &json!({})).invalid("missing", json!(["body", "version_set"]));
    api.put(&path("new"), &json!({"version_set": 1})).invalid("dict_type", json!(["body", "version_set"]));
}

#[test]
fn the_flat_form_is_accepted() {
    let api = TestServer::new();
    let flat = json!({"agent_id": AGENT, "agent_version": 2, "service_hierarchical_state_machine_id": GRAPH,
        "service_hierarchical_state_machine_version": 3});
    api.put(&path("flat"), &flat).expect(204);
    let stored = api.shown(SERVICE)["version_sets"]["flat"].clone();
    assert_eq!(stored, set(json!(2), json!(3))["version_set"]);
    let graph = json!({"agent_version": null, "context_graph_version": 4, "applied_behavior_ids": ["b"]});
    api.put(&path("flat"), &graph).expect(204);
    let stored = api.shown(SERVICE)["version_sets"]["flat"].clone();
    assert_eq!(stored["service_hierarchical_state_machine_version_number"], 4);
    assert_eq!(stored["applied_behavior_ids"], json!(["b"]));
    let foreign = json!({"agent_id": NOVICE, "agent_version": 1, "context_graph_version": 1});
    api.put(&path("flat"), &foreign).refused(400, "not the service's");
}

#[test]
fn pins_must_exist() {
    let api = TestServer::new();
    api.put(&path("new"), &set(json!(6), json!(1))).refused(400, "no version 6");
    api.put(&path("new"), &set(json!(1), json!(7))).refused(400, "no version 7");
    api.put(&path("new"), &set(json!(0), json!(1))).refused(400, "no version 0");
    api.put(&path("new"), &set(json!(true), json!(1))).expect(422);
    api.put(&path("new"), &set(json!(2.0), json!(1))).expect(204);
    api.put(&format!("/service/{MISSING}/version_sets/new/"), &set(json!(1), json!(1))).refused(404, MISSING);
}

#[test]
fn edge_and_release_are_protected() {
    let api = TestServer::new();
    api.put(&path("edge"), &set(json!(1), json!(1))).refused(400, "edge");
    api.delete(&path("edge")).refused(400, "edge");
    api.put(&path("release"), &set(json!(1), json!(1))).expect(204);
    api.delete(&path("release")).refused(400, "release");
}

#[test]
fn a_set_can_be_deleted_unless_a_unit_test_uses_it() {
    let api = TestServer::new();
    api.delete(&path("tested")).refused(400, "unit test");
    api.delete(&path("staging")).expect(204);
    api.delete(&path("staging")).refused(404, "staging");
    api.delete(&format!("/service/{MISSING}/version_sets/staging/")).refused(404, MISSING);
    assert_eq!(api.shown(SERVICE)["version_sets"].get("staging"), None);
}
