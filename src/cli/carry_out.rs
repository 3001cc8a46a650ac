//! A plan that has been approved, carried out: its steps, the read-back, and what is told of both. May import
//! everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::ValueEnum;
use tokio::time::Instant;

use super::Context;
use super::interrupts::Interrupts;
use super::prepare::Prepared;
use super::story::{End, Story};
use crate::apply::{self, Counts, Event, Outcome, Report, Settings, StopReason};
use crate::error::{Failure, Success};
use crate::model::{ServiceId, ServiceName, Snapshot};
use crate::plan::{Action, Plan, StepId};
use crate::plan_file;
use crate::report::text::{self, count};
use crate::report::{events, human, progress};

/// How a run is told on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    Human,
    /// For programs: a JSON document a line
    Json,
}

/// How long something that is not yet as it was made is given to become so.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What must be as declared when all steps are done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything that was planned: the plan was made just before.
    Everything,
    /// What the plan did. It was saved some time ago; what it does not touch is left to the next plan.
    ThePlan,
}

/// A plan that has been approved, on its way.
pub(super) struct Run<'a> {
    context: &'a Context<'a>,
    prepared: &'a Prepared,
    plan: &'a Plan,
    scope: Scope,
    format: Format,
    /// What has come of it so far.
    story: &'a Story,
}

impl<'a> Run<'a> {
    /// Prepares to carry a plan out.
    pub(super) fn new(
        context: &'a Context<'a>,
        prepared: &'a Prepared,
        plan: &'a Plan,
        scope: Scope,
        format: Format,
        story: &'a Story,
    ) -> Self {
        Self { context, prepared, plan, scope, format, story }
    }

    /// Runs the plan, and says how it ended.
    pub(super) async fn carry_out(
        &self,
        snapshot: &Snapshot,
        interrupts: &mut Interrupts,
    ) -> Result<Success, Failure> {
        self.warn_of_time();
        let whole = async {
            let report = self.steps(snapshot).await;
            self.conclude(&report).await
        };
        tokio::select! {
            biased;
            first = interrupts.second(self.context, self.story) => {
                self.context.ui.end_progress();
                self.cut_off(first);
                Err(Failure::Interrupted)
            }
            result = whole => result,
        }
    }

    /// Says beforehand that the limits alone take longer than the run has time.
    fn warn_of_time(&self) {
        let Some(deadline) = self.context.deadline else { return };
        let left = deadline.saturating_duration_since(Instant::now()).as_secs();
        let needed = self.plan.estimate.seconds;
        if needed > left {
            self.context.ui.note(&format!(
                "this takes about {needed} s, and --timeout leaves {left} s: what is not done then is left to the next run"
            ));
        }
    }

    /// Tells what is known of a run that was stopped at once, after it was wished for once before.
    fn cut_off(&self, first: StopReason) {
        let mut report = self.story.report();
        let ended_before = ended(&report);
        for step in &self.plan.steps {
            report.outcomes.entry(step.id).or_insert(Outcome::Stopped(first));
        }
        report.stopped = Some(StopReason::Interrupt);
        self.context.ui.error(&cut_off_words(first, &report));
        self.tell_others(&report, &ended_before);
        let end = End { ids: known_ids(self.plan, &report), ..End::default() };
        self.tell_end(&report, &end);
        self.story.steps_ended(report);
        self.story.ends(end);
    }

    /// Tells people how it ended, in words that are heard even where remarks are not wanted if something is left.
    fn tell_end(&self, report: &Report, end: &End) {
        let ui = self.context.ui;
        let words = progress::end(self.plan, report, end.converged);
        if report.is_complete() {
            ui.note(words.trim_end())
        } else {
            ui.error(&words)
        }
        if self.format == Format::Human {
            ui.result(&progress::ids(self.plan, &end.ids));
        }
    }

    /// Tells programs of the steps that they have not heard of yet.
    fn tell_others(&self, report: &Report, ended_before: &BTreeSet<StepId>) {
        if self.format == Format::Json {
            let lines = events::others(self.plan, report, ended_before);
            lines.iter().for_each(|line| self.context.ui.data(line));
        }
    }

