//! Determines which services a step reads before it acts. The reads let the step notice changes that another user has
//! made since the plan was made, so that the step does not undo them.
//!
//! The estimate counts these reads, and an apply performs them.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Action, Step, Target};
use crate::model::{LiveService, ServiceId, ServiceUpdate, TAG_REPLACES};

/// The services that the steps of a plan read before they act.
#[derive(Clone, Debug, Default)]
pub struct StepReads {
    /// The services that replace a retired or replaced service, grouped by the id of that old service.
    successors: BTreeMap<ServiceId, BTreeSet<Target>>,
    /// The new services of unfinished replacements, grouped by the id of their old service. Only old services that an
    /// update renames are listed.
    unfinished: BTreeMap<ServiceId, BTreeSet<ServiceId>>,
}

impl StepReads {
    /// Collects the successors of all services that `steps` retire, replace or rename. A successor is a service that
    /// replaces another service. `services` are the live services that the plan was made from.
    pub fn new<'a>(steps: &[Step], services: impl IntoIterator<Item = &'a LiveService>) -> Self {
        let mut successors: BTreeMap<ServiceId, BTreeSet<Target>> = BTreeMap::new();
        let retired: BTreeSet<&ServiceId> = steps.iter().filter_map(|step| retired(&step.action)).collect();
        let renamed: BTreeSet<&ServiceId> = steps.iter().filter_map(|step| renamed(&step.action)).collect();
        let mut unfinished: BTreeMap<ServiceId, BTreeSet<ServiceId>> = BTreeMap::new();
        for step in steps {
            if let Action::HandOver { old, new, .. } = &step.action {
                successors.entry(old.clone()).or_default().insert(new.clone());
            }
        }
        for service in services {
            let Some(old) = service.tags.get(TAG_REPLACES).and_then(Option::as_deref).map(ServiceId::new)
            else {
                continue;
            };
            if service.active && retired.contains(&old) {
                successors.entry(old).or_default().insert(Target::Live(service.id.clone()));
            } else if !service.active && renamed.contains(&old) {
                unfinished.entry(old).or_default().insert(service.id.clone());
            }
        }
        Self { successors, unfinished }
    }

    /// Returns the services that a step reads before it acts. An update reads nothing if it only sets the description,
    /// key terms or settings. Steps that create a service, write version sets of a created service, apply behavior sets
    /// or run smoke tests read nothing, either.
    pub fn of(&self, action: &Action) -> BTreeSet<Target> {
        match action {
            Action::Update { update, .. } if !affects_others(update) => BTreeSet::new(),
            // A plan that renames a service abandons its unfinished replacements. But another run may be finishing one
            // of them.
            Action::Update { id, update } if update.name.is_some() => {
                let unfinished = self.unfinished_replacements_of(id).map(|new| Target::Live(new.clone()));
                unfinished.chain([Target::Live(id.clone())]).collect()
            }
            Action::Update { id, .. }
            | Action::RenameTemporarily { id, .. }
            | Action::Abandon { id, .. }
            | Action::DeleteVersionSet { id, .. } => BTreeSet::from([Target::Live(id.clone())]),
            Action::WriteVersionSet { target: target @ Target::Live(_), .. } => {
                BTreeSet::from([target.clone()])
            }
            // The service that replaces the retired service must already be active.
            Action::Retire { id, .. } => {
                let successors = self.successors_of(id).cloned();
                successors.chain([Target::Live(id.clone())]).collect()
            }
            Action::HandOver { old, new, .. } => BTreeSet::from([Target::Live(old.clone()), new.clone()]),
            Action::Create(_)
            | Action::WriteVersionSet { target: Target::Created(_), .. }
            | Action::ApplyBehaviorSet { .. }
            | Action::Smoke { .. } => BTreeSet::new(),
        }
    }

    /// Returns the new services of unfinished replacements of the service `old`. Returns nothing unless an update in
    /// the plan renames `old`.
    pub fn unfinished_replacements_of(&self, old: &ServiceId) -> impl Iterator<Item = &ServiceId> {
        self.unfinished.get(old).into_iter().flatten()
    }

    /// Returns the services that replace the service `old`. Returns nothing unless the plan retires or replaces `old`.
    pub fn successors_of(&self, old: &ServiceId) -> impl Iterator<Item = &Target> {
        self.successors.get(old).into_iter().flatten()
    }
}

/// Returns the service that a step takes out of use, or `None` if the step retires nothing.
fn retired(action: &Action) -> Option<&ServiceId> {
    match action {
        Action::Retire { id, .. } => Some(id),
        _ => None,
    }
}

/// Returns the service that an update step renames, or `None` if the step renames nothing.
fn renamed(action: &Action) -> Option<&ServiceId> {
    match action {
        Action::Update { id, update } if update.name.is_some() => Some(id),
        _ => None,
    }
}

/// Returns true if an update renames, activates or deactivates a service, or writes the service's tags, agent, context
/// graph or version sets. Another user may have changed these values since the plan was made.
fn affects_others(update: &ServiceUpdate) -> bool {
    let ServiceUpdate {
        name,
        description: _,
        active,
        tags,
        keyterms: _,
        agent,
        context_graph,
        version_sets,
        settings: _,
    } = update;
    name.is_some()
        || active.is_some()
        || tags.is_some()
        || agent.is_some()
        || context_graph.is_some()
        || !version_sets.is_empty()
}
