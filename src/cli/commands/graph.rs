//! `amigops graph`: prints the steps of a plan and their order as a graph.

use clap::{Args, ValueEnum};

use crate::cli::context::Context;
use crate::cli::prepare::{PlanArgs, Prepared};
use crate::error::{Failure, Success};
use crate::report::graph;

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub(in crate::cli) struct GraphCommand {
    #[command(flatten)]
    plan: PlanArgs,
    /// Graph language to print
    #[arg(long, value_name = "FORMAT", default_value = "mermaid")]
    format: Language,
}

/// A language in which `graph` can print the steps of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Mermaid, which GitHub and GitLab render
    Mermaid,
    /// DOT, which Graphviz renders
    Dot,
}

impl GraphCommand {
    /// Reads the live state, makes a plan, and prints its graph. Changes nothing live.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let prepared = Prepared::new(context, &self.plan)?;
        let (_, plan) = prepared.plan(prepared.connection.read()).await?;
        let text = match self.format {
            Language::Mermaid => graph::mermaid(&plan),
            Language::Dot => graph::dot(&plan),
        };
        context.ui.result(&text);
        Ok(Success::Done)
    }
}
