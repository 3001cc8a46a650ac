//! The types of a plan: its options, steps, services, findings and problems.

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
    /// True if the plan retires orphans.
    pub prune: bool,
    /// The ownership value of another project whose services are taken over, if any.
    pub take_over: Option<String>,
    /// True if services that the guardrails protect may be replaced or removed.
    pub allow_protected: bool,
    /// The maximum number of removals, if the user overrides the project's `max_removals`.
    pub max_removals: Option<MaxRemovals>,
    /// The services that are created although an orphan may be the same service under another name.
    pub create: BTreeSet<ServiceName>,
    /// The names of the services to plan, as in `--only`. If the list is empty, all services are planned.
    pub only: BTreeSet<ServiceName>,
    /// The names of the services to which planning is limited, both declared services and orphans. `None` means all
    /// services. Before a saved plan is applied, it is made again. Then these are the services that the saved plan
    /// changes.
    pub touched: Option<BTreeSet<ServiceName>>,
    /// The names of the live services to stop managing. If the list is not empty, nothing else is planned.
    pub unmanage: BTreeSet<ServiceName>,
    /// True if the API limits the rate of requests. The embedded emulator does so only if `limits: true` is set.
    pub limited: bool,
    /// True if guardrails can refuse the plan. If false, each refusal becomes a finding, as in the command `drift`.
    pub enforce_guardrails: bool,
    /// True if a wrong tag `origin` is a reason to write it. False in `drift`, because no manifest declares the tag.
    pub corrects_origins: bool,
}

impl Options {
    /// Returns true if a declared service with this name must be planned.
    pub(super) fn plans(&self, name: &ServiceName) -> bool {
        let is_chosen = self.only.is_empty() || self.only.contains(name);
        is_chosen && self.touches(name) && self.unmanage.is_empty()
    }

    /// Returns true if an orphan with this name must be retired.
    pub(super) fn prunes(&self, name: &ServiceName) -> bool {
        self.prune && self.only.is_empty() && self.touches(name) && self.unmanage.is_empty()
    }

    fn touches(&self, name: &ServiceName) -> bool {
        self.touched.as_ref().is_none_or(|touched| touched.contains(name))
    }
}

/// The number of a step in its plan. The first step has the number 1. The steps can run one by one in the order of
/// their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(pub usize);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The service that a step acts on: a live service, or a service that an earlier step creates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The live service with this id.
    Live(ServiceId),
    /// The service that the step with this number creates.
    Created(StepId),
}

/// The action of a step. It contains all final values, so that an apply has nothing to decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", content = "does", rename_all = "snake_case")]
pub enum Action {
    /// Creates a service. If the new service replaces another one, it is created inactive.
    Create(Box<NewService>),
    /// Changes fields of a service in place, including its name and whether it is active.
    Update {
        /// The id of the service.
        id: ServiceId,
        /// The new values.
        update: Box<ServiceUpdate>,
    },
    /// Gives a service a temporary name, so that another service can use its current name.
    #[serde(rename = "set_aside")]
    RenameTemporarily {
        /// The id of the service.
        id: ServiceId,
        /// The update that sets the temporary name, and the ownership tag that helps a later run to find the service.
        update: Box<ServiceUpdate>,
    },
    /// Writes a whole version set.
    WriteVersionSet {
        /// The service that has the version set.
        target: Target,
        /// The name of the version set.
        name: VersionSetName,
        /// All fields of the version set, including those that no manifest declares.
        content: Box<VersionSet>,
        /// True if the version set is new.
        creates: bool,
    },
    /// Deletes a version set.
    DeleteVersionSet {
        /// The id of the service that has the version set.
        id: ServiceId,
        /// The name of the version set.
        name: VersionSetName,
    },
    /// Adds a service to the services that a behavior set applies to.
    ApplyBehaviorSet {
        /// The id of the behavior set.
        behavior_set: BehaviorSetId,
        /// The name of the behavior set, for messages.
        behavior_set_name: String,
        /// The service that the behavior set will also apply to.
        target: Target,
    },
    /// Runs a smoke test, which is a test conversation with a service.
    Smoke {
        /// The service to test.
        target: Target,
        /// The message and the expected answer.
        test: SmokeTest,
    },
    /// Makes the cut-over of a replacement: renames the old service, and activates the new one immediately afterwards.
    /// If the activation fails, the rename is undone.
    HandOver {
        /// The id of the old service.
        old: ServiceId,
        /// The old service's name, which it gets back if the activation fails.
        old_name: ServiceName,
        /// The update that renames the old service, or null if an earlier run has already renamed it.
        rename: Option<Box<ServiceUpdate>>,
        /// The new service.
        new: Target,
        /// The update that activates the new service. If the service has a temporary name, the update also sets its
        /// final name.
        activation: Box<ServiceUpdate>,
    },
    /// Retires a service in the way that `lifecycle.retire` specifies.
    Retire {
        /// The id of the service.
        id: ServiceId,
        /// The update that retires the service, or null if the service is deleted.
        update: Option<Box<ServiceUpdate>>,
        /// The value of `lifecycle.retire`.
        how: Retire,
    },
    /// Renames the inactive new service of an abandoned replacement, so that it is not mistaken for a service in use.
    #[serde(rename = "discard")]
    Abandon {
        /// The id of the abandoned service.
        id: ServiceId,
        /// The update that renames the service.
        update: Box<ServiceUpdate>,
    },
}

