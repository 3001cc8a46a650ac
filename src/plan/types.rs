//! What a plan is made of. May import `model` only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{
    Api, BehaviorSetId, Endpoint, LiveService, MaxRemovals, NewService, Place, Retire, ServiceId,
    ServiceName, ServiceUpdate, SmokeTest, VersionSet, VersionSetName,
};

/// What a plan depends on besides the two states.
#[derive(Clone, Debug)]
pub struct Options {
    /// The API that the plan is for.
    pub api: Api,
    /// Today as `2026-11-22`: it becomes part of a replaced service's name.
    pub today: String,
    /// Retire owned services that no manifest declares.
    pub prune: bool,
    /// Take over the services whose ownership tag has this value, and no other project's.
    pub take_over: Option<String>,
    /// Replace or remove services that the guardrails protect.
    pub allow_protected: bool,
    /// How much may be removed, instead of what the project's rule says.
    pub max_removals: Option<MaxRemovals>,
    /// Plan these services only; empty means all.
    pub only: BTreeSet<ServiceName>,
    /// Plan these services and retire these orphans only, and leave the rest to another plan: what a saved plan
    /// touches, when it is made again. None means all.
    pub touched: Option<BTreeSet<ServiceName>>,
    /// Whether the API limits requests: the embedded sandbox need not.
    pub limited: bool,
    /// Whether rules stand against the plan; where it is only looked at, what they would refuse is a finding.
    pub enforce_guardrails: bool,
}

impl Options {
    /// Whether a declared service is planned.
    pub(super) fn plans(&self, name: &ServiceName) -> bool {
        (self.only.is_empty() || self.only.contains(name)) && self.touches(name)
    }

    /// Whether an orphan with this name is retired.
    pub(super) fn prunes(&self, name: &ServiceName) -> bool {
        self.prune && self.only.is_empty() && self.touches(name)
    }

    fn touches(&self, name: &ServiceName) -> bool {
        self.touched.as_ref().is_none_or(|touched| touched.contains(name))
    }
}

/// A step's number in its plan, from 1, in an order in which the steps could run one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(pub usize);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The service that a step is about: one that exists, or one that an earlier step creates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// It exists.
    Live(ServiceId),
    /// The step with this number creates it.
    Created(StepId),
}

/// What a step does. All contents are final: no choice is left to execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", content = "does", rename_all = "snake_case")]
pub enum Action {
    /// Creates a service; inactive where it is to replace another.
    Create(Box<NewService>),
    /// Changes fields in place: renames, activations and deactivations included.
    Update {
        /// The service.
        id: ServiceId,
        /// What changes.
        update: Box<ServiceUpdate>,
    },
    /// Gives a service a passing name, so that others can take the one it has.
    SetAside {
        /// The service.
        id: ServiceId,
        /// The passing name, and the ownership tag by which it is found again.
        update: Box<ServiceUpdate>,
    },
    /// Writes a version set, whole.
    WriteVersionSet {
        /// The service.
        target: Target,
        /// The set's name.
        name: VersionSetName,
        /// Everything it will hold, what no manifest names included.
        content: Box<VersionSet>,
        /// Whether the set is new.
        creates: bool,
    },
    /// Deletes a version set.
    DeleteVersionSet {
        /// The service.
        id: ServiceId,
        /// The set's name.
        name: VersionSetName,
    },
    /// Adds a service to those that a behavior set is applied to.
    ApplyBehaviorSet {
        /// The behavior set.
        behavior_set: BehaviorSetId,
        /// Its name, for people.
        behavior_set_name: String,
        /// The service to add.
        target: Target,
    },
    /// Holds a conversation that must go well.
    Smoke {
        /// The service.
        target: Target,
        /// What is said and expected.
        test: SmokeTest,
    },
    /// The old service gives its name up and the new one becomes active, in two requests without anything
    /// between them; if the second fails, the first is undone.
    HandOver {
        /// The old service.
        old: ServiceId,
        /// Its name so far, restored if the activation fails.
        old_name: ServiceName,
        /// What the old service is renamed to; absent where that has been done.
        rename: Option<Box<ServiceUpdate>>,
        /// The new service.
        new: Target,
        /// What activates it; with its final name, where it was made under a passing one.
        activation: Box<ServiceUpdate>,
    },
    /// Takes a service out of use, as `lifecycle.retire` says.
    Retire {
        /// The service.
        id: ServiceId,
        /// The update that does it; none where it is deleted.
        update: Option<Box<ServiceUpdate>>,
        /// The manifest's word for it.
        how: Retire,
    },
    /// Renames an inactive leftover of a replacement that was given up, so that it is never taken for a live one.
    Discard {
        /// The leftover.
        id: ServiceId,
        /// The rename.
        update: Box<ServiceUpdate>,
    },
}

