//! `amigops plan`: shows what an apply would do. May import everything.

use clap::Args;

use super::Context;
use super::prepare::{PlanArgs, Prepared};
use super::show::{self, Format};
use crate::error::{Failure, Success};
use crate::report::{Planned, Section};

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanCommand {
    #[command(flatten)]
    plan: PlanArgs,
    /// End with exit code 2 when there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    /// How the plan is shown
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

impl PlanCommand {
    /// Reads, plans, shows. Sends nothing that writes.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let prepared = Prepared::new(context, &self.plan)?;
        let (_, plan) = prepared.plan(prepared.connection.read()).await?;
        let origin = prepared.origin(context);
        let section = Section { origin: &origin, outcome: Ok(Planned { plan: &plan, fingerprint: "" }) };
        show::show(context, self.format, "plan", &[section]);
        let pending = self.detailed_exitcode && !plan.is_empty();
        Ok(if pending { Success::ChangesPending } else { Success::Done })
    }
}
