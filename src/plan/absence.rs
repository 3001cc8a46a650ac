//! Plans that depend on the absence of a service from the list.
//!
//! A list may leave out a service that exists. Then a plan could create it a second time, give its name to another one,
//! or take the wrong one out of use. Services that are changed in place are in the list, so one reading is enough for
//! them.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Action, Plan, PlanError, ProblemKind, ServiceKind, Step, Target};
use crate::model::{Desired, ServiceId, ServiceName, Snapshot};

/// Returns true if a plan, or the refusal to make one, depends on services that are absent from the snapshot.
///
/// That is so if something is created, replaced, adopted, retired, renamed, activated or abandoned, or if an inactive
/// service is changed (an active one may have its name). Such a plan needs a second reading of the list.
pub fn depends_on_absence(planned: Result<&Plan, &PlanError>, snapshot: &Snapshot) -> bool {
    let plan = match planned {
        Ok(plan) => plan,
        // A missing agent or context graph does not depend on services.
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

/// Returns true if the ids of declared services, or the refusal to give them, depend on services that are absent from
/// the snapshot: if one has no id, or the id of a service that is inactive or has another name.
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
