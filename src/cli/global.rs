//! The global arguments, which every command accepts.

use std::path::PathBuf;
use std::time::Duration;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};
use tokio::time::Instant;

use crate::ui::{Ui, Verbosity};

/// The global arguments, which every command accepts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Environment in amigops.yaml to use [default: its `default_environment`]
    #[arg(short = 'e', long = "env", global = true, value_name = "ENV")]
    pub(super) env: Option<String>,
    /// Directory of the project, or a directory inside it
    #[arg(short = 'C', long, global = true, value_name = "DIR", default_value = ".")]
    pub(super) directory: PathBuf,
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
    pub(super) parallelism: u16,
    /// Start no new steps after TIME (`90s`, `10m`, `1h 30m`); finished steps are kept
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,
}

/// Parses a duration such as `1h 30m`. Fails if it is zero, negative, or so long that the time of its end can't be
/// represented.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let hint = "a time such as 90s, 10m or 1h 30m";
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| format!("expected {hint}"))?;
    let time = Duration::try_from(parsed)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("expected {hint}, longer than 0"))?;
    match Instant::now().checked_add(time) {
        Some(_) => Ok(time),
        None => Err(format!("expected {hint}; this time is too long")),
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

impl Global {
    /// Returns the value of `--color`, which says when the output has colours.
    pub(super) fn color_choice(&self) -> ColorChoice {
        match self.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }

    /// Returns how much is printed on stderr, according to `--quiet` and `--verbose`.
    pub(super) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        }
    }

    /// Sends logs to stderr if `--verbose` is given. Requests are logged without headers and bodies.
    pub(super) fn start_logging(&self, ui: &Ui) {
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
        // Ignore the error: if logging was already started, as in tests, the first configuration stays in use.
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
