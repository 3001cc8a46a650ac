//! Tests of state files and seeds.

use std::path::Path;

use amigops_emulator::{Options, PlatformService, SANDBOX_WORKSPACE, Seed, Server, World};
use serde_json::json;

use super::super::harness::{Clock, SEED as CLASSIC, TestServer};
use super::harness::{SEED, SERVICE, WorkspaceServer};

fn open(path: &Path, seed: Option<Seed>) -> Server {
    let mut options = Options::new(Clock::new().source());
    options.state = Some(path.to_owned());
    options.seed = seed;
    Server::start(options).unwrap()
}

#[test]
fn everything_survives_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    let kept = || WorkspaceServer::with(|options| options.state = Some(path.clone()));
    let api = kept();
    let made = api.create(json!({"name": "Second", "tags": [{"key": "a"}]})).expect(201).json();
    api.update(json!({"voice_config": {"min_tts_speed": 1}, "version_sets": {"a": {}}})).expect(200);
    let before = api.get("/services").expect(200).text;
    let agents = api.get("/agents").expect(200).text;
    drop(api);
    let api = kept();
    assert_eq!(api.get("/services").expect(200).text, before);
    assert_eq!(api.get("/agents").expect(200).text, agents);
    let third = api.create(json!({"name": "Third"})).expect(201).json();
    assert_ne!(third["id"], made["id"], "ids are never used twice");
}

#[test]
fn a_state_file_without_workspaces_can_be_opened() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    open(&path, Some(Seed::from_yaml(CLASSIC).unwrap())).stop();
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    let rows: redb::TableDefinition<(&str, &str, &str), &[u8]> =
        redb::TableDefinition::new("amigops_emulator_workspace_rows");
    assert!(write.delete_table(rows).unwrap(), "the table that such a file lacks");
    write.commit().unwrap();
    drop(database);
    let server = open(&path, Some(Seed::from_yaml(SEED).unwrap()));
    let world = server.world();
    assert!(world.organization("acme").unwrap().service("Health Coach").is_some());
    assert_eq!(world.workspace(SANDBOX_WORKSPACE).unwrap().services().len(), 3);
    server.stop();
    assert_eq!(open(&path, None).world(), world);
}

#[test]
fn seeding_again_only_adds_missing_items() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    open(&path, Some(Seed::from_yaml(SEED).unwrap())).stop();
    let more = SEED
        .replace("Coach Maya, versions: 5", "Coach Maya, versions: 9")
        .replace("Novice, versions: 2", "Novice, versions: 1")
        .replace("{key: nothing, id: nobody", "{key: changed, id: nobody")
        .replace("description: Coaches", "description: Changed");
    for _ in 0..2 {
        let server = open(&path, Some(Seed::from_yaml(&more).unwrap()));
        let world = server.world();
        let api = world.workspace(SANDBOX_WORKSPACE).unwrap();
        let versions = |name: &str| api.agent(name).unwrap().versions;
        assert_eq!((versions("Coach Maya"), versions("Novice"), api.agents().len()), (9, 2, 3));
        assert_eq!(api.api_keys().get("nobody").unwrap().key, "changed");
        assert_eq!(api.service(SERVICE).unwrap().description, "Coaches");
        assert_eq!((api.services().len(), api.api_keys().len()), (3, 3));
    }
}

#[test]
fn an_operators_edit_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    let server = open(&path, Some(Seed::from_yaml(SEED).unwrap()));
    let edit = |world: &mut World| {
        let agent = world.add_workspace_agent(SANDBOX_WORKSPACE, "Second", 3).unwrap();
        let graph = world.add_workspace_context_graph(SANDBOX_WORKSPACE, "Second Flow", 1).unwrap();
        let new = PlatformService::new("By hand", &agent, &graph);
        world.add_platform_service(SANDBOX_WORKSPACE, new.clone()).unwrap();
        assert!(world.add_platform_service("elsewhere", new).is_none());
        let api = world.workspace_mut(SANDBOX_WORKSPACE).unwrap();
        api.service_mut("Health Coach").unwrap().description = "Edited".to_owned();
        assert!(api.services_mut().remove("11111111-0000-4000-8000-000000000002"));
    };
    server.edit(edit).unwrap();
    let world = server.world();
    server.stop();
    let server = open(&path, None);
    assert_eq!(server.world(), world);
    let api = world.workspace(SANDBOX_WORKSPACE).unwrap();
    assert_eq!(api.service("By hand").unwrap().version_sets.len(), 0);
    assert_eq!(api.service("Health Coach").unwrap().description, "Edited");
    assert_eq!((api.services().len(), world.workspaces().count()), (3, 2));
}

