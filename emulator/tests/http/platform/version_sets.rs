//! Tests of replacing one version set.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{MISSING, SERVICE, WorkspaceServer, problems};

fn path(name: &str) -> String {
    format!("/services/{SERVICE}/version-sets/{name}")
}

#[test]
fn a_set_is_created_and_replaced_as_a_whole() {
    let api = WorkspaceServer::new();
    let others = api.shown(SERVICE)["version_sets"]["staging"].clone();
    api.0.clock.advance(Duration::from_secs(1));
    let set = json!({"agent_version_number": "2", "agent_version": 9, "unknown": 1, "llm_model_preferences": {
        "talk": {"llm_name": "m", "params": {"effort": "low", "none": null}, "unknown": 1}}});
    let reply = api.put(&path("release"), json!({"version_set": set, "unknown": 1})).expect(204);
    assert!(reply.text.is_empty());
    let shown = api.shown(SERVICE);
    let expected = json!({"agent_version_number": 2, "context_graph_version_number": null,
        "llm_model_preferences": {"talk": {"llm_name": "m", "params": {"effort": "low", "none": null},
            "experience_controls": null}}});
    assert_eq!(shown["version_sets"]["release"], expected);
    assert_eq!(shown["version_sets"]["staging"], others);
    assert_eq!(shown["updated_at"], "2027-01-15T08:00:01Z");
    api.put(&path("new%20%C3%A4"), json!({"version_set": {}})).expect(204);
    assert!(api.shown(SERVICE)["version_sets"]["new ä"].is_object());
}

#[test]
fn a_name_has_at_most_40_characters() {
    let api = WorkspaceServer::new();
    let set = json!({"version_set": {}});
    api.put(&path(&"x".repeat(40)), set.clone()).expect(204);
    assert_eq!(problems(api.put(&path(&"x".repeat(41)), set.clone())), ["string_too_long path.name"]);
    api.put(&path(""), set).expect(404);
}

#[test]
fn a_body_needs_its_wrapper_and_valid_fields() {
    let api = WorkspaceServer::new();
    let at = |body: Value| problems(api.put(&path("release"), body));
    assert_eq!(at(json!({})), ["missing body.version_set"]);
    assert_eq!(at(json!({"agent_version_number": 1})), ["missing body.version_set"]);
    assert_eq!(at(json!({"version_set": null})), ["model_attributes_type body.version_set"]);
    assert_eq!(
        at(json!({"version_set": {"agent_version_number": 1.5}})),
        ["int_from_float body.version_set.agent_version_number"]
    );
    assert_eq!(
        at(json!({"version_set": {"llm_model_preferences": null}})),
        ["dict_type body.version_set.llm_model_preferences"]
    );
    assert_eq!(
        at(json!({"version_set": {"llm_model_preferences": {"t": {"llm_name": "m", "params": []}}}})),
        ["dict_type body.version_set.llm_model_preferences.t.params"]
    );
    let nowhere = format!("/services/{MISSING}/version-sets/release");
    api.put(&nowhere, json!({"version_set": {}})).refused(404, MISSING);
}

#[test]
fn a_set_supports_only_put() {
    let api = WorkspaceServer::new();
    for method in ["GET", "POST", "DELETE", "PATCH"] {
        let reply = api.send(method, &path("release"), None).expect(405);
        assert_eq!(reply.header("allow"), Some("PUT"));
    }
}
