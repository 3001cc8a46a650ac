//! The command line: global arguments, the commands, and the modules that the commands share.

mod allowlist;
mod apply_record;
mod base;
mod commands;
mod connect;
mod execute;
mod files;
mod git;
mod importer;
mod interrupts;
mod manifest_edits;
mod metrics_file;
mod new_project;
mod outdated_pins;
mod plan_output;
mod prepare;
mod promotion;
mod saved_plan;
mod secrets;
mod summary_file;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, ValueEnum};
use tokio::time::Instant;

use self::commands::Command;
use crate::env::Env;
use crate::error::{self, Failure, Success};
use crate::remote::{Budgets, Stop, StopReason};
use crate::ui::{Ui, Verbosity};

/// Manages the services of a conversational-agent organization from YAML manifests: plan, apply, watch for drift.
#[derive(Debug, Parser)]
#[command(name = "amigops", version, about, max_term_width = 100, styles = styles(), disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 success · 1 error · 2 pending changes (plan --detailed-exitcode) or drift · \
                        3 refused by a rule · 4 partly applied · 130 interrupted"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The arguments that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Environment in amigops.yaml to use [default: its `default_environment`]
    #[arg(short = 'e', long = "env", global = true, value_name = "ENV")]
    env: Option<String>,
    /// Directory of the project, or one inside it
    #[arg(short = 'C', long, global = true, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// When to use colors; `auto` respects NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Print only results (stdout) and errors (stderr)
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log each request without its body; -vvv also logs connections
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Format of the log
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Maximum number of concurrent steps
    #[arg(long, global = true, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallelism: u16,
    /// Start no new steps after TIME (`90s`, `10m`, `1h 30m`); finished steps are kept
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Parses a duration such as `1h 30m`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let hint = "a time such as 90s, 10m or 1h 30m";
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| format!("expected {hint}"))?;
    let time = Duration::try_from(parsed)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("expected {hint}, longer than 0"))?;
    match Instant::now().checked_add(time) {
        Some(_) => Ok(time),
        None => Err(format!("expected {hint}; this one is too long")),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn styles() -> Styles {
    Styles::styled().header(AnsiColor::Green.on_default().bold()).literal(AnsiColor::Cyan.on_default())
}

/// Runs the command that the arguments name, and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>, env: &Env) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        // Wrong arguments end with 1, not with clap's 2, which means "pending changes" here.
        Err(error) => {
            let code = if error.use_stderr() { error::exit_code::ERROR } else { error::exit_code::DONE };
            return if error.print().is_ok() { code } else { error::exit_code::ERROR };
        }
    };
    let ui = Ui::new(cli.global.color_choice(), cli.global.verbosity());
    secrets::read_secrets(env).iter().for_each(|secret| ui.hide(secret));
    cli.global.start_logging(&ui);
    let result = run(&cli, &ui, env);
    ui.end_progress();
    if let Err(failure) = &result {
        ui.failure(failure);
    }
    match error::exit_code(&result) {
        error::exit_code::DONE if ui.is_broken() => error::exit_code::ERROR,
        code => code,
    }
}

fn run(cli: &Cli, ui: &Ui, env: &Env) -> Result<Success, Failure> {
    // One thread is enough: planning is fast, and the rest of the time is spent waiting for answers.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("can't start the async runtime: {error}")))?;
    runtime.block_on(async {
        let deadline = cli.global.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (stop, budgets) = (Stop::default(), Budgets::default());
        let context = Context { global: &cli.global, ui, env, stop, deadline, budgets };
        cli.command.run(&context).await
    })
}

/// The global arguments, the terminal, the process environment and the stop signal, for every command.
pub(crate) struct Context<'a> {
    global: &'a Global,
    ui: &'a Ui,
    env: &'a Env,
    stop: Stop,
    /// When `--timeout` ends the run.
    deadline: Option<Instant>,
    budgets: Budgets,
}

impl Context<'_> {
    /// Runs work that changes nothing live, and ends it at once on a signal or at the deadline.
    async fn run_until_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.stop_failure(self.stop.reason().unwrap_or_default())),
            result = work => result,
            () = interrupts::wait_until(self.deadline) => Err(self.timeout_failure()),
        }
    }

    /// Returns why no new step may start, or `None` if it may.
    ///
    /// Compares the clock with the deadline itself: the task that waits for the deadline may not have been woken yet.
    fn stop_reason(&self) -> Option<StopReason> {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.stop.cancel(StopReason::Timeout);
        }
        self.stop.reason()
    }

    /// Returns the failure of a run that was cancelled.
    fn stop_failure(&self, why: StopReason) -> Failure {
        match why {
            StopReason::Interrupt => Failure::Interrupted,
            StopReason::Timeout => self.timeout_failure(),
        }
    }

    fn timeout_failure(&self) -> Failure {
        Failure::OutOfTime { timeout: self.global.timeout.unwrap_or_default() }
    }
}

impl Global {
    fn color_choice(&self) -> ColorChoice {
        match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }

    fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        }
    }

    /// Sends logs to stderr if `--verbose` is given. Requests are logged without headers and bodies.
    fn start_logging(&self, ui: &Ui) {
        let own_level = match self.verbose {
            0 => return,
            1 => tracing::Level::DEBUG,
            _ => tracing::Level::TRACE,
        };
        let library_level = if self.verbose > 2 { tracing::Level::DEBUG } else { tracing::Level::WARN };
        let filter = tracing_subscriber::filter::Targets::new()
            .with_default(library_level)
            .with_target("amigops", own_level);
        let ui = ui.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || ui.log_writer());
        use tracing_subscriber::layer::{Layer, SubscriberExt};
        use tracing_subscriber::util::SubscriberInitExt;
        let registry = tracing_subscriber::registry();
        // A second initialization, as in tests, fails; the first one stays in force.
        let _ = match self.log_format {
            LogFormat::Text => {
                let ansi = anstream::AutoStream::new(std::io::stderr(), self.color_choice()).current_choice()
                    != ColorChoice::Never;
                registry.with(layer.with_ansi(ansi).with_filter(filter)).try_init()
            }
            LogFormat::Json => registry.with(layer.json().with_filter(filter)).try_init(),
        };
    }
}
