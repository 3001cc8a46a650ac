//! A request of a simulated process, and its way.

use std::time::Duration;

use super::trouble::Trouble;

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) method: String,
    /// The path with its query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Parcel {
    /// Whether it changes nothing: a read, or a sign-in.
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET" || self.target.ends_with("signin_with_api_key")
    }

    /// Whether it creates a service.
    pub(super) fn is_create(&self) -> bool {
        self.method == "POST" && (self.target.ends_with("/service/") || self.target.ends_with("/services"))
    }
}

/// What is decided of a request when it leaves.
pub(super) struct Way {
    pub(super) number: usize,
    pub(super) there: Duration,
    pub(super) back: Duration,
    pub(super) trouble: Option<Trouble>,
}
