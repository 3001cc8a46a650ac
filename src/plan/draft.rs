//! The data that the files of planning share while a plan is made: steps without an order, and what is known so far.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::ServiceChanges;
use super::matcher::ServiceMatch;
use super::types::{Action, Finding, Options, Problem, ProblemKind, Risk, ServicePlan};
use crate::model::{
    AgentId, ContextGraphId, LiveService, Place, Policy, Retire, ServiceId, ServiceName, Snapshot,
    VersionSetName,
};

/// A step without a place in the order yet. It refers to other steps by their index in the draft.
#[derive(Clone, Debug)]
pub(super) struct DraftStep {
    pub(super) service: ServiceName,
    pub(super) action: Action,
    pub(super) risk: Risk,
    pub(super) changes: ServiceChanges,
    pub(super) reason: Option<String>,
    pub(super) after: BTreeSet<usize>,
    /// The name that a service gives up with this step.
    pub(super) releases_name: Option<ServiceName>,
    /// The name that a service gets with this step.
    pub(super) claims_name: Option<ServiceName>,
    /// The name under which an inactive service is created. An inactive service with this name must be renamed before.
    /// Otherwise an interrupted run would leave two that can't be told apart.
    pub(super) created_name: Option<ServiceName>,
    /// True if services that depend on this one run after this step. Steps that only clean up don't block them.
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

/// The agent or context graph of a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PinTarget {
    Agent(AgentId),
    ContextGraph(ContextGraphId),
}

/// A version that a plan pins and that must exist.
#[derive(Clone, Debug)]
pub(super) struct RequiredVersion {
    pub(super) service: ServiceName,
    pub(super) place: Place,
    pub(super) set: VersionSetName,
    pub(super) target: PinTarget,
    pub(super) version: u32,
}

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) options: &'a Options,
    pub(super) steps: Vec<DraftStep>,
    pub(super) services: Vec<ServicePlan>,
    pub(super) problems: Vec<Problem>,
    pub(super) findings: Vec<Finding>,
    pub(super) required_versions: Vec<RequiredVersion>,
    /// The old services of replacements. Their behavior sets must be known.
    pub(super) replaced_services: BTreeSet<ServiceId>,
    /// The version sets of replaced services that the new ones don't get.
    pub(super) dropped_version_sets: BTreeSet<(ServiceName, VersionSetName)>,
    /// The former services of manifests, and how the manifests retire them.
    pub(super) former_services: BTreeMap<&'a ServiceId, Retire>,
    live: BTreeMap<&'a ServiceId, &'a LiveService>,
    used_names: BTreeSet<&'a ServiceName>,
    /// Owned inactive services that belong to no manifest, by name.
    unclaimed: BTreeMap<&'a ServiceName, &'a ServiceId>,
}

impl<'a> Draft<'a> {
    /// Creates a draft without steps. The tool gives no service a name that is live or in `declared`.
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
            former_services: BTreeMap::new(),
            live: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
            used_names: snapshot.services.iter().map(|service| &service.name).chain(declared).collect(),
            unclaimed: BTreeMap::new(),
        }
    }

    /// Collects the owned inactive services that are not among `claimed`.
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
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// Returns the live service with this id.
    pub(super) fn live(&self, id: &ServiceId) -> Option<&'a LiveService> {
        self.live.get(id).copied()
    }

    /// Returns an owned inactive service with this name that belongs to no manifest.
    pub(super) fn unclaimed(&self, name: &ServiceName) -> Option<&'a ServiceId> {
        self.unclaimed.get(name).copied()
    }

    /// Returns true if a live or declared service has this name, so that the tool must not give it to another one.
    pub(super) fn is_taken(&self, name: &ServiceName) -> bool {
        self.used_names.contains(name)
    }

    /// Adds a problem at the place of a manifest.
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
