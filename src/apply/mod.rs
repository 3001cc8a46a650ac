//! Runs an approved plan step by step, and emits events.
//!
//! Steps run in parallel as far as the plan's dependencies allow. A failed step blocks only the steps that depend on
//! it. The steps of a plan are final: nothing is decided during execution. A step that could undo changes by other
//! users first reads the services that it acts on. The step stops if it would undo a change that another user has made
//! since the plan was made.
//!
//! The files, from the highest level to the lowest. Each file uses only files that are listed after it:
//!
//! * [`engine`] runs the steps that [`queue`] says are ready;
//! * [`step`] executes one step; [`cut_over`] and [`undo`] execute the step that moves a name to a new service;
//! * [`create`], [`duplicates`] and [`update`] send the writes, and check whether a write with a lost answer was
//!   applied;
//! * [`context`] has the state that all steps share;
//! * [`checks`], [`cut_over_checks`] and [`merge`] compare the live state with [`expected_state`], and decide whether a
//!   step may start;
//! * [`reads`] reads services for several steps at once;
//! * [`event`] and [`failure`] define the events of a run and the reasons why steps fail.

mod checks;
mod context;
mod create;
mod cut_over;
mod cut_over_attempt;
mod cut_over_checks;
mod duplicates;
mod engine;
mod event;
mod expected_state;
mod failure;
mod merge;
mod queue;
mod reads;
mod step;
mod undo;
mod update;

pub use context::RunSettings;
pub use engine::run;
pub use event::{Event, OutcomeCounts, Report, StepOutcome};
pub use failure::{LiveChange, StepFailure, UndoOutcome};

pub use crate::remote::StopReason;
