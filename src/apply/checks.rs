//! Checks whether a step can still start. Other users may have changed its services since the plan was made. The
//! functions in this file send no requests.
//!
//! Each check compares three states of a service: the expected state (the plan's snapshot with this run's own changes),
//! the current state, and the state that the step wants. A step does not start if it would overwrite another user's
//! change, or if it depends on the changed value. All other changes by other users are kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::expected_state::{ExpectedState, updated_service};
use super::failure::LiveChange;
use super::merge;
use super::reads::Services;
use crate::model::{
    Api, LiveService, Ownership, Retire, ServiceId, ServiceName, ServiceUpdate, TAG_PROTECTED, VersionSet,
    VersionSetName,
};
use crate::plan::{Action, ChangeRecord, Target, differences};

/// The expected and the current state of the services that a step acts on.
pub(super) struct Check<'a> {
    pub(super) api: Api,
    pub(super) ownership: &'a Ownership,
    pub(super) expected: &'a ExpectedState<'a>,
    /// The current state of the services that the step acts on.
    pub(super) now: &'a Services,
}

/// Changes by other users that prevent a step from starting.
pub(super) type StoppingChanges = Vec<LiveChange>;

impl<'a> Check<'a> {
    /// Returns the action, adapted so that it keeps changes by other users.
    ///
    /// `successors` are services that were created to replace the service that the action changes. For a retirement,
    /// they are the services that take the place of the retired service. For an update, they are the new services of
    /// unfinished replacements.
    ///
    /// # Errors
    ///
    /// Returns the changes by other users that the action would overwrite, or on which it depends.
    pub(super) fn check_action(
        &self,
        action: &Action,
        successors: &BTreeSet<ServiceId>,
    ) -> Result<Action, StoppingChanges> {
        let mut action = action.clone();
        match &mut action {
            Action::Update { id, update } => {
                self.check_successors_inactive(successors)?;
                **update = self.check_update_in_place(id, update)?;
                self.state_activity(id, update);
            }
            Action::RenameTemporarily { id, update } => {
                **update = self.check_update(id, update, &|_| false)?
            }
            Action::Abandon { id, update } => {
                **update = self.check_update(id, update, &|path| matches!(path, "name" | "active"))?;
            }
            Action::Retire { id, update, how } => {
                self.check_successors_active(successors)?;
                let is_deleted = !self.now.contains_key(id);
                if !(*how == Retire::Delete && is_deleted) {
                    self.check_retirement(id, update.as_deref_mut())?;
                }
            }
            Action::WriteVersionSet { target: Target::Live(id), name, content, .. } => {
                **content = self.check_version_set(id, name, content)?;
            }
            Action::DeleteVersionSet { id, name } => self.check_version_set_deletion(id, name)?,
            Action::HandOver { .. }
            | Action::Create(_)
            | Action::WriteVersionSet { .. }
            | Action::ApplyBehaviorSet { .. }
            | Action::Smoke { .. } => {}
        }
        Ok(action)
    }

    /// Returns the expected and the current state of a service, or `None` if the run has no expected state for the
    /// service.
    ///
    /// # Errors
    ///
    /// Fails if the service no longer exists.
    pub(super) fn states_of(
        &self,
        id: &ServiceId,
    ) -> Result<Option<(&'a LiveService, &'a LiveService)>, StoppingChanges> {
        let Some(planned) = self.expected.service(id) else { return Ok(None) };
        match self.now.get(id) {
            Some(now) => Ok(Some((planned, now))),
            None => Err(vec![LiveChange { service: planned.name.clone(), id: id.clone(), change: None }]),
        }
    }

    /// Returns the changes that other users have made to a service, as differences between its expected state and its
    /// current state. Leaves out the version set `edge` on an API whose server creates it, because users can't change
    /// it.
    pub(super) fn changes_by_users(&self, planned: &LiveService, now: &LiveService) -> Vec<ChangeRecord> {
        let mut changes = differences(planned, now);
        if self.api.makes_version_sets() {
            let edge = format!("version_sets.{}.", VersionSetName::EDGE);
            changes.retain(|change| !change.path.starts_with(&edge));
        }
        changes
    }

