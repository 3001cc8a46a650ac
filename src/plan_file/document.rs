//! The document: what a plan file holds, and the way there and back. May import `plan` and `model`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest;
use super::touched::{self, Fingerprint};
use crate::model::{Api, Desired, Endpoint, Policy, ServiceId, ServiceName, Snapshot, VersionSetName};
use crate::plan::{
    Action, Base, Change, Estimate, Finding, Options, Origin, Plan, Risk, ServicePlan, Step, StepId, Summary,
    Target, verify,
};

/// The version of the format that this build writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// A plan for one environment: what applying it does, to what, why, at which risk and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
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
    /// When it was made, as RFC 3339 in UTC.
    pub created_at: String,
    /// The commit of the manifests, where they are in a repository; with `+` where files were changed since.
    pub commit: Option<String>,
    /// What the causes of changes are told by: `--base`.
    pub base: Option<Base>,
    /// SHA-256 of the rest of the document but for the times.
    pub fingerprint: String,
    /// SHA-256 of the manifest of each service that the steps are about, by name.
    pub manifests: BTreeMap<ServiceName, String>,
    /// What was chosen when the plan was made.
    pub options: Chosen,
    /// How much is done.
    pub summary: SummaryDocument,
    /// What it costs.
    pub estimate: EstimateDocument,
    /// The services that change, by name.
    pub services: Vec<ServicePlan>,
    /// The steps, in an order in which they could run one by one.
    pub steps: Vec<StepDocument>,
    /// Owned, active services that no manifest declares and that the plan leaves alone.
    pub orphans: Vec<Named>,
    /// Live services that are neither declared nor owned.
    pub unmanaged: Vec<Named>,
    /// What a reader should know.
    pub diagnostics: Vec<Finding>,
    /// How many services there are and how many are declared.
    pub counts: Counts,
    /// Declared services' live ids before the plan runs, by name.
    pub ids: BTreeMap<ServiceName, ServiceId>,
    /// What the steps touch, as it was when the plan was made: the plan is applied only where it still is so.
    pub fingerprints: Vec<Fingerprint>,
    /// When the plan was applied: it can't be applied twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<String>,
}

/// The options that a plan was made with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Whether orphans are retired.
    pub prune: bool,
    /// The owner whose services are taken over; none where no other project's are.
    pub take_over: Option<String>,
    /// Whether protected services may go.
    pub allow_protected: bool,
    /// The most removals, where another number than the project's was asked for: `3`, `10%`.
    pub max_removals: Option<String>,
    /// The services that were planned; empty means all.
    pub only: BTreeSet<ServiceName>,
    /// Whether the project's rules were kept. A preview keeps none, and can't be applied.
    pub guardrails: bool,
}

/// How much a plan does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryDocument {
    /// Services to create.
    pub create: usize,
    /// Services to change in place.
    pub update: usize,
    /// Services to replace.
    pub replace: usize,
    /// Services to retire, the old ones of replacements not counted.
    pub retire: usize,
    /// Services that get the ownership tag.
    pub adopt: usize,
    /// Version sets.
    pub version_sets: VersionSetSummary,
    /// Declared services that are as declared.
    pub unchanged: usize,
}

/// How many version sets are written and deleted.
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

/// What applying a plan costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstimateDocument {
    /// All requests.
    pub requests: usize,
    /// Seconds that it takes under the published limits, about.
    pub seconds: u64,
    /// Requests by endpoint.
    pub by_endpoint: BTreeMap<Endpoint, usize>,
    /// The endpoint whose limit decides the time; none where no limit is reached.
    pub bound_by: Option<Endpoint>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepDocument {
    /// Its number, from 1.
    pub id: StepId,
    /// What is done, and all that is needed to do it.
    #[serde(flatten)]
    pub action: Action,
    /// The service as its manifest names it, or as it is named live.
    pub service: ServiceName,
    /// The live service that the step is about; none where an earlier step creates it, or this one.
    pub service_id: Option<ServiceId>,
    /// The version set that the step is about.
    pub version_set: Option<VersionSetName>,
    /// What must be done before.
    pub depends_on: BTreeSet<StepId>,
    /// How bad it could be for those who talk to the service.
    pub risk: Risk,
    /// What it changes.
    pub changes: Vec<Change>,
    /// Why, where the changes don't say.
    pub reason: Option<String>,
}

