//! The connection between a simulated process and the emulator. Messages take time, and disturbances happen to them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Request, Response};
use tokio::sync::Notify;

use super::disturbance::Disturbance;
use super::message::{Delivery, SimulatedRequest};
use super::state::Simulation;
use crate::remote::{RequestHandler, Stop, StopReason, TransportError, TransportErrorKind};
use amigops_emulator::{Fault, Outcome, Reply};

/// The connection of one simulated process.
pub(super) struct SimulatedConnection {
    pub(super) sim: Arc<Simulation>,
    /// The number of the run that the process executes.
    pub(super) run_number: usize,
    /// Cancels the run when Ctrl-C is simulated.
    pub(super) stop: Stop,
    pub(super) crash: Arc<Crash>,
}

/// A signal that tells a process to crash.
#[derive(Default)]
pub(super) struct Crash {
    crashed: AtomicBool,
    notify: Notify,
}

impl Crash {
    fn trigger(&self) {
        self.crashed.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    /// Waits until the process has been told to crash.
    pub(super) async fn wait(&self) {
        while !self.crashed.load(Ordering::SeqCst) {
            self.notify.notified().await;
        }
    }
}

impl RequestHandler for SimulatedConnection {
    fn handle(
        &self,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(self.deliver(simulated_request(&request)))
    }
}

impl SimulatedConnection {
    async fn deliver(&self, request: SimulatedRequest) -> Result<Response, TransportError> {
        let Delivery { number, request_delay, answer_delay, disturbance } =
            self.sim.send(self.run_number, &request);
        if disturbance == Some(Disturbance::Interrupt) {
            self.stop.cancel(StopReason::Interrupt);
        }
        let extra_delay = match &disturbance {
            Some(Disturbance::Fault(Fault::Delay { millis })) => Duration::from_millis(*millis),
            _ => Duration::ZERO,
        };
        let slow_body_time = match &disturbance {
            Some(Disturbance::Fault(Fault::SlowBody { millis })) => Duration::from_millis(*millis),
            _ => Duration::ZERO,
        };
        let is_crash = matches!(disturbance, Some(Disturbance::Crash { .. }));
        // A request in flight arrives even if the process crashes.
        let (sim, crash) = (Arc::clone(&self.sim), Arc::clone(&self.crash));
        let arrival = tokio::spawn(async move {
            tokio::time::sleep(request_delay + extra_delay).await;
            if crash.crashed.load(Ordering::SeqCst) && request.is_create() {
                sim.record_late_create();
            }
            sim.process(number, &request, disturbance.as_ref())
        });
        let outcome = arrival
            .await
            .map_err(|error| transport_error(TransportErrorKind::ConnectionLost, &error.to_string()))?;
        if is_crash {
            self.crash.trigger();
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(answer_delay + slow_body_time).await;
        if matches!(outcome, Outcome::Answered(_)) {
            self.sim.receive(self.run_number, number);
        }
        match outcome {
            Outcome::Refused => Err(transport_error(TransportErrorKind::NoConnection, "refused")),
            Outcome::Lost => Err(transport_error(TransportErrorKind::ConnectionLost, "lost")),
            Outcome::Answered(reply) => Ok(response(reply, false)),
            Outcome::CutOff(reply) => Ok(response(reply, true)),
        }
    }
}

fn transport_error(kind: TransportErrorKind, details: &str) -> TransportError {
    TransportError { kind, details: details.to_owned() }
}

fn simulated_request(request: &Request) -> SimulatedRequest {
    let url = request.url();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    SimulatedRequest {
        method: request.method().to_string(),
        target: format!("{}{query}", url.path()),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec(),
    }
}

fn response(reply: Reply, is_cut_off: bool) -> Response {
    let mut builder = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    let body = match is_cut_off {
        true => reqwest::Body::wrap(CutOffBody(Some(reply.body.into()))),
        false => reqwest::Body::from(reply.body),
    };
    builder.body(body).expect("the answer is valid").into()
}

/// The body of an answer. It sends its only chunk, and then the connection breaks.
struct CutOffBody(Option<Bytes>);

impl http_body::Body for CutOffBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let end = || Err(std::io::Error::other("the connection was closed"));
        Poll::Ready(Some(self.0.take().map_or_else(end, |chunk| Ok(http_body::Frame::data(chunk)))))
    }
}
