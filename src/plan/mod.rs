//! Planning: `(desired, live, options) → Plan`, a pure function. May import `model` only.
//!
//! The same input gives the same plan, step for step: nothing here reads a file, a clock, the
//! environment or the network, and nothing depends on the order of a hash map.
//!
//! * [`lookups`](fn@lookups): what must still be read before a plan can be made;
//! * [`identity`] and [`half_made`]: which live service embodies which manifest, half-made replacements included;
//! * [`duplicates`]: services that can't be told apart;
//! * [`diff`]: what differs, in normal form;
//! * [`services`] and [`replacement`]: the steps of one service; [`former`]: of those that it replaced; [`orphans`]: of
//!   one that no manifest declares;
//! * [`order`]: who waits for whom, names included;
//! * [`guardrails`]: what a plan may not do;
//! * [`causes`]: whose doing each change is, told by the manifests of a base commit;
//! * [`conflicts`](fn@conflicts): changes that an apply should not make past somebody else's;
//! * [`absence`]: whether a plan rests on services that one reading of the list may have missed;
//! * [`looks`]: what a step reads before it acts;
//! * [`estimate`]: requests, and the time that the limits impose;
//! * [`verify`]: an independent judge of finished plans, sharing no code with the rest.

mod absence;
mod build;
mod causes;
mod conflicts;
mod diff;
mod duplicates;
mod estimate;
mod former;
mod guardrails;
mod half_made;
mod identity;
mod looks;
mod lookups;
mod names;
mod order;
mod orphans;
mod pins;
mod replacement;
mod resolve;
mod services;
mod types;
pub mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use absence::{ids_rest_on_absence, rests_on_absence};
pub use build::{ids, plan};
pub use causes::{Bases, Side, cause_lookups, with_causes};
pub use conflicts::{conflicts, conflicts_of, worst};
pub use diff::differences;
pub use looks::Looks;
pub use lookups::lookups;
pub use names::{is_leftover, without_date_and_id};
pub use replacement::abandonment;
pub use types::{
    Action, Base, Cause, Change, Estimate, Finding, LastChange, Options, Origin, Plan, PlanError, Problem,
    ProblemKind, Risk, ServiceKind, ServicePlan, Step, StepId, Summary, Target,
};
