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

/// The format version that this build reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// A plan for one environment: its steps, their reasons, risks and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDocument {
    /// The version of this format.
    pub format_version: u32,
    /// The version of the tool that made the plan.
    pub tool_version: String,
    /// The environment that the plan is for.
    pub environment: String,
    /// The API.
    pub api: Api,
    /// The organization, or the workspace's id.
    pub organization: String,
    /// The server's address, or `embedded`.
    pub server: String,
    /// The time when it was made, as RFC 3339 in UTC.
    pub created_at: String,
    /// The commit of the manifests, if they are in a repository; with `+` if files have changed since.
    pub commit: Option<String>,
    /// The commits that `--base` compares with, to find the causes of changes.
    pub base: Option<Base>,
    /// SHA-256 of the rest of the document, without the times.
    pub fingerprint: String,
    /// SHA-256 of the manifest of each service that the steps change, by name.
    pub manifests: BTreeMap<ServiceName, String>,
    /// The options that the plan was made with.
    pub options: RecordedOptions,
    /// The number of changes.
    pub summary: SummaryDocument,
    /// The estimated cost.
    pub estimate: EstimateDocument,
    /// The services that change, by name.
    pub services: Vec<ServicePlan>,
    /// The steps, in a valid order of execution.
    pub steps: Vec<StepDocument>,
    /// Owned, active services that no manifest declares and that the plan does not change.
    pub orphans: Vec<NamedService>,
    /// Live services that are neither declared nor owned.
    pub unmanaged: Vec<NamedService>,
    /// Warnings and other findings.
    pub diagnostics: Vec<Finding>,
    /// The numbers of live and declared services.
    pub counts: Counts,
    /// The live ids of declared services before the plan runs, by name.
    pub ids: BTreeMap<ServiceName, ServiceId>,
    /// The live values that the steps depend on, as they were when the plan was made. If they change, the plan is
    /// stale.
    pub fingerprints: Vec<Fingerprint>,
    /// The time when the plan was applied. It can't be applied twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<String>,
}

/// The options that a plan was made with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedOptions {
    /// True if orphans are retired.
    pub prune: bool,
    /// The owner whose services are taken over, if any.
    pub take_over: Option<String>,
    /// True if protected services may be removed.
    pub allow_protected: bool,
    /// The maximum number of removals, if it overrides the project's: `3`, `10%`.
    pub max_removals: Option<String>,
    /// The services that were planned; empty for all.
    pub only: BTreeSet<ServiceName>,
    /// True if the project's guardrails were enforced. A preview enforces none, and can't be applied.
    pub guardrails: bool,
}

/// The numbers of changes in a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryDocument {
    /// Services to create.
    pub create: usize,
    /// Services to change in place.
    pub update: usize,
    /// Services to replace.
    pub replace: usize,
    /// Services to retire, without the old services of replacements.
    pub retire: usize,
    /// Inactive services that are activated. Each also counts in `update` or `replace`.
    #[serde(default)]
    pub reactivate: usize,
    /// Services that get the ownership tag.
    pub adopt: usize,
    /// Version sets.
    pub version_sets: VersionSetSummary,
    /// Declared services without changes.
    pub unchanged: usize,
}

/// The numbers of version sets to write and delete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionSetSummary {
    /// Version sets to create.
    pub create: usize,
    /// Version sets to change.
    pub update: usize,
    /// Version sets to delete.
    pub delete: usize,
}

/// The estimated cost of applying a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateDocument {
    /// The number of requests.
    pub requests: usize,
    /// The estimated duration under the documented rate limits, in seconds.
    pub seconds: u64,
    /// Requests by endpoint.
    pub by_endpoint: BTreeMap<Endpoint, usize>,
    /// The endpoint whose rate limit determines the duration; null if no limit is reached.
    pub bound_by: Option<Endpoint>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepDocument {
    /// Its number, from 1.
    pub id: StepId,
    /// The action, with everything needed to execute it.
    #[serde(flatten)]
    pub action: Action,
    /// The service's name in its manifest, or else its live name.
    pub service: ServiceName,
    /// The id of the existing service; null if this step or an earlier one creates it.
    pub service_id: Option<ServiceId>,
    /// The version set that the step writes, tests or deletes.
    pub version_set: Option<VersionSetName>,
    /// The steps that must end before this one.
    pub depends_on: BTreeSet<StepId>,
    /// The risk for the service's users.
    pub risk: Risk,
    /// The changed values.
    pub changes: ServiceChanges,
    /// The reason, if the changes don't show it.
    pub reason: Option<String>,
}

/// A live service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedService {
    /// Its name.
    pub name: ServiceName,
    /// Its id.
    pub id: ServiceId,
}

/// The numbers of services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Active live services.
    pub active: usize,
    /// Inactive live services.
    pub inactive: usize,
    /// Services declared.
    pub declared: usize,
}

/// The reasons why a text is not a plan that this build can apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text is not JSON, or it is JSON of another form.
    #[error("it is not a plan: {0}")]
    Malformed(String),
    /// The text is a plan in another format version.
    #[error("it has format version {0}, but this build reads version {FORMAT_VERSION}")]
    Version(u64),
    /// The plan's fingerprint does not match its content.
    #[error("it was edited: its fingerprint does not match its content")]
    Edited,
    /// The plan's steps are inconsistent.
    #[error("its steps are inconsistent: {0}")]
    Inconsistent(String),
}

/// The input that a plan was made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// The options of planning.
    pub options: &'a Options,
    /// The desired state.
    pub desired: &'a Desired,
    /// The live state.
    pub snapshot: &'a Snapshot,
    /// The project's rules.
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
            fingerprint: String::new(),
            manifests: manifests(steps, desired),
            options: RecordedOptions {
                prune: options.prune,
                take_over: options.take_over.clone(),
                allow_protected: options.allow_protected,
                max_removals: options.max_removals.map(|most| most.to_string()),
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

    /// Reads a document, and checks its fingerprint and its steps.
    ///
    /// # Errors
    ///
    /// Errors if the text is not a plan that this build can apply.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| ReadError::Malformed(error.to_string()))?;
        match value.get("format_version").map(Value::as_u64) {
            Some(Some(version)) if version == u64::from(FORMAT_VERSION) => {}
            Some(Some(version)) => return Err(ReadError::Version(version)),
            _ => return Err(ReadError::Malformed("it has no `format_version`".to_owned())),
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

    /// Returns the plan in the document.
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
            prune: self.options.prune,
        }
    }

    /// Returns the names of the services that the steps change. A service is named as in its manifest, or as it is
    /// named live if no manifest declares it.
    pub fn changed_services(&self) -> BTreeSet<ServiceName> {
        self.steps.iter().map(|step| step.service.clone()).collect()
    }

    /// Returns where and when the plan was made.
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

/// Returns the fingerprint of a document: the SHA-256 of its content, including unknown keys. Not included are the
/// fingerprint itself, the times, and the last changes of services.
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

/// Returns the fingerprint of each manifest whose service the steps change. An orphan has no manifest, so it has no
/// fingerprint here.
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

/// Returns the live service and the version set that a step changes, each of them only if there is one.
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