/// A live service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its name.
    pub name: ServiceName,
    /// Its id.
    pub id: ServiceId,
}

/// How many services there are.
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

/// Why a text is not a plan that this build can apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPlan {
    /// No JSON, or JSON of another form.
    #[error("it is not a plan: {0}")]
    Form(String),
    /// A plan of another version of the format.
    #[error("it has format version {0}, and this build reads version {FORMAT_VERSION}")]
    Version(u64),
    /// Its content is not what its fingerprint was made of.
    #[error("it was changed after it was made: its fingerprint does not match its content")]
    Changed,
    /// Its steps don't fit together.
    #[error("its steps don't fit together: {0}")]
    Unsound(String),
}

impl Document {
    /// The document of a plan, with the state that it was made from.
    pub fn new(
        plan: &Plan,
        origin: &Origin,
        options: &Options,
        desired: &Desired,
        snapshot: &Snapshot,
        policy: &Policy,
    ) -> Self {
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
            options: Chosen {
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
            fingerprints: touched::fingerprints(steps, desired, snapshot, policy, api),
            applied_at: None,
        };
        document.fingerprint = fingerprint_of(digest::value(&document));
        document
    }

    /// Reads a document, and checks that it is whole.
    ///
    /// # Errors
    ///
    /// What keeps it from being a plan that this build can apply.
    pub fn read(text: &str) -> Result<Self, NotAPlan> {
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| NotAPlan::Form(error.to_string()))?;
        match value.get("format_version").map(Value::as_u64) {
            Some(Some(version)) if version == u64::from(FORMAT_VERSION) => {}
            Some(Some(version)) => return Err(NotAPlan::Version(version)),
            _ => return Err(NotAPlan::Form("it has no `format_version`".to_owned())),
        }
        let document = Self::deserialize(&value).map_err(|error| NotAPlan::Form(error.to_string()))?;
        if fingerprint_of(value) != document.fingerprint {
            return Err(NotAPlan::Changed);
        }
        match verify::structure(&document.plan()).into_iter().next() {
            Some(violation) => Err(NotAPlan::Unsound(violation)),
            None => Ok(document),
        }
    }

    /// The plan that the document holds.
    pub fn plan(&self) -> Plan {
        let pairs = |list: &[Named]| list.iter().map(|one| (one.name.clone(), one.id.clone())).collect();
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

    /// The names of the services that the steps are about: a service's own name, or the one that it has live where no
    /// manifest declares it.
    pub fn touched(&self) -> BTreeSet<ServiceName> {
        self.steps.iter().map(|step| step.service.clone()).collect()
    }

    /// Where the plan is from.
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

/// Returns the fingerprint of a document: SHA-256 of everything but itself, the times and who changed services last;
/// unknown members count. It has no key: whoever edits a document can compute it again, so that it finds damaged
/// files and tells plans apart, and proves nothing.
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

/// The fingerprints of the manifests of the services that steps are about. An orphan has none.
fn manifests(steps: &[Step], desired: &Desired) -> BTreeMap<ServiceName, String> {
    let names: BTreeSet<&ServiceName> = steps.iter().map(|step| &step.service).collect();
    let declared = names.into_iter().filter_map(|name| desired.services.get(name));
    declared.map(|service| (service.name.clone(), digest::of_manifest(service))).collect()
}

fn named(list: &[(ServiceName, ServiceId)]) -> Vec<Named> {
    list.iter().map(|(name, id)| Named { name: name.clone(), id: id.clone() }).collect()
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

/// The live service and the version set that a step is about.
fn subject(action: &Action) -> (Option<ServiceId>, Option<VersionSetName>) {
    let live = |target: &Target| match target {
        Target::Live(id) => Some(id.clone()),
        Target::Created(_) => None,
    };
    match action {
        Action::Create(_) => (None, None),
        Action::Update { id, .. }
        | Action::SetAside { id, .. }
        | Action::Retire { id, .. }
        | Action::Discard { id, .. } => (Some(id.clone()), None),
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
        Self { create, update, replace, retire, adopt, version_sets, unchanged }
    }
}

impl From<SummaryDocument> for Summary {
    fn from(summary: SummaryDocument) -> Self {
        let SummaryDocument { create, update, replace, retire, adopt, version_sets, unchanged } = summary;
        Self {
            create,
            update,
            replace,
            retire,
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
