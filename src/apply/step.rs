//! One step: its requests, and what is done when one of them fails. May import `plan`, `remote` and `model`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::event::{StepFailure, Undo};
use super::rivals::Seen;
use crate::model::{
    BehaviorSetId, Endpoint, LiveService, NewService, ServiceId, ServiceName, ServiceUpdate, SmokeTest,
    TAG_REPLACES,
};
use crate::plan::{Action, Step, StepId, Target};
use crate::remote::{ApiError, Cause, Reservation, WriteApi};

/// How often a create is sent when its answer is lost and the service is not found.
const CREATE_ATTEMPTS: u32 = 3;
/// How often a rename is sent when its answer is lost and the service does not have the name.
const RENAME_ATTEMPTS: u32 = 3;

/// How often a hand-over is begun when the API is busy or under maintenance just then.
const HAND_OVER_ROUNDS: u32 = 3;
/// How long to wait between two rounds, the old service in use under its name.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(10);

/// Who hands over to whom.
struct HandOver<'a> {
    old: &'a ServiceId,
    old_name: &'a ServiceName,
    rename: Option<&'a ServiceUpdate>,
    new: &'a ServiceId,
    activation: &'a ServiceUpdate,
}

/// Runs steps of one plan and remembers which services they created.
pub(super) struct Runner<'a, A> {
    pub(super) api: &'a A,
    /// Services that existed when the plan was made.
    pub(super) known: &'a BTreeSet<ServiceId>,
    /// The date, for names.
    pub(super) today: &'a str,
    created: RefCell<BTreeMap<StepId, ServiceId>>,
    pub(super) seen: Seen,
    /// A behavior set's list of services is read, changed and written whole: one step at a time.
    behavior_sets: RefCell<BTreeMap<BehaviorSetId, Rc<Mutex<()>>>>,
}

impl<'a, A: WriteApi> Runner<'a, A> {
    pub(super) fn new(api: &'a A, known: &'a BTreeSet<ServiceId>, today: &'a str) -> Self {
        Self {
            api,
            known,
            today,
            created: RefCell::default(),
            seen: Seen::default(),
            behavior_sets: RefCell::default(),
        }
    }

    /// Runs a step; gives the id of a service that it created or put in another's place.
    pub(super) async fn run(&self, step: &Step) -> Result<Option<ServiceId>, StepFailure> {
        match &step.action {
            Action::Create(new) => {
                let id = self.create(new).await?;
                self.is_alone(new, &id).await?;
                self.created.borrow_mut().insert(step.id, id.clone());
                return Ok(Some(id));
            }
            Action::Update { id, update }
            | Action::SetAside { id, update }
            | Action::Discard { id, update } => self.update(id, update, None).await?,
            Action::Retire { id, update: Some(update), .. } => {
                self.update(id, update, None).await.map_err(retire_hint)?;
            }
            Action::Retire { id, update: None, .. } => self.api.delete_service(id).await?,
            Action::WriteVersionSet { target, name, content, .. } => {
                self.api.write_version_set(&self.id(target)?, name, content).await?;
            }
            Action::DeleteVersionSet { id, name } => self.api.delete_version_set(id, name).await?,
            Action::ApplyBehaviorSet { behavior_set, target, .. } => {
                self.apply_behavior_set(behavior_set, self.id(target)?).await?;
            }
            Action::Smoke { target, test } => self.smoke(&self.id(target)?, test).await?,
            Action::HandOver { old, old_name, rename, new, activation } => {
                let new = self.id(new)?;
                let rename = rename.as_deref();
                self.hand_over(&HandOver { old, old_name, rename, new: &new, activation }).await?;
                return Ok(Some(new));
            }
        }
        Ok(None)
    }

    fn id(&self, target: &Target) -> Result<ServiceId, ApiError> {
        match target {
            Target::Live(id) => Ok(id.clone()),
            Target::Created(step) => self.created.borrow().get(step).cloned().ok_or_else(|| {
                ApiError::setup(format!(
                    "the service of step {step} was not created: the plan's order is wrong"
                ))
            }),
        }
    }

