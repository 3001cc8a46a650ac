//! Builds HTTP responses, with or without the effects of a fault.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;

use super::connection::ConnectionAborter;
use crate::api::exchange::{Answer, Payload, Reply};
use crate::faults::{Fault, Outcome};

/// The maximum number of chunks in which a slow body is sent.
const MAX_CHUNKS: usize = 20;
/// The time that the server waits before it aborts a connection in the middle of an answer. In this time, the first
/// half of the answer is sent.
const FLUSH_TIME: Duration = Duration::from_millis(20);

/// Returns the response to a request into which a fault was injected.
pub(crate) fn respond_to_fault(fault: &Fault, outcome: Outcome, aborter: &ConnectionAborter) -> Response {
    // An empty body can't be sent slowly, so it is sent at once. It can't be cut off either, so the connection is
    // aborted without an answer.
    match (outcome, fault) {
        (Outcome::Answered(reply), Fault::SlowBody { millis }) if !reply.body.is_empty() => {
            slow_body(reply, Duration::from_millis(*millis))
        }
        (Outcome::Answered(Reply { status, headers, body }), _) => with_head(status, headers, body.into()),
        (Outcome::CutOff(reply), _) if !reply.body.is_empty() => cut_off_body(reply),
        (Outcome::CutOff(_) | Outcome::Refused | Outcome::Lost, _) => {
            aborter.abort();
            Response::default()
        }
    }
}

/// Returns a response whose `Content-Length` is one byte more than the body has. After the body is sent, the connection
/// is aborted.
fn cut_off_body(Reply { status, headers, body }: Reply) -> Response {
    let length = body.len() + 1;
    let death = async {
        tokio::time::sleep(FLUSH_TIME).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    };
    let pieces = stream::once(async { Ok(Bytes::from(body)) }).chain(stream::once(death));
    with_length(with_head(status, headers, Body::from_stream(pieces)), length)
}

/// Returns a response whose body is sent in several chunks, evenly spread over `time`.
fn slow_body(Reply { status, headers, body }: Reply, time: Duration) -> Response {
    let body = Bytes::from(body);
    let (length, bit) = (body.len(), body.len().div_ceil(MAX_CHUNKS));
    let count = u32::try_from(length.div_ceil(bit)).unwrap_or(1);
    let pieces = stream::unfold(body, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(time / count).await;
        let piece = left.split_to(bit.min(left.len()));
        Some((Ok::<_, io::Error>(piece), left))
    });
    with_length(with_head(status, headers, Body::from_stream(pieces)), length)
}

fn with_length(mut response: Response, length: usize) -> Response {
    // The HTTP library does not know the length of a stream, so the header `Content-Length` is set here.
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// Converts an answer of the emulator to an HTTP response, without a fault.
pub(super) fn respond(answer: Answer) -> Response {
    let (kind, body) = match answer.body {
        Payload::Empty => (None, Body::empty()),
        Payload::Json(bytes) => (Some("application/json"), Body::from(bytes)),
        Payload::Bytes(kind, bytes) => (Some(kind), Body::from(bytes)),
        Payload::Stream(pieces) => (Some("application/x-ndjson"), piece_by_piece(pieces)),
    };
    let mut response = with_head(answer.status, answer.headers, body);
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

/// Returns a response with this status, headers and body. Omits headers that HTTP does not allow.
fn with_head(status: u16, headers: Vec<(String, String)>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Returns a body that sends each piece separately, like the tokens of an LLM.
fn piece_by_piece(pieces: Vec<Vec<u8>>) -> Body {
    let stream = stream::unfold(pieces.into_iter(), |mut pieces| async {
        let piece = pieces.next()?;
        tokio::task::yield_now().await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(piece)), pieces))
    });
    Body::from_stream(stream)
}
