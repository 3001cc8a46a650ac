//! Gives the old service of a hand-over its name back when the new one can't become active.
//!
//! The name is given back only after a look that no other service has taken it. The APIs have no filter by name, and
//! not every server refuses to rename a service to a name in use, so that the look is a list of all active services: a
//! name that is missing for some seconds does less harm than two services of one name.

use std::time::Duration;

use tokio::time::Instant;

use super::event::{ChangedSince, StepFailure, Undo};
use super::hand_over::Begun;
use super::step::Runner;
use crate::model::{LiveService, ServiceId, ServiceUpdate};
use crate::remote::{ApiError, Cause, Listing, WriteApi};

/// The waits, in seconds, before something is tried once more; the last one again and again.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// So much time must be left for another try.
const WORTH_A_TRY: Duration = Duration::from_secs(1);

/// What a look around tells of a hand-over whose activation has failed.
enum Found {
    /// The new service is in use after all.
    Finished,
    /// The old service has its name.
    HasItsName,
    /// The old service is not as the rename has left it.
    Moved(ChangedSince),
    /// Another service has the name, or has taken the place of the old one.
    Taken(ServiceId, Vec<LiveService>),
    /// Nobody has the name.
    Nobody,
}

impl<A: WriteApi> Runner<'_, A> {
    /// Undoes the rename, unless that is not needed any more.
    pub(super) async fn undo(&self, begun: &Begun<'_>, cause: ApiError) -> Result<(), StepFailure> {
        if begun.requests.rename.as_ref().is_none_or(|rename| rename.name.is_none()) {
            // The old service has given its name up before.
            return match cause.may_have_happened() {
                true if self.read_in_time(begun).await.is_ok_and(|now| begun.is_finished(&now)) => Ok(()),
                _ => Err(cause.into()),
            };
        }
        match self.give_back(begun).await {
            Some(undo) => Err(StepFailure::HandOver { cause, undo }),
            None => Ok(()),
        }
    }

    /// Gives the old service its name back; none where the new one is in use after all.
    async fn give_back(&self, begun: &Begun<'_>) -> Option<Undo> {
        let name = begun.plan.old_name;
        let restore = ServiceUpdate { name: Some(name.clone()), ..ServiceUpdate::default() };
        // Each try has a look of its own before it: another run may take the name in between.
        let api = self.in_time(begun).with_reservation(&begun.reserved).without_retries();
        for pause in pauses() {
            match self.look_around(begun).await {
                Ok(Found::Finished) => return None,
                Ok(Found::HasItsName) => return Some(Undo::Done),
                Ok(Found::Moved(changed)) => return Some(Undo::Moved(Box::new(changed))),
                Ok(Found::Taken(holder, seen)) => {
                    // What was to have the name is of no use any more; where it can't be set aside, the next run
                    // does it.
                    self.set_aside(begun.plan.new, &seen).await.ok();
                    return Some(Undo::Taken(holder));
                }
                Ok(Found::Nobody) => {}
                Err(error) => return Some(begun.unseen(error)),
            }
            let Err(error) = api.update_service(begun.plan.old, &restore).await else {
                return Some(Undo::Done);
            };
            let helps = is_passing(&error) || error.status() == Some(409);
            if !helps || !begun.pause(pause).await {
                return Some(Undo::Failed { name: name.clone(), error: Box::new(error) });
            }
        }
        None
    }

    /// Looks at both services, and where that leaves the name open, at all that are active.
    async fn look_around(&self, begun: &Begun<'_>) -> Result<Found, ApiError> {
        let plan = begun.plan;
        let now = self.read_in_time(begun).await?;
        if begun.is_finished(&now) {
            return Ok(Found::Finished);
        }
        let renamed = begun.requests.rename.as_ref().and_then(|rename| rename.name.as_ref());
        match now.get(plan.old) {
            Some(old) if &old.name == plan.old_name => return Ok(Found::HasItsName),
            Some(old) if Some(&old.name) == renamed => {}
            other => return Ok(Found::Moved(begun.moved(other))),
        }
        let api = self.in_time(begun);
        let active = begun.persist(async || api.services(Listing::Active).await).await?;
        Ok(match self.successor(plan, &active).map(|service| service.id.clone()) {
            Some(holder) => Found::Taken(holder, active.into_iter().chain(now.into_values()).collect()),
            None => Found::Nobody,
        })
    }
}

impl Begun<'_> {
    /// Reads until it succeeds, can't succeed, or the time is over.
    pub(super) async fn persist<T>(
        &self,
        read: impl AsyncFn() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut pauses = pauses();
        loop {
            let error = match read().await {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            let pause = pauses.next().unwrap_or_default();
            if !is_passing(&error) || !self.pause(pause).await {
                return Err(error);
            }
        }
    }

    /// Waits, so that there is time for another try; false where there is none.
    async fn pause(&self, length: Duration) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < WORTH_A_TRY {
            return false;
        }
        tokio::time::sleep(length.min(left.mul_f64(0.8))).await;
        true
    }
}

/// Whether the same request may succeed a little later.
fn is_passing(error: &ApiError) -> bool {
    match error.cause {
        Cause::Status(status) => matches!(status, 401 | 408 | 429 | 500..),
        Cause::NotSent | Cause::Lost | Cause::Malformed | Cause::Unexpected | Cause::Interrupted => true,
        Cause::NotApplied | Cause::Moved | Cause::Setup => false,
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    let last = PAUSES.last().copied().unwrap_or(1);
    PAUSES.into_iter().chain(std::iter::repeat(last)).map(Duration::from_secs)
}
