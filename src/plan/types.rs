//! The types of a plan: options, steps, services, problems.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes::{Cause, Field, ServiceChanges, VersionSetChange};
use crate::model::{
    Api, BehaviorSetId, Endpoint, LiveService, MaxRemovals, NewService, Place, Retire, ServiceId,
    ServiceName, ServiceUpdate, SmokeTest, VersionSet, VersionSetName,
};

/// The inputs of planning besides the desired and the live state.
#[derive(Clone, Debug)]
pub struct Options {
    /// The API that the plan is for.
    pub api: Api,
    /// Today's date, such as `2026-11-22`. It becomes part of a replaced service's name.
    pub today: String,
    /// True if orphans are retired.
    pub prune: bool,
    /// The ownership value of another project whose services are taken over, if any.
    pub take_over: Option<String>,
    /// True if services that the guardrails protect may be replaced or removed.
    pub allow_protected: bool,
    /// The maximum number of removals, if the user overrides the project's `max_removals`.
    pub max_removals: Option<MaxRemovals>,
    /// The services to plan. If the list is empty, all services are planned.
    pub only: BTreeSet<ServiceName>,
    /// The declared services to plan and the orphans to retire, or `None` for all. A saved plan that is made again is
    /// limited to the services that it changes.
    pub touched: Option<BTreeSet<ServiceName>>,
    /// True if the API limits the rate of requests. The embedded sandbox does so only if the user asks for it.
    pub limited: bool,
    /// True if guardrails can refuse the plan. If false, each refusal becomes a finding, as in `drift`.
    pub enforce_guardrails: bool,
}

impl Options {
    /// Returns true if a declared service with this name is planned.
    pub(super) fn plans(&self, name: &ServiceName) -> bool {
        (self.only.is_empty() || self.only.contains(name)) && self.touches(name)
    }

    /// Returns true if an orphan with this name is retired.
    pub(super) fn prunes(&self, name: &ServiceName) -> bool {
        self.prune && self.only.is_empty() && self.touches(name)
    }

    fn touches(&self, name: &ServiceName) -> bool {
        self.touched.as_ref().is_none_or(|touched| touched.contains(name))
    }
}

/// The number of a step in its plan, from 1. In this order the steps can run one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(pub usize);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The service that a step acts on: one that exists, or one that an earlier step creates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A live service.
    Live(ServiceId),
    /// The service that the step with this number creates.
    Created(StepId),
}

/// The action of a step. All values are final: execution decides nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", content = "does", rename_all = "snake_case")]
pub enum Action {
    /// Creates a service. It is inactive if it replaces another one.
    Create(Box<NewService>),
    /// Changes fields of a service in place, including its name and whether it is active.
    Update {
        /// The service.
        id: ServiceId,
        /// The new values.
        update: Box<ServiceUpdate>,
    },
    /// Gives a service a temporary name, so that another one can take its name.
    #[serde(rename = "set_aside")]
    RenameTemporarily {
        /// The service.
        id: ServiceId,
        /// The temporary name, and the ownership tag by which a later run finds the service.
        update: Box<ServiceUpdate>,
    },
    /// Writes a whole version set.
    WriteVersionSet {
        /// The service.
        target: Target,
        /// The set's name.
        name: VersionSetName,
        /// All of its fields, including those that no manifest names.
        content: Box<VersionSet>,
        /// True if the version set is new.
        creates: bool,
    },
    /// Deletes a version set.
    DeleteVersionSet {
        /// The service.
        id: ServiceId,
        /// The set's name.
        name: VersionSetName,
    },
    /// Applies a behavior set to one more service.
    ApplyBehaviorSet {
        /// The behavior set.
        behavior_set: BehaviorSetId,
        /// Its name, for people.
        behavior_set_name: String,
        /// The service to add.
        target: Target,
    },
    /// Holds a test conversation with a service.
    Smoke {
        /// The service.
        target: Target,
        /// The message and the expected answer.
        test: SmokeTest,
    },
    /// Renames the old service and activates the new one, in two requests with nothing between them. If the second
    /// fails, the first is undone.
    HandOver {
        /// The old service.
        old: ServiceId,
        /// The old service's name, which it gets back if the activation fails.
        old_name: ServiceName,
        /// The rename of the old service; none if an earlier run has done it.
        rename: Option<Box<ServiceUpdate>>,
        /// The new service.
        new: Target,
        /// The activation, with the final name if the new service has a temporary one.
        activation: Box<ServiceUpdate>,
    },
    /// Takes a service out of use, as `lifecycle.retire` says.
    Retire {
        /// The service.
        id: ServiceId,
        /// The update that retires it; none if it is deleted.
        update: Option<Box<ServiceUpdate>>,
        /// The value of `lifecycle.retire`.
        how: Retire,
    },
    /// Renames the inactive new service of an abandoned replacement, so that it is not mistaken for one in use.
    #[serde(rename = "discard")]
    Abandon {
        /// The abandoned service.
        id: ServiceId,
        /// The rename.
        update: Box<ServiceUpdate>,
    },
}

