//! Compares changes that others made since the plan with a step that is about to run: pure decisions.
//!
//! There are three states of a service: as planned (the snapshot, and what this run has done since), as it is now, and
//! as the step wants it. A change by another user stops a step that would change it, too, or that relies on it;
//! everything else is carried over.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::event::ChangedSince;
use super::expected::{Expected, updated};
use super::merge;
use super::reads::Services;
use crate::model::{
    Api, LiveService, Ownership, Retire, ServiceId, ServiceName, ServiceUpdate, TAG_PROTECTED, TAG_REPLACES,
    VersionSet, VersionSetName,
};
use crate::plan::{Action, Change, Target, differences};

/// The state that a step is compared with.
pub(super) struct Check<'a> {
    pub(super) api: Api,
    pub(super) ownership: &'a Ownership,
    pub(super) expected: &'a Expected<'a>,
    /// The services that the step is about, as they are now.
    pub(super) now: &'a Services,
}

/// The two requests of a hand-over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Requests {
    pub(super) rename: Option<ServiceUpdate>,
    pub(super) activation: ServiceUpdate,
}

/// Changes by other users that stop a step.
type Conflicts = Vec<ChangedSince>;

impl<'a> Check<'a> {
    /// The action with what it carries over; `successors` take the place of the service that it retires, or were to take
    /// the place of the one that it renames.
    ///
    /// # Errors
    ///
    /// Changes that others made since the plan, and that the action would undo or relies on.
    pub(super) fn action(
        &self,
        action: &Action,
        successors: &BTreeSet<ServiceId>,
    ) -> Result<Action, Conflicts> {
        let mut action = action.clone();
        match &mut action {
            Action::Update { id, update } => {
                self.successors_are_out_of_use(successors)?;
                let relies_on_name = update.active.is_some();
                let relies_on_agent = update.agent.is_some() || update.context_graph.is_some();
                let relies = |path: &str| match path {
                    "name" => relies_on_name,
                    "agent" | "context_graph" => relies_on_agent || !update.version_sets.is_empty(),
                    _ => false,
                };
                **update = self.update(id, update, &relies)?;
                self.state_activity(id, update);
            }
            Action::RenameTemporarily { id, update } => **update = self.update(id, update, &|_| false)?,
            Action::Abandon { id, update } => {
                **update = self.update(id, update, &|path| matches!(path, "name" | "active"))?;
            }
            Action::Retire { id, update, how } => {
                self.successors_are_in_use(successors)?;
                let is_gone = !self.now.contains_key(id);
                if *how == Retire::Delete && is_gone {
                    return Ok(action);
                }
                let protected = format!("tags.{TAG_PROTECTED}");
                let revived = self.now.get(id).is_some_and(|now| now.active);
                let relies = |path: &str| match path {
                    "name" | "agent" | "context_graph" => true,
                    "active" => revived,
                    path => path == protected,
                };
                let checked =
                    self.update(id, update.as_deref().unwrap_or(&ServiceUpdate::default()), &relies)?;
                if let Some(update) = update {
                    **update = checked;
                }
            }
            Action::WriteVersionSet { target: Target::Live(id), name, content, .. } => {
                **content = self.version_set(id, name, content)?;
            }
            Action::DeleteVersionSet { id, name } => self.deletion(id, name)?,
            Action::HandOver { .. }
            | Action::Create(_)
            | Action::WriteVersionSet { .. }
            | Action::ApplyBehaviorSet { .. }
            | Action::Smoke { .. } => {}
        }
        Ok(action)
    }

    /// A service as planned and as it is now; none where the plan knows nothing of it.
    fn pair(&self, id: &ServiceId) -> Result<Option<(&'a LiveService, &'a LiveService)>, Conflicts> {
        let Some(planned) = self.expected.service(id) else { return Ok(None) };
        match self.now.get(id) {
            Some(now) => Ok(Some((planned, now))),
            None => Err(vec![ChangedSince { service: planned.name.clone(), id: id.clone(), change: None }]),
        }
    }

    /// The changes of a service, apart from those that the server makes by itself.
    fn moved(&self, planned: &LiveService, now: &LiveService) -> Vec<Change> {
        let mut moved = differences(planned, now);
        if self.api.makes_version_sets() {
            let edge = format!("version_sets.{}.", VersionSetName::EDGE);
            moved.retain(|change| !change.path.starts_with(&edge));
        }
        moved
    }

    /// Whether a service has another owner than planned, and not this project.
    fn changes_owner(&self, path: &str, now: &LiveService) -> bool {
        path.strip_prefix("tags.") == Some(&self.ownership.tag) && !self.ownership.owns(&now.tags)
    }

