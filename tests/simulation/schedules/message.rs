//! A request of a simulated process, and decisions about its delivery.

use std::time::Duration;

use super::disturbance::Disturbance;

/// A request that a simulated process has sent.
#[derive(Clone, Debug)]
pub(super) struct SimulatedRequest {
    pub(super) method: String,
    /// The path and the query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl SimulatedRequest {
    /// Returns true if the request is a read or a sign-in, so that it can't change a service.
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET" || self.target.ends_with("signin_with_api_key")
    }

    /// Returns true if the request creates a service.
    pub(super) fn is_create(&self) -> bool {
        self.method == "POST" && (self.target.ends_with("/service/") || self.target.ends_with("/services"))
    }
}

/// Decisions about the delivery of a request. They are made when the request is sent.
pub(super) struct Delivery {
    /// The number of the request, in the order in which requests are sent.
    pub(super) number: usize,
    pub(super) request_delay: Duration,
    pub(super) answer_delay: Duration,
    pub(super) disturbance: Option<Disturbance>,
}
