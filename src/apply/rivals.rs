//! Another run at the same time: who comes too late sets aside what it has made, and says so. May import `plan`,
//! `remote` and `model`.
//!
//! The APIs have no locks. What they refuse is a second *active* service of one name; everything else that two
//! runs could make twice is looked at after it was made.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::json;
use tokio::sync::Mutex;

use super::event::{ChangedSince, StepFailure};
use super::step::Runner;
use crate::model::{Api, LiveService, NewService, ServiceId, ServiceUpdate, TAG_REPLACES};
use crate::plan::{Change, Step, abandonment};
use crate::remote::{ApiError, Listing, WriteApi};

/// The last list of all services that was read for a look around.
#[derive(Default)]
pub(super) struct Seen {
    /// How many were begun.
    begun: Cell<u64>,
    /// The last one that ended, and its number.
    last: Mutex<Option<(u64, Rc<Vec<LiveService>>)>>,
}

impl<A: WriteApi> Runner<'_, A> {
    /// Makes sure that a service which was just created is the only one.
    ///
    /// Of active ones the server allows no second, and the new service of a replacement meets the other at its
    /// hand-over. An inactive one that is new meets nobody, so that it has to look around: whoever sees another
    /// sets its own aside. Both may, and the next run makes one; never do both stay.
    pub(super) async fn is_alone(&self, new: &NewService, id: &ServiceId) -> Result<(), StepFailure> {
        if new.active || new.tags.contains_key(TAG_REPLACES) {
            return Ok(());
        }
        // It is made: who can't look around leaves it to the next plan to tell of another.
        let Ok(seen) = self.seen_from_now_on().await else { return Ok(()) };
        let is_twin = |service: &&LiveService| {
            &service.id != id && service.name == new.name && !self.expected.borrow().is_known(&service.id)
        };
        let Some(twin) = seen.iter().find(is_twin) else { return Ok(()) };
        self.set_aside(id, &seen).await.ok();
        Err(StepFailure::Rival { other: twin.id.clone(), own: id.clone() })
    }

    /// Makes sure that nobody has activated a service at the moment in which it was abandoned: it is in use then, and
    /// gets its name and its tag back.
    pub(super) async fn is_abandoned(&self, step: &Step, id: &ServiceId) -> Result<(), StepFailure> {
        // Where that can't be read, the next plan shows it.
        let Ok(Some(now)) = self.finishing.service(id).await else { return Ok(()) };
        let planned = self.expected.borrow().service(id).cloned();
        let Some(planned) = planned.filter(|planned| now.active && !planned.active) else { return Ok(()) };
        let mut tags = now.tags;
        if let Some(old) = planned.tags.get(TAG_REPLACES) {
            tags.insert(TAG_REPLACES.to_owned(), old.clone());
        }
        // Classic checks a name for certain only where it activates: another service may have taken it meanwhile.
        let restore = ServiceUpdate {
            name: Some(step.service.clone()),
            active: (self.kind == Api::Classic).then_some(true),
            tags: Some(tags),
            ..ServiceUpdate::default()
        };
        self.update(&self.finishing, id, &restore).await?;
        let change = Some(Change::new("active", json!(false), json!(true)));
        let changes = vec![ChangedSince { service: planned.name, id: id.clone(), change }];
        Err(StepFailure::Changed { changes, successor: None })
    }

    /// A create that was sent twice may have been carried out twice, the first time after everybody had looked: what
    /// is there beside this one is set aside.
    pub(super) async fn set_twins_aside(&self, new: &NewService, id: &ServiceId) {
        let Ok(seen) = self.finishing.services_read_twice().await else { return };
        let ours = self.created();
        let is_twin = |service: &&LiveService| {
            self.is_product_of(new, service) && &service.id != id && !ours.contains(&service.id)
        };
        for twin in seen.iter().filter(is_twin) {
            self.set_aside(&twin.id, &seen).await.ok();
        }
    }

    /// All services as they are now, or a little later: steps that ask at the same time share one list.
    async fn seen_from_now_on(&self) -> Result<Rc<Vec<LiveService>>, ApiError> {
        let asked = self.seen.begun.get();
        let mut last = self.seen.last.lock().await;
        if let Some((number, services)) = last.as_ref()
            && *number > asked
        {
            return Ok(Rc::clone(services));
        }
        let number = self.seen.begun.get() + 1;
        self.seen.begun.set(number);
        let services = Rc::new(self.finishing.services(Listing::All).await?);
        *last = Some((number, Rc::clone(&services)));
        Ok(services)
    }

    /// Sets aside what this run has made and nobody needs any more, unless it is in use. The next run would do
    /// the same with the new service of a replacement.
    pub(super) async fn set_aside(&self, own: &ServiceId, seen: &[LiveService]) -> Result<(), ApiError> {
        let Some(own) = seen.iter().find(|service| &service.id == own && !service.active) else {
            return Ok(());
        };
        let taken = |name: &_| seen.iter().any(|service| &service.name == name);
        self.update(&self.finishing, &own.id, &abandonment(own, self.today, &taken)).await
    }
}
