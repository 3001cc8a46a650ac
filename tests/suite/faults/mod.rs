//! What goes wrong over real HTTP, as a file of faults says it: each fault at each kind of request.

mod creates;

use amigops::model::Api;

use crate::apply::{EMPTY, service};
use crate::harness::{Lab, Run};

/// A service of ours whose description the manifest changes.
const DESK: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}]
    services:
      - {name: Desk, description: Old, agent: One, context_graph: Flow, tags: {managed_by: amigops}}
";

/// A laboratory where one service is to be made, and this goes wrong.
fn to_create(api: Api, rules: &str) -> Lab {
    let lab = Lab::faulty(api, EMPTY, rules);
    lab.manifests(&service("Desk", ""));
    lab
}

/// A laboratory where one service is to be changed, and this goes wrong.
fn to_change(api: Api, rules: &str) -> Lab {
    let lab = Lab::faulty(api, DESK, rules);
    lab.manifests(&service("Desk", ""));
    lab
}

/// How many requests wrote services.
fn writes(lab: &Lab) -> usize {
    lab.writes().len()
}

/// The words of a run that people read while it runs, with what it is to say.
#[track_caller]
fn says(run: &Run, words: &str) {
    assert!(run.stderr.contains(words), "{words:?} is not in\n{}", run.stderr);
}
