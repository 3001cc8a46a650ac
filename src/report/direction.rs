//! The direction in which reports show changes.
//!
//! A plan shows what an apply will do, so its values read as `live → declared`. A drift report shows what has happened
//! to the declared state, so its values read as `declared → live`. But a drift report is rendered from the plan that
//! would revert the drift. This module swaps the old and the new value of each change in that plan, once for all
//! formats.

use super::{Mode, Planned, Section};
use crate::model::Api;
use crate::plan::{Plan, ServiceChanges, ServicePlan, created_content};

/// Calls `render` with the sections, and returns its result. For a drift report, first swaps the old and the new value
/// of each change in the sections' plans.
pub(super) fn directed(
    mode: Mode,
    sections: &[Section<'_>],
    render: impl FnOnce(&[Section<'_>]) -> String,
) -> String {
    if !mode.is_drift() {
        return render(sections);
    }
    let plans: Vec<Option<Plan>> =
        sections.iter().map(|section| section.outcome.ok().map(|planned| reversed(planned.plan))).collect();
    let directed = sections.iter().zip(&plans).map(|(section, plan)| match (section.outcome, plan) {
        (Ok(planned), Some(plan)) => {
            Section { origin: section.origin, outcome: Ok(Planned { plan, ..planned }) }
        }
        _ => *section,
    });
    render(&directed.collect::<Vec<_>>())
}

/// Returns the content of a service that a plan would create, as added values. In a drift report, the service is
/// missing, so its content is returned as removed values.
pub(super) fn content(mode: Mode, plan: &Plan, shown: &ServicePlan, api: Api) -> ServiceChanges {
    let content = created_content(plan, shown, api);
    if mode.is_drift() { content.reversed() } else { content }
}

/// Returns the plan with the old and the new value of each change swapped. The actions of its steps stay the same.
fn reversed(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for shown in &mut plan.services {
        shown.changes = std::mem::take(&mut shown.changes).reversed();
    }
    for step in &mut plan.steps {
        step.changes = std::mem::take(&mut step.changes).reversed();
    }
    plan
}
