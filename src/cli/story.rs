//! How an apply goes, from its beginning: for whoever tells its end, however it ends. May import everything.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::time::Instant;

use super::prepare::Prepared;
use crate::apply::{Outcome, Report, StopReason};
use crate::error::{self, Failure, Success};
use crate::model::{ServiceId, ServiceName};
use crate::plan::{Origin, Plan, StepId};
use crate::report::events;
use crate::report::markdown::summary::{Ended, Verdict};
use crate::ui;

/// A run and what has come of it so far.
pub(super) struct Story {
    begun: Instant,
    /// The environment that was asked for, before more is known of it.
    asked: RefCell<Option<String>>,
    prepared: OnceCell<Prepared>,
    planned: OnceCell<(Plan, Origin)>,
    /// Whether a step was begun: nobody may say then that nothing was changed.
    has_begun: Cell<bool>,
    /// How each step ended, or that it was begun; empty where none was.
    report: RefCell<Report>,
    end: RefCell<End>,
    /// What has been read back, and is wrong.
    reason: Cell<Option<String>>,
}

/// What is known of a run when its steps have ended.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// Whether the live state is as the plan wanted it; none where it was not read back.
    pub(super) converged: Option<bool>,
    /// The ids of the declared services, by name, as far as they are known.
    pub(super) ids: BTreeMap<ServiceName, ServiceId>,
    /// The services that still differ.
    pub(super) differing: Vec<ServiceName>,
}

impl Story {
    /// A run that begins, for this environment or else the default one.
    pub(super) fn new(environment: Option<&str>) -> Self {
        Self {
            begun: Instant::now(),
            asked: RefCell::new(environment.map(str::to_owned)),
            prepared: OnceCell::new(),
            planned: OnceCell::new(),
            has_begun: Cell::default(),
            report: RefCell::default(),
            end: RefCell::default(),
            reason: Cell::default(),
        }
    }

    /// The environment turns out to be this one.
    pub(super) fn is_for(&self, environment: &str) {
        self.asked.replace(Some(environment.to_owned()));
    }

    /// The project is loaded, the connection made.
    pub(super) fn prepared(&self, prepared: Prepared) -> &Prepared {
        self.is_for(&prepared.loaded.environment.name);
        self.prepared.get_or_init(|| prepared)
    }

    /// The plan is made, or read.
    pub(super) fn planned(&self, plan: Plan, origin: Origin) -> (&Plan, &Origin) {
        let (plan, origin) = self.planned.get_or_init(|| (plan, origin));
        (plan, origin)
    }

    /// A plan without a step: all is as declared.
    pub(super) fn nothing_to_do(&self, plan: &Plan) {
        self.end.replace(End { converged: Some(true), ids: plan.ids.clone(), differing: Vec::new() });
    }

    /// What has become of a step so far.
    pub(super) fn heard(&self, step: StepId, outcome: Outcome) {
        self.has_begun.set(true);
        self.report.borrow_mut().outcomes.insert(step, outcome);
    }

    /// Whether a step was begun, whatever became of it.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.get()
    }

    /// How the steps have ended; gives what was known of them before.
    pub(super) fn steps_ended(&self, report: Report) -> Report {
        self.report.replace(report)
    }

    /// How the steps have ended so far.
    pub(super) fn report(&self) -> Report {
        self.report.borrow().clone()
    }

    /// All is said that can be said of a run that was begun.
    pub(super) fn ends(&self, end: End) {
        self.end.replace(end);
    }

    /// What stands against it that the live state is as declared.
    pub(super) fn says(&self, reason: String) {
        self.reason.set(Some(reason));
    }

    /// The last line for programs: the run has ended like this, and somebody wished to stop it before, or not.
    pub(super) fn conclusion(&self, result: &Result<Success, Failure>, wished: Option<StopReason>) -> String {
        let End { converged, ids, .. } = &*self.end.borrow();
        // What kept a run from its end, or from its beginning, is told there, too.
        let error = result.as_ref().err().map(ui::plain_words).filter(|words| !words.is_empty());
        let out_of_time = matches!(result, Err(Failure::OutOfTime { .. }));
        let end = events::End {
            converged: *converged,
            ids,
            error: error.as_deref(),
            interrupted: matches!(result, Err(Failure::Interrupted)),
            // The time may be over while a run comes to its end all the same.
            timed_out: out_of_time || (result.is_err() && wished == Some(StopReason::Timeout)),
        };
        events::conclusion(&self.report.borrow(), &end, error::exit_code(result))
    }

    /// Hands what is known to whoever sums it up; verdict and exit code are theirs to say.
    pub(super) fn ended<T>(&self, tell: impl FnOnce(Ended<'_>) -> T) -> T {
        let (report, end, asked) = (self.report.borrow(), self.end.borrow(), self.asked.borrow());
        let reason = self.reason.take();
        tell(Ended {
            verdict: Verdict::Failed,
            exit_code: 0,
            environment: asked.as_deref(),
            planned: self.planned.get().map(|(plan, origin)| (plan, origin)),
            has_begun: self.has_begun.get(),
            report: &report,
            converged: end.converged,
            ids: &end.ids,
            differing: &end.differing,
            reason: reason.as_deref(),
            requests: self.prepared.get().map_or(0, |prepared| prepared.connection.requests()),
            took: self.begun.elapsed(),
        })
    }
}
