//! `amigops emulator`: the APIs on a port, for rehearsals and other tools. May import everything.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::interrupts::{Signals, over};
use super::{Context, connect};
use crate::emulator::{Limits, Options};
use crate::error::{Failure, Success};

/// Arguments of `emulator`.
#[derive(Debug, Args)]
pub(super) struct Emulator {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8787)]
    port: u16,
    /// The file that keeps the state; without it, the state is gone with the process
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// What exists at first
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Whether requests are limited as documented
    #[arg(long, value_name = "LIMITS", default_value = "documented")]
    limits: LimitsArg,
    /// How long the limits' minute is, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    limit_window: f64,
    /// How long a token lives, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    token_lifetime: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LimitsArg {
    Documented,
    Off,
}

impl Emulator {
    /// Serves until interrupted. The address goes to stdout once requests are taken.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let window = Duration::try_from_secs_f64(self.limit_window)
            .ok()
            .filter(|window| !window.is_zero())
            .ok_or_else(|| Failure::other("--limit-window must be a positive number of seconds"))?;
        let clock = context.env.clone();
        let mut options = Options::new(Arc::new(move || clock.now()));
        options.listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port);
        options.state.clone_from(&self.state);
        options.seed = self.seed.as_deref().map(connect::read_seed).transpose()?;
        options.limits = match self.limits {
            LimitsArg::Documented => Limits::Documented { window },
            LimitsArg::Off => Limits::Off,
        };
        options.token_lifetime = Duration::from_secs(self.token_lifetime);
        let mut signals = Signals::catch()?;
        let server = connect::start(options)?;
        context.ui.result(&format!("{}\n", server.url()));
        context
            .ui
            .note("both APIs are emulated at this address, the Classic and the Platform one; Ctrl-C ends it");
        tokio::select! {
            () = signals.next() => {}
            () = over(context.deadline) => {}
        }
        server.stop();
        Ok(Success::Done)
    }
}
