//! Tests of the Platform API with the real binary: the client, every field, and the differences from Classic.

mod client;
mod concurrency;
mod credentials;
mod error_messages;
mod fields;
mod in_place_changes;
mod rate_limits;
mod removed_settings;
mod request_count;
mod retire_delete;
mod unowned_services;
mod version_sets;

use std::sync::{Arc, Mutex};

use amigops::model::Api;
use amigops_emulator::{Fault, PlatformService, RequestInfo};
use serde_json::Value;

use crate::apply::replacement;
use crate::harness::{Lab, WORKSPACE, services_of};

/// Creates a lab with the service of [`replacement::SEED`] on Platform, and its manifest.
fn health_coach(agent: &str, more: &str) -> Lab {
    replacement::lab_with(Api::Platform, agent, more)
}

/// A function that returns true for the requests of one kind.
type Kind = fn(&RequestInfo) -> bool;

/// For each request: the number of active services after it, and how many of them have the name of the replaced
/// service.
type Moments = Arc<Mutex<Vec<(usize, usize)>>>;

fn watch(lab: &Lab) -> Moments {
    let moments = Moments::default();
    let seen = Arc::clone(&moments);
    lab.after(move |_, _, world| {
        let services = services_of(Api::Platform, world);
        let active: Vec<_> = services.iter().filter(|service| service.is_active).collect();
        let named = active.iter().filter(|service| service.name == "Health Coach").count();
        seen.lock().unwrap().push((active.len(), named));
    });
    moments
}

/// Returns true if a request reads one service.
fn is_get(request: &RequestInfo) -> bool {
    request.method == "GET" && request.path.contains("/services/")
}

/// Returns true if a request writes one version set.
fn is_set_write(request: &RequestInfo) -> bool {
    request.method == "PUT" && request.path.contains("/version-sets/")
}

/// Returns true if a request deletes a service.
fn is_delete(request: &RequestInfo) -> bool {
    request.method == "DELETE"
}

/// Changes a Platform service directly in the emulator's state, as an operator could.
fn edit(lab: &Lab, id: &str, change: impl FnOnce(&mut PlatformService)) {
    let edit = |world: &mut amigops_emulator::World| {
        change(world.workspace_mut(WORKSPACE).unwrap().service_mut(id).unwrap());
    };
    lab.server.edit(edit).unwrap();
}

/// Deletes a service directly in the emulator's state, as an operator could.
fn remove(lab: &Lab, id: &str) {
    let edit = |world: &mut amigops_emulator::World| {
        world.workspace_mut(WORKSPACE).unwrap().services_mut().remove(id);
    };
    lab.server.edit(edit).unwrap();
}

/// Sets `before` as the hook of the test. Returns a list to which each write request is added just before the hook
/// runs.
fn keep_writes(
    lab: &Lab,
    before: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static,
) -> Arc<Mutex<Vec<RequestInfo>>> {
    let writes: Arc<Mutex<Vec<RequestInfo>>> = Arc::default();
    let seen = Arc::clone(&writes);
    lab.before(move |request| {
        if request.method != "GET" {
            seen.lock().unwrap().push(request.clone());
        }
        before(request)
    });
    writes
}

/// Returns a request's body as JSON.
fn body(request: &RequestInfo) -> Value {
    serde_json::from_str(&request.body).unwrap()
}
