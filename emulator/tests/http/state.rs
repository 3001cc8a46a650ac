//! Tests of state files, of seeds that are applied again, and of files that other programs wrote.

use std::path::Path;

use amigops_emulator::{Options, Seed, Server, StartError, StoreError};
use serde_json::json;

use super::harness::{Clock, SEED, SERVICE, TestServer};

fn server_with_state(path: &Path) -> TestServer {
    let path = path.to_owned();
    TestServer::with(move |options| options.state = Some(path))
}

fn open(path: &Path, seed: Option<&str>) -> Result<Server, StartError> {
    let mut options = Options::new(Clock::new().source());
    options.state = Some(path.to_owned());
    options.seed = seed.map(|seed| Seed::from_yaml(seed).unwrap());
    Server::start(options)
}

#[test]
fn everything_survives_a_restart_but_tokens() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("deep/er/state.redb");
    let api = server_with_state(&path);
    let id = api.create(&json!({"name": "Second", "tags": {"a": null}}));
    api.delete(&format!("/service/{SERVICE}/version_sets/staging/")).expect(204);
    api.post("/conversation/?response_format=text", &json!({"service_id": id})).expect(201);
    let (shown, first, token) = (api.shown(&id), api.shown(SERVICE), api.token());
    drop(api);

    let api = server_with_state(&path);
    assert_eq!((api.shown(&id), api.shown(SERVICE)), (shown, first));
    assert_ne!(api.token(), token);
    let bearer = format!("Bearer {token}");
    let old = api.raw("GET", "/v1/acme/service/", &[("authorization", &bearer)], None).unwrap();
    old.expect(401);
    let again = api.post("/conversation/?response_format=text", &json!({"service_id": id}));
    again.refused(400, "unfinished");
    assert_ne!(api.create(&json!({"name": "Third"})), id, "ids are never used twice");
}

#[test]
fn seeding_again_only_adds_missing_items() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    let api = server_with_state(&path);
    api.post(&format!("/service/{SERVICE}/"), &json!({"description": "Mine"})).expect(200);
    let before = api.server().world();
    drop(api);
    let more = SEED
        .replace("Coach Maya, versions: 5", "Coach Maya, versions: 9")
        .replace("Old Coach, versions: 2, deprecated: true", "Old Coach, versions: 1, deprecated: true")
        .replace("{id: nobody, key: secret", "{id: nobody, key: changed")
        .replace("      - {name: Novice", "      - {name: Extra}\n      - {name: Novice");
    for _ in 0..2 {
        let server = open(&path, Some(&more)).unwrap();
        let world = server.world();
        let acme = world.organization("acme").unwrap();
        let versions = |name: &str| acme.agent(name).unwrap().versions;
        assert_eq!((versions("Coach Maya"), versions("Old Coach"), versions("Extra")), (9, 2, 1));
        assert_eq!(acme.agents().len(), 5);
        assert_eq!(acme.api_keys().get("nobody").unwrap().key, "changed");
        assert_eq!(acme.service("Health Coach").unwrap().description, "Mine");
        assert_eq!((acme.services().len(), acme.unit_tests().len(), acme.behavior_sets().len()), (1, 1, 2));
        server.stop();
    }
    assert_eq!(before.organization("acme").unwrap().agents().len(), 4, "a copy stays as it was");
}

#[test]
fn an_operators_edit_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    let server = open(&path, Some(SEED)).unwrap();
    let edit = |world: &mut amigops_emulator::World| {
        let acme = world.organization_mut("acme").unwrap();
        acme.service_mut("Health Coach").unwrap().description = "Edited".to_owned();
        acme.agents_mut().get_mut("aaaaaaaaaaaaaaaaaaaaaaaa").unwrap().deprecated = true;
        world.add_unit_test("acme", SERVICE, "staging");
        let agent = world.add_agent("acme", "Second", 3).unwrap();
        let graph = world.add_context_graph("acme", "Second Flow", 1).unwrap();
        let new = amigops_emulator::Service::new("By hand", &agent, &graph);
        let new = world.add_service("acme", new).unwrap();
        world.add_behavior_set("acme", "By hand", &[&new]).unwrap();
    };
    server.edit(edit).unwrap();
    drop(server);
    let server = open(&path, None).unwrap();
    let world = server.world();
    let acme = world.organization("acme").unwrap();
    assert_eq!(acme.service(SERVICE).unwrap().description, "Edited");
    assert!(acme.agent("Coach Maya").unwrap().deprecated);
    assert_eq!(acme.unit_tests().len(), 2);
    let by_hand = acme.service("By hand").unwrap();
    assert_eq!(acme.agents().get(&by_hand.agent_id).unwrap().versions, 3);
    assert_eq!(by_hand.version_sets.keys().collect::<Vec<_>>(), ["edge", "release"]);
    let set = acme.behavior_sets().iter().find(|set| set.name == "By hand").unwrap();
    assert_eq!(set.applied_to_services, [by_hand.id.as_str()]);
}

