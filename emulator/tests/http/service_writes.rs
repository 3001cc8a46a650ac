//! Tests of creating and updating services.

use serde_json::{Value, json};

use super::harness::{
    AGENT, GRAPH, MISSING, NOVICE, OLD_AGENT, OLD_GRAPH, SERVICE, TestServer, UNBORN_AGENT, service,
};

fn release(agent: Value, graph: Value) -> Value {
    json!({"release_version_set": {"agent_version_number": agent,
        "service_hierarchical_state_machine_version_number": graph, "llm_model_preferences": {}}})
}

#[test]
fn a_new_service_has_edge_and_release() {
    let api = TestServer::new();
    let latest = json!({"agent_version_number": null, "llm_model_preferences": {},
        "service_hierarchical_state_machine_version_number": null});
    let id = api.create(&json!({}));
    assert_eq!(api.shown(&id)["version_sets"], json!({"edge": latest, "release": latest}));
    let mut changes = release(json!(2), json!(4));
    changes["name"] = json!("Pinned");
    let sets = api.shown(&api.create(&changes))["version_sets"].clone();
    assert_eq!(sets["edge"], latest);
    assert_eq!(sets["release"]["agent_version_number"], 2);
    assert_eq!(sets["release"]["service_hierarchical_state_machine_version_number"], 4);
}

#[test]
fn ids_differ_at_both_ends_and_the_user_is_recorded() {
    let api = TestServer::new();
    let a = api.create(&json!({"name": "A"}));
    let b = api.create(&json!({"name": "B"}));
    assert!(a.len() == 24 && a[..6] != b[..6] && a[18..] != b[18..], "{a} {b}");
    assert_eq!(api.shown(&a)["creator"], json!({"org_id": "acme", "user_id": "maya"}));
}

#[test]
fn texts_are_stripped() {
    let api = TestServer::new();
    let id = api.create(&json!({"name": "  Name ", "description": "\ttext\n",
        "keyterms": [" blood sugar "], "tags": {" tier ": " gold "}}));
    let shown = api.shown(&id);
    assert_eq!((&shown["name"], &shown["description"]), (&json!("Name"), &json!("text")));
    assert_eq!(shown["keyterms"], json!(["blood sugar"]));
    assert_eq!(shown["tags"], json!([{"key": "tier", "value": "gold"}]));
}

#[test]
fn required_fields_are_required() {
    let api = TestServer::new();
    for field in [
        "name",
        "description",
        "is_active",
        "keyterms",
        "tags",
        "agent_id",
        "service_hierarchical_state_machine_id",
    ] {
        let body = service(&json!({field: null}));
        api.post("/service/", &body).invalid("missing", json!(["body", field]));
    }
    let all = api.post("/service/", &json!({})).expect(422).json();
    assert_eq!(all["detail"].as_array().unwrap().len(), 7, "all problems at once");
}

#[test]
fn wrong_values_are_422() {
    let api = TestServer::new();
    let many: Vec<String> = (0..21).map(|n| format!("k{n}")).collect();
    let tags: serde_json::Map<String, Value> = many.iter().map(|key| (key.clone(), json!("v"))).collect();
    let cases = [
        (json!({"name": " "}), "string_too_short", json!(["body", "name"])),
        (json!({"name": 7}), "string_type", json!(["body", "name"])),
        (json!({"description": ""}), "string_too_short", json!(["body", "description"])),
        (json!({"is_active": "yes"}), "bool_type", json!(["body", "is_active"])),
        (
            json!({"agent_id": "AAAAAAAAAAAAAAAAAAAAAAAA"}),
            "string_pattern_mismatch",
            json!(["body", "agent_id"]),
        ),
        (json!({"keyterms": {}}), "list_type", json!(["body", "keyterms"])),
        (json!({"keyterms": ["Metformin"]}), "string_pattern_mismatch", json!(["body", "keyterms", 0])),
        (json!({"keyterms": ["a b c d"]}), "string_pattern_mismatch", json!(["body", "keyterms", 0])),
        (json!({"keyterms": vec!["a"; 21]}), "too_long", json!(["body", "keyterms"])),
        (json!({"tags": []}), "dict_type", json!(["body", "tags"])),
        (json!({"tags": {"a-b": "v"}}), "string_pattern_mismatch", json!(["body", "tags", "a-b", "[key]"])),
        (json!({"tags": {"a": "x:y"}}), "string_pattern_mismatch", json!(["body", "tags", "a"])),
        (json!({"tags": {"a": ""}}), "string_too_short", json!(["body", "tags", "a"])),
        (json!({"tags": tags}), "too_long", json!(["body", "tags"])),
        (
            release(json!("3"), json!(1)),
            "int_type",
            json!(["body", "release_version_set", "agent_version_number"]),
        ),
        (
            release(json!(1.5), json!(1)),
            "int_from_float",
            json!(["body", "release_version_set", "agent_version_number"]),
        ),
        (
            json!({"release_version_set": {}}),
            "missing",
            json!(["body", "release_version_set", "llm_model_preferences"]),
        ),
    ];
    for (changes, kind, loc) in cases {
        api.post("/service/", &service(&changes)).invalid(kind, loc);
    }
    api.create(&json!({"keyterms": vec!["a"; 20], "tags": {"größe": "Ä ö_1"}}));
}

