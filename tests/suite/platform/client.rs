//! Tests of the client of the Platform API over HTTP: pages, settings that the server does not clear, lost answers,
//! turns and rate limits.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amigops::model::{
    AgentId, Endpoint, LatestVersion, LiveService, Need, NewService, Pin, ServiceId, ServiceUpdate,
    SmokeTest, VersionSet,
};
use amigops::remote::{
    Access, ApiError, Budgets, ConnectionVariables, Credentials, FailureCause, Listing, Platform, ReadApi,
    RequestObserver, Stop, WriteApi,
};
use amigops_emulator::{
    Fault, Limits, Observer, Options, PlatformService, RequestInfo, SANDBOX_WORKSPACE, Seed, Server,
};
use serde_json::{Map, Value, json};

use crate::harness::wall_clock;

const KEY: &str = "s3cret-key-of-the-sandbox";
const SEED: &str = "
workspaces:
  sandbox:
    agents:
      - {name: A, versions: 5, id: aaaaaaaa-0000-4000-8000-000000000001}
      - {name: Unborn, versions: 0, id: aaaaaaaa-0000-4000-8000-000000000002}
    context_graphs: [{name: G, versions: 6, id: bbbbbbbb-0000-4000-8000-000000000001}]
    services:
      - name: Coach
        id: 11111111-0000-4000-8000-000000000001
        agent: A
        context_graph: G
        tool_capacity: 5
        voice_config: {tts_model: sonic-3, max_response_words: 30}
        version_sets:
          release: {agent_version: 3, context_graph_version: 5}
          staging: {agent_version: latest, context_graph_version: 6, llm_model_preferences: {talk: {llm_name: m}}}
";
const AGENT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const MISSING_AGENT: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const GRAPH: &str = "bbbbbbbb-0000-4000-8000-000000000001";
const COACH: &str = "11111111-0000-4000-8000-000000000001";

/// A function that returns the fault for a request, or `None` for no fault.
type FaultFor = Box<dyn Fn(&RequestInfo) -> Option<Fault> + Send + Sync>;

/// Injects faults, and records how long requests wait because of rate limits.
#[derive(Default)]
struct TestObserver {
    fault_for: Mutex<Option<FaultFor>>,
    waited: Mutex<Vec<(Endpoint, Duration)>>,
}

impl Observer for TestObserver {
    fn before(&self, request: &RequestInfo) -> Option<Fault> {
        self.fault_for.lock().unwrap().as_ref().and_then(|fault_for| fault_for(request))
    }
}

impl RequestObserver for TestObserver {
    fn on_limit_wait(&self, endpoint: Endpoint, wait: Duration, _: Option<u32>) {
        self.waited.lock().unwrap().push((endpoint, wait));
    }
    fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

/// An emulator with one service, and a client of the emulator.
struct Bench {
    server: Server,
    observer: Arc<TestObserver>,
    api: Platform,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::keyed(KEY, change)
    }