/// How bad a step could be for those who talk to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Nobody in a conversation notices.
    Safe,
    /// A service changes id, name or versions.
    Disruptive,
    /// Something goes out of use.
    Destructive,
}

/// Whose doing a change is, where the manifests at a base commit are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The manifests have changed since the base.
    Manifest,
    /// The live state has changed since, past the manifests.
    Drift,
    /// Both have, and differ.
    Both,
    /// Only this branch wants it: the branch that it is compared with leaves what is live, and this one is behind.
    Behind,
}

impl Cause {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Drift => "drift",
            Self::Both => "both",
            Self::Behind => "behind",
        }
    }
}

/// One changed value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Where, with dots: `version_sets.release.agent_version`.
    pub path: String,
    /// The live value; null where there is none.
    pub before: Value,
    /// The wanted value; null where it goes away.
    pub after: Value,
    /// Whose doing it is; none where no base is known.
    pub cause: Option<Cause>,
}

impl Change {
    /// A change whose cause is not known.
    pub fn new(path: impl Into<String>, before: Value, after: Value) -> Self {
        Self { path: path.into(), before, after, cause: None }
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// The service as its manifest names it, or as it is named live.
    pub service: ServiceName,
    /// What is done.
    pub action: Action,
    /// What must be done before.
    pub depends_on: BTreeSet<StepId>,
    /// How bad it could be.
    pub risk: Risk,
    /// What it changes.
    pub changes: Vec<Change>,
    /// Why, where the changes don't say.
    pub reason: Option<String>,
}

/// What happens to one service, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// It is new.
    Create,
    /// It changes in place.
    Update,
    /// A new service takes over from the old one.
    Replace,
    /// It goes out of use.
    Retire,
}

/// Who changed a live service last, and when, as far as the API says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastChange {
    /// Who: an id, mostly. Classic tells it.
    pub by: Option<String>,
    /// When, as the API writes it. Platform tells it.
    pub at: Option<String>,
}

impl LastChange {
    /// What the API says of a service; none where that is nothing.
    pub fn of(live: &LiveService) -> Option<Self> {
        let told = live.updated_by.is_some() || live.updated_at.is_some();
        told.then(|| Self { by: live.updated_by.clone(), at: live.updated_at.clone() })
    }
}

/// What happens to one service, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServicePlan {
    /// The name it will have.
    pub name: ServiceName,
    /// In a word.
    pub kind: ServiceKind,
    /// The live service, the old one of a replacement.
    pub id: Option<ServiceId>,
    /// The name it has now, where that changes.
    pub former_name: Option<ServiceName>,
    /// Whether the project takes ownership of it with this plan.
    pub adopted: bool,
    /// Whether a half-made replacement of an earlier run is finished.
    pub continued: bool,
    /// The agent's and context graph's names (or ids) for new services.
    pub joins: Option<(String, String)>,
    /// Changed fields; version sets of a replacement among them, others apart.
    pub changes: Vec<Change>,
    /// Whose doing it is that the service is created, replaced or retired; none where no base is known, and
    /// for changes in place.
    pub cause: Option<Cause>,
    /// Who changed the live service last, and when.
    pub last_change: Option<LastChange>,
    /// The steps, in order.
    pub steps: Vec<StepId>,
}

