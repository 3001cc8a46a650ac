//! Simulates how the steps of a plan change the live state. The verifier has its own code for this simulation, and does
//! not use the planner's code.

use std::collections::{BTreeMap, BTreeSet};

use super::super::types::{Action, Step, StepId, Target};
use crate::model::{
    Api, BehaviorSetId, LiveService, NewService, ServiceId, ServiceName, ServiceUpdate, Snapshot,
    TAG_REPLACES, VersionSet, VersionSetName, merged,
};

/// The simulated live state after some steps, with lookup tables for the verifier's checks.
pub(super) struct SimulatedState {
    api: Api,
    /// A counter from which the ids of simulated new services are made. No id is used twice, even if its service no
    /// longer exists.
    counter: u64,
    pub(super) services: BTreeMap<ServiceId, LiveService>,
    pub(super) created: BTreeMap<StepId, ServiceId>,
    pub(super) behaviors: BTreeSet<(BehaviorSetId, ServiceId)>,
    /// The number of services that have each name. Only active services count, unless inactive services may block names
    /// on this API.
    pub(super) holders: BTreeMap<ServiceName, usize>,
    /// The services that have a tag `replaces`, grouped by the id in that tag.
    pub(super) replacements: BTreeMap<String, BTreeSet<ServiceId>>,
}

impl SimulatedState {
    pub(super) fn new(snapshot: &Snapshot, api: Api) -> Self {
        let sets = snapshot.behavior_sets.values().flatten();
        let behaviors =
            sets.flat_map(|set| set.applied_to.iter().map(|id| (set.id.clone(), id.clone()))).collect();
        let mut state = Self {
            api,
            counter: snapshot.services.len() as u64,
            services: BTreeMap::new(),
            created: BTreeMap::new(),
            behaviors,
            holders: BTreeMap::new(),
            replacements: BTreeMap::new(),
        };
        for service in &snapshot.services {
            state.put(service.clone());
        }
        state
    }

    /// Adds a service or replaces its earlier state, and updates the lookup tables.
    pub(super) fn put(&mut self, service: LiveService) {
        self.remove(&service.id);
        if self.holds_name(&service) {
            *self.holders.entry(service.name.clone()).or_default() += 1;
        }
        if let Some(Some(old)) = service.tags.get(TAG_REPLACES) {
            self.replacements.entry(old.clone()).or_default().insert(service.id.clone());
        }
        self.services.insert(service.id.clone(), service);
    }

    /// Returns a new id that no service has. The digits `cafe` keep it apart from the ids that tests use. All new ids
    /// have the same length.
    fn new_id(&mut self) -> ServiceId {
        loop {
            let id = ServiceId::new(format!("{:024x}", 0xcafe_0000_0000_u64 + self.counter));
            self.counter += 1;
            if !self.services.contains_key(&id) {
                return id;
            }
        }
    }

    fn holds_name(&self, service: &LiveService) -> bool {
        service.active || self.api == Api::Platform
    }

    /// Removes a service, and updates the number of services that have its name.
    fn remove(&mut self, id: &ServiceId) {
        if let Some(before) = self.services.remove(id)
            && self.holds_name(&before)
            && let Some(count) = self.holders.get_mut(&before.name)
        {
            *count -= 1;
        }
    }

    /// Returns the services whose tag `replaces` contains the id of the service `old`.
    pub(super) fn replacements_of<'a>(&'a self, old: &ServiceId) -> impl Iterator<Item = &'a LiveService> {
        let old = old.as_str().to_owned();
        let ids = self.replacements.get(&old).into_iter().flatten();
        ids.filter_map(|id| self.services.get(id)).filter(move |service| {
            service.tags.get(TAG_REPLACES).and_then(Option::as_deref) == Some(old.as_str())
        })
    }

    /// Returns the services that replace the service `old`, directly or through a chain of replacements.
    pub(super) fn successors_of<'a>(&'a self, old: &ServiceId) -> Vec<&'a LiveService> {
        let mut found: Vec<&LiveService> = self.replacements_of(old).collect();
        let mut at = 0;
        while let Some(service) = found.get(at).copied() {
            let next = self.replacements_of(&service.id);
            let next: Vec<_> = next
                .filter(|next| &next.id != old && found.iter().all(|known| known.id != next.id))
                .collect();
            found.extend(next);
            at += 1;
        }
        found
    }

    /// Returns the id of the service that a step acts on. If no step has created that service, the result is an id that
    /// does not exist.
    pub(super) fn id(&self, target: &Target) -> ServiceId {
        match target {
            Target::Live(id) => id.clone(),
            Target::Created(step) => {
                self.created.get(step).cloned().unwrap_or_else(|| ServiceId::new("none"))
            }
        }
    }

    /// Changes the simulated state in the way in which the step would change the live state.
    pub(super) fn apply(&mut self, step: &Step) {
        match &step.action {
            Action::Create(new) => {
                let id = self.new_id();
                self.put(created_service(&id, new, self.api));
                self.created.insert(step.id, id);
            }
            Action::Update { id, update }
            | Action::RenameTemporarily { id, update }
            | Action::Abandon { id, update } => self.update(id, update),
            Action::Retire { id, update: Some(update), .. } => self.update(id, update),
            Action::Retire { id, update: None, .. } => self.remove(id),
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
            Action::HandOver { old, rename, new, activation, .. } => {
                if let Some(rename) = rename {
                    self.update(old, rename);
                }
                let new = self.id(new);
                self.update(&new, activation);
            }
        }
    }

    pub(super) fn update(&mut self, id: &ServiceId, update: &ServiceUpdate) {
        let Some(mut service) = self.services.get(id).cloned() else { return };
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
        service.version_sets.extend(version_sets);
        service.settings = merged(&service.settings, &settings);
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

/// Returns the service that the server would create for a request with this content.
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
    if api == Api::Classic {
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
