//! Executes one step: reads and checks its services, and sends its requests.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::context::{RunSettings, StepContext, endpoint};
use super::cut_over_attempt::CutOver;
use super::failure::StepFailure;
use crate::model::{BehaviorSetId, ServiceId, SmokeTest};
use crate::plan::{Action, Plan, Step, StepId, StepReads};
use crate::remote::{ApiError, FailureCause, Reservation, WriteApi};

/// The maximum length of an agent's answer in an error message, in characters.
const MAX_QUOTED_ANSWER: usize = 2_000;
/// The maximum number of times that a step reads its service before a write. The step reads again if the service has
/// changed between the read and the write.
const MAX_READS: u32 = 4;

/// Executes the steps of one plan, one call of [`run`](Self::run) for each step.
pub(super) struct StepRunner<'a, A> {
    context: StepContext<'a, A>,
    /// The services that each step reads before it sends requests.
    reads: StepReads,
    /// One lock for each service, so that only one step at a time reads and changes it.
    locks: RefCell<BTreeMap<ServiceId, Arc<Mutex<()>>>>,
    /// One lock for each behavior set, so that only one step at a time changes it. A change reads and writes the
    /// behavior set's whole list of services, so two changes at the same time could overwrite each other.
    behavior_sets: RefCell<BTreeMap<BehaviorSetId, Rc<Mutex<()>>>>,
}

impl<'a, A: WriteApi> StepRunner<'a, A> {
    /// Creates a runner for the steps of a plan. Executes nothing yet.
    pub(super) fn new(api: &'a A, plan: &Plan, settings: &'a RunSettings<'_>) -> Self {
        Self {
            context: StepContext::new(api, settings),
            reads: StepReads::new(&plan.steps, settings.services),
            locks: RefCell::default(),
            behavior_sets: RefCell::default(),
        }
    }

    /// Executes a step. Returns the id of the service that the step created, or activated in place of another service.
    /// Returns `None` for other steps.
    pub(super) async fn run(&self, step: &Step) -> Result<Option<ServiceId>, StepFailure> {
        // Keep the locks until the effect of the step is part of the expected state.
        let mut _locks = Vec::new();
        let context = &self.context;
        let result = match &step.action {
            Action::HandOver { old, old_name, rename, new, activation } => {
                let (new, rename) = (context.id(new)?, rename.as_deref());
                _locks = self.lock_services(&BTreeSet::from([old.clone(), new.clone()])).await;
                context.cut_over(&CutOver { old, old_name, rename, new: &new, activation }).await?;
                Some(new)
            }
            action => {
                let ids = context.ids(self.reads.of(action).iter())?;
                if ids.is_empty() {
                    self.send(context.api, step.id, action).await?
                } else {
                    // Wait for the rate limit before the read, so that the write can follow the read immediately.
                    let reservation = context.api.reserve(endpoint(action, context.kind), 1).await?;
                    _locks = self.lock_services(&ids).await;
                    let result = self.check_and_send(step.id, action, &ids, &reservation).await?;
                    if let Action::Abandon { id, .. } = action {
                        context.restore_if_activated(id, &step.service).await?;
                    }
                    result
                }
            }
        };
        context.expected.borrow_mut().apply(&step.action, result.as_ref());
        Ok(result)
    }

