//! What a request proves itself with: the token that signing in gives, or the key itself. May import `model`
//! only.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};

use super::access::Credentials;
use super::failure::{ApiError, Cause};
use super::http::{Call, Http, read, segment};
use super::tries::Tries;
use crate::model::Endpoint;

/// A token is renewed when less than this is left, or a tenth of its life if that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// What goes behind `Bearer`.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: SecretString,
    /// None: it stays as it is.
    renew_at: Option<SystemTime>,
}

impl Http {
    /// The present token; a new one where there is none, it is about to expire, or it is the refused one.
    pub(super) async fn token(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, ApiError> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref() {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, token));
            if !is_refused && token.renew_at.is_none_or(|at| (self.access.now)() < at) {
                return Ok(Arc::clone(token));
            }
        }
        let token = Arc::new(match &self.access.credentials {
            Credentials::Key(key) => Token { text: key.clone(), renew_at: None },
            Credentials::SignIn { api_key, api_key_id, user_id } => {
                self.sign_in([("x-api-key", api_key), ("x-api-key-id", api_key_id), ("x-user-id", user_id)])
                    .await?
            }
        });
        *held = Some(Arc::clone(&token));
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
        let response = loop {
            let request = key.iter().fold(self.request(&call), |request, (name, value)| {
                request.header(*name, value.expose_secret())
            });
            match self.once(&call, request, &mut tries).await {
                Ok(response) => break response,
                Err(failed) => self.wait_to_retry(&call, failed, &mut tries).await?,
            }
        };
        let body = read(response, &call.method, &call.path).await?;
        // The parser's own message could quote the token: it is left out.
        let signed: SignedIn = serde_json::from_slice(&body).map_err(|_| {
            let message = "the answer to signing in can't be read";
            ApiError::new(&call.method, &call.path, Cause::Unreadable, message)
        })?;
        let now = (self.access.now)();
        let expires = signed.expires_at.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        // Not said, or over already by our clock: it is used all the same, and a refusal renews it.
        let life = expires.and_then(|at| SystemTime::from(at).duration_since(now).ok());
        let life = life.unwrap_or(Duration::from_secs(300));
        let renew_at = Some(now + life.saturating_sub(RENEW_BEFORE.min(life / 10)));
        Ok(Token { text: signed.id_token.into(), renew_at })
    }
}
