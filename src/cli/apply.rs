//! `amigops apply`: plan, show, confirm, run, read back. May import everything.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Context;
use super::interrupts::Interrupts;
use super::prepare::{PlanArgs, Prepared};
use super::saved;
use crate::apply::{self, Event, Outcome, Report, Settings};
use crate::error::{self, Failure, Success, exit_code};
use crate::model::{ServiceId, ServiceName, Snapshot};
use crate::plan::{self, Action, Origin, Plan, PlanError};
use crate::plan_file::{self, Document};
use crate::report::text::{self, count};
use crate::report::{events, human, progress};
use crate::ui;

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// A plan that `plan --out` saved: exactly it is applied, if it still fits
    #[arg(value_name = "PLAN", conflicts_with_all = ["prune", "take_over", "allow_protected", "max_removals", "only", "base"])]
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
}

/// How a run is told on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Human,
    /// For programs: a JSON document a line
    Json,
}

impl Apply {
    /// Plans, shows the plan, asks, runs it, and reads back what became of it.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let concluded = Cell::new(false);
        let result = match &self.saved {
            Some(path) => self.apply_saved(context, path, &concluded).await,
            None => self.apply_now(context, &concluded).await,
        };
        if self.format == Format::Json && !concluded.get() {
            // What kept a run from its end, or from its beginning, is told there, too.
            let reason = result.as_ref().err().map(ui::plain_words).filter(|words| !words.is_empty());
            let end = events::End { converged: None, ids: &BTreeMap::new(), error: reason.as_deref() };
            context.ui.data(&events::conclusion(&Report::default(), &end, error::exit_code(&result)));
        }
        result
    }

    async fn apply_now(&self, context: &Context<'_>, concluded: &Cell<bool>) -> Result<Success, Failure> {
        let prepared = Prepared::new(context, &self.plan)?;
        if !self.overwrite_drift {
            prepared.can_tell_conflicts(&self.plan)?;
        }
        let (snapshot, plan) = prepared.plan(prepared.connection.read()).await?;
        let document = || prepared.document(&prepared.origin(context), &snapshot, &plan);
        self.show(context, &plan, &prepared.origin(context), document);
        if plan.is_empty() {
            return self.nothing_to_do(context, &plan, concluded);
        }
        self.refuse_conflicts(&plan)?;
        self.approve(context, &prepared)?;
        let (scope, format) = (Scope::Everything, self.format);
        let run = Run {
            context,
            prepared: &prepared,
            plan: &plan,
            scope,
            format,
            concluded,
            so_far: RefCell::default(),
        };
        run.carry_out(&snapshot).await
    }

    /// Applies a saved plan, which has been approved by being handed over, if it belongs here and still fits.
    async fn apply_saved(
        &self,
        context: &Context<'_>,
        path: &Path,
        concluded: &Cell<bool>,
    ) -> Result<Success, Failure> {
        // Held to the end: what the file says is read only then.
        let _claimed = saved::claim(path)?;
        let document = saved::read(path)?;
        saved::is_for(&document, context)?;
        let environment = Some(document.environment.as_str());
        let prepared = Prepared::for_environment(context, &PlanArgs::of(&document.options), environment)?;
        saved::belongs(&document, &prepared)?;
        let plan = document.plan();
        let snapshot = saved::fits(&document, &prepared).await?;
        self.show(context, &plan, &document.origin(), || document.clone());
        if plan.is_empty() {
            return self.nothing_to_do(context, &plan, concluded);
        }
        self.refuse_conflicts(&plan)?;
        saved::mark(context, path, &document)?;
        let (scope, format) = (Scope::ThePlan, self.format);
        let run = Run {
            context,
            prepared: &prepared,
            plan: &plan,
            scope,
            format,
            concluded,
            so_far: RefCell::default(),
        };
        run.carry_out(&snapshot).await
    }

    fn show(&self, context: &Context<'_>, plan: &Plan, origin: &Origin, document: impl FnOnce() -> Document) {
        match self.format {
            Format::Human => context.ui.result(&human::plan("apply", plan, origin)),
            Format::Json => context.ui.data(&events::plan(&document())),
        }
    }

    fn nothing_to_do(
        &self,
        context: &Context<'_>,
        plan: &Plan,
        concluded: &Cell<bool>,
    ) -> Result<Success, Failure> {
        if self.format == Format::Json {
            let end = events::End { converged: Some(true), ids: &plan.ids, error: None };
            context.ui.data(&events::conclusion(&Report::default(), &end, exit_code::DONE));
            concluded.set(true);
        }
        Ok(Success::Done)
    }

    /// Refuses a plan that would undo what somebody else has done since the base.
    fn refuse_conflicts(&self, plan: &Plan) -> Result<(), Failure> {
        let problems = if self.overwrite_drift { Vec::new() } else { plan::conflicts(plan) };
        if problems.is_empty() { Ok(()) } else { Err(PlanError { problems }.into()) }
    }

    fn approve(&self, context: &Context<'_>, prepared: &Prepared) -> Result<(), Failure> {
        if self.auto_approve {
            return Ok(());
        }
        let question = format!("Apply this to environment `{}`?", prepared.loaded.environment.name);
        match context.ui.confirm(&question) {
            Some(true) => Ok(()),
            Some(false) => Err(Failure::Declined),
            None => Err(Failure::other(
                "nobody can be asked to approve the plan: stdin is no terminal; nothing was sent",
            )
            .hint("use --auto-approve where the plan has been approved before, as in CI")),
        }
    }
}