    /// Reads the services of a step, checks that the action can still start, and sends the action's requests. Starts
    /// again if a service changes between the read and the write. Returns the id of the new service if the action
    /// created one.
    async fn check_and_send(
        &self,
        step: StepId,
        action: &Action,
        ids: &BTreeSet<ServiceId>,
        reservation: &Arc<Reservation>,
    ) -> Result<Option<ServiceId>, StepFailure> {
        let (written, successors) = match action {
            Action::Retire { id, .. } => (Some(id), self.context.ids(self.reads.successors_of(id))?),
            Action::Update { id, .. } => {
                (Some(id), self.reads.unfinished_replacements_of(id).cloned().collect())
            }
            Action::DeleteVersionSet { id, .. } => (Some(id), BTreeSet::new()),
            _ => (None, BTreeSet::new()),
        };
        let mut reads = 1;
        loop {
            let now = self.context.read(ids).await?;
            let checked = self.context.check(&now, |check| check.check_action(action, &successors));
            let checked =
                checked.map_err(|changes| StepFailure::ChangedSincePlan { changes, successor: None })?;
            let mut api = self.context.api.with_reservation(reservation);
            // After the last read, the step writes even if the service has changed again, so that this loop ends.
            if let Some(seen) = written.and_then(|id| now.get(id)).filter(|_| reads < MAX_READS) {
                api = api.decided_on(seen);
            }
            match self.send(&api, step, &checked).await {
                Err(StepFailure::Request(error)) if error.cause == FailureCause::Moved => reads += 1,
                result => return result,
            }
        }
    }

    /// Locks services for one step. Without the locks, the step could mistake another step's write for a change by
    /// another user.
    async fn lock_services(&self, ids: &BTreeSet<ServiceId>) -> Vec<OwnedMutexGuard<()>> {
        let mut locks = Vec::new();
        // All steps lock in the order of the ids, so that they can't deadlock.
        for id in ids {
            let lock = Arc::clone(self.locks.borrow_mut().entry(id.clone()).or_default());
            locks.push(lock.lock_owned().await);
        }
        locks
    }

    /// Sends the requests of an action. Returns the id of the new service if the action created one.
    async fn send(&self, api: &A, step: StepId, action: &Action) -> Result<Option<ServiceId>, StepFailure> {
        let context = &self.context;
        match action {
            Action::Create(new) => {
                let id = context.create(new).await?;
                context.abort_if_duplicate(new, &id).await?;
                context.record_created(step, id.clone());
                return Ok(Some(id));
            }
            Action::Update { id, update } => context.update_in_place(api, id, update).await?,
            Action::RenameTemporarily { id, update } | Action::Abandon { id, update } => {
                context.update(api, id, update).await?;
            }
            Action::Retire { id, update: Some(update), .. } => {
                context.update(api, id, update).await.map_err(add_retire_hint)?;
            }
            Action::Retire { id, update: None, .. } => api.delete_service(id).await?,
            Action::WriteVersionSet { target, name, content, .. } => {
                api.write_version_set(&context.id(target)?, name, content).await?;
            }
            Action::DeleteVersionSet { id, name } => api.delete_version_set(id, name).await?,
            Action::ApplyBehaviorSet { behavior_set, target, .. } => {
                let lock =
                    Rc::clone(self.behavior_sets.borrow_mut().entry(behavior_set.clone()).or_default());
                let _guard = lock.lock().await;
                api.apply_behavior_set(behavior_set, &context.id(target)?).await?;
            }
            Action::Smoke { target, test } => self.run_smoke_test(&context.id(target)?, test).await?,
            Action::HandOver { .. } => {}
        }
        Ok(None)
    }

    async fn run_smoke_test(&self, id: &ServiceId, test: &SmokeTest) -> Result<(), StepFailure> {
        let answer = self.context.api.converse(id, test).await?;
        let Some(expected) = &test.expect else { return Ok(()) };
        let matches = regex::Regex::new(expected).is_ok_and(|expected| expected.is_match(&answer));
        if matches {
            return Ok(());
        }
        let answer = answer.chars().take(MAX_QUOTED_ANSWER).collect();
        Err(StepFailure::Unexpected { expected: expected.clone(), answer })
    }
}

/// Adds a hint to the error of a retirement that the server refused. The hint says what the user can do.
fn add_retire_hint(error: ApiError) -> ApiError {
    if error.status() == Some(400) {
        return error.hint(
            "a simulation unit test may use the service: remove the test, or set `lifecycle: {retire: keep}` to keep the service running",
        );
    }
    error
}