    fn keyed(key: &str, change: impl FnOnce(&mut Options)) -> Self {
        let observer = Arc::new(TestObserver::default());
        let mut seed = Seed::from_yaml(SEED).unwrap();
        seed.ensure_workspace_key(SANDBOX_WORKSPACE, KEY);
        let mut options = Options::new(wall_clock());
        options.seed = Some(seed);
        options.limits = Limits::Off;
        options.observer = Some(Arc::clone(&observer) as Arc<dyn Observer>);
        change(&mut options);
        let server = Server::start(options).unwrap();
        let access = Access {
            base_url: server.url(),
            organization: SANDBOX_WORKSPACE.to_owned(),
            headers: BTreeMap::new(),
            credentials: Credentials::Key(key.into()),
            variables: ConnectionVariables {
                credentials: vec!["PLATFORM_API_KEY".to_owned()],
                ..ConnectionVariables::default()
            },
            now: wall_clock(),
            random: Arc::new(|| 0.0),
            observer: Arc::clone(&observer) as Arc<dyn RequestObserver>,
            stop: Stop::default(),
            deadline: None,
            budgets: Budgets::default(),
        };
        let api = Platform::new(access, None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { server, observer, api, runtime }
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    fn set_fault(&self, fault_for: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static) {
        *self.observer.fault_for.lock().unwrap() = Some(Box::new(fault_for));
    }

    /// Applies a fault to the first request with this method.
    fn fault_once(&self, method: &'static str, fault: Option<Fault>) {
        let left = Mutex::new(fault);
        self.set_fault(
            move |request| if request.method == method { left.lock().unwrap().take() } else { None },
        );
    }

    /// Returns the seed's service from the emulator's state.
    fn coach(&self) -> PlatformService {
        let world = self.server.world();
        world.workspace(SANDBOX_WORKSPACE).unwrap().services().get(COACH).unwrap().clone()
    }

    /// Returns one line for each request so far, with its method, its path below the workspace, and its status.
    fn log(&self) -> Vec<String> {
        let top = format!("/v1/{SANDBOX_WORKSPACE}");
        let line = |record: amigops_emulator::RequestRecord| {
            let status = record.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            format!("{} {} {status}", record.method, record.path.trim_start_matches(top.as_str()))
        };
        self.server.requests().into_iter().map(line).collect()
    }
}

fn coach() -> ServiceId {
    COACH.into()
}

fn settings(value: Value) -> Map<String, Value> {
    let Value::Object(settings) = value else { panic!("no settings: {value}") };
    settings
}

fn pinned(agent: u32) -> VersionSet {
    VersionSet { agent_version: Pin::Number(agent), ..VersionSet::latest() }
}

fn new_service(name: &str) -> NewService {
    NewService {
        name: name.into(),
        description: "x".to_owned(),
        active: true,
        agent: AGENT.into(),
        context_graph: GRAPH.into(),
        tags: BTreeMap::from([("a".to_owned(), None), ("team".to_owned(), Some("care".to_owned()))]),
        keyterms: vec!["Metformin".to_owned()],
        version_sets: BTreeMap::from([("release".into(), VersionSet::latest()), ("dev".into(), pinned(2))]),
        settings: settings(json!({"channel_type": "text", "voice_config": {"tts_model": "sonic-3"}})),
    }
}

fn smoke(set: &str, say: Option<&str>) -> SmokeTest {
    SmokeTest { version_set: set.into(), say: say.map(str::to_owned), expect: None }
}

fn answer(status: u16, body: &str) -> Option<Fault> {
    Some(Fault::answer(status, body))
}

fn add_services(bench: &Bench, count: usize) {
    let add = |world: &mut amigops_emulator::World| {
        for n in 0..count {
            let service = PlatformService::new(&format!("S{n}"), AGENT, GRAPH);
            world.add_platform_service(SANDBOX_WORKSPACE, service).unwrap();
        }
    };
    bench.server.edit(add).unwrap();
}

#[test]
fn a_list_is_read_to_its_end_in_large_pages() {
    let bench = Bench::new();
    add_services(&bench, 249);
    let services = bench.run(bench.api.services(Listing::All)).unwrap();
    assert_eq!(services.iter().map(|service| &service.id).collect::<BTreeSet<_>>().len(), 250);
    assert_eq!(bench.log().len(), 3, "{:?}", bench.log());
}

#[test]
fn small_pages_are_remembered_where_large_ones_are_refused() {
    let bench = Bench::with(|options| options.platform.services_page_max = 20);
    add_services(&bench, 49);
    assert_eq!(bench.run(bench.api.services(Listing::All)).unwrap().len(), 50);
    assert_eq!(bench.run(bench.api.clone().services(Listing::All)).unwrap().len(), 50);
    let log = bench.log();
    assert_eq!(log.iter().filter(|line| line.ends_with("422")).count(), 1, "{log:?}");
    assert_eq!(log.len(), 7, "{log:?}");
}

#[test]
fn a_created_service_reads_back_as_sent() {
    let bench = Bench::new();
    let new = new_service("New");
    let id = bench.run(bench.api.create_service(&new)).unwrap();
    let services = bench.run(bench.api.services(Listing::All)).unwrap();
    let found = services.into_iter().find(|service| service.id == id).unwrap();
    let LiveService { name, description, active, tags, keyterms, version_sets, settings, system, .. } = found;
    assert_eq!((name, description, active, system), (new.name, new.description, true, false));
    assert_eq!((tags, keyterms, version_sets), (new.tags, new.keyterms, new.version_sets));
    assert_eq!((&settings["channel_type"], &settings["environment"]), (&json!("text"), &json!("production")));
    assert_eq!(settings["voice_config"]["tts_model"], json!("sonic-3"));
    assert!(settings["voice_config"].get("forwarding").is_none(), "nulls are dropped: {settings:?}");
    let taken = bench.run(bench.api.create_service(&new_service("New"))).unwrap_err();
    assert_eq!(taken.status(), Some(409));
    assert!(taken.hints.iter().any(|hint| hint.contains("inactive")), "{taken:?}");
}

#[test]
fn an_update_writes_version_sets_and_leaves_the_others_alone() {
    for keeps in [false, true] {
        let bench = Bench::with(|options| options.platform.keeps_version_sets = keeps);
        let before = bench.coach();
        let update = ServiceUpdate {
            description: Some("new".to_owned()),
            version_sets: BTreeMap::from([("release".into(), pinned(4))]),
            ..ServiceUpdate::default()
        };
        bench.run(bench.api.update_service(&coach(), &update)).unwrap();
        let after = bench.coach();
        assert_eq!(
            (after.description.as_str(), after.version_sets["release"].agent_version),
            ("new", Some(4))
        );
        assert_eq!(after.version_sets["staging"], before.version_sets["staging"]);
        let own = format!("/services/{COACH}");
        assert_eq!(bench.log(), [format!("GET {own} 200"), format!("PUT {own} 200")]);
    }
}

#[test]
fn an_update_that_is_accepted_but_not_applied_is_an_error() {
    let bench = Bench::new();
    let cleared =
        ServiceUpdate { settings: settings(json!({"voice_config": null})), ..ServiceUpdate::default() };
    let error = bench.run(bench.api.update_service(&coach(), &cleared)).unwrap_err();
    assert_eq!(error.cause, FailureCause::NotApplied);
    assert!(error.message.contains("`voice_config` is {"), "{error}");
    assert!(error.may_have_happened() && !error.hints.is_empty());

    let words = json!({"voice_config": {"tts_model": "sonic-3", "max_response_words": null}});
    let update = ServiceUpdate { settings: settings(words), ..ServiceUpdate::default() };
    let stale = json!({"id": COACH, "name": "Coach", "agent_id": AGENT, "context_graph_id": GRAPH,
        "voice_config": {"tts_model": "sonic-3", "max_response_words": 30}});
    bench.fault_once("PUT", answer(200, &stale.to_string()));
    let error = bench.run(bench.api.update_service(&coach(), &update)).unwrap_err();
    let message =
        "the server accepted the update but did not apply all of it: `voice_config.max_response_words` is 30";
    assert_eq!(error.message, message);

    // An answer that is not a service does not show the outcome, so the client reads the service.
    bench.fault_once("PUT", answer(200, "null"));
    assert_eq!(bench.run(bench.api.update_service(&coach(), &update)).unwrap_err().message, message);
    bench.run(bench.api.update_service(&coach(), &update)).unwrap();
}

#[test]
fn a_version_set_is_deleted_by_leaving_it_out() {
    let bench = Bench::new();
    bench.run(bench.api.delete_version_set(&coach(), &"staging".into())).unwrap();
    assert_eq!(bench.coach().version_sets.keys().collect::<Vec<_>>(), ["release"]);
    bench.run(bench.api.delete_version_set(&coach(), &"staging".into())).unwrap();
    let gone = ServiceId::new("99999999-0000-4000-8000-000000000000");
    bench.run(bench.api.delete_version_set(&gone, &"staging".into())).unwrap();
    assert_eq!(bench.log().iter().filter(|line| line.starts_with("PUT")).count(), 1, "{:?}", bench.log());
}

#[test]
fn a_version_set_that_the_api_keeps_is_an_error() {
    let bench = Bench::with(|options| options.platform.keeps_version_sets = true);
    let error = bench.run(bench.api.delete_version_set(&coach(), &"staging".into())).unwrap_err();
    assert_eq!(error.cause, FailureCause::NotApplied);
    assert!(error.message.starts_with("version set `staging` was not deleted"), "{error}");
    assert!(error.hints[0].contains("unmanaged_version_sets"), "{error:?}");
}

#[test]
fn concurrent_version_set_changes_of_one_service_keep_each_other() {
    let bench = Bench::new();
    bench.set_fault(|_| Some(Fault::Delay { millis: 20 }));
    let (id, five) = (coach(), pinned(5));
    let update = ServiceUpdate {
        version_sets: BTreeMap::from([("release".into(), pinned(4))]),
        ..ServiceUpdate::default()
    };
    let (staging, dev) = ("staging".into(), "dev".into());
    let all = async {
        tokio::join!(
            bench.api.delete_version_set(&id, &staging),
            bench.api.write_version_set(&id, &dev, &five),
            bench.api.update_service(&id, &update),
        )
    };
    let (deleted, written, updated) = bench.run(all);
    deleted.and(written).and(updated).unwrap();
    let sets = bench.coach().version_sets;
    let pins: Vec<_> = sets.iter().map(|(name, set)| (name.as_str(), set.agent_version)).collect();
    assert_eq!(pins, [("dev", Some(5)), ("release", Some(4))]);
}

#[test]
fn lost_answers_are_retried_except_for_a_create() {
    let bench = Bench::new();
    bench.fault_once("POST", Some(Fault::LoseAnswer));
    let error = bench.run(bench.api.create_service(&new_service("New"))).unwrap_err();
    assert!(error.may_have_happened(), "{error:?}");
    bench.fault_once("PUT", Some(Fault::LoseAnswer));
    bench.run(bench.api.delete_version_set(&coach(), &"staging".into())).unwrap();
    bench.fault_once("PUT", Some(Fault::LoseAnswer));
    bench.run(bench.api.write_version_set(&coach(), &"dev".into(), &pinned(1))).unwrap();
    bench.fault_once("DELETE", Some(Fault::LoseAnswer));
    bench.run(bench.api.delete_service(&coach())).unwrap();
    let world = bench.server.world();
    let names: Vec<_> =
        world.workspace(SANDBOX_WORKSPACE).unwrap().services().iter().map(|s| s.name.clone()).collect();
    assert_eq!(names, ["New"]);
}

#[test]
fn turns_succeed_and_failures_are_reported() {
    let bench = Bench::new();
    let talk = |test: SmokeTest| bench.run(bench.api.converse(&coach(), &test));
    assert!(!talk(smoke("release", Some("Hello"))).unwrap().is_empty());
    bench.fault_once("POST", answer(409, r#"{"detail": "a turn is in progress"}"#));
    assert!(!talk(smoke("release", Some("Hello"))).unwrap().is_empty());
    bench.fault_once("POST", answer(204, ""));
    let silent = talk(smoke("release", Some("Hello"))).unwrap_err();
    assert_eq!((silent.status(), silent.message.as_str()), (Some(204), "the agent did not answer"));
    let sent = bench.log().len();
    for test in [smoke("release", None), smoke("staging", Some("Hello"))] {
        assert_eq!(talk(test).unwrap_err().cause, FailureCause::Setup);
    }
    assert_eq!(bench.log().len(), sent, "what can't be held is not begun");
}

#[test]
fn limits_are_learned_from_responses_and_not_hit() {
    let window = Duration::from_secs(2);
    let bench = Bench::with(|options| options.limits = Limits::Documented { window });
    let need = Need::Only(BTreeSet::from([AgentId::new(AGENT)]));
    bench.run(async {
        for _ in 0..65 {
            bench.api.agents(&need).await.unwrap();
        }
    });
    let log = bench.log();
    assert!(log.len() == 65 && log.iter().all(|line| line.ends_with("200")), "{log:?}");
}

#[test]
fn few_agents_are_read_one_by_one_and_many_as_a_list() {
    let bench = Bench::new();
    let missing = |n: u8| AgentId::new(format!("99999999-0000-4000-8000-00000000000{n}"));
    let few = BTreeSet::from([AgentId::new(AGENT), AgentId::new(MISSING_AGENT), missing(0)]);
    let catalog = bench.run(bench.api.agents(&Need::Only(few.clone()))).unwrap();
    assert!(!catalog.complete && catalog.missing.contains(&missing(0)) && catalog.missing.len() == 1);
    assert_eq!(catalog.entries[AGENT].latest, LatestVersion::Number(5));
    assert_eq!(catalog.entries[MISSING_AGENT].latest, LatestVersion::None);
    assert_eq!(bench.log().len(), 3);
    let many = few.into_iter().chain((1..5).map(missing)).collect();
    let catalog = bench.run(bench.api.agents(&Need::Only(many))).unwrap();
    assert!(catalog.complete && catalog.entries.len() == 2);
    assert_eq!(bench.log().len(), 4);
    assert_eq!(bench.run(bench.api.context_graphs(&Need::All)).unwrap().name_of(&GRAPH.into()), Some("G"));
}

#[test]
fn there_are_no_behavior_sets() {
    let bench = Bench::new();
    let services = BTreeSet::from([coach()]);
    assert!(bench.run(bench.api.behavior_sets(&services)).unwrap().is_empty());
    assert_eq!(bench.run(bench.api.behavior_set(&"b".into())).unwrap(), None);
    let error = bench.run(bench.api.apply_behavior_set(&"b".into(), &"s".into())).unwrap_err();
    assert_eq!(error.cause, FailureCause::Setup);
    assert!(bench.log().is_empty());
}

#[test]
fn a_wrong_key_is_reported_once_and_never_shown() {
    let wrong = "some-other-key-entirely";
    let bench = Bench::keyed(wrong, |_| {});
    let error = bench.run(bench.api.services(Listing::All)).unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert!(error.hints[0].contains("PLATFORM_API_KEY") && error.hints[0].contains("another workspace"));
    assert!(!format!("{error:?} {:?}", bench.api).contains(wrong));
    assert_eq!(bench.log().len(), 1, "a key is not renewed");
}

#[test]
fn a_refusal_names_its_fields() {
    let bench = Bench::new();
    let short = json!({"voice_config": {"forwarding": {"forward_to": "+"}}, "tool_capacity": 99});
    let update = ServiceUpdate { settings: settings(short), ..ServiceUpdate::default() };
    let error = bench.run(bench.api.update_service(&coach(), &update)).unwrap_err();
    assert_eq!(error.status(), Some(422));
    for part in ["voice_config.forwarding.forward_to: ", "tool_capacity: "] {
        assert!(error.message.contains(part) && !error.message.contains("body."), "{error}");
    }
}
