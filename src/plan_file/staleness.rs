//! Finds out whether a saved plan is stale, by comparing the live values that the plan file records with the present
//! ones.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fingerprints::{Fingerprint, LiveValues, Subject};
use crate::model::{Api, Policy, ServiceName, Snapshot, same_json};
use crate::plan::{ChangePath, Plan, ServiceKind};

/// A live value that a plan depends on and that has changed since the plan was made.
#[derive(Clone, Debug, PartialEq)]
pub struct StaleValue {
    /// The service's name when the plan was made.
    pub service: ServiceName,
    /// The path or the description of the value.
    pub what: String,
    /// The value when the plan was made.
    pub before: Value,
    /// The value now.
    pub now: Value,
}

/// Returns the values that have changed since a plan was made. If there are none, the plan is not stale.
pub fn find_stale_values(
    fingerprints: &[Fingerprint],
    snapshot: &Snapshot,
    policy: &Policy,
    api: Api,
) -> Vec<StaleValue> {
    let live = LiveValues::new(snapshot, policy, api);
    let mut stale = Vec::new();
    for fingerprint in fingerprints {
        let paths = fingerprint.seen.keys().map(String::as_str);
        let Some(now) = live.current_values(&fingerprint.of, paths) else {
            stale.push(missing_service(fingerprint, &live));
            continue;
        };
        for (path, now) in now {
            let before = fingerprint.seen.get(&path).cloned().unwrap_or_default();
            if !same_json(&before, &now) {
                let what = match (&fingerprint.of, path.as_str()) {
                    (Subject::Name(name), _) => format!("services named `{name}`"),
                    (Subject::BehaviorSets(_), _) => "behavior sets applied to the service".to_owned(),
                    (Subject::Service(_), path) => path.to_owned(),
                };
                stale.push(StaleValue { service: fingerprint.name.clone(), what, before, now });
            }
        }
    }
    stale
}

/// Returns true if the plan `rest`, which is made after an apply, contains a change that the applied plan also
/// contains. Such a change was applied and then lost.
pub fn repeats_changes(applied: &Plan, rest: &Plan) -> bool {
    // For a service that is created, replaced or retired as a whole, the path is `None`.
    let changes = |plan: &Plan| -> BTreeSet<(ServiceName, Option<ChangePath>)> {
        let of_services = plan.services.iter().flat_map(|service| {
            let whole = (service.kind != ServiceKind::Update).then(|| (service.name.clone(), None));
            let changed = service.changes.values().map(|change| (service.name.clone(), Some(change.path)));
            whole.into_iter().chain(changed)
        });
        let of_steps = plan
            .steps
            .iter()
            .flat_map(|step| step.changes.values().map(|change| (step.service.clone(), Some(change.path))));
        of_services.chain(of_steps).collect()
    };
    !changes(applied).is_disjoint(&changes(rest))
}

/// Creates a stale value that reports that a service no longer exists. If another active service has the same name now,
/// the stale value contains the id of that service.
fn missing_service(fingerprint: &Fingerprint, live: &LiveValues<'_>) -> StaleValue {
    let id = match &fingerprint.of {
        Subject::Service(id) | Subject::BehaviorSets(id) => Value::from(id.as_str()),
        Subject::Name(name) => Value::from(name.as_str()),
    };
    let successor = live.active_id(&fingerprint.name);
    let what = match successor {
        Some(_) => "the service no longer exists, and another service has its name",
        None => "the service no longer exists",
    };
    StaleValue {
        service: fingerprint.name.clone(),
        what: what.to_owned(),
        before: id,
        now: successor.map_or(Value::Null, Value::from),
    }
}
