//! Tests of listing services: pages, filters and sort orders.

use serde_json::{Value, json};

use super::harness::{GRAPH, MISSING, SERVICE, TestServer};

fn names(list: &Value) -> Vec<&str> {
    list["services"].as_array().unwrap().iter().map(|service| service["name"].as_str().unwrap()).collect()
}

#[test]
fn a_service_has_every_required_field() {
    let api = TestServer::new();
    let shown = api.shown(SERVICE);
    let expected = json!({
        "id": SERVICE, "name": "Health Coach", "description": "Coaches", "is_active": true,
        "agent_id": "aaaaaaaaaaaaaaaaaaaaaaaa", "service_hierarchical_state_machine_id": GRAPH,
        "tags": [{"key": "team", "value": "care"}, {"key": "audited", "value": null}],
        "keyterms": ["metformin"],
        "creator": {"org_id": "acme", "user_id": "operator"},
        "updated_by": {"org_id": "acme", "user_id": "operator"},
        "version_sets": {
            "edge": {"agent_version_number": null, "llm_model_preferences": {},
                "service_hierarchical_state_machine_version_number": null},
            "release": {"agent_version_number": 3, "llm_model_preferences": {},
                "service_hierarchical_state_machine_version_number": 5},
            "staging": {"agent_version_number": null, "llm_model_preferences": {},
                "service_hierarchical_state_machine_version_number": 6, "applied_behavior_ids": ["x"]},
            "tested": {"agent_version_number": 1, "llm_model_preferences": {},
                "service_hierarchical_state_machine_version_number": 1},
        },
    });
    assert_eq!(shown, expected);
}

#[test]
fn pages_are_in_creation_order() {
    let api = TestServer::new();
    for n in 1..45 {
        api.create(&json!({"name": format!("Service {n:02}")}));
    }
    let first = api.get("/service/").expect(200).json();
    assert_eq!(names(&first).len(), 10, "the default");
    assert_eq!(names(&first)[..2], ["Health Coach", "Service 01"]);
    assert_eq!(first["filter_values"]["tags"], json!(["audited", "team"]));
    let mut seen = 0;
    let mut token = json!(0);
    for (count, more) in [(20, true), (20, true), (5, false)] {
        let page = api.get(&format!("/service/?limit=20&continuation_token={token}")).expect(200).json();
        assert_eq!((names(&page).len(), page["has_more"].as_bool()), (count, Some(more)));
        assert_eq!(page["filter_values"].is_null(), seen > 0, "on the first page only");
        token = page["continuation_token"].clone();
        assert_eq!(token.is_i64(), more);
        seen += count;
    }
    let behind = api.get("/service/?continuation_token=9999").expect(200).json();
    assert_eq!((names(&behind).len(), &behind["has_more"]), (0, &json!(false)));
}

#[test]
fn page_sizes_out_of_range_are_422() {
    let api = TestServer::new();
    api.get("/service/?limit=20").expect(200);
    api.get("/service/?limit=21").invalid("less_than_equal", json!(["query", "limit"]));
    api.get("/service/?limit=0").invalid("greater_than", json!(["query", "limit"]));
    let huge = "/service/?limit=99999999999999999999999";
    api.get(huge).invalid("less_than_equal", json!(["query", "limit"]));
    for bad in ["ten", "", "1.5"] {
        api.get(&format!("/service/?limit={bad}")).invalid("int_parsing", json!(["query", "limit"]));
    }
    let token = json!(["query", "continuation_token"]);
    let first = api.get("/service/").expect(200).json();
    assert_eq!(api.get("/service/?continuation_token=-1").expect(200).json(), first);
    let behind = api.get("/service/?continuation_token=99999999999999999999999").expect(200).json();
    assert_eq!((names(&behind).len(), &behind["has_more"]), (0, &json!(false)));
    api.get("/service/?continuation_token=abc").invalid("int_parsing", token);
}

#[test]
fn filters_narrow_the_list() {
    let api = TestServer::new();
    let a = api.create(&json!({"name": "A", "is_active": false, "tags": {"tier": "gold", "x": "1"}}));
    let b = api.create(&json!({"name": "B", "tags": {"tier": "iron"}}));
    let list = |query: &str| {
        let list = api.get(&format!("/service/?{query}")).expect(200).json();
        names(&list).join(",")
    };
    assert_eq!(list("is_active=false"), "A");
    assert_eq!(list("is_active=true"), "Health Coach,B");
    assert_eq!(list(&format!("id={b}&id={a}")), "A,B");
    assert_eq!(list(&format!("id={MISSING}")), "");
    assert_eq!(list("tags=tier:gold"), "A");
    assert_eq!(list("tags=tier:*"), "A,B");
    assert_eq!(list("tags=tier:*&tags=x:1"), "A", "all filters must fit");
    assert_eq!(list("tags=audited:"), "Health Coach", "an empty value means null");
    assert_eq!(list("tags=tier:"), "");
    assert_eq!(list("nonsense=1"), "Health Coach,A,B", "unknown parameters are ignored");
    let filtered = api.get("/service/?tags=x:*").expect(200).json();
    assert_eq!(filtered["filter_values"]["tags"], json!(["tier", "x"]));
}

#[test]
fn malformed_filters_are_422() {
    let api = TestServer::new();
    api.get("/service/?id=xyz").invalid("string_pattern_mismatch", json!(["query", "id", 0]));
    api.get("/service/?is_active=maybe").invalid("bool_parsing", json!(["query", "is_active"]));
    api.get("/service/?tags=team").invalid("value_error", json!(["query", "tags", 0]));
    for sort in ["name", "*name", "%2Bdescription", "+name", ""] {
        let reply = api.get(&format!("/service/?sort_by={sort}"));
        reply.invalid("value_error", json!(["query", "sort_by", 0]));
    }
}

#[test]
fn the_list_can_be_sorted() {
    let api = TestServer::new();
    for (name, active) in [("B", false), ("A", true), ("C", false), ("B", true)] {
        api.create(&json!({"name": name, "is_active": active, "description": active.to_string()}));
    }
    let list = |query: &str| {
        let list = api.get(&format!("/service/?{query}")).expect(200).json();
        let show = |service: &Value| format!("{}{}", service["name"].as_str().unwrap(), service["is_active"]);
        list["services"].as_array().unwrap().iter().map(show).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list("sort_by=%2Bname"), "Atrue Bfalse Btrue Cfalse Health Coachtrue");
    assert_eq!(list("sort_by=-name"), "Health Coachtrue Cfalse Bfalse Btrue Atrue", "ties keep their order");
    assert_eq!(list("sort_by=-is_active&sort_by=%2Bname"), "Atrue Btrue Health Coachtrue Bfalse Cfalse");
}

#[test]
fn a_large_list_is_read_quickly() {
    let api = TestServer::new();
    let edited = api.server().edit(|world| {
        let home = world.organization("acme").unwrap();
        let base = home.service("Health Coach").unwrap().clone();
        for n in 0..5_000 {
            let id = String::new();
            let service = amigops_emulator::Service { id, name: format!("Service {n}"), ..base.clone() };
            world.add_service("acme", service);
        }
    });
    edited.unwrap();
    let started = std::time::Instant::now();
    let mut token = 0;
    let mut count = 0;
    loop {
        let page = api.get(&format!("/service/?limit=20&continuation_token={token}")).expect(200).json();
        count += names(&page).len();
        match page["continuation_token"].as_u64() {
            Some(next) => token = next,
            None => break,
        }
    }
    assert_eq!(count, 5_001);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
