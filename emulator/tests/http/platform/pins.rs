//! Tests that version sets can pin only versions that exist.

use serde_json::{Value, json};

use super::harness::{GRAPH, NOVICE, SERVICE, SHORT_GRAPH, UNBORN, WorkspaceServer, problems};

fn upsert(api: &WorkspaceServer, set: Value) -> super::super::harness::Reply {
    api.put(&format!("/services/{SERVICE}/version-sets/release"), json!({"version_set": set}))
}

#[test]
fn a_pinned_version_must_exist() {
    let api = WorkspaceServer::new();
    for fine in [json!(1), json!(5), json!(null)] {
        upsert(&api, json!({"agent_version_number": fine})).expect(204);
    }
    for bad in [json!(0), json!(-1), json!(6), json!(u64::MAX)] {
        let at = problems(upsert(&api, json!({"agent_version_number": bad})));
        assert_eq!(at, ["value_error body.version_set.agent_version_number"]);
    }
    let at = problems(upsert(&api, json!({"agent_version_number": 6, "context_graph_version_number": 7})));
    assert_eq!(at.len(), 2);
    upsert(&api, json!({"context_graph_version_number": 7})).refused(422, "has no version 7");
}

#[test]
fn problems_of_pins_in_a_map_have_their_location() {
    let api = WorkspaceServer::new();
    let sets =
        json!({"version_sets": {"a": {"agent_version_number": 9}, "b": {"context_graph_version_number": 0}}});
    let expected = [
        "value_error body.version_sets.a.agent_version_number",
        "value_error body.version_sets.b.context_graph_version_number",
    ];
    assert_eq!(problems(api.create(sets.clone())), expected);
    assert_eq!(problems(api.update(sets)), expected);
}

#[test]
fn latest_needs_at_least_one_version() {
    let api = WorkspaceServer::new();
    let sets = json!({"agent_id": UNBORN, "version_sets": {"a": {}}});
    assert_eq!(problems(api.create(sets)), ["value_error body.version_sets.a.agent_version_number"]);
    let made = api.create(json!({"agent_id": UNBORN})).expect(201).json();
    let path = format!("/services/{}/version-sets/a", made["id"].as_str().unwrap());
    api.put(&path, json!({"version_set": {}})).refused(422, "has no versions");
}

#[test]
fn a_new_agent_must_have_the_versions_of_kept_sets() {
    let api = WorkspaceServer::new();
    let at = problems(api.update(json!({"agent_id": NOVICE})));
    assert_eq!(at, ["value_error body.agent_id"], "release pins version 3, staging the latest");
    let at = problems(api.update(json!({"agent_id": UNBORN, "context_graph_id": SHORT_GRAPH})));
    assert_eq!(
        at,
        [
            "value_error body.agent_id",
            "value_error body.agent_id",
            "value_error body.context_graph_id",
            "value_error body.context_graph_id"
        ]
    );
    let with = |version: u32| json!({"agent_id": NOVICE, "version_sets": {"release": {"agent_version_number": version}}});
    assert_eq!(problems(api.update(with(3))), ["value_error body.version_sets.release.agent_version_number"]);
    api.update(with(2)).expect(200);
    api.update(json!({"agent_id": NOVICE, "context_graph_id": GRAPH})).expect(200);
}

#[test]
fn only_changed_sets_are_checked() {
    let api = WorkspaceServer::new();
    let lower = |world: &mut amigops_emulator::World| {
        let home = world.workspace_mut("5a4db0c5-0000-4000-8000-000000000000").unwrap();
        let id = home.agent("Coach Maya").unwrap().id.clone();
        home.agents_mut().get_mut(&id).unwrap().versions = 2;
    };
    api.0.server().edit(lower).unwrap();
    api.update(json!({"description": "New"})).expect(200);
    api.put(&format!("/services/{SERVICE}/version-sets/staging"), json!({"version_set": {}})).expect(204);
    upsert(&api, json!({"agent_version_number": 3})).refused(422, "has no version 3");
}

#[test]
fn unknown_models_are_refused() {
    let seed = super::harness::SEED
        .replace("    services:\n      - name: Health", "    llms: [m]\n    services:\n      - name: Health");
    let api = WorkspaceServer::seeded(&seed, |_| {});
    upsert(&api, json!({"llm_model_preferences": {"t": {"llm_name": "m"}}})).expect(204);
    let at = problems(upsert(&api, json!({"llm_model_preferences": {"t": {"llm_name": "n"}}})));
    assert_eq!(at, ["value_error body.version_set.llm_model_preferences.t.llm_name"]);
}
