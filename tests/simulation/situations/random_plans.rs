//! Tests that apply random plans to the emulator over HTTP: in one run, and in two runs of which the first is
//! cancelled.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::apply::{Event, Report, RunSettings, run};
use crate::build::options;
use crate::generate::{final_state, policy, state};
use crate::model::*;
use crate::plan::{self, Options, Plan, verify};
use crate::remote::{
    Access, AnyApi, ApiError, Classic, Credentials, Platform, RequestObserver, StopReason, read_snapshot,
};
use crate::schedules::world::{ORGANIZATION, add_live_services, may_refuse_inactive_names, seed, start_time};
use amigops_emulator::{self as emulator, SANDBOX_WORKSPACE, Server};

struct SilentObserver;
impl RequestObserver for SilentObserver {
    fn on_limit_wait(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
    fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

fn server(api: Api, live: &Snapshot) -> Server {
    let mut options = emulator::Options::new(Arc::new(start_time));
    options.seed = Some(seed());
    options.platform.inactive_names_taken = may_refuse_inactive_names(live);
    let server = Server::start(options).expect("the emulator starts");
    server.edit(|world| add_live_services(api, world, live)).expect("the state can be edited");
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
        variables: crate::remote::ConnectionVariables::default(),
        now: Arc::new(start_time),
        random: Arc::new(|| 0.5),
        observer: Arc::new(SilentObserver),
        stop: crate::remote::Stop::default(),
        deadline: None,
        budgets: crate::remote::Budgets::default(),
    };
    match api {
        Api::Classic => AnyApi::Classic(Classic::new(access).expect("the connection can be made")),
        Api::Platform => AnyApi::Platform(Platform::new(access, None).expect("the connection can be made")),
    }
}

/// Reads the live state and makes a plan. Returns `None` if the planner refuses to make one.
async fn make_plan(api: &AnyApi, desired: &Desired, options: &Options) -> Option<(Snapshot, Plan)> {
    let policy = policy();
    let snapshot =
        read_snapshot(api, |snapshot| plan::lookups(desired, snapshot, &policy, options), |_| true)
            .await
            .expect("the live state can be read");
    let plan = plan::plan(desired, &snapshot, &policy, options).ok()?;
    let violations = verify::verify(desired, &snapshot, &policy, options, &plan);
    assert!(violations.is_empty(), "the verifier found violations: {violations:#?}");
    Some((snapshot, plan))
}

/// Runs a plan, and cancels the run after `steps` steps.
async fn apply(api: &AnyApi, snapshot: &Snapshot, plan: &Plan, steps: usize) -> Report {
    let (left, ownership) = (Cell::new(steps), policy().ownership);
    let settings = RunSettings {
        parallelism: 4,
        api: api.kind(),
        services: &snapshot.services,
        ownership: &ownership,
        today: "2026-11-22",
        stop: &|| (left.get() == 0).then_some(StopReason::Interrupt),
    };
    let mut report = Report::default();
    let mut handle_event = |event: Event| {
        if matches!(event, Event::Started(_)) {
            left.set(left.get() - 1);
        }
        report.record(&event);
    };
    run(api, plan, &settings, &mut handle_event).await;
    report
}

/// Applies a plan in two runs, of which the first is cancelled after `first_steps` steps. Returns the number of steps
/// of the plan, or `None` if the planner refuses to make one.
async fn apply_in_two_parts(
    kind: Api,
    desired: &Desired,
    live: &Snapshot,
    first_steps: usize,
) -> Option<usize> {
    let server = server(kind, live);
    let api = connect(kind, &server);
    let options = Options { api: kind, prune: first_steps.is_multiple_of(2), ..options() };
    let (snapshot, whole) = make_plan(&api, desired, &options).await?;
    let expected = verify::outcome(&snapshot, &whole.steps, kind);
    let first = apply(&api, &snapshot, &whole, first_steps).await;
    assert_eq!(first.counts().failed, 0, "no step fails: {first:#?}");
    let (between, rest) = make_plan(&api, desired, &options).await.expect("the rest can be planned");
    let second = apply(&api, &between, &rest, usize::MAX).await;
    assert!(second.is_complete(), "every step is done: {second:#?}");
    let (after, nothing) = make_plan(&api, desired, &options).await.expect("the final state can be planned");
    assert!(nothing.is_empty(), "nothing is left: {nothing:#?}");
    let by_name = |snapshot: &Snapshot| {
        let mut names: Vec<_> = final_state(desired, snapshot);
        names.dedup();
        names
    };
    assert_eq!(by_name(&after), by_name(&expected), "the final state is the one that the verifier predicts");
    assert_eq!(after.services.len(), expected.services.len(), "no duplicate");
    let ids: BTreeSet<_> = after.services.iter().map(|service| &service.id).collect();
    assert_eq!(ids.len(), after.services.len());
    Some(whole.steps.len())
}

fn apply_random_plans(api: Api) {
    let mut runner = TestRunner::deterministic();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime starts");
    let (mut plans, mut steps) = (0, 0);
    for case in 0..80_usize {
        let (desired, live) = state(api).new_tree(&mut runner).expect("a generated value").current();
        if let Some(count) = runtime.block_on(apply_in_two_parts(api, &desired, &live, case % 7)) {
            plans += 1;
            steps += count;
        }
    }
    assert!(plans >= 30 && steps >= 100, "{plans} plans with {steps} steps prove little");
}

#[test]
fn random_plans_applied_in_two_parts_reach_the_planned_state_on_classic() {
    apply_random_plans(Api::Classic);
}

#[test]
fn random_plans_applied_in_two_parts_reach_the_planned_state_on_platform() {
    apply_random_plans(Api::Platform);
}
