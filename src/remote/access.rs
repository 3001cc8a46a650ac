//! Where an API is, and with what one gets in. May import `model` only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;

use super::failure::ApiError;
use crate::model::Endpoint;

/// An API key and whose it is. Never printed: `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The key.
    pub api_key: SecretString,
    /// The key's id.
    pub api_key_id: SecretString,
    /// The user to act as.
    pub user_id: SecretString,
}

/// Hears of what goes on below the surface, for progress and logs.
pub trait Watch: Send + Sync {
    /// A request waits for an endpoint's limit.
    fn waiting(&self, endpoint: Endpoint, wait: Duration, limit: u32);
    /// A failed request is sent again after a while.
    fn retrying(&self, endpoint: Endpoint, wait: Duration, error: &ApiError);
    /// A request was answered.
    fn answered(&self, method: &str, path: &str, status: u16, took: Duration);
}

/// A wish to stop that everything under way hears: waits end, requests in flight are brought to their end.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    wished: Arc<std::sync::atomic::AtomicBool>,
    heard: Arc<tokio::sync::Notify>,
}

impl Stop {
    /// Wishes to stop.
    pub fn wish(&self) {
        self.wished.store(true, std::sync::atomic::Ordering::SeqCst);
        self.heard.notify_waiters();
    }

    /// Whether somebody wished to stop.
    pub fn is_wished(&self) -> bool {
        self.wished.load(std::sync::atomic::Ordering::SeqCst)
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

/// Everything that is needed to talk to one organization.
#[derive(Clone)]
pub struct Access {
    /// The API's address, without a slash at its end.
    pub base_url: String,
    /// The organization.
    pub organization: String,
    /// Headers that each request carries besides ours.
    pub headers: BTreeMap<String, String>,
    /// With what to sign in.
    pub credentials: Credentials,
    /// The wall clock.
    pub now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// A number from 0 to 1, for jitter.
    pub random: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Who hears of waits and retries.
    pub watch: Arc<dyn Watch>,
    /// Ends waits.
    pub stop: Stop,
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

    /// Whether the address is this machine's own: then no proxy is used, and plain `http://` is fine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.url().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Refuses addresses to which credentials must not be sent. The address itself is not repeated: it may
    /// hold what must not be shown.
    ///
    /// # Errors
    ///
    /// Anything but `https://`, and `http://` to another machine; addresses with a user, a password, a query
    /// or a fragment.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let refuse = |why: &str| {
            Err(ApiError::setup(format!("credentials can't be sent to the base address: {why}"))
                .hint("check `base_url:` of the environment, or AMIGO_BASE_URL"))
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
        fn waiting(&self, _: Endpoint, _: Duration, _: u32) {}
        fn retrying(&self, _: Endpoint, _: Duration, _: &ApiError) {}
        fn answered(&self, _: &str, _: &str, _: u16, _: Duration) {}
    }

    #[test]
    fn credentials_go_to_safe_addresses_only_and_are_never_printed() {
        let access = |base_url: &str| Access {
            base_url: base_url.to_owned(),
            organization: "acme".to_owned(),
            headers: BTreeMap::new(),
            credentials: Credentials {
                api_key: "s3cret".into(),
                api_key_id: "s3cret".into(),
                user_id: "s3cret".into(),
            },
            now: Arc::new(|| SystemTime::UNIX_EPOCH),
            random: Arc::new(|| 0.5),
            watch: Arc::new(Deaf),
            stop: Stop::default(),
        };
        for good in ["https://api.amigo.ai", "http://127.0.0.1:8080", "http://[::1]:80", "http://localhost"] {
            assert!(access(good).check().is_ok(), "{good}");
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
            assert!(access(bad).check().is_err(), "{bad}");
        }
        let printed = format!("{:?} {:?}", access("https://x"), access("https://x").credentials);
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}