#[test]
fn a_key_is_added_if_it_is_missing() {
    let mut seed = Seed::from_yaml(SEED).unwrap();
    seed.ensure_workspace_key("sandbox", "added");
    seed.ensure_workspace_key(SANDBOX_WORKSPACE, "reading");
    seed.ensure_workspace_key("77777777-0000-4000-8000-000000000000", "fresh");
    let api = WorkspaceServer::with(|options| options.seed = Some(seed));
    api.send_as("added", "GET", "/agents", None).expect(200);
    api.send_as("reading", "GET", "/agents", None).expect(403);
    api.send_as("fresh", "GET", "/agents", None).expect(403);
}

#[test]
fn an_organization_can_be_copied_to_a_workspace() {
    let classic = CLASSIC
        .replace("    behavior_sets:", "    llms: [m]\n    replies: {greeting: Hi}\n    behavior_sets:");
    let mut seed = Seed::from_yaml(&classic).unwrap();
    seed.mirror_organization("acme", "sandbox");
    seed.mirror_organization("globex", "sandbox");
    seed.mirror_organization("nobody", "77777777-0000-4000-8000-000000000000");
    seed.ensure_workspace_key("sandbox", "all");
    let mut options = Options::new(Clock::new().source());
    options.seed = Some(seed);
    let api = WorkspaceServer(TestServer::unsigned(Clock::new(), Server::start(options).unwrap()));
    let world = api.0.server().world();
    assert_eq!(world.workspaces().count(), 1);
    let home = world.workspace(SANDBOX_WORKSPACE).unwrap();
    assert_eq!((home.agents().len(), home.context_graphs().len(), home.services().len()), (4, 3, 1));
    assert_eq!(home.settings(), world.organization("acme").unwrap().settings());
    let id = home.service("Health Coach").unwrap().id.clone();
    let shown = api.shown(&id);
    assert_eq!((id.len(), &shown["description"]), (36, &json!("Coaches")));
    assert_eq!(shown["tags"], json!([{"key": "audited", "value": null}, {"key": "team", "value": "care"}]));
    let staging = json!({"agent_version_number": null, "context_graph_version_number": 6,
        "llm_model_preferences": {}});
    assert_eq!(shown["version_sets"]["staging"], staging, "what only the Classic API knows is left out");
    let names: Vec<_> = shown["version_sets"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["release", "staging", "tested"], "no set appears by itself");
}

#[test]
fn errors_in_a_seed_have_a_location() {
    let wrong = |text: &str, line: u64, part: &str| {
        let error = Seed::from_yaml(text).err().unwrap();
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    let start = "workspaces:\n  sandbox:\n    agents: [{name: A, versions: 2}, {name: U, versions: 0}]\n    \
        context_graphs: [{name: G}]\n";
    let service =
        |rest: &str| format!("{start}    services:\n      - {{name: S, context_graph: G, {rest}}}\n");
    Seed::from_yaml(&service("agent: U")).unwrap();
    wrong("workspaces:\n  sandbox:\n    behavior_sets: []\n", 3, "behavior_sets");
    wrong("workspaces:\n  acme: {}\n", 0, "a UUID or `sandbox`");
    wrong(&service("agent: B"), 6, "no agent named");
    wrong(&service("agent: A, id: 111111111111111111111111"), 6, "not a UUID");
    wrong(&service("agent: A, tool_capacity: 11"), 6, "1 to 10");
    wrong(&service("agent: A, channel_type: fax"), 6, "fax");
    wrong(&service("agent: A, voice_config: {tts_model: x}"), 6, "tts_model: Input should be");
    wrong(&service("agent: A, escalation_policy: {risk_scorer: {type: x}}"), 6, "risk_scorer");
    wrong(&service("agent: A, version_sets: {a: {agent_version: 3}}"), 6, "no version 3");
    wrong(&service("agent: U, version_sets: {a: {}}"), 6, "no versions");
    wrong(&service("agent: A, version_sets: {a: {llm_model_preferences: {t: {}}}}"), 6, "llm_name");
    wrong("workspaces:\n  sandbox:\n    api_keys: [{key: a, permissions: [Nope]}]\n", 3, "Nope");
    assert!(Seed::from_yaml(&format!("workspaces: {{sandbox: {{}}, {SANDBOX_WORKSPACE}: {{}}}}")).is_err());
}
