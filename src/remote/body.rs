//! The bodies of answers: read within bounds of size and time, without our secrets, and what can't be read. May import
//! `model` only.

use std::time::Duration;

use reqwest::header::CONTENT_ENCODING;
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::error::Category;
use tokio::time::Instant;

use super::bounds::{MAX_ANSWER_MEMORY, MAX_ERROR, exceeded, in_words, memory_of};
use super::failure::{ApiError, Cause};
use super::http::Call;
use super::mask::without_in_data;
use super::transport::chain;
use crate::model::Api;

/// An answer whose body is still to be read, until the request's deadline.
#[derive(Debug)]
pub(super) struct Answer {
    response: Response,
    /// When the request was sent.
    sent: Instant,
    /// How long it may take, its answer included.
    timeout: Duration,
    /// What must not be shown, should the server repeat it.
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

    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    ///
    /// A body that breaks off, or is not at its end by the deadline.
    pub(super) async fn chunk(&mut self, method: &Method, path: &str) -> Result<Option<Vec<u8>>, ApiError> {
        let lost = |message| ApiError::new(method, path, Cause::Lost, message);
        let deadline = self.sent + self.timeout;
        let chunk = tokio::time::timeout_at(deadline, self.response.chunk()).await.map_err(|_| {
            let seconds = self.timeout.as_secs();
            lost(format!("the answer was not complete {seconds} s after the request was sent"))
        })?;
        let chunk = chunk.map_err(|error| lost(format!("the answer broke off ({})", chain(&error))))?;
        Ok(chunk.map(|chunk| chunk.to_vec()))
    }

    /// Reads the whole body, of so many bytes at most.
    ///
    /// # Errors
    ///
    /// A body that breaks off, comes too slowly, is too long or compressed, or would take too much memory.
    pub(super) async fn read(mut self, call: &Call, most: usize) -> Result<Vec<u8>, ApiError> {
        let (method, path) = (&call.method, call.path.as_str());
        self.check_encoding(method, path)?;
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(method, path).await? {
            if body.len() + chunk.len() > most {
                let what = format!("the answer is longer than {}, and no more is read", in_words(most));
                return Err(exceeded(method, path, what));
            }
            body.extend_from_slice(&chunk);
        }
        if memory_of(&body) > MAX_ANSWER_MEMORY {
            let memory = in_words(MAX_ANSWER_MEMORY);
            return Err(exceeded(method, path, format!("the answer takes more than {memory} of memory")));
        }
        Ok(self.without_secrets(body))
    }

    /// Takes our secrets out of a part of the body.
    pub(super) fn without_secrets(&self, part: Vec<u8>) -> Vec<u8> {
        without_in_data(part, &exposed(&self.secrets))
    }

    /// The error that a bad answer is, from the beginning of its body, as far as it comes.
    pub(super) async fn into_error(mut self, api: Api, call: &Call) -> ApiError {
        let (method, path, status) = (&call.method, call.path.as_str(), self.status().as_u16());
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk(method, path).await {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR - body.len())]);
            if body.len() == MAX_ERROR {
                break;
            }
        }
        ApiError::from_answer(api, method, path, status, &body, &exposed(&self.secrets))
    }

    /// Nothing here asks for a compressed answer, and nothing decodes one: a few bytes could become gigabytes.
    fn check_encoding(&self, method: &Method, path: &str) -> Result<(), ApiError> {
        const KNOWN: [&str; 5] = ["gzip", "br", "zstd", "deflate", "compress"];
        let Some(encoding) = self.response.headers().get(CONTENT_ENCODING) else { return Ok(()) };
        if encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Ok(());
        }
        let known = KNOWN.iter().find(|known| encoding.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
        let how = known.unwrap_or(&"in an unknown way");
        let message = format!("the answer is compressed ({how}), which was not asked for and is not decoded");
        let hint = "something between may compress answers: switch that off there, or check `base_url:`";
        Err(ApiError::new(method, path, Cause::Unreadable, message).hint(hint))
    }
}

fn exposed(secrets: &[SecretString]) -> Vec<&str> {
    secrets.iter().map(ExposeSecret::expose_secret).collect()
}

/// Reads an answer that need not say anything.
pub(super) fn nothing_else(body: &[u8]) -> Result<(), serde_json::Error> {
    match body.trim_ascii() {
        [] => Ok(()),
        body => serde_json::from_slice::<serde::de::IgnoredAny>(body).map(|_| ()),
    }
}

/// An answer that is not what the API promises.
pub(super) fn unreadable(call: &Call, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let is_deep = text.starts_with("recursion limit exceeded");
    let (what, hint) = match error.classify() {
        _ if is_deep => (
            "its values are nested in more than 128 levels".to_owned(),
            "something else may answer at this address: check `base_url:`",
        ),
        Category::Eof => (
            format!("it ends too early ({text})"),
            "something on the way may have cut it off: try again; if that doesn't help, check `base_url:`",
        ),
        Category::Syntax => (
            format!("it is no JSON ({text})"),
            "a proxy, or a network that wants a sign-in, may have answered in the API's place: check `base_url:` and the network",
        ),
        Category::Data | Category::Io => {
            (text, "something else may answer at this address: check `base_url:`")
        }
    };
    // What has the right form and lacks something will lack it again.
    let is_same_again = error.is_data() || is_deep;
    let cause = if is_same_again { Cause::Unreadable } else { Cause::Garbled };
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
    use crate::remote::REQUEST_TIMEOUT;

    /// A body of one byte a second, without an end.
    struct Drip(Pin<Box<Sleep>>);

    const SECOND: Duration = Duration::from_secs(1);

    impl http_body::Body for Drip {
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

    fn drip(status: u16) -> Answer {
        answer(status, ("x-a", "b"), reqwest::Body::wrap(Drip(Box::pin(tokio::time::sleep(SECOND)))))
    }

    fn call() -> Call {
        Call::get(Endpoint::ListServices, "/v1/acme/service/".to_owned(), Vec::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_ends_with_the_time_of_its_request() {
        let began = Instant::now();
        let error = drip(200).read(&call(), MAX_ANSWER).await.expect_err("too slow");
        assert_eq!(error.message, "the answer was not complete 60 s after the request was sent");
        assert!(error.may_have_happened() && began.elapsed() < REQUEST_TIMEOUT + SECOND);
        let began = Instant::now();
        let error = drip(403).into_error(Api::Classic, &call()).await;
        assert_eq!(error.status(), Some(403));
        assert!(began.elapsed() < REQUEST_TIMEOUT + SECOND, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_compressed_answer_is_not_read() {
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
    fn values_in_many_levels_are_an_error() {
        for depth in [127, 128, 100_000] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let read = serde_json::from_str::<serde_json::Value>(&text);
            let error = read.err().map(|error| unreadable(&call(), &error));
            assert_eq!(error.is_some(), depth > 127, "{depth}");
            if let Some(error) = error {
                assert!(error.message.contains("more than 128 levels"), "{error}");
                assert_eq!(error.cause, Cause::Unreadable, "it will be as deep again");
            }
        }
    }
}
