//! Says for each service that differs from its manifest if it has drifted, if its manifest is not applied yet, or both.

use super::changes::Cause;
use super::types::{Plan, ServiceKind, ServicePlan};

/// The way in which a service differs from its manifest. At least one of the two values is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deviation {
    /// True if the live service has changed since the base, or if its base is unknown.
    pub drifted: bool,
    /// True if the manifest has changed since the base, so that an apply is pending.
    pub pending: bool,
}

impl Deviation {
    /// Returns the deviation of a service from the causes of its changes. A change without a cause counts as drift.
    pub fn of(plan: &Plan, service: &ServicePlan) -> Self {
        // A service that is changed in place has no cause as a whole.
        let whole = (service.kind != ServiceKind::Update).then_some(service.cause);
        let steps = plan.steps_of(service).flat_map(|step| step.changes.causes());
        let mut deviation = Self::default();
        for cause in whole.into_iter().chain(service.changes.causes()).chain(steps) {
            deviation.drifted |= cause != Some(Cause::Manifest);
            deviation.pending |= matches!(cause, Some(Cause::Manifest | Cause::Both));
        }
        // Steps without changed values complete the work of an earlier run.
        deviation.drifted |= !deviation.pending;
        deviation
    }
}

impl Plan {
    /// Returns true if the live state has drifted: if a service has changed live since its base, or if the base of a
    /// service that differs is unknown.
    pub fn has_drifted(&self) -> bool {
        !self.is_empty()
            && (!self.has_pending() || self.services.iter().any(|one| Deviation::of(self, one).drifted))
    }

    /// Returns true if manifests have changed since their base, so that an apply is pending.
    pub fn has_pending(&self) -> bool {
        self.services.iter().any(|service| Deviation::of(self, service).pending)
    }

    /// Returns true if the plan is compared with the commits in the tags `origin`, and that of a service is unknown.
    pub fn is_base_unknown(&self, service: &ServicePlan) -> bool {
        self.bases.get(&service.name).is_some_and(Option::is_none)
    }
}