    /// Returns true if `path` is the path of the ownership tag, and if this project does not own the service in its
    /// current state `now`.
    pub(super) fn is_lost_ownership(&self, path: &str, now: &LiveService) -> bool {
        path.strip_prefix("tags.") == Some(&self.ownership.tag) && !self.ownership.owns(&now.tags)
    }

    /// Returns a copy of the update that keeps changes by other users: tags and version set fields that the update does
    /// not change have their current values in the copy. `depends_on` returns true for the path of each value on which
    /// the update depends.
    ///
    /// # Errors
    ///
    /// Returns the changes by other users that the update would overwrite, or on which it depends.
    pub(super) fn check_update(
        &self,
        id: &ServiceId,
        update: &ServiceUpdate,
        depends_on: &dyn Fn(&str) -> bool,
    ) -> Result<ServiceUpdate, StoppingChanges> {
        let Some((planned, now)) = self.states_of(id)? else { return Ok(update.clone()) };
        if planned == now {
            return Ok(update.clone());
        }
        let wanted = updated_service(planned, update);
        let (written, remaining) = (paths(&differences(planned, &wanted)), paths(&differences(now, &wanted)));
        let is_stopping = |change: &ChangeRecord| {
            let path = change.path.as_str();
            let matters = self.is_lost_ownership(path, now) || depends_on(path) || overlaps(&written, path);
            matters && overlaps(&remaining, path)
        };
        let repeated = update.tags.iter().flat_map(|_| now.repeated_tags.difference(&planned.repeated_tags));
        // Another user has added a second tag with the same key: writing the tags would lose one of them.
        let repeated = repeated
            .map(|key| ChangeRecord::new(format!("tags.{key}"), json!("one tag"), json!("several tags")));
        let changes = self.changes_by_users(planned, now).into_iter().filter(is_stopping).chain(repeated);
        error_if_any(planned, changes)?;
        let mut merged = update.clone();
        if let Some(tags) = &update.tags {
            merged.tags = Some(merge::merge_tags(&planned.tags, &now.tags, tags));
        }
        for (name, set) in &mut merged.version_sets {
            *set = merge::merge_version_set(planned.version_sets.get(name), now.version_sets.get(name), set);
        }
        Ok(merged)
    }

    fn check_update_in_place(
        &self,
        id: &ServiceId,
        update: &ServiceUpdate,
    ) -> Result<ServiceUpdate, StoppingChanges> {
        let depends_on_name = update.active.is_some();
        let depends_on_agent =
            update.agent.is_some() || update.context_graph.is_some() || !update.version_sets.is_empty();
        let depends_on = |path: &str| match path {
            "name" => depends_on_name,
            "agent" | "context_graph" => depends_on_agent,
            _ => false,
        };
        self.check_update(id, update, &depends_on)
    }

    fn check_retirement(
        &self,
        id: &ServiceId,
        update: Option<&mut ServiceUpdate>,
    ) -> Result<(), StoppingChanges> {
        let protected = format!("tags.{TAG_PROTECTED}");
        let is_active = self.now.get(id).is_some_and(|now| now.active);
        let depends_on = |path: &str| match path {
            "name" | "agent" | "context_graph" => true,
            // Stop only if another user has activated the service. Retiring a service that another user has deactivated
            // does no harm.
            "active" => is_active,
            path => path == protected,
        };
        match update {
            Some(update) => *update = self.check_update(id, update, &depends_on)?,
            None => drop(self.check_update(id, &ServiceUpdate::default(), &depends_on)?),
        }
        Ok(())
    }

    /// On Classic, adds `active: true` to an update that renames an active service.
    ///
    /// The Classic API is certain to refuse a name in use only if the request activates a service. Without
    /// `active: true`, it may accept the rename, and two active services would have the same name.
    fn state_activity(&self, id: &ServiceId, update: &mut ServiceUpdate) {
        let is_active = |service: Option<&LiveService>| service.is_some_and(|service| service.active);
        let stays_active = is_active(self.expected.service(id)) && is_active(self.now.get(id));
        if self.api == Api::Classic && update.name.is_some() && stays_active {
            update.active.get_or_insert(true);
        }
    }

