//! `amigops apply`: plan, show, confirm, run, read back. May import everything.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::Context;
use super::prepare::{PlanArgs, Prepared};
use crate::apply::{self, Event, Outcome, Report, Settings};
use crate::error::{Failure, Success};
use crate::model::{ServiceId, ServiceName, Snapshot};
use crate::plan::{self, Action, Plan, PlanError};
use crate::report::{human, progress};

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(super) struct Apply {
    #[command(flatten)]
    plan: PlanArgs,
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    auto_approve: bool,
    /// With --base: overwrite what was changed live since, and what this branch is behind of
    #[arg(long)]
    overwrite_drift: bool,
}

impl Apply {
    /// Plans, shows the plan, asks, runs it, and reads back what became of it.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let prepared = Prepared::new(context, &self.plan)?;
        self.can_tell_conflicts(&prepared)?;
        let (snapshot, plan) = prepared.plan(prepared.connection.read()).await?;
        context.ui.result(&human::plan("apply", &plan, &prepared.origin(context)));
        if plan.is_empty() {
            return Ok(Success::Done);
        }
        self.refuse_conflicts(&plan)?;
        self.approve(context, &prepared)?;
        let mut interrupts = Interrupts::listen(context);
        let whole = async {
            let report = run(context, &prepared, &snapshot, &plan).await;
            conclude(context, &prepared, &plan, &report).await
        };
        tokio::select! {
            result = whole => result,
            () = interrupts.second() => {
                context.ui.end_progress();
                context.ui.error("interrupted again: stopped at once; requests in flight may have been carried out, apply again to go on\n");
                Err(Failure::Interrupted)
            }
        }
    }

    /// Without the base's manifests nobody knows what would be overwritten.
    fn can_tell_conflicts(&self, prepared: &Prepared) -> Result<(), Failure> {
        let Some(reference) = self.plan.base.as_ref().filter(|_| !self.overwrite_drift) else {
            return Ok(());
        };
        if prepared.three_way.is_some() {
            return Ok(());
        }
        Err(Failure::other(format!(
            "the manifests by which `{reference}` is compared with can't be read, so that conflicts with live \
             changes can't be told; nothing was sent"
        ))
        .hint("apply without --base, or with --overwrite-drift, to bring the manifests about all the same"))
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

/// Runs the plan.
async fn run(context: &Context<'_>, prepared: &Prepared, snapshot: &Snapshot, plan: &Plan) -> Report {
    let settings = Settings {
        parallelism: context.global.parallelism.into(),
        known: snapshot.services.iter().map(|service| service.id.clone()).collect::<BTreeSet<_>>(),
        stop: &|| context.stop.is_wished(),
    };
    let lines = progress::Lines::new(plan);
    context.ui.begin_progress(plan.steps.len());
    let mut hear = |event: Event| {
        if let Event::Started(step) = &event
            && let Some(step) = plan.step(*step)
        {
            context.ui.progress_message(&crate::report::text::visible(step.service.as_str()));
        }
        if let Some(line) = lines.event(&event) {
            context.ui.note(&line);
        }
        if matches!(event, Event::Ended { .. }) {
            context.ui.advance_progress();
        }
    };
    let report = apply::run(prepared.connection.write(), plan, &settings, &mut hear).await;
    context.ui.end_progress();
    report
}

/// Hears Ctrl-C and SIGTERM: the first ends waits and lets requests in flight come to their end, the second
/// ends everything.
struct Interrupts {
    second: tokio::sync::oneshot::Receiver<()>,
}

impl Interrupts {
    fn listen(context: &Context<'_>) -> Self {
        let (stop, ui) = (context.stop.clone(), context.ui.clone());
        let (sender, second) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            if interrupted().await.is_ok() {
                stop.wish();
                ui.note("interrupted: requests in flight are brought to their end, nothing new is begun");
                if interrupted().await.is_ok() {
                    let _ = sender.send(());
                    return;
                }
            }
            // Nothing is to be heard any more, and that is no interrupt.
            std::future::pending::<()>().await;
        });
        Self { second }
    }

    async fn second(&mut self) {
        if (&mut self.second).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
pub(super) async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
pub(super) async fn interrupted() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Reads the live state back, and says how it all ended. No exit code says less than what is said here.
async fn conclude(
    context: &Context<'_>,
    prepared: &Prepared,
    plan: &Plan,
    report: &Report,
) -> Result<Success, Failure> {
    let again = if report.interrupted { None } else { Some(prepared.plan(prepared.connection.read()).await) };
    let converged = match &again {
        Some(Ok((_, rest))) => Some(rest.is_empty()),
        Some(Err(Failure::Request(_))) | None => None,
        Some(Err(_)) => Some(false),
    };
    context.ui.note(progress::end(plan, report, converged).trim_end());
    let ids = match &again {
        Some(Ok((_, rest))) => rest.ids.clone(),
        _ => known_ids(plan, report),
    };
    context.ui.result(&progress::ids(plan, &ids));
    if report.interrupted || context.stop.is_wished() {
        return Err(Failure::Interrupted);
    }
    if !report.is_complete() {
        return Err(Failure::InPart);
    }
    match again {
        Some(Ok((_, rest))) if !rest.is_empty() => {
            context.ui.error("error: everything was applied, and the live state still differs:\n\n");
            context.ui.error(&human::plan("plan", &rest, &prepared.origin(context)));
            Err(Failure::NotConverged)
        }
        Some(Err(failure)) => Err(failure),
        _ => Ok(Success::Done),
    }
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