/// How much a plan does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Services to create.
    pub create: usize,
    /// Services to change in place.
    pub update: usize,
    /// Services to replace.
    pub replace: usize,
    /// Services to retire, the old ones of replacements not counted.
    pub retire: usize,
    /// Services without an owner that get the ownership tag.
    pub adopt: usize,
    /// Version sets to create.
    pub version_sets_created: usize,
    /// Version sets to change.
    pub version_sets_updated: usize,
    /// Version sets to delete, those that a replacement does not carry over included.
    pub version_sets_deleted: usize,
    /// Declared services that are as declared.
    pub unchanged: usize,
}

/// What applying a plan costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Requests by endpoint.
    pub by_endpoint: BTreeMap<Endpoint, usize>,
    /// All requests.
    pub requests: usize,
    /// Seconds that the published limits impose, at least.
    pub seconds: u64,
    /// The endpoint whose limit decides the time; none where no limit is reached.
    pub bound_by: Option<Endpoint>,
}

/// Something a reader should know that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The service it is about.
    pub service: ServiceName,
    /// What is the case, and what follows.
    pub message: String,
}

impl Finding {
    /// How a finding begins that tells what an apply would not do.
    const REFUSAL: &str = "an apply would be refused: ";

    /// A finding that an apply would be refused, and why.
    pub fn refusal(service: ServiceName, why: &str) -> Self {
        Self { service, message: format!("{}{why}", Self::REFUSAL) }
    }

    /// Why an apply would be refused, if that is what it tells.
    pub fn refused(&self) -> Option<&str> {
        self.message.strip_prefix(Self::REFUSAL)
    }
}

/// The commit whose manifests tell what was meant before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// As it was asked for: `origin/main`.
    pub reference: String,
    /// The commit that was read: the last one that both branches share, if that is known.
    pub commit: String,
    /// The newest commit of the branch that it was compared with, where this one is behind it.
    pub upstream: Option<String>,
}

/// Where a plan is from and what it is for.
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
    /// When it was made, as RFC 3339 in UTC.
    pub created_at: String,
    /// The commit of the manifests, where they are in a repository; with `+` where files were changed since.
    pub commit: Option<String>,
    /// What the causes of changes are told by.
    pub base: Option<Base>,
}

/// A complete plan for one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps, in an order in which they could run one by one.
    pub steps: Vec<Step>,
    /// What happens to each service that changes, ordered by name.
    pub services: Vec<ServicePlan>,
    /// Owned, active services that no manifest declares and that this plan leaves alone.
    pub orphans: Vec<(ServiceName, ServiceId)>,
    /// Whether orphans were to be retired: those that are still listed were not chosen by `only`.
    pub prune: bool,
    /// Live services that are neither declared nor owned.
    pub unmanaged: Vec<(ServiceName, ServiceId)>,
    /// What a reader should know.
    pub findings: Vec<Finding>,
    /// How much is done.
    pub summary: Summary,
    /// What it costs.
    pub estimate: Estimate,
    /// Active live services.
    pub active: usize,
    /// Inactive live services: switched off, replaced, retired.
    pub inactive: usize,
    /// Services declared.
    pub declared: usize,
    /// Declared services' live ids before the plan runs, by name.
    pub ids: BTreeMap<ServiceName, ServiceId>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step with this number.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.get(id.0.checked_sub(1)?)
    }
}

/// Why no plan can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A rule forbids it; a flag or a changed rule allows it.
    Refused,
    /// The API can't do it.
    Impossible,
    /// Several live services could be meant.
    Ambiguous,
    /// Something that a manifest names does not exist.
    Missing,
}

/// One reason why no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind.
    pub kind: ProblemKind,
    /// The service it is about; none where it is about the whole plan.
    pub service: Option<ServiceName>,
    /// Where the manifest says what can't be.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub help: Vec<String>,
}

/// All reasons why no plan can be made, ordered by place and service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no plan can be made: {} problem(s)", problems.len())]
pub struct PlanError {
    /// The reasons; never empty.
    pub problems: Vec<Problem>,
}

impl PlanError {
    /// Whether rules alone stand against the plan.
    pub fn is_refusal(&self) -> bool {
        self.problems.iter().all(|problem| problem.kind == ProblemKind::Refused)
    }
}
