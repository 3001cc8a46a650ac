//! Planning: `(desired, live, options) → Plan`, a pure function.
//!
//! The same input gives the same plan, step for step: nothing here reads a file, a clock, the
//! environment or the network, and nothing depends on the order of a hash map.
//!
//! * [`lookups`](fn@lookups): the data that must be read before a plan can be made;
//! * [`identity`] and [`half_made`]: the live service of each manifest, and unfinished replacements;
//! * [`duplicates`]: services that can't be told apart;
//! * [`changes`]: the changed values of a service, and [`records`]: their form in documents;
//! * [`diff`]: differences between the desired and the live state, in normal form;
//! * [`merged_sets`]: the version sets that a manifest asks for; [`leaves`]: the changed values in a JSON value;
//! * [`services`] and [`replacement`]: the steps of one service; [`former`]: of the services that it replaced;
//!   [`orphans`]: of services that no manifest declares;
//! * [`order`]: the order of steps, including the order in which names are freed and used;
//! * [`guardrails`]: the rules that refuse a plan;
//! * [`causes`]: the cause of each change, found by the manifests of a base commit;
//! * [`conflicts`](fn@conflicts): changes that would undo another user's change;
//! * [`absence`]: plans that depend on services missing from one reading of the list;
//! * [`looks`]: the services that a step reads before it acts;
//! * [`created_content`]: the content of a service that a plan creates;
//! * [`estimate`]: the number of requests, and the time that the limits impose;
//! * [`verify`]: an independent verifier of finished plans, which shares no code with the rest.

mod absence;
mod build;
mod causes;
mod changes;
mod conflicts;
mod creation;
mod diff;
mod duplicates;
mod estimate;
mod former;
mod guardrails;
mod half_made;
mod identity;
mod leaves;
mod looks;
mod lookups;
mod merged_sets;
mod names;
mod order;
mod orphans;
mod pins;
mod records;
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
pub use changes::{
    Cause, ChangePath, ChangedValue, Field, FieldChange, ServiceChanges, VersionSetChange,
    VersionSetChangeKind, VersionSetField,
};
pub use conflicts::{conflicts, conflicts_of, worst};
pub use creation::created_content;
pub use diff::differences;
pub use looks::Looks;
pub use lookups::lookups;
pub use names::{is_leftover, without_date_and_id};
pub use records::Change;
pub use replacement::abandonment;
pub use types::{
    Action, Base, Estimate, Finding, FindingKind, LastChange, Options, Origin, Plan, PlanError, Problem,
    ProblemKind, Risk, ServiceKind, ServicePlan, Step, StepId, Summary, Target,
};
