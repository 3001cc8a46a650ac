//! `amigops graph`: the order of a plan's steps. May import everything.

use clap::{Args, ValueEnum};

use super::Context;
use super::prepare::{PlanArgs, Prepared};
use crate::error::{Failure, Success};
use crate::report::graph;

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub(super) struct GraphCommand {
    #[command(flatten)]
    plan: PlanArgs,
    /// The language of the graph
    #[arg(long, value_name = "FORMAT", default_value = "mermaid")]
    format: Language,
}

/// The languages of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// What GitHub and GitLab draw
    Mermaid,
    /// What Graphviz draws
    Dot,
}

impl GraphCommand {
    /// Reads, plans, prints the graph. Sends nothing that writes.
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
