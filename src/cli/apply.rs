//! `amigops apply`: plan, show, confirm, run, read back. May import everything.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Context;
use super::base;
use super::carry_out::{Format, Run, Scope};
use super::interrupts::Interrupts;
use super::prepare::{PlanArgs, Prepared};
use super::saved;
use super::story::Story;
use super::summary_file::SummaryFile;
use crate::error::{Failure, Success};
use crate::model::Snapshot;
use crate::plan::{self, Origin, Plan, PlanError};
use crate::plan_file::Document;
use crate::report::{events, human};

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// A plan that `plan --out` saved: it is made again, and applied if it is the same; options that loosen a rule must
    /// be given again
    #[arg(value_name = "PLAN", conflicts_with_all = ["only", "base"])]
    saved: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    auto_approve: bool,
    /// How the run is told on stdout: with `json`, a line for the plan, for each step and for the end
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Overwrite what --base tells to have changed live since, and what this branch is behind of
    #[arg(long)]
    overwrite_drift: bool,
    /// Add what became of the run to the end of FILE, as Markdown for the page of a CI job
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// What is to be carried out, and against what.
struct Approved<'s> {
    prepared: &'s Prepared,
    plan: &'s Plan,
    snapshot: Snapshot,
    scope: Scope,
    /// The file that the plan is from.
    saved: Option<Saved<'s>>,
}

/// A plan's file.
struct Saved<'s> {
    claimed: File,
    path: &'s Path,
    document: Document,
}

impl Apply {
    /// Plans, shows the plan, asks, runs it, and reads back what became of it.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let story = Story::new(context.global.env.as_deref());
        // Before anything is sent: a run that can't be summed up at its end is not begun.
        let result = match self.summary.as_deref().map(SummaryFile::open).transpose() {
            Ok(mut summary) => {
                let result = self.apply(context, &story).await;
                match &mut summary {
                    Some(summary) => summary.add(context, &story, result),
                    None => result,
                }
            }
            Err(failure) => Err(failure),
        };
        if self.format == Format::Json {
            context.ui.data(&story.conclusion(&result, context.stop.reason()));
        }
        result
    }

    async fn apply(&self, context: &Context<'_>, story: &Story) -> Result<Success, Failure> {
        let mut interrupts = Interrupts::catch()?;
        let approved = match &self.saved {
            Some(path) => interrupts.unless_stopped(context, self.saved_plan(context, path, story)).await?,
            None => interrupts.unless_stopped(context, self.new_plan(context, story)).await?,
        };
        let Some(Approved { prepared, plan, snapshot, scope, saved }) = approved else {
            return Ok(Success::Done);
        };
        // Held to the end: nobody else applies the same file meanwhile.
        let _claimed = match saved {
            Some(Saved { claimed, path, document }) => {
                saved::mark(context, path, document)?;
                Some(claimed)
            }
            None => None,
        };
        let run = Run::new(context, prepared, plan, scope, self.format, story);
        run.carry_out(&snapshot, &mut interrupts).await
    }

    /// Plans and asks. None where there is nothing to do.
    async fn new_plan<'s>(
        &self,
        context: &Context<'_>,
        story: &'s Story,
    ) -> Result<Option<Approved<'s>>, Failure> {
        let prepared = story.prepared(Prepared::new(context, &self.plan)?);
        if !self.overwrite_drift {
            prepared.can_tell_conflicts(&self.plan)?;
        }
        let (snapshot, plan) = prepared.plan(prepared.connection.read()).await?;
        let (plan, origin) = story.planned(plan, prepared.origin(context));
        self.show(context, plan, origin, || prepared.document(origin, &snapshot, plan))?;
        if plan.is_empty() {
            story.nothing_to_do(plan);
            return Ok(None);
        }
        self.refuse_conflicts(plan)?;
        self.approve(context, prepared).await?;
        Ok(Some(Approved { prepared, plan, snapshot, scope: Scope::Everything, saved: None }))
    }

    /// Makes a saved plan again, and checks that it is the one that was approved. None where there is nothing to do.
    ///
    /// What is run is the plan made again, which the verifier has approved, never what the file says: anyone can edit
    /// a file.
    async fn saved_plan<'s>(
        &self,
        context: &Context<'_>,
        path: &'s Path,
        story: &'s Story,
    ) -> Result<Option<Approved<'s>>, Failure> {
        // What the file says is read only when it is held.
        let claimed = saved::claim(path)?;
        let document = saved::read(path)?;
        story.is_for(&document.environment);
        saved::is_for(&document, context)?;
        saved::has_its_options(&document, path, &self.plan.chosen())?;
        let mut prepared = Prepared::for_saved(context, &self.plan, &document)?;
        if let Some(base) = document.base.as_ref().filter(|_| !self.overwrite_drift) {
            prepared.three_way = Some(base::read_recorded(context, &prepared.loaded, base)?);
        }
        let prepared = story.prepared(prepared);
        saved::belongs(&document, prepared)?;
        let (snapshot, plan) = saved::plan_anew(&document, prepared).await?;
        let anew = prepared.document(&document.origin(), &snapshot, &plan);
        saved::is_same(&document, &anew)?;
        let (plan, origin) = story.planned(plan, document.origin());
        self.show(context, plan, origin, || anew)?;
        if plan.is_empty() {
            story.nothing_to_do(plan);
            return Ok(None);
        }
        self.refuse_conflicts(plan)?;
        let saved = Some(Saved { claimed, path, document });
        Ok(Some(Approved { prepared, plan, snapshot, scope: Scope::ThePlan, saved }))
    }

    /// Shows the plan. What nobody can be shown is not carried out.
    fn show(
        &self,
        context: &Context<'_>,
        plan: &Plan,
        origin: &Origin,
        document: impl FnOnce() -> Document,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Human => context.ui.result(&human::plan("apply", plan, origin)),
            Format::Json => context.ui.data(&events::plan(&document())),
        }
        if !context.ui.is_broken() {
            return Ok(());
        }
        Err(Failure::other("the plan can't be shown, because stdout can't be written; nothing was changed"))
    }

    /// Refuses a plan that would undo what somebody else has done since the base.
    fn refuse_conflicts(&self, plan: &Plan) -> Result<(), Failure> {
        let problems = if self.overwrite_drift { Vec::new() } else { plan::conflicts(plan) };
        if problems.is_empty() { Ok(()) } else { Err(PlanError { problems }.into()) }
    }

    async fn approve(&self, context: &Context<'_>, prepared: &Prepared) -> Result<(), Failure> {
        if self.auto_approve {
            return Ok(());
        }
        let question = format!("Apply this to environment `{}`?", prepared.loaded.environment.name);
        let Some(answer) = context.ui.ask(&question) else {
            return Err(Failure::other(
                "nobody can be asked to approve the plan: stdin is no terminal; nothing was sent",
            )
            .hint("use --auto-approve where the plan has been approved before, as in CI"));
        };
        if answer.await { Ok(()) } else { Err(Failure::Declined) }
    }
}
