//! The step that moves a name from the old service of a replacement to the new one: the old one is renamed, the new one
//! activated, with nothing between the two.
//!
//! Both services are read before the rename. From the rename on nothing waits for a limit, and all ends within
//! [`MOST_TIME`]: with the activation, with the old service under its name again, or with an error that says that no
//! service has the name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::checks::Requests;
use super::event::{ChangedSince, StepFailure, Undo};
use super::reads::Services;
use super::step::Runner;
use crate::model::{Endpoint, LiveService, ServiceId, ServiceName, ServiceUpdate, TAG_REPLACES};
use crate::plan::Change;
use crate::remote::{ApiError, Cause, Listing, Reservation, WriteApi};

/// The longest time from the rename to the activation, or to the end of the undo.
pub(super) const MOST_TIME: Duration = Duration::from_secs(180);

/// How often a request is sent whose answer is lost and that turns out not to have been carried out.
const ATTEMPTS: u32 = 3;
/// The wait before it is sent again the first time; longer after that.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(500);

/// How often a hand-over is begun when the API is busy or under maintenance just then.
const ROUNDS: u32 = 3;
/// How long to wait between two rounds, the old service in use under its name.
const ROUND_PAUSE: Duration = Duration::from_secs(10);
/// How soon a wish to stop is heard in between.
const A_MOMENT: Duration = Duration::from_millis(250);

/// A hand-over as its plan says.
pub(super) struct HandOver<'a> {
    pub(super) old: &'a ServiceId,
    /// The name that the old service gives up.
    pub(super) old_name: &'a ServiceName,
    pub(super) rename: Option<&'a ServiceUpdate>,
    pub(super) new: &'a ServiceId,
    pub(super) activation: &'a ServiceUpdate,
}

/// A hand-over that has begun.
pub(super) struct Begun<'a> {
    pub(super) plan: &'a HandOver<'a>,
    pub(super) requests: Requests,
    /// Room for the rename, the activation and the undo.
    pub(super) reserved: Arc<Reservation>,
    /// When all must be over.
    pub(super) deadline: Instant,
}