    /// Creates a service; when the answer is lost, looks for it before asking again.
    async fn create(&self, new: &NewService) -> Result<ServiceId, ApiError> {
        let mut attempt = 1;
        loop {
            let error = match self.api.create_service(new).await {
                Ok(id) => return Ok(id),
                Err(error) => error,
            };
            if !error.may_have_happened() {
                return Err(error);
            }
            match self.find(new).await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) => {}
                // That nobody may look for it any more does not undo it.
                Err(failed) if failed.cause == Cause::Interrupted => return Err(error),
                Err(failed) => return Err(failed),
            }
            attempt += 1;
            if attempt > CREATE_ATTEMPTS {
                return Err(error);
            }
        }
    }

    /// The service that a create with a lost answer made, if it did.
    async fn find(&self, new: &NewService) -> Result<Option<ServiceId>, ApiError> {
        let ours: BTreeSet<ServiceId> = self.created.borrow().values().cloned().collect();
        let services = self.api.services().await?;
        let found = services.into_iter().find(|service| {
            service.name == new.name
                && service.active == new.active
                && service.agent == new.agent
                && service.context_graph == new.context_graph
                && service.tags.get(TAG_REPLACES) == new.tags.get(TAG_REPLACES)
                && !self.known.contains(&service.id)
                && !ours.contains(&service.id)
        });
        Ok(found.map(|service| service.id))
    }

    /// Changes a service; when the answer to a new name is lost, looks whether it has the name before it is
    /// sent again.
    pub(super) async fn update(
        &self,
        id: &ServiceId,
        update: &ServiceUpdate,
        reserved: Option<&Reservation>,
    ) -> Result<(), ApiError> {
        let mut attempt = 1;
        loop {
            let Err(error) = self.api.update_service(id, update, reserved).await else { return Ok(()) };
            // What was carried out in part is the same when it is sent again.
            if update.name.is_none() || !error.may_have_happened() || error.cause == Cause::Kept {
                return Err(error);
            }
            match self.api.service(id).await {
                Ok(Some(there)) if is_as_told(&there, update) => return Ok(()),
                Ok(Some(_)) if attempt < RENAME_ATTEMPTS => attempt += 1,
                Ok(_) | Err(_) => return Err(error),
            }
        }
    }

    /// Adds a service to those that a behavior set is applied to, others that were added meanwhile kept.
    async fn apply_behavior_set(&self, set: &BehaviorSetId, service: ServiceId) -> Result<(), ApiError> {
        let lock = Rc::clone(self.behavior_sets.borrow_mut().entry(set.clone()).or_default());
        let _one_at_a_time = lock.lock().await;
        // One that was deleted since the plan applies to nobody any more.
        let Some(present) = self.api.behavior_set(set).await? else { return Ok(()) };
        let mut services = present.applied_to;
        if services.insert(service) {
            self.api.apply_behavior_set(set, &services).await?;
        }
        Ok(())
    }

    async fn smoke(&self, id: &ServiceId, test: &SmokeTest) -> Result<(), StepFailure> {
        let answer = self.api.converse(id, test).await?;
        let Some(expected) = &test.expect else { return Ok(()) };
        let matches = regex::Regex::new(expected).is_ok_and(|expected| expected.is_match(&answer));
        if matches { Ok(()) } else { Err(StepFailure::Unexpected { expected: expected.clone(), answer }) }
    }

    /// Old gives its name up, new becomes active; nothing waits between the two. If new can't, old gets
    /// its name back; if that was for a moment only, it is tried again.
    async fn hand_over(&self, hand_over: &HandOver<'_>) -> Result<(), StepFailure> {
        let mut round = 1;
        loop {
            let Err(failure) = self.hand_over_once(hand_over).await else { return Ok(()) };
            let passing = match &failure {
                StepFailure::HandOver { activation, undo: Undo::Done } => {
                    matches!(activation.status(), Some(429 | 503))
                }
                _ => false,
            };
            if !passing || round == HAND_OVER_ROUNDS {
                return Err(failure);
            }
            round += 1;
            tokio::time::sleep(HAND_OVER_PAUSE).await;
        }
    }

    async fn hand_over_once(&self, hand_over: &HandOver<'_>) -> Result<(), StepFailure> {
        let HandOver { old, old_name, rename, new, activation: activate } = *hand_over;
        // The rename, the activation, and room for an undo: a wait for the limit comes before all of them.
        let count = if rename.is_some() { 3 } else { 1 };
        let mut reserved = self.api.reserve(Endpoint::UpdateService, count).await?;
        if reserved.is_blind() {
            // Nobody knows yet how many requests there are, and between the rename and the activation is no
            // time to learn it: an update that changes nothing tells.
            self.api.update_service(new, &ServiceUpdate::default(), Some(&reserved)).await?;
            drop(reserved);
            reserved = self.api.reserve(Endpoint::UpdateService, count).await?;
        }
        if let Some(rename) = rename
            && let Err(error) = self.update(old, rename, Some(&reserved)).await
        {
            // Perhaps it was renamed all the same, and then nobody has the name: it is given back unasked.
            if error.may_have_happened() {
                self.give_back(old, old_name, &reserved).await.ok();
            }
            return Err(error.into());
        }
        let Err(activation) = self.update(new, activate, Some(&reserved)).await else { return Ok(()) };
        let must_look = activation.may_have_happened() || activation.status() == Some(409);
        let seen = if must_look { self.api.services().await.ok() } else { None };
        // One that only takes the name, and stays inactive, is done when it has the name.
        let is_done =
            seen.iter().flatten().any(|service| &service.id == new && is_as_told(service, activate));
        if activation.may_have_happened() && is_done {
            return Ok(());
        }
        if rename.is_none() {
            return Err(activation.into());
        }
        let holder = seen.iter().flatten().find(|service| service.active && &service.name == old_name);
        if let Some(holder) = holder {
            // The name is taken: giving it back would make a namesake. What was to have it is of no use any more;
            // where that can't be set aside, the next run does it.
            if &holder.id != old {
                self.set_aside(new, seen.as_deref().unwrap_or_default()).await.ok();
            }
            return Err(StepFailure::HandOver { activation, undo: Undo::Taken(holder.id.clone()) });
        }
        let undo = match self.give_back(old, old_name, &reserved).await {
            Ok(()) => Undo::Done,
            Err(error) => Undo::Failed(Box::new(error)),
        };
        Err(StepFailure::HandOver { activation, undo })
    }

    /// Gives the old service its name back: nobody has it now.
    async fn give_back(
        &self,
        old: &ServiceId,
        name: &ServiceName,
        reserved: &Reservation,
    ) -> Result<(), ApiError> {
        let restore = ServiceUpdate { name: Some(name.clone()), ..ServiceUpdate::default() };
        if self.update(old, &restore, Some(reserved)).await.is_ok() {
            return Ok(());
        }
        // This is worth the long patience of ordinary requests.
        self.update(old, &restore, None).await
    }
}

/// Whether a service has the name that it was to be given, if any, and is as active as it was to be.
fn is_as_told(service: &LiveService, update: &ServiceUpdate) -> bool {
    update.active.is_none_or(|active| service.active == active)
        && update.name.as_ref().is_none_or(|name| &service.name == name)
}

/// Says what to do when a service can't be taken out of use.
fn retire_hint(error: ApiError) -> ApiError {
    if error.status() == Some(400) {
        return error.hint(
            "a simulation unit test may use it: remove the test, or set `lifecycle: {retire: keep}` to let it run",
        );
    }
    error
}