    fn update(
        &self,
        id: &ServiceId,
        update: &ServiceUpdate,
        relies: &dyn Fn(&str) -> bool,
    ) -> Result<ServiceUpdate, Conflicts> {
        let Some((planned, now)) = self.pair(id)? else { return Ok(update.clone()) };
        if planned == now {
            return Ok(update.clone());
        }
        let wanted = updated(planned, update);
        let (touched, open) = (paths(&differences(planned, &wanted)), paths(&differences(now, &wanted)));
        let stops = |change: &Change| {
            let path = change.path.as_str();
            let matters = self.changes_owner(path, now) || relies(path) || overlaps(&touched, path);
            matters && overlaps(&open, path)
        };
        let repeated = update.tags.iter().flat_map(|_| now.repeated_tags.difference(&planned.repeated_tags));
        // Tags with one key that somebody has added: writing them would lose all but one.
        let repeated =
            repeated.map(|key| Change::new(format!("tags.{key}"), json!("one tag"), json!("several tags")));
        let conflicts = self.moved(planned, now).into_iter().filter(stops).chain(repeated);
        none_of(planned, conflicts)?;
        let mut carried = update.clone();
        if let Some(tags) = &update.tags {
            carried.tags = Some(merge::tags(&planned.tags, &now.tags, tags));
        }
        for (name, set) in &mut carried.version_sets {
            *set = merge::version_set(planned.version_sets.get(name), now.version_sets.get(name), set);
        }
        Ok(carried)
    }

    /// Says in the rename of an active service that it is active. The Classic API promises to refuse a name in use where
    /// a service is activated; a rename alone may be let through, and two active services would have one name.
    fn state_activity(&self, id: &ServiceId, update: &mut ServiceUpdate) {
        let is_active = |service: Option<&LiveService>| service.is_some_and(|service| service.active);
        let stays_active = is_active(self.expected.service(id)) && is_active(self.now.get(id));
        if self.api == Api::Classic && update.name.is_some() && stays_active {
            update.active.get_or_insert(true);
        }
    }

    fn version_set(
        &self,
        id: &ServiceId,
        name: &VersionSetName,
        content: &VersionSet,
    ) -> Result<VersionSet, Conflicts> {
        let update = ServiceUpdate {
            version_sets: BTreeMap::from([(name.clone(), content.clone())]),
            ..ServiceUpdate::default()
        };
        let was_deleted = self.pair(id)?.is_some_and(|(planned, now)| {
            planned.version_sets.contains_key(name) && !now.version_sets.contains_key(name)
        });
        let prefix = format!("version_sets.{name}.");
        let relies = |path: &str| {
            matches!(path, "agent" | "context_graph") || (was_deleted && path.starts_with(&prefix))
        };
        let mut checked = self.update(id, &update, &relies)?;
        Ok(checked.version_sets.remove(name).unwrap_or_else(|| content.clone()))
    }

    fn deletion(&self, id: &ServiceId, name: &VersionSetName) -> Result<(), Conflicts> {
        let Some((planned, now)) = self.pair(id)? else { return Ok(()) };
        let is_there = now.version_sets.contains_key(name);
        let prefix = format!("version_sets.{name}.");
        let stops = |change: &Change| {
            self.changes_owner(&change.path, now) || (is_there && change.path.starts_with(&prefix))
        };
        none_of(planned, self.moved(planned, now).into_iter().filter(stops))
    }

    /// Checks that the successors of a service are still active if the plan counts on it.
    fn successors_are_in_use(&self, successors: &BTreeSet<ServiceId>) -> Result<(), Conflicts> {
        for id in successors {
            let Some((planned, now)) = self.pair(id)? else { continue };
            self.is_as_active(planned, now, true)?;
        }
        Ok(())
    }

    /// Checks that nobody has activated a service whose replacement the plan gives up.
    fn successors_are_out_of_use(&self, successors: &BTreeSet<ServiceId>) -> Result<(), Conflicts> {
        for id in successors {
            let Some((planned, now)) = self.expected.service(id).zip(self.now.get(id)) else { continue };
            self.is_as_active(planned, now, false)?;
        }
        Ok(())
    }

    fn is_as_active(&self, planned: &LiveService, now: &LiveService, active: bool) -> Result<(), Conflicts> {
        let moved = differences(planned, now).into_iter().filter(|change| change.path == "active");
        none_of(planned, moved.filter(|_| planned.active == active))
    }

