//! Sign-in to the Classic API, and the tokens that it issues to users.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::api::exchange::{Answer, Request, iso};
use crate::api::limits::later;
use crate::api::problems::{At, RequestProblems};
use crate::api::refusal::Refusal;
use crate::state::{ApiKey, Organization, World};

/// The tokens that were issued to users. They are kept only in memory, so a restart of the emulator signs out every
/// user.
pub(super) struct Sessions {
    lifetime: Duration,
    tokens: HashMap<String, Session>,
    given: u64,
}

struct Session {
    organization: String,
    key_id: String,
    expires: SystemTime,
}

impl Sessions {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, tokens: HashMap::new(), given: 0 }
    }

    /// Answers a sign-in request with a new token. Refuses the request if the key, the key's id or the user is wrong.
    pub(super) fn sign_in(&mut self, request: &Request, home: &Organization) -> Result<Answer, Refusal> {
        let mut problems = RequestProblems::default();
        let mut header = |name: &str| {
            let value = request.header(name).map(str::to_owned);
            if value.is_none() {
                problems.add("missing", &At::header(name), "Field required", &Value::Null);
            }
            value.unwrap_or_default()
        };
        let (secret, id, user) = (header("x-api-key"), header("x-api-key-id"), header("x-user-id"));
        problems.done()?;
        let known = home.api_keys().get(&id).filter(|known| known.key == secret && known.user == user);
        let Some(key) = known else {
            return Err(Refusal::Unauthorized("the API key, its id or the user is wrong".to_owned()));
        };
        let expires = later(request.now, self.lifetime);
        self.tokens.retain(|_, session| session.expires > request.now);
        self.given += 1;
        let token = format!("emulated.{:016x}{:016x}", self.random(), self.random());
        let session = Session { organization: home.name().to_owned(), key_id: key.id.clone(), expires };
        self.tokens.insert(token.clone(), session);
        Ok(Answer::json(
            200,
            &json!({"id_token": token, "expires_at": iso(super::exchange::millis(expires))}),
        ))
    }

    /// Returns the API key with which the user of a request signed in. Refuses the request if its token is missing,
    /// wrong or expired.
    pub(super) fn authenticate(
        &self,
        request: &Request,
        organization: &str,
        world: &World,
    ) -> Result<ApiKey, Refusal> {
        let refused = || Refusal::Unauthorized("the token is missing, wrong or expired".to_owned());
        let credentials = request.header("authorization").ok_or_else(refused)?;
        let (scheme, token) = credentials.split_once(' ').ok_or_else(refused)?;
        let session = self.tokens.get(token.trim()).ok_or_else(refused)?;
        let valid = scheme.eq_ignore_ascii_case("bearer")
            && session.organization == organization
            && session.expires > request.now;
        let key = world.organization(organization).and_then(|home| home.api_keys().get(&session.key_id));
        key.filter(|_| valid).cloned().ok_or_else(refused)
    }

    /// Returns a random number from the standard library's hasher, which is seeded with randomness from the system.
    /// This is good enough for a server on a loopback port.
    fn random(&self) -> u64 {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(self.given);
        hasher.finish()
    }
}
