//! A connection to one organization or workspace: authenticated requests with retries.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::access::Access;
use super::body::{Answer, parse_error, parse_nothing};
use super::bounds::MAX_ANSWER;
use super::call::{Call, segment};
use super::failure::{ApiError, FailureCause};
use super::limits::Reservation;
use super::retry_loop::{RetryState, wait_before_retry};
use super::send::{FailedAttempt, Sender};
use super::token::{Token, TokenStore};
use super::transport::Transport;
use crate::model::{Api, Endpoint};

/// A connection to one organization or workspace. Clones share the token and the request budgets.
#[derive(Clone, Debug)]
pub(super) struct Client {
    sender: Sender,
    tokens: TokenStore,
}

impl Client {
    /// Prepares a connection. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Fails if the credentials must not be sent to the address or belong to the other API. Also fails if TLS can't be
    /// set up on this machine.
    pub(super) fn new(access: Access, api: Api) -> Result<Self, ApiError> {
        access.check(api)?;
        let transport = Transport::network(&access)?;
        Ok(Self::over(transport, access, api))
    }

    /// Prepares a connection that uses the given transport.
    pub(super) fn over(transport: Transport, access: Access, api: Api) -> Self {
        Self { sender: Sender::new(transport, access, api), tokens: TokenStore::default() }
    }

    fn with(&self, change: impl FnOnce(&mut Sender)) -> Self {
        let mut client = self.clone();
        change(&mut client.sender);
        client
    }

    /// Returns a copy of this connection that sends requests even if the run is cancelled.
    pub(super) fn uninterruptible(&self) -> Self {
        self.with(|sender| sender.uninterruptible = true)
    }

    /// Returns a copy of this connection that sends requests even if the run is cancelled, but not after a deadline.
    pub(super) fn with_deadline(&self, deadline: Instant) -> Self {
        self.with(|sender| {
            sender.uninterruptible = true;
            sender.deadline = Some(deadline);
        })
    }

    /// Returns a copy of this connection with a reservation, which allows some requests to one endpoint without a wait
    /// for the rate limit.
    pub(super) fn with_reservation(&self, reservation: &Arc<Reservation>) -> Self {
        self.with(|sender| sender.reservation = Some(Arc::clone(reservation)))
    }

    /// Announces that about `count` requests to an endpoint will follow, so that the limiter can better spread them
    /// over time.
    pub(super) fn expect_requests(&self, endpoint: Endpoint, count: u32) {
        self.sender.expect_requests(endpoint, count);
    }

    /// Returns a copy of this connection that does not send a request again after a failure.
    pub(super) fn without_retries(&self) -> Self {
        self.with(|sender| sender.without_retries = true)
    }

    pub(super) fn api(&self) -> Api {
        self.sender.api
    }

    pub(super) fn access(&self) -> &Access {
        &self.sender.access
    }

    /// Returns the URL path of the organization or workspace, followed by `rest`.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/{}/{rest}", segment(&self.access().organization))
    }

    /// Sends a request whose answer is not used. The answer must be empty or JSON. An HTML page, for example, is an
    /// error, because it does not come from the API.
    pub(super) async fn call_unit(&self, call: &Call) -> Result<(), ApiError> {
        self.call(call, parse_nothing).await
    }

    /// Sends a request and parses its answer as JSON.
    pub(super) async fn call_json<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<T, ApiError> {
        self.call(call, |body| serde_json::from_slice(body)).await
    }

    /// Sends a request, with retries, and returns its answer. The body of the answer has not been read yet.
    pub(super) async fn call_unread(&self, call: &Call) -> Result<Answer, ApiError> {
        let mut state = RetryState::default();
        loop {
            match self.attempt(call, &mut state).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => state.wait_to_retry(&self.sender, call, failed).await?,
            }
        }
    }

    /// Sends a request and parses its answer. Retries if the request fails or its answer can't be parsed.
    pub(super) async fn call<T>(
        &self,
        call: &Call,
        parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, ApiError> {
        let mut state = RetryState::default();
        loop {
            match self.attempt_call(call, &parse, &mut state).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => state.wait_to_retry(&self.sender, call, failed).await?,
            }
        }
    }

    /// Sends a request, with retries, and parses its answer. Calls `build` to build the request again for each attempt,
    /// because the live state on which the request is based may have changed. Returns `None` if `build` returns `None`,
    /// which means that nothing needs to be sent.
    pub(super) async fn call_rebuilding_request<T>(
        &self,
        build: impl AsyncFn() -> Result<Option<Call>, ApiError>,
        parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Option<T>, ApiError> {
        let mut state = RetryState::default();
        loop {
            let built = build().await.map_err(|error| state.with_ambiguity(error))?;
            let Some(call) = built else { return Ok(None) };
            match self.attempt_call(&call, &parse, &mut state).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(failed) => state.wait_to_retry(&self.sender, &call, failed).await?,
            }
        }
    }

    /// Sends the request once, without retries, and parses its answer.
    async fn attempt_call<T>(
        &self,
        call: &Call,
        parse: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
        state: &mut RetryState,
    ) -> Result<T, FailedAttempt> {
        let answer = self.attempt(call, state).await?;
        let began = Instant::now();
        let body = answer.read(call, MAX_ANSWER).await;
        state.log.elapsed += began.elapsed();
        let parsed = body.and_then(|body| parse(&body).map_err(|error| parse_error(call, &error)));
        parsed.map_err(|error| FailedAttempt::new(error, None))
    }

    /// Makes one attempt to send a request. If the server refuses the token, renews the token and sends the request
    /// again.
    async fn attempt(&self, call: &Call, state: &mut RetryState) -> Result<Answer, FailedAttempt> {
        loop {
            let token = self.token(call, None).await?;
            let request = self.sender.request(call).bearer_auth(token.text.expose_secret());
            let failed = match self.sender.send_once(call, request, &mut state.log).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            // Only the token of the Classic API can be renewed. The key of the Platform API would be refused again.
            if failed.error.cause != FailureCause::Status(401)
                || state.token_renewed
                || self.api() != Api::Classic
            {
                return Err(failed);
            }
            state.token_renewed = true;
            self.token(call, Some(&token)).await?;
        }
    }

    /// Returns a token for the next attempt. `refused` is the token that the server refused in the previous attempt, if
    /// there is one. Fails if the sign-in does not end before the deadline, even if another request started the
    /// sign-in.
    async fn token(&self, call: &Call, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, FailedAttempt> {
        let token = self.tokens.token(&self.sender, refused);
        let token = match self.sender.deadline {
            None => token.await,
            Some(deadline) => tokio::time::timeout_at(deadline, token)
                .await
                .unwrap_or_else(|_| Err(self.sender.not_sent_error(&call.method, &call.path))),
        };
        token.map_err(FailedAttempt::permanent)
    }

    /// Reports a retry to the observer, and waits until the caller can send the failed request again.
    pub(super) async fn wait_before_retry(
        &self,
        call: &Call,
        delay: Duration,
        error: &ApiError,
    ) -> Result<(), ApiError> {
        wait_before_retry(&self.sender, call, delay, error).await
    }

    /// Waits until the endpoint's limit allows `count` requests, and reserves them.
    pub(super) async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        self.sender.reserve(endpoint, count).await
    }
}