    /// The requests of a hand-over with what they carry over from the old service to the new one.
    ///
    /// # Errors
    ///
    /// Changes that others made since the plan: of the old service everything that the new one has not as
    /// well, of the new one what its activation relies on.
    pub(super) fn hand_over(
        &self,
        (old, rename): (&ServiceId, Option<&ServiceUpdate>),
        (new, activation): (&ServiceId, &ServiceUpdate),
    ) -> Result<Requests, Conflicts> {
        let mut requests = Requests { rename: rename.cloned(), activation: activation.clone() };
        let (old, new) = (self.pair(old)?, self.pair(new)?);
        let Some((planned_new, now_new)) = new else { return Ok(requests) };
        let replaces = format!("tags.{TAG_REPLACES}");
        let relies =
            |path: &str| matches!(path, "name" | "active" | "agent" | "context_graph") || path == replaces;
        requests.activation = self.update(&planned_new.id, activation, &relies)?;
        // Nobody else's name becomes active, even if the new service is renamed just now.
        requests.activation.name.get_or_insert_with(|| planned_new.name.clone());
        let Some((planned_old, now_old)) = old else { return Ok(requests) };
        if planned_old == now_old {
            return Ok(requests);
        }
        if let Some(rename) = rename {
            requests.rename = Some(self.update(&planned_old.id, rename, &|_| false)?);
        }
        let wanted_old = rename.map_or_else(|| planned_old.clone(), |rename| updated(planned_old, rename));
        let carry = Carry {
            check: self,
            left: paths(&differences(now_old, &wanted_old)),
            differs_as_planned: paths(&differences(planned_old, planned_new)),
            differs_now: paths(&differences(now_old, planned_new)),
            moved_of_new: paths(&differences(planned_new, now_new)),
        };
        let mut conflicts = Vec::new();
        let mut carried = BTreeSet::new();
        for change in self.moved(planned_old, now_old) {
            match carry.judge(&change.path, now_old) {
                Verdict::Fine => {}
                Verdict::Carried => {
                    carried.insert(change.path);
                }
                Verdict::Conflict => conflicts.push(change),
            }
        }
        none_of(planned_old, conflicts.into_iter())?;
        carry_over(&mut requests.activation, &carried, now_old, now_new);
        let tags = requests.activation.tags.as_ref().map_or(0, BTreeMap::len);
        if tags > self.api.max_tags() {
            let added = self.moved(planned_old, now_old).into_iter();
            none_of(planned_old, added.filter(|change| change.path.starts_with("tags.")))?;
        }
        Ok(requests)
    }
}

/// The outcome for one change of the old service.
enum Verdict {
    /// The new service has it as well, or the step brings the same about.
    Fine,
    /// It goes along to the new service.
    Carried,
    /// It would be undone.
    Conflict,
}

/// The paths that decide on changes of the old service of a hand-over.
struct Carry<'c, 'a> {
    check: &'c Check<'a>,
    /// Where the old service is not yet as its rename leaves it.
    left: BTreeSet<String>,
    /// Where the new service was planned to differ from the old one.
    differs_as_planned: BTreeSet<String>,
    /// Where the new service differs from what the old one is now.
    differs_now: BTreeSet<String>,
    /// Changes that others made to the new service.
    moved_of_new: BTreeSet<String>,
}

impl Carry<'_, '_> {
    fn judge(&self, path: &str, now: &LiveService) -> Verdict {
        let key = path.strip_prefix("tags.");
        let is_own_tag = key.is_some_and(|key| self.check.ownership.is_own_tag(key));
        match path {
            "name" | "active" if overlaps(&self.left, path) => Verdict::Conflict,
            "name" | "active" => Verdict::Fine,
            _ if self.check.changes_owner(path, now) => Verdict::Conflict,
            _ if key == Some(TAG_PROTECTED) => Verdict::Conflict,
            _ if is_own_tag => Verdict::Fine,
            _ if !overlaps(&self.differs_now, path) => Verdict::Fine,
            _ if overlaps(&self.moved_of_new, path) => Verdict::Conflict,
            "description" | "keyterms" => self.carried_if_copied(path),
            _ if key.is_some() => self.carried_if_copied(path),
            _ => Verdict::Conflict,
        }
    }

    /// Fields that the plan copies from the old service are copied as they are now.
    fn carried_if_copied(&self, path: &str) -> Verdict {
        if overlaps(&self.differs_as_planned, path) { Verdict::Conflict } else { Verdict::Carried }
    }
}

/// Puts into an activation what the old service has by now, so that it is seen at once.
fn carry_over(
    activation: &mut ServiceUpdate,
    carried: &BTreeSet<String>,
    old: &LiveService,
    new: &LiveService,
) {
    for path in carried {
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

/// The paths of changes.
fn paths(changes: &[Change]) -> BTreeSet<String> {
    changes.iter().map(|change| change.path.clone()).collect()
}

/// Whether a path is among these, or above or below one of them.
fn overlaps(paths: &BTreeSet<String>, path: &str) -> bool {
    let is_below = |path: &str, top: &str| path.strip_prefix(top).is_some_and(|rest| rest.starts_with('.'));
    paths.iter().any(|other| other == path || is_below(path, other) || is_below(other, path))
}

/// Errors if there is a conflict.
fn none_of(planned: &LiveService, conflicts: impl Iterator<Item = Change>) -> Result<(), Conflicts> {
    let changed = |change| ChangedSince {
        service: ServiceName::clone(&planned.name),
        id: planned.id.clone(),
        change: Some(change),
    };
    let conflicts: Conflicts = conflicts.map(changed).collect();
    if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
}
