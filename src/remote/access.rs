//! The address, credentials and settings of a connection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use tokio::time::Instant;

use super::failure::ApiError;
use super::limits::{Budgets, Limiter};
use super::variables::{ConnectionVariables, ProxyVariable};
use crate::model::{Api, Endpoint};

/// The credentials for an API. Their `Debug` output contains no secret.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// The credentials for the Classic API: an API key, its id, and its user. The client signs in with them.
    SignIn {
        /// The API key.
        api_key: SecretString,
        /// The id of the API key.
        api_key_id: SecretString,
        /// The id of the user for whom requests are sent.
        user_id: SecretString,
    },
    /// The credentials for the Platform API: an API key, which each request contains.
    Key(SecretString),
}

impl Credentials {
    /// Returns the API that these credentials are for.
    pub(super) fn api(&self) -> Api {
        match self {
            Self::SignIn { .. } => Api::Classic,
            Self::Key(_) => Api::Platform,
        }
    }

    /// Returns the API key. It must not appear in any message.
    pub(super) fn secret(&self) -> &SecretString {
        match self {
            Self::SignIn { api_key, .. } | Self::Key(api_key) => api_key,
        }
    }
}

/// Receives notifications about requests. They are used for progress output, logs and statistics.
pub trait RequestObserver: Send + Sync {
    /// Called when a request has to wait because of the rate limit of its endpoint. `limit` is the number of requests
    /// that the endpoint allows, normally per minute, or `None` if it is not known.
    fn on_limit_wait(&self, endpoint: Endpoint, wait: Duration, limit: Option<u32>);
    /// Called when a request failed and will be sent again after `wait`.
    fn on_retry(&self, endpoint: Endpoint, wait: Duration, error: &ApiError);
    /// Called when the outcome of a request is unknown. The code that sent the request then checks whether the server
    /// applied it, before it sends the request again.
    fn on_ambiguous(&self, _endpoint: Endpoint, _error: &ApiError) {}
    /// Called when the server has issued a token. The token must not appear in any output.
    fn on_sign_in(&self, _token: &str) {}
    /// Called each time a request is sent, retries included.
    fn on_send(&self) {}
    /// Called when the status and headers of an answer have arrived. `took` is the time since the request was sent.
    fn on_answer(&self, method: &str, path: &str, status: u16, took: Duration);
}

/// The reason why a run was cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopReason {
    /// The process got a signal: Ctrl-C or SIGTERM.
    #[default]
    Interrupt,
    /// The time that `--timeout` allows is over.
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

/// A handle that cancels a run, and shows whether the run was cancelled. After a cancellation, waits end at once, and
/// requests that were already sent are completed.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    reason: Arc<OnceLock<StopReason>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Stop {
    /// Cancels the run. Later calls do not change the reason.
    pub fn cancel(&self, reason: StopReason) {
        let _ = self.reason.set(reason);
        self.changed.notify_waiters();
    }

    /// Returns true if the run was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Returns why the run was cancelled, or `None` if it was not.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Waits until the run is cancelled.
    pub async fn cancelled(&self) {
        // Start to listen before the check, so that a cancellation between the check and the wait is not missed.
        let changed = self.changed.notified();
        if !self.is_cancelled() {
            changed.await;
        }
    }
}

/// The address, credentials and settings of a connection to one organization or workspace.
#[derive(Clone)]
pub struct Access {
    /// The API's base URL, without a trailing slash.
    pub base_url: String,
    /// The name of the organization (Classic), or the id of the workspace (Platform).
    pub organization: String,
    /// Additional headers that each request has.
    pub headers: BTreeMap<String, String>,
    /// The credentials. They must be for the same API as the client.
    pub credentials: Credentials,
    /// The environment variables that affect the connection, such as the proxy.
    pub variables: ConnectionVariables,
    /// Returns the time of the wall clock.
    pub now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Returns a random number from 0 to 1, for random variations of delays.
    pub random: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Receives notifications about requests.
    pub observer: Arc<dyn RequestObserver>,
    /// The handle with which the run can be cancelled.
    pub stop: Stop,
    /// The time when the run must end. Temporary failures are retried until that time. If there is no deadline, each
    /// request has its own limit for retries.
    pub deadline: Option<Instant>,
    /// The request budgets, which keep requests within the rate limits. All connections of the process share them.
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
    /// Returns the parsed base URL, or `None` if it is not a URL.
    fn url(&self) -> Option<reqwest::Url> {
        reqwest::Url::parse(&self.base_url).ok()
    }

    /// Returns the limiter, which keeps requests within the rate limits. All connections to this organization at this
    /// address share it.
    pub(super) fn limiter(&self) -> Limiter {
        let address = self.url().map_or_else(|| self.base_url.clone(), |url| url.to_string());
        self.budgets.limiter(self.credentials.api(), address, &self.organization)
    }

    /// Returns true if the address is on this machine. If so, no proxy is used, and plain `http://` is allowed.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.url().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Returns the proxy, or `None` if requests are sent without one.
    pub(super) fn proxy(&self) -> Option<&ProxyVariable> {
        self.variables.proxy.as_ref().filter(|_| !self.is_loopback())
    }

    /// Checks that the credentials belong to the API, and that sending them to the base URL is safe. The errors do not
    /// contain the base URL, because the URL may contain a secret.
    ///
    /// # Errors
    ///
    /// Fails if the base URL does not begin with `https://` (or with `http://` and the name of this machine). Also
    /// fails if the URL has a user, a password, a query or a fragment, or if the credentials belong to the other API.
    pub(super) fn check(&self, api: Api) -> Result<(), ApiError> {
        if self.credentials.api() != api {
            let (other, api) = (self.credentials.api().as_str(), api.as_str());
            return Err(ApiError::setup(format!(
                "the credentials are for the {other} API, but the environment uses the {api} API"
            )));
        }
        let variables = match api {
            Api::Classic => "AMIGO_BASE_URL",
            Api::Platform => "PLATFORM_API_URL and AMIGO_BASE_URL",
        };
        let refuse = |reason: &str| {
            Err(ApiError::setup(format!("credentials can't be sent to the base URL: {reason}"))
                .hint(format!("check `base_url:` of the environment, or {variables}")))
        };
        let Some(url) = self.url() else { return refuse("it is not a URL") };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("the URL contains a user name or a password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("the URL contains a query or a fragment");
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.is_loopback() => Ok(()),
            "http" => refuse("the URL uses http:// for another machine"),
            _ => refuse("the URL uses neither https:// nor http://"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoObserver;
    impl RequestObserver for NoObserver {
        fn on_limit_wait(&self, _: Endpoint, _: Duration, _: Option<u32>) {}
        fn on_retry(&self, _: Endpoint, _: Duration, _: &ApiError) {}
        fn on_answer(&self, _: &str, _: &str, _: u16, _: Duration) {}
    }

    #[test]
    fn credentials_are_sent_to_safe_addresses_only_and_never_printed() {
        let access = |base_url: &str| Access {
            base_url: base_url.to_owned(),
            organization: "acme".to_owned(),
            headers: BTreeMap::new(),
            credentials: Credentials::SignIn {
                api_key: "s3cret".into(),
                api_key_id: "s3cret".into(),
                user_id: "s3cret".into(),
            },
            variables: ConnectionVariables::default(),
            now: Arc::new(|| SystemTime::UNIX_EPOCH),
            random: Arc::new(|| 0.5),
            observer: Arc::new(NoObserver),
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
