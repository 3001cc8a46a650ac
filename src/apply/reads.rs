//! Reads services for several steps at once, to save requests.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::sync::Mutex;

use crate::model::{Endpoint, LiveService, ServiceId};
use crate::remote::{ApiError, Listing, ReadApi, WriteApi};

/// The maximum number of services that one request reads.
const MAX_IDS_PER_REQUEST: usize = 20;

/// Services by id. Deleted and hidden services are not included.
pub(super) type Services = BTreeMap<ServiceId, LiveService>;

/// Converts a list of services into a map by id.
pub(super) fn by_id(services: Vec<LiveService>) -> Services {
    services.into_iter().map(|service| (service.id.clone(), service)).collect()
}

/// Reads services by id. Steps that read at the same time share one request.
#[derive(Default)]
pub(super) struct SharedReads {
    /// The lock that a step holds while it reads services for itself and for other waiting steps.
    turn: Mutex<()>,
    waiting: RefCell<Vec<Rc<WaitingRead>>>,
}

/// The read of one step that waits for the next shared request: the requested ids, and the answer once it has arrived.
struct WaitingRead {
    ids: BTreeSet<ServiceId>,
    answer: RefCell<Option<Result<Rc<Services>, ApiError>>>,
}

impl SharedReads {
    /// Reads the current state of the services with these ids. The result may also contain services that other steps
    /// requested.
    pub(super) async fn read(
        &self,
        api: &impl WriteApi,
        ids: &BTreeSet<ServiceId>,
    ) -> Result<Rc<Services>, ApiError> {
        let own = Rc::new(WaitingRead { ids: ids.clone(), answer: RefCell::default() });
        self.waiting.borrow_mut().push(Rc::clone(&own));
        let _turn = self.turn.lock().await;
        if let Some(answer) = own.answer.take() {
            return answer;
        }
        // While this step waits for the rate limit, other steps can still join the request.
        let reservation = api.reserve(Endpoint::ListServices, 1).await;
        // Let steps that became ready at the same time join the request, too.
        tokio::task::yield_now().await;
        let batch = self.next_batch();
        let ids: BTreeSet<ServiceId> = batch.iter().flat_map(|read| read.ids.iter().cloned()).collect();
        let answer = match reservation {
            Ok(reservation) => api.with_reservation(&reservation).services_by_id(&ids).await,
            Err(error) => Err(error),
        };
        let answer = answer.map(|services| Rc::new(by_id(services)));
        for read in &batch {
            *read.answer.borrow_mut() = Some(answer.clone());
        }
        answer
    }

    /// Removes the oldest waiting reads that fit into one request, and returns them.
    fn next_batch(&self) -> Vec<Rc<WaitingRead>> {
        let mut waiting = self.waiting.borrow_mut();
        let mut ids: BTreeSet<&ServiceId> = BTreeSet::new();
        let mut count = 0;
        for read in waiting.iter() {
            ids.extend(&read.ids);
            if count > 0 && ids.len() > MAX_IDS_PER_REQUEST {
                break;
            }
            count += 1;
        }
        waiting.drain(..count).collect()
    }
}

/// A list of all services. Steps that need the list at the same time share one read.
#[derive(Default)]
pub(super) struct SharedServiceList {
    /// The number of reads that have started so far. It is also the number of the latest read.
    started: Cell<u64>,
    /// The last finished read: its number, counted from 1, and the services that it returned.
    last: Mutex<Option<(u64, Rc<Vec<LiveService>>)>>,
}

impl SharedServiceList {
    /// Returns a list of all services from a read that started after this call. Steps that call this function at the
    /// same time share the read.
    pub(super) async fn list_services_shared(
        &self,
        api: &impl ReadApi,
    ) -> Result<Rc<Vec<LiveService>>, ApiError> {
        let started_before = self.started.get();
        let mut last = self.last.lock().await;
        if let Some((number, services)) = last.as_ref()
            && *number > started_before
        {
            return Ok(Rc::clone(services));
        }
        let number = self.started.get() + 1;
        self.started.set(number);
        let services = Rc::new(api.services(Listing::All).await?);
        *last = Some((number, Rc::clone(&services)));
        Ok(services)
    }
}
