//! One step: its requests, and what is done when one of them fails. May import `plan`, `remote` and `model`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::engine::Settings;
use super::event::{StepFailure, Undo};
use super::rivals::Seen;
use crate::model::{
    BehaviorSetId, Endpoint, LiveService, NewService, ServiceId, ServiceName, ServiceUpdate, SmokeTest,
    TAG_REPLACES,
};
use crate::plan::{Action, Step, StepId, Target};
use crate::remote::{ApiError, Cause, Reservation, StopReason, WriteApi};

/// The most characters of an agent's answer that an error quotes.
const MAX_QUOTED: usize = 2_000;
/// How often a create is sent when its answer is lost and the service is not found.
const CREATE_ATTEMPTS: u32 = 3;
/// How often a rename is sent when its answer is lost and the service does not have the name.
const RENAME_ATTEMPTS: u32 = 3;

/// The wait before a rename is sent again the first time; longer after that.
const RENAME_PAUSE: Duration = Duration::from_millis(500);
/// The waits, in seconds, before the old service of a hand-over is given its name back once more: nobody has it
/// meanwhile.
const GIVE_BACK_PAUSES: [u64; 7] = [1, 2, 4, 8, 15, 30, 60];
/// How long of that is waited in a run that is to stop.
const GIVE_BACK_IN_A_HURRY: Duration = Duration::from_secs(30);

