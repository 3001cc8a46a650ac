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

/// The settings of a server.
pub struct Options {
    /// The address to listen on. Port 0 picks a free port.
    pub listen: SocketAddr,
    /// The state file. `None` keeps the state in memory.
    pub state: Option<PathBuf>,
    /// The open file that `state` names, if the caller has opened it already.
    pub opened_state: Option<File>,
    /// The initial organizations and workspaces.
    pub seed: Option<Seed>,
    /// The rate limits to enforce.
    pub limits: Limits,
    /// The lifetime of a token.
    pub token_lifetime: Duration,
    /// Choices where the Platform API's contract is open.
    pub platform: PlatformOptions,
    /// The source of the current time.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// A hook that is called for each request.
    pub observer: Option<Arc<dyn Observer>>,
    /// Faults to inject. Only [`Server`](crate::Server) uses them: callers of [`InProcess`](crate::InProcess) inject their
    /// own.
    pub faults: Vec<Rule>,
}

impl Options {
    /// A server in memory on a free loopback port, without limits and without an observer.
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