/// The worst effect of a step on users of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Users notice nothing.
    Safe,
    /// A service changes id, name or versions.
    Disruptive,
    /// A service or version set goes out of use.
    Destructive,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The number of the step.
    pub id: StepId,
    /// The name of the service in its manifest, or its live name if no manifest declares it.
    pub service: ServiceName,
    /// The action.
    pub action: Action,
    /// The steps that must be completed before this one.
    pub depends_on: BTreeSet<StepId>,
    /// The risk of the step.
    pub risk: Risk,
    /// The changes that the step makes.
    pub changes: ServiceChanges,
    /// The reason for the step, if the changes don't show it.
    pub reason: Option<String>,
}

/// The kind of change to one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// It is created.
    Create,
    /// It changes in place.
    Update,
    /// A new service takes over from the old one.
    Replace,
    /// It goes out of use.
    Retire,
}

/// The last change of a live service, as far as the API reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastChange {
    /// The user, usually an id. Only Classic reports it.
    pub by: Option<String>,
    /// The time, as the API writes it. Only Platform reports it.
    pub at: Option<String>,
}

impl LastChange {
    /// Returns the last change of a service, or `None` if the API reports nothing about it.
    pub fn of(live: &LiveService) -> Option<Self> {
        let is_known = live.updated_by.is_some() || live.updated_at.is_some();
        is_known.then(|| Self { by: live.updated_by.clone(), at: live.updated_at.clone() })
    }
}

/// The changes to one service, for reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServicePlan {
    /// The name it will have.
    pub name: ServiceName,
    /// The kind of change.
    pub kind: ServiceKind,
    /// The live service; in a replacement, the old one.
    pub id: Option<ServiceId>,
    /// Its present name, if that changes.
    pub former_name: Option<ServiceName>,
    /// True if the plan adds the ownership tag.
    pub adopted: bool,
    /// True if the plan finishes a replacement that an earlier run began.
    pub continued: bool,
    /// The names (or ids) of the agent and the context graph, for new services.
    pub joins: Option<(String, String)>,
    /// Changed fields. In a replacement they include version sets; otherwise those are changes of their own steps.
    pub changes: ServiceChanges,
    /// The reason why the service is created, replaced or retired; none without a base, and for changes in place.
    pub cause: Option<Cause>,
    /// The last change of the live service.
    pub last_change: Option<LastChange>,
    /// The steps, in order.
    pub steps: Vec<StepId>,
}

impl ServicePlan {
    /// Returns true if the service exists, is inactive, and the plan activates it or its new service.
    pub fn is_reactivated(&self) -> bool {
        let active = self.changes.field(&Field::Active);
        self.id.is_some() && active.is_some_and(|change| change.after == true)
    }
}

/// The numbers of changes in a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Services to create.
    pub create: usize,
    /// Services to change in place.
    pub update: usize,
    /// Services to replace.
    pub replace: usize,
    /// Services to retire, not including the old services of replacements.
    pub retire: usize,
    /// Inactive services that are activated. Each also counts as a changed or replaced service.
    pub reactivate: usize,
    /// Services without an owner that get the ownership tag.
    pub adopt: usize,
    /// Version sets to create.
    pub version_sets_created: usize,
    /// Version sets to change.
    pub version_sets_updated: usize,
    /// Version sets to delete, including those that a replacement does not copy.
    pub version_sets_deleted: usize,
    /// Declared services without changes.
    pub unchanged: usize,
}

/// The number of requests of an apply, and the time that it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Requests by endpoint.
    pub by_endpoint: BTreeMap<Endpoint, usize>,
    /// The number of all requests.
    pub requests: usize,
    /// The minimum time that the published limits impose, in seconds.
    pub seconds: u64,
    /// The endpoint whose limit determines the time, or `None` if no limit is reached.
    pub bound_by: Option<Endpoint>,
}

/// A note for the reader. It refuses nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The service that the finding is about.
    pub service: ServiceName,
    /// The kind of finding.
    pub kind: FindingKind,
    /// The text of the note, or the reason for the refusal.
    pub message: String,
}

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// Something that the reader should know.
    Note,
    /// Guardrails would refuse an apply.
    Refusal,
}

impl Finding {
    /// The beginning of the text of a refusal.
    pub(super) const REFUSAL: &str = "an apply would be refused: ";

