//! Executes the cut-over of a replacement, which moves a name from the old service to the new one. The cut-over renames
//! the old service, and then immediately activates the new service under the name.
//!
//! Both services are read before the rename. After the rename, the activation and a possible undo do not wait for the
//! rate limit, and everything ends within [`MAX_CUT_OVER_TIME`]. At the end, either the new or the old service has the
//! name, or the error says what happened instead.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::context::StepContext;
use super::cut_over_attempt::{CutOver, CutOverAttempt, MAX_CUT_OVER_TIME};
use super::failure::{LiveChange, StepFailure, UndoOutcome};
use super::reads::Services;
use super::update::is_applied;
use crate::model::{Endpoint, LiveService, ServiceUpdate};
use crate::remote::{FailureCause, Listing, WriteApi};

/// The maximum number of times that a rename or an activation is sent. The request is sent again if its answer is lost
/// and the server did not apply it.
const ATTEMPTS: u32 = 3;
/// The delay before a request is sent for the second time. Later delays are longer.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The maximum number of times that a cut-over is attempted if the API is busy or under maintenance.
const ROUNDS: u32 = 3;
/// The delay between two attempts of a cut-over. During the delay, the old service has its name back, so users can
/// reach it.
const ROUND_DELAY: Duration = Duration::from_secs(10);
/// The interval at which the run checks, during the delay between two attempts, whether it was cancelled.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(250);

