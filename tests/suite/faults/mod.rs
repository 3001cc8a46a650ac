//! Tests of faults over real HTTP. The faults come from fault files, and each fault happens at each kind of request.

mod certificate;
mod changes;
mod command;
mod creates;
mod fault_file;
mod goaway;
mod http2_proxy;
mod lists;
mod maintenance;
mod sign_in;

use std::time::Duration;

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, Run, service};

/// A seed with an owned service whose description the manifest changes.
const OLD: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}]
    services:
      - {name: Desk, description: Old, agent: One, context_graph: Flow, tags: {managed_by: amigops}}
";

/// A fault at one request, and what a run must do: the number of requests of that kind that the server receives, words
/// of the run's messages, and the minimum duration.
struct Case {
    fault: &'static str,
    requests: usize,
    says: &'static str,
    least: Duration,
}

/// Creates a case in which the run does not have to wait.
const fn case(fault: &'static str, requests: usize, says: &'static str) -> Case {
    Case { fault, requests, says, least: Duration::ZERO }
}

/// Creates a case in which the run must wait at least `millis` milliseconds.
const fn slow(fault: &'static str, requests: usize, says: &'static str, millis: u64) -> Case {
    Case { fault, requests, says, least: Duration::from_millis(millis) }
}

impl Case {
    /// Checks that a run was successful, and that its number of requests, duration and messages are as the case
    /// expects.
    #[track_caller]
    fn check(&self, requests: usize, took: Duration, run: &Run) {
        let Self { fault, requests: expected, says, least } = self;
        assert_eq!(run.code, Some(0), "{fault}: {}", run.stderr);
        assert_eq!(requests, *expected, "{fault}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{fault}: {says:?} is not said: {}", run.stderr);
        assert!(took >= *least, "{fault}: {took:?}");
    }
}

/// Creates a lab whose manifests declare one new service, and whose emulator injects these faults.
fn lab_with_create(api: Api, rules: &str) -> Lab {
    let lab = Lab::with_faults(api, EMPTY, rules);
    lab.manifests(&service("Desk", ""));
    lab
}

/// Creates a lab with one service to update, and a fault for the first update.
fn lab_with_change(api: Api, fault: &str) -> Lab {
    let method = if api == Api::Classic { "POST" } else { "PUT" };
    let lab = Lab::with_faults(api, OLD, &format!("{{method: {method}, path: /service, fault: {fault}}}"));
    lab.manifests(&service("Desk", ""));
    lab
}

/// Returns the number of requests for lists of services so far.
fn lists(lab: &Lab) -> usize {
    let is_list =
        |path: &str| path.trim_end_matches('/').ends_with("/service") || path.ends_with("/services");
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let requests = lab.server.requests();
    requests.iter().filter(|record| record.method == "GET" && is_list(&path(&record.path))).count()
}

/// Checks that the next run makes all changes, after a run that failed.
#[track_caller]
fn expect_recovery(lab: &Lab) {
    lab.apply().expect(0);
    let [service] = &lab.services()[..] else { panic!("{:?}", lab.services()) };
    assert_eq!(service.description, "The Desk");
    lab.expect_converged();
}
