//! The content of a plan file, and its conversion from and to a plan.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest;
use super::fingerprints::{self, Fingerprint};
use crate::model::{Api, Desired, Endpoint, Policy, ServiceId, ServiceName, Snapshot, VersionSetName};
use crate::plan::{
    Action, Base, Estimate, Finding, Options, Origin, Plan, Risk, ServiceChanges, ServicePlan, Step, StepId,
    Summary, Target, verify,
};

/// The version of the plan format that this version of amigops reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// A plan for one environment: the steps, with their reasons and risks, and the estimated cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// The version of the plan format.
    pub format_version: u32,
    /// The version of amigops that made the plan.
    pub tool_version: String,
    /// The environment that the plan is for.
    pub environment: String,
    /// The API of the environment.
    pub api: Api,
    /// The organization on Classic, or the workspace's id on Platform.
    pub organization: String,
    /// The address of the server, or `embedded` if the environment is a sandbox.
    pub server: String,
    /// The time when the plan was made, in UTC and in the format of RFC 3339.
    pub created_at: String,
    /// The Git commit of the manifests, or null if they are not in a repository. A `+` at the end means that files
    /// differ from the commit.
    pub commit: Option<String>,
    /// The commit that the plan was compared with to find the causes of changes, or null without `--base`.
    pub base: Option<Base>,
    /// The commit that was applied last to each service that changes, by the service's name. The changes are compared
    /// with this commit to find their causes. Null if the commit is unknown. Empty with `--base`, and without the tag
    /// `origin`.
    #[serde(default)]
    pub bases: BTreeMap<ServiceName, Option<String>>,
    /// The SHA-256 of the rest of the document, except for `created_at`, `applied_at` and the last changes of services.
    pub fingerprint: String,
    /// The SHA-256 of the manifest of each service that the steps change, by the service's name.
    pub manifests: BTreeMap<ServiceName, String>,
    /// The options that the plan was made with.
    pub options: RecordedOptions,
    /// The numbers of changes, by kind.
    pub summary: SummaryDocument,
    /// The estimated number of requests and duration of an apply.
    pub estimate: EstimateDocument,
    /// The services that the plan changes, ordered by name.
    pub services: Vec<ServicePlan>,
    /// The steps, in an order in which they can be executed one by one.
    pub steps: Vec<StepDocument>,
    /// Owned, active services that no manifest declares and that the plan does not change.
    pub orphans: Vec<NamedService>,
    /// Live services that no manifest declares and that the project does not own.
    pub unmanaged: Vec<NamedService>,
    /// Notes for the reader of the plan, such as warnings.
    pub diagnostics: Vec<Finding>,
    /// The numbers of live and declared services.
    pub counts: Counts,
    /// The ids of the live services that manifests declare, by name, as they are before the plan is applied.
    pub ids: BTreeMap<ServiceName, ServiceId>,
    /// The live values that the steps depend on, as they were when the plan was made. If they change, the plan is
    /// stale.
    pub fingerprints: Vec<Fingerprint>,
    /// The time when an apply of the plan began, or null if no apply has begun. A plan can't be applied twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<String>,
}

/// The options that a plan was made with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedOptions {
    /// True if the plan retires orphans (`--prune`, or `prune: true` in `amigops.yaml`).
    pub prune: bool,
    /// The ownership value of the project whose services are taken over (`--take-over`), or null.
    pub take_over: Option<String>,
    /// True if protected services may be replaced or retired (`--allow-protected`).
    pub allow_protected: bool,
    /// The value of `--max-removals`, such as `3` or `10%`, which overrides the project's maximum. Null if the
    /// project's maximum is used.
    pub max_removals: Option<String>,
    /// The services that are created although they may be existing services under a new name (`--create`).
    #[serde(default)]
    pub create: BTreeSet<ServiceName>,
    /// The services that the plan was limited to (`--only`). An empty list means all services.
    pub only: BTreeSet<ServiceName>,
    /// True if the project's guardrails were enforced. A preview does not enforce guardrails, so it can't be applied.
    pub guardrails: bool,
}

