//! The emulator without sockets or threads. A function answers requests by the same rules as the server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::api::exchange::{Reply, Request};
use crate::core::Core;
use crate::options::Options;
use crate::state::{StoreError, World};

/// An emulator that is called as a function, without a network. Simulations in virtual time use it.
pub struct InProcess {
    core: Mutex<Core>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl InProcess {
    /// Opens the state file and applies the seed. Ignores the address, the observer and the faults in `options`.
    ///
    /// # Errors
    ///
    /// Errors if the state file can't be used.
    pub fn open(mut options: Options) -> Result<Self, StoreError> {
        let clock = Arc::clone(&options.clock);
        let core = Core::open(&mut options, clock())?;
        Ok(Self { core: Mutex::new(core), clock })
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request. `target` is the path and query as a client would send them. The names of the headers must be
    /// in lower case.
    pub fn answer(&self, method: &str, target: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Reply {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let (method, path) = (method.to_owned(), path.to_owned());
        let request = Request { method, path, query, headers, body, now: (self.clock)() };
        self.core().answer(&request).into()
    }

    /// Returns a copy of the current state.
    pub fn world(&self) -> World {
        self.core().world.clone()
    }

    /// Changes the state as an operator would, without applying the API's rules.
    ///
    /// # Errors
    ///
    /// Errors if the state file can't be written. In this case, nothing changes.
    pub fn edit(&self, change: impl FnOnce(&mut World)) -> Result<(), StoreError> {
        self.core().edit(change)
    }
}
