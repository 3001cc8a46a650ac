//! Checks whether a cut-over can still start. Other users may have changed its services since the plan was made. The
//! functions in this file send no requests.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::{Check, StoppingChanges, error_if_any, overlaps, paths};
use super::expected_state::updated_service;
use crate::model::{LiveService, ServiceId, ServiceUpdate, TAG_PROTECTED, TAG_REPLACES};
use crate::plan::differences;

/// The two updates that a cut-over sends: the rename of the old service, and the activation of the new one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CutOverRequests {
    /// The rename of the old service, or `None` if an earlier run has renamed it.
    pub(super) rename: Option<ServiceUpdate>,
    /// The update that activates the new service.
    pub(super) activation: ServiceUpdate,
}

impl Check<'_> {
    /// Returns the requests of a cut-over. The activation copies changes by other users from the old service to the new
    /// service.
    ///
    /// # Errors
    ///
    /// Returns the changes by other users that prevent the cut-over: changes of the old service that would be lost, and
    /// changes of the new service on which its activation depends.
    pub(super) fn check_cut_over(
        &self,
        (old, rename): (&ServiceId, Option<&ServiceUpdate>),
        (new, activation): (&ServiceId, &ServiceUpdate),
    ) -> Result<CutOverRequests, StoppingChanges> {
        let mut requests = CutOverRequests { rename: rename.cloned(), activation: activation.clone() };
        let (old, new) = (self.states_of(old)?, self.states_of(new)?);
        let Some((planned_new, now_new)) = new else { return Ok(requests) };
        let replaces = format!("tags.{TAG_REPLACES}");
        let depends_on =
            |path: &str| matches!(path, "name" | "active" | "agent" | "context_graph") || path == replaces;
        requests.activation = self.check_update(&planned_new.id, activation, &depends_on)?;
        // Always send the name, because another client may rename the new service just before the activation.
        requests.activation.name.get_or_insert_with(|| planned_new.name.clone());
        let Some((planned_old, now_old)) = old else { return Ok(requests) };
        if planned_old == now_old {
            return Ok(requests);
        }
        if let Some(rename) = rename {
            requests.rename = Some(self.check_update(&planned_old.id, rename, &|_| false)?);
        }
        let wanted_old =
            rename.map_or_else(|| planned_old.clone(), |rename| updated_service(planned_old, rename));
        let rules = CopyRules {
            check: self,
            not_renamed_yet: paths(&differences(now_old, &wanted_old)),
            planned_differences: paths(&differences(planned_old, planned_new)),
            current_differences: paths(&differences(now_old, planned_new)),
            changes_of_new: paths(&differences(planned_new, now_new)),
        };
        let (mut stopping, mut copied) = (Vec::new(), BTreeSet::new());
        for change in self.changes_by_users(planned_old, now_old) {
            match rules.decide(&change.path, now_old) {
                CopyDecision::Ignore => {}
                CopyDecision::Copy => {
                    copied.insert(change.path);
                }
                CopyDecision::Stop => stopping.push(change),
            }
        }
        error_if_any(planned_old, stopping.into_iter())?;
        copy_changes(&mut requests.activation, &copied, now_old, now_new);
        let tags = requests.activation.tags.as_ref().map_or(0, BTreeMap::len);
        if tags > self.api.max_tags() {
            let changes = self.changes_by_users(planned_old, now_old).into_iter();
            error_if_any(planned_old, changes.filter(|change| change.path.starts_with("tags.")))?;
        }
        Ok(requests)
    }
}

/// The decision on a change that another user made to the old service.
enum CopyDecision {
    /// The change needs no action: the new service has the same value, or the step writes it.
    Ignore,
    /// The activation copies the changed value to the new service.
    Copy,
    /// The change would be lost, so the cut-over does not start.
    Stop,
}

/// The sets of paths that decide which [`CopyDecision`] is made for each change of the old service.
struct CopyRules<'c, 'a> {
    check: &'c Check<'a>,
    /// The paths at which the old service, as it is now, differs from its planned state after the rename.
    not_renamed_yet: BTreeSet<String>,
    /// The paths at which the plan has different values for the new and the old service.
    planned_differences: BTreeSet<String>,
    /// The paths at which the old service, as it is now, differs from the new service in the plan.
    current_differences: BTreeSet<String>,
    /// The paths at which other users have changed the new service.
    changes_of_new: BTreeSet<String>,
}

impl CopyRules<'_, '_> {
    fn decide(&self, path: &str, now: &LiveService) -> CopyDecision {
        let key = path.strip_prefix("tags.");
        let is_own_tag = key.is_some_and(|key| self.check.ownership.is_own_tag(key));
        match path {
            "name" | "active" if overlaps(&self.not_renamed_yet, path) => CopyDecision::Stop,
            "name" | "active" => CopyDecision::Ignore,
            _ if self.check.is_lost_ownership(path, now) => CopyDecision::Stop,
            _ if key == Some(TAG_PROTECTED) => CopyDecision::Stop,
            _ if is_own_tag => CopyDecision::Ignore,
            _ if !overlaps(&self.current_differences, path) => CopyDecision::Ignore,
            _ if overlaps(&self.changes_of_new, path) => CopyDecision::Stop,
            "description" | "keyterms" => self.copy_unless_declared(path),
            _ if key.is_some() => self.copy_unless_declared(path),
            _ => CopyDecision::Stop,
        }
    }

    /// Returns `Copy` if the plan has the same value for the new and the old service. Returns `Stop` if the plan has
    /// another value for the new service, because the copy would replace that value.
    fn copy_unless_declared(&self, path: &str) -> CopyDecision {
        if overlaps(&self.planned_differences, path) { CopyDecision::Stop } else { CopyDecision::Copy }
    }
}

/// Copies the old service's current values at the paths `copied` into the activation. So the new service has these
/// values as soon as it is active.
fn copy_changes(
    activation: &mut ServiceUpdate,
    copied: &BTreeSet<String>,
    old: &LiveService,
    new: &LiveService,
) {
    for path in copied {
        match path.as_str() {
            "description" => activation.description = Some(old.description.clone()),
            "keyterms" => activation.keyterms = Some(old.keyterms.clone()),
            path => {
                let Some(key) = path.strip_prefix("tags.") else { continue };
                let tags = activation.tags.get_or_insert_with(|| new.tags.clone());
                match old.tags.get(key) {
                    Some(value) => tags.insert(key.to_owned(), value.clone()),
                    None => tags.remove(key),
                };
            }
        }
    }
}
