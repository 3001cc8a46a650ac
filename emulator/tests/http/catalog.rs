//! Tests of the endpoints for agents, context graphs and their versions.

use serde_json::{Value, json};

use super::harness::{AGENT, GRAPH, MISSING, NOVICE, OLD_AGENT, TestServer, UNBORN_AGENT};

fn column(document: &Value, list: &str, field: &str) -> Value {
    document[list].as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}

#[test]
fn agents_are_listed_with_their_latest_version() {
    let api = TestServer::new();
    let list = api.get("/organization/agent").expect(200).json();
    assert_eq!(column(&list, "agents", "latest_version"), json!([5, 2, null, 2]));
    assert_eq!(
        list["agents"][0],
        json!({"id": AGENT, "name": "Coach Maya", "deprecated": false, "latest_version": 5})
    );
    assert_eq!((&list["has_more"], &list["continuation_token"]), (&json!(false), &Value::Null));
    let old = api.get("/organization/agent?deprecated=true").expect(200).json();
    assert_eq!(column(&old, "agents", "id"), json!([OLD_AGENT]));
    let two = api.get(&format!("/organization/agent?id={NOVICE}&id={AGENT}&id={MISSING}")).expect(200).json();
    assert_eq!(column(&two, "agents", "id"), json!([AGENT, NOVICE]));
    let page = api.get("/organization/agent?limit=3").expect(200).json();
    assert_eq!((&page["has_more"], &page["continuation_token"]), (&json!(true), &json!(3)));
    let rest = api.get("/organization/agent?limit=3&continuation_token=3").expect(200).json();
    assert_eq!(column(&rest, "agents", "name"), json!(["Novice"]));
    api.get("/organization/agent?limit=21").invalid("less_than_equal", json!(["query", "limit"]));
    api.get("/organization/agent?deprecated=x").invalid("bool_parsing", json!(["query", "deprecated"]));
}

#[test]
fn context_graphs_have_their_own_limit() {
    let api = TestServer::new();
    let path = "/organization/service_hierarchical_state_machine";
    let list = api.get(&format!("{path}?limit=50")).expect(200).json();
    let graphs = "service_hierarchical_state_machines";
    assert_eq!(column(&list, graphs, "latest_version"), json!([6, 1, null]));
    api.get(&format!("{path}?limit=51")).invalid("less_than_equal", json!(["query", "limit"]));
    let one = api.get(&format!("{path}?deprecated=false&id={GRAPH}")).expect(200).json();
    assert_eq!(column(&one, graphs, "name"), json!(["Coaching Flow"]));
}

#[test]
fn versions_of_an_agent_are_listed() {
    let api = TestServer::new();
    let versions = |query: &str| {
        let path = format!("/organization/agent/{AGENT}/version{query}");
        column(&api.get(&path).expect(200).json(), "agent_versions", "version")
    };
    assert_eq!(versions(""), json!([1, 2, 3, 4, 5]));
    assert_eq!(versions("?version=latest"), json!([5]));
    assert_eq!(versions("?version=3"), json!([3]));
    assert_eq!(versions("?version=9"), json!([]));
    assert_eq!(versions("?version=2-4&sort_by=-version"), json!([4, 3, 2]));
    assert_eq!(versions("?version=4-latest&sort_by=%2Bversion"), json!([4, 5]));
    assert_eq!(versions("?limit=2&continuation_token=2"), json!([3, 4]));
    let path = format!("/organization/agent/{AGENT}/version");
    api.get(&format!("{path}?limit=11")).invalid("less_than_equal", json!(["query", "limit"]));
    api.get(&format!("{path}?version=newest")).invalid("value_error", json!(["query", "version"]));
    api.get(&format!("{path}?sort_by=-name")).invalid("value_error", json!(["query", "sort_by", 0]));
    let none =
        api.get(&format!("/organization/agent/{UNBORN_AGENT}/version?version=latest")).expect(200).json();
    assert_eq!(none["agent_versions"], json!([]));
    api.get(&format!("/organization/agent/{MISSING}/version")).refused(404, MISSING);
    let bad = api.get("/organization/agent/xyz/version");
    bad.invalid("string_pattern_mismatch", json!(["path", "agent_id"]));
}

#[test]
fn versions_have_every_required_field() {
    let api = TestServer::new();
    let path = format!("/organization/agent/{AGENT}/version?version=latest");
    let agent = api.get(&path).expect(200).json()["agent_versions"][0].clone();
    for field in [
        "agent_id",
        "background",
        "behaviors",
        "communication_patterns",
        "created_at",
        "creator",
        "id",
        "identity",
        "initials",
        "org_id",
        "version",
        "voice_config",
    ] {
        assert!(agent.get(field).is_some(), "{field}");
    }
    assert_eq!(agent["initials"], "CM");
    let path = format!("/organization/service_hierarchical_state_machine/{GRAPH}/version?version=2");
    let graph = api.get(&path).expect(200).json()["state_machine_versions"][0].clone();
    for field in [
        "created_at",
        "creator",
        "description",
        "global_action_guidelines",
        "global_boundary_constraints",
        "global_intra_state_navigation_guidelines",
        "id",
        "new_user_initial_state",
        "org_id",
        "references",
        "returning_user_initial_state",
        "service_hierarchical_state_machine_id",
        "states",
        "terminal_state",
        "version",
    ] {
        assert!(graph.get(field).is_some(), "{field}");
    }
    assert_eq!(graph["version"], 2);
}
