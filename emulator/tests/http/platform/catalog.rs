//! Tests of the endpoints for agents, context graphs and their versions.

use serde_json::{Value, json};

use super::harness::{AGENT, GRAPH, MISSING, UNBORN, WorkspaceServer, names, problems};

#[test]
fn items_have_their_latest_version() {
    let api = WorkspaceServer::new();
    let list = api.get("/agents").expect(200).json();
    assert_eq!(names(&list), ["Coach Maya", "Novice", "Unborn"]);
    assert_eq!((&list["total"], &list["has_more"]), (&json!(3), &json!(false)));
    let maya = json!({
        "id": AGENT, "workspace_id": "5a4db0c5-0000-4000-8000-000000000000", "name": "Coach Maya",
        "description": "", "latest_version": 5, "created_at": "2027-01-15T08:00:00Z",
        "updated_at": "2027-01-15T08:04:00Z",
    });
    assert_eq!(list["items"][0], maya);
    assert_eq!(api.get(&format!("/agents/{}", AGENT.to_uppercase())).expect(200).json(), maya);
    assert_eq!(api.get(&format!("/agents/{UNBORN}")).expect(200).json()["latest_version"], 0);
    let graph = api.get(&format!("/context-graphs/{GRAPH}")).expect(200).json();
    assert_eq!((&graph["latest_version"], &graph["state_count"]), (&json!(6), &json!(1)));
    assert_eq!(api.get("/context-graphs").expect(200).json()["items"][0], graph);
}

#[test]
fn items_are_searched_sorted_and_paged() {
    let api = WorkspaceServer::new();
    let list = |query: &str| api.get(&format!("/agents?{query}")).expect(200).json();
    assert_eq!(names(&list("search=o&sort_by=-name")), ["Unborn", "Novice", "Coach Maya"]);
    assert_eq!(names(&list("search=NOV")), ["Novice"]);
    let page = list("limit=2&continuation_token=1");
    assert_eq!((names(&page), &page["has_more"]), (vec!["Novice", "Unborn"], &json!(false)));
    api.get("/agents?limit=20").expect(200);
    assert_eq!(problems(api.get("/agents?limit=21")), ["less_than_equal query.limit"]);
    assert_eq!(problems(api.get("/context-graphs?sort_by=%2Bversion")), ["value_error query.sort_by"]);
}

#[test]
fn versions_are_listed() {
    let api = WorkspaceServer::new();
    let list = |path: &str| api.get(path).expect(200).json();
    let numbers = |list: &Value| -> Vec<u64> {
        list["items"].as_array().unwrap().iter().map(|item| item["version"].as_u64().unwrap()).collect()
    };
    let all = list(&format!("/agents/{AGENT}/versions"));
    assert_eq!((numbers(&all), &all["total"]), (vec![1, 2, 3, 4, 5], &json!(5)));
    let fields = [
        "id",
        "workspace_id",
        "agent_id",
        "version",
        "name",
        "initials",
        "identity",
        "background",
        "behaviors",
        "communication_patterns",
        "created_at",
        "updated_at",
    ];
    assert!(fields.iter().all(|field| !all["items"][0][field].is_null()));
    let last = list(&format!("/context-graphs/{GRAPH}/versions?sort_by=-version&limit=1"));
    assert_eq!((numbers(&last), &last["continuation_token"]), (vec![6], &json!(1)));
    assert!(last["items"][0]["states"].is_array());
    assert_eq!(numbers(&list(&format!("/agents/{UNBORN}/versions"))), [0; 0]);
    let at = problems(api.get("/agents/x/versions?limit=21"));
    assert_eq!(at, ["less_than_equal query.limit", "uuid_parsing path.agent_id"]);
    api.get(&format!("/agents/{MISSING}/versions")).refused(404, MISSING);
    api.get(&format!("/context-graphs/{AGENT}")).refused(404, "context graph");
}

#[test]
fn writes_of_agents_and_context_graphs_are_405() {
    let api = WorkspaceServer::new();
    for path in ["/agents", "/agents/x", "/agents/x/versions", "/context-graphs", "/context-graphs/x"] {
        for method in ["POST", "PUT", "DELETE"] {
            let reply = api.send(method, path, None).expect(405);
            assert_eq!(reply.header("allow"), Some("GET"), "{method} {path}");
        }
    }
}
