//! The live services of a sequence, with the API's own rules: it refuses names that are held, and the deactivation of
//! what a unit test uses.

use std::collections::{BTreeMap, BTreeSet};

use super::generate::Edit;
use crate::model::{Api, LiveService, ServiceId, ServiceName, ServiceUpdate, Snapshot, TAG_REPLACES};
use crate::plan::tests::build::snapshot;
use crate::plan::{Action, Step, StepId, Target, verify};

type Tags = BTreeMap<String, Option<String>>;

/// Why the server did not do what a step asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another service holds the name.
    NameHeld(ServiceName),
    /// A unit test uses the service.
    InUse,
    /// The run was to have its activations refused.
    NoActivation,
    /// The run was killed.
    Killed,
}

/// The live side of a sequence.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) api: Api,
    pub(super) inactive_hold_names: bool,
    pub(super) state: Snapshot,
    pub(super) banned: BTreeSet<ServiceId>,
    /// How many ids it has given: none is ever given twice.
    ids: usize,
}

impl Server {
    pub(super) fn new(api: Api, inactive_hold_names: bool) -> Self {
        Self { api, inactive_hold_names, state: snapshot([]), banned: BTreeSet::new(), ids: 0 }
    }

    pub(super) fn service(&self, id: &ServiceId) -> Option<&LiveService> {
        self.state.services.iter().find(|service| &service.id == id)
    }

    fn holds_name(&self, service: &LiveService) -> bool {
        service.active || self.inactive_hold_names
    }

    /// How many active services have each name that several have.
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
        // Some ids share their first digits, so that short forms of them are not unique.
        let first = if self.ids.is_multiple_of(3) { 0x65f0c1 } else { 0x10_0000 + self.ids * 7919 };
        ServiceId::new(format!("{first:06x}{:018x}", self.ids))
    }

    /// Does what one request asks for.
    ///
    /// # Errors
    ///
    /// The rule that forbids it; nothing has changed then.
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
        let mut made = None;
        for service in &mut after.services {
            if self.service(&service.id).is_none() {
                service.id = self.new_id();
                made = Some(service.id.clone());
            }
        }
        for service in &after.services {
            let before = self.service(&service.id);
            if before == Some(service) {
                continue;
            }
            let held_before = before.is_some_and(|old| old.name == service.name && self.holds_name(old));
            let held = self.holds_name(service) && !held_before;
            let taken = |other: &LiveService| {
                other.id != service.id && other.name == service.name && self.holds_name(other)
            };
            if held && self.state.services.iter().any(taken) {
                return Err(Refusal::NameHeld(service.name.clone()));
            }
            let goes = before.is_some_and(|old| old.active) && !service.active;
            if goes && self.banned.contains(&service.id) {
                return Err(Refusal::InUse);
            }
        }
        self.state = after;
        Ok(made)
    }

    /// Does what an update asks for.
    pub(super) fn update(&mut self, id: &ServiceId, update: &ServiceUpdate) -> Result<(), Refusal> {
        self.send(Action::Update { id: id.clone(), update: Box::new(update.clone()) }).map(|_| ())
    }

    /// Does what a step asks for, where that is one request.
    pub(super) fn run(&mut self, action: &Action) -> Result<Option<ServiceId>, Refusal> {
        self.send(action.clone())
    }

    /// Does what an operator asks for, where the API lets them.
    pub(super) fn edit(&mut self, edit: &Edit) {
        let ids: Vec<ServiceId> = self.state.services.iter().map(|service| service.id.clone()).collect();
        let former: Vec<ServiceId> = self
            .state
            .services
            .iter()
            .filter(|service| service.name.as_str().contains('('))
            .map(|service| service.id.clone())
            .collect();
        if ids.is_empty() {
            return;
        }
        let active = |active| ServiceUpdate { active: Some(active), ..ServiceUpdate::default() };
        let tags = |server: &Self, id: &ServiceId, change: &dyn Fn(&mut Tags)| {
            let mut tags = server.service(id).map(|service| service.tags.clone()).unwrap_or_default();
            change(&mut tags);
            ServiceUpdate { tags: Some(tags), ..ServiceUpdate::default() }
        };
        let owner = |value: &'static str| {
            move |tags: &mut Tags| {
                tags.insert("managed_by".to_owned(), Some(value.to_owned()));
            }
        };
        let (id, update) = match edit {
            Edit::Activate(at) => (at.get(&ids), active(true)),
            Edit::Deactivate(at) => (at.get(&ids), active(false)),
            Edit::ActivateFormer(_) if former.is_empty() => return,
            Edit::ActivateFormer(at) => (at.get(&former), active(true)),
            Edit::Rename(at, to) => {
                (at.get(&ids), ServiceUpdate { name: Some((*to).into()), ..ServiceUpdate::default() })
            }
            Edit::ToolName(at, word, base) => {
                let id = at.get(&ids);
                let replaces =
                    self.service(id).and_then(|service| service.tags.get(TAG_REPLACES)?.as_deref());
                let about = replaces.filter(|_| *word == "replacing").unwrap_or(id.as_str());
                let date = if word.starts_with("re") && *word != "replaced" { "" } else { " 2026-10-01" };
                let name = format!("{base} ({word}{date} {})", about.get(..6).unwrap_or(about));
                (id, ServiceUpdate { name: Some(name.as_str().into()), ..ServiceUpdate::default() })
            }
            Edit::Delete(at) => {
                let id = at.get(&ids).clone();
                if self.api.deletes_services() {
                    self.state.services.retain(|service| service.id != id);
                }
                return;
            }
            Edit::DropReplaces(at) => {
                let id = at.get(&ids);
                (id, tags(self, id, &|tags| drop(tags.remove(TAG_REPLACES))))
            }
            Edit::Repoint(at, to) => {
                let (id, to) = (at.get(&ids), to.get(&ids).as_str().to_owned());
                let change = move |tags: &mut Tags| {
                    tags.insert(TAG_REPLACES.to_owned(), Some(to.clone()));
                };
                (id, tags(self, id, &change))
            }
            Edit::Own(at) => (at.get(&ids), tags(self, at.get(&ids), &owner("amigops"))),
            Edit::GiveAway(at) => (at.get(&ids), tags(self, at.get(&ids), &owner("sisters"))),
            Edit::Disown(at) => {
                let id = at.get(&ids);
                (id, tags(self, id, &|tags| drop(tags.remove("managed_by"))))
            }
            Edit::Namesake(at, ours) => {
                let id = at.get(&ids).clone();
                let Some(mut twin) = self.service(&id).cloned() else { return };
                twin.id = self.new_id();
                twin.active = true;
                if !ours {
                    twin.tags.clear();
                }
                self.state.services.push(twin);
                return;
            }
            Edit::Ban(at) => {
                self.banned.extend((self.api == Api::Classic).then(|| at.get(&ids).clone()));
                return;
            }
            Edit::LiftBans => return self.banned.clear(),
        };
        let id = id.clone();
        // What the API refuses an operator, does not happen.
        self.update(&id, &update).ok();
    }
}

/// The action with the services that earlier steps created, by their ids.
pub(super) fn resolved(action: &Action, created: &BTreeMap<StepId, ServiceId>) -> Action {
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
