//! One organization in this process, under virtual time: requests take a tenth of a second, and a test decides what a
//! request meets, and what an operator changes just before it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Request, Response};
use tokio::time::Instant;

use super::super::simulation::world::{ORGANIZATION, beginning, fill, seed};
use super::super::{Outcome, Report, Settings, StepFailure, run};
use crate::model::*;
use crate::plan::tests::build::{options, own_policy};
use crate::plan::{self, Options, Plan, PlanError, verify};
use crate::remote::{
    Access, AnyApi, ApiError, Budgets, Credentials, Listing, ReadApi, RequestHandler, RequestObserver, Stop,
    TransportError, TransportErrorKind, read_snapshot,
};
use amigops_emulator::{self as emulator, InProcess, SANDBOX_WORKSPACE, World};

/// How long a request takes there, and its answer back.
const WAY: Duration = Duration::from_millis(50);

/// A request that a test may meddle with.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) method: String,
    /// The path and the query.
    pub(super) target: String,
    pub(super) body: String,
    /// When it was sent.
    pub(super) at: Duration,
}

impl Info {
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET"
    }

    pub(super) fn is_write(&self) -> bool {
        !self.is_read() && !self.target.contains("signin")
    }

    /// Whether it renames the old service of a replacement.
    pub(super) fn is_rename(&self) -> bool {
        self.body.contains("(replaced ")
    }

    /// Whether it activates the new one.
    pub(super) fn is_activation(&self) -> bool {
        self.body.contains("\"is_active\":true")
    }

    /// Whether it gives the old one its name back.
    pub(super) fn is_undo(&self) -> bool {
        self.is_write() && self.body == "{\"name\":\"Coach\"}"
    }
}

/// The fate of a request.
pub(super) enum Fate {
    Proceeds,
    /// It is answered with this instead, and not processed.
    Answered(u16, &'static str),
    /// The same with a `Retry-After` in seconds.
    RefusedFor(u16, u64),
    /// No connection comes about.
    Unreached,
    /// It is not processed, and no answer comes.
    Swallowed,
    /// It is processed, and the connection dies before the answer.
    AnswerLost,
}

type Hook = dyn FnMut(&Info, &InProcess) -> Fate + Send;

/// The organization with everything that is asked of it.
pub(super) struct Bench {
    pub(super) api: Api,
    pub(super) emulator: Arc<InProcess>,
    hook: Arc<Mutex<Box<Hook>>>,
    log: Arc<Mutex<Vec<Info>>>,
    /// Answers of 429 by the emulator's own limits.
    refused: Arc<AtomicUsize>,
    start: Instant,
}

/// One process's line to it.
struct Wire {
    emulator: Arc<InProcess>,
    hook: Arc<Mutex<Box<Hook>>>,
    log: Arc<Mutex<Vec<Info>>>,
    refused: Arc<AtomicUsize>,
    start: Instant,
}

struct Deaf;
impl RequestObserver for Deaf {
    fn on_limit_wait(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
    fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
    fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
}

/// The end of a run.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) plan: Plan,
    pub(super) report: Report,
}

impl Ended {
    /// The failures, in words.
    pub(super) fn failures(&self) -> Vec<String> {
        self.report.outcomes.values().filter_map(failure).map(ToString::to_string).collect()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.report.is_complete()
    }
}

fn failure(outcome: &Outcome) -> Option<&StepFailure> {
    match outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    }
}

impl Bench {
    /// An organization with these services, without limits.
    pub(super) fn new(api: Api, live: impl IntoIterator<Item = LiveService>) -> Self {
        Self::limited(api, live, emulator::Limits::Off)
    }

    pub(super) fn limited(
        api: Api,
        live: impl IntoIterator<Item = LiveService>,
        limits: emulator::Limits,
    ) -> Self {
        let start = Instant::now();
        let mut options = emulator::Options::new(Arc::new(move || beginning() + start.elapsed()));
        options.limits = limits;
        options.seed = Some(seed());
        let emulator = InProcess::open(options).expect("an emulator");
        let platform = |service: LiveService| LiveService {
            settings: serde_json::from_value(serde_json::json!({"tool_capacity": 3})).expect("an object"),
            ..service
        };
        let live = plan::tests::build::snapshot(live.into_iter().map(platform));
        emulator.edit(|world| clear(api, world)).expect("a state");
        emulator.edit(|world| fill(api, world, &live)).expect("a state");
        let hook: Box<Hook> = Box::new(|_, _| Fate::Proceeds);
        Self {
            api,
            emulator: Arc::new(emulator),
            hook: Arc::new(Mutex::new(hook)),
            log: Arc::default(),
            refused: Arc::default(),
            start,
        }
    }

    /// The fate of each request from now on.
    pub(super) fn on(&self, hook: impl FnMut(&Info, &InProcess) -> Fate + Send + 'static) {
        *self.hook.lock().expect("no panic") = Box::new(hook);
    }

