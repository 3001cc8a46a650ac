//! Whether a plan still fits: what it touches is compared with what is there. May import `plan` and `model`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::touched::{Fingerprint, Subject, World};
use crate::model::{Api, Policy, ServiceName, Snapshot, same_json};
use crate::plan::{Plan, ServiceKind};

/// Something that a plan touches and that has moved since the plan was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The service, as it was named.
    pub service: ServiceName,
    /// What has moved, in words or as a path.
    pub what: String,
    /// What was there when the plan was made.
    pub seen: Value,
    /// What is there now.
    pub now: Value,
}

/// What has moved of all that a plan touches, and only that. Nothing means that the plan fits.
pub fn moved(fingerprints: &[Fingerprint], snapshot: &Snapshot, policy: &Policy, api: Api) -> Vec<Moved> {
    let world = World::new(snapshot, policy, api);
    let mut moved = Vec::new();
    for fingerprint in fingerprints {
        let paths = fingerprint.seen.keys().map(String::as_str);
        let Some(now) = world.again(&fingerprint.of, paths) else {
            moved.push(gone(fingerprint, &world));
            continue;
        };
        for (path, now) in now {
            let seen = fingerprint.seen.get(&path).cloned().unwrap_or_default();
            if !same_json(&seen, &now) {
                let what = match (&fingerprint.of, path.as_str()) {
                    (Subject::Name(name), _) => format!("services named `{name}`"),
                    (Subject::BehaviorSets(_), _) => "behavior sets applied to it".to_owned(),
                    (Subject::Service(_), path) => path.to_owned(),
                };
                moved.push(Moved { service: fingerprint.name.clone(), what, seen, now });
            }
        }
    }
    moved
}

/// Whether a plan that was made after another one was applied would do something of it again: what the first
/// one was about is not as it left it.
pub fn does_again(applied: &Plan, rest: &Plan) -> bool {
    // What happens to a service as a whole has no path.
    let changes = |plan: &Plan| -> BTreeSet<(ServiceName, Option<String>)> {
        let of_services = plan.services.iter().flat_map(|service| {
            let whole = (service.kind != ServiceKind::Update).then(|| (service.name.clone(), None));
            let fields =
                service.changes.iter().map(|change| (service.name.clone(), Some(change.path.clone())));
            whole.into_iter().chain(fields)
        });
        let of_steps = plan.steps.iter().flat_map(|step| {
            step.changes.iter().map(|change| (step.service.clone(), Some(change.path.clone())))
        });
        of_services.chain(of_steps).collect()
    };
    !changes(applied).is_disjoint(&changes(rest))
}

/// A service that is not there any more, and whoever has its name now.
fn gone(fingerprint: &Fingerprint, world: &World<'_>) -> Moved {
    let id = match &fingerprint.of {
        Subject::Service(id) | Subject::BehaviorSets(id) => Value::from(id.as_str()),
        Subject::Name(name) => Value::from(name.as_str()),
    };
    let heir = world.active_id(&fingerprint.name);
    let what = match heir {
        Some(_) => "the service: it is gone, and another has its name",
        None => "the service: it is gone",
    };
    Moved {
        service: fingerprint.name.clone(),
        what: what.to_owned(),
        seen: id,
        now: heir.map_or(Value::Null, Value::from),
    }
}
