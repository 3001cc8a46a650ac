//! The HTTP server of the emulator. It runs in a thread of its own, with an async runtime.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::sync::oneshot;

use super::connection::{AbortableListener, ConnectionAborter};
use super::response::{respond, respond_to_fault};
use crate::api::exchange::{Answer, Reply, Request};
use crate::api::routing::organization_of;
use crate::core::Core;
use crate::faults::{Fault, Outcome, Schedule};
use crate::observer::{Observer, RequestInfo, RequestRecord};
use crate::options::Options;
use crate::state::{StoreError, World};

/// The maximum size of a request's body, in bytes. Larger requests are refused.
const MAX_BODY_BYTES: usize = 4 << 20;
/// The maximum number of bytes that the server reads from a body that is too large. If the server did not read on, the
/// client would not receive the refusal.
const MAX_DRAINED_BYTES: usize = 64 << 20;
/// The maximum number of requests that the server remembers. When there are more, the server forgets the oldest
/// requests.
const MAX_RECORDS: usize = 100_000;

/// The reason why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state file can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server can't listen on the address.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address on which the server was supposed to listen.
        address: SocketAddr,
        /// The error from the operating system.
        source: std::io::Error,
    },
    /// The server's thread or its async runtime can't be started.
    #[error("can't run the server: {0}")]
    Run(std::io::Error),
}

/// A running server. It stops when this value is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    core: Mutex<Core>,
    log: Mutex<Log>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    observer: Option<Arc<dyn Observer>>,
    faults: Mutex<Schedule>,
}

#[derive(Default)]
struct Log {
    records: VecDeque<RequestRecord>,
    count: u64,
}

impl Log {
    fn add(&mut self, method: &str, path: &str) -> u64 {
        self.count += 1;
        if self.records.len() == MAX_RECORDS {
            self.records.pop_front();
        }
        let (method, path) = (method.to_owned(), path.to_owned());
        self.records.push_back(RequestRecord { number: self.count, method, path, status: None });
        self.count
    }

    fn set_status(&mut self, number: u64, status: u16) {
        let from_end = usize::try_from(self.count - number).unwrap_or(usize::MAX);
        let place = self.records.len().checked_sub(from_end + 1);
        if let Some(record) = place.and_then(|place| self.records.get_mut(place)) {
            record.status = Some(status);
        }
    }
}

/// Locks a mutex, even if another thread has panicked while it held the lock. This is safe, because no panic can leave
/// the guarded values half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Opens the state file, applies the seed, and starts the server. Returns as soon as the server accepts
    /// connections.
    pub fn start(mut options: Options) -> Result<Self, StartError> {
        let now = (options.clock)();
        let core = Core::open(&mut options, now)?;
        let Options { listen, clock, observer, faults, .. } = options;
        let refused = |source| StartError::Listen { address: listen, source };
        let listener = std::net::TcpListener::bind(listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Run)?;
        let (core, faults) = (Mutex::new(core), Mutex::new(Schedule::new(faults)));
        let shared = Arc::new(Shared { core, log: Mutex::default(), clock, observer, faults });
        let (stop, stopped) = oneshot::channel();
        let state = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("emulator".to_owned())
            .spawn(move || runtime.block_on(serve(listener, state, stopped)))
            .map_err(StartError::Run)?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the server's base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests that the server has received. If there were more than 100,000, returns the newest of them.
    pub fn requests(&self) -> Vec<RequestRecord> {
        lock(&self.shared.log).records.iter().cloned().collect()
    }

    /// Returns a copy of the current state.
    pub fn world(&self) -> World {
        lock(&self.shared.core).world.clone()
    }

    /// Changes the state as an operator would, without applying the API's rules, and stores it. If the state can't be
    /// stored, nothing changes.
    pub fn edit(&self, change: impl FnOnce(&mut World)) -> Result<(), StoreError> {
        lock(&self.shared.core).edit(change)
    }

    /// Stops the server. Returns when the state file is closed.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let service = Router::new()
        .fallback(receive)
        .with_state(shared)
        .into_make_service_with_connect_info::<ConnectionAborter>();
    tokio::select! {
        _ = async { axum::serve(AbortableListener(listener), service).await } => {}
        _ = stopped => {}
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(aborter): ConnectInfo<ConnectionAborter>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = read(body).await;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let number = lock(&shared.log).add(parts.method.as_str(), target);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let info = RequestInfo {
        number,
        method: parts.method.to_string(),
        path: target.to_owned(),
        organization: organization_of(parts.uri.path()),
        body: body.as_deref().map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default(),
        user_agent: parts.headers.get(header::USER_AGENT).map(text),
    };
    let fault = fault(&shared, &info);
    if let Some(Fault::Delay { millis }) = fault {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let request = body.map(|body| Request {
        method: info.method.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
        now: (shared.clock)(),
    });
    let process = || {
        let too_large = || Answer::json(413, &serde_json::json!({"detail": "the request body is too large"}));
        let answer = request.map_or_else(too_large, |request| process(&shared, &request, &info));
        lock(&shared.log).set_status(number, answer.status);
        answer
    };
    match fault {
        None => respond(process()),
        Some(fault) => {
            let outcome = fault.inject((shared.clock)(), || Reply::from(process()));
            if let Outcome::Answered(reply) = &outcome {
                lock(&shared.log).set_status(number, reply.status);
            }
            respond_to_fault(&fault, outcome, &aborter)
        }
    }
}

/// Returns the fault to inject into a request. The fault that [`Observer::before`] returns takes precedence over the
/// fault rules. The fault rules count the request even then.
fn fault(shared: &Shared, info: &RequestInfo) -> Option<Fault> {
    let scheduled = lock(&shared.faults).next(&info.method, &info.path);
    let fault = shared.observer.as_ref().and_then(|observer| observer.before(info)).or(scheduled)?;
    if let Some(observer) = &shared.observer {
        observer.fault_injected(info, &fault);
    }
    Some(fault)
}

/// Processes a request, calls [`Observer::after`] if there is an observer, and returns the answer.
fn process(shared: &Shared, request: &Request, info: &RequestInfo) -> Answer {
    let mut core = lock(&shared.core);
    let answer = core.answer(request);
    // The observer may ask the server for its state, so the lock is released before the call.
    let world = core.world.clone();
    drop(core);
    if let Some(observer) = &shared.observer {
        observer.after(info, answer.status, &world);
    }
    answer
}

/// Reads the body of a request. Returns `None` if the body is too large or incomplete.
async fn read(body: Body) -> Option<Vec<u8>> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut seen = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece.ok()?;
        seen += piece.len();
        if seen > MAX_DRAINED_BYTES {
            return None;
        }
        if seen <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&piece);
        }
    }
    (seen <= MAX_BODY_BYTES).then_some(bytes)
}
