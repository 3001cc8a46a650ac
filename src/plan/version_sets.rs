//! Adds the steps that write and delete version sets.

use super::changes::{VersionSetChange, VersionSetChangeKind};
use super::diff::{self, Content};
use super::draft::{Draft, DraftStep};
use super::types::{Action, Risk, StepId, Target};
use crate::model::{DesiredService, LiveService, Policy, VersionSet, VersionSetName};

/// Adds the steps that write the version sets of a new service. A version set needs no step if the request that creates
/// the service already contains it. `created` is the index of the step that creates the service.
pub(super) fn write_after_create(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    content: &Content,
    created: usize,
) {
    if draft.options.api.creates_with_version_sets() {
        return;
    }
    for (name, set) in content.version_sets.iter().filter(|(name, _)| !name.is_release()) {
        let Some(change) = diff::version_set(name, None, Some(set)) else { continue };
        let mut step = write(wanted, Target::Created(StepId(created)), change, set);
        step.after.insert(created);
        draft.push(step);
    }
}

/// Returns the step that writes one version set, with the changes that the step makes.
fn write(
    wanted: &DesiredService,
    target: Target,
    change: VersionSetChange,
    content: &VersionSet,
) -> DraftStep {
    let creates = change.kind == VersionSetChangeKind::Created;
    let risk = if change.name.is_release() && !creates { Risk::Disruptive } else { Risk::Safe };
    let (name, content) = (change.name.clone(), Box::new(content.clone()));
    let action = Action::WriteVersionSet { target, name, content, creates };
    let mut step = DraftStep::new(&wanted.name, action, risk);
    step.changes.version_sets.push(change);
    step
}

/// Adds the steps that write the changed version sets of a live service. Returns the indices of the steps.
pub(super) fn write_changed(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
) -> Vec<usize> {
    let mut written = Vec::new();
    for (name, after) in &content.version_sets {
        if let Some(change) = diff::version_set(name, live.version_sets.get(name), Some(after)) {
            let target = Target::Live(live.id.clone());
            written.push(draft.push(write(wanted, target, change, after)));
        }
    }
    written
}

/// Adds the steps that delete those version sets of a live service that `content` does not have. Version sets that must
/// not be deleted stay. The new steps run after the steps `written`. Returns the indices of the new steps.
pub(super) fn delete_unwanted(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    live: &LiveService,
    content: &Content,
    written: &[usize],
) -> Vec<usize> {
    let mut deleted = Vec::new();
    for (name, before) in &live.version_sets {
        let is_unwanted =
            !content.version_sets.contains_key(name) && may_delete_version_set(draft.policy, wanted, name);
        if is_unwanted {
            let action = Action::DeleteVersionSet { id: live.id.clone(), name: name.clone() };
            let mut step = DraftStep::new(&wanted.name, action, Risk::Destructive);
            step.changes.version_sets.extend(diff::version_set(name, Some(before), None));
            step.blocks_dependents = false;
            step.after.extend(written);
            deleted.push(draft.push(step));
        }
    }
    deleted
}

/// Returns true if a live version set may be deleted when the manifest does not declare it. `release` and version sets
/// that are unmanaged or ignored are never deleted. If the manifest has no `version_sets`, no version set is deleted.
pub(super) fn may_delete_version_set(
    policy: &Policy,
    wanted: &DesiredService,
    name: &VersionSetName,
) -> bool {
    let is_ignored = wanted.lifecycle.ignore.iter().any(|path| {
        path.0[0] == "version_sets" && path.0.get(1).is_none_or(|second| second == name.as_str())
    });
    wanted.version_sets.is_some() && !name.is_release() && !policy.is_unmanaged(name) && !is_ignored
}

/// Adds the changed version sets to the update that changes the agent. With separate requests, the service would for a
/// moment have the new agent with the pins of the old one, or the reverse.
pub(super) fn include_in_update(step: &mut DraftStep, live: &LiveService, content: &Content) {
    let Action::Update { update, .. } = &mut step.action else { return };
    for (name, after) in &content.version_sets {
        if let Some(change) = diff::version_set(name, live.version_sets.get(name), Some(after)) {
            update.version_sets.insert(name.clone(), after.clone());
            step.changes.version_sets.push(change);
        }
    }
}