/// The worst effect of a step on users of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Users notice nothing.
    Safe,
    /// A service gets another id, another name or other versions.
    Disruptive,
    /// A service or version set is taken out of use.
    Destructive,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The number of the step.
    pub id: StepId,
    /// The name of the service in its manifest, or its live name if no manifest declares it.
    pub service: ServiceName,
    /// The action that the step carries out.
    pub action: Action,
    /// The steps that must be completed before this one.
    pub depends_on: BTreeSet<StepId>,
    /// The worst effect of the step on users of the service.
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
    /// The service is created.
    Create,
    /// The service is changed in place.
    Update,
    /// The service is replaced by a new one.
    Replace,
    /// The service is retired.
    Retire,
}

/// The last change that was made to a live service, as far as the API reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastChange {
    /// The user who made the change, usually given by an id. Only Classic reports the user.
    pub by: Option<String>,
    /// The time of the change, in the format of the API. Only Platform reports the time.
    pub at: Option<String>,
}

impl LastChange {
    /// Returns the last change of a service, or `None` if the API reports nothing about it.
    pub fn of(live: &LiveService) -> Option<Self> {
        let is_known = live.updated_by.is_some() || live.updated_at.is_some();
        is_known.then(|| Self { by: live.updated_by.clone(), at: live.updated_at.clone() })
    }
}

/// The changes that a plan makes to one service, for reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServicePlan {
    /// The name that the service has after the plan is applied.
    pub name: ServiceName,
    /// The kind of change.
    pub kind: ServiceKind,
    /// The id of the live service, or null if the service is created. In a replacement, this is the id of the old
    /// service.
    pub id: Option<ServiceId>,
    /// The service's name before the plan renames it. Null if the plan does not change the name.
    pub former_name: Option<ServiceName>,
    /// True if the plan adds the ownership tag.
    pub adopted: bool,
    /// True if the plan finishes a replacement that an earlier run began.
    pub continued: bool,
    /// The names (or ids) of the agent and of the context graph, if the service is created. Otherwise null.
    pub joins: Option<(String, String)>,
    /// The changed values. In a replacement, they include values of version sets. Otherwise, changes to version sets
    /// are only listed in the steps that make them.
    pub changes: ServiceChanges,
    /// The cause of the creation, replacement or retirement. Null for a change in place, and if the base is unknown.
    pub cause: Option<Cause>,
    /// The last change of the live service.
    pub last_change: Option<LastChange>,
    /// The numbers of the steps for this service, in order.
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
    /// The number of services to create.
    pub create: usize,
    /// The number of services to change in place.
    pub update: usize,
    /// The number of services to replace.
    pub replace: usize,
    /// The number of services to retire, not including the old services of replacements.
    pub retire: usize,
    /// The number of inactive services to activate. Each also counts as a changed or replaced service.
    pub reactivate: usize,
    /// The number of services without an owner that get the ownership tag.
    pub adopt: usize,
    /// The number of version sets to create.
    pub version_sets_created: usize,
    /// The number of version sets to change.
    pub version_sets_updated: usize,
    /// The number of version sets to delete, including those that a replacement does not copy to the new service.
    pub version_sets_deleted: usize,
    /// The number of declared services without changes.
    pub unchanged: usize,
}

/// The estimated number of requests and duration of an apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The number of requests to each endpoint.
    pub by_endpoint: BTreeMap<Endpoint, usize>,
    /// The total number of requests.
    pub requests: usize,
    /// The estimated duration of the apply in seconds: the time that the published rate limits impose, and a fixed time
    /// for each request.
    pub seconds: u64,
    /// The endpoint whose rate limit determines the duration, or `None` if no limit is reached.
    pub bound_by: Option<Endpoint>,
}

