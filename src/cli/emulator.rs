//! `amigops emulator`: the APIs on a port, for rehearsals and other tools. May import everything.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::interrupts::{Signals, over};
use super::{Context, connect};
use crate::error::{Failure, Success};
use crate::report::text;
use crate::ui::Ui;
use amigops_emulator::{Fault, Faults, Limits, Observer, Options, RequestInfo, Rule, WindowEnd};

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
    /// What goes wrong with which requests; each fault that strikes is told
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Whether requests are limited as documented
    #[arg(long, value_name = "LIMITS", default_value = "documented")]
    limits: LimitsArg,
    /// How long the limits' minute is, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    limit_window: f64,
    /// How answers tell the end of the limits' minute
    #[arg(long, value_name = "HOW", default_value = "exact")]
    limit_end: LimitEnd,
    /// How long a token lives, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    token_lifetime: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LimitsArg {
    Documented,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LimitEnd {
    /// It begins and ends with a whole second
    Exact,
    /// It begins with its first request; the second after its end is told
    RoundedUp,
    /// It begins with its first request; the second before its end is told
    RoundedDown,
    /// It begins with its first request; no header tells of limits
    Untold,
}

impl LimitEnd {
    /// The published numbers in windows of this length.
    fn limits(self, window: Duration) -> Limits {
        let told = match self {
            Self::Exact => return Limits::Documented { window },
            Self::RoundedUp => WindowEnd::RoundedUp,
            Self::RoundedDown => WindowEnd::RoundedDown,
            Self::Untold => WindowEnd::NotReported,
        };
        Limits::FromFirstRequest { window, requests: None, window_end: told }
    }
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
            LimitsArg::Documented => self.limit_end.limits(window),
            LimitsArg::Off => Limits::Off,
        };
        options.token_lifetime = Duration::from_secs(self.token_lifetime);
        if let Some(file) = &self.faults {
            options.faults = read_faults(context, file)?;
            options.observer = Some(Arc::new(Teller(context.ui.clone())));
        }
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

/// Tells each fault that strikes.
struct Teller(Ui);

impl Observer for Teller {
    fn fault_injected(&self, request: &RequestInfo, fault: &Fault) {
        let RequestInfo { number, method, path, .. } = request;
        self.0.note(&text::visible(&format!("request {number}, {method} {path}: {fault}")));
    }
}

/// Reads a file of faults; of several things that are wrong with it, each is told.
fn read_faults(context: &Context<'_>, file: &Path) -> Result<Vec<Rule>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::other(format!("the faults can't be read: {}: {error}", file.display())))?;
    Faults::from_yaml(&text).map(|faults| faults.0).map_err(|problems| {
        let told = problems.iter().map(|problem| Failure::other(format!("{}:{problem}", file.display())));
        let mut told: Vec<_> = told.collect();
        let last = told.pop().unwrap_or_else(|| Failure::other(format!("{} is wrong", file.display())));
        told.iter().for_each(|failure| context.ui.failure(failure));
        last.hint("`amigops schema faults` prints what such a file may say; docs/emulator.md explains it")
    })
}
