//! Makes one attempt to send a request. Waits for the rate limit, observes the deadline, and masks secrets in answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use secrecy::SecretString;
use tokio::time::Instant;

use super::access::Access;
use super::body::Answer;
use super::call::Call;
use super::failure::{ApiError, FailureCause};
use super::headers::{parse_rate_limit, retry_after, server_time};
use super::limits::{Limiter, MAX_REFUSING_TIME, RequestOutcome, Reservation};
use super::long_integers::contains_long_integer;
use super::mask::contains_mask;
use super::transport::{Transport, TransportError};
use crate::model::{Api, Endpoint};

/// The maximum time for one request, including its whole answer. An answer that is not complete by then counts as lost.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum time for a GET request on a connection with a deadline. If the request hangs, there is still time to
/// send it again.
const READ_TIMEOUT_BEFORE_DEADLINE: Duration = Duration::from_secs(20);
/// The maximum number of tokens that are remembered in order to mask them. A run of an hour uses one or two tokens.
const MAX_ISSUED_TOKENS: usize = 8;

/// The number and times of the attempts to send one request so far.
#[derive(Debug, Default)]
pub(super) struct SendLog {
    /// The number of times that the request was sent.
    pub(super) attempts: u32,
    /// The time spent on the request so far, including delays between attempts, but without waits for the rate limit.
    pub(super) elapsed: Duration,
    /// The time when the request was last sent.
    pub(super) last_sent: Option<Instant>,
}

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) error: ApiError,
    /// The time that the server asked to wait (`Retry-After`), if the answer contained it.
    pub(super) retry_after: Option<Duration>,
    /// True if sending the request again would not help.
    pub(super) permanent: bool,
}

impl FailedAttempt {
    /// Creates a failure after which another attempt may help.
    pub(super) fn new(error: ApiError, retry_after: Option<Duration>) -> Self {
        Self { error, retry_after, permanent: false }
    }

    /// Creates a failure after which another attempt can't help.
    pub(super) fn permanent(error: ApiError) -> Self {
        Self { error, retry_after: None, permanent: true }
    }
}

/// A connection to one organization or workspace, which sends single attempts. Clones share the request budgets.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    transport: Transport,
    pub(super) api: Api,
    pub(super) access: Access,
    limiter: Limiter,
    /// The most recent tokens that the server issued. They are masked in answers.
    issued_tokens: Arc<Mutex<VecDeque<SecretString>>>,
    /// True once the server has answered any request.
    server_reached: Arc<AtomicBool>,
    /// True if the requests are sent even if the run is cancelled.
    pub(super) uninterruptible: bool,
    /// The time when all requests of this connection must have ended. After it, nothing is sent or retried, and waits
    /// end.
    pub(super) deadline: Option<Instant>,
    /// A reservation of requests to one endpoint, which can be sent without waiting for the endpoint's rate limit.
    pub(super) reservation: Option<Arc<Reservation>>,
    /// True if failed requests are not sent again.
    pub(super) without_retries: bool,
}

impl Sender {
    /// Prepares a connection that uses the given transport. Nothing is sent yet.
    pub(super) fn new(transport: Transport, access: Access, api: Api) -> Self {
        Self {
            transport,
            api,
            limiter: access.limiter(),
            access,
            issued_tokens: Arc::default(),
            server_reached: Arc::default(),
            uninterruptible: false,
            deadline: None,
            reservation: None,
            without_retries: false,
        }
    }

