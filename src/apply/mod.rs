//! Runs an approved plan, step by step, and emits events; knows no terminal. May import `plan`, `remote`
//! and `model`.
//!
//! Steps run side by side as far as the plan's graph allows. A failed step stops only what waits for it.
//! A plan's steps are final: what a step does is not decided here. A step that renames, activates, takes out of use or
//! copies state reads first what it is about; if somebody has changed that since the plan was made, it stops.
//!
//! * [`engine`]: the order of execution;
//! * [`step`]: one step; [`hand_over`] and [`undo`]: the one that moves a name from one service to another;
//! * [`expected`], [`reads`], [`checks`] and [`merge`]: what a step should find, what it finds, and what follows;
//! * [`rivals`]: another run at the same time.

mod checks;
mod engine;
mod event;
mod expected;
mod hand_over;
mod merge;
mod reads;
mod rivals;
#[cfg(test)]
mod simulation;
mod step;
#[cfg(test)]
mod tests;
mod undo;

pub use engine::{Settings, run};
pub use event::{ChangedSince, Counts, Event, Outcome, Report, StepFailure, Undo};

pub use crate::remote::StopReason;
