//! Tests of lists of services that change while they are read. No create, replacement or retirement may rely on a
//! single reading.

mod between_pages;
mod hidden_services;
mod second_reading;

use amigops::model::Api;
use amigops_emulator::RequestInfo;

use crate::harness::{Lab, RequestPath};

/// Returns the seed's lines for an owned service.
fn seeded(name: &str, more: &str) -> String {
    format!(
        "      - {{name: {name}, description: The {name}, agent: One, context_graph: Flow, tags: {{managed_by: amigops}}{more}}}\n"
    )
}

/// Returns a seed with these services.
fn seed(services: &[String]) -> String {
    format!("{}    services:\n{}", crate::harness::EMPTY, services.concat())
}

/// Returns true if a request reads a page of all services.
fn is_list(request: &RequestInfo) -> bool {
    request.method == "GET" && request.path.is_list_of_services()
}

/// Returns the number of requests for pages of the list of all services so far.
fn pages_read(lab: &Lab) -> usize {
    let requests = lab.server.requests();
    requests.iter().filter(|record| record.method == "GET" && record.path.is_list_of_services()).count()
}

/// Returns the number of requests for services by id so far. One request reads one service on Platform, and up to 20 on
/// Classic.
fn reads_by_id(lab: &Lab) -> usize {
    let is_by_id = |path: &str| match lab.api {
        Api::Classic => path.contains("/service/?id="),
        Api::Platform => path.contains("/services/"),
    };
    lab.server.requests().iter().filter(|record| record.method == "GET" && is_by_id(&record.path)).count()
}
