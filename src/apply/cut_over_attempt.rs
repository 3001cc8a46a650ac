//! One attempt of a cut-over: its requests, its deadline, and the functions that read the services and decide what to
//! do next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::context::StepContext;
use super::cut_over_checks::CutOverRequests;
use super::failure::{LiveChange, UndoOutcome};
use super::reads::{Services, by_id};
use super::update::is_applied;
use crate::model::{LiveService, ServiceId, ServiceName, ServiceUpdate, TAG_REPLACES};
use crate::plan::ChangeRecord;
use crate::remote::{ApiError, FailureCause, Reservation, WriteApi};

/// The maximum time from the rename of the old service to the activation of the new one, or to the end of the undo.
pub(super) const MAX_CUT_OVER_TIME: Duration = Duration::from_secs(180);

/// The delays between retries, in seconds. The last delay is used again for all further retries.
const RETRY_DELAYS: [u64; 6] = [1, 2, 4, 8, 15, 30];
/// The minimum time that a retry needs. If less time is left before the deadline, there is no further retry.
const MIN_RETRY_TIME: Duration = Duration::from_secs(1);

/// A cut-over in the plan: the old and the new service, the rename of the old service, and the activation of the new
/// one.
pub(super) struct CutOver<'a> {
    pub(super) old: &'a ServiceId,
    /// The name that moves from the old service to the new one.
    pub(super) old_name: &'a ServiceName,
    pub(super) rename: Option<&'a ServiceUpdate>,
    pub(super) new: &'a ServiceId,
    pub(super) activation: &'a ServiceUpdate,
}

/// One attempt to execute a cut-over, with its requests and its deadline.
pub(super) struct CutOverAttempt<'a> {
    pub(super) plan: &'a CutOver<'a>,
    pub(super) requests: CutOverRequests,
    /// The permission to send the rename, the activation and an undo without waiting for the rate limit.
    pub(super) reservation: Arc<Reservation>,
    /// The time by which the attempt must end, including a possible undo.
    pub(super) deadline: Instant,
}

impl<A: WriteApi> StepContext<'_, A> {
    /// Returns the connection for requests that must end before the attempt's deadline.
    pub(super) fn with_deadline_of(&self, attempt: &CutOverAttempt<'_>) -> A {
        self.uninterruptible.with_deadline(attempt.deadline)
    }

    /// Reads the old and the new service. If a read fails, retries it until the attempt's deadline.
    pub(super) async fn read_both(&self, attempt: &CutOverAttempt<'_>) -> Result<Services, ApiError> {
        let ids = BTreeSet::from([attempt.plan.old.clone(), attempt.plan.new.clone()]);
        let api = self.with_deadline_of(attempt);
        Ok(by_id(attempt.retry_until_deadline(async || api.services_by_id(&ids).await).await?))
    }

    /// Returns the service in `active` that has the old service's name, or else a service that has replaced the old
    /// service under a different name. Ignores the two services of the cut-over. Returns `None` if there is no such
    /// service.
    pub(super) fn find_successor<'s>(
        &self,
        plan: &CutOver<'_>,
        active: &'s [LiveService],
    ) -> Option<&'s LiveService> {
        let others = || active.iter().filter(|service| &service.id != plan.old && &service.id != plan.new);
        let holder = others().find(|service| &service.name == plan.old_name);
        let expected = self.expected.borrow();
        // Abandoning a service removes the tag that says which service it replaces. If another run activated the
        // service at the same time, only the plan's snapshot still has the tag.
        let was_to_replace = |service: &LiveService| {
            expected.planned_state(&service.id).is_some_and(|planned| replaces(planned, plan.old))
        };
        holder.or_else(|| others().find(|service| replaces(service, plan.old) || was_to_replace(service)))
    }
}

/// Returns true if `service` was created to replace `old`.
fn replaces(service: &LiveService, old: &ServiceId) -> bool {
    let replaced = service.tags.get(TAG_REPLACES).and_then(Option::as_deref);
    replaced == Some(old.as_str())
}

