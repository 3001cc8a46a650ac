//! The settings of a run, and the state that its steps share.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::checks::{Check, StoppingChanges};
use super::expected_state::ExpectedState;
use super::reads::{Services, SharedReads, SharedServiceList, by_id};
use crate::model::{Api, Endpoint, LiveService, Ownership, ServiceId};
use crate::plan::{Action, StepId, Target};
use crate::remote::{ApiError, StopReason, WriteApi};

/// The settings of a run, which do not change while its steps are executed.
pub struct RunSettings<'a> {
    /// The maximum number of concurrent steps.
    pub parallelism: usize,
    /// The API that the run uses: Classic or Platform.
    pub api: Api,
    /// The live services from which the plan was made. Steps compare the current state with them. If the answer to a
    /// create request is lost, the run looks for a service that is not in this list.
    pub services: &'a [LiveService],
    /// The rules for recognizing the services that this project owns.
    pub ownership: &'a Ownership,
    /// Today's date, which becomes part of the names of abandoned services.
    pub today: &'a str,
    /// A function that returns the reason why the run was cancelled, or `None` if it was not. A cancelled run starts no
    /// more steps.
    pub stop: &'a dyn Fn() -> Option<StopReason>,
}

/// Returns the endpoint to which an action sends most of its requests.
pub(super) fn endpoint(action: &Action, api: Api) -> Endpoint {
    match action {
        Action::Create(_) => Endpoint::CreateService,
        Action::WriteVersionSet { .. } => Endpoint::WriteVersionSet,
        Action::DeleteVersionSet { .. } if api.updates_version_sets() => Endpoint::UpdateService,
        Action::DeleteVersionSet { .. } => Endpoint::DeleteVersionSet,
        Action::ApplyBehaviorSet { .. } => Endpoint::UpdateBehaviorSet,
        Action::Smoke { .. } => Endpoint::StartConversation,
        Action::Retire { update: None, .. } => Endpoint::DeleteService,
        Action::Update { .. }
        | Action::RenameTemporarily { .. }
        | Action::HandOver { .. }
        | Action::Retire { .. }
        | Action::Abandon { .. } => Endpoint::UpdateService,
    }
}

/// The connection of a run, and the state that its steps share.
pub(super) struct StepContext<'a, A> {
    pub(super) api: &'a A,
    /// The connection for requests that are sent even after the run was cancelled.
    pub(super) uninterruptible: A,
    /// The API that the connection uses: Classic or Platform.
    pub(super) kind: Api,
    /// Today's date, which becomes part of the names of abandoned services.
    pub(super) today: &'a str,
    pub(super) expected: RefCell<ExpectedState<'a>>,
    pub(super) service_list: SharedServiceList,
    reads: SharedReads,
    ownership: &'a Ownership,
    stop: &'a dyn Fn() -> Option<StopReason>,
    /// The ids of the services that this run has created, by the id of the step that created the service.
    created: RefCell<BTreeMap<StepId, ServiceId>>,
}

impl<'a, A: WriteApi> StepContext<'a, A> {
    /// Creates the state that the steps of a run share, before the first step runs.
    pub(super) fn new(api: &'a A, settings: &'a RunSettings<'_>) -> Self {
        let RunSettings { parallelism: _, api: kind, services, ownership, today, stop } = settings;
        Self {
            api,
            uninterruptible: api.uninterruptible(),
            kind: *kind,
            today,
            expected: RefCell::new(ExpectedState::new(*kind, services)),
            service_list: SharedServiceList::default(),
            reads: SharedReads::default(),
            ownership,
            stop: *stop,
            created: RefCell::default(),
        }
    }

    /// Returns true if the run has been cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        (self.stop)().is_some()
    }

    /// Records the id of the service that a step has created.
    pub(super) fn record_created(&self, step: StepId, id: ServiceId) {
        self.created.borrow_mut().insert(step, id);
    }

    /// Returns the ids of the services that this run has created.
    pub(super) fn created_ids(&self) -> BTreeSet<ServiceId> {
        self.created.borrow().values().cloned().collect()
    }

    /// Returns the id of the service that a step acts on.
    ///
    /// # Errors
    ///
    /// Fails if the step that creates the service is not done.
    pub(super) fn id(&self, target: &Target) -> Result<ServiceId, ApiError> {
        match target {
            Target::Live(id) => Ok(id.clone()),
            Target::Created(step) => self.created.borrow().get(step).cloned().ok_or_else(|| {
                ApiError::setup(format!(
                    "internal error: step {step} has not created the service of this step yet"
                ))
            }),
        }
    }

    /// Returns the ids of the services that a step acts on.
    ///
    /// # Errors
    ///
    /// Fails if a step that creates one of the services is not done.
    pub(super) fn ids<'t>(
        &self,
        targets: impl Iterator<Item = &'t Target>,
    ) -> Result<BTreeSet<ServiceId>, ApiError> {
        targets.map(|target| self.id(target)).collect()
    }

    /// Reads the current state of the services with these ids. Deleted and hidden services are missing from the result.
    /// The result may also contain services that other steps requested.
    pub(super) async fn read(&self, ids: &BTreeSet<ServiceId>) -> Result<Rc<Services>, ApiError> {
        match self.kind.reads_services_together() {
            true => self.reads.read(self.api, ids).await,
            false => Ok(Rc::new(by_id(self.api.services_by_id(ids).await?))),
        }
    }

    /// Calls `check` with the expected and the current state of a step's services, and returns the result of `check`.
    pub(super) fn check<T>(
        &self,
        now: &Services,
        check: impl FnOnce(&Check<'_>) -> Result<T, StoppingChanges>,
    ) -> Result<T, StoppingChanges> {
        let (api, ownership, expected) = (self.kind, self.ownership, &*self.expected.borrow());
        check(&Check { api, ownership, expected, now })
    }
}
