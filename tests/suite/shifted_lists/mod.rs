//! Lists of services that shift while they are read: no create, replacement or retirement rests on one reading.

mod between_pages;
mod hidden;
mod looking;

use amigops::model::Api;
use amigops_emulator::RequestInfo;

use crate::harness::{Lab, RequestPath};

/// An owned service, as a seed says it.
fn seeded(name: &str, more: &str) -> String {
    format!(
        "      - {{name: {name}, description: The {name}, agent: One, context_graph: Flow, tags: {{managed_by: amigops}}{more}}}\n"
    )
}

/// A seed of services.
fn seed(services: &[String]) -> String {
    format!("{}    services:\n{}", crate::apply::EMPTY, services.concat())
}

/// Whether a request reads a page of all services.
fn is_list(request: &RequestInfo) -> bool {
    request.method == "GET" && request.path.is_list_of_services()
}

/// How many pages of all services were read so far.
fn pages_read(lab: &Lab) -> usize {
    let requests = lab.server.requests();
    requests.iter().filter(|record| record.method == "GET" && record.path.is_list_of_services()).count()
}

/// How many services were read by id so far, one request each on Platform, up to 20 at once on Classic.
fn reads_by_id(lab: &Lab) -> usize {
    let is_by_id = |path: &str| match lab.api {
        Api::Classic => path.contains("/service/?id="),
        Api::Platform => path.contains("/services/"),
    };
    lab.server.requests().iter().filter(|record| record.method == "GET" && is_by_id(&record.path)).count()
}
