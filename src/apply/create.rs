//! Creates services. If the answer to a create request is lost, lists all services to see whether the request was
//! applied.

use std::time::Duration;

use super::context::StepContext;
use crate::model::{NewService, ServiceId};
use crate::remote::{ApiError, FailureCause, Listing, WriteApi};

/// The maximum number of times that the request to create a service is sent. The request is sent again if its answer is
/// lost and the new service is not found.
const CREATE_ATTEMPTS: u32 = 3;

impl<A: WriteApi> StepContext<'_, A> {
    /// Creates a service, and returns its id. If the answer is lost, looks for the new service before it sends the
    /// request again.
    pub(super) async fn create(&self, new: &NewService) -> Result<ServiceId, ApiError> {
        let mut attempt = 1;
        loop {
            let error = match self.api.create_service(new).await {
                Ok(id) if attempt > 1 => {
                    self.abandon_duplicates(new, &id).await;
                    return Ok(id);
                }
                Ok(id) => return Ok(id),
                Err(error) => error,
            };
            if !error.may_have_happened() {
                return Err(error);
            }
            match self.wait_for_created(new, &error).await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) if attempt < CREATE_ATTEMPTS => attempt += 1,
                Ok(None) => return Err(error),
                Err(unread) => {
                    return Err(error.hint(format!(
                        "can't check whether the service was created ({unread}): run `amigops plan` to see"
                    )));
                }
            }
        }
    }

    /// Looks several times for a new service, after the answer to its create request was lost. Returns the service's
    /// id, or `None` if the service was not found. If `error` may be a timeout, looks once more three seconds later,
    /// because the server may still be carrying out the request.
    async fn wait_for_created(
        &self,
        new: &NewService,
        error: &ApiError,
    ) -> Result<Option<ServiceId>, ApiError> {
        let may_be_late = matches!(error.cause, FailureCause::Lost | FailureCause::Status(408 | 504));
        let delays: &[u64] = if may_be_late { &[0, 1, 3] } else { &[0, 1] };
        for seconds in delays {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            if let Some(id) = self.find_created(new).await? {
                return Ok(Some(id));
            }
            // A cancelled run sends no second create request, so it need not look again.
            if self.is_cancelled() {
                break;
            }
        }
        Ok(None)
    }

    /// Lists all services, and returns the id of the service that a create request with a lost answer has created.
    /// Returns `None` if no service can be the result of the request.
    async fn find_created(&self, new: &NewService) -> Result<Option<ServiceId>, ApiError> {
        let created = self.created_ids();
        let services = self.uninterruptible.services(Listing::All).await?;
        let mut candidates = services.into_iter().filter(|service| self.may_be_created_from(new, service));
        Ok(candidates.find(|service| !created.contains(&service.id)).map(|service| service.id))
    }
}