/// The numbers of changes in a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryDocument {
    /// The number of services to create.
    pub create: usize,
    /// The number of services to change in place.
    pub update: usize,
    /// The number of services to replace.
    pub replace: usize,
    /// The number of services to retire, not including the old services of replacements.
    pub retire: usize,
    /// The number of inactive services to activate. Each also counts in `update` or `replace`.
    #[serde(default)]
    pub reactivate: usize,
    /// The number of services to adopt. They get the ownership tag.
    pub adopt: usize,
    /// The numbers of version sets to create, change and delete.
    pub version_sets: VersionSetSummary,
    /// The number of declared services without changes.
    pub unchanged: usize,
}

/// The numbers of version sets to create, change and delete in a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionSetSummary {
    /// The number of version sets to create.
    pub create: usize,
    /// The number of version sets to change.
    pub update: usize,
    /// The number of version sets to delete.
    pub delete: usize,
}

/// The estimated cost of applying a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateDocument {
    /// The estimated number of requests to the API.
    pub requests: usize,
    /// The estimated duration under the documented rate limits, in seconds.
    pub seconds: u64,
    /// The estimated number of requests to each endpoint.
    pub by_endpoint: BTreeMap<Endpoint, usize>,
    /// The endpoint whose rate limit determines the duration, or null if no limit is reached.
    pub bound_by: Option<Endpoint>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepDocument {
    /// The number of the step. The first step has the number 1.
    pub id: StepId,
    /// The action of the step, with every value that is needed to execute it.
    #[serde(flatten)]
    pub action: Action,
    /// The name of the service in its manifest. If no manifest declares the service, its live name.
    pub service: ServiceName,
    /// The id of the existing service, or null if this step or an earlier step creates the service.
    pub service_id: Option<ServiceId>,
    /// The version set that the step writes, tests or deletes, or null if there is none.
    pub version_set: Option<VersionSetName>,
    /// The numbers of the steps that must be completed before this step.
    pub depends_on: BTreeSet<StepId>,
    /// The worst effect of the step on users of the service.
    pub risk: Risk,
    /// The values that the step changes.
    pub changes: ServiceChanges,
    /// The reason for the step, if its changes don't show it.
    pub reason: Option<String>,
}

/// The name and the id of a live service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedService {
    /// The name of the service.
    pub name: ServiceName,
    /// The id of the service.
    pub id: ServiceId,
}

/// The numbers of active, inactive and declared services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The number of active live services.
    pub active: usize,
    /// The number of inactive live services.
    pub inactive: usize,
    /// The number of services that manifests declare.
    pub declared: usize,
}

/// The reason why the text of a file is not a plan that this version of amigops can apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text is not JSON, or the JSON does not have the form of a plan.
    #[error("the file is not a plan ({0})")]
    Malformed(String),
    /// The text is a plan in another format version.
    #[error("the plan has format version {0}, but this build of amigops reads version {FORMAT_VERSION}")]
    Version(u64),
    /// The plan's fingerprint does not match its content.
    #[error("the plan was edited: its fingerprint does not match its content")]
    Edited,
    /// The plan's steps are inconsistent.
    #[error("the plan's steps are inconsistent ({0})")]
    Inconsistent(String),
}

/// The inputs that a plan was made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// The options that the plan was made with.
    pub options: &'a Options,
    /// The desired state.
    pub desired: &'a Desired,
    /// The live state.
    pub snapshot: &'a Snapshot,
    /// The project's rules, such as its guardrails.
    pub policy: &'a Policy,
}

