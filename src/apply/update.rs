//! Updates services. If the answer to a rename is lost, reads the service to see whether the rename was applied.

use std::time::Duration;

use super::context::StepContext;
use crate::model::{LiveService, ServiceId, ServiceUpdate};
use crate::plan::abandonment;
use crate::remote::{ApiError, FailureCause, WriteApi};

/// The maximum number of times that a rename is sent. The request is sent again if its answer is lost and the service
/// does not have the new name.
const RENAME_ATTEMPTS: u32 = 3;
/// The delay before the second attempt of a rename. Later delays are longer.
const RENAME_RETRY_DELAY: Duration = Duration::from_millis(500);

impl<A: WriteApi> StepContext<'_, A> {
    /// Updates a service in place, without a replacement.
    ///
    /// The rename of an active service also sends `active: true`, so that the server refuses a name in use. If the
    /// server refuses to activate the service (for example because the agent is deprecated), the rename is sent without
    /// `active`.
    pub(super) async fn update_in_place(
        &self,
        api: &A,
        id: &ServiceId,
        update: &ServiceUpdate,
    ) -> Result<(), ApiError> {
        let was_active = self.expected.borrow().service(id).is_some_and(|service| service.active);
        match self.update(api, id, update).await {
            Err(error) if error.status() == Some(400) && was_active && update.active == Some(true) => {
                let without_active = ServiceUpdate { active: None, ..update.clone() };
                self.update(api, id, &without_active).await
            }
            result => result,
        }
    }

    /// Updates a service. If the answer to a rename is lost, reads the service, and sends the rename again only if it
    /// was not applied.
    pub(super) async fn update(
        &self,
        api: &A,
        id: &ServiceId,
        update: &ServiceUpdate,
    ) -> Result<(), ApiError> {
        let mut attempt = 1;
        loop {
            let Err(error) = api.update_service(id, update).await else { return Ok(()) };
            // If the server applied the update only in part (`NotApplied`), sending it again would have the same
            // result.
            if update.name.is_none() || !error.may_have_happened() || error.cause == FailureCause::NotApplied
            {
                return Err(error);
            }
            match self.uninterruptible.service(id).await {
                Ok(Some(now)) if is_applied(&now, update) => return Ok(()),
                Ok(Some(_)) if attempt < RENAME_ATTEMPTS => {
                    tokio::time::sleep(RENAME_RETRY_DELAY * attempt).await;
                    attempt += 1;
                }
                Ok(_) | Err(_) => return Err(error),
            }
        }
    }

    /// Marks an inactive service that is no longer needed as abandoned, with a name that none of `services` has. Does
    /// nothing if the service is active, or is not among `services`.
    pub(super) async fn abandon(&self, id: &ServiceId, services: &[LiveService]) -> Result<(), ApiError> {
        let Some(leftover) = services.iter().find(|service| &service.id == id && !service.active) else {
            return Ok(());
        };
        let is_taken = |name: &_| services.iter().any(|service| &service.name == name);
        let update = abandonment(leftover, self.today, &is_taken);
        self.update(&self.uninterruptible, &leftover.id, &update).await
    }
}

/// Returns true if a service has the name and the active state that an update sets.
pub(super) fn is_applied(service: &LiveService, update: &ServiceUpdate) -> bool {
    update.active.is_none_or(|active| service.active == active)
        && update.name.as_ref().is_none_or(|name| &service.name == name)
}
