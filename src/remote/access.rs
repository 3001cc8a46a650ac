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
    /// Whether the address is this machine's own: then no proxy is used, and plain `http://` is fine.
    pub(super) fn is_loopback(&self) -> bool {
        let rest = self.base_url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
        };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Refuses addresses to which credentials must not be sent.
    ///
    /// # Errors
    ///
    /// Anything but `https://`, and `http://` to another machine.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let secure = self.base_url.starts_with("https://");
        let local = self.base_url.starts_with("http://") && self.is_loopback();
        if secure || local {
            return Ok(());
        }
        Err(ApiError::setup(format!("`{}` is not an address that credentials may be sent to", self.base_url))
            .hint("use https:// (http:// only to this machine)"))
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
        };
        for good in ["https://api.amigo.ai", "http://127.0.0.1:8080", "http://[::1]:80", "http://localhost"] {
            assert!(access(good).check().is_ok(), "{good}");
        }
        for bad in [
            "http://api.amigo.ai",
            "http://127.0.0.1.evil.example",
            "ftp://localhost",
            "http://localhost@evil.example",
        ] {
            assert!(access(bad).check().is_err(), "{bad}");
        }
        let printed = format!("{:?} {:?}", access("https://x"), access("https://x").credentials);
        assert!(!printed.contains("s3cret"), "{printed}");
    }
}
