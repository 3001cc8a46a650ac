//! What only the Platform API has, through the real binary: changes in place, deletes, what can't be cleared,
//! names that inactive services hold, limits and lists of its own.

mod clearing;
mod credentials;
mod in_place;
mod limits;
mod races;
mod refusals;
mod requests;
mod retire_delete;
mod strangers;
mod version_sets;

use std::sync::{Arc, Mutex};

use amigops::model::Api;
use amigops_emulator::{Fault, PlatformService, RequestInfo};
use serde_json::Value;

use crate::harness::{Lab, WORKSPACE, services_of};
use crate::replacement;

/// The service of [`replacement::SEED`] on Platform, and a manifest of it.
fn health_coach(agent: &str, more: &str) -> Lab {
    replacement::lab_with(Api::Platform, agent, more)
}

/// A kind of request.
type Kind = fn(&RequestInfo) -> bool;

/// After each request: how many services are active, and how many of them have the name.
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

/// Whether a request reads one service.
fn is_get(request: &RequestInfo) -> bool {
    request.method == "GET" && request.path.contains("/services/")
}

/// Whether a request writes one version set.
fn is_set_write(request: &RequestInfo) -> bool {
    request.method == "PUT" && request.path.contains("/version-sets/")
}

/// Whether a request deletes a service.
fn is_delete(request: &RequestInfo) -> bool {
    request.method == "DELETE"
}

/// Changes a service as an operator would, in Platform's own words.
fn edit(lab: &Lab, id: &str, change: impl FnOnce(&mut PlatformService)) {
    let edit = |world: &mut amigops_emulator::World| {
        change(world.workspace_mut(WORKSPACE).unwrap().service_mut(id).unwrap());
    };
    lab.server.edit(edit).unwrap();
}

/// Deletes a service as an operator would.
fn remove(lab: &Lab, id: &str) {
    let edit = |world: &mut amigops_emulator::World| {
        world.workspace_mut(WORKSPACE).unwrap().services_mut().remove(id);
    };
    lab.server.edit(edit).unwrap();
}

/// Keeps all requests that write, each after the test's own `before` has seen it.
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

/// A request's body.
fn body(request: &RequestInfo) -> Value {
    serde_json::from_str(&request.body).unwrap()
}
