//! The settings of an emulator.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::api::limits::Limits;
use crate::faults::Rule;
use crate::observer::Observer;
use crate::platform::PlatformOptions;
use crate::seed::Seed;

/// The settings of an emulator.
pub struct Options {
    /// The address to listen on. If its port is 0, the system picks a free port.
    pub listen: SocketAddr,
    /// The path of the state file. If `None`, the state is kept in memory.
    pub state: Option<PathBuf>,
    /// The state file, if the caller has already opened it. Even then, `state` must contain its path.
    pub opened_state: Option<File>,
    /// The initial organizations and workspaces.
    pub seed: Option<Seed>,
    /// The rate limits that the emulator enforces.
    pub limits: Limits,
    /// The time after which a sign-in token of the Classic API expires.
    pub token_lifetime: Duration,
    /// Settings for questions that the Platform API's contract leaves open.
    pub platform: PlatformOptions,
    /// The clock: a function that returns the current time. Simulations pass a function that returns virtual time.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// A hook that is called before and after each request.
    pub observer: Option<Arc<dyn Observer>>,
    /// The rules for injecting faults. They have an effect only in a [`Server`](crate::Server). Code that calls
    /// [`InProcess`](crate::InProcess) must inject faults itself.
    pub faults: Vec<Rule>,
}

impl Options {
    /// Returns settings for an emulator that listens on a free loopback port and keeps its state in memory. It has no
    /// rate limits and no observer.
    pub fn new(clock: Arc<dyn Fn() -> SystemTime + Send + Sync>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state: None,
            opened_state: None,
            seed: None,
            limits: Limits::Off,
            token_lifetime: Duration::from_secs(3600),
            platform: PlatformOptions::default(),
            clock,
            observer: None,
            faults: Vec::new(),
        }
    }
}
