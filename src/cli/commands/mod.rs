//! The commands. Each file contains one command: its arguments and its `run` function.
//!
//! Code that several commands share is in modules next to this directory. Each module is named after its purpose.

mod apply;
mod completions;
mod drift;
mod emulator;
mod graph;
mod ids;
mod import;
mod init;
mod man;
mod outdated;
mod plan;
mod promote;
mod schema;
mod unmanage;
mod validate;

use clap::Subcommand;

use super::context::Context;
use crate::error::{Failure, Success};

/// A command and its arguments.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a project that runs on the built-in sandbox
    Init(init::Init),
    /// Write manifests for live services, and update existing manifests
    Import(import::Import),
    /// Check the manifests offline and report every problem
    Validate(validate::Validate),
    /// Show what `apply` would change
    Plan(plan::PlanCommand),
    /// Change the live services to match the manifests
    Apply(apply::Apply),
    /// Print the steps of a plan and their order as a graph
    Graph(graph::GraphCommand),
    /// Report where live services differ from the manifests, without changing anything
    Drift(drift::DriftCommand),
    /// Stop managing live services: remove the ownership tag, and leave everything else as it is
    Unmanage(unmanage::UnmanageCommand),
    /// Copy the pinned versions of one version set to another, in the manifests
    Promote(promote::Promote),
    /// List pinned versions that are not the newest, and optionally raise them
    Outdated(outdated::OutdatedCommand),
    /// Print the id of each declared service
    Ids(ids::IdsCommand),
    /// Serve an emulator of both APIs on a local port
    Emulator(emulator::Emulator),
    /// Print a JSON Schema, for editors and validators
    Schema(schema::SchemaCommand),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one page for each command
    Man(man::Man),
}

impl Command {
    /// Runs the command with its arguments, and returns its result.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        match self {
            // These commands handle signals and the timeout themselves, because they still have work to do after a
            // signal, such as reporting the result.
            Self::Apply(command) => command.run(context).await,
            Self::Unmanage(command) => command.run(context).await,
            Self::Drift(command) => command.run(context).await,
            Self::Emulator(command) => command.run(context).await,
            Self::Init(command) => context.run_until_stopped(command.run(context)).await,
            Self::Import(command) => context.run_until_stopped(command.run(context)).await,
            Self::Plan(command) => context.run_until_stopped(command.run(context)).await,
            Self::Graph(command) => context.run_until_stopped(command.run(context)).await,
            Self::Outdated(command) => context.run_until_stopped(command.run(context)).await,
            Self::Ids(command) => context.run_until_stopped(command.run(context)).await,
            Self::Validate(command) => command.run(context),
            Self::Promote(command) => command.run(context),
            Self::Schema(command) => command.run(context),
            Self::Completions(command) => command.run(context),
            Self::Man(command) => command.run(context),
        }
    }
}