#[test]
fn agent_and_context_graph_must_exist_and_have_versions() {
    let api = TestServer::new();
    let create = |changes: &Value| api.post("/service/", &service(changes));
    create(&json!({"agent_id": MISSING})).refused(404, "agent");
    create(&json!({"service_hierarchical_state_machine_id": MISSING})).refused(404, "state machine");
    create(&json!({"agent_id": UNBORN_AGENT})).refused(400, "no versions");
    create(&json!({"service_hierarchical_state_machine_id": "ffffffffffffffffffffffff"}))
        .refused(400, "no versions");
    create(&release(json!(6), json!(1))).refused(400, "no version 6");
    create(&release(json!(0), json!(1))).refused(400, "no version 0");
    create(&release(json!(-1), json!(1))).refused(400, "no version");
    create(&release(json!(18446744073709551615u64), json!(1))).refused(400, "no version");
    create(&release(json!(1e300), json!(1))).refused(400, "no version");
    create(&release(json!(1), json!(7))).refused(400, "Coaching Flow");
}

#[test]
fn llms_must_be_on_the_list_if_there_is_one() {
    let body = |llm: Value| {
        service(&json!({"release_version_set": {"agent_version_number": 1, "llm_model_preferences":
            {"EngageUser": {"llm_name": llm}}, "service_hierarchical_state_machine_version_number": 1}}))
    };
    let api = TestServer::new();
    api.post("/service/", &body(json!(""))).refused(400, "LLM");
    let at = ["body", "release_version_set", "llm_model_preferences", "EngageUser", "llm_name"];
    api.post("/service/", &body(json!(1))).invalid("string_type", json!(at));
    let id = api.post("/service/", &body(json!("any"))).expect(201).json()["id"].clone();
    let shown = api.shown(id.as_str().unwrap());
    let preference = &shown["version_sets"]["release"]["llm_model_preferences"]["EngageUser"];
    assert_eq!(*preference, json!({"llm_name": "any", "params": {}}), "params have a default");
    let edit = |world: &mut amigops_emulator::World| {
        let home = world.organization_mut("acme").unwrap();
        home.settings_mut().llms = Some(["known".to_owned()].into());
    };
    api.server().edit(edit).unwrap();
    api.post("/service/", &body(json!("any"))).refused(400, "any");
    let mut known = body(json!("known"));
    known["name"] = json!("Another");
    api.post("/service/", &known).expect(201);
}

#[test]
fn only_active_names_are_unique() {
    let api = TestServer::new();
    api.post("/service/", &service(&json!({"name": " Health Coach "}))).refused(409, "Health Coach");
    let twin = api.create(&json!({"name": "Health Coach", "is_active": false}));
    api.create(&json!({"name": "Health Coach", "is_active": false}));
    api.post(&format!("/service/{twin}/"), &json!({"is_active": true})).refused(409, "Health Coach");
    api.post(&format!("/service/{twin}/"), &json!({"is_active": true, "name": "Twin"})).expect(200);
    api.post(&format!("/service/{twin}/"), &json!({"name": "Health Coach"})).refused(409, "Health Coach");
    api.post(&format!("/service/{twin}/"), &json!({"name": "Twin"})).expect(200);
    api.post(&format!("/service/{twin}/"), &json!({"name": "Health Coach", "is_active": false})).expect(200);
}