    /// Builds the HTTP request of a call, without credentials.
    pub(super) fn request(&self, call: &Call) -> RequestBuilder {
        let url = format!("{}{}", self.access.base_url, call.path);
        let mut request = self.transport.request(call.method.clone(), url);
        for (name, value) in &self.access.headers {
            request = request.header(name, value);
        }
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        match &call.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// Waits for the rate limit, and sends a request once. Returns the answer if its status is a success, and a failure
    /// otherwise.
    pub(super) async fn send_once(
        &self,
        call: &Call,
        request: RequestBuilder,
        log: &mut SendLog,
    ) -> Result<Answer, FailedAttempt> {
        check_body(call).map_err(FailedAttempt::permanent)?;
        self.wait_for_limit(call).await.map_err(FailedAttempt::permanent)?;
        let timeout = self.timeout(call);
        if timeout.is_zero() {
            self.limiter.give_back(call.endpoint, 1);
            return Err(FailedAttempt::permanent(self.not_sent_error(&call.method, &call.path)));
        }
        log.attempts += 1;
        self.access.observer.on_send();
        let sent = Instant::now();
        log.last_sent = Some(sent);
        let result = self.transport.send(request, sent + timeout).await;
        log.elapsed += sent.elapsed();
        match result {
            Ok(response) => self.handle_response(call, response, (sent, timeout)).await,
            Err(error) => Err(self.handle_transport_error(call, &error, (sent, timeout))),
        }
    }

    /// Records the status, rate limit and duration of an answer. Returns the answer if its status is a success, and a
    /// failure otherwise.
    async fn handle_response(
        &self,
        call: &Call,
        response: Response,
        (sent, timeout): (Instant, Duration),
    ) -> Result<Answer, FailedAttempt> {
        self.server_reached.store(true, Ordering::Relaxed);
        let now = server_time(response.headers(), (self.access.now)());
        let status = response.status();
        let retry_after = retry_after(response.headers(), now);
        let outcome = match status.as_u16() {
            429 => RequestOutcome::Refused(retry_after),
            500..=599 => RequestOutcome::Lost,
            _ => RequestOutcome::Accepted,
        };
        self.limiter.record_outcome(call.endpoint, outcome, parse_rate_limit(response.headers(), now), sent);
        self.access.observer.on_answer(call.method.as_str(), &call.path, status.as_u16(), sent.elapsed());
        let answer = Answer::new(response, (sent, timeout), self.secrets(call));
        if status.is_success() {
            return Ok(answer);
        }
        let error = answer.into_error(self.api, call).await;
        let error = match status.as_u16() {
            401 => error.hint(self.access.variables.refused_credentials_hint(self.api)),
            _ => error,
        };
        Err(FailedAttempt::new(error, retry_after))
    }

    /// Records that a request got no answer, and returns the failure.
    fn handle_transport_error(
        &self,
        call: &Call,
        error: &TransportError,
        (sent, timeout): (Instant, Duration),
    ) -> FailedAttempt {
        let cause = error.cause();
        let was_sent = cause != FailureCause::NotSent;
        if was_sent {
            self.limiter.record_outcome(call.endpoint, RequestOutcome::Lost, None, sent);
        } else {
            self.limiter.give_back(call.endpoint, 1);
        }
        let message = error.message(&self.access.base_url, timeout);
        let details = error.details.clone();
        let error = ApiError::new(&call.method, &call.path, cause, message);
        let error = if was_sent { error } else { error.hint(connection_hint(self.api)) };
        let hints = self.access.variables.connection_hints(self.access.is_loopback(), &details);
        FailedAttempt::new(hints.into_iter().fold(error, ApiError::hint), None)
    }

    /// Uses up one reserved request. If no request is reserved, waits until the endpoint's limit allows one.
    async fn wait_for_limit(&self, call: &Call) -> Result<(), ApiError> {
        let reservation = self.reservation.as_ref().filter(|_| self.has_reservation_for(call.endpoint));
        if !reservation.is_some_and(|reservation| reservation.take()) {
            self.acquire(call.endpoint, 1, call).await?.take();
        }
        Ok(())
    }

    /// Waits until the endpoint's limit allows `count` requests.
    ///
    /// # Errors
    ///
    /// Fails if the run is cancelled, or if the deadline has passed. In a run without a deadline, also fails if the
    /// endpoint has refused all requests for minutes.
    async fn acquire(&self, endpoint: Endpoint, count: u32, call: &Call) -> Result<Reservation, ApiError> {
        let on_wait = |wait, limit| self.access.observer.on_limit_wait(endpoint, wait, limit);
        let max_refusing = if self.access.deadline.is_some() { None } else { Some(MAX_REFUSING_TIME) };
        tokio::select! {
            biased;
            () = self.access.stop.cancelled(), if !self.uninterruptible => {
                Err(self.not_sent_error(&call.method, &call.path))
            }
            () = self.deadline_passed() => Err(self.not_sent_error(&call.method, &call.path)),
            permit = self.limiter.acquire(endpoint, count, max_refusing, &on_wait) => {
                permit.ok_or_else(|| always_refused_error(call))
            }
        }
    }

    /// Announces that about `count` requests to an endpoint will follow, so that the limiter can better spread them
    /// over time.
    pub(super) fn expect_requests(&self, endpoint: Endpoint, count: u32) {
        self.limiter.expect(endpoint, count);
    }

    /// Waits until the endpoint's limit allows `count` requests, and reserves them.
    pub(super) async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        let call = Call::new(endpoint, Method::POST, String::new(), None);
        self.acquire(endpoint, count, &call).await.map(Arc::new)
    }

