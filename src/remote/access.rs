//! Where an API is, and with what one gets in. May import `model` only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use tokio::time::Instant;

use super::failure::ApiError;
use super::limits::{Budgets, Limiter};
use crate::model::{Api, Endpoint};

/// With what one gets in. Never printed: `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Classic: an API key and whose it is, to sign in with.
    SignIn {
        /// The key.
        api_key: SecretString,
        /// The key's id.
        api_key_id: SecretString,
        /// The user to act as.
        user_id: SecretString,
    },
    /// Platform: an API key that each request carries as it is.
    Key(SecretString),
}

impl Credentials {
    /// The API that takes these.
    pub(super) fn api(&self) -> Api {
        match self {
            Self::SignIn { .. } => Api::Classic,
            Self::Key(_) => Api::Platform,
        }
    }

    /// The key, which no message may show, whoever wrote the message.
    pub(super) fn secret(&self) -> &SecretString {
        match self {
            Self::SignIn { api_key, .. } | Self::Key(api_key) => api_key,
        }
    }
}

/// Hears of what goes on below the surface, for progress and logs.
pub trait Watch: Send + Sync {
    /// A request waits for an endpoint's limit: requests a minute, where the server tells that.
    fn waiting(&self, endpoint: Endpoint, wait: Duration, limit: Option<u32>);
    /// A failed request is sent again after a while.
    fn retrying(&self, endpoint: Endpoint, wait: Duration, error: &ApiError);
    /// Nobody knows whether a request was carried out, and whoever sent it will look before it is sent again.
    fn looking(&self, _endpoint: Endpoint, _error: &ApiError) {}
    /// The server gave a token, which no output may show.
    fn signed_in(&self, _token: &str) {}
    /// A request is sent: the first time, or again.
    fn sending(&self) {}
    /// A request was answered.
    fn answered(&self, method: &str, path: &str, status: u16, took: Duration);
}

/// Why a run is to stop before its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for it: Ctrl-C, SIGTERM.
    #[default]
    Interrupt,
    /// The time that the run was given is over.
    Timeout,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "interrupted",
            Self::Timeout => "out of time (--timeout)",
        })
    }
}

/// A wish to stop that everything under way hears: waits end, requests in flight are brought to their end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    wished: Arc<OnceLock<StopReason>>,
    heard: Arc<tokio::sync::Notify>,
}

impl Stop {
    /// Wishes to stop. The first reason counts.
    pub fn wish(&self, why: StopReason) {
        let _ = self.wished.set(why);
        self.heard.notify_waiters();
    }

    /// Whether somebody wished to stop.
    pub fn is_wished(&self) -> bool {
        self.why().is_some()
    }

    /// Why, if somebody wished to stop.
    pub fn why(&self) -> Option<StopReason> {
        self.wished.get().copied()
    }

    /// Waits for the wish.
    pub async fn wished(&self) {
        // Registered before asking, so that a wish in between is not missed.
        let heard = self.heard.notified();
        if !self.is_wished() {
            heard.await;
        }
    }
}

/// Everything that is needed to talk to one organization, or one workspace.
#[derive(Clone)]
pub struct Access {
    /// The API's address, without a slash at its end.
    pub base_url: String,
    /// The organization; on Platform, the workspace's id.
    pub organization: String,
    /// Headers that each request carries besides ours.
    pub headers: BTreeMap<String, String>,
    /// With what to get in: of the same API as the client.
    pub credentials: Credentials,
    /// The wall clock.
    pub now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// A number from 0 to 1, for jitter.
    pub random: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Who hears of waits and retries.
    pub watch: Arc<dyn Watch>,
    /// Ends waits.
    pub stop: Stop,
    /// When the run must be over: failures that pass are waited out until then. None: each request has its own
    /// patience.
    pub deadline: Option<Instant>,
    /// What may be sent when, shared by all connections of the process.
    pub budgets: Budgets,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("base_url", &self.base_url)
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// The address, taken apart; none where it isn't one.
    fn url(&self) -> Option<reqwest::Url> {
        reqwest::Url::parse(&self.base_url).ok()
    }

    /// What may be sent when: one account for all that goes to this organization at this address.
    pub(super) fn limits(&self) -> Limiter {
        let address = self.url().map_or_else(|| self.base_url.clone(), |url| url.to_string());
        self.budgets.of(self.credentials.api(), address, &self.organization)
    }

    /// Whether the address is this machine's own: then no proxy is used, and plain `http://` is fine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.url().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Refuses credentials of another API, and addresses to which credentials must not be sent. The address
    /// itself is not repeated: it may hold what must not be shown.
    ///
    /// # Errors
    ///
    /// Anything but `https://`, and `http://` to another machine; addresses with a user, a password, a query
    /// or a fragment; credentials that this API does not take.
    pub(super) fn check(&self, api: Api) -> Result<(), ApiError> {
        if self.credentials.api() != api {
            let (other, api) = (self.credentials.api().as_str(), api.as_str());
            return Err(ApiError::setup(format!("credentials of the {other} API do not open the {api} API")));
        }
        let variables = match api {
            Api::Classic => "AMIGO_BASE_URL",
            Api::Platform => "PLATFORM_API_URL and AMIGO_BASE_URL",
        };
        let refuse = |why: &str| {
            Err(ApiError::setup(format!("credentials can't be sent to the base address: {why}"))
                .hint(format!("check `base_url:` of the environment, or {variables}")))
        };
        let Some(url) = self.url() else { return refuse("it is no address") };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it holds a user or a password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("it holds a query or a fragment");
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.is_loopback() => Ok(()),
            "http" => refuse("it is plain http:// and not this machine"),
            _ => refuse("it is neither https:// nor http:// to this machine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;
    impl Watch for Deaf {
        fn waiting(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
        fn retrying(&self, _: Endpoint, _: Duration, _: &ApiError) {}
        fn answered(&self, _: &str, _: &str, _: u16, _: Duration) {}
    }

    #[test]
    fn credentials_go_to_safe_addresses_only_and_are_never_printed() {
        let access = |base_url: &str| Access {
            base_url: base_url.to_owned(),
            organization: "acme".to_owned(),
            headers: BTreeMap::new(),
            credentials: Credentials::SignIn {
                api_key: "s3cret".into(),
                api_key_id: "s3cret".into(),
                user_id: "s3cret".into(),
            },
            now: Arc::new(|| SystemTime::UNIX_EPOCH),
            random: Arc::new(|| 0.5),
            watch: Arc::new(Deaf),
            stop: Stop::default(),
            deadline: None,
            budgets: Budgets::default(),
        };
        for good in ["https://api.amigo.ai", "http://127.0.0.1:8080", "http://[::1]:80", "http://localhost"] {
            assert!(access(good).check(Api::Classic).is_ok(), "{good}");
        }
        for bad in [
            "http://api.amigo.ai",
            "http://127.0.0.1.evil.example",
            "ftp://localhost",
            "http://localhost@evil.example",
            "http://localhost:hunter2@evil.example",
            "http://[::1]@evil.example",
            "https://bob:hunter2@api.amigo.ai",
            "https://api.amigo.ai?x=y",
        ] {
            assert!(access(bad).check(Api::Classic).is_err(), "{bad}");
        }
        assert!(access("https://x").check(Api::Platform).is_err(), "credentials of the other API");
        let printed = format!("{:?} {:?}", access("https://x"), access("https://x").credentials);
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}
