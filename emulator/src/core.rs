//! Applies the rules of both APIs to their common state, without sockets or threads.

use std::time::SystemTime;

use crate::api::exchange::{Answer, Request};
use crate::classic::Classic;
use crate::options::Options;
use crate::platform::{Platform, is_platform};
use crate::state::{Store, StoreError, World};

/// The two APIs, with the [`World`] that is their common state.
pub(super) struct Core {
    pub(super) world: World,
    store: Store,
    classic: Classic,
    platform: Platform,
}

impl Core {
    /// Opens the state file and applies the seed. Takes the opened state file and the seed out of `options`.
    pub(super) fn open(options: &mut Options, now: SystemTime) -> Result<Self, StoreError> {
        let (store, before) = Store::open(options.state.as_deref(), options.opened_state.take())?;
        let mut world = before.clone();
        if let Some(seed) = options.seed.take() {
            seed.apply(&mut world, now);
            store.save(&before, &world)?;
        }
        let classic = Classic::new(options.limits, options.token_lifetime);
        let platform = Platform::new(options.limits, options.platform);
        Ok(Self { world, store, classic, platform })
    }

    /// Answers a request by the rules of its API. The rules change a copy of the state. If the copy can be stored, it
    /// replaces the state. Otherwise, nothing changes, and the answer has status 503.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let mut next = self.world.clone();
        let answer = if is_platform(&request.path) {
            self.platform.handle(request, &mut next)
        } else {
            self.classic.handle(request, &mut next)
        };
        if next.is_same(&self.world) {
            return answer;
        }
        match self.store.save(&self.world, &next) {
            Ok(()) => {
                self.world = next;
                answer
            }
            Err(error) => Answer::json(503, &serde_json::json!({"detail": error.to_string()})),
        }
    }

    /// Changes the state without applying the API's rules, and stores it. If the state can't be stored, nothing
    /// changes.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut World)) -> Result<(), StoreError> {
        let mut next = self.world.clone();
        change(&mut next);
        self.store.save(&self.world, &next)?;
        self.world = next;
        Ok(())
    }
}
