//! `amigops plan`: shows what `apply` would change.

use std::path::PathBuf;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::plan_output::{self, Format, Part, Requested};
use crate::cli::prepare::{self, PlanArgs, Prepared};
use crate::cli::saved_plan;
use crate::error::{Failure, Success};
use crate::model::Snapshot;
use crate::plan::{self, PlanError};
use crate::report::Mode;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PlanCommand {
    #[command(flatten)]
    plan: PlanArgs,
    /// Exit with code 2 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Exit with code 0 or 2 even if the plan has conflicts, which `apply` refuses; without this flag, the exit code is 3
    #[arg(long)]
    allow_conflicts: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Save the plan to FILE, so that `apply FILE` applies exactly this plan; only its owner can read the file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl PlanCommand {
    /// Reads the live state, makes a plan, and prints it. Changes nothing live.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let loaded = prepare::load(context, &context.load_options())?;
        if let Some(path) = &self.out {
            saved_plan::check_can_save(path, &loaded.project)?;
        }
        let mut prepared = Prepared::from_loaded(context, &self.plan, loaded)?;
        if self.out.is_some() {
            // A saved plan will be applied, so conflicts must be known now.
            prepared.check_base_readable(&self.plan)?;
        }
        let (snapshot, planned) = prepared.read_and_plan(prepared.connection.read(), |_| false).await?;
        let plan = match planned {
            Err(Failure::Plan(refused)) if refused.is_refusal() => {
                return self.show_refused(context, &mut prepared, snapshot, refused).await;
            }
            planned => planned?,
        };
        let plan = prepared.with_causes(context, &snapshot, plan).await?;
        let pending = self.detailed_exitcode && !plan.is_empty();
        let conflicts = if self.allow_conflicts { Vec::new() } else { plan::conflicts(&plan) };
        let with_document = self.out.is_some() || self.format.needs_document();
        let part = Part::new(&prepared, prepared.origin(context), &snapshot, plan, with_document);
        if let (Some(path), Some(document)) = (&self.out, part.document()) {
            saved_plan::write(path, document)?;
            context.ui.note(&format!("saved the plan to {}", path.display()));
        }
        plan_output::print(context, self.format, Mode::Plan, Requested::One, &[part]);
        if !conflicts.is_empty() {
            return Err(Failure::Conflicts(PlanError { problems: conflicts }));
        }
        Ok(if pending { Success::ChangesPending } else { Success::Done })
    }

    /// Prints a plan that a guardrail refuses, and returns the refusal as an error. The plan is not saved.
    async fn show_refused(
        &self,
        context: &Context<'_>,
        prepared: &mut Prepared,
        snapshot: Snapshot,
        refused: PlanError,
    ) -> Result<Success, Failure> {
        prepared.options.enforce_guardrails = false;
        // If the plan can't be made even without guardrails, only the refusal is reported.
        if let Ok(part) = self.plan_without_guardrails(context, prepared, snapshot).await {
            plan_output::print(context, self.format, Mode::Plan, Requested::One, &[part]);
        }
        Err(refused.into())
    }

    async fn plan_without_guardrails(
        &self,
        context: &Context<'_>,
        prepared: &Prepared,
        snapshot: Snapshot,
    ) -> Result<Part, Failure> {
        let api = prepared.connection.read();
        let snapshot = prepared.complete(api, snapshot).await?;
        let plan = prepared.plan_from(&snapshot)?;
        let plan = prepared.with_causes(context, &snapshot, plan).await?;
        let with_document = self.format.needs_document();
        Ok(Part::new(prepared, prepared.origin(context), &snapshot, plan, with_document))
    }
}
