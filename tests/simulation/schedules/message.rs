//! A request of a simulated process, and how it is delivered.

use std::time::Duration;

use super::disturbance::Disturbance;

/// A request in flight.
#[derive(Clone, Debug)]
pub(super) struct SimulatedRequest {
    pub(super) method: String,
    /// The path with its query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl SimulatedRequest {
    /// Returns true if it changes no service: a read or a sign-in.
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET" || self.target.ends_with("signin_with_api_key")
    }

    /// Returns true if it creates a service.
    pub(super) fn is_create(&self) -> bool {
        self.method == "POST" && (self.target.ends_with("/service/") || self.target.ends_with("/services"))
    }
}

/// How a request is delivered, as decided when it is sent.
pub(super) struct Delivery {
    /// The number of the request.
    pub(super) number: usize,
    pub(super) request_delay: Duration,
    pub(super) answer_delay: Duration,
    pub(super) disturbance: Option<Disturbance>,
}
