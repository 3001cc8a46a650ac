//! The command line: parses the arguments and runs the command that they name.
//!
//! Code that several commands share is in the modules next to `commands`.

mod allowlist;
mod apply_record;
mod approval;
mod base;
mod commands;
mod connect;
mod context;
mod credentials;
mod execute;
mod files;
mod git;
mod global;
mod importer;
mod interrupts;
mod manifest_edits;
mod metrics_file;
mod network;
mod new_project;
mod origin_bases;
mod outdated_pins;
mod plan_output;
mod prepare;
mod promotion;
mod saved_plan;
mod secrets;
mod signals;
mod summary_file;
mod usage_error;
mod user_file;

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, Parser};
use tokio::time::Instant;

use self::commands::Command;
use self::context::Context;
use self::global::Global;
use crate::env::Env;
use crate::error::{self, Failure, Success};
use crate::remote::{Budgets, Stop};
use crate::ui::Ui;

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

fn styles() -> Styles {
    Styles::styled().header(AnsiColor::Green.on_default().bold()).literal(AnsiColor::Cyan.on_default())
}

/// Runs the command that the arguments name, and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>, env: &Env) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        // Use exit code 1 for wrong arguments. clap would use 2, but 2 means "pending changes" in amigops.
        Err(error) => {
            let error = usage_error::with_better_tip(error, &args, &Cli::command());
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
        let definition = Cli::command;
        let context = Context { definition, global: &cli.global, ui, env, stop, deadline, budgets };
        cli.command.run(&context).await
    })
}
