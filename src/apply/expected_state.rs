//! The live state that a run expects: the plan's snapshot, changed by the steps that this run has done.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Api, LiveService, NewService, ServiceId, ServiceUpdate, VersionSet, VersionSetName, merged,
};
use crate::plan::{Action, Target};

/// The state that each service should have if no other client changes anything.
pub(super) struct ExpectedState<'a> {
    api: Api,
    /// The services in the plan's snapshot.
    planned: BTreeMap<&'a ServiceId, &'a LiveService>,
    /// The services that steps of this run have created or changed.
    changed: BTreeMap<ServiceId, LiveService>,
}

impl<'a> ExpectedState<'a> {
    /// Creates the expected state of a run before its first step.
    pub(super) fn new(api: Api, services: &'a [LiveService]) -> Self {
        let planned = services.iter().map(|service| (&service.id, service)).collect();
        Self { api, planned, changed: BTreeMap::new() }
    }

    /// Returns true if the service existed when the plan was made.
    pub(super) fn was_planned(&self, id: &ServiceId) -> bool {
        self.planned.contains_key(id)
    }

    /// Returns the state that a service had when the plan was made, or `None` if the service did not exist.
    pub(super) fn planned_state(&self, id: &ServiceId) -> Option<&'a LiveService> {
        self.planned.get(id).copied()
    }

    /// Returns the state that a service should have now, or `None` if the run does not know the service.
    pub(super) fn service(&self, id: &ServiceId) -> Option<&LiveService> {
        self.changed.get(id).or_else(|| self.planned.get(id).copied())
    }

    /// Adds the effect of a finished step to the expected state. `result` is the id of the service that the step
    /// created, or activated in place of another service.
    pub(super) fn apply(&mut self, action: &Action, result: Option<&ServiceId>) {
        match action {
            Action::Create(new) => {
                if let Some(id) = result {
                    self.changed.insert(id.clone(), created_service(id, new, self.api));
                }
            }
            Action::Update { id, update }
            | Action::RenameTemporarily { id, update }
            | Action::Abandon { id, update }
            | Action::Retire { id, update: Some(update), .. } => self.update(id, update),
            Action::WriteVersionSet { target: Target::Live(id), name, content, .. } => {
                self.change(id, |service| {
                    service.version_sets.insert(name.clone(), (**content).clone());
                });
            }
            Action::DeleteVersionSet { id, name } => {
                self.change(id, |service| {
                    service.version_sets.remove(name);
                });
            }
            Action::HandOver { old, rename, activation, .. } => {
                if let Some(rename) = rename {
                    self.update(old, rename);
                }
                if let Some(new) = result {
                    self.update(new, activation);
                }
            }
            // No later step depends on the effects of these actions.
            Action::Retire { update: None, .. }
            | Action::WriteVersionSet { target: Target::Created(_), .. }
            | Action::ApplyBehaviorSet { .. }
            | Action::Smoke { .. } => {}
        }
    }

    fn update(&mut self, id: &ServiceId, update: &ServiceUpdate) {
        self.change(id, |service| *service = updated_service(service, update));
    }

    fn change(&mut self, id: &ServiceId, change: impl FnOnce(&mut LiveService)) {
        let Some(mut service) = self.service(id).cloned() else { return };
        change(&mut service);
        self.changed.insert(id.clone(), service);
    }
}

/// Returns the state of a service after an update.
pub(super) fn updated_service(service: &LiveService, update: &ServiceUpdate) -> LiveService {
    let ServiceUpdate {
        name,
        description,
        active,
        tags,
        keyterms,
        agent,
        context_graph,
        version_sets,
        settings,
    } = update.clone();
    let mut after = service.clone();
    after.name = name.unwrap_or(after.name);
    after.description = description.unwrap_or(after.description);
    after.active = active.unwrap_or(after.active);
    after.tags = tags.unwrap_or(after.tags);
    after.keyterms = keyterms.unwrap_or(after.keyterms);
    after.agent = agent.unwrap_or(after.agent);
    after.context_graph = context_graph.unwrap_or(after.context_graph);
    after.version_sets.extend(version_sets);
    after.settings = merged(&after.settings, &settings);
    after
}

/// Returns the state of a service after the request that creates it, including the version sets that the server adds.
fn created_service(id: &ServiceId, new: &NewService, api: Api) -> LiveService {
    let NewService {
        name,
        description,
        active,
        agent,
        context_graph,
        tags,
        keyterms,
        mut version_sets,
        settings,
    } = new.clone();
    if api.makes_version_sets() {
        for name in [VersionSetName::EDGE, VersionSetName::RELEASE] {
            version_sets.entry(VersionSetName::new(name)).or_insert_with(VersionSet::latest);
        }
    }
    LiveService {
        id: id.clone(),
        name,
        description,
        active,
        agent,
        context_graph,
        tags,
        repeated_tags: BTreeSet::new(),
        keyterms,
        version_sets,
        settings,
        system: false,
        updated_by: None,
        updated_at: None,
    }
}