/// What must be as declared when all steps are done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Everything that was planned: the plan was made just before.
    Everything,
    /// What the plan did. It was made some time ago; what it does not touch may have moved, and is left to the
    /// next plan.
    ThePlan,
}

/// A plan that has been approved, on its way.
struct Run<'a> {
    context: &'a Context<'a>,
    prepared: &'a Prepared,
    plan: &'a Plan,
    scope: Scope,
    format: Format,
    /// Whether the last line of JSON has been written.
    concluded: &'a Cell<bool>,
    /// The steps that have ended.
    so_far: RefCell<Report>,
}

impl Run<'_> {
    /// Runs the plan, and says how it ended.
    async fn carry_out(&self, snapshot: &Snapshot) -> Result<Success, Failure> {
        let mut interrupts = Interrupts::listen(self.context)?;
        let whole = async {
            let report = self.steps(snapshot).await;
            self.conclude(&report).await
        };
        tokio::select! {
            result = whole => result,
            () = interrupts.second() => {
                let ui = self.context.ui;
                ui.end_progress();
                ui.error("interrupted again: stopped at once; requests in flight may have been carried out, apply again to go on\n");
                self.cut_off();
                Err(Failure::Interrupted)
            }
        }
    }

    /// Tells programs what is known of a run that was stopped at once.
    fn cut_off(&self) {
        if self.format == Format::Json {
            let mut report = self.so_far.take();
            let told = report.outcomes.keys().copied().collect();
            for step in &self.plan.steps {
                report.outcomes.entry(step.id).or_insert(Outcome::Interrupted);
            }
            report.interrupted = true;
            events::not_begun(self.plan, &report, &told).iter().for_each(|line| self.context.ui.data(line));
            let end = events::End { converged: None, ids: &known_ids(self.plan, &report), error: None };
            let code = error::exit_code(&Err(Failure::Interrupted));
            self.context.ui.data(&events::conclusion(&report, &end, code));
            self.concluded.set(true);
        }
    }

    async fn steps(&self, snapshot: &Snapshot) -> Report {
        let Self { context, plan, format, .. } = *self;
        let settings = Settings {
            parallelism: context.global.parallelism.into(),
            known: snapshot.services.iter().map(|service| service.id.clone()).collect::<BTreeSet<_>>(),
            today: &self.prepared.options.today,
            stop: &|| context.stop.is_wished(),
        };
        let lines = progress::Lines::new(plan);
        context.ui.begin_progress(plan.steps.len());
        let mut hear = |event: Event| {
            if let Event::Started(step) = &event
                && let Some(step) = plan.step(*step)
            {
                context.ui.progress_message(&text::visible(step.service.as_str()));
            }
            if let Some(line) = lines.event(&event) {
                context.ui.note(&line);
            }
            if format == Format::Json
                && let Some(line) = events::event(plan, &event)
            {
                context.ui.data(&line);
            }
            if let Event::Ended { step, outcome, .. } = event {
                self.so_far.borrow_mut().outcomes.insert(step, outcome);
                context.ui.advance_progress();
            }
        };
        let report = apply::run(self.prepared.connection.write(), plan, &settings, &mut hear).await;
        context.ui.end_progress();
        if format == Format::Json {
            let told = self.so_far.borrow().outcomes.keys().copied().collect();
            events::not_begun(plan, &report, &told).iter().for_each(|line| context.ui.data(line));
        }
        report
    }

    /// Reads the live state back, and says how it all ended. No exit code says less than what is said here.
    async fn conclude(&self, report: &Report) -> Result<Success, Failure> {
        let Self { context, prepared, plan, scope, format, concluded, .. } = *self;
        let again =
            if report.interrupted { None } else { Some(prepared.plan(prepared.connection.read()).await) };
        let converged = match &again {
            Some(Ok((_, rest))) => Some(is_enough(scope, plan, rest)),
            Some(Err(Failure::Request(_))) | None => None,
            // What stands against a new plan says nothing of what this one did.
            Some(Err(_)) if scope == Scope::ThePlan => None,
            Some(Err(_)) => Some(false),
        };
        context.ui.note(progress::end(plan, report, converged).trim_end());
        let ids = match &again {
            Some(Ok((_, rest))) => rest.ids.clone(),
            _ => known_ids(plan, report),
        };
        if format == Format::Human {
            context.ui.result(&progress::ids(plan, &ids));
        }
        let result = self.result(report, again);
        if format == Format::Json {
            let end = events::End { converged, ids: &ids, error: None };
            context.ui.data(&events::conclusion(report, &end, error::exit_code(&result)));
            concluded.set(true);
        }
        result
    }

    /// What the process ends with, and what is left to say.
    fn result(
        &self,
        report: &Report,
        again: Option<Result<(Snapshot, Plan), Failure>>,
    ) -> Result<Success, Failure> {
        let ui = self.context.ui;
        if report.interrupted || self.context.stop.is_wished() {
            return Err(Failure::Interrupted);
        }
        if !report.is_complete() {
            return Err(Failure::InPart);
        }
        match again {
            Some(Ok((_, rest))) if is_enough(self.scope, self.plan, &rest) => {
                if !rest.is_empty() {
                    let services = count(rest.services.len(), "service");
                    ui.note(&format!(
                        "since the plan was made, {services} moved that it does not touch: plan again"
                    ));
                }
                Ok(Success::Done)
            }
            Some(Ok((_, rest))) => {
                ui.error("error: everything was applied, and the live state still differs:\n\n");
                ui.error(&human::plan("plan", &rest, &self.prepared.origin(self.context)));
                Err(Failure::NotConverged)
            }
            // All is done: no refusal may say that nothing was sent.
            Some(Err(Failure::Plan(error))) => {
                ui.note("the live state was read back, and no new plan can be made:");
                error
                    .problems
                    .iter()
                    .for_each(|problem| ui.note(&format!("  {}", text::visible(&problem.message))));
                if self.scope == Scope::ThePlan { Ok(Success::Done) } else { Err(Failure::NotConverged) }
            }
            Some(Err(failure)) => Err(failure),
            None => Ok(Success::Done),
        }
    }
}

/// Whether what is left to do after a plan was applied is none of what had to be done.
fn is_enough(scope: Scope, applied: &Plan, rest: &Plan) -> bool {
    rest.is_empty() || (scope == Scope::ThePlan && !plan_file::does_again(applied, rest))
}

/// The ids as far as the run itself told them.
fn known_ids(plan: &Plan, report: &Report) -> BTreeMap<ServiceName, ServiceId> {
    let mut ids = plan.ids.clone();
    for step in &plan.steps {
        let Some(Outcome::Done(Some(id))) = report.outcomes.get(&step.id) else { continue };
        let serves = match &step.action {
            Action::Create(new) => new.active,
            _ => true,
        };
        if serves {
            ids.insert(step.service.clone(), id.clone());
        }
    }
    ids
}
