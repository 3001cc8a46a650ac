//! Renders plans, events and problems as text. The renderers use no files, no clock and no terminal.
//!
//! The text for terminals has ANSI colours, which `ui` removes if they are not wanted. Text from files or the API is
//! untrusted, so it is passed through [`text::visible`] before it is shown.

mod causes;
mod created;
pub mod diagnostics;
mod direction;
mod drift;
pub mod events;
pub mod explain;
pub mod github;
pub mod graph;
pub mod html;
pub mod human;
mod human_drift;
mod lookalikes;
pub mod markdown;
pub mod metrics;
mod mode;
mod outcomes;
#[cfg(test)]
mod outcomes_tests;
pub mod pins;
pub mod problems_json;
pub mod progress;
#[cfg(test)]
mod progress_tests;
mod replacement;
pub mod run_end;
pub mod sarif;
mod short_value;
mod shown;
#[cfg(test)]
mod tests;
pub mod text;
mod totals;
mod values;
mod version_sets;

pub use mode::Mode;

use crate::plan::{Origin, Plan};

/// The part of a report for one environment. Most reports have only one part.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// The environment, the time and the commits that the plan was made from.
    pub origin: &'a Origin,
    /// The plan, or the reason why there is no plan. The reason can have several lines.
    pub outcome: Result<Planned<'a>, &'a str>,
}

/// A plan and its fingerprint.
#[derive(Clone, Copy, Debug)]
pub struct Planned<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The fingerprint of the plan's whole content, in hexadecimal digits. Equal plans have equal fingerprints.
    pub fingerprint: &'a str,
}