impl<A: WriteApi> Runner<'_, A> {
    /// Hands over; if the new service can't become active, the old one gets its name back. If that was for a moment
    /// only, it is tried again.
    pub(super) async fn hand_over(&self, plan: &HandOver<'_>) -> Result<(), StepFailure> {
        let mut before: Option<StepFailure> = None;
        for round in 1..=ROUNDS {
            let failure = match self.hand_over_once(plan).await {
                Ok(()) => return Ok(()),
                // An interrupted wait does not explain why the round before it failed.
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
            if !passing || round == ROUNDS || !self.pause(ROUND_PAUSE).await {
                return Err(failure);
            }
            before = Some(failure);
        }
        before.map_or(Ok(()), Err)
    }

    /// Waits; false where the run is to stop meanwhile.
    async fn pause(&self, length: Duration) -> bool {
        let until = Instant::now() + length;
        while Instant::now() < until && !self.is_stopping() {
            tokio::time::sleep(A_MOMENT).await;
        }
        !self.is_stopping()
    }

    async fn hand_over_once(&self, plan: &HandOver<'_>) -> Result<(), StepFailure> {
        // The rename, the activation, and room for an undo: a wait for the limit comes before all of them.
        let count = if plan.rename.is_some() { 3 } else { 1 };
        let mut reserved = self.api.reserve(Endpoint::UpdateService, count).await?;
        if reserved.is_limit_unknown() {
            // Nobody knows yet how many requests there are, and between the rename and the activation is no
            // time to learn it: an update that changes nothing tells.
            self.api.with_reservation(&reserved).update_service(plan.new, &ServiceUpdate::default()).await?;
            drop(reserved);
            reserved = self.api.reserve(Endpoint::UpdateService, count).await?;
        }
        let now = self.read(&BTreeSet::from([plan.old.clone(), plan.new.clone()])).await?;
        if self.is_done(plan, &now) {
            return Ok(());
        }
        let checked =
            self.checked(&now, |check| check.hand_over((plan.old, plan.rename), (plan.new, plan.activation)));
        let requests = match checked {
            Ok(requests) => requests,
            Err(changes) => return Err(self.overtaken(plan, changes, &now).await),
        };
        // From here on, all comes to its end, whoever wishes to stop.
        let deadline = Instant::now() + MOST_TIME;
        let mut begun = Begun { plan, requests, reserved, deadline };
        self.rename(&mut begun).await?;
        self.activate(&begun).await
    }

    /// Whether another run has done the same: the new service is active under its name, and the old one has given its
    /// own up.
    fn is_done(&self, plan: &HandOver<'_>, now: &Services) -> bool {
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

    /// The connection for what must be over in time.
    pub(super) fn in_time(&self, begun: &Begun<'_>) -> A {
        self.finishing.with_deadline(begun.deadline)
    }

    /// Renames the old service.
    async fn rename(&self, begun: &mut Begun<'_>) -> Result<(), StepFailure> {
        let Some(rename) = begun.requests.rename.clone() else { return Ok(()) };
        let old = begun.plan.old;
        let mut attempt = 1;
        loop {
            // Until it is carried out, the old service has the name.
            begun.deadline = Instant::now() + MOST_TIME;
            let api = self.in_time(begun).with_reservation(&begun.reserved);
            let Err(error) = api.update_service(old, &rename).await else { return Ok(()) };
            if !error.may_have_happened() {
                return Err(error.into());
            }
            let failed = |undo| StepFailure::HandOver { cause: error.clone(), undo };
            let now = match self.read_in_time(begun).await {
                Ok(now) => now,
                Err(unread) => return Err(failed(begun.unseen(unread))),
            };
            match now.get(old) {
                Some(there) if is_as_told(there, &rename) => return Ok(()),
                Some(there) if rename.name.is_none() || &there.name == begun.plan.old_name => {
                    if attempt == ATTEMPTS || self.is_stopping() || error.cause == Cause::NotApplied {
                        return Err(failed(Undo::Done));
                    }
                }
                there => return Err(failed(Undo::Moved(Box::new(begun.moved(there))))),
            }
            // A server that fails at once is given a moment.
            tokio::time::sleep(ATTEMPT_PAUSE * attempt).await;
            attempt += 1;
        }
    }

    /// Activates the new service; the old one is renamed.
    async fn activate(&self, begun: &Begun<'_>) -> Result<(), StepFailure> {
        let api = self.in_time(begun).with_reservation(&begun.reserved);
        let mut attempt = 1;
        loop {
            let Err(error) = api.update_service(begun.plan.new, &begun.requests.activation).await else {
                return Ok(());
            };
            if !error.may_have_happened() || attempt == ATTEMPTS {
                return self.undo(begun, error).await;
            }
            match self.read_in_time(begun).await {
                Ok(now) if begun.is_finished(&now) => return Ok(()),
                Ok(now) if begun.may_activate_again(&now) && error.cause != Cause::NotApplied => {}
                Ok(_) | Err(_) => return self.undo(begun, error).await,
            }
            tokio::time::sleep(ATTEMPT_PAUSE * attempt).await;
            attempt += 1;
        }
    }

    /// The failure of a hand-over whose services others have changed. What was to take the place is set aside if
    /// another service has taken it; where that can't be seen or done, the next run does it.
    async fn overtaken(
        &self,
        plan: &HandOver<'_>,
        changes: Vec<ChangedSince>,
        now: &Services,
    ) -> StepFailure {
        let is_of_old = changes.iter().any(|changed| {
            let path = changed.change.as_ref().map(|change| change.path.as_str());
            &changed.id == plan.old && matches!(path, None | Some("name" | "active"))
        });
        let mut successor = None;
        if is_of_old && let Ok(active) = self.finishing.services(Listing::Active).await {
            successor = self.successor(plan, &active).map(|service| service.id.clone());
            if successor.is_some() {
                let seen: Vec<LiveService> = active.into_iter().chain(now.values().cloned()).collect();
                self.set_aside(plan.new, &seen).await.ok();
            }
        }
        StepFailure::Changed { changes, successor }
    }

    /// The active service, other than these two, that has the name or has taken the old service's place under whatever
    /// name.
    pub(super) fn successor<'s>(
        &self,
        plan: &HandOver<'_>,
        active: &'s [LiveService],
    ) -> Option<&'s LiveService> {
        let others = || active.iter().filter(|service| &service.id != plan.old && &service.id != plan.new);
        let holder = others().find(|service| &service.name == plan.old_name);
        let expected = self.expected.borrow();
        // One that this run gave up in the moment in which another run activated it has lost its tag.
        let was_to_replace =
            |service: &LiveService| expected.planned(&service.id).is_some_and(|was| replaces(was, plan.old));
        holder.or_else(|| others().find(|service| replaces(service, plan.old) || was_to_replace(service)))
    }

    /// Reads both services until it succeeds, or the time is over.
    pub(super) async fn read_in_time(&self, begun: &Begun<'_>) -> Result<Services, ApiError> {
        let ids = BTreeSet::from([begun.plan.old.clone(), begun.plan.new.clone()]);
        let api = self.in_time(begun);
        let services = begun.persist(async || api.services_by_id(&ids).await).await?;
        Ok(services.into_iter().map(|service| (service.id.clone(), service)).collect())
    }
}

