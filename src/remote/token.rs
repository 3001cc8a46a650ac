//! What a request proves itself with: the token that signing in gives, or the key itself. May import `model`
//! only.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::access::Credentials;
use super::bounds::{MAX_SIGN_IN, MAX_TOKEN, exceeded};
use super::failure::{ApiError, Cause};
use super::http::{Call, Http, segment};
use super::tries::{Failed, Tries};
use crate::model::Endpoint;

/// A token is renewed when less than this is left, or a tenth of its life if that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// How long nobody tries to sign in again after it was given up.
const FAILURE_HOLDS: Duration = Duration::from_secs(30);

/// So many tokens are remembered, to be masked where a server repeats one: an hour's run has one or two.
const ISSUED_KEPT: usize = 8;

/// What goes behind `Bearer`.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: SecretString,
    /// None: it stays as it is.
    renew_at: Option<SystemTime>,
}

/// What is known of signing in.
#[derive(Debug, Default)]
pub(super) struct Held {
    token: Option<Arc<Token>>,
    /// Why it failed last, and when.
    failed: Option<(Instant, ApiError)>,
}

impl Held {
    /// The last failure, where trying again would fail again: all who wait for one sign-in share its failure, and a
    /// key that is refused stays refused.
    fn failure(&self) -> Option<ApiError> {
        let (at, error) = self.failed.as_ref()?;
        let refused = matches!(error.status(), Some(401 | 403));
        (refused || at.elapsed() < FAILURE_HOLDS).then(|| error.clone())
    }
}

impl Http {
    /// The present token; a new one where there is none, it is about to expire, or it is the refused one.
    pub(super) async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, ApiError> {
        let mut held = self.token.lock().await;
        if let Some(token) = &held.token {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
            if !is_refused && token.renew_at.is_none_or(|at| (self.access.now)() < at) {
                return Ok(Arc::clone(token));
            }
        }
        if let Some(error) = held.failure().filter(|_| !self.finishing) {
            return Err(error);
        }
        let token = match &self.access.credentials {
            Credentials::Key(key) => Ok(Token { text: key.clone(), renew_at: None }),
            Credentials::SignIn { api_key, api_key_id, user_id } => {
                self.sign_in([("x-api-key", api_key), ("x-api-key-id", api_key_id), ("x-user-id", user_id)])
                    .await
            }
        };
        // Whatever became of signing in: what it was for was not sent.
        let token = token.map_err(|error| ApiError { unsure: false, ..error });
        held.failed = match &token {
            Err(error) if error.cause != Cause::Interrupted => Some((Instant::now(), error.clone())),
            _ => None,
        };
        let token = Arc::new(token?);
        held.token = Some(Arc::clone(&token));
        Ok(token)
    }

    /// Signs in with the headers that stand for an API key.
    async fn sign_in(&self, key: [(&'static str, &SecretString); 3]) -> Result<Token, ApiError> {
        #[derive(serde::Deserialize)]
        struct SignedIn {
            id_token: String,
            expires_at: Option<String>,
        }
        let path = format!("/v1/{}/user/signin_with_api_key", segment(&self.access.organization));
        let call = Call::send(Endpoint::SignIn, Method::POST, path, None);
        let mut tries = Tries::default();
        let signed = loop {
            let request = key.iter().fold(self.request(&call), |request, (name, value)| {
                request.header(*name, value.expose_secret())
            });
            let answer = match self.send_once(&call, request, &mut tries).await {
                Ok(answer) => answer,
                Err(failed) => {
                    self.wait_to_retry(&call, failed, &mut tries).await?;
                    continue;
                }
            };
            let body = answer.read(&call, MAX_SIGN_IN).await;
            let signed = body.and_then(|body| {
                // The parser's own message could quote the token: it is left out.
                serde_json::from_slice::<SignedIn>(&body).map_err(|_| {
                    let message = "the answer to signing in can't be read";
                    ApiError::new(&call.method, &call.path, Cause::Garbled, message)
                        .hint("something else may answer at this address: check `base_url:` and the network")
                })
            });
            match signed {
                Ok(signed) => break signed,
                Err(error) => self.wait_to_retry(&call, Failed::new(error, None), &mut tries).await?,
            }
        };
        check_token(&call, &signed.id_token)?;
        self.access.watch.signed_in(&signed.id_token);
        let now = (self.access.now)();
        let expires = signed.expires_at.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        // Not said, or over already by our clock: it is used all the same, and a refusal renews it.
        let life = expires.and_then(|at| SystemTime::from(at).duration_since(now).ok());
        let life = life.unwrap_or(Duration::from_secs(300));
        let renew_at = Some(now + life.saturating_sub(RENEW_BEFORE.min(life / 10)));
        let text = SecretString::from(signed.id_token);
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.push_front(text.clone());
        issued.truncate(ISSUED_KEPT);
        Ok(Token { text, renew_at })
    }
}

/// Checks that a token can be sent.
fn check_token(call: &Call, token: &str) -> Result<(), ApiError> {
    if token.len() > MAX_TOKEN {
        let message =
            format!("the token is longer than {MAX_TOKEN} bytes, which no server takes in a header");
        return Err(exceeded(&call.method, &call.path, message));
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "the token can't be sent in a header: it is empty, or holds spaces or other characters";
        return Err(ApiError::new(&call.method, &call.path, Cause::Unreadable, message)
            .hint("something else may answer at this address: check `base_url:` and the network"));
    }
    Ok(())
}
