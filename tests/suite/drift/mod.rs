//! Tests of `drift` with the real binary: it finds every kind of drift, writes nothing, and exits with the documented
//! codes.

mod accept;
mod environments;
mod kinds;
mod metrics;
mod pending;
mod pending_kinds;
mod rules;

use amigops::model::Api;
use amigops_emulator::World;

use crate::harness::{EMPTY, Lab, ORGANIZATION, WORKSPACE, service};

/// Additional lines of the manifest of Desk in [`applied_lab`].
const DESK: &str = "tags: {tier: gold}
version_sets: {release: {agent_version: 2, context_graph_version: 1}, dev: {agent_version: 1}}
";

/// Returns the manifests of [`applied_lab`].
fn declared() -> String {
    [service("Desk", DESK), service("Shop", "")].join("---\n")
}

/// Creates a lab with two services that match their manifests.
fn applied_lab(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&declared());
    lab.apply().expect(0);
    lab
}

/// Changes the emulator's state directly, as an operator could do in the vendor's console.
fn edit(lab: &Lab, change: impl FnOnce(&mut World)) {
    lab.server.edit(change).unwrap();
}

/// Checks the harness itself: it must panic if a command that should be read-only writes.
#[test]
#[should_panic(expected = "`apply --auto-approve` has written")]
fn the_harness_detects_a_write_by_a_read_only_command() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&declared());
    lab.run_read_only(&["apply", "--auto-approve"], &[]);
}

/// Deletes a service directly in the emulator's state, as an operator could.
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
