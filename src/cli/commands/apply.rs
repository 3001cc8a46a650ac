//! `amigops apply`: makes a plan, shows it, asks for confirmation, executes the plan, and reads the live state back.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::Context;
use crate::cli::apply_record::ApplyRecord;
use crate::cli::approval;
use crate::cli::base;
use crate::cli::execute::{Execution, Format, Scope};
use crate::cli::interrupts::Interrupts;
use crate::cli::prepare::{ComparedManifests, PlanArgs, Prepared};
use crate::cli::saved_plan::{self, LockedPlan};
use crate::cli::summary_file::SummaryFile;
use crate::error::{Failure, Success};
use crate::model::Snapshot;
use crate::plan::{self, Origin, Plan, PlanError};
use crate::plan_file::PlanDocument;
use crate::report::{Mode, events, human};

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Apply {
    /// Plan that `plan --out` saved; it is applied only if planning again gives the same plan, and options that relax a
    /// guardrail must be given again
    #[arg(value_name = "PLAN", conflicts_with_all = ["only", "base"])]
    saved_plan: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Apply without asking for confirmation; needed where stdin is not a terminal
    #[arg(long)]
    auto_approve: bool,
    /// Output format; `json` prints one line for the plan, one for each step and one for the end
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Overwrite live changes and newer commits with which the plan conflicts
    #[arg(long)]
    overwrite_drift: bool,
    /// Append a Markdown summary of the run to FILE, for the page of a CI job
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// An approved plan that is ready to execute.
struct Approved<'s> {
    prepared: &'s Prepared,
    plan: &'s Plan,
    snapshot: Snapshot,
    scope: Scope,
    /// The saved plan and its file, if the plan comes from a file.
    saved: Option<(LockedPlan, PlanDocument)>,
}

impl Apply {
    /// Runs the command, and reports the result in the summary file and in the JSON output.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let record = ApplyRecord::new(context.global.env.as_deref());
        // Open the summary before anything is sent, so that an unusable path stops the run early.
        let result = match self.summary.as_deref().map(SummaryFile::open).transpose() {
            Ok(mut summary) => {
                let result = self.apply(context, &record).await;
                match &mut summary {
                    Some(summary) => summary.append(context, &record, result),
                    None => result,
                }
            }
            Err(failure) => Err(failure),
        };
        if self.format == Format::Json {
            context.ui.data(&record.conclusion(&result, context.stop.reason()));
        }
        result
    }

    async fn apply(&self, context: &Context<'_>, record: &ApplyRecord) -> Result<Success, Failure> {
        let mut interrupts = Interrupts::catch()?;
        let approved = match &self.saved_plan {
            Some(path) => {
                interrupts.run_until_stopped(context, self.prepare_saved_plan(context, path, record)).await?
            }
            None => interrupts.run_until_stopped(context, self.prepare_new_plan(context, record)).await?,
        };
        let Some(Approved { prepared, plan, snapshot, scope, saved }) = approved else {
            return Ok(Success::Done);
        };
        // Keep the lock until the end, so that no other process applies the same file.
        let _lock = match saved {
            Some((locked, document)) => {
                saved_plan::mark_applied(context, &locked, document)?;
                Some(locked)
            }
            None => None,
        };
        let execution = Execution { context, prepared, plan, scope, format: self.format, record };
        execution.execute(&snapshot, &mut interrupts).await
    }

    /// Makes a plan, and asks the user for confirmation. Returns `None` if there is nothing to do.
    async fn prepare_new_plan<'s>(
        &self,
        context: &Context<'_>,
        record: &'s ApplyRecord,
    ) -> Result<Option<Approved<'s>>, Failure> {
        let prepared = record.set_prepared(Prepared::new(context, &self.plan)?);
        if !self.overwrite_drift {
            prepared.check_base_readable(&self.plan)?;
        }
        let (snapshot, plan) = prepared.plan(prepared.connection.read()).await?;
        let plan = prepared.with_causes(context, &snapshot, plan).await?;
        let (plan, origin) = record.set_plan(plan, prepared.origin(context));
        self.show(context, plan, origin, || prepared.document(origin, &snapshot, plan))?;
        if plan.is_empty() {
            record.set_nothing_to_do(plan);
            return Ok(None);
        }
        self.refuse_conflicts(plan)?;
        approval::approve(context, prepared, "Apply this to", self.auto_approve).await?;
        Ok(Some(Approved { prepared, plan, snapshot, scope: Scope::Everything, saved: None }))
    }

    /// Makes a saved plan again, and checks that the new plan equals the saved plan. Returns `None` if there is nothing
    /// to do.
    ///
    /// The new plan is executed, because it has been verified. The saved plan is only compared with it, because anyone
    /// could have edited the file.
    async fn prepare_saved_plan<'s>(
        &self,
        context: &Context<'_>,
        path: &Path,
        record: &'s ApplyRecord,
    ) -> Result<Option<Approved<'s>>, Failure> {
        let (locked, document) = saved_plan::read(path)?;
        record.set_environment(&document.environment);
        let project = saved_plan::check_environment(&document, context)?;
        // If the plan was made with pruning, `prune: true` in amigops.yaml allows that without a flag. If it was made
        // without pruning, `prune: true` has no effect here.
        let prune = document.options.prune && project.prunes(&document.environment);
        saved_plan::check_options(&document, path, &self.plan.chosen(prune))?;
        let mut prepared = Prepared::for_saved(context, &self.plan, &document)?;
        if let Some(base) = &document.base {
            prepared.compared = if self.overwrite_drift {
                ComparedManifests::Nothing
            } else {
                ComparedManifests::Base(Box::new(base::read_recorded(context, &prepared.loaded, base)?))
            };
        }
        let prepared = record.set_prepared(prepared);
        saved_plan::check_organization(&document, prepared)?;
        let (snapshot, plan) = saved_plan::plan_again(&document, prepared).await?;
        let plan = prepared.with_causes(context, &snapshot, plan).await?;
        let current = prepared.document(&document.origin(), &snapshot, &plan);
        saved_plan::check_same(&document, &current)?;
        let (plan, origin) = record.set_plan(plan, document.origin());
        self.show(context, plan, origin, || current)?;
        if plan.is_empty() {
            record.set_nothing_to_do(plan);
            return Ok(None);
        }
        self.refuse_conflicts(plan)?;
        let saved = Some((locked, document));
        Ok(Some(Approved { prepared, plan, snapshot, scope: Scope::ThePlan, saved }))
    }

    /// Prints the plan. Fails if it can't be printed, because a plan that the user has not seen must not be applied.
    fn show(
        &self,
        context: &Context<'_>,
        plan: &Plan,
        origin: &Origin,
        document: impl FnOnce() -> PlanDocument,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Human => context.ui.result(&human::plan(Mode::Apply, plan, origin)),
            Format::Json => context.ui.data(&events::plan(&document())),
        }
        approval::check_shown(context)
    }

    /// Refuses a plan with conflicts, unless `--overwrite-drift` is given.
    fn refuse_conflicts(&self, plan: &Plan) -> Result<(), Failure> {
        let problems = if self.overwrite_drift { Vec::new() } else { plan::conflicts(plan) };
        if problems.is_empty() { Ok(()) } else { Err(PlanError { problems }.into()) }
    }
}