impl CutOverAttempt<'_> {
    /// Returns the name that the rename gives to the old service, or `None` if the cut-over does not rename it.
    pub(super) fn name_after_rename(&self) -> Option<&ServiceName> {
        self.requests.rename.as_ref().and_then(|rename| rename.name.as_ref())
    }

    /// Returns true if the cut-over is complete: the new service is active, or has its planned name if the plan leaves
    /// it inactive.
    pub(super) fn is_finished(&self, now: &Services) -> bool {
        let activation = &self.requests.activation;
        now.get(self.plan.new).is_some_and(|new| match activation.active {
            // The name does not matter: another client may have renamed the service after the activation.
            Some(true) => new.active,
            _ => is_applied(new, activation),
        })
    }

    /// Returns the change that another client made to the old service's name. `now` is the current state of the old
    /// service, or `None` if the service no longer exists.
    pub(super) fn old_service_change(&self, now: Option<&LiveService>) -> LiveChange {
        let before = self.name_after_rename().unwrap_or(self.plan.old_name);
        LiveChange {
            service: self.plan.old_name.clone(),
            id: self.plan.old.clone(),
            change: now.map(|now| ChangeRecord::new("name", json!(before), json!(now.name))),
        }
    }

    /// Returns the outcome for a cut-over after which it is not known which service has the name. `error` is the reason
    /// why the services could not be read in time.
    pub(super) fn holder_unknown(&self, error: ApiError) -> UndoOutcome {
        UndoOutcome::HolderUnknown { name: self.plan.old_name.clone(), error: Box::new(error) }
    }

    /// Returns true if the activation can be sent again: the new service still exists, and the old service still has
    /// the name that the rename gave it. More than half of [`MAX_CUT_OVER_TIME`] must be left, so that there is time
    /// for an undo.
    pub(super) fn may_activate_again(&self, now: &Services) -> bool {
        let is_renamed = |old: &LiveService| self.name_after_rename().is_none_or(|name| &old.name == name);
        now.get(self.plan.old).is_some_and(is_renamed)
            && now.contains_key(self.plan.new)
            && self.deadline.saturating_duration_since(Instant::now()) > MAX_CUT_OVER_TIME / 2
    }

    /// Calls `read` until it succeeds. Returns its last error if a retry can't help, or if there is no time for a retry
    /// before the deadline.
    pub(super) async fn retry_until_deadline<T>(
        &self,
        read: impl AsyncFn() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut delays = retry_delays();
        loop {
            let error = match read().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let delay = delays.next().unwrap_or_default();
            if !is_transient(&error) || !self.wait_to_retry(delay).await {
                return Err(error);
            }
        }
    }

    /// Waits before a retry: for `delay`, or for less if the deadline is near. Returns false if there is no time for a
    /// retry.
    pub(super) async fn wait_to_retry(&self, delay: Duration) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < MIN_RETRY_TIME {
            return false;
        }
        tokio::time::sleep(delay.min(left.mul_f64(0.8))).await;
        true
    }
}

/// Returns true if a request that failed with this error may succeed when it is sent again later.
pub(super) fn is_transient(error: &ApiError) -> bool {
    match error.cause {
        FailureCause::Status(status) => matches!(status, 401 | 408 | 429 | 500..),
        FailureCause::NotSent
        | FailureCause::Lost
        | FailureCause::Malformed
        | FailureCause::Unexpected
        | FailureCause::Interrupted => true,
        FailureCause::NotApplied | FailureCause::Moved | FailureCause::Setup => false,
    }
}

/// Returns the delays between retries, as an endless sequence.
pub(super) fn retry_delays() -> impl Iterator<Item = Duration> {
    let last = RETRY_DELAYS.last().copied().unwrap_or(1);
    RETRY_DELAYS.into_iter().chain(std::iter::repeat(last)).map(Duration::from_secs)
}
