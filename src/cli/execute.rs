//! Executes an approved plan: runs its steps, reads the live state back, and reports the result.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use tokio::time::Instant;

use super::Context;
use super::apply_record::{ApplyRecord, End};
use super::interrupts::Interrupts;
use super::prepare::Prepared;
use crate::apply::{self, Event, OutcomeCounts, Report, RunSettings, StepOutcome, StopReason};
use crate::error::{Failure, Success};
use crate::model::{ServiceId, ServiceName, Snapshot};
use crate::plan::{Action, Plan};
use crate::plan_file;
use crate::report::text::{self, count};
use crate::report::{Mode, events, human, progress, run_end};

/// The output format of an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    Human,
    /// For programs: one JSON document per line
    Json,
}

/// The delay before the live state is read back a second time, if the first read does not show the changes yet.
const SECOND_READ_DELAY: Duration = Duration::from_secs(2);

/// The part of the live state that must match the plan once all steps are done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All services. Used if the plan was made just before the apply.
    Everything,
    /// Only the services that the plan changes. Used for a saved plan, because other services may have changed since it
    /// was saved.
    ThePlan,
}

/// An approved plan, with everything that is needed to execute the plan.
pub(super) struct Execution<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) prepared: &'a Prepared,
    pub(super) plan: &'a Plan,
    pub(super) scope: Scope,
    pub(super) format: Format,
    /// The record of the run's events and result.
    pub(super) record: &'a ApplyRecord,
}

impl Execution<'_> {
    /// Runs the steps of the plan, and reports how the run ended.
    pub(super) async fn execute(
        &self,
        snapshot: &Snapshot,
        interrupts: &mut Interrupts,
    ) -> Result<Success, Failure> {
        self.warn_if_too_slow();
        let run = async {
            self.run_steps(snapshot).await;
            self.conclude(&self.record.report()).await
        };
        tokio::select! {
            biased;
            first = interrupts.wait_for_second(self.context, self.record) => {
                self.context.ui.end_progress();
                self.report_abort(first);
                Err(Failure::Interrupted)
            }
            result = run => result,
        }
    }

    /// Prints a warning if the rate limits alone make the run longer than `--timeout` allows.
    fn warn_if_too_slow(&self) {
        let Some(deadline) = self.context.deadline else { return };
        let left = deadline.saturating_duration_since(Instant::now()).as_secs();
        let needed = self.plan.estimate.seconds;
        if needed > left {
            self.context.ui.note(&format!(
                "this run takes about {needed} s, but --timeout leaves only {left} s: run `amigops apply` again for the steps that are not done in time"
            ));
        }
    }

    /// Records and reports that a signal ended the run immediately, after the run had been cancelled. `first` is the
    /// reason why the run had already been cancelled.
    fn report_abort(&self, first: StopReason) {
        let remaining = self.record.record_abort(self.plan, first);
        let report = self.record.report();
        self.context.ui.error(&abort_message(first, &report));
        if self.format == Format::Json {
            let lines = events::remaining(self.plan, &report, &remaining);
            lines.iter().for_each(|line| self.context.ui.data(line));
        }
        let end = End { ids: known_ids(self.plan, &report), ..End::default() };
        self.report_end(&report, &end);
        self.record.set_end(end);
    }

    /// Prints how the run ended. If a step is not done, the message is printed as an error, which `--quiet` does not
    /// suppress.
    fn report_end(&self, report: &Report, end: &End) {
        let ui = self.context.ui;
        // Print the ids first, so that the failures are at the end of the output.
        if self.format == Format::Human {
            ui.result(&progress::ids(self.plan, &end.ids));
        }
        let words = run_end::render(self.plan, report, end.converged);
        if report.is_complete() { ui.note(words.trim_end()) } else { ui.error(&words) }
    }

    /// Runs the steps. Records their events, and shows them to the user.
    async fn run_steps(&self, snapshot: &Snapshot) {
        let Self { context, plan, .. } = *self;
        let settings = RunSettings {
            parallelism: context.global.parallelism.into(),
            api: self.prepared.options.api,
            services: &snapshot.services,
            ownership: &self.prepared.loaded.project.policy.ownership,
            today: &self.prepared.options.today,
            stop: &|| context.stop_reason(),
        };
        let lines = progress::Lines::new(plan);
        context.ui.begin_progress(plan.steps.len());
        let mut handle_event = |event: Event| {
            self.record.record_event(&event);
            self.show_event(&lines, &event);
        };
        apply::run(self.prepared.connection.write(), plan, &settings, &mut handle_event).await;
        context.ui.end_progress();
    }

    fn show_event(&self, lines: &progress::Lines<'_>, event: &Event) {
        let Self { context, plan, format, .. } = *self;
        if let Event::Started(step) = event
            && let Some(step) = plan.step(*step)
        {
            context.ui.progress_message(&text::visible(step.service.as_str()));
        }
        if let Some(line) = lines.event(event) {
            context.ui.note(&line);
        }
        if format == Format::Json
            && let Some(line) = events::event(plan, event)
        {
            context.ui.data(&line);
        }
        if let Event::Ended { .. } = event {
            context.ui.advance_progress();
        }
    }

    /// Reads the live state back, and reports how the run ended.
    async fn conclude(&self, report: &Report) -> Result<Success, Failure> {
        let Self { context, plan, scope, .. } = *self;
        let read_back = match report.stopped {
            Some(_) => None,
            None => Some(context.run_until_stopped(self.read_back(report)).await),
        };
        let converged = match &read_back {
            Some(Ok((_, rest))) => Some(has_converged(scope, plan, rest)),
            Some(Err(Failure::Request(_) | Failure::OutOfTime { .. } | Failure::Interrupted)) | None => None,
            // Services outside the saved plan can make a new plan impossible. That says nothing about the result of the
            // saved plan.
            Some(Err(_)) if scope == Scope::ThePlan => None,
            Some(Err(_)) => Some(false),
        };
        let ids = match &read_back {
            Some(Ok((_, rest))) => rest.ids.clone(),
            _ => known_ids(plan, report),
        };
        let differing = match &read_back {
            Some(Ok((_, rest))) if converged == Some(false) && report.is_complete() => {
                rest.services.iter().map(|shown| shown.name.clone()).collect()
            }
            _ => Vec::new(),
        };
        let end = End { converged, ids, differing };
        self.report_end(report, &end);
        self.record.set_end(end);
        self.result(report, read_back)
    }

    /// Reads the live state and makes a plan again. If all steps are done and something still differs, reads once more
    /// after a delay, because another run may be cleaning up, or the API may show the changes late.
    async fn read_back(&self, report: &Report) -> Result<(Snapshot, Plan), Failure> {
        let read = || self.prepared.plan(self.prepared.connection.read());
        let first = read().await;
        let differs = match &first {
            Ok((_, rest)) => !has_converged(self.scope, self.plan, rest),
            Err(failure) => matches!(failure, Failure::Plan(_)),
        };
        if !(differs && report.is_complete()) {
            return first;
        }
        tokio::time::sleep(SECOND_READ_DELAY).await;
        read().await
    }

    /// Prints the last messages, and returns the result of the run. `read_back` is `None` if the live state was not
    /// read back.
    fn result(
        &self,
        report: &Report,
        read_back: Option<Result<(Snapshot, Plan), Failure>>,
    ) -> Result<Success, Failure> {
        let ui = self.context.ui;
        if self.context.stop.reason() == Some(StopReason::Interrupt) {
            return Err(Failure::Interrupted);
        }
        if !report.is_complete() {
            // If no step was started, the run timed out before the first step.
            return Err(if self.record.has_started() {
                Failure::InPart
            } else {
                self.context.timeout_failure()
            });
        }
        match read_back {
            Some(Ok((_, rest))) if has_converged(self.scope, self.plan, &rest) => {
                if !rest.is_empty() {
                    let services = count(rest.services.len(), "service");
                    ui.note(&format!(
                        "{services} changed while the plan was applied: run `amigops plan` again"
                    ));
                }
                Ok(Success::Done)
            }
            Some(Ok((_, rest))) => {
                ui.error(
                    "error: every step was applied, but the live state still differs from the manifests:\n\n",
                );
                ui.error(&human::plan(Mode::Plan, &rest, &self.prepared.origin(self.context)));
                Err(Failure::NotConverged)
            }
            // Every step was applied, so the message of the refusal ("nothing was sent") would be wrong.
            Some(Err(Failure::Plan(error))) => {
                let mut reason =
                    "can't confirm the result, because no new plan can be made from the live state:"
                        .to_owned();
                for problem in &error.problems {
                    reason.push_str(&format!("\n  {}", text::visible(&problem.message)));
                }
                ui.note(&reason);
                self.record.set_reason(reason);
                if self.scope == Scope::ThePlan { Ok(Success::Done) } else { Err(Failure::NotConverged) }
            }
            Some(Err(failure)) => Err(failure),
            // The live state was not read back after the last step, so the run has timed out.
            None => Err(self.context.timeout_failure()),
        }
    }
}

