//! Tests of API keys, workspaces and permissions.

use amigops_emulator::SANDBOX_WORKSPACE;
use serde_json::json;

use super::harness::{GRAPH, OTHER_WORKSPACE, SERVICE, SYSTEM, WorkspaceServer};

#[test]
fn a_known_key_is_required() {
    let api = WorkspaceServer::new();
    let path = format!("/v1/{SANDBOX_WORKSPACE}/services");
    for credentials in [None, Some("Bearer wrong"), Some("Bearer "), Some("all"), Some("Basic all"), Some("")]
    {
        let headers: Vec<_> = credentials.map(|text| ("authorization", text)).into_iter().collect();
        let reply = api.0.raw("GET", &path, &headers, None).unwrap().expect(401);
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{credentials:?}");
        assert!(reply.json()["detail"].is_string());
    }
    api.0.raw("GET", &path, &[("authorization", "bearer all")], None).unwrap().expect(200);
}

#[test]
fn a_key_is_valid_only_for_its_workspace() {
    let api = WorkspaceServer::new();
    let get = |workspace: &str, key: &str| {
        let bearer = format!("Bearer {key}");
        let path = format!("/v1/{workspace}/services");
        api.0.raw("GET", &path, &[("authorization", bearer.as_str())], None).unwrap()
    };
    let missing = "99999999-0000-4000-8000-000000000000";
    get(SANDBOX_WORKSPACE, "foreign").refused(403, "another workspace");
    get(OTHER_WORKSPACE, "foreign").expect(200);
    get(missing, "all").refused(404, missing);
    get(missing, "wrong").expect(401);
    get("sandbox", "wrong").expect(401);
    get("sandbox", "all").invalid("uuid_parsing", json!(["path", "workspace_id"]));
    get(&SANDBOX_WORKSPACE.to_uppercase(), "all").expect(200);
}

#[test]
fn a_missing_permission_is_named() {
    let api = WorkspaceServer::new();
    let service = format!("/services/{SERVICE}");
    let set = format!("{service}/version-sets/release");
    let (text, voice) = (format!("{service}/text-turn"), format!("{service}/voice-turn"));
    let (graph, graph_versions) =
        (format!("/context-graphs/{GRAPH}"), format!("/context-graphs/{GRAPH}/versions"));
    let cases = [
        ("GET", "/services", "Service.view"),
        ("GET", service.as_str(), "Service.view"),
        ("POST", "/services", "Service.create"),
        ("PUT", service.as_str(), "Service.update"),
        ("PUT", set.as_str(), "Service.update"),
        ("DELETE", service.as_str(), "Service.delete"),
        ("POST", text.as_str(), "Conversation.create"),
        ("POST", voice.as_str(), "Conversation.create"),
        ("GET", "/agents", "Agent.view"),
        ("GET", "/context-graphs", "ContextGraph.view"),
        ("GET", graph.as_str(), "ContextGraph.view"),
        ("GET", graph_versions.as_str(), "ContextGraph.view"),
    ];
    for (method, path, permission) in cases {
        api.send_as("nothing", method, path, None).refused(403, permission);
        let reading = api.send_as("reading", method, path, None).status;
        assert_eq!(reading, if permission == "Service.view" { 200 } else { 403 }, "{method} {path}");
    }
}

#[test]
fn a_system_service_is_visible_and_read_only() {
    let api = WorkspaceServer::new();
    assert_eq!(api.shown(SYSTEM)["is_system"], true);
    let path = format!("/services/{SYSTEM}");
    api.put(&path, json!({"description": "mine"})).refused(403, "system service");
    api.send("DELETE", &path, None).refused(403, "system service");
    let set = format!("{path}/version-sets/release");
    api.put(&set, json!({"version_set": {}})).refused(403, "system service");
    api.post(&format!("{path}/text-turn"), json!({"phone_number": "+12", "text": "hi"})).expect(200);
}
