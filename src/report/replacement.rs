//! Describes the steps of a replacement in one line.

use super::text::count;
use crate::model::{Api, Retire};
use crate::plan::{Action, Plan, ServicePlan};

/// Returns a line that lists the steps of a replacement, in the order of their execution. Steps for version sets,
/// behavior sets and smoke tests are only counted.
pub(super) fn steps(plan: &Plan, shown: &ServicePlan, api: Api) -> String {
    let (mut created, mut sets, mut behaviors, mut smokes) = (false, 0, 0, 0);
    let mut words = Vec::new();
    let mut after = Vec::new();
    for step in plan.steps_of(shown) {
        match &step.action {
            Action::Create(new) => {
                created = true;
                // If a new service has no version sets, the Classic API adds `release`.
                sets += new.version_sets.len().max(usize::from(api.makes_version_sets()));
            }
            Action::Update { .. } => words.push("complete the new service".to_owned()),
            Action::RenameTemporarily { .. } => words.push("rename the old service temporarily".to_owned()),
            Action::WriteVersionSet { .. } => sets += 1,
            Action::ApplyBehaviorSet { .. } => behaviors += 1,
            Action::Smoke { .. } => smokes += 1,
            Action::HandOver { rename, activation, .. } => {
                if rename.is_some() {
                    after.push("rename old".to_owned());
                }
                let activates = activation.active.is_some();
                after.push(if activates { "activate new" } else { "rename new" }.to_owned());
            }
            Action::Retire { how: Retire::Deactivate, .. } => after.push("deactivate old".to_owned()),
            Action::Retire { how: Retire::Keep, .. } => {
                after.push("stop managing the old service (it stays active)".to_owned())
            }
            Action::Retire { how: Retire::Delete, .. } => after.push("delete old".to_owned()),
            Action::Abandon { .. } => after.push("mark an unfinished service as abandoned".to_owned()),
            Action::DeleteVersionSet { .. } => after.push("delete a version set".to_owned()),
        }
    }
    if created {
        words.insert(0, "create inactive".to_owned());
    }
    for (number, noun) in [(sets, "version set"), (behaviors, "behavior set"), (smokes, "smoke test")] {
        if number > 0 {
            words.push(count(number, noun));
        }
    }
    words.extend(after);
    words.join(" · ")
}