impl PlanDocument {
    /// Creates the document of a plan from the plan, its origin, and the inputs of planning.
    pub fn new(plan: &Plan, origin: &Origin, inputs: &PlanInputs<'_>) -> Self {
        let PlanInputs { options, desired, snapshot, policy } = inputs;
        let Origin { environment, api, organization, server, created_at, commit, base } = origin.clone();
        let Plan {
            steps,
            services,
            orphans,
            unmanaged,
            findings,
            summary,
            estimate,
            active,
            inactive,
            declared,
            ids,
            bases,
            prune: _,
        } = plan;
        let mut document = Self {
            format_version: FORMAT_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            environment,
            api,
            organization,
            server,
            created_at,
            commit,
            base,
            bases: bases.clone(),
            fingerprint: String::new(),
            manifests: manifests(steps, desired),
            options: RecordedOptions {
                prune: options.prune,
                take_over: options.take_over.clone(),
                allow_protected: options.allow_protected,
                max_removals: options.max_removals.map(|most| most.to_string()),
                create: options.create.clone(),
                only: options.only.clone(),
                guardrails: options.enforce_guardrails,
            },
            summary: summary.clone().into(),
            estimate: estimate.clone().into(),
            services: services.clone(),
            steps: steps.iter().cloned().map(StepDocument::from).collect(),
            orphans: named(orphans),
            unmanaged: named(unmanaged),
            diagnostics: findings.clone(),
            counts: Counts { active: *active, inactive: *inactive, declared: *declared },
            ids: ids.clone(),
            fingerprints: fingerprints::fingerprints(steps, desired, snapshot, policy, api),
            applied_at: None,
        };
        document.fingerprint = fingerprint_of(digest::value(&document));
        document
    }

    /// Reads a plan document from the text of a file, and checks its fingerprint and its steps.
    ///
    /// # Errors
    ///
    /// Errors if the text is not a plan that this version of amigops can apply.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| ReadError::Malformed(error.to_string()))?;
        match value.get("format_version").map(Value::as_u64) {
            Some(Some(version)) if version == u64::from(FORMAT_VERSION) => {}
            Some(Some(version)) => return Err(ReadError::Version(version)),
            _ => return Err(ReadError::Malformed("the key `format_version` is missing".to_owned())),
        }
        let document = Self::deserialize(&value).map_err(|error| ReadError::Malformed(error.to_string()))?;
        if fingerprint_of(value) != document.fingerprint {
            return Err(ReadError::Edited);
        }
        match verify::structure(&document.plan()).into_iter().next() {
            Some(violation) => Err(ReadError::Inconsistent(violation)),
            None => Ok(document),
        }
    }

    /// Converts the document to a plan.
    pub fn plan(&self) -> Plan {
        let pairs =
            |list: &[NamedService]| list.iter().map(|one| (one.name.clone(), one.id.clone())).collect();
        Plan {
            steps: self.steps.iter().cloned().map(Step::from).collect(),
            services: self.services.clone(),
            orphans: pairs(&self.orphans),
            unmanaged: pairs(&self.unmanaged),
            findings: self.diagnostics.clone(),
            summary: self.summary.clone().into(),
            estimate: self.estimate.clone().into(),
            active: self.counts.active,
            inactive: self.counts.inactive,
            declared: self.counts.declared,
            ids: self.ids.clone(),
            bases: self.bases.clone(),
            prune: self.options.prune,
        }
    }

    /// Returns the names of the services that the steps change. A service that no manifest declares has its live name
    /// here.
    pub fn changed_services(&self) -> BTreeSet<ServiceName> {
        self.steps.iter().map(|step| step.service.clone()).collect()
    }

    /// Returns the origin of the plan: environment, server, time and commit.
    pub fn origin(&self) -> Origin {
        Origin {
            environment: self.environment.clone(),
            api: self.api,
            organization: self.organization.clone(),
            server: self.server.clone(),
            created_at: self.created_at.clone(),
            commit: self.commit.clone(),
            base: self.base.clone(),
        }
    }
}

/// Returns the fingerprint of a document, which is the SHA-256 of its content, including unknown keys. The fingerprint
/// itself, `created_at`, `applied_at` and the last changes of services are left out.
///
/// A fingerprint detects damaged files and distinguishes plans, but it proves nothing: anyone who edits a document can
/// compute its fingerprint again.
pub fn fingerprint_of(mut document: Value) -> String {
    if let Value::Object(members) = &mut document {
        for name in ["fingerprint", "created_at", "applied_at"] {
            members.remove(name);
        }
        let services = members.get_mut("services").and_then(Value::as_array_mut);
        for service in services.into_iter().flatten().filter_map(Value::as_object_mut) {
            service.remove("last_change");
        }
    }
    digest::of(&document)
}

