//! What goes wrong over real HTTP, as a file of faults says it: each fault at each kind of request.

mod certificate;
mod changes;
mod command;
mod creates;
mod file;
mod gate;
mod goaway;
mod lists;
mod sign_in;
mod waits;

use std::time::Duration;

use amigops::model::Api;

use crate::apply::{EMPTY, service};
use crate::harness::{Lab, Run};

/// A service of ours whose description the manifest changes.
const OLD: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}]
    services:
      - {name: Desk, description: Old, agent: One, context_graph: Flow, tags: {managed_by: amigops}}
";

/// What happens once to a kind of request: the fault, how many such requests the server gets, what the run says
/// meanwhile, and how long it takes at least.
struct Case {
    fault: &'static str,
    requests: usize,
    says: &'static str,
    least: Duration,
}

/// A case that takes no time.
const fn case(fault: &'static str, requests: usize, says: &'static str) -> Case {
    Case { fault, requests, says, least: Duration::ZERO }
}

/// The same, where time has to pass.
const fn slow(fault: &'static str, requests: usize, says: &'static str, millis: u64) -> Case {
    Case { fault, requests, says, least: Duration::from_millis(millis) }
}

impl Case {
    /// Checks a run that has come through.
    #[track_caller]
    fn check(&self, requests: usize, took: Duration, run: &Run) {
        let Self { fault, requests: expected, says, least } = self;
        assert_eq!(run.code, Some(0), "{fault}: {}", run.stderr);
        assert_eq!(requests, *expected, "{fault}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{fault}: {says:?} is not said: {}", run.stderr);
        assert!(took >= *least, "{fault}: {took:?}");
    }
}

/// A laboratory where one service is to be made, and this goes wrong.
fn to_create(api: Api, rules: &str) -> Lab {
    let lab = Lab::faulty(api, EMPTY, rules);
    lab.manifests(&service("Desk", ""));
    lab
}

/// A laboratory where one service is to be changed, and this goes wrong with the first such request.
fn to_change(api: Api, fault: &str) -> Lab {
    let method = if api == Api::Classic { "POST" } else { "PUT" };
    let lab = Lab::faulty(api, OLD, &format!("{{method: {method}, path: /service, fault: {fault}}}"));
    lab.manifests(&service("Desk", ""));
    lab
}

/// How many requests so far were lists of services.
fn lists(lab: &Lab) -> usize {
    let is_list =
        |path: &str| path.trim_end_matches('/').ends_with("/service") || path.ends_with("/services");
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let requests = lab.server.requests();
    requests.iter().filter(|record| record.method == "GET" && is_list(&path(&record.path))).count()
}

/// One run came to nothing; the next one does it all.
#[track_caller]
fn expect_recovery(lab: &Lab) {
    lab.apply().expect(0);
    let [service] = &lab.services()[..] else { panic!("{:?}", lab.services()) };
    assert_eq!(service.description, "The Desk");
    lab.expect_converged();
}