/// A remark about a service, for the reader of a plan. Unlike a [`Problem`], a finding does not prevent the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The service that the finding is about.
    pub service: ServiceName,
    /// The kind of finding.
    pub kind: FindingKind,
    /// The text of the note, or the reason why an apply would be refused.
    pub message: String,
}

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// The finding is something that the reader of the plan should know.
    Note,
    /// The finding is a reason for which guardrails would refuse an apply.
    Refusal,
}

impl Finding {
    /// The words with which the text of a finding begins if it is a refusal.
    pub(super) const REFUSAL: &str = "an apply would be refused: ";

    /// Creates a finding that is only a note.
    pub fn note(service: ServiceName, message: impl Into<String>) -> Self {
        Self { service, kind: FindingKind::Note, message: message.into() }
    }

    /// Creates a finding that says that guardrails would refuse an apply for this reason.
    pub fn refusal(service: ServiceName, reason: &str) -> Self {
        Self { service, kind: FindingKind::Refusal, message: reason.to_owned() }
    }

    /// Returns true if the finding says that an apply would be refused.
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

/// The commit with which a three-way plan is compared. Such a plan is made with `--base`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The reference that the user gave, such as `origin/main`.
    pub reference: String,
    /// The commit whose manifests were read: the last commit that this branch and the reference share, if it is known.
    pub commit: String,
    /// The newest commit of the reference, if this branch does not contain it. Otherwise null.
    pub upstream: Option<String>,
}

/// The origin of a plan: environment, server, time and commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The environment's name.
    pub environment: String,
    /// The API of the environment.
    pub api: Api,
    /// The organization on Classic, or the workspace's id on Platform.
    pub organization: String,
    /// The address of the server, or `embedded` if the environment is a sandbox.
    pub server: String,
    /// The time at which the plan was made, in UTC and in the format of RFC 3339.
    pub created_at: String,
    /// The Git commit of the manifests, if they are in a repository. A `+` at the end means that files differ from the
    /// commit.
    pub commit: Option<String>,
    /// The commit that the plan was compared with, if the plan was made with `--base`.
    pub base: Option<Base>,
}

/// A complete plan for one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps, in an order in which they can run one by one.
    pub steps: Vec<Step>,
    /// The services that change. First come the services that the plan activates again, and then the others. Each group
    /// is ordered by name.
    pub services: Vec<ServicePlan>,
    /// Owned, active services that no manifest declares and that this plan does not retire.
    pub orphans: Vec<(ServiceName, ServiceId)>,
    /// True if the plan retires orphans. Then [`Self::orphans`] is empty, unless [`Options::only`] excludes orphans
    /// from the plan.
    pub prune: bool,
    /// Live services that no manifest declares and that the project does not own.
    pub unmanaged: Vec<(ServiceName, ServiceId)>,
    /// Remarks for the reader of the plan. They include the reasons for which an apply would be refused.
    pub findings: Vec<Finding>,
    /// The numbers of changes, by kind.
    pub summary: Summary,
    /// The estimated number of requests and duration of an apply.
    pub estimate: Estimate,
    /// The number of active live services.
    pub active: usize,
    /// The number of inactive live services.
    pub inactive: usize,
    /// The number of declared services that the plan is made for.
    pub declared: usize,
    /// The ids of the live services that manifests declare, by name, as they are before the plan is applied.
    pub ids: BTreeMap<ServiceName, ServiceId>,
    /// The commit that was applied last to each service that changes, by the service's name. `None` if it is unknown.
    /// Empty if the plan is not compared with the commits in the tags `origin`.
    pub bases: BTreeMap<ServiceName, Option<String>>,
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

    /// Returns the steps of a service in this plan, in order.
    pub fn steps_of<'a>(&'a self, service: &'a ServicePlan) -> impl Iterator<Item = &'a Step> {
        service.steps.iter().filter_map(|id| self.step(*id))
    }

    /// Returns the changes to a service's version sets. For a replacement, they come from the changes of the service as
    /// a whole. Otherwise, they come from its steps.
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
    /// A guardrail or another safety rule refuses the change. In most cases, a flag can allow it.
    Refused,
    /// The API does not allow the change.
    Impossible,
    /// A name could mean several live services, agents or context graphs.
    Ambiguous,
    /// Something that a manifest or an option names does not exist, such as an agent or a version.
    Missing,
}

/// One reason why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of the problem.
    pub kind: ProblemKind,
    /// The service that the problem concerns, or `None` if it concerns the whole plan.
    pub service: Option<ServiceName>,
    /// The place in a manifest that the problem is about, or `None` if it is not about one place.
    pub place: Option<Place>,
    /// A message that describes the problem.
    pub message: String,
    /// Advice on how to solve the problem.
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
