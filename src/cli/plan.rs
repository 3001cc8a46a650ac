//! `amigops plan`: shows what an apply would do. May import everything.

use clap::Args;

use super::Context;
use super::prepare::{PlanArgs, Prepared};
use crate::error::{Failure, Success};
use crate::report::human;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanCommand {
    #[command(flatten)]
    plan: PlanArgs,
    /// End with exit code 2 when there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
}

impl PlanCommand {
    /// Reads, plans, shows. Sends nothing that writes.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let prepared = Prepared::new(context, &self.plan)?;
        let (_, plan) = prepared.plan(prepared.connection.read()).await?;
        context.ui.result(&human::plan(&plan, &prepared.heading("plan")));
        let pending = self.detailed_exitcode && !plan.is_empty();
        Ok(if pending { Success::ChangesPending } else { Success::Done })
    }
}
