//! One command a file: arguments and `run`, thin. May import everything.

mod allowlist;
mod apply;
mod base;
mod carry_out;
mod completions;
mod connect;
mod drift;
mod emulator;
mod files;
mod git;
mod graph;
mod ids;
mod import;
mod init;
mod interrupts;
mod man;
mod metrics;
mod outdated;
mod plan;
mod prepare;
mod promote;
mod rewrite;
mod saved;
mod schema;
mod secrets;
mod show;
mod story;
mod summary_file;
mod validate;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::time::Instant;

use crate::env::Env;
use crate::error::{self, Failure, Success};
use crate::remote::{Budgets, Stop, StopReason};
use crate::ui::{Loudness, Ui};

/// Plans, applies and watches the services of a conversational-agent organization from YAML manifests.
#[derive(Debug, Parser)]
#[command(name = "amigops", version, about, max_term_width = 100, styles = styles(), disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done or nothing to do · 1 an error · 2 changes pending (plan --detailed-exitcode) or drift · \
                        3 refused · 4 applied in part · 130 interrupted"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The environment of amigops.yaml [default: its `default_environment`]
    #[arg(short = 'e', long = "env", global = true, value_name = "ENV")]
    env: Option<String>,
    /// The project's directory, or one below it
    #[arg(short = 'C', long, global = true, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// No progress and no remarks: results on stdout, errors on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log each request (never its contents); -vvv logs connections, too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How logs are written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// The most steps at once
    #[arg(long, global = true, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallelism: u16,
    /// End after so long (`90s`, `10m`, `1h 30m`): nothing new is begun then, and what is done is kept
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

/// Reads a length of time.
fn duration(text: &str) -> Result<Duration, String> {
    let hint = "a time such as 90s, 10m or 1h 30m";
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| format!("expected {hint}"))?;
    let time = Duration::try_from(parsed)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("expected {hint}, more than 0"))?;
    match Instant::now().checked_add(time) {
        Some(_) => Ok(time),
        None => Err(format!("expected {hint}, less than the clock can count")),
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a project that works at once on the embedded sandbox
    Init(init::Init),
    /// Write manifests from the live services, or bring those that are there up to date
    Import(import::Import),
    /// Check manifests offline: every problem in every file
    Validate(validate::Validate),
    /// Show what an apply would do
    Plan(plan::PlanCommand),
    /// Bring the live services to what the manifests say
    Apply(apply::Apply),
    /// Print the order of the plan's steps as a graph
    Graph(graph::GraphCommand),
    /// Show where the live services are no longer as declared, for a schedule: reads, never writes
    Drift(drift::DriftCommand),
    /// Copy a version set's pins in the manifests, comments and layout kept
    Promote(promote::Promote),
    /// Show pins that are not the newest version, and raise them
    Outdated(outdated::OutdatedCommand),
    /// Show each declared service's id
    Ids(ids::IdsCommand),
    /// Run the API emulator on a port
    Emulator(emulator::Emulator),
    /// Print the JSON Schema of a file, for editors and validators
    Schema(schema::SchemaCommand),
    /// Print a shell's completions
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command
    Man(man::Man),
}

fn styles() -> Styles {
    Styles::styled().header(AnsiColor::Green.on_default().bold()).literal(AnsiColor::Cyan.on_default())
}

/// Runs the command that the arguments name, and gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>, env: &Env) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        // Help and version are results; wrong arguments are an error like any other, not "changes pending".
        Err(error) => {
            let code = if error.use_stderr() { error::exit_code::ERROR } else { error::exit_code::DONE };
            return if error.print().is_ok() { code } else { error::exit_code::ERROR };
        }
    };
    let ui = Ui::new(cli.global.color_choice(), cli.global.loudness());
    secrets::of_environment(env).iter().for_each(|secret| ui.hide(secret));
    cli.global.log(&ui);
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
    // One thread: planning is fast, and waiting for answers needs no more.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("the runtime can't be started: {error}")))?;
    runtime.block_on(async {
        let deadline = cli.global.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (stop, budgets) = (Stop::default(), Budgets::default());
        let context = Context { global: &cli.global, ui, env, stop, deadline, budgets };
        let context = &context;
        match &cli.command {
            // These end by themselves, with all that they have begun and all that they have seen.
            Command::Apply(command) => command.run(context).await,
            Command::Drift(command) => command.run(context).await,
            Command::Emulator(command) => command.run(context).await,
            Command::Init(command) => context.in_time(command.run(context)).await,
            Command::Import(command) => context.in_time(command.run(context)).await,
            Command::Plan(command) => context.in_time(command.run(context)).await,
            Command::Graph(command) => context.in_time(command.run(context)).await,
            Command::Outdated(command) => context.in_time(command.run(context)).await,
            Command::Ids(command) => context.in_time(command.run(context)).await,
            Command::Validate(command) => command.run(context),
            Command::Promote(command) => command.run(context),
            Command::Schema(command) => command.run(context),
            Command::Completions(command) => command.run(context),
            Command::Man(command) => command.run(context),
        }
    })
}

/// What every command is handed.
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
    /// Does something that changes nothing live, as long as the run has time and nobody wishes to stop it.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.stopped(self.stop.reason().unwrap_or_default())),
            result = work => result,
            () = interrupts::over(self.deadline) => Err(self.out_of_time()),
        }
    }

    /// Why nothing new may be begun, if so. The clock itself is asked: whoever waits for it may not have been woken.
    fn why_stop(&self) -> Option<StopReason> {
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.stop.cancel(StopReason::Timeout);
        }
        self.stop.reason()
    }

    /// The failure of what was stopped.
    fn stopped(&self, why: StopReason) -> Failure {
        match why {
            StopReason::Interrupt => Failure::Interrupted,
            StopReason::Timeout => self.out_of_time(),
        }
    }

    fn out_of_time(&self) -> Failure {
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

    fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (false, 0) => Loudness::Normal,
            (false, _) => Loudness::Verbose,
        }
    }

    /// Sends logs to stderr, where they were asked for. Requests are logged without headers and bodies.
    fn log(&self, ui: &Ui) {
        let ours = match self.verbose {
            0 => return,
            1 => tracing::Level::DEBUG,
            _ => tracing::Level::TRACE,
        };
        let others = if self.verbose > 2 { tracing::Level::DEBUG } else { tracing::Level::WARN };
        let filter =
            tracing_subscriber::filter::Targets::new().with_default(others).with_target("amigops", ours);
        let ui = ui.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || ui.log_writer());
        use tracing_subscriber::layer::{Layer, SubscriberExt};
        use tracing_subscriber::util::SubscriberInitExt;
        let registry = tracing_subscriber::registry();
        // A second initialization (in tests) keeps the first.
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