#[test]
fn an_update_changes_only_fields_that_are_not_null() {
    let api = TestServer::new();
    let id = api.create(&json!({"tags": {"a": "b"}, "keyterms": ["x"]}));
    let path = format!("/service/{id}/");
    let before = api.shown(&id);
    let nulls = json!({"name": null, "description": null, "is_active": null, "tags": null, "keyterms": null,
        "agent_id": null, "service_hierarchical_state_machine_id": null});
    let reply = api.post(&path, &nulls).expect(200);
    assert_eq!(reply.text, "null");
    api.post(&path, &json!({})).expect(200);
    assert_eq!(api.shown(&id), before);
    api.sign_in_as("other", "noor");
    api.post(&path, &json!({"description": " new ", "tags": {}, "keyterms": []})).expect(200);
    let after = api.shown(&id);
    assert_eq!((&after["tags"], &after["keyterms"]), (&json!([]), &json!([])), "empty clears");
    assert_eq!((&after["description"], &after["name"]), (&json!("new"), &before["name"]));
    assert_eq!(after["updated_by"]["user_id"], "noor");
    assert_eq!(after["creator"]["user_id"], "maya");
    api.post(&path, &json!({"name": " "})).invalid("string_too_short", json!(["body", "name"]));
}

#[test]
fn an_update_needs_its_service() {
    let api = TestServer::new();
    api.post(&format!("/service/{MISSING}/"), &json!({})).refused(404, MISSING);
    api.post("/service/short/", &json!({})).invalid("string_pattern_mismatch", json!(["path", "service_id"]));
}

#[test]
fn a_service_with_a_deprecated_agent_cannot_be_activated() {
    let api = TestServer::new();
    let graph = "service_hierarchical_state_machine_id";
    let a = api.create(&json!({"name": "A", "is_active": false, "agent_id": OLD_AGENT}));
    let b = api.create(&json!({"name": "B", "is_active": false, graph: OLD_GRAPH}));
    for id in [&a, &b] {
        api.post(&format!("/service/{id}/"), &json!({"is_active": true})).refused(400, "deprecated");
    }
    api.post(&format!("/service/{a}/"), &json!({"is_active": true, "agent_id": AGENT})).expect(200);
}

#[test]
fn a_service_in_a_unit_test_stays_active() {
    let api = TestServer::new();
    let path = format!("/service/{SERVICE}/");
    api.post(&path, &json!({"is_active": false})).refused(400, "unit test");
    api.post(&path, &json!({"is_active": true, "name": "Renamed"})).expect(200);
    let forget = |world: &mut amigops_emulator::World| {
        let tests = world.organization_mut("acme").unwrap().unit_tests_mut();
        let id = tests.iter().next().unwrap().id.clone();
        assert!(tests.remove(&id));
    };
    api.server().edit(forget).unwrap();
    api.post(&path, &json!({"is_active": false})).expect(200);
}

#[test]
fn an_agent_can_be_changed_if_all_pins_exist() {
    let api = TestServer::new();
    let path = format!("/service/{SERVICE}/");
    api.post(&path, &json!({"agent_id": NOVICE})).refused(400, "release");
    api.post(&path, &json!({"agent_id": MISSING})).refused(400, "agent");
    api.post(&path, &json!({"agent_id": UNBORN_AGENT})).refused(400, "no versions");
    let id = api.create(&json!({}));
    api.post(&format!("/service/{id}/"), &json!({"agent_id": NOVICE})).expect(200);
    let shown = api.shown(&id);
    assert_eq!(
        (&shown["agent_id"], &shown["service_hierarchical_state_machine_id"]),
        (&json!(NOVICE), &json!(GRAPH))
    );
}