/// Returns the fingerprints of the manifests of the services that the steps change, by service. Orphans are left out,
/// because they have no manifest.
fn manifests(steps: &[Step], desired: &Desired) -> BTreeMap<ServiceName, String> {
    let names: BTreeSet<&ServiceName> = steps.iter().map(|step| &step.service).collect();
    let declared = names.into_iter().filter_map(|name| desired.services.get(name));
    declared.map(|service| (service.name.clone(), digest::of_manifest(service))).collect()
}

fn named(list: &[(ServiceName, ServiceId)]) -> Vec<NamedService> {
    list.iter().map(|(name, id)| NamedService { name: name.clone(), id: id.clone() }).collect()
}

impl From<Step> for StepDocument {
    fn from(step: Step) -> Self {
        let Step { id, service, action, depends_on, risk, changes, reason } = step;
        let (service_id, version_set) = subject(&action);
        Self { id, action, service, service_id, version_set, depends_on, risk, changes, reason }
    }
}

impl From<StepDocument> for Step {
    fn from(step: StepDocument) -> Self {
        let StepDocument {
            id,
            action,
            service,
            service_id: _,
            version_set: _,
            depends_on,
            risk,
            changes,
            reason,
        } = step;
        Self { id, service, action, depends_on, risk, changes, reason }
    }
}

/// Returns the id of the live service and the name of the version set that an action writes, tests or deletes. Each is
/// `None` if the action has none.
fn subject(action: &Action) -> (Option<ServiceId>, Option<VersionSetName>) {
    let live = |target: &Target| match target {
        Target::Live(id) => Some(id.clone()),
        Target::Created(_) => None,
    };
    match action {
        Action::Create(_) => (None, None),
        Action::Update { id, .. }
        | Action::RenameTemporarily { id, .. }
        | Action::Retire { id, .. }
        | Action::Abandon { id, .. } => (Some(id.clone()), None),
        Action::WriteVersionSet { target, name, .. } => (live(target), Some(name.clone())),
        Action::DeleteVersionSet { id, name } => (Some(id.clone()), Some(name.clone())),
        Action::ApplyBehaviorSet { target, .. } => (live(target), None),
        Action::Smoke { target, test } => (live(target), Some(test.version_set.clone())),
        Action::HandOver { old, .. } => (Some(old.clone()), None),
    }
}

impl From<Summary> for SummaryDocument {
    fn from(summary: Summary) -> Self {
        let Summary {
            create,
            update,
            replace,
            retire,
            reactivate,
            adopt,
            version_sets_created,
            version_sets_updated,
            version_sets_deleted,
            unchanged,
        } = summary;
        let version_sets = VersionSetSummary {
            create: version_sets_created,
            update: version_sets_updated,
            delete: version_sets_deleted,
        };
        Self { create, update, replace, retire, reactivate, adopt, version_sets, unchanged }
    }
}

impl From<SummaryDocument> for Summary {
    fn from(summary: SummaryDocument) -> Self {
        let SummaryDocument { create, update, replace, retire, reactivate, adopt, version_sets, unchanged } =
            summary;
        Self {
            create,
            update,
            replace,
            retire,
            reactivate,
            adopt,
            version_sets_created: version_sets.create,
            version_sets_updated: version_sets.update,
            version_sets_deleted: version_sets.delete,
            unchanged,
        }
    }
}

impl From<Estimate> for EstimateDocument {
    fn from(Estimate { by_endpoint, requests, seconds, bound_by }: Estimate) -> Self {
        Self { requests, seconds, by_endpoint, bound_by }
    }
}

impl From<EstimateDocument> for Estimate {
    fn from(EstimateDocument { requests, seconds, by_endpoint, bound_by }: EstimateDocument) -> Self {
        Self { by_endpoint, requests, seconds, bound_by }
    }
}
