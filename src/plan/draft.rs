//! The data that is collected while a plan is made: steps without an order, problems, and facts about services.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::ServiceChanges;
use super::matcher::ServiceMatch;
use super::types::{Action, Finding, Options, Problem, ProblemKind, Risk, ServicePlan};
use crate::model::{
    AgentId, ContextGraphId, LiveService, Place, Policy, Retire, ServiceId, ServiceName, Snapshot,
    VersionSetName,
};

/// A step whose position in the plan is not known yet. It refers to other steps by their index in the draft.
#[derive(Clone, Debug)]
pub(super) struct DraftStep {
    pub(super) service: ServiceName,
    pub(super) action: Action,
    pub(super) risk: Risk,
    pub(super) changes: ServiceChanges,
    pub(super) reason: Option<String>,
    pub(super) after: BTreeSet<usize>,
    /// The name that a service gives up in this step.
    pub(super) releases_name: Option<ServiceName>,
    /// The name that a service gets in this step.
    pub(super) claims_name: Option<ServiceName>,
    /// The name of a service that this step creates as inactive. Another inactive service with this name must be
    /// renamed first. Otherwise, after an interrupted run, the two services could not be distinguished.
    pub(super) created_name: Option<ServiceName>,
    /// True if the steps of services that depend on this service must wait for this step. It is false if the step only
    /// cleans up, such as a step that retires a service.
    pub(super) blocks_dependents: bool,
}

impl DraftStep {
    pub(super) fn new(service: &ServiceName, action: Action, risk: Risk) -> Self {
        Self {
            service: service.clone(),
            action,
            risk,
            changes: ServiceChanges::default(),
            reason: None,
            after: BTreeSet::new(),
            releases_name: None,
            claims_name: None,
            created_name: None,
            blocks_dependents: true,
        }
    }
}

/// The agent or context graph that a pin refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PinTarget {
    Agent(AgentId),
    ContextGraph(ContextGraphId),
}

/// A version of an agent or context graph that must exist, because a version set pins it.
#[derive(Clone, Debug)]
pub(super) struct RequiredVersion {
    pub(super) service: ServiceName,
    pub(super) place: Place,
    pub(super) set: VersionSetName,
    pub(super) target: PinTarget,
    pub(super) version: u32,
}

/// A plan that is still being made, together with the inputs of planning.
pub(super) struct Draft<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) options: &'a Options,
    pub(super) steps: Vec<DraftStep>,
    pub(super) services: Vec<ServicePlan>,
    pub(super) problems: Vec<Problem>,
    pub(super) findings: Vec<Finding>,
    pub(super) required_versions: Vec<RequiredVersion>,
    /// The old services of replacements. Their behavior sets must be read, because the plan also applies them to the
    /// new services.
    pub(super) replaced_services: BTreeSet<ServiceId>,
    /// The version sets that the old service of a replacement has and the new service does not get. Each is paired with
    /// the service's name.
    pub(super) dropped_version_sets: BTreeSet<(ServiceName, VersionSetName)>,
    /// The services whose tag `origin` says that they were made for a declared name, each with that name.
    pub(super) made_for: BTreeMap<&'a ServiceId, &'a ServiceName>,
    /// The former services of manifests, each with the way in which its manifest retires it.
    pub(super) former_services: BTreeMap<&'a ServiceId, Retire>,
    live: BTreeMap<&'a ServiceId, &'a LiveService>,
    used_names: BTreeSet<&'a ServiceName>,
    /// The names that steps of this plan give to services.
    given_names: BTreeSet<ServiceName>,
    /// The ids of the owned inactive services that belong to no manifest, by name. If several services have the same
    /// name, only the lowest id is listed.
    unclaimed: BTreeMap<&'a ServiceName, &'a ServiceId>,
}

impl<'a> Draft<'a> {
    /// Creates a draft without steps. `declared` contains the names of all manifests. When the tool makes up a name for
    /// a service, it avoids these names and the names of live services.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        policy: &'a Policy,
        options: &'a Options,
        declared: impl Iterator<Item = &'a ServiceName>,
    ) -> Self {
        Self {
            snapshot,
            policy,
            options,
            steps: Vec::new(),
            services: Vec::new(),
            problems: Vec::new(),
            findings: Vec::new(),
            required_versions: Vec::new(),
            replaced_services: BTreeSet::new(),
            dropped_version_sets: BTreeSet::new(),
            made_for: BTreeMap::new(),
            former_services: BTreeMap::new(),
            live: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
            used_names: snapshot.services.iter().map(|service| &service.name).chain(declared).collect(),
            given_names: BTreeSet::new(),
            unclaimed: BTreeMap::new(),
        }
    }

    /// Stores the owned inactive services that belong to no manifest. `claimed` contains the ids of all services that
    /// belong to a manifest or are abandoned.
    pub(super) fn set_unclaimed(&mut self, claimed: &BTreeSet<&'a ServiceId>) {
        let unclaimed = self.snapshot.services.iter().filter(|service| {
            !service.active && self.policy.ownership.owns(&service.tags) && !claimed.contains(&service.id)
        });
        for service in unclaimed {
            let first = self.unclaimed.entry(&service.name).or_insert(&service.id);
            *first = (*first).min(&service.id);
        }
    }

    /// Adds a step and returns its index.
    pub(super) fn push(&mut self, step: DraftStep) -> usize {
        self.given_names.extend(given_name(&step.action).cloned());
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// Returns the live service with this id, or `None` if it does not exist.
    pub(super) fn live(&self, id: &ServiceId) -> Option<&'a LiveService> {
        self.live.get(id).copied()
    }

    /// Returns the id of an owned inactive service that has this name and belongs to no manifest, or `None` if there is
    /// no such service.
    pub(super) fn unclaimed(&self, name: &ServiceName) -> Option<&'a ServiceId> {
        self.unclaimed.get(name).copied()
    }

    /// Returns true if a live or declared service has this name, or if a step of this plan gives it to a service. Then
    /// the tool must not give the name to another service.
    pub(super) fn is_taken(&self, name: &ServiceName) -> bool {
        self.used_names.contains(name) || self.given_names.contains(name)
    }

    /// Adds a problem that points to the manifest of a service.
    pub(super) fn problem(
        &mut self,
        kind: ProblemKind,
        matched: &ServiceMatch<'_>,
        message: String,
        help: &[&str],
    ) {
        self.problems.push(Problem {
            kind,
            service: Some(matched.wanted.name.clone()),
            place: Some(matched.wanted.place.clone()),
            message,
            help: help.iter().map(|text| (*text).to_owned()).collect(),
        });
    }
}

/// Returns the name that a step gives to a service, or `None` if it creates and renames no service.
fn given_name(action: &Action) -> Option<&ServiceName> {
    match action {
        Action::Update { update, .. }
        | Action::RenameTemporarily { update, .. }
        | Action::Abandon { update, .. }
        | Action::HandOver { rename: Some(update), .. }
        | Action::Retire { update: Some(update), .. } => update.name.as_ref(),
        Action::Create(new) => Some(&new.name),
        _ => None,
    }
}
