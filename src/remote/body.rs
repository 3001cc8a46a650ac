//! Reads the bodies of answers. Limits their size and the time for reading them, and masks our own secrets in them.

use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, LOCATION};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::error::Category;
use tokio::time::Instant;

use super::bounds::{MAX_ANSWER_MEMORY, MAX_ERROR, bound_exceeded, estimate_memory, human_size};
use super::call::Call;
use super::failure::{ApiError, ErrorAnswer, FailureCause, MAX_PATH, truncate};
use super::long_integers::long_integers_as_texts;
use super::mask::mask_secrets;
use super::transport::chain;
use crate::model::{Api, Secrets};

/// The server's answer to a request. Its body has not been read yet.
#[derive(Debug)]
pub(super) struct Answer {
    response: Response,
    /// The time when the request was sent.
    sent: Instant,
    /// The maximum time for the request, including the body of its answer.
    timeout: Duration,
    /// The secrets that are masked in the body, in case the server repeats them.
    secrets: Vec<SecretString>,
}

impl Answer {
    pub(super) fn new(
        response: Response,
        (sent, timeout): (Instant, Duration),
        secrets: Vec<SecretString>,
    ) -> Self {
        Self { response, sent, timeout, secrets }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns the next part of the body, or `None` at its end.
    ///
    /// # Errors
    ///
    /// Fails if the body is cut off, or does not end before the timeout.
    pub(super) async fn chunk(&mut self, method: &Method, path: &str) -> Result<Option<Vec<u8>>, ApiError> {
        let lost = |message| ApiError::new(method, path, FailureCause::Lost, message);
        let deadline = self.sent + self.timeout;
        let chunk = tokio::time::timeout_at(deadline, self.response.chunk()).await.map_err(|_| {
            let seconds = self.timeout.as_secs();
            lost(format!("the answer was still incomplete {seconds} s after the request was sent"))
        })?;
        let chunk = chunk.map_err(|error| lost(format!("the answer was cut off ({})", chain(&error))))?;
        Ok(chunk.map(|chunk| chunk.to_vec()))
    }

    /// Reads the whole body, which may have at most `max` bytes.
    ///
    /// # Errors
    ///
    /// Fails if the body is cut off, too slow, too long, compressed, or too large in memory.
    pub(super) async fn read(mut self, call: &Call, max: usize) -> Result<Vec<u8>, ApiError> {
        let (method, path) = (&call.method, call.path.as_str());
        self.check_encoding(method, path)?;
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(method, path).await? {
            if body.len() + chunk.len() > max {
                let message = format!("the answer is longer than the limit of {}", human_size(max));
                return Err(bound_exceeded(method, path, message));
            }
            body.extend_from_slice(&chunk);
        }
        if estimate_memory(&body) > MAX_ANSWER_MEMORY {
            let memory = human_size(MAX_ANSWER_MEMORY);
            return Err(bound_exceeded(
                method,
                path,
                format!("the answer takes more than {memory} of memory"),
            ));
        }
        Ok(long_integers_as_texts(self.without_secrets(body)))
    }

    /// Returns a part of the body, with our own secrets masked in it.
    pub(super) fn without_secrets(&self, part: Vec<u8>) -> Vec<u8> {
        mask_secrets(part, &exposed(&self.secrets))
    }

    /// Converts an answer with an error status into an error. Reads at most [`MAX_ERROR`] bytes of the body.
    pub(super) async fn into_error(mut self, api: Api, call: &Call) -> ApiError {
        let (method, path, status) = (&call.method, call.path.as_str(), self.status().as_u16());
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk(method, path).await {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR - body.len())]);
            if body.len() == MAX_ERROR {
                break;
            }
        }
        let secrets = exposed(&self.secrets);
        let error = ApiError::from_answer(api, method, path, ErrorAnswer { status, body: &body }, &secrets);
        let location = self.response.headers().get(LOCATION).filter(|_| self.status().is_redirection());
        match location.and_then(|location| location.to_str().ok()) {
            Some(location) => {
                let location = secrets.iter().collect::<Secrets>().mask(location).into_owned();
                error.hint(format!("the answer redirects to `{}`", truncate(&location, MAX_PATH)))
            }
            None => error,
        }
    }

    /// Checks that the answer is not compressed. We never ask for compression and never decompress, because a few bytes
    /// could become gigabytes.
    fn check_encoding(&self, method: &Method, path: &str) -> Result<(), ApiError> {
        const KNOWN: [&str; 5] = ["gzip", "br", "zstd", "deflate", "compress"];
        let Some(encoding) = self.response.headers().get(CONTENT_ENCODING) else { return Ok(()) };
        if encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Ok(());
        }
        let known = KNOWN.iter().find(|known| encoding.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
        let how = known.unwrap_or(&"unknown encoding");
        let message =
            format!("the answer is compressed ({how}), although amigops asks for uncompressed answers");
        let hint = "a proxy may be compressing answers: turn compression off, or check `base_url:`";
        Err(ApiError::new(method, path, FailureCause::Unexpected, message).hint(hint))
    }
}

