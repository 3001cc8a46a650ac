//! `drift` through the real binary: every kind of drift is seen, nothing is written, and the exit code says
//! which it is.

mod environments;
mod kinds;
mod metrics;
mod rules;

use amigops::model::Api;
use amigops_emulator::World;

use crate::apply::{EMPTY, service};
use crate::harness::{Lab, ORGANIZATION, WORKSPACE};

/// What the two services of [`settled`] say besides the basics.
const DESK: &str = "active: true
tags: {tier: gold}
version_sets: {release: {agent_version: 2, context_graph_version: 1}, dev: {agent_version: 1}}
";

/// The manifests of [`settled`].
fn declared() -> String {
    [service("Desk", DESK), service("Shop", "")].join("---\n")
}

/// A laboratory in which two services are as declared.
fn settled(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&declared());
    lab.apply().expect(0);
    lab
}

/// Changes the world behind the API, as an operator would.
fn edit(lab: &Lab, change: impl FnOnce(&mut World)) {
    lab.server.edit(change).unwrap();
}

/// The laboratory's check that looking writes nothing is worth something: it finds what writes.
#[test]
#[should_panic(expected = "`apply --auto-approve` has written")]
fn a_command_that_writes_does_not_pass_for_one_that_looks() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&declared());
    lab.run_looking(&["apply", "--auto-approve"], &[]);
}

/// Deletes a service as an operator would.
fn remove(lab: &Lab, name: &str) {
    let id = lab.active(name).id;
    edit(lab, |world| match lab.api {
        Api::Classic => {
            world.organization_mut(ORGANIZATION).unwrap().services_mut().remove(&id);
        }
        Api::Platform => {
            world.workspace_mut(WORKSPACE).unwrap().services_mut().remove(&id);
        }
    });
}