#[test]
fn a_file_is_used_by_one_server() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    let first = open(&path, Some(SEED)).unwrap();
    let second = open(&path, None).err().unwrap();
    assert!(matches!(second, StartError::Store(StoreError::InUse(_))), "{second}");
    assert!(second.to_string().contains("in use by another process"));
    first.stop();
    open(&path, None).unwrap();
}

#[test]
fn files_of_other_programs_are_refused_and_unchanged() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notes.txt");
    let mut noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for text in [b"hello".to_vec(), vec![0; 10_000], noise.split_off(1), b"redb\x1A\x0A".to_vec()] {
        std::fs::write(&path, &text).unwrap();
        let error = open(&path, Some(SEED)).err().unwrap();
        assert!(matches!(error, StartError::Store(StoreError::Foreign { .. })), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }
    let error = open(home.path(), Some(SEED)).err().unwrap();
    assert!(matches!(error, StartError::Store(StoreError::Failed { .. })), "{error}");
}

#[test]
fn an_unknown_format_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    open(&path, Some(SEED)).unwrap().stop();
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("amigops_emulator_meta");
    write.open_table(meta).unwrap().insert("format", 99).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = open(&path, None).err().unwrap();
    assert!(error.to_string().contains("format 99"), "{error}");

    let other = home.path().join("other.redb");
    let database = redb::Database::create(&other).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(redb::TableDefinition::<&str, u64>::new("somebody")).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = open(&other, None).err().unwrap();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_taken_port_is_an_error() {
    let server = open(&tempfile::tempdir().unwrap().path().join("state.redb"), None).unwrap();
    let mut options = Options::new(Clock::new().source());
    options.listen = server.address();
    let error = Server::start(options).err().unwrap();
    assert!(error.to_string().contains("can't listen on 127.0.0.1"), "{error}");
}

#[test]
fn errors_in_a_seed_have_a_location() {
    let wrong = |text: &str, line: u64, part: &str| {
        let error = Seed::from_yaml(text).err().unwrap();
        assert_eq!(error.line, line, "{error}");
        assert!(error.column > 0 && error.to_string().contains(part), "{error}");
    };
    let start =
        "organizations:\n  acme:\n    agents: [{name: A, versions: 2}]\n    context_graphs: [{name: G}]\n";
    let service = |rest: &str| format!("{start}    services:\n      - {{name: S, {rest}}}\n");
    wrong("organizations:\n  acme:\n    agnets: []\n", 3, "agnets");
    wrong(&format!("{start}    agents2: []\n"), 5, "agents2");
    wrong(&service("agent: B, context_graph: G"), 6, "no agent named");
    wrong(&service("agent: A, context_graph: H"), 6, "no context graph named");
    wrong(
        &service("agent: A, context_graph: G, version_sets: {release: {agent_version: 3}}"),
        6,
        "no version 3",
    );
    wrong(
        &service("agent: A, context_graph: G, version_sets: {release: {agent_version: x}}"),
        6,
        "agent_version",
    );
    wrong(&service("agent: A, context_graph: G, id: xyz"), 6, "24 hexadecimal");
    wrong(
        &format!("{start}    unit_tests:\n      - {{service: S, version_set: x}}\n"),
        6,
        "no service named",
    );
    wrong("organizations:\n  acme:\n    agents:\n      - {name: A}\n      - {name: A}\n", 5, "twice");
    wrong("organizations:\n  a:\n    api_keys: [{id: a, key: b, user: c, permissions: [Nope]}]\n", 3, "Nope");
    wrong("organizations: [", 1, "");
    assert!(Seed::from_yaml("organizations: {'a/b': {}}").is_err());
    Seed::from_yaml("{}").unwrap();
}

#[test]
fn a_key_is_added_if_it_is_missing() {
    let mut seed = Seed::from_yaml("organizations: {acme: {agents: [{name: A}]}}").unwrap();
    seed.ensure_api_key("acme", "sandbox", "secret", "me");
    seed.ensure_api_key("acme", "sandbox", "ignored", "me");
    seed.ensure_api_key("fresh", "sandbox", "secret", "me");
    let mut options = Options::new(Clock::new().source());
    options.seed = Some(seed);
    let api = TestServer::unsigned(Clock::new(), Server::start(options).unwrap());
    api.sign_in("acme", "sandbox", "secret", "me").expect(200);
    api.sign_in("fresh", "sandbox", "secret", "me").expect(200);
    api.sign_in("acme", "sandbox", "ignored", "me").expect(401);
}

#[test]
fn a_truncated_file_is_an_error_not_a_panic() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state.redb");
    open(&path, Some(SEED)).unwrap().stop();
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for (n, keep) in [16, 64, 320, 4096, 9_000, whole.len() / 2, whole.len() - 1].into_iter().enumerate() {
        let cut = home.path().join(format!("cut{n}.redb"));
        std::fs::write(&cut, &whole[..keep]).unwrap();
        refused += usize::from(open(&cut, None).is_err());
    }
    assert!(refused >= 5, "{refused}");
}
