//! `amigops emulator`: serves an emulator of both APIs on a local port, for trial runs and other tools.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::connect;
use crate::cli::context::Context;
use crate::cli::signals::{Signals, wait_until};
use crate::cli::user_file;
use crate::error::{Failure, Success};
use crate::report::text;
use crate::ui::Ui;
use amigops_emulator::{Fault, Faults, Limits, Observer, Options, RequestInfo, Rule, WindowEnd};

/// The maximum size of a file with faults, in bytes.
const MAX_FAULTS_BYTES: u64 = 16 << 20;

/// Arguments of `emulator`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Emulator {
    /// Port on 127.0.0.1; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value_t = 8787)]
    port: u16,
    /// File for the state; without it, the state is lost when the process ends
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// File with the initial agents, context graphs and services
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// File with faults to inject into requests; each injected fault is logged
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Rate limits to enforce
    #[arg(long, value_name = "LIMITS", default_value = "documented")]
    limits: LimitsArg,
    /// Length of a rate-limit window, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    limit_window: f64,
    /// How responses report the end of a rate-limit window
    #[arg(long, value_name = "HOW", default_value = "exact")]
    limit_end: LimitEnd,
    /// Lifetime of a token, in seconds
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
    /// Rate-limit windows start and end on whole seconds
    Exact,
    /// A rate-limit window starts at its first request; the reported end is rounded up
    RoundedUp,
    /// A rate-limit window starts at its first request; the reported end is rounded down
    RoundedDown,
    /// A rate-limit window starts at its first request; responses have no rate-limit headers
    Untold,
}

impl LimitEnd {
    /// Returns the documented rate limits for windows of this length. The value of `--limit-end` says when windows
    /// start and how responses report their end.
    fn limits(self, window: Duration) -> Limits {
        let window_end = match self {
            Self::Exact => return Limits::Documented { window },
            Self::RoundedUp => WindowEnd::RoundedUp,
            Self::RoundedDown => WindowEnd::RoundedDown,
            Self::Untold => WindowEnd::NotReported,
        };
        Limits::FromFirstRequest { window, requests: None, window_end }
    }
}

impl Emulator {
    /// Runs the emulator until a signal or the timeout. Prints its address to stdout as soon as it accepts requests.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let window = Duration::try_from_secs_f64(self.limit_window)
            .ok()
            .filter(|window| !window.is_zero())
            .ok_or_else(|| Failure::other("--limit-window must be a positive number of seconds"))?;
        let clock = context.env.clone();
        let mut options = Options::new(Arc::new(move || clock.now()));
        options.listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port);
        if let Some(state) = &self.state {
            check_state(state)?;
        }
        options.state.clone_from(&self.state);
        options.seed = self.seed.as_deref().map(connect::read_seed).transpose()?;
        options.limits = match self.limits {
            LimitsArg::Documented => self.limit_end.limits(window),
            LimitsArg::Off => Limits::Off,
        };
        options.token_lifetime = Duration::from_secs(self.token_lifetime);
        if let Some(file) = &self.faults {
            options.faults = read_faults(context, file)?;
            options.observer = Some(Arc::new(FaultLogger(context.ui.clone())));
        }
        let mut signals = Signals::catch()?;
        let server = connect::start(options)?;
        context.ui.result(&format!("{}\n", server.url()));
        context
            .ui
            .note("serving both the Classic and the Platform API at this address; press Ctrl-C to stop");
        tokio::select! {
            () = signals.next() => {}
            () = wait_until(context.deadline) => {}
        }
        server.stop();
        Ok(Success::Done)
    }
}

/// Checks that the file for the emulator's state is a regular file, or does not exist yet.
fn check_state(file: &Path) -> Result<(), Failure> {
    user_file::find_target(file)
        .map(|_| ())
        .map_err(|error| Failure::other(format!("can't use the state file `{}`: {error}", file.display())))
}

/// Prints a note to stderr for each fault that the emulator injects.
struct FaultLogger(Ui);

impl Observer for FaultLogger {
    fn fault_injected(&self, request: &RequestInfo, fault: &Fault) {
        let RequestInfo { number, method, path, .. } = request;
        self.0.note(&text::visible(&format!("request {number}, {method} {path}: {fault}")));
    }
}

/// Reads a file with faults to inject. If it is invalid, the error lists every problem.
fn read_faults(context: &Context<'_>, file: &Path) -> Result<Vec<Rule>, Failure> {
    let text = user_file::read_text(file, MAX_FAULTS_BYTES).map_err(|error| {
        Failure::other(format!("can't read the fault file `{}`: {error}", file.display()))
    })?;
    Faults::from_yaml(&text).map(|faults| faults.0).map_err(|problems| {
        let failures = problems.iter().map(|problem| Failure::other(format!("{}:{problem}", file.display())));
        let mut failures: Vec<_> = failures.collect();
        let last = failures
            .pop()
            .unwrap_or_else(|| Failure::other(format!("{} is not a valid fault file", file.display())));
        failures.iter().for_each(|failure| context.ui.failure(failure));
        last.hint("`amigops schema faults` prints the schema of a fault file; docs/faults.md explains it")
    })
}
