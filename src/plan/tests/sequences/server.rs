//! Simulates the server of a sequence. It refuses names that are in use, and refuses to deactivate a service that a
//! unit test uses.

use std::collections::{BTreeMap, BTreeSet};

use super::generate::Edit;
use crate::model::{Api, LiveService, ServiceId, ServiceName, ServiceUpdate, Snapshot, TAG_REPLACES};
use crate::plan::tests::build::snapshot;
use crate::plan::{Action, Step, StepId, Target, verify};

type Tags = BTreeMap<String, Option<String>>;

/// The reason why the server did not make a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another service has this name, so the changed service can't get it.
    NameHeld(ServiceName),
    /// A unit test uses the service, so the service can't be deactivated.
    InUse,
    /// The server refuses every activation in this round of the test.
    NoActivation,
    /// The run was killed before this change.
    Killed,
}

/// The simulated server of a sequence, with its live services.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) api: Api,
    pub(super) inactive_hold_names: bool,
    pub(super) state: Snapshot,
    pub(super) used_in_tests: BTreeSet<ServiceId>,
    /// The number of ids that were given to services so far. New ids are made from this number, so no id is given
    /// twice.
    ids: usize,
}

impl Server {
    pub(super) fn new(api: Api, inactive_hold_names: bool) -> Self {
        Self { api, inactive_hold_names, state: snapshot([]), used_in_tests: BTreeSet::new(), ids: 0 }
    }

    pub(super) fn service(&self, id: &ServiceId) -> Option<&LiveService> {
        self.state.services.iter().find(|service| &service.id == id)
    }

    fn holds_name(&self, service: &LiveService) -> bool {
        service.active || self.inactive_hold_names
    }

    /// Returns each name that several active services have, with the number of these services.
    pub(super) fn namesakes(&self) -> BTreeMap<ServiceName, usize> {
        let mut active: BTreeMap<ServiceName, usize> = BTreeMap::new();
        for service in self.state.services.iter().filter(|service| service.active) {
            *active.entry(service.name.clone()).or_default() += 1;
        }
        active.retain(|_, count| *count > 1);
        active
    }

    fn new_id(&mut self) -> ServiceId {
        self.ids += 1;
        // Some ids have the same first digits, so that their short forms are not unique.
        let first = if self.ids.is_multiple_of(3) { 0x65f0c1 } else { 0x10_0000 + self.ids * 7919 };
        ServiceId::new(format!("{first:06x}{:018x}", self.ids))
    }

    /// Makes the change that one request asks for. Returns the id of the new service, or `None` if the request does not
    /// create one.
    ///
    /// # Errors
    ///
    /// Errors if a rule of the API forbids the change. Then nothing changes.
    fn send(&mut self, action: Action) -> Result<Option<ServiceId>, Refusal> {
        let step = Step {
            id: StepId(1),
            service: "-".into(),
            action,
            depends_on: BTreeSet::new(),
            risk: crate::plan::Risk::Safe,
            changes: Default::default(),
            reason: None,
        };
        let mut after = verify::outcome(&self.state, std::slice::from_ref(&step), self.api);
        let mut created = None;
        for service in &mut after.services {
            if self.service(&service.id).is_none() {
                service.id = self.new_id();
                created = Some(service.id.clone());
            }
        }
        for service in &after.services {
            let before = self.service(&service.id);
            if before == Some(service) {
                continue;
            }
            let held_before = before.is_some_and(|old| old.name == service.name && self.holds_name(old));
            let gets_name = self.holds_name(service) && !held_before;
            let holds_same_name = |other: &LiveService| {
                other.id != service.id && other.name == service.name && self.holds_name(other)
            };
            if gets_name && self.state.services.iter().any(holds_same_name) {
                return Err(Refusal::NameHeld(service.name.clone()));
            }
            let is_deactivated = before.is_some_and(|old| old.active) && !service.active;
            if is_deactivated && self.used_in_tests.contains(&service.id) {
                return Err(Refusal::InUse);
            }
        }
        self.state = after;
        Ok(created)
    }

    /// Changes the fields of a service, as one request. Returns an error if the server refuses the change.
    pub(super) fn update(&mut self, id: &ServiceId, update: &ServiceUpdate) -> Result<(), Refusal> {
        self.send(Action::Update { id: id.clone(), update: Box::new(update.clone()) }).map(|_| ())
    }

    /// Makes the change of a step that needs only one request. Returns the id of the new service, or `None` if the step
    /// does not create one. Returns an error if the server refuses the change.
    pub(super) fn run(&mut self, action: &Action) -> Result<Option<ServiceId>, Refusal> {
        self.send(action.clone())
    }

