//! One step: its requests, and what is done when one of them fails. May import `plan`, `remote` and `model`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::checks::Check;
use super::engine::{Settings, endpoint};
use super::event::{ChangedSince, StepFailure};
use super::expected::Expected;
use super::hand_over::{HandOver, is_as_told};
use super::reads::{Services, SharedReads};
use super::rivals::Seen;
use crate::model::{
    Api, BehaviorSetId, LiveService, NewService, Ownership, ServiceId, ServiceUpdate, SmokeTest, TAG_REPLACES,
};
use crate::plan::{Action, Plan, Step, StepId, StepReads, Target};
use crate::remote::{ApiError, Cause, Listing, Reservation, StopReason, WriteApi};

/// The most characters of an agent's answer that an error quotes.
const MAX_QUOTED: usize = 2_000;
/// How often a step looks whose service changes between the look and the write.
const MOST_LOOKS: u32 = 4;
/// How often a create is sent when its answer is lost and the service is not found.
const CREATE_ATTEMPTS: u32 = 3;
/// How often a rename is sent when its answer is lost and the service does not have the name.
const RENAME_ATTEMPTS: u32 = 3;

/// The wait before a rename is sent again the first time; longer after that.
const RENAME_PAUSE: Duration = Duration::from_millis(500);

/// Runs steps of one plan and remembers which services they created.
pub(super) struct Runner<'a, A> {
    pub(super) api: &'a A,
    /// The same for what has begun, and must come to its end.
    pub(super) finishing: A,
    /// Why to stop, if so.
    stop: &'a dyn Fn() -> Option<StopReason>,
    /// The API that it is.
    pub(super) kind: Api,
    ownership: &'a Ownership,
    /// The date, for names.
    pub(super) today: &'a str,
    /// What each step looks at before it acts.
    looks: StepReads,
    pub(super) expected: RefCell<Expected<'a>>,
    pub(super) reads: SharedReads,
    /// One step at a time reads and changes a service.
    locks: RefCell<BTreeMap<ServiceId, Arc<Mutex<()>>>>,
    created: RefCell<BTreeMap<StepId, ServiceId>>,
    pub(super) seen: Seen,
    /// A behavior set's list of services is read, changed and written whole: one step at a time.
    behavior_sets: RefCell<BTreeMap<BehaviorSetId, Rc<Mutex<()>>>>,
}

impl<'a, A: WriteApi> Runner<'a, A> {
    pub(super) fn new(api: &'a A, plan: &Plan, settings: &'a Settings<'_>) -> Self {
        let Settings { parallelism: _, api: kind, services, ownership, today, stop } = settings;
        Self {
            api,
            finishing: api.uninterruptible(),
            stop: *stop,
            kind: *kind,
            ownership,
            today,
            looks: StepReads::new(&plan.steps, *services),
            expected: RefCell::new(Expected::new(*kind, services)),
            reads: SharedReads::default(),
            locks: RefCell::default(),
            created: RefCell::default(),
            seen: Seen::default(),
            behavior_sets: RefCell::default(),
        }
    }

    /// Runs a step; gives the id of a service that it created or put in another's place.
    pub(super) async fn run(&self, step: &Step) -> Result<Option<ServiceId>, StepFailure> {
        // Held until what the step has done is part of what is expected.
        let mut _locks = Vec::new();
        let made = match &step.action {
            Action::HandOver { old, old_name, rename, new, activation } => {
                let (new, rename) = (self.id(new)?, rename.as_deref());
                _locks = self.lock_services(&BTreeSet::from([old.clone(), new.clone()])).await;
                self.hand_over(&HandOver { old, old_name, rename, new: &new, activation }).await?;
                Some(new)
            }
            action => {
                let looks = self.ids(self.looks.of(action).iter())?;
                if looks.is_empty() {
                    self.act(self.api, step.id, action).await?
                } else {
                    // The limit is waited for before the look, so that nothing is between the look and the write.
                    let reserved = self.api.reserve(endpoint(action, self.kind), 1).await?;
                    _locks = self.lock_services(&looks).await;
                    let made = self.look_and_act(step.id, action, &looks, &reserved).await?;
                    if let Action::Abandon { id, .. } = &action {
                        self.is_abandoned(step, id).await?;
                    }
                    made
                }
            }
        };
        self.expected.borrow_mut().apply(&step.action, made.as_ref());
        Ok(made)
    }

