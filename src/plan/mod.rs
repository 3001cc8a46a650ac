//! Makes plans. Planning is a pure function of the desired state, the live state and the options.
//!
//! The same input gives the same plan, step for step. Nothing here reads a file, a clock, the environment or the
//! network, and nothing depends on the order of a hash map.
//!
//! * [`lookups`](fn@lookups): the data that must be read before a plan can be made;
//! * [`resolve`]: the ids of agents and context graphs that manifests name;
//! * [`identity`]: finds the live service of each manifest. [`matcher`] has the state of that search. [`unfinished`],
//!   [`renames`] and [`duplicates`] are parts of the search. [`origin_index`] finds services by their tag `origin`;
//! * [`changes`]: the changed values of a service. [`records`]: the form that these values have in plan files;
//! * [`diff`]: differences between the desired and the live state, in normal form;
//! * [`merged_sets`]: the version sets that a manifest asks for; [`leaves`]: the differing values inside two JSON
//!   values;
//! * [`draft`]: the steps and problems that are collected while a plan is made;
//! * [`services`] and [`replacement`]: the steps of one service. [`steps`], [`version_sets`] and [`abandonment`] make
//!   steps that both of them need. [`checks`] and [`pins`] check the results;
//! * [`origins`]: writes the tag `origin`;
//! * [`former`] and [`orphans`]: the steps that retire services that were replaced or that no manifest declares.
//!   [`copies`]: the services that are left as they are, because another client has copied them;
//! * [`unmanage`]: the steps that end the management of services that the user names;
//! * [`order`]: the order of steps, including the order in which names are released and claimed;
//! * [`guardrails`]: the rules that refuse a plan;
//! * [`build`]: makes a plan with all the modules above;
//! * [`bases`]: the commits with which the services of a plan are compared;
//! * [`causes`]: the cause of each change, found by comparing with the manifests of a base commit. [`base_manifests`]
//!   indexes these manifests;
//! * [`deviation`]: tells services that have drifted from those whose manifest is not applied yet;
//! * [`conflicts`](fn@conflicts): changes that would undo another user's change;
//! * [`absence`]: finds plans that could be wrong if the API's list of services lacks a service that exists;
//! * [`step_reads`]: the services that a step reads before it acts;
//! * [`created_content`]: the content of a service that a plan creates;
//! * [`estimate`]: the number of requests, and the time that the limits impose;
//! * [`verify`]: an independent verifier of finished plans, which shares no code with the rest.

mod abandonment;
mod absence;
mod base_manifests;
mod bases;
mod build;
mod causes;
mod changes;
mod checks;
mod conflicts;
mod copies;
mod creation;
mod deviation;
mod diff;
mod draft;
mod duplicates;
mod estimate;
mod former;
mod guardrails;
mod identity;
mod leaves;
mod lookups;
mod matcher;
mod merged_sets;
mod names;
mod order;
mod origin_index;
mod origins;
mod orphans;
mod pins;
mod records;
mod renames;
mod replacement;
mod resolve;
mod services;
mod step_reads;
mod steps;
mod types;
mod unfinished;
mod unmanage;
pub mod verify;
mod version_sets;

#[cfg(test)]
pub(crate) mod tests;

pub use abandonment::abandonment;
pub use absence::{depends_on_absence, ids_depend_on_absence};
pub use bases::{BaseOf, Bases, OriginBases, OriginCommits, Side, origin_commits};
pub use build::{ids, plan};
pub use causes::{cause_lookups, with_causes};
pub use changes::{
    Cause, ChangePath, ChangedValue, Field, FieldChange, ServiceChanges, VersionSetChange,
    VersionSetChangeKind, VersionSetField,
};
pub use conflicts::{conflicts, conflicts_of, worst};
pub use creation::created_content;
pub use deviation::Deviation;
pub use diff::differences;
pub use lookups::lookups;
pub use names::{is_leftover, without_date_and_id};
pub use origins::with_commit;
pub use records::ChangeRecord;
pub use step_reads::StepReads;
pub use types::{
    Action, Base, Estimate, Finding, FindingKind, LastChange, Options, Origin, Plan, PlanError, Problem,
    ProblemKind, Risk, ServiceKind, ServicePlan, Step, StepId, Summary, Target,
};
