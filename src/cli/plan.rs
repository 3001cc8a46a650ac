//! `amigops plan`: shows what an apply would do. May import everything.

use std::path::PathBuf;

use clap::Args;

use super::prepare::{PlanArgs, Prepared};
use super::show::{self, Asked, Format, Part};
use super::{Context, saved};
use crate::error::{Failure, Success};
use crate::model::Snapshot;
use crate::plan::PlanError;

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
    /// Save the plan, for `apply FILE` to carry out exactly it; its owner alone may read the file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl PlanCommand {
    /// Reads, plans, shows. Sends nothing that writes.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let mut prepared = Prepared::new(context, &self.plan)?;
        if self.out.is_some() {
            // What is saved is to be applied.
            prepared.can_tell_conflicts(&self.plan)?;
        }
        let (snapshot, planned) = prepared.read_and_plan(prepared.connection.read(), |_| false).await?;
        let plan = match planned {
            Err(Failure::Plan(refused)) if refused.is_refusal() => {
                return self.show_refused(context, &mut prepared, snapshot, refused).await;
            }
            judged => judged?,
        };
        let pending = self.detailed_exitcode && !plan.is_empty();
        let whole = self.out.is_some() || self.format.needs_document();
        let part = Part::new(&prepared, prepared.origin(context), &snapshot, plan, whole);
        if let (Some(path), Some(document)) = (&self.out, part.document()) {
            saved::write(path, document)?;
            context.ui.note(&format!("saved to {}", path.display()));
        }
        show::show(context, self.format, "plan", Asked::One, &[part]);
        Ok(if pending { Success::ChangesPending } else { Success::Done })
    }

    /// Shows what would happen if no rule stood against it, and which ones do, by what was read before. It is not
    /// saved.
    async fn show_refused(
        &self,
        context: &Context<'_>,
        prepared: &mut Prepared,
        snapshot: Snapshot,
        refused: PlanError,
    ) -> Result<Success, Failure> {
        prepared.options.enforce_guardrails = false;
        // Where there is something else to it, the refusal is all there is to say.
        if let Ok(part) = self.unruled(context, prepared, snapshot).await {
            show::show(context, self.format, "plan", Asked::One, &[part]);
        }
        Err(refused.into())
    }

    async fn unruled(
        &self,
        context: &Context<'_>,
        prepared: &Prepared,
        snapshot: Snapshot,
    ) -> Result<Part, Failure> {
        let api = prepared.connection.read();
        let snapshot = prepared.complete(api, snapshot).await?;
        let plan = prepared.judge(api, &snapshot).await?;
        let whole = self.format.needs_document();
        Ok(Part::new(prepared, prepared.origin(context), &snapshot, plan, whole))
    }
}
