//! Gives the old service of a cut-over its name back if the new service can't be activated.
//!
//! The old service is renamed back only if no other service has taken the name. The APIs can't filter by name, and not
//! every server refuses a rename to a name in use. So all active services are listed first. That takes some seconds,
//! but a missing name does less harm than two services with the same name.

use super::context::StepContext;
use super::cut_over_attempt::{CutOverAttempt, is_transient, retry_delays};
use super::failure::{LiveChange, StepFailure, UndoOutcome};
use crate::model::{LiveService, ServiceId, ServiceUpdate};
use crate::remote::{ApiError, Listing, WriteApi};

/// The result of reading the services after a failed activation: which service has the name that the cut-over moves.
enum NameState {
    /// The new service is active, so the cut-over is done.
    Finished,
    /// The old service has its old name, so there is nothing to undo.
    Restored,
    /// The old service has neither its old name nor the name that the rename gave it.
    OldServiceChanged(LiveChange),
    /// Another service has the name, or has replaced the old service. Contains the id of the other service, and all
    /// services that were read.
    Taken(ServiceId, Vec<LiveService>),
    /// No service has the name, so the old service can get it back.
    Free,
}

impl<A: WriteApi> StepContext<'_, A> {
    /// Undoes the rename of the old service. Returns `Ok` without an undo if the new service is active after all.
    /// `cause` is the error of the activation.
    pub(super) async fn undo(
        &self,
        attempt: &CutOverAttempt<'_>,
        cause: ApiError,
    ) -> Result<(), StepFailure> {
        if attempt.name_after_rename().is_none() {
            // This run has no rename to undo, because an earlier run renamed the old service.
            return match cause.may_have_happened() {
                true if self.read_both(attempt).await.is_ok_and(|now| attempt.is_finished(&now)) => Ok(()),
                _ => Err(cause.into()),
            };
        }
        match self.restore_name(attempt).await {
            Some(undo) => Err(StepFailure::CutOver { cause, undo }),
            None => Ok(()),
        }
    }

    /// Gives the old service its name back, and returns the outcome. Returns `None` if the new service is active after
    /// all.
    async fn restore_name(&self, attempt: &CutOverAttempt<'_>) -> Option<UndoOutcome> {
        let name = attempt.plan.old_name;
        let restore = ServiceUpdate { name: Some(name.clone()), ..ServiceUpdate::default() };
        // The connection does not retry: another run may take the name between two attempts, so each attempt needs a
        // new check.
        let api = self.with_deadline_of(attempt).with_reservation(&attempt.reservation).without_retries();
        for delay in retry_delays() {
            match self.read_name_state(attempt).await {
                Ok(NameState::Finished) => return None,
                Ok(NameState::Restored) => return Some(UndoOutcome::NameRestored),
                Ok(NameState::OldServiceChanged(change)) => {
                    return Some(UndoOutcome::OldServiceChanged(Box::new(change)));
                }
                Ok(NameState::Taken(holder, services)) => {
                    // The new service is no longer needed. If it can't be marked as abandoned, the next run marks it.
                    self.abandon(attempt.plan.new, &services).await.ok();
                    return Some(UndoOutcome::NameTaken(holder));
                }
                Ok(NameState::Free) => {}
                Err(error) => return Some(attempt.holder_unknown(error)),
            }
            let Err(error) = api.update_service(attempt.plan.old, &restore).await else {
                return Some(UndoOutcome::NameRestored);
            };
            let may_succeed_later = is_transient(&error) || error.status() == Some(409);
            if !may_succeed_later || !attempt.wait_to_retry(delay).await {
                return Some(UndoOutcome::Failed { name: name.clone(), error: Box::new(error) });
            }
        }
        None
    }

    /// Returns which service has the name. Reads the old and the new service first. Lists all active services only if
    /// reading these two services is not enough.
    async fn read_name_state(&self, attempt: &CutOverAttempt<'_>) -> Result<NameState, ApiError> {
        let plan = attempt.plan;
        let now = self.read_both(attempt).await?;
        if attempt.is_finished(&now) {
            return Ok(NameState::Finished);
        }
        match now.get(plan.old) {
            Some(old) if &old.name == plan.old_name => return Ok(NameState::Restored),
            Some(old) if Some(&old.name) == attempt.name_after_rename() => {}
            other => return Ok(NameState::OldServiceChanged(attempt.old_service_change(other))),
        }
        let api = self.with_deadline_of(attempt);
        let active = attempt.retry_until_deadline(async || api.services(Listing::Active).await).await?;
        Ok(match self.find_successor(plan, &active).map(|service| service.id.clone()) {
            Some(holder) => NameState::Taken(holder, active.into_iter().chain(now.into_values()).collect()),
            None => NameState::Free,
        })
    }
}
