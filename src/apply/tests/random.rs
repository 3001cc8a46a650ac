//! Random plans, run for real: over HTTP, against the emulator, whole and in part.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::super::simulation::sim::names_are_free;
use super::super::simulation::world::{ORGANIZATION, beginning, fill, seed};
use super::super::{Event, Report, Settings, run};
use crate::model::*;
use crate::plan::tests::build::options;
use crate::plan::tests::generate::{final_state, policy, state};
use crate::plan::{self, Options, Plan, verify};
use crate::remote::{
    Access, AnyApi, ApiError, Classic, Credentials, Platform, RequestObserver, StopReason, read_snapshot,
};
use amigops_emulator::{self as emulator, SANDBOX_WORKSPACE, Server};

struct Deaf;
impl RequestObserver for Deaf {
    fn on_limit_wait(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
    fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

fn server(api: Api, live: &Snapshot) -> Server {
    let mut options = emulator::Options::new(Arc::new(beginning));
    options.seed = Some(seed());
    options.platform.inactive_names_taken = names_are_free(live);
    let server = Server::start(options).expect("an emulator");
    server.edit(|world| fill(api, world, live)).expect("a state");
    server
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
        organization: if api == Api::Classic { ORGANIZATION } else { SANDBOX_WORKSPACE }.to_owned(),
        headers: std::collections::BTreeMap::new(),
        credentials,
        now: Arc::new(beginning),
        random: Arc::new(|| 0.5),
        observer: Arc::new(Deaf),
        stop: crate::remote::Stop::default(),
        deadline: None,
        budgets: crate::remote::Budgets::default(),
    };
    match api {
        Api::Classic => AnyApi::Classic(Classic::new(access).expect("a connection")),
        Api::Platform => AnyApi::Platform(Platform::new(access, None).expect("a connection")),
    }
}

/// Reads and plans; none where no plan can be made.
async fn planned(api: &AnyApi, desired: &Desired, options: &Options) -> Option<(Snapshot, Plan)> {
    let policy = policy();
    let snapshot =
        read_snapshot(api, |snapshot| plan::lookups(desired, snapshot, &policy, options), |_| true)
            .await
            .expect("read");
    let plan = plan::plan(desired, &snapshot, &policy, options).ok()?;
    let violations = verify::verify(desired, &snapshot, &policy, options, &plan);
    assert!(violations.is_empty(), "the verifier refuses: {violations:#?}");
    Some((snapshot, plan))
}

async fn apply(api: &AnyApi, snapshot: &Snapshot, plan: &Plan, steps: usize) -> Report {
    let (left, ownership) = (Cell::new(steps), policy().ownership);
    let settings = Settings {
        parallelism: 4,
        api: api.kind(),
        services: &snapshot.services,
        ownership: &ownership,
        today: "2026-11-22",
        stop: &|| (left.get() == 0).then_some(StopReason::Interrupt),
    };
    let mut events = |event: Event| {
        if matches!(event, Event::Started(_)) {
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
    assert_eq!(first.counts().failed, 0, "no step fails: {first:#?}");
    let (between, rest) = planned(&api, desired, &options).await.expect("the rest can be planned");
    let second = apply(&api, &between, &rest, usize::MAX).await;
    assert!(second.is_complete(), "every step is done: {second:#?}");
    let (after, nothing) = planned(&api, desired, &options).await.expect("the end can be planned");
    assert!(nothing.is_empty(), "nothing is left: {nothing:#?}");
    let by_name = |snapshot: &Snapshot| {
        let mut names: Vec<_> = final_state(desired, snapshot);
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
