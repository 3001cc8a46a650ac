//! What a plan rests on: services that are in the list, or services that the list does not have. May import `model`
//! only.
//!
//! A list may leave out a service that is there. Then a plan would make it a second time, let another take its name,
//! or take the wrong one out of use. What is only changed in place is in the list, so that one reading is enough.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Action, Plan, PlanError, ProblemKind, ServiceKind, Step, Target};
use crate::model::{Desired, ServiceId, ServiceName, Snapshot};

/// Whether a plan, or the refusal to make one, rests on services that the snapshot does not have: where something is
/// created, replaced, adopted, retired, renamed, activated or abandoned, and where an inactive service is changed (an
/// active one may have its name). Such a plan needs a second reading of the list.
pub fn rests_on_absence(planned: Result<&Plan, &PlanError>, snapshot: &Snapshot) -> bool {
    let plan = match planned {
        Ok(plan) => plan,
        // What a manifest names and the lists of agents and context graphs don't have: no service decides that.
        Err(error) => return error.problems.iter().any(|problem| problem.kind != ProblemKind::Missing),
    };
    let active: BTreeSet<&ServiceId> =
        snapshot.services.iter().filter(|service| service.active).map(|service| &service.id).collect();
    let changes_in_place = |step: &Step| match &step.action {
        Action::Update { id, update } => {
            update.name.is_none() && update.active != Some(true) && active.contains(id)
        }
        Action::WriteVersionSet { target: Target::Live(id), .. } | Action::DeleteVersionSet { id, .. } => {
            active.contains(id)
        }
        Action::WriteVersionSet { target: Target::Created(_), .. }
        | Action::Create(_)
        | Action::SetAside { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. }
        | Action::HandOver { .. }
        | Action::Retire { .. }
        | Action::Discard { .. } => false,
    };
    plan.services.iter().any(|service| service.adopted || service.kind != ServiceKind::Update)
        || !plan.steps.iter().all(changes_in_place)
}

/// Whether the ids of declared services, or the refusal to give them, rest on services that the snapshot does not
/// have: where one has no id, or an id of a service that is inactive or has another name.
pub fn ids_rest_on_absence(
    desired: &Desired,
    ids: Result<&BTreeMap<ServiceName, ServiceId>, &PlanError>,
    snapshot: &Snapshot,
) -> bool {
    let ids = match ids {
        Ok(ids) => ids,
        Err(error) => return error.problems.iter().any(|problem| problem.kind != ProblemKind::Missing),
    };
    let active: BTreeSet<(&ServiceName, &ServiceId)> = snapshot
        .services
        .iter()
        .filter(|service| service.active)
        .map(|service| (&service.name, &service.id))
        .collect();
    !desired.services.keys().all(|name| ids.get(name).is_some_and(|id| active.contains(&(name, id))))
}
