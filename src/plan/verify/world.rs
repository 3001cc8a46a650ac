//! The live side as a plan's steps change it, in the judge's own words. May import `model` and the plan's
//! types only.

use std::collections::{BTreeMap, BTreeSet};

use super::super::types::{Action, Step, StepId, Target};
use crate::model::{
    BehaviorSetId, LiveService, NewService, ServiceId, ServiceName, ServiceUpdate, Snapshot, TAG_REPLACES,
    VersionSet, VersionSetName,
};

/// The live side as steps change it, with the indices that the rules ask for.
#[derive(Default)]
pub(super) struct World {
    pub(super) services: BTreeMap<ServiceId, LiveService>,
    pub(super) created: BTreeMap<StepId, ServiceId>,
    pub(super) behaviors: BTreeSet<(BehaviorSetId, ServiceId)>,
    /// How many active services have a name.
    pub(super) active_names: BTreeMap<ServiceName, usize>,
    /// Services by the id in their tag `replaces`.
    pub(super) replacers: BTreeMap<String, BTreeSet<ServiceId>>,
}

impl World {
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let sets = snapshot.behavior_sets.values().flatten();
        let behaviors =
            sets.flat_map(|set| set.applied_to.iter().map(|id| (set.id.clone(), id.clone()))).collect();
        let mut world = Self { behaviors, ..Self::default() };
        for service in &snapshot.services {
            world.put(service.clone());
        }
        world
    }

    /// Adds or changes a service, and keeps the indices true.
    pub(super) fn put(&mut self, service: LiveService) {
        if let Some(before) = self.services.get(&service.id)
            && before.active
            && let Some(count) = self.active_names.get_mut(&before.name)
        {
            *count -= 1;
        }
        if service.active {
            *self.active_names.entry(service.name.clone()).or_default() += 1;
        }
        if let Some(Some(old)) = service.tags.get(TAG_REPLACES) {
            self.replacers.entry(old.clone()).or_default().insert(service.id.clone());
        }
        self.services.insert(service.id.clone(), service);
    }

    /// Services tagged as replacing this one.
    pub(super) fn replacers_of<'a>(&'a self, old: &ServiceId) -> impl Iterator<Item = &'a LiveService> {
        let old = old.as_str().to_owned();
        let ids = self.replacers.get(&old).into_iter().flatten();
        ids.filter_map(|id| self.services.get(id)).filter(move |service| {
            service.tags.get(TAG_REPLACES).and_then(Option::as_deref) == Some(old.as_str())
        })
    }

    pub(super) fn id(&self, target: &Target) -> ServiceId {
        match target {
            Target::Live(id) => id.clone(),
            Target::Created(step) => {
                self.created.get(step).cloned().unwrap_or_else(|| ServiceId::new("nobody"))
            }
        }
    }

    pub(super) fn apply(&mut self, step: &Step) {
        match &step.action {
            Action::Create(new) => {
                // Ids of one length, unlike any that a test uses, and unique within a run of plans.
                let id =
                    ServiceId::new(format!("{:024x}", 0xcafe_0000_0000_u64 + self.services.len() as u64));
                self.put(born(&id, new));
                self.created.insert(step.id, id);
            }
            Action::Update { id, update }
            | Action::SetAside { id, update }
            | Action::Retire { id, update, .. }
            | Action::Discard { id, update } => self.update(id, update),
            Action::WriteVersionSet { target, name, content, .. } => {
                let id = self.id(target);
                if let Some(service) = self.services.get_mut(&id) {
                    service.version_sets.insert(name.clone(), (**content).clone());
                }
            }
            Action::DeleteVersionSet { id, name } => {
                if let Some(service) = self.services.get_mut(id) {
                    service.version_sets.remove(name);
                }
            }
            Action::ApplyBehaviorSet { behavior_set, target, .. } => {
                let id = self.id(target);
                self.behaviors.insert((behavior_set.clone(), id));
            }
            Action::Smoke { .. } => {}
            Action::HandOver { old, rename, new, .. } => {
                if let Some(rename) = rename {
                    self.update(old, rename);
                }
                let new = self.id(new);
                self.update(&new, &ServiceUpdate { active: Some(true), ..ServiceUpdate::default() });
            }
        }
    }

    pub(super) fn update(&mut self, id: &ServiceId, update: &ServiceUpdate) {
        let Some(mut service) = self.services.get(id).cloned() else { return };
        let ServiceUpdate { name, description, active, tags, keyterms, agent, context_graph } =
            update.clone();
        service.name = name.unwrap_or_else(|| service.name.clone());
        service.description = description.unwrap_or_else(|| service.description.clone());
        service.active = active.unwrap_or(service.active);
        service.tags = tags.unwrap_or_else(|| service.tags.clone());
        service.keyterms = keyterms.unwrap_or_else(|| service.keyterms.clone());
        service.agent = agent.unwrap_or_else(|| service.agent.clone());
        service.context_graph = context_graph.unwrap_or_else(|| service.context_graph.clone());
        self.put(service);
    }
}

fn born(id: &ServiceId, new: &NewService) -> LiveService {
    let NewService { name, description, active, agent, context_graph, tags, keyterms, release } = new.clone();
    let sets = [
        (VersionSetName::new(VersionSetName::EDGE), VersionSet::latest()),
        (VersionSetName::new(VersionSetName::RELEASE), release.unwrap_or_else(VersionSet::latest)),
    ];
    LiveService {
        id: id.clone(),
        name,
        description,
        active,
        agent,
        context_graph,
        tags,
        keyterms,
        version_sets: sets.into(),
        updated_by: None,
    }
}
