//! An organization for tests in virtual time, without a network. A request takes a tenth of a second. The test
//! decides how each request is handled, and what an operator changes just before it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Request, Response};
use tokio::time::Instant;

use crate::apply::{Report, RunSettings, StepFailure, StepOutcome, run};
use crate::build::{options, own_policy};
use crate::model::*;
use crate::plan::{self, Options, Plan, PlanError, verify};
use crate::remote::{
    Access, AnyApi, ApiError, Budgets, ConnectionVariables, Credentials, Listing, ReadApi, RequestHandler,
    RequestObserver, Stop, TransportError, TransportErrorKind, read_snapshot,
};
use crate::schedules::world::{ORGANIZATION, add_live_services, seed, start_time};
use amigops_emulator::{self as emulator, InProcess, SANDBOX_WORKSPACE, World};

/// The delay of each request, and of each answer.
const DELAY: Duration = Duration::from_millis(50);

/// A request that a run has sent to the organization.
#[derive(Clone, Debug)]
pub(super) struct SentRequest {
    pub(super) method: String,
    /// The path and the query.
    pub(super) target: String,
    pub(super) body: String,
    /// The time between the start of the test and the request.
    pub(super) at: Duration,
}

impl SentRequest {
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET"
    }

    pub(super) fn is_write(&self) -> bool {
        !self.is_read() && !self.target.contains("signin")
    }

    /// Returns true if the request renames the old service of a replacement.
    pub(super) fn is_rename(&self) -> bool {
        self.body.contains("(replaced ")
    }

    /// Returns true if the request activates a service.
    pub(super) fn is_activation(&self) -> bool {
        self.body.contains("\"is_active\":true")
    }

    /// Returns true if the request undoes a cut-over: it gives the old service its name back.
    pub(super) fn is_undo(&self) -> bool {
        self.is_write() && self.body == "{\"name\":\"Coach\"}"
    }
}

