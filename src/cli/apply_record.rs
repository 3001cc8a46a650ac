//! The record of an apply, from its start to its end. The summary and the last JSON line of the run are made from this
//! record, however the run ends.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::prepare::Prepared;
use crate::apply::{Event, Report, StepOutcome, StopReason};
use crate::error::{self, Failure, Success};
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Origin, Plan, StepId};
use crate::report::events;
use crate::report::markdown::summary::{Ended, Verdict};
use crate::ui;

/// The record of an apply: its plan, and its results so far.
pub(super) struct ApplyRecord {
    started: Instant,
    /// The name of the environment, or `None` until the name of the default environment is known.
    environment: RefCell<Option<String>>,
    prepared: OnceCell<Prepared>,
    planned: OnceCell<(Plan, Origin)>,
    /// True once a step has started. From then on, no message may say that nothing was changed.
    has_started: Cell<bool>,
    /// The outcomes of the steps, recorded from the events of the run.
    report: RefCell<Report>,
    /// The steps whose last event (`Ended` or `NotStarted`) has been recorded.
    ended: RefCell<BTreeSet<StepId>>,
    end: RefCell<End>,
    /// The reason why the run could not confirm that the live state matches the plan. `None` if no such reason was
    /// recorded.
    reason: Cell<Option<String>>,
}

/// The result of the read-back after the last step.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// True if the live state matches the plan, and false if it differs. `None` if it was not read back, or could not
    /// be compared.
    pub(super) converged: Option<bool>,
    /// The ids of the declared services, as far as they are known, by name.
    pub(super) ids: BTreeMap<ServiceName, ServiceId>,
    /// The services that still differ from the plan.
    pub(super) differing: Vec<ServiceName>,
}

impl ApplyRecord {
    /// Starts a record for the environment with this name, or for the default environment if it is `None`.
    pub(super) fn new(environment: Option<&str>) -> Self {
        Self {
            started: Instant::now(),
            environment: RefCell::new(environment.map(str::to_owned)),
            prepared: OnceCell::new(),
            planned: OnceCell::new(),
            has_started: Cell::default(),
            report: RefCell::default(),
            ended: RefCell::default(),
            end: RefCell::default(),
            reason: Cell::default(),
        }
    }

    /// Records the name of the environment.
    pub(super) fn set_environment(&self, environment: &str) {
        self.environment.replace(Some(environment.to_owned()));
    }

    /// Records the project and its connection, and returns them.
    pub(super) fn set_prepared(&self, prepared: Prepared) -> &Prepared {
        self.set_environment(&prepared.loaded.environment.name);
        self.prepared.get_or_init(|| prepared)
    }

    /// Records the plan and its origin (environment, server, time and commit), and returns both.
    pub(super) fn set_plan(&self, plan: Plan, origin: Origin) -> (&Plan, &Origin) {
        let (plan, origin) = self.planned.get_or_init(|| (plan, origin));
        (plan, origin)
    }

    /// Records that there is nothing to apply, because the plan has no steps.
    pub(super) fn set_nothing_to_do(&self, plan: &Plan) {
        self.end.replace(End { converged: Some(true), ids: plan.ids.clone(), differing: Vec::new() });
    }

    /// Records an event of the run.
    pub(super) fn record_event(&self, event: &Event) {
        match event {
            Event::Started(_) => self.has_started.set(true),
            Event::Ended { step, .. } | Event::NotStarted { step, .. } => {
                self.ended.borrow_mut().insert(*step);
            }
            Event::RunEnded(_) => {}
        }
        self.report.borrow_mut().record(event);
    }

    /// Records that a signal ended the run immediately, and returns the steps that had not ended. Steps in progress get
    /// the outcome `Unknown`. Steps that were not started get the outcome `Stopped` with the reason `cancelled`, for
    /// which the run had been cancelled before the signal.
    pub(super) fn record_abort(&self, plan: &Plan, cancelled: StopReason) -> BTreeSet<StepId> {
        let ended = self.ended.borrow().clone();
        let remaining: BTreeSet<StepId> =
            plan.steps.iter().map(|step| step.id).filter(|step| !ended.contains(step)).collect();
        for step in &remaining {
            if !self.report.borrow().outcomes.contains_key(step) {
                let outcome = StepOutcome::Stopped(cancelled);
                self.record_event(&Event::NotStarted { step: *step, outcome });
            }
        }
        self.record_event(&Event::RunEnded(Some(StopReason::Interrupt)));
        remaining
    }

