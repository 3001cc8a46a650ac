//! Services read by id just before a step acts; steps that read at the same time share a request.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::sync::Mutex;

use super::step::Runner;
use crate::model::{Endpoint, LiveService, ServiceId};
use crate::remote::{ApiError, WriteApi};

/// The services that one request reads at most.
const IDS_A_REQUEST: usize = 20;

/// Services by id; those that are gone are not in it.
pub(super) type Services = BTreeMap<ServiceId, LiveService>;

/// The reads that wait for the next request.
#[derive(Default)]
pub(super) struct SharedReads {
    /// Held by the step that reads for all that wait.
    turn: Mutex<()>,
    waiting: RefCell<Vec<Rc<SharedRead>>>,
}

/// One step's read.
struct SharedRead {
    ids: BTreeSet<ServiceId>,
    answer: RefCell<Option<Result<Rc<Services>, ApiError>>>,
}

impl<A: WriteApi> Runner<'_, A> {
    /// Reads services as they are now.
    pub(super) async fn read(&self, ids: &BTreeSet<ServiceId>) -> Result<Rc<Services>, ApiError> {
        if !self.kind.reads_services_together() {
            return Ok(Rc::new(by_id(self.api.services_by_id(ids).await?)));
        }
        let own = Rc::new(SharedRead { ids: ids.clone(), answer: RefCell::default() });
        self.reads.waiting.borrow_mut().push(Rc::clone(&own));
        let _turn = self.reads.turn.lock().await;
        if let Some(answer) = own.answer.take() {
            return answer;
        }
        // Steps that ask before the limit has room for the request share it.
        let reserved = self.api.reserve(Endpoint::ListServices, 1).await;
        // Steps that have become ready together with this one are about to ask.
        tokio::task::yield_now().await;
        let batch = self.next_batch();
        let wanted: BTreeSet<ServiceId> = batch.iter().flat_map(|read| read.ids.iter().cloned()).collect();
        let answer = match reserved {
            Ok(reserved) => self.api.with_reservation(&reserved).services_by_id(&wanted).await,
            Err(error) => Err(error),
        };
        let answer = answer.map(|services| Rc::new(by_id(services)));
        for read in &batch {
            *read.answer.borrow_mut() = Some(answer.clone());
        }
        answer
    }

    /// The reads that fit into one request, in the order in which they were asked for.
    fn next_batch(&self) -> Vec<Rc<SharedRead>> {
        let mut waiting = self.reads.waiting.borrow_mut();
        let mut ids: BTreeSet<&ServiceId> = BTreeSet::new();
        let mut count = 0;
        for read in waiting.iter() {
            ids.extend(&read.ids);
            if count > 0 && ids.len() > IDS_A_REQUEST {
                break;
            }
            count += 1;
        }
        waiting.drain(..count).collect()
    }
}

fn by_id(services: Vec<LiveService>) -> Services {
    services.into_iter().map(|service| (service.id.clone(), service)).collect()
}