    async fn steps(&self, snapshot: &Snapshot) -> Report {
        let Self { context, plan, format, .. } = *self;
        let settings = Settings {
            parallelism: context.global.parallelism.into(),
            api: self.prepared.options.api,
            services: &snapshot.services,
            ownership: &self.prepared.loaded.project.policy.ownership,
            today: &self.prepared.options.today,
            stop: &|| context.why_stop(),
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
            match event {
                // Until its end is known, nobody knows what became of it.
                Event::Started(step) => self.story.heard(step, Outcome::Unknown),
                Event::Ended { step, outcome, .. } => {
                    self.story.heard(step, outcome);
                    context.ui.advance_progress();
                }
            }
        };
        let report = apply::run(self.prepared.connection.write(), plan, &settings, &mut hear).await;
        context.ui.end_progress();
        let ended_before = ended(&self.story.steps_ended(report.clone()));
        self.tell_others(&report, &ended_before);
        report
    }

    /// Reads the live state back, and says how it all ended. No exit code says less than what is said here.
    async fn conclude(&self, report: &Report) -> Result<Success, Failure> {
        let Self { context, plan, scope, .. } = *self;
        let again = match report.stopped {
            Some(_) => None,
            None => Some(context.in_time(self.read_back(report)).await),
        };
        let converged = match &again {
            Some(Ok((_, rest))) => Some(is_enough(scope, plan, rest)),
            Some(Err(Failure::Request(_) | Failure::OutOfTime { .. } | Failure::Interrupted)) | None => None,
            // What stands against a new plan says nothing of what this one did.
            Some(Err(_)) if scope == Scope::ThePlan => None,
            Some(Err(_)) => Some(false),
        };
        let ids = match &again {
            Some(Ok((_, rest))) => rest.ids.clone(),
            _ => known_ids(plan, report),
        };
        let differing = match &again {
            Some(Ok((_, rest))) if converged == Some(false) && report.is_complete() => {
                rest.services.iter().map(|shown| shown.name.clone()).collect()
            }
            _ => Vec::new(),
        };
        let end = End { converged, ids, differing };
        self.tell_end(report, &end);
        self.story.ends(end);
        self.result(report, again)
    }

    /// Reads the live state and plans again. Where all is done and something differs, it is read once more a moment
    /// later: another run may be clearing up, or the API may show late what it did.
    async fn read_back(&self, report: &Report) -> Result<(Snapshot, Plan), Failure> {
        let read = || self.prepared.plan(self.prepared.connection.read());
        let first = read().await;
        let differs = match &first {
            Ok((_, rest)) => !is_enough(self.scope, self.plan, rest),
            Err(failure) => matches!(failure, Failure::Plan(_)),
        };
        if !(differs && report.is_complete()) {
            return first;
        }
        tokio::time::sleep(READ_AGAIN_AFTER).await;
        read().await
    }

    /// What the process ends with, and what is left to say.
    fn result(
        &self,
        report: &Report,
        again: Option<Result<(Snapshot, Plan), Failure>>,
    ) -> Result<Success, Failure> {
        let ui = self.context.ui;
        if self.context.stop.reason() == Some(StopReason::Interrupt) {
            return Err(Failure::Interrupted);
        }
        if !report.is_complete() {
            // Only a run that was out of time has begun nothing here.
            return Err(if self.story.has_begun() { Failure::InPart } else { self.context.out_of_time() });
        }
        match again {
            Some(Ok((_, rest))) if is_enough(self.scope, self.plan, &rest) => {
                if !rest.is_empty() {
                    let services = count(rest.services.len(), "service");
                    ui.note(&format!("{services} changed again while the plan was applied: plan again"));
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
                let mut reason = "the live state was read back, and no new plan can be made:".to_owned();
                for problem in &error.problems {
                    reason.push_str(&format!("\n  {}", text::visible(&problem.message)));
                }
                ui.note(&reason);
                self.story.says(reason);
                if self.scope == Scope::ThePlan { Ok(Success::Done) } else { Err(Failure::NotConverged) }
            }
            Some(Err(failure)) => Err(failure),
            // Only a run that was out of time is not read back here.
            None => Err(self.context.out_of_time()),
        }
    }
}

/// The steps whose end programs have heard of.
fn ended(report: &Report) -> BTreeSet<StepId> {
    let ended = report.outcomes.iter().filter(|(_, outcome)| **outcome != Outcome::Unknown);
    ended.map(|(step, _)| *step).collect()
}

/// What a signal means after the stop was wished for once before.
fn cut_off_words(first: StopReason, report: &Report) -> String {
    let again = match first {
        StopReason::Interrupt => " again",
        StopReason::Timeout => "",
    };
    let rest = match report.counts() {
        Counts { unknown: 1.., .. } => "; requests in flight may have been carried out, apply again to go on",
        _ => "",
    };
    format!("interrupted{again}: stopped at once{rest}\n")
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