impl<A: WriteApi> StepContext<'_, A> {
    /// Executes a cut-over. If the new service can't be activated, renames the old service back. If the reason was only
    /// that the API was busy, tries the cut-over again.
    pub(super) async fn cut_over(&self, plan: &CutOver<'_>) -> Result<(), StepFailure> {
        let mut earlier: Option<StepFailure> = None;
        for round in 1..=ROUNDS {
            let failure = match self.cut_over_once(plan).await {
                Ok(()) => return Ok(()),
                // The run was cancelled. If an earlier round failed, return its failure, because it explains more.
                Err(StepFailure::Request(error)) if error.cause == FailureCause::Interrupted => {
                    return Err(earlier.unwrap_or(error.into()));
                }
                Err(failure) => failure,
            };
            let is_busy = match &failure {
                StepFailure::CutOver { cause, undo: UndoOutcome::NameRestored } => {
                    matches!(cause.status(), Some(429 | 503))
                }
                _ => false,
            };
            if !is_busy || round == ROUNDS || !self.wait_for_next_round().await {
                return Err(failure);
            }
            earlier = Some(failure);
        }
        earlier.map_or(Ok(()), Err)
    }

    /// Waits until the next attempt of the cut-over. Returns false if the run is cancelled during the wait.
    async fn wait_for_next_round(&self) -> bool {
        let until = Instant::now() + ROUND_DELAY;
        while Instant::now() < until && !self.is_cancelled() {
            tokio::time::sleep(STOP_POLL_INTERVAL).await;
        }
        !self.is_cancelled()
    }

    async fn cut_over_once(&self, plan: &CutOver<'_>) -> Result<(), StepFailure> {
        // Before the first request, wait until the rate limit allows the rename, the activation and an undo.
        let count = if plan.rename.is_some() { 3 } else { 1 };
        let mut reservation = self.api.reserve(Endpoint::UpdateService, count).await?;
        if reservation.is_limit_unknown() {
            // The rate limit is not known yet, and there is no time to learn it between the rename and the activation.
            // So send an update that changes nothing: its answer shows the limit.
            let api = self.api.with_reservation(&reservation);
            api.update_service(plan.new, &ServiceUpdate::default()).await?;
            drop(reservation);
            reservation = self.api.reserve(Endpoint::UpdateService, count).await?;
        }
        let now = self.read(&BTreeSet::from([plan.old.clone(), plan.new.clone()])).await?;
        if self.is_done_by_other_run(plan, &now) {
            return Ok(());
        }
        let (old, new) = ((plan.old, plan.rename), (plan.new, plan.activation));
        let requests = match self.check(&now, |check| check.check_cut_over(old, new)) {
            Ok(requests) => requests,
            Err(changes) => return Err(self.changed_since_plan(plan, changes, &now).await),
        };
        // From here on, the cut-over is completed even if the run is cancelled.
        let deadline = Instant::now() + MAX_CUT_OVER_TIME;
        let mut attempt = CutOverAttempt { plan, requests, reservation, deadline };
        self.rename_old(&mut attempt).await?;
        self.activate_new(&attempt).await
    }

    /// Returns true if another run has already completed this cut-over: the new service is active under its planned
    /// name, and the old service no longer has its old name.
    fn is_done_by_other_run(&self, plan: &CutOver<'_>, now: &Services) -> bool {
        let (Some(new), true) = (now.get(plan.new), plan.activation.active == Some(true)) else {
            return false;
        };
        let expected = self.expected.borrow();
        let planned = expected.service(plan.new).map(|planned| &planned.name);
        let name = plan.activation.name.as_ref().or(planned);
        new.active
            && Some(&new.name) == name
            && now.get(plan.old).is_none_or(|old| &old.name != plan.old_name)
    }

    /// Renames the old service. If the answer is lost, checks whether the rename was applied. Does nothing if an
    /// earlier run has already renamed the service.
    async fn rename_old(&self, attempt: &mut CutOverAttempt<'_>) -> Result<(), StepFailure> {
        let Some(rename) = attempt.requests.rename.clone() else { return Ok(()) };
        let old = attempt.plan.old;
        let mut number = 1;
        loop {
            // The old service has its name until the rename is applied, so each attempt gets a new deadline.
            attempt.deadline = Instant::now() + MAX_CUT_OVER_TIME;
            let api = self.with_deadline_of(attempt).with_reservation(&attempt.reservation);
            let Err(error) = api.update_service(old, &rename).await else { return Ok(()) };
            if !error.may_have_happened() {
                return Err(error.into());
            }
            let failed = |undo| StepFailure::CutOver { cause: error.clone(), undo };
            let now = match self.read_both(attempt).await {
                Ok(now) => now,
                Err(unread) => return Err(failed(attempt.holder_unknown(unread))),
            };
            match now.get(old) {
                Some(now) if is_applied(now, &rename) => return Ok(()),
                Some(now) if rename.name.is_none() || &now.name == attempt.plan.old_name => {
                    if number == ATTEMPTS || self.is_cancelled() || error.cause == FailureCause::NotApplied {
                        return Err(failed(UndoOutcome::NameRestored));
                    }
                }
                now => {
                    let change = Box::new(attempt.old_service_change(now));
                    return Err(failed(UndoOutcome::OldServiceChanged(change)));
                }
            }
            tokio::time::sleep(RETRY_DELAY * number).await;
            number += 1;
        }
    }

    /// Activates the new service, after the old service was renamed. If the activation fails, undoes the rename.
    async fn activate_new(&self, attempt: &CutOverAttempt<'_>) -> Result<(), StepFailure> {
        let api = self.with_deadline_of(attempt).with_reservation(&attempt.reservation);
        let mut number = 1;
        loop {
            let activated = api.update_service(attempt.plan.new, &attempt.requests.activation).await;
            let Err(error) = activated else { return Ok(()) };
            if !error.may_have_happened() || number == ATTEMPTS {
                return self.undo(attempt, error).await;
            }
            match self.read_both(attempt).await {
                Ok(now) if attempt.is_finished(&now) => return Ok(()),
                Ok(now) if attempt.may_activate_again(&now) && error.cause != FailureCause::NotApplied => {}
                Ok(_) | Err(_) => return self.undo(attempt, error).await,
            }
            tokio::time::sleep(RETRY_DELAY * number).await;
            number += 1;
        }
    }

    /// Returns the failure of a cut-over that can't start, because other users have changed its services. If a service
    /// other than the new one has already replaced the old service, also marks the new service as abandoned. If that
    /// request fails, the next run marks the service.
    async fn changed_since_plan(
        &self,
        plan: &CutOver<'_>,
        changes: Vec<LiveChange>,
        now: &Services,
    ) -> StepFailure {
        let may_have_successor = changes.iter().any(|changed| {
            let path = changed.change.as_ref().map(|change| change.path.as_str());
            &changed.id == plan.old && matches!(path, None | Some("name" | "active"))
        });
        let mut successor = None;
        if may_have_successor && let Ok(active) = self.uninterruptible.services(Listing::Active).await {
            successor = self.find_successor(plan, &active).map(|service| service.id.clone());
            if successor.is_some() {
                let services: Vec<LiveService> = active.into_iter().chain(now.values().cloned()).collect();
                self.abandon(plan.new, &services).await.ok();
            }
        }
        StepFailure::ChangedSincePlan { changes, successor }
    }
}