    /// Makes an operator's edit. Does nothing if the API refuses the edit.
    pub(super) fn edit(&mut self, edit: &Edit) {
        let ids: Vec<ServiceId> = self.state.services.iter().map(|service| service.id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        match edit {
            Edit::Delete(at) => {
                let id = at.get(&ids).clone();
                if self.api.deletes_services() {
                    self.state.services.retain(|service| service.id != id);
                }
            }
            Edit::CreateNamesake(at, is_owned) => {
                let Some(mut namesake) = self.service(at.get(&ids)).cloned() else { return };
                namesake.id = self.new_id();
                namesake.active = true;
                if !is_owned {
                    namesake.tags.clear();
                }
                self.state.services.push(namesake);
            }
            Edit::UseInTest(at) => {
                self.used_in_tests.extend((self.api == Api::Classic).then(|| at.get(&ids).clone()));
            }
            Edit::RemoveTests => self.used_in_tests.clear(),
            edit => {
                if let Some((id, update)) = self.update_of(edit, &ids) {
                    // If the API refuses the change, nothing happens.
                    self.update(&id, &update).ok();
                }
            }
        }
    }

    /// Returns the update that makes an edit, and the id of the service to change. Returns `None` if there is no
    /// service for the edit, or if the edit is not an update of a service.
    fn update_of(&self, edit: &Edit, ids: &[ServiceId]) -> Option<(ServiceId, ServiceUpdate)> {
        let active = |active| ServiceUpdate { active: Some(active), ..ServiceUpdate::default() };
        let rename = |name: &str| ServiceUpdate { name: Some(name.into()), ..ServiceUpdate::default() };
        let tags = |id: &ServiceId, key: &str, value: Option<&str>| {
            let mut tags: Tags = self.service(id).map(|service| service.tags.clone()).unwrap_or_default();
            match value {
                Some(value) => tags.insert(key.to_owned(), Some(value.to_owned())),
                None => tags.remove(key),
            };
            ServiceUpdate { tags: Some(tags), ..ServiceUpdate::default() }
        };
        let (id, update) = match edit {
            Edit::Activate(at) => (at.get(ids), active(true)),
            Edit::Deactivate(at) => (at.get(ids), active(false)),
            Edit::ActivateFormer(at) => {
                let is_former = |id: &&ServiceId| {
                    self.service(id).is_some_and(|service| service.name.as_str().contains('('))
                };
                let former: Vec<&ServiceId> = ids.iter().filter(is_former).collect();
                if former.is_empty() {
                    return None;
                }
                (*at.get(&former), active(true))
            }
            Edit::Rename(at, to) => (at.get(ids), rename(to)),
            Edit::ToolName(at, word, base) => {
                let id = at.get(ids);
                let replaces =
                    self.service(id).and_then(|service| service.tags.get(TAG_REPLACES)?.as_deref());
                let id_in_name = replaces.filter(|_| *word == "replacing").unwrap_or(id.as_str());
                let date = if word.starts_with("re") && *word != "replaced" { "" } else { " 2026-10-01" };
                let short = id_in_name.get(..6).unwrap_or(id_in_name);
                (id, rename(&format!("{base} ({word}{date} {short})")))
            }
            Edit::RemoveReplaces(at) => (at.get(ids), tags(at.get(ids), TAG_REPLACES, None)),
            Edit::ChangeReplaces(at, to) => {
                (at.get(ids), tags(at.get(ids), TAG_REPLACES, Some(to.get(ids).as_str())))
            }
            Edit::SetOwner(at) => (at.get(ids), tags(at.get(ids), "managed_by", Some("amigops"))),
            Edit::SetOtherOwner(at) => (at.get(ids), tags(at.get(ids), "managed_by", Some("sisters"))),
            Edit::RemoveOwner(at) => (at.get(ids), tags(at.get(ids), "managed_by", None)),
            Edit::Delete(_) | Edit::CreateNamesake(..) | Edit::UseInTest(_) | Edit::RemoveTests => {
                return None;
            }
        };
        Some((id.clone(), update))
    }
}

/// Returns a copy of the action that refers to created services by their ids instead of by the steps that created them.
pub(super) fn with_created_ids(action: &Action, created: &BTreeMap<StepId, ServiceId>) -> Action {
    let mut action = action.clone();
    if let Action::WriteVersionSet { target, .. }
    | Action::ApplyBehaviorSet { target, .. }
    | Action::Smoke { target, .. }
    | Action::HandOver { new: target, .. } = &mut action
        && let Target::Created(step) = target
        && let Some(id) = created.get(step)
    {
        *target = Target::Live(id.clone());
    }
    action
}
