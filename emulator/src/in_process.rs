//! The emulator without sockets or threads: takes a request and returns the answer by the same rules.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::api::exchange::{Reply, Request};
use crate::core::Core;
use crate::options::Options;
use crate::state::{StoreError, World};

/// Both APIs, called directly. Simulations with virtual time use this.
pub struct InProcess {
    core: Mutex<Core>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl InProcess {
    /// Opens the state file and applies the seed. Ignores the address, the observer and the faults.
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

    /// Answers a request. `target` is the path with its query as sent; header names are in lower case.
    pub fn answer(&self, method: &str, target: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Reply {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let (method, path) = (method.to_owned(), path.to_owned());
        let request = Request { method, path, query, headers, body, now: (self.clock)() };
        self.core().answer(&request).into()
    }

    /// Returns a copy of the current world.
    pub fn world(&self) -> World {
        self.core().world.clone()
    }

    /// Changes the world as an operator would, without the API's rules.
    ///
    /// # Errors
    ///
    /// Errors if the state file can't be written. Nothing is changed then.
    pub fn edit(&self, change: impl FnOnce(&mut World)) -> Result<(), StoreError> {
        self.core().edit(change)
    }
}
