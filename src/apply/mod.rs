//! Runs an approved plan, step by step, and emits events; knows no terminal. May import `plan`, `remote`
//! and `model`.
//!
//! Steps run side by side as far as the plan's graph allows. A failed step stops only what waits for it.
//! Nothing is decided here: a plan's steps are final, and the only things looked up are those that an
//! answer was lost for.

mod engine;
mod event;
mod rivals;
#[cfg(test)]
mod simulation;
mod step;
#[cfg(test)]
mod tests;

pub use engine::{Settings, run};
pub use event::{Counts, Event, Outcome, Report, StepFailure, Undo};

pub use crate::remote::StopReason;