    /// All requests from now on proceed.
    pub(super) fn calm(&self) {
        self.on(|_, _| Fate::Proceeds);
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<Info> {
        self.log.lock().expect("no panic").clone()
    }

    /// How many requests the limits have refused.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// A connection of a process with its own knowledge of limits.
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
            now: Arc::new(move || beginning() + start.elapsed()),
            random: Arc::new(|| 0.5),
            observer: Arc::new(Deaf),
            stop,
            deadline,
            budgets: Budgets::default(),
        };
        let wire = Wire {
            emulator: Arc::clone(&self.emulator),
            hook: Arc::clone(&self.hook),
            log: Arc::clone(&self.log),
            refused: Arc::clone(&self.refused),
            start,
        };
        AnyApi::simulated(Arc::new(wire), access)
    }

    pub(super) fn options(&self) -> Options {
        Options { api: self.api, ..options() }
    }

    /// Reads and plans.
    pub(super) async fn plan(
        &self,
        api: &AnyApi,
        desired: &Desired,
        prune: bool,
    ) -> Result<(Snapshot, Plan), PlanError> {
        let (policy, options) = (own_policy(), Options { prune, ..self.options() });
        let lacking = |snapshot: &Snapshot| plan::lookups(desired, snapshot, &policy, &options);
        let depends_on_absence = |snapshot: &Snapshot| {
            plan::depends_on_absence(plan::plan(desired, snapshot, &policy, &options).as_ref(), snapshot)
        };
        let snapshot =
            read_snapshot(api, lacking, depends_on_absence).await.expect("the live state can be read");
        let plan = plan::plan(desired, &snapshot, &policy, &options)?;
        let violations = verify::verify(desired, &snapshot, &policy, &options, &plan);
        assert!(violations.is_empty(), "the verifier refuses: {violations:#?}");
        Ok((snapshot, plan))
    }

    /// Runs a plan that was made before.
    pub(super) async fn run(&self, api: &AnyApi, snapshot: &Snapshot, plan: Plan, stop: &Stop) -> Ended {
        self.run_with(api, snapshot, plan, stop, 4).await
    }

    pub(super) async fn run_with(
        &self,
        api: &AnyApi,
        snapshot: &Snapshot,
        plan: Plan,
        stop: &Stop,
        parallelism: usize,
    ) -> Ended {
        let settings = Settings {
            parallelism,
            api: self.api,
            services: &snapshot.services,
            ownership: &own_policy().ownership,
            today: "2026-11-22",
            stop: &|| stop.reason(),
        };
        let report = run(api, &plan, &settings, &mut |_| {}).await;
        Ended { plan, report }
    }

    /// One whole run.
    pub(super) async fn apply(&self, desired: &Desired) -> Ended {
        let stop = Stop::default();
        let api = self.connect(stop.clone(), None);
        let (snapshot, plan) = self.plan(&api, desired, false).await.expect("a plan");
        self.run(&api, &snapshot, plan, &stop).await
    }

    /// Everything that is there.
    pub(super) async fn services(&self) -> Vec<LiveService> {
        let before = self.requests().len();
        let services = self.connect(Stop::default(), None).services(Listing::All).await.expect("a list");
        self.log.lock().expect("no panic").truncate(before);
        services
    }

    /// The active services with a name.
    pub(super) async fn active(&self, name: &str) -> Vec<LiveService> {
        let named = |service: &LiveService| service.active && service.name.as_str() == name;
        self.services().await.into_iter().filter(named).collect()
    }
}

fn clear(api: Api, world: &mut World) {
    if api == Api::Classic {
        let home = world.organization_mut(ORGANIZATION).expect("it is there");
        let ids: Vec<String> = home.services().iter().map(|service| service.id.clone()).collect();
        for id in ids {
            home.services_mut().remove(&id);
        }
    }
}

impl RequestHandler for Wire {
    fn handle(
        &self,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(async move {
            tokio::time::sleep(WAY).await;
            let answer = self.meet(&request)?;
            tokio::time::sleep(WAY).await;
            match answer {
                Some(reply) => Ok(response(reply)),
                None => std::future::pending().await,
            }
        })
    }
}

impl Wire {
    /// The answer; none where it never comes.
    fn meet(&self, request: &Request) -> Result<Option<emulator::Reply>, TransportError> {
        let url = request.url();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec();
        let info = Info {
            method: request.method().to_string(),
            target: format!("{}{query}", url.path()),
            body: String::from_utf8_lossy(&body).into_owned(),
            at: self.start.elapsed().saturating_sub(WAY),
        };
        self.log.lock().expect("no panic").push(info.clone());
        let fate = (self.hook.lock().expect("no panic"))(&info, &self.emulator);
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let process = || {
            let reply = self.emulator.answer(&info.method, &info.target, headers, body);
            self.refused.fetch_add(usize::from(reply.status == 429), Ordering::SeqCst);
            reply
        };
        let broken = |kind| TransportError { kind, details: "by the test".to_owned() };
        let reply = |status, headers, body: &str| emulator::Reply {
            status,
            headers,
            body: format!("{{\"detail\":\"{body}\"}}").into_bytes(),
        };
        match fate {
            Fate::Proceeds => Ok(Some(process())),
            Fate::Answered(status, why) => Ok(Some(reply(status, Vec::new(), why))),
            Fate::RefusedFor(status, seconds) => {
                let after = vec![("retry-after".to_owned(), seconds.to_string())];
                Ok(Some(reply(status, after, "later")))
            }
            Fate::Unreached => Err(broken(TransportErrorKind::NoConnection)),
            Fate::Swallowed => Ok(None),
            Fate::AnswerLost => {
                process();
                Err(broken(TransportErrorKind::ConnectionLost))
            }
        }
    }
}

fn response(reply: emulator::Reply) -> Response {
    let mut builder = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    builder.body(reqwest::Body::from(reply.body)).expect("an answer").into()
}

/// A runtime whose clock jumps over every wait.
pub(super) fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime").block_on(work)
}

/// Both APIs.
pub(super) const APIS: [Api; 2] = [Api::Classic, Api::Platform];
