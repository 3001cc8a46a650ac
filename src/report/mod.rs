//! Pure renderers: no files, no clock, no terminal. May import `plan`, `apply`, `manifest` and `model`.
//!
//! They give text with ANSI colours; `ui` takes the colours out where they aren't wanted. What comes from
//! files or the API is data: it passes through [`text::visible`] before it is shown.

mod causes;
mod created;
pub mod diagnostics;
mod drift;
pub mod events;
pub mod explain;
pub mod github;
pub mod graph;
pub mod html;
pub mod human;
pub mod markdown;
pub mod metrics;
mod outcomes;
#[cfg(test)]
mod outcomes_tests;
pub mod pins;
pub mod problems_json;
pub mod progress;
pub mod sarif;
#[cfg(test)]
mod tests;
pub mod text;
mod values;

use crate::plan::{Origin, Plan};

/// One environment's part of a report; most reports have one.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Where the plan is from.
    pub origin: &'a Origin,
    /// The plan, or why there is none, in plain words of several lines.
    pub outcome: Result<Planned<'a>, &'a str>,
}

/// A plan and what it is known by.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The fingerprint of its whole content, in hexadecimal digits: the same plan has the same one.
    pub fingerprint: &'a str,
}