/// The way in which the organization handles a request.
pub(super) enum Handling {
    Process,
    /// The request is not processed. The answer has this status and message.
    Answer(u16, &'static str),
    /// The request is not processed. The answer has this status, and a `Retry-After` header with this number of
    /// seconds.
    RefuseFor(u16, u64),
    /// The request is not processed, because the connection fails.
    Unreachable,
    /// The request is not processed, and no answer is ever sent.
    NoAnswer,
    /// The request is processed, but the connection is closed before the answer is sent.
    LoseAnswer,
}

type Handler = dyn FnMut(&SentRequest, &InProcess) -> Handling + Send;

/// An organization, and the requests that it has received.
pub(super) struct TestOrganization {
    pub(super) api: Api,
    pub(super) emulator: Arc<InProcess>,
    handler: Arc<Mutex<Box<Handler>>>,
    log: Arc<Mutex<Vec<SentRequest>>>,
    /// The number of requests that were answered with 429, because of the emulator's rate limits.
    refused: Arc<AtomicUsize>,
    start: Instant,
}

/// The connection of one process to the organization.
struct TestConnection {
    emulator: Arc<InProcess>,
    handler: Arc<Mutex<Box<Handler>>>,
    log: Arc<Mutex<Vec<SentRequest>>>,
    refused: Arc<AtomicUsize>,
    start: Instant,
}

struct SilentObserver;
impl RequestObserver for SilentObserver {
    fn on_limit_wait(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
    fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

/// The plan and the report of a run that has ended.
#[derive(Debug)]
pub(super) struct FinishedRun {
    pub(super) plan: Plan,
    pub(super) report: Report,
}

impl FinishedRun {
    /// Returns the messages of all steps that have failed.
    pub(super) fn failures(&self) -> Vec<String> {
        self.report.outcomes.values().filter_map(failure).map(ToString::to_string).collect()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.report.is_complete()
    }
}

fn failure(outcome: &StepOutcome) -> Option<&StepFailure> {
    match outcome {
        StepOutcome::Failed(failure) => Some(failure),
        _ => None,
    }
}

impl TestOrganization {
    /// Creates an organization with these services. It has no rate limits.
    pub(super) fn new(api: Api, live: impl IntoIterator<Item = LiveService>) -> Self {
        Self::with_limits(api, live, emulator::Limits::Off)
    }

    /// Creates an organization with these services and these rate limits.
    pub(super) fn with_limits(
        api: Api,
        live: impl IntoIterator<Item = LiveService>,
        limits: emulator::Limits,
    ) -> Self {
        let start = Instant::now();
        let mut options = emulator::Options::new(Arc::new(move || start_time() + start.elapsed()));
        options.limits = limits;
        options.seed = Some(seed());
        let emulator = InProcess::open(options).expect("the emulator starts");
        let platform = |service: LiveService| LiveService {
            settings: serde_json::from_value(serde_json::json!({"tool_capacity": 3})).expect("an object"),
            ..service
        };
        let live = crate::build::snapshot(live.into_iter().map(platform));
        emulator.edit(|world| remove_services(api, world)).expect("the state can be edited");
        emulator.edit(|world| add_live_services(api, world, &live)).expect("the state can be edited");
        let handler: Box<Handler> = Box::new(|_, _| Handling::Process);
        Self {
            api,
            emulator: Arc::new(emulator),
            handler: Arc::new(Mutex::new(handler)),
            log: Arc::default(),
            refused: Arc::default(),
            start,
        }
    }

    /// Sets the function that decides how each later request is handled.
    pub(super) fn on_request(
        &self,
        handler: impl FnMut(&SentRequest, &InProcess) -> Handling + Send + 'static,
    ) {
        *self.handler.lock().expect("no panic") = Box::new(handler);
    }

    /// Processes all later requests without disturbances.
    pub(super) fn process_all(&self) {
        self.on_request(|_, _| Handling::Process);
    }

    /// Returns all requests that the organization has received so far.
    pub(super) fn requests(&self) -> Vec<SentRequest> {
        self.log.lock().expect("no panic").clone()
    }

    /// Returns the number of requests that were refused because of the rate limits.
    pub(super) fn refused_count(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// Returns a client with a new connection. It does not know the rate limits that earlier clients have learned.
    pub(super) fn connect(&self, stop: Stop, deadline: Option<Instant>) -> AnyApi {
        let credentials = match self.api {
            Api::Classic => {
                Credentials::SignIn { api_key: "key".into(), api_key_id: "id".into(), user_id: "user".into() }
            }
            Api::Platform => Credentials::Key("key".into()),
        };
        let start = self.start;
        let access = Access {
            base_url: "http://127.0.0.1:1".to_owned(),
            organization: if self.api == Api::Classic { ORGANIZATION } else { SANDBOX_WORKSPACE }.to_owned(),
            headers: BTreeMap::new(),
            credentials,
            variables: ConnectionVariables::default(),
            now: Arc::new(move || start_time() + start.elapsed()),
            random: Arc::new(|| 0.5),
            observer: Arc::new(SilentObserver),
            stop,
            deadline,
            budgets: Budgets::default(),
        };
        let connection = TestConnection {
            emulator: Arc::clone(&self.emulator),
            handler: Arc::clone(&self.handler),
            log: Arc::clone(&self.log),
            refused: Arc::clone(&self.refused),
            start,
        };
        AnyApi::simulated(Arc::new(connection), access)
    }

    pub(super) fn options(&self) -> Options {
        Options { api: self.api, ..options() }
    }

    /// Reads the live state and makes a plan. Returns both.
    pub(super) async fn plan(
        &self,
        api: &AnyApi,
        desired: &Desired,
        prune: bool,
    ) -> Result<(Snapshot, Plan), PlanError> {
        let (policy, options) = (own_policy(), Options { prune, ..self.options() });
        let lookups = |snapshot: &Snapshot| plan::lookups(desired, snapshot, &policy, &options);
        let rests_on_absence = |snapshot: &Snapshot| {
            plan::depends_on_absence(plan::plan(desired, snapshot, &policy, &options).as_ref(), snapshot)
        };
        let snapshot =
            read_snapshot(api, lookups, rests_on_absence).await.expect("the live state can be read");
        let plan = plan::plan(desired, &snapshot, &policy, &options)?;
        let violations = verify::verify(desired, &snapshot, &policy, &options, &plan);
        assert!(violations.is_empty(), "the verifier found violations: {violations:#?}");
        Ok((snapshot, plan))
    }

    /// Runs a plan, with at most four steps at the same time.
    pub(super) async fn run(
        &self,
        api: &AnyApi,
        snapshot: &Snapshot,
        plan: Plan,
        stop: &Stop,
    ) -> FinishedRun {
        self.run_with(api, (snapshot, plan), stop, 4).await
    }

    /// Runs a plan, with at most `parallelism` steps at the same time.
    pub(super) async fn run_with(
        &self,
        api: &AnyApi,
        (snapshot, plan): (&Snapshot, Plan),
        stop: &Stop,
        parallelism: usize,
    ) -> FinishedRun {
        let settings = RunSettings {
            parallelism,
            api: self.api,
            services: &snapshot.services,
            ownership: &own_policy().ownership,
            today: "2026-11-22",
            stop: &|| stop.reason(),
        };
        let mut report = Report::default();
        run(api, &plan, &settings, &mut |event| report.record(&event)).await;
        FinishedRun { plan, report }
    }

    /// Makes a plan and runs it with a new client. The run is never cancelled.
    pub(super) async fn apply(&self, desired: &Desired) -> FinishedRun {
        let stop = Stop::default();
        let api = self.connect(stop.clone(), None);
        let (snapshot, plan) = self.plan(&api, desired, false).await.expect("there is a plan");
        self.run(&api, &snapshot, plan, &stop).await
    }

    /// Returns all services. The requests that this function sends are not recorded.
    pub(super) async fn services(&self) -> Vec<LiveService> {
        let before = self.requests().len();
        let services = self
            .connect(Stop::default(), None)
            .services(Listing::All)
            .await
            .expect("the services can be listed");
        self.log.lock().expect("no panic").truncate(before);
        services
    }

    /// Returns the active services with this name.
    pub(super) async fn active(&self, name: &str) -> Vec<LiveService> {
        let named = |service: &LiveService| service.active && service.name.as_str() == name;
        self.services().await.into_iter().filter(named).collect()
    }
}

fn remove_services(api: Api, world: &mut World) {
    if api == Api::Classic {
        let home = world.organization_mut(ORGANIZATION).expect("it exists");
        let ids: Vec<String> = home.services().iter().map(|service| service.id.clone()).collect();
        for id in ids {
            home.services_mut().remove(&id);
        }
    }
}

impl RequestHandler for TestConnection {
    fn handle(
        &self,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(async move {
            tokio::time::sleep(DELAY).await;
            let answer = self.handle_now(&request)?;
            tokio::time::sleep(DELAY).await;
            match answer {
                Some(reply) => Ok(response(reply)),
                None => std::future::pending().await,
            }
        })
    }
}

impl TestConnection {
    /// Handles a request. Returns `None` if no answer is ever sent.
    fn handle_now(&self, request: &Request) -> Result<Option<emulator::Reply>, TransportError> {
        let url = request.url();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec();
        let sent = SentRequest {
            method: request.method().to_string(),
            target: format!("{}{query}", url.path()),
            body: String::from_utf8_lossy(&body).into_owned(),
            at: self.start.elapsed().saturating_sub(DELAY),
        };
        self.log.lock().expect("no panic").push(sent.clone());
        let handling = (self.handler.lock().expect("no panic"))(&sent, &self.emulator);
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let process = || {
            let reply = self.emulator.answer(&sent.method, &sent.target, headers, body);
            self.refused.fetch_add(usize::from(reply.status == 429), Ordering::SeqCst);
            reply
        };
        let failed = |kind| TransportError { kind, details: "by the test".to_owned() };
        let reply = |status, headers, body: &str| emulator::Reply {
            status,
            headers,
            body: format!("{{\"detail\":\"{body}\"}}").into_bytes(),
        };
        match handling {
            Handling::Process => Ok(Some(process())),
            Handling::Answer(status, why) => Ok(Some(reply(status, Vec::new(), why))),
            Handling::RefuseFor(status, seconds) => {
                let after = vec![("retry-after".to_owned(), seconds.to_string())];
                Ok(Some(reply(status, after, "later")))
            }
            Handling::Unreachable => Err(failed(TransportErrorKind::NoConnection)),
            Handling::NoAnswer => Ok(None),
            Handling::LoseAnswer => {
                process();
                Err(failed(TransportErrorKind::ConnectionLost))
            }
        }
    }
}

fn response(reply: emulator::Reply) -> Response {
    let mut builder = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    builder.body(reqwest::Body::from(reply.body)).expect("the answer is valid").into()
}

/// Runs an async test with a virtual clock, which skips all waiting time.
pub(super) fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("the runtime starts").block_on(work)
}

/// Both APIs, so that a test can run on each of them.
pub(super) const APIS: [Api; 2] = [Api::Classic, Api::Platform];