    /// Returns true if the reservation covers requests to this endpoint.
    pub(super) fn has_reservation_for(&self, endpoint: Endpoint) -> bool {
        self.reservation.as_ref().is_some_and(|reservation| reservation.endpoint() == endpoint)
    }

    /// Returns true if the endpoint has accepted a request after this time.
    pub(super) fn has_accepted_since(&self, endpoint: Endpoint, time: Instant) -> bool {
        self.limiter.has_accepted_since(endpoint, time)
    }

    /// Returns true if the server has answered any request of this run.
    pub(super) fn has_reached_server(&self) -> bool {
        self.server_reached.load(Ordering::Relaxed)
    }

    /// Waits until the deadline, or forever if there is none.
    async fn deadline_passed(&self) {
        match self.deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    /// Returns the maximum time for one request, which is zero if the deadline has passed.
    fn timeout(&self, call: &Call) -> Duration {
        let Some(deadline) = self.deadline else { return REQUEST_TIMEOUT };
        let most = if call.method == Method::GET { READ_TIMEOUT_BEFORE_DEADLINE } else { REQUEST_TIMEOUT };
        deadline.saturating_duration_since(Instant::now()).min(most)
    }

    /// Returns the error for a request that was not sent, because the deadline had passed or the run was cancelled.
    pub(super) fn not_sent_error(&self, method: &Method, path: &str) -> ApiError {
        if self.deadline.is_some() {
            return ApiError::new(
                method,
                path,
                FailureCause::NotSent,
                "not sent: the deadline of the request had passed",
            );
        }
        let reason = self.access.stop.reason().unwrap_or_default();
        ApiError::new(method, path, FailureCause::Interrupted, format!("not sent: {reason}"))
    }

    /// Remembers a token that the server issued, so that it is masked in answers.
    pub(super) fn remember_token(&self, token: SecretString) {
        let mut issued = self.issued_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        issued.push_front(token);
        issued.truncate(MAX_ISSUED_TOKENS);
    }

    /// Returns the secrets to mask in the answer to a request.
    fn secrets(&self, call: &Call) -> Vec<SecretString> {
        let key = self.access.credentials.secret().clone();
        // The answer to a sign-in may contain a token that was already issued. It must not be masked, because it is
        // needed.
        if call.endpoint == Endpoint::SignIn {
            return vec![key];
        }
        let issued = self.issued_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        issued.iter().cloned().chain([key]).collect()
    }
}

/// Returns the error for a request that was not sent because its endpoint refuses all requests.
fn always_refused_error(call: &Call) -> ApiError {
    let minutes = MAX_REFUSING_TIME.as_secs() / 60;
    let message = format!(
        "not sent: for {minutes} minutes, the server has refused every request of this kind because of its rate limit"
    );
    ApiError::new(&call.method, &call.path, FailureCause::Status(429), message).hint(
        "another client may be using up the limit: run the command again later, or use `--timeout` to retry for longer",
    )
}

/// Returns the error for a request that would overwrite a secret with the text that masks it.
fn masked_write_error(call: &Call) -> ApiError {
    let message = "not sent: the live service contains this run's API key or token, and writing the service back would replace the secret with a mask";
    ApiError { ambiguous: false, ..ApiError::new(&call.method, &call.path, FailureCause::Setup, message) }.hint(
        "remove the credential from the service and replace the key: everyone who can read the service can read the key",
    )
}

/// Checks that a request does not contain a string that stands for a live value: a masked secret or a long integer. The
/// string would overwrite that value.
fn check_body(call: &Call) -> Result<(), ApiError> {
    let Some(body) = call.body.as_ref().map(ToString::to_string) else { return Ok(()) };
    if contains_mask(&body) {
        return Err(masked_write_error(call));
    }
    if contains_long_integer(&body) {
        return Err(long_integer_error(call));
    }
    Ok(())
}

/// Returns the error for a write that would change an integer that is too long to be read exactly.
fn long_integer_error(call: &Call) -> ApiError {
    let message = "not sent: the live service has an integer of more than 64 bits, and writing the service back would change that integer";
    ApiError { ambiguous: false, ..ApiError::new(&call.method, &call.path, FailureCause::Setup, message) }
        .hint("declare the value in the manifest, as a string or as an integer of at most 64 bits")
}

/// Returns the hint for a connection that failed.
fn connection_hint(api: Api) -> String {
    let variables = match api {
        Api::Classic => "AMIGO_BASE_URL",
        Api::Platform => "PLATFORM_API_URL or AMIGO_BASE_URL",
    };
    format!("check `base_url` in amigops.yaml, {variables}, and the network")
}