    /// Creates a note.
    pub fn note(service: ServiceName, message: impl Into<String>) -> Self {
        Self { service, kind: FindingKind::Note, message: message.into() }
    }

    /// Creates a finding that says that an apply would be refused for this reason.
    pub fn refusal(service: ServiceName, reason: &str) -> Self {
        Self { service, kind: FindingKind::Refusal, message: reason.to_owned() }
    }

    /// Returns true if an apply would be refused.
    pub fn is_refusal(&self) -> bool {
        self.kind == FindingKind::Refusal
    }

    /// Returns the whole text of the finding.
    pub fn text(&self) -> String {
        match self.kind {
            FindingKind::Note => self.message.clone(),
            FindingKind::Refusal => format!("{}{}", Self::REFUSAL, self.message),
        }
    }
}

/// The commit that a three-way plan compares with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The reference that the user gave, such as `origin/main`.
    pub reference: String,
    /// The commit that was read: the last one that both branches share, if it is known.
    pub commit: String,
    /// The newest commit of the reference, if this branch is behind it.
    pub upstream: Option<String>,
}

/// The origin of a plan: environment, server, time and commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The environment's name.
    pub environment: String,
    /// The API.
    pub api: Api,
    /// The organization, or the workspace's id.
    pub organization: String,
    /// The server's address, or `embedded`.
    pub server: String,
    /// The time at which the plan was made, as RFC 3339 in UTC.
    pub created_at: String,
    /// The commit of the manifests, if they are in a repository. A `+` follows if files differ from it.
    pub commit: Option<String>,
    /// The commit that the plan was compared with, if the plan is three-way.
    pub base: Option<Base>,
}

/// A complete plan for one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps, in an order in which they can run one by one.
    pub steps: Vec<Step>,
    /// The services that change, ordered by name.
    pub services: Vec<ServicePlan>,
    /// Owned, active services that no manifest declares and that this plan does not retire.
    pub orphans: Vec<(ServiceName, ServiceId)>,
    /// True if the plan retires orphans. Then [`Self::orphans`] has only those that `only` excludes.
    pub prune: bool,
    /// Live services that are neither declared nor owned.
    pub unmanaged: Vec<(ServiceName, ServiceId)>,
    /// Notes for the reader.
    pub findings: Vec<Finding>,
    /// The numbers of changes.
    pub summary: Summary,
    /// The estimated number of requests, and the time.
    pub estimate: Estimate,
    /// The number of active live services.
    pub active: usize,
    /// The number of inactive live services.
    pub inactive: usize,
    /// The number of declared services.
    pub declared: usize,
    /// The ids of declared services before the plan runs, by name.
    pub ids: BTreeMap<ServiceName, ServiceId>,
}

impl Plan {
    /// Returns true if the plan has no steps.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the step with this number, or `None` if there is none.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.get(id.0.checked_sub(1)?)
    }

    /// Returns the steps of a service.
    pub fn steps_of<'a>(&'a self, service: &'a ServicePlan) -> impl Iterator<Item = &'a Step> {
        service.steps.iter().filter_map(|id| self.step(*id))
    }

    /// Returns the changes to a service's version sets. In a replacement they are part of the service's own changes.
    /// Otherwise they are the changes of its steps.
    pub fn version_set_changes<'a>(
        &'a self,
        service: &'a ServicePlan,
    ) -> impl Iterator<Item = &'a VersionSetChange> {
        let replaces = service.kind == ServiceKind::Replace;
        let own = service.changes.version_sets.iter().filter(move |_| replaces);
        let steps = self.steps_of(service).filter(move |_| !replaces);
        own.chain(steps.flat_map(|step| &step.changes.version_sets))
    }
}

/// The kind of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A guardrail refuses the change. A flag or another rule can allow it.
    Refused,
    /// The API does not allow the change.
    Impossible,
    /// A name could mean several live services.
    Ambiguous,
    /// An agent, context graph or version that a manifest names does not exist.
    Missing,
}

/// One reason why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind.
    pub kind: ProblemKind,
    /// The service, or `None` if the problem concerns the whole plan.
    pub service: Option<ServiceName>,
    /// The place in the manifest, if there is one.
    pub place: Option<Place>,
    /// The message.
    pub message: String,
    /// Advice on what to do next.
    pub help: Vec<String>,
}

/// All reasons why no plan can be made, ordered by place and service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no plan can be made: {} problem(s)", problems.len())]
pub struct PlanError {
    /// The reasons. There is at least one.
    pub problems: Vec<Problem>,
}

impl PlanError {
    /// Returns true if only guardrails refuse the plan.
    pub fn is_refusal(&self) -> bool {
        self.problems.iter().all(|problem| problem.kind == ProblemKind::Refused)
    }
}