    /// Returns true if any step has started.
    pub(super) fn has_started(&self) -> bool {
        self.has_started.get()
    }

    /// Returns the outcomes of the steps so far.
    pub(super) fn report(&self) -> Report {
        self.report.borrow().clone()
    }

    /// Records the result of the read-back.
    pub(super) fn set_end(&self, end: End) {
        self.end.replace(end);
    }

    /// Records the reason why the run could not confirm that the live state matches the plan.
    pub(super) fn set_reason(&self, reason: String) {
        self.reason.set(Some(reason));
    }

    /// Returns the last line of the JSON output. `cancelled` is the reason why the run was cancelled, or `None` if the
    /// run was not cancelled.
    pub(super) fn conclusion(
        &self,
        result: &Result<Success, Failure>,
        cancelled: Option<StopReason>,
    ) -> String {
        let End { converged, ids, .. } = &*self.end.borrow();
        // The error may also come from before the first step, or from after the last one.
        let error = result.as_ref().err().map(ui::plain_message).filter(|words| !words.is_empty());
        let out_of_time = matches!(result, Err(Failure::OutOfTime { .. }));
        let end = events::End {
            converged: *converged,
            ids,
            error: error.as_deref(),
            interrupted: matches!(result, Err(Failure::Interrupted)),
            // A run that succeeds after its timeout does not count as timed out.
            timed_out: out_of_time || (result.is_err() && cancelled == Some(StopReason::Timeout)),
        };
        events::conclusion(&self.report.borrow(), &end, error::exit_code(result))
    }

    /// Calls `render` with the data for a summary of the run, and returns the result. The verdict and the exit code in
    /// the data are placeholders, which `render` must replace.
    pub(super) fn summarize<T>(&self, render: impl FnOnce(Ended<'_>) -> T) -> T {
        let (report, end, environment) = (self.report.borrow(), self.end.borrow(), self.environment.borrow());
        let reason = self.reason.take();
        render(Ended {
            verdict: Verdict::Failed,
            exit_code: 0,
            environment: environment.as_deref(),
            planned: self.planned.get().map(|(plan, origin)| (plan, origin)),
            has_started: self.has_started.get(),
            report: &report,
            converged: end.converged,
            ids: &end.ids,
            differing: &end.differing,
            reason: reason.as_deref(),
            requests: self.prepared.get().map_or(0, |prepared| prepared.connection.requests()),
            took: self.started.elapsed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::tests::build::{desired, options, own_policy, snapshot, wanted};

    #[test]
    fn an_abort_keeps_recorded_outcomes_and_returns_the_steps_without_an_end() {
        let manifests = desired(["A", "B", "C", "D"].map(|name| wanted(name, "A1")));
        let plan = crate::plan::plan(&manifests, &snapshot([]), &own_policy(), &options()).expect("a plan");
        let ids: Vec<StepId> = plan.steps.iter().map(|step| step.id).collect();
        let [done, ended_unknown, in_progress, waiting] = ids[..] else { panic!("four steps: {ids:?}") };
        let record = ApplyRecord::new(None);
        let end = |step, outcome| record.record_event(&Event::Ended { step, outcome, took: Duration::ZERO });
        for step in [done, ended_unknown, in_progress] {
            record.record_event(&Event::Started(step));
        }
        end(done, StepOutcome::Done(None));
        end(ended_unknown, StepOutcome::Unknown);
        let remaining = record.record_abort(&plan, StopReason::Timeout);
        // The step `ended_unknown` is not among the returned steps, because the output already contains its end.
        assert_eq!(remaining, BTreeSet::from([in_progress, waiting]));
        let report = record.report();
        let expected = BTreeMap::from([
            (done, StepOutcome::Done(None)),
            (ended_unknown, StepOutcome::Unknown),
            (in_progress, StepOutcome::Unknown),
            (waiting, StepOutcome::Stopped(StopReason::Timeout)),
        ]);
        assert_eq!((report.outcomes, report.stopped), (expected, Some(StopReason::Interrupt)));
    }
}
