//! Tests of the endpoints for dynamic behavior sets.

use serde_json::{Value, json};

use super::harness::{MISSING, SERVICE, TestServer};

const SAFETY: &str = "/dynamic_behavior_set/222222222222222222222222/";
const TONE: &str = "/dynamic_behavior_set/333333333333333333333333/";

fn names(api: &TestServer, query: &str) -> Vec<Value> {
    let list = api.get(&format!("/dynamic_behavior_set/?{query}")).expect(200).json();
    list["dynamic_behavior_sets"].as_array().unwrap().iter().map(|set| set["name"].clone()).collect()
}

#[test]
fn sets_are_filtered() {
    let api = TestServer::new();
    assert_eq!(names(&api, ""), ["Safety", "Tone"]);
    assert_eq!(
        names(&api, &format!("applied_to_service={SERVICE}&applied_to_service={MISSING}")),
        ["Safety"]
    );
    assert_eq!(names(&api, "is_active=false"), ["Tone"]);
    assert_eq!(names(&api, "id=333333333333333333333333"), ["Tone"]);
    assert_eq!(names(&api, "tag=kind:safety"), ["Safety"]);
    assert_eq!(names(&api, "creator=operator").len(), 2);
    assert_eq!(names(&api, "creator=nobody").len(), 0);
    assert_eq!(names(&api, "limit=50").len(), 2);
    api.get("/dynamic_behavior_set/?limit=51").invalid("less_than_equal", json!(["query", "limit"]));
    let bad = api.get("/dynamic_behavior_set/?applied_to_service=x");
    bad.invalid("string_pattern_mismatch", json!(["query", "applied_to_service", 0]));
}

#[test]
fn a_set_has_every_required_field() {
    let api = TestServer::new();
    let list = api.get("/dynamic_behavior_set/?limit=1").expect(200).json();
    assert_eq!((&list["has_more"], &list["continuation_token"]), (&json!(true), &json!(1)));
    assert_eq!(list["filter_values"]["applied_to_services_ids"], json!([SERVICE]));
    let expected = json!({
        "id": "222222222222222222222222", "name": "Safety", "is_active": true,
        "applied_to_services": [SERVICE], "tags": {"kind": "safety"},
        "creator": {"org_id": "acme", "user_id": "operator"},
        "updated_by": {"org_id": "acme", "user_id": "operator"},
        "created_at": "2027-01-15T08:00:00Z", "updated_at": "2027-01-15T08:00:00Z",
    });
    assert_eq!(list["dynamic_behavior_sets"][0], expected);
}

#[test]
fn an_update_replaces_the_services() {
    let api = TestServer::new();
    let new = api.create(&json!({}));
    api.post(SAFETY, &json!({"applied_to_services": [new]})).expect(204);
    assert_eq!(names(&api, &format!("applied_to_service={SERVICE}")).len(), 0);
    assert_eq!(names(&api, &format!("applied_to_service={new}")), ["Safety"]);
    api.post(SAFETY, &json!({"applied_to_services": [new, MISSING]})).refused(404, MISSING);
    api.post(SAFETY, &json!({"applied_to_services": null, "tags": {}})).expect(204);
    assert_eq!(names(&api, &format!("applied_to_service={new}")), ["Safety"], "null changes nothing");
    api.post(SAFETY, &json!({"applied_to_services": []})).expect(204);
    assert_eq!(names(&api, &format!("applied_to_service={new}")).len(), 0);
    let missing = format!("/dynamic_behavior_set/{MISSING}/");
    api.post(&missing, &json!({"applied_to_services": []})).refused(404, MISSING);
    api.post(TONE, &json!({"name": "Safety", "is_active": true})).refused(409, "Safety");
    let bad = api.post(TONE, &json!({"applied_to_services": ["x"]}));
    bad.invalid("string_pattern_mismatch", json!(["body", "applied_to_services", 0]));
}