    fn check_version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> Result<VersionSet, StoppingChanges> {
        let update = ServiceUpdate {
            version_sets: BTreeMap::from([(name.clone(), content.clone())]),
            ..ServiceUpdate::default()
        };
        let was_deleted = self.states_of(id)?.is_some_and(|(planned, now)| {
            planned.version_sets.contains_key(name) && !now.version_sets.contains_key(name)
        });
        let prefix = format!("version_sets.{name}.");
        let depends_on = |path: &str| {
            matches!(path, "agent" | "context_graph") || (was_deleted && path.starts_with(&prefix))
        };
        let mut checked = self.check_update(id, &update, &depends_on)?;
        Ok(checked.version_sets.remove(name).unwrap_or_else(|| content.clone()))
    }

    fn check_version_set_deletion(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
    ) -> Result<(), StoppingChanges> {
        let Some((planned, now)) = self.states_of(id)? else { return Ok(()) };
        let exists = now.version_sets.contains_key(name);
        let prefix = format!("version_sets.{name}.");
        let is_stopping = |change: &ChangeRecord| {
            self.is_lost_ownership(&change.path, now) || (exists && change.path.starts_with(&prefix))
        };
        error_if_any(planned, self.changes_by_users(planned, now).into_iter().filter(is_stopping))
    }

    /// Checks that no other user has deactivated the services that replace the retired service. Services that were
    /// inactive in the plan are not checked.
    fn check_successors_active(&self, successors: &BTreeSet<ServiceId>) -> Result<(), StoppingChanges> {
        for id in successors {
            let Some((planned, now)) = self.states_of(id)? else { continue };
            check_activity_unchanged(planned, now, true)?;
        }
        Ok(())
    }

    /// Checks that no other user has activated the new service of a replacement that the plan abandons.
    fn check_successors_inactive(&self, successors: &BTreeSet<ServiceId>) -> Result<(), StoppingChanges> {
        for id in successors {
            let Some((planned, now)) = self.expected.service(id).zip(self.now.get(id)) else { continue };
            check_activity_unchanged(planned, now, false)?;
        }
        Ok(())
    }
}

/// Checks that no other user has activated or deactivated a service since the plan was made. Succeeds without a check
/// if the service's `active` in the plan differs from the argument `active`.
fn check_activity_unchanged(
    planned: &LiveService,
    now: &LiveService,
    active: bool,
) -> Result<(), StoppingChanges> {
    let changes = differences(planned, now).into_iter().filter(|change| change.path == "active");
    error_if_any(planned, changes.filter(|_| planned.active == active))
}

/// Returns the paths of the changed values, such as `name` or `tags.tier`.
pub(super) fn paths(changes: &[ChangeRecord]) -> BTreeSet<String> {
    changes.iter().map(|change| change.path.clone()).collect()
}

/// Returns true if `path` is one of `paths`, or contains one of them, or is inside one of them as `tags.tier` is inside
/// `tags`.
pub(super) fn overlaps(paths: &BTreeSet<String>, path: &str) -> bool {
    let is_inside =
        |path: &str, outer: &str| path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
    paths.iter().any(|other| other == path || is_inside(path, other) || is_inside(other, path))
}

/// Returns an error with these changes of the service `planned`, or `Ok` if there are no changes.
pub(super) fn error_if_any(
    planned: &LiveService,
    changes: impl Iterator<Item = ChangeRecord>,
) -> Result<(), StoppingChanges> {
    let live_change = |change| LiveChange {
        service: ServiceName::clone(&planned.name),
        id: planned.id.clone(),
        change: Some(change),
    };
    let changes: StoppingChanges = changes.map(live_change).collect();
    if changes.is_empty() { Ok(()) } else { Err(changes) }
}
