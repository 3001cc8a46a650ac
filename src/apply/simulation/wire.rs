//! The line between one simulated process and the emulator: ways take time, and troubles happen on them. May
//! import `remote` and `emulator`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Request, Response};
use tokio::sync::Notify;

use super::parcel::{Parcel, Way};
use super::sim::Sim;
use super::trouble::Trouble;
use crate::remote::{RequestHandler, Stop, StopReason, TransportError, TransportErrorKind};
use amigops_emulator::{Fault, Outcome, Reply};

/// One process's end.
pub(super) struct Wire {
    pub(super) sim: Arc<Sim>,
    /// The number of the run.
    pub(super) who: usize,
    /// What Ctrl-C reaches.
    pub(super) stop: Stop,
    pub(super) death: Arc<Death>,
}

/// The end of a process.
#[derive(Default)]
pub(super) struct Death {
    dead: AtomicBool,
    heard: Notify,
}

impl Death {
    fn strike(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.heard.notify_one();
    }

    /// Waits for it.
    pub(super) async fn wait(&self) {
        while !self.dead.load(Ordering::SeqCst) {
            self.heard.notified().await;
        }
    }
}

impl RequestHandler for Wire {
    fn handle(
        &self,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(self.carry_parcel(parcel(&request)))
    }
}

impl Wire {
    async fn carry_parcel(&self, parcel: Parcel) -> Result<Response, TransportError> {
        let Way { number, there, back, trouble } = self.sim.admit(self.who, &parcel);
        if trouble == Some(Trouble::Interrupt) {
            self.stop.cancel(StopReason::Interrupt);
        }
        let delay = match &trouble {
            Some(Trouble::Fault(Fault::Delay { millis })) => Duration::from_millis(*millis),
            _ => Duration::ZERO,
        };
        let dribbles = match &trouble {
            Some(Trouble::Fault(Fault::SlowBody { millis })) => Duration::from_millis(*millis),
            _ => Duration::ZERO,
        };
        let dies = matches!(trouble, Some(Trouble::Death { .. }));
        // What has left arrives, whatever becomes of the process.
        let (sim, death) = (Arc::clone(&self.sim), Arc::clone(&self.death));
        let arrival = tokio::spawn(async move {
            tokio::time::sleep(there + delay).await;
            if death.dead.load(Ordering::SeqCst) && parcel.is_create() {
                sim.creates_late();
            }
            sim.process(number, &parcel, trouble.as_ref())
        });
        let outcome =
            arrival.await.map_err(|error| broken(TransportErrorKind::ConnectionLost, &error.to_string()))?;
        if dies {
            self.death.strike();
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(back + dribbles).await;
        if matches!(outcome, Outcome::Answered(_)) {
            self.sim.arrived(self.who, number);
        }
        match outcome {
            Outcome::Refused => Err(broken(TransportErrorKind::NoConnection, "refused")),
            Outcome::Lost => Err(broken(TransportErrorKind::ConnectionLost, "lost")),
            Outcome::Answered(reply) => Ok(response(reply, false)),
            Outcome::CutOff(reply) => Ok(response(reply, true)),
        }
    }
}

fn broken(kind: TransportErrorKind, details: &str) -> TransportError {
    TransportError { kind, details: details.to_owned() }
}

fn parcel(request: &Request) -> Parcel {
    let url = request.url();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Parcel {
        method: request.method().to_string(),
        target: format!("{}{query}", url.path()),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec(),
    }
}

fn response(reply: Reply, cut: bool) -> Response {
    let mut builder = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name, value);
    }
    let body = match cut {
        true => reqwest::Body::wrap(Cut(Some(reply.body.into()))),
        false => reqwest::Body::from(reply.body),
    };
    builder.body(body).expect("an answer").into()
}

/// A body that breaks off after its only piece.
struct Cut(Option<Bytes>);

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let end = || Err(std::io::Error::other("the connection died"));
        Poll::Ready(Some(self.0.take().map_or_else(end, |piece| Ok(http_body::Frame::data(piece)))))
    }
}
