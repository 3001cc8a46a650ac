//! Random plans, run for real: over HTTP, against the emulator, whole and in part.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::{Settings, run};
use crate::emulator::{self, SANDBOX_WORKSPACE, Seed, Server};
use crate::model::*;
use crate::plan::tests::build::options;
use crate::plan::tests::generate::{essence, policy, state};
use crate::plan::{self, Options, Plan, verify};
use crate::remote::{Access, AnyApi, ApiError, Classic, Credentials, Platform, Watch, read_snapshot};

const SEED: &str = "
organizations:
  lab:
    agents: [{name: A1, versions: 5}, {name: A2, versions: 5}, {name: A3, versions: 5}, {name: A4, versions: 5}]
    context_graphs: [{name: G1, versions: 5}, {name: G2, versions: 5}]
    services: [{name: first, description: x, agent: A1, context_graph: G1, active: false}]
    behavior_sets: [{name: Escalate, applied_to: [first]}]
";

struct Deaf;
impl Watch for Deaf {
    fn waiting(&self, _: Endpoint, _: Duration, _: u32) {}
    fn retrying(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn answered(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

fn server(api: Api, live: &Snapshot) -> Server {
    let mut seed = Seed::from_yaml(SEED).expect("a seed");
    seed.ensure_api_key("lab", "id", "key", "user");
    seed.mirror_organization("lab", SANDBOX_WORKSPACE);
    seed.ensure_workspace_key(SANDBOX_WORKSPACE, "key");
    let mut options =
        emulator::Options::new(Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
    options.seed = Some(seed);
    // Where somebody else's inactive service has a name, only a server that does not mind gives it to ours.
    let names: BTreeSet<_> = live.services.iter().map(|service| &service.name).collect();
    let strangers =
        live.services.iter().any(|service| !service.active && !policy().ownership.owns(&service.tags));
    options.platform.inactive_names_taken = names.len() == live.services.len() && !strangers;
    let server = Server::start(options).expect("an emulator");
    let fill = |world: &mut _| match api {
        Api::Classic => fill_organization(world, live),
        Api::Platform => fill_workspace(world, live),
    };
    server.edit(fill).expect("a state");
    server
}

/// Puts the live services into the emulator's words.
fn fill_organization(world: &mut emulator::World, live: &Snapshot) {
    let organization = world.organization("lab").expect("it is there").clone();
    let mut applied = Vec::new();
    for service in &live.services {
        let agent = &organization.agent(&service.agent.as_str().to_uppercase()).expect("an agent").id;
        let graph =
            &organization.context_graph(&service.context_graph.as_str().to_uppercase()).expect("a graph").id;
        let mut row = emulator::Service::new(service.name.as_str(), agent, graph);
        row.description.clone_from(&service.description);
        row.is_active = service.active;
        row.tags.clone_from(&service.tags);
        row.version_sets.extend(sets(service));
        let id = world.add_service("lab", row).expect("a service");
        if live.behavior_sets.get(&service.id).is_some_and(|sets| !sets.is_empty()) {
            applied.push(id);
        }
    }
    let organization = world.organization_mut("lab").expect("it is there");
    let set = organization.behavior_sets().iter().next().expect("the seed has one").id.clone();
    organization.behavior_sets_mut().get_mut(&set).expect("it is there").applied_to_services = applied;
}

/// The same for Platform. The generated field that no schema knows is left out: the server would, too.
fn fill_workspace(world: &mut emulator::World, live: &Snapshot) {
    let workspace = world.workspace_mut(SANDBOX_WORKSPACE).expect("it is there");
    let seeded: Vec<String> = workspace.services().iter().map(|service| service.id.clone()).collect();
    for id in seeded {
        workspace.services_mut().remove(&id);
    }
    let workspace = workspace.clone();
    for service in &live.services {
        let agent = &workspace.agent(&service.agent.as_str().to_uppercase()).expect("an agent").id;
        let graph =
            &workspace.context_graph(&service.context_graph.as_str().to_uppercase()).expect("a graph").id;
        let mut row = emulator::PlatformService::new(service.name.as_str(), agent, graph);
        row.description.clone_from(&service.description);
        row.is_active = service.active;
        let tag = |(key, value): (&String, &Option<String>)| emulator::ServiceTag {
            key: key.clone(),
            value: value.clone(),
        };
        row.tags = service.tags.iter().map(tag).collect();
        row.version_sets.extend(sets(service));
        row.tool_capacity = service.settings["tool_capacity"].as_u64().expect("a number") as u8;
        let block = |name: &str| {
            let normal = settings::normal(settings::SERVICE, &service.settings);
            let mut block = normal.get(name)?.as_object()?.clone();
            block.remove("unheard_of");
            Some(block)
        };
        row.voice_config = block("voice_config");
        row.escalation_policy = block("escalation_policy");
        world.add_platform_service(SANDBOX_WORKSPACE, row).expect("a service");
    }
}

fn sets(service: &LiveService) -> impl Iterator<Item = (String, emulator::VersionSet)> {
    let number = |pin: Pin| match pin {
        Pin::Latest => None,
        Pin::Number(number) => Some(number),
    };
    service.version_sets.iter().map(move |(name, set)| {
        let set = emulator::VersionSet {
            agent_version: number(set.agent_version),
            context_graph_version: number(set.context_graph_version),
            ..emulator::VersionSet::default()
        };
        (name.as_str().to_owned(), set)
    })
}

fn connect(api: Api, server: &Server) -> AnyApi {
    let credentials = match api {
        Api::Classic => {
            Credentials::SignIn { api_key: "key".into(), api_key_id: "id".into(), user_id: "user".into() }
        }
        Api::Platform => Credentials::Key("key".into()),
    };
    let access = Access {
        base_url: server.url(),
        organization: if api == Api::Classic { "lab" } else { SANDBOX_WORKSPACE }.to_owned(),
        headers: std::collections::BTreeMap::new(),
        credentials,
        now: Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        random: Arc::new(|| 0.5),
        watch: Arc::new(Deaf),
        stop: crate::remote::Stop::default(),
    };
    match api {
        Api::Classic => AnyApi::Classic(Classic::new(access).expect("a connection")),
        Api::Platform => AnyApi::Platform(Platform::new(access, None).expect("a connection")),
    }
}

/// Reads and plans; none where no plan can be made.
async fn planned(api: &AnyApi, desired: &Desired, options: &Options) -> Option<(Snapshot, Plan)> {
    let policy = policy();
    let snapshot = read_snapshot(api, |snapshot| plan::lookups(desired, snapshot, &policy, options))
        .await
        .expect("read");
    let plan = plan::plan(desired, &snapshot, &policy, options).ok()?;
    let violations = verify::verify(desired, &snapshot, &policy, options, &plan);
    assert!(violations.is_empty(), "the verifier refuses: {violations:#?}");
    Some((snapshot, plan))
}

async fn apply(api: &AnyApi, snapshot: &Snapshot, plan: &Plan, steps: usize) -> super::Report {
    let left = Cell::new(steps);
    let settings = Settings {
        parallelism: 4,
        known: snapshot.services.iter().map(|service| service.id.clone()).collect(),
        stop: &|| left.get() == 0,
    };
    let mut events = |event: super::Event| {
        if matches!(event, super::Event::Started(_)) {
            left.set(left.get() - 1);
        }
    };
    run(api, plan, &settings, &mut events).await
}

/// One random pair of states: the plan is applied, cut off after `cut` steps and then to its end. Gives how
/// many steps ran, or none where there is no plan.
async fn one(kind: Api, desired: &Desired, live: &Snapshot, cut: usize) -> Option<usize> {
    let server = server(kind, live);
    let api = connect(kind, &server);
    let options = Options { api: kind, prune: cut.is_multiple_of(2), ..options() };
    let (snapshot, whole) = planned(&api, desired, &options).await?;
    let expected = verify::outcome(&snapshot, &whole.steps, kind);
    let first = apply(&api, &snapshot, &whole, cut).await;
    assert_eq!(first.counts().1, 0, "no step fails: {first:#?}");
    let (between, rest) = planned(&api, desired, &options).await.expect("the rest can be planned");
    let second = apply(&api, &between, &rest, usize::MAX).await;
    assert!(second.is_complete(), "every step is done: {second:#?}");
    let (after, nothing) = planned(&api, desired, &options).await.expect("the end can be planned");
    assert!(nothing.is_empty(), "nothing is left: {nothing:#?}");
    let by_name = |snapshot: &Snapshot| {
        let mut names: Vec<_> = essence(desired, snapshot);
        names.dedup();
        names
    };
    assert_eq!(by_name(&after), by_name(&expected), "the emulator ends where the verifier says");
    assert_eq!(after.services.len(), expected.services.len(), "no duplicate");
    let ids: BTreeSet<_> = after.services.iter().map(|service| &service.id).collect();
    assert_eq!(ids.len(), after.services.len());
    Some(whole.steps.len())
}

fn random_plans(api: Api) {
    let mut runner = TestRunner::deterministic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut plans, mut steps) = (0, 0);
    for case in 0..80_usize {
        let (desired, live) = state(api).new_tree(&mut runner).expect("a value").current();
        if let Some(ran) = runtime.block_on(one(api, &desired, &live, case % 7)) {
            plans += 1;
            steps += ran;
        }
    }
    assert!(plans >= 30 && steps >= 100, "{plans} plans with {steps} steps prove little");
}

#[test]
fn random_plans_run_to_the_end_that_was_planned_even_in_two_parts_on_classic() {
    random_plans(Api::Classic);
}

#[test]
fn random_plans_run_to_the_end_that_was_planned_even_in_two_parts_on_platform() {
    random_plans(Api::Platform);
}