/// Returns the message for a run that a signal ended immediately. `first` is the reason why the run had already been
/// cancelled.
fn abort_message(first: StopReason, report: &Report) -> String {
    let again = match first {
        StopReason::Interrupt => " again",
        StopReason::Timeout => "",
    };
    let rest = match report.counts() {
        OutcomeCounts { unknown: 1.., .. } => {
            "; requests in flight may have been applied: run `amigops apply` again to continue"
        }
        _ => "",
    };
    format!("interrupted{again}: stopped immediately{rest}\n")
}

/// Returns true if the plan `applied` has left no change to make in the scope. `rest` is the plan that was made from
/// the live state after the apply.
fn has_converged(scope: Scope, applied: &Plan, rest: &Plan) -> bool {
    rest.is_empty() || (scope == Scope::ThePlan && !plan_file::repeats_changes(applied, rest))
}

/// Returns the ids of declared services that are known without another read. These are the ids in the plan, and the ids
/// that steps returned for active services.
fn known_ids(plan: &Plan, report: &Report) -> BTreeMap<ServiceName, ServiceId> {
    let mut ids = plan.ids.clone();
    for step in &plan.steps {
        let Some(StepOutcome::Done(Some(id))) = report.outcomes.get(&step.id) else { continue };
        let is_active = match &step.action {
            Action::Create(new) => new.active,
            _ => true,
        };
        if is_active {
            ids.insert(step.service.clone(), id.clone());
        }
    }
    ids
}