/// How often a hand-over is begun when the API is busy or under maintenance just then.
const HAND_OVER_ROUNDS: u32 = 3;
/// How long to wait between two rounds, the old service in use under its name.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(10);
/// How soon a wish to stop is heard in between.
const A_MOMENT: Duration = Duration::from_millis(250);

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
    /// The same for what has begun, and must come to its end.
    pub(super) finishing: A,
    /// Why to stop, if so.
    stop: &'a dyn Fn() -> Option<StopReason>,
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
    pub(super) fn new(api: &'a A, settings: &'a Settings<'_>) -> Self {
        let Settings { known, today, stop, .. } = settings;
        let (created, seen, behavior_sets) = (RefCell::default(), Seen::default(), RefCell::default());
        Self { api, finishing: api.to_the_end(), stop: *stop, known, today, created, seen, behavior_sets }
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
            | Action::Discard { id, update } => self.update(self.api, id, update, None).await?,
            Action::Retire { id, update: Some(update), .. } => {
                self.update(self.api, id, update, None).await.map_err(retire_hint)?;
            }
            Action::Retire { id, update: None, .. } => self.api.delete_service(id).await?,
            Action::WriteVersionSet { target, name, content, .. } => {
                self.api.write_version_set(&self.id(target)?, name, content).await?;
            }
            Action::DeleteVersionSet { id, name } => self.api.delete_version_set(id, name).await?,
            Action::ApplyBehaviorSet { behavior_set, target, .. } => {
                // Its list of services is read, changed and written whole.
                let lock =
                    Rc::clone(self.behavior_sets.borrow_mut().entry(behavior_set.clone()).or_default());
                let _one_at_a_time = lock.lock().await;
                self.api.apply_behavior_set(behavior_set, &self.id(target)?).await?;
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
                Ok(id) if attempt > 1 => {
                    self.set_twins_aside(new, &id).await;
                    return Ok(id);
                }
                Ok(id) => return Ok(id),
                Err(error) => error,
            };
            if !error.may_have_happened() {
                return Err(error);
            }
            match self.look_for(new, &error).await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) if attempt < CREATE_ATTEMPTS => attempt += 1,
                Ok(None) => return Err(error),
                Err(failed) => {
                    let words = format!(
                        "it could not be looked up ({failed}): `amigops plan` shows whether it was done"
                    );
                    return Err(error.hint(words));
                }
            }
        }
    }

    /// Looks for what a create with a lost answer made: now, and where somebody on the way may have given up before
    /// the server was done, some moments later, too.
    async fn look_for(&self, new: &NewService, error: &ApiError) -> Result<Option<ServiceId>, ApiError> {
        let patient = matches!(error.cause, Cause::Lost | Cause::Status(408 | 504));
        let pauses: &[u64] = if patient { &[0, 1, 3] } else { &[0, 1] };
        for seconds in pauses {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            if let Some(id) = self.find(new).await? {
                return Ok(Some(id));
            }
            // Nothing is sent again in a run that is to stop.
            if (self.stop)().is_some() {
                break;
            }
        }
        Ok(None)
    }

    /// The services that this run has created.
    pub(super) fn created(&self) -> BTreeSet<ServiceId> {
        self.created.borrow().values().cloned().collect()
    }

    /// The service that a create with a lost answer made, if it did.
    async fn find(&self, new: &NewService) -> Result<Option<ServiceId>, ApiError> {
        let ours = self.created();
        let services = self.finishing.services().await?;
        let mut made = services.into_iter().filter(|service| self.is_product_of(new, service));
        Ok(made.find(|service| !ours.contains(&service.id)).map(|service| service.id))
    }

    /// Whether a service may be what a create made: it looks like that, has all its tags, ours among them, and wasn't
    /// there before. Somebody else's of the same name is none of our business.
    pub(super) fn is_product_of(&self, new: &NewService, service: &LiveService) -> bool {
        service.name == new.name
            && service.active == new.active
            && service.agent == new.agent
            && service.context_graph == new.context_graph
            && service.tags.get(TAG_REPLACES) == new.tags.get(TAG_REPLACES)
            && new.tags.iter().all(|(key, value)| service.tags.get(key) == Some(value))
            && !self.known.contains(&service.id)
    }

    /// Changes a service; when the answer to a new name is lost, looks whether it has the name before it is
    /// sent again.
    pub(super) async fn update(
        &self,
        api: &A,
        id: &ServiceId,
        update: &ServiceUpdate,
        reserved: Option<&Reservation>,
    ) -> Result<(), ApiError> {
        let mut attempt = 1;
        loop {
            let Err(error) = api.update_service(id, update, reserved).await else { return Ok(()) };
            // What was carried out in part is the same when it is sent again.
            if update.name.is_none() || !error.may_have_happened() || error.cause == Cause::Kept {
                return Err(error);
            }
            match self.finishing.service(id).await {
                Ok(Some(there)) if is_as_told(&there, update) => return Ok(()),
                Ok(Some(_)) if attempt < RENAME_ATTEMPTS => {
                    // A server that fails at once is given a moment.
                    tokio::time::sleep(RENAME_PAUSE * attempt).await;
                    attempt += 1;
                }
                Ok(_) | Err(_) => return Err(error),
            }
        }
    }

    async fn smoke(&self, id: &ServiceId, test: &SmokeTest) -> Result<(), StepFailure> {
        let answer = self.api.converse(id, test).await?;
        let Some(expected) = &test.expect else { return Ok(()) };
        let matches = regex::Regex::new(expected).is_ok_and(|expected| expected.is_match(&answer));
        if matches {
            return Ok(());
        }
        let answer = answer.chars().take(MAX_QUOTED).collect();
        Err(StepFailure::Unexpected { expected: expected.clone(), answer })
    }

    /// Old gives its name up, new becomes active; nothing waits between the two. If new can't, old gets
    /// its name back; if that was for a moment only, it is tried again.
    async fn hand_over(&self, hand_over: &HandOver<'_>) -> Result<(), StepFailure> {
        let mut before: Option<StepFailure> = None;
        for round in 1..=HAND_OVER_ROUNDS {
            let failure = match self.hand_over_once(hand_over).await {
                Ok(()) => return Ok(()),
                // What ended the wait for another round says nothing of the one before.
                Err(StepFailure::Request(error)) if error.cause == Cause::Interrupted => {
                    return Err(before.unwrap_or(error.into()));
                }
                Err(failure) => failure,
            };
            let passing = match &failure {
                StepFailure::HandOver { cause, undo: Undo::Done } => {
                    matches!(cause.status(), Some(429 | 503))
                }
                _ => false,
            };
            if !passing || round == HAND_OVER_ROUNDS || !self.pause(HAND_OVER_PAUSE).await {
                return Err(failure);
            }
            before = Some(failure);
        }
        before.map_or(Ok(()), Err)
    }

    /// Waits; false where the run is to stop meanwhile.
    async fn pause(&self, length: Duration) -> bool {
        let until = Instant::now() + length;
        while Instant::now() < until && (self.stop)().is_none() {
            tokio::time::sleep(A_MOMENT).await;
        }
        (self.stop)().is_none()
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
        // From here on, all comes to its end, whoever wishes to stop.
        let api = &self.finishing;
        if let Some(rename) = rename
            && let Err(error) = self.update(api, old, rename, Some(&reserved)).await
        {
            if !error.may_have_happened() {
                return Err(error.into());
            }
            // Perhaps it was renamed all the same, and then nobody has the name: it is given back unasked.
            let undo = self.undo(old, old_name, &reserved).await;
            return Err(StepFailure::HandOver { cause: error, undo });
        }
        let Err(activation) = self.update(api, new, activate, Some(&reserved)).await else { return Ok(()) };
        let must_look = activation.may_have_happened() || activation.status() == Some(409);
        let seen = match if must_look { Some(api.services().await) } else { None } {
            None => None,
            Some(Ok(seen)) => Some(seen),
            // Somebody may have the name by now: to give it back could make a namesake.
            Some(Err(error)) => {
                return Err(StepFailure::HandOver { cause: activation, undo: Undo::Unseen(Box::new(error)) });
            }
        };
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
            return Err(StepFailure::HandOver { cause: activation, undo: Undo::Taken(holder.id.clone()) });
        }
        let undo = self.undo(old, old_name, &reserved).await;
        Err(StepFailure::HandOver { cause: activation, undo })
    }

    /// Gives the old service its name back: nobody has it now.
    async fn undo(&self, old: &ServiceId, name: &ServiceName, reserved: &Reservation) -> Undo {
        let restore = ServiceUpdate { name: Some(name.clone()), ..ServiceUpdate::default() };
        let (api, began) = (&self.finishing, Instant::now());
        let mut tried = self.update(api, old, &restore, Some(reserved)).await;
        for pause in GIVE_BACK_PAUSES.map(Duration::from_secs) {
            let Err(error) = &tried else { break };
            let passing =
                error.may_have_happened() || matches!(error.cause, Cause::NotSent | Cause::Status(429 | 503));
            let in_a_hurry = (self.stop)().is_some() && began.elapsed() + pause > GIVE_BACK_IN_A_HURRY;
            if !passing || error.cause == Cause::Kept || in_a_hurry {
                break;
            }
            tokio::time::sleep(pause).await;
            tried = self.update(api, old, &restore, None).await;
        }
        match tried {
            Ok(()) => Undo::Done,
            Err(error) => Undo::Failed(Box::new(error)),
        }
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