fn exposed(secrets: &[SecretString]) -> Vec<&str> {
    secrets.iter().map(ExposeSecret::expose_secret).collect()
}

/// Checks that an answer whose content is not used is empty or valid JSON.
pub(super) fn parse_nothing(body: &[u8]) -> Result<(), serde_json::Error> {
    match body.trim_ascii() {
        [] => Ok(()),
        body => serde_json::from_slice::<serde::de::IgnoredAny>(body).map(|_| ()),
    }
}

/// Returns the error for an answer that can't be parsed.
pub(super) fn parse_error(call: &Call, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let is_deep = text.starts_with("recursion limit exceeded");
    let (what, hint) = match error.classify() {
        _ if is_deep => (
            "the JSON is nested more than 128 levels deep".to_owned(),
            "another server may be answering at this address: check `base_url:`",
        ),
        Category::Eof => (
            format!("the JSON ends too early ({text})"),
            "a proxy may have cut the answer off: try again, then check `base_url:`",
        ),
        Category::Syntax => (
            format!("the answer is not JSON ({text})"),
            "a proxy or a network sign-in page may have answered instead of the API: check `base_url:` and the network",
        ),
        Category::Data | Category::Io => {
            (text, "another server may be answering at this address: check `base_url:`")
        }
    };
    // If the answer is valid JSON without the expected fields, another attempt would return the same, so it is not
    // retried.
    let is_reproducible = error.is_data() || is_deep;
    let cause = if is_reproducible { FailureCause::Unexpected } else { FailureCause::Malformed };
    let message = format!("the answer can't be read: {what}");
    ApiError::new(&call.method, &call.path, cause, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::time::Sleep;

    use super::super::bounds::MAX_ANSWER;
    use super::*;
    use crate::model::Endpoint;
    use crate::remote::send::REQUEST_TIMEOUT;

    /// The body of an answer that consists of one byte each second, and never ends.
    struct SlowBody(Pin<Box<Sleep>>);

    const SECOND: Duration = Duration::from_secs(1);

    impl http_body::Body for SlowBody {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            ready!(self.0.as_mut().poll(context));
            self.0.as_mut().reset(Instant::now() + SECOND);
            Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(b" ")))))
        }
    }

    fn answer(status: u16, header: (&str, &str), body: reqwest::Body) -> Answer {
        let response = http::Response::builder().status(status).header(header.0, header.1).body(body);
        Answer::new(response.expect("a response").into(), (Instant::now(), REQUEST_TIMEOUT), Vec::new())
    }

    fn slow_answer(status: u16) -> Answer {
        answer(status, ("x-a", "b"), reqwest::Body::wrap(SlowBody(Box::pin(tokio::time::sleep(SECOND)))))
    }

    fn call() -> Call {
        Call::get(Endpoint::ListServices, "/v1/acme/service/".to_owned(), Vec::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_abandoned_at_the_timeout() {
        let began = Instant::now();
        let error = slow_answer(200).read(&call(), MAX_ANSWER).await.expect_err("too slow");
        assert_eq!(error.message, "the answer was still incomplete 60 s after the request was sent");
        assert!(error.may_have_happened() && began.elapsed() < REQUEST_TIMEOUT + SECOND);
        let began = Instant::now();
        let error = slow_answer(403).into_error(Api::Classic, &call()).await;
        assert_eq!(error.status(), Some(403));
        assert!(began.elapsed() < REQUEST_TIMEOUT + SECOND, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn compressed_answers_are_refused() {
        for (encoding, how) in
            [("gzip", Some("gzip")), ("BR", Some("br")), ("x", Some("unknown")), ("identity", None)]
        {
            let answer = answer(200, ("content-encoding", encoding), "{}".into());
            let message = answer.read(&call(), MAX_ANSWER).await.err().map(|error| error.message);
            assert_eq!(message.is_some(), how.is_some(), "{encoding}: {message:?}");
            assert!(message.unwrap_or_default().contains(how.unwrap_or_default()), "{encoding}");
        }
    }

    #[test]
    fn deeply_nested_values_are_an_error() {
        for depth in [127, 128, 100_000] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let read = serde_json::from_str::<serde_json::Value>(&text);
            let error = read.err().map(|error| parse_error(&call(), &error));
            assert_eq!(error.is_some(), depth > 127, "{depth}");
            if let Some(error) = error {
                assert!(error.message.contains("more than 128 levels"), "{error}");
                assert_eq!(error.cause, FailureCause::Unexpected, "not retried: it would be as deep again");
            }
        }
    }
}
