//! Finds plans that could be wrong if the list of services lacks a service that exists.
//!
//! The list that the API returns can be incomplete. Then a plan could create a service a second time, give its name to
//! another service, or take the wrong service out of use. A service that is changed in place is in the list, so for
//! such a change one reading of the list is enough.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Action, Plan, PlanError, ProblemKind, ServiceKind, Step, Target};
use crate::model::{Desired, ServiceId, ServiceName, Snapshot};

/// Returns true if a plan, or the refusal to make one, could be wrong because the snapshot lacks a service that exists.
///
/// A plan could be wrong if it creates, replaces, adopts, retires, renames, activates or abandons a service. The same
/// is true if it changes an inactive service, because an active service may have the same name. Then
/// the list of services must be read a second time.
pub fn depends_on_absence(planned: Result<&Plan, &PlanError>, snapshot: &Snapshot) -> bool {
    let plan = match planned {
        Ok(plan) => plan,
        // A problem of this kind, such as a missing agent, does not depend on the list of services.
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
        | Action::RenameTemporarily { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. }
        | Action::HandOver { .. }
        | Action::Retire { .. }
        | Action::Abandon { .. } => false,
    };
    plan.services.iter().any(|service| service.adopted || service.kind != ServiceKind::Update)
        || !plan.steps.iter().all(changes_in_place)
}

/// Returns true if the ids of the declared services, or the refusal to return them, could be wrong because the snapshot
/// lacks a service that exists. This is the case if a declared service has no id, or if its id belongs to a live
/// service that is inactive or has another name.
pub fn ids_depend_on_absence(
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