    /// Reads services, holds the action against them, and carries it out.
    async fn look_and_act(
        &self,
        step: StepId,
        action: &Action,
        looks: &BTreeSet<ServiceId>,
        reserved: &Arc<Reservation>,
    ) -> Result<Option<ServiceId>, StepFailure> {
        let (subject, successors) = match action {
            Action::Retire { id, .. } => (Some(id), self.ids(self.looks.successors_of(id))?),
            Action::Update { id, .. } => {
                (Some(id), self.looks.unfinished_replacements_of(id).cloned().collect())
            }
            Action::DeleteVersionSet { id, .. } => (Some(id), BTreeSet::new()),
            _ => (None, BTreeSet::new()),
        };
        let mut look = 1;
        loop {
            let now = self.read(looks).await?;
            let checked = self.checked(&now, |check| check.action(action, &successors));
            let checked = checked.map_err(|changes| StepFailure::Changed { changes, successor: None })?;
            let mut api = self.api.with_reservation(reserved);
            // A service that is never read as the same twice is written as the last look has found it.
            let seen = subject.and_then(|id| now.get(id)).filter(|_| look < MOST_LOOKS);
            if let Some(seen) = seen {
                api = api.decided_on(seen);
            }
            match self.act(&api, step, &checked).await {
                Err(StepFailure::Request(error)) if error.cause == Cause::Moved => look += 1,
                made => return made,
            }
        }
    }

    /// Locks services for one step. A read that is answered before another step's write, and compared after it, would
    /// take that write for somebody else's change.
    async fn lock_services(&self, ids: &BTreeSet<ServiceId>) -> Vec<OwnedMutexGuard<()>> {
        let mut locks = Vec::new();
        // In the order of the ids, so that no two steps wait for each other.
        for id in ids {
            let lock = Arc::clone(self.locks.borrow_mut().entry(id.clone()).or_default());
            locks.push(lock.lock_owned().await);
        }
        locks
    }

    /// Holds what a step is about to do against what is there now.
    pub(super) fn checked<T>(
        &self,
        now: &Services,
        check: impl FnOnce(&Check<'_>) -> Result<T, Vec<ChangedSince>>,
    ) -> Result<T, Vec<ChangedSince>> {
        let (api, ownership, expected) = (self.kind, self.ownership, &*self.expected.borrow());
        check(&Check { api, ownership, expected, now })
    }

    async fn act(&self, api: &A, step: StepId, action: &Action) -> Result<Option<ServiceId>, StepFailure> {
        match action {
            Action::Create(new) => {
                let id = self.create(new).await?;
                self.is_alone(new, &id).await?;
                self.created.borrow_mut().insert(step, id.clone());
                return Ok(Some(id));
            }
            Action::Update { id, update } => self.update_in_use(api, id, update).await?,
            Action::RenameTemporarily { id, update } | Action::Abandon { id, update } => {
                self.update(api, id, update).await?;
            }
            Action::Retire { id, update: Some(update), .. } => {
                self.update(api, id, update).await.map_err(retire_hint)?;
            }
            Action::Retire { id, update: None, .. } => api.delete_service(id).await?,
            Action::WriteVersionSet { target, name, content, .. } => {
                api.write_version_set(&self.id(target)?, name, content).await?;
            }
            Action::DeleteVersionSet { id, name } => api.delete_version_set(id, name).await?,
            Action::ApplyBehaviorSet { behavior_set, target, .. } => {
                // Its list of services is read, changed and written whole.
                let lock =
                    Rc::clone(self.behavior_sets.borrow_mut().entry(behavior_set.clone()).or_default());
                let _one_at_a_time = lock.lock().await;
                api.apply_behavior_set(behavior_set, &self.id(target)?).await?;
            }
            Action::Smoke { target, test } => self.smoke(&self.id(target)?, test).await?,
            Action::HandOver { .. } => {}
        }
        Ok(None)
    }

    /// Whether the run is to stop.
    pub(super) fn is_stopping(&self) -> bool {
        (self.stop)().is_some()
    }

    fn ids<'t>(&self, targets: impl Iterator<Item = &'t Target>) -> Result<BTreeSet<ServiceId>, ApiError> {
        targets.map(|target| self.id(target)).collect()
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
        let services = self.finishing.services(Listing::All).await?;
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
            && !self.expected.borrow().is_known(&service.id)
    }

    /// Changes a service. An update that says of an active service that it is active, so that a name in use is refused, is
    /// sent without that if the server refuses it as an activation (with a deprecated agent, for one).
    async fn update_in_use(&self, api: &A, id: &ServiceId, update: &ServiceUpdate) -> Result<(), ApiError> {
        let was_active = self.expected.borrow().service(id).is_some_and(|service| service.active);
        match self.update(api, id, update).await {
            Err(error) if error.status() == Some(400) && was_active && update.active == Some(true) => {
                let rest = ServiceUpdate { active: None, ..update.clone() };
                self.update(api, id, &rest).await
            }
            ended => ended,
        }
    }

    /// Changes a service; when the answer to a new name is lost, looks whether it has the name before it is
    /// sent again.
    pub(super) async fn update(
        &self,
        api: &A,
        id: &ServiceId,
        update: &ServiceUpdate,
    ) -> Result<(), ApiError> {
        let mut attempt = 1;
        loop {
            let Err(error) = api.update_service(id, update).await else { return Ok(()) };
            // What was carried out in part is the same when it is sent again.
            if update.name.is_none() || !error.may_have_happened() || error.cause == Cause::NotApplied {
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