/// Whether a service was made to take this one's place.
fn replaces(service: &LiveService, old: &ServiceId) -> bool {
    let replaced = service.tags.get(TAG_REPLACES).and_then(Option::as_deref);
    replaced == Some(old.as_str())
}

impl Begun<'_> {
    /// Whether the new service is in use, or has its name where it is not to be used.
    pub(super) fn is_finished(&self, now: &Services) -> bool {
        let activation = &self.requests.activation;
        now.get(self.plan.new).is_some_and(|new| match activation.active {
            // Somebody may have renamed it since.
            Some(true) => new.active,
            _ => is_as_told(new, activation),
        })
    }

    /// How the old service, as it is now, differs from how the rename has left it.
    pub(super) fn moved(&self, now: Option<&LiveService>) -> ChangedSince {
        let renamed = self.requests.rename.as_ref().and_then(|rename| rename.name.as_ref());
        let before = renamed.unwrap_or(self.plan.old_name);
        ChangedSince {
            service: self.plan.old_name.clone(),
            id: self.plan.old.clone(),
            change: now.map(|now| Change::new("name", json!(before), json!(now.name))),
        }
    }

    /// The word for a look that did not succeed in time.
    pub(super) fn unseen(&self, error: ApiError) -> Undo {
        Undo::Unseen { name: self.plan.old_name.clone(), error: Box::new(error) }
    }

    /// Whether both services are as the rename has left them, and there is time for another try and for an undo.
    fn may_activate_again(&self, now: &Services) -> bool {
        let renamed = self.requests.rename.as_ref().and_then(|rename| rename.name.as_ref());
        let is_renamed = |old: &LiveService| renamed.is_none_or(|name| &old.name == name);
        now.get(self.plan.old).is_some_and(is_renamed)
            && now.contains_key(self.plan.new)
            && self.deadline.saturating_duration_since(Instant::now()) > MOST_TIME / 2
    }
}

/// Whether a service has the name that it was to be given, if any, and is as active as it was to be.
pub(super) fn is_as_told(service: &LiveService, update: &ServiceUpdate) -> bool {
    update.active.is_none_or(|active| service.active == active)
        && update.name.as_ref().is_none_or(|name| &service.name == name)
}
