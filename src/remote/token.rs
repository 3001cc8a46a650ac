//! The token or key that authenticates each request, and the sign-in that returns the token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::access::Credentials;
use super::bounds::{MAX_SIGN_IN, MAX_TOKEN, bound_exceeded};
use super::call::{Call, segment};
use super::failure::{ApiError, FailureCause};
use super::retry_loop::RetryState;
use super::send::{FailedAttempt, Sender};
use crate::model::Endpoint;

/// The time before a token's expiry at which the token is renewed. If a tenth of the token's lifetime is shorter than
/// this time, the tenth is used instead.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// The lifetime that is assumed if a token's expiry is unknown, or is in the past according to our clock. If the server
/// refuses the token earlier, the token is renewed.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// The time for which the error of a failed sign-in is also returned to other requests. After that, the sign-in is
/// attempted again.
const FAILURE_REUSED_FOR: Duration = Duration::from_secs(30);
/// The hint for an answer to a sign-in that probably does not come from the API.
const OTHER_SERVER: &str =
    "another server may be answering at this address: check `base_url:` and the network";

/// The token or key that requests send in the header `Authorization: Bearer`.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: SecretString,
    /// The time when the token is renewed, or `None` if it does not expire.
    renew_at: Option<SystemTime>,
}

/// The current token of a connection. Clones share the token.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenStore {
    state: Arc<Mutex<TokenState>>,
}

#[derive(Debug, Default)]
struct TokenState {
    token: Option<Arc<Token>>,
    /// The time and the error of the last sign-in if it failed, and `None` if it succeeded or was interrupted.
    failed: Option<(Instant, ApiError)>,
}

impl TokenState {
    /// Returns the error of the last sign-in if it is likely that another sign-in would fail as well.
    ///
    /// Because of this, all requests that wait for the same sign-in get the same error. If the server refused the key,
    /// no further sign-in is attempted.
    fn failure(&self) -> Option<ApiError> {
        let (at, error) = self.failed.as_ref()?;
        let is_refused = matches!(error.status(), Some(401 | 403));
        (is_refused || at.elapsed() < FAILURE_REUSED_FOR).then(|| error.clone())
    }
}

impl TokenStore {
    /// Returns the current token. Signs in if there is no token, if the token is about to expire, or if it is the token
    /// that the server refused (`refused`).
    pub(super) async fn token(
        &self,
        sender: &Sender,
        refused: Option<&Arc<Token>>,
    ) -> Result<Arc<Token>, ApiError> {
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
            if !is_refused && token.renew_at.is_none_or(|at| (sender.access.now)() < at) {
                return Ok(Arc::clone(token));
            }
        }
        if let Some(error) = state.failure().filter(|_| !sender.uninterruptible) {
            return Err(error);
        }
        let token = match &sender.access.credentials {
            Credentials::Key(key) => Ok(Token { text: key.clone(), renew_at: None }),
            Credentials::SignIn { api_key, api_key_id, user_id } => {
                let key = [("x-api-key", api_key), ("x-api-key-id", api_key_id), ("x-user-id", user_id)];
                sign_in(sender, key).await
            }
        };
        // The request that needed the token was not sent, so its outcome is not ambiguous.
        let token = token.map_err(|error| ApiError { ambiguous: false, ..error });
        state.failed = match &token {
            Err(error) if error.cause != FailureCause::Interrupted => Some((Instant::now(), error.clone())),
            _ => None,
        };
        let token = Arc::new(token?);
        state.token = Some(Arc::clone(&token));
        Ok(token)
    }
}

#[derive(serde::Deserialize)]
struct SignedIn {
    id_token: String,
    expires_at: Option<String>,
}

/// Signs in with the headers in `key`, which contain the API key, its id and its user. Returns the new token.
async fn sign_in(sender: &Sender, key: [(&'static str, &SecretString); 3]) -> Result<Token, ApiError> {
    let path = format!("/v1/{}/user/signin_with_api_key", segment(&sender.access.organization));
    let call = Call::new(Endpoint::SignIn, Method::POST, path, None);
    let mut state = RetryState::default();
    let signed_in = loop {
        match attempt_sign_in(sender, &call, &key, &mut state).await {
            Ok(signed_in) => break signed_in,
            Err(failed) => state.wait_to_retry(sender, &call, failed).await?,
        }
    };
    check_token(&call, &signed_in.id_token)?;
    sender.access.observer.on_sign_in(&signed_in.id_token);
    let now = (sender.access.now)();
    let expires = signed_in.expires_at.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let lifetime = expires.and_then(|at| SystemTime::from(at).duration_since(now).ok());
    let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME);
    let renew_at = Some(now + lifetime.saturating_sub(RENEW_BEFORE.min(lifetime / 10)));
    let text = SecretString::from(signed_in.id_token);
    sender.remember_token(text.clone());
    Ok(Token { text, renew_at })
}

async fn attempt_sign_in(
    sender: &Sender,
    call: &Call,
    key: &[(&'static str, &SecretString); 3],
    state: &mut RetryState,
) -> Result<SignedIn, FailedAttempt> {
    let request = key
        .iter()
        .fold(sender.request(call), |request, (name, value)| request.header(*name, value.expose_secret()));
    let answer = sender.send_once(call, request, &mut state.log).await?;
    let body = answer.read(call, MAX_SIGN_IN).await;
    let signed_in = body.and_then(|body| {
        // The parser's own message is left out, because it could quote the token.
        serde_json::from_slice::<SignedIn>(&body).map_err(|_| {
            let message = "the answer to the sign-in can't be read";
            ApiError::new(&call.method, &call.path, FailureCause::Malformed, message).hint(OTHER_SERVER)
        })
    });
    signed_in.map_err(|error| FailedAttempt::new(error, None))
}

/// Checks that a token can be sent in a header.
fn check_token(call: &Call, token: &str) -> Result<(), ApiError> {
    if token.len() > MAX_TOKEN {
        let message = format!("the token is longer than {MAX_TOKEN} bytes, so servers refuse it in a header");
        return Err(bound_exceeded(&call.method, &call.path, message));
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message =
            "the token can't be sent in a header: it is empty, or contains spaces or non-ASCII characters";
        let error = ApiError::new(&call.method, &call.path, FailureCause::Unexpected, message);
        return Err(error.hint(OTHER_SERVER));
    }
    Ok(())
}
