//! Puts a plan together: matching, steps, checks, order, estimate. May import `model` only.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::ServiceChanges;
use super::identity::{self, Embodiment};
use super::pins::PinCheck;
use super::resolve::{self, Joins};
use super::types::{
    Action, Finding, Options, Plan, PlanError, Problem, ProblemKind, Risk, ServiceKind, ServicePlan, Step,
    StepId, Summary, Target,
};
use super::{estimate, guardrails, half_made, order, orphans, pins, replacement, services};
use crate::model::{
    Api, Desired, LiveService, Policy, Retire, ServiceId, ServiceName, Snapshot, VersionSetName,
};

/// A step before it has its place in the order. Other steps are named by their index in the draft.
#[derive(Clone, Debug)]
pub(super) struct DraftStep {
    pub(super) service: ServiceName,
    pub(super) action: Action,
    pub(super) risk: Risk,
    pub(super) changes: ServiceChanges,
    pub(super) reason: Option<String>,
    pub(super) after: BTreeSet<usize>,
    /// The name that a service gives up with this step.
    pub(super) frees: Option<ServiceName>,
    /// The name that a service takes with this step.
    pub(super) takes: Option<ServiceName>,
    /// The name under which an inactive service is made: an inactive namesake must have moved on before, or a
    /// run that is cut off could not tell the two apart.
    pub(super) born_as: Option<ServiceName>,
    /// Whether services that depend on this one wait for it: clearing up is not waited for.
    pub(super) awaited: bool,
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
            frees: None,
            takes: None,
            born_as: None,
            awaited: true,
        }
    }
}

/// What the rooms of planning share while a plan is made.
pub(super) struct Draft<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) options: &'a Options,
    pub(super) steps: Vec<DraftStep>,
    pub(super) services: Vec<ServicePlan>,
    pub(super) problems: Vec<Problem>,
    pub(super) findings: Vec<Finding>,
    /// Versions that must exist.
    pub(super) pin_checks: Vec<PinCheck>,
    /// Services whose behavior sets must be known.
    pub(super) replaced: BTreeSet<ServiceId>,
    /// Version sets of replaced services that the new ones are made without.
    pub(super) dropped: BTreeSet<(ServiceName, VersionSetName)>,
    /// Former services of manifests, and how these retire them.
    pub(super) former: BTreeMap<&'a ServiceId, Retire>,
    live: BTreeMap<&'a ServiceId, &'a LiveService>,
    names: BTreeSet<&'a ServiceName>,
    /// Inactive services of ours that nothing in this plan is about, by name.
    strays: BTreeMap<&'a ServiceName, &'a ServiceId>,
}

impl<'a> Draft<'a> {
    /// Adds a step; gives its index.
    pub(super) fn push(&mut self, step: DraftStep) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// The live service with this id.
    pub(super) fn live(&self, id: &ServiceId) -> Option<&'a LiveService> {
        self.live.get(id).copied()
    }

    /// An inactive service of ours with this name that no manifest embodies.
    pub(super) fn stray(&self, name: &ServiceName) -> Option<&'a ServiceId> {
        self.strays.get(name).copied()
    }

    /// Whether a live or declared service has this name, so that the tool must not invent it again.
    pub(super) fn is_taken(&self, name: &ServiceName) -> bool {
        self.names.contains(name)
    }

    /// Says that no plan can be made.
    pub(super) fn problem(
        &mut self,
        kind: ProblemKind,
        embodiment: &Embodiment<'_>,
        message: String,
        help: &[&str],
    ) {
        self.problems.push(Problem {
            kind,
            service: Some(embodiment.wanted.name.clone()),
            place: Some(embodiment.wanted.place.clone()),
            message,
            help: help.iter().map(|text| (*text).to_owned()).collect(),
        });
    }
}

/// The names of what services join, resolved once and kept for the draft's lifetime.
pub(super) struct Resolved {
    pub(super) joins: BTreeMap<ServiceName, Joins>,
    pub(super) problems: Vec<Problem>,
}

/// Resolves all references.
pub(super) fn resolved(desired: &Desired, snapshot: &Snapshot) -> Resolved {
    let mut problems = Vec::new();
    let joins = resolve::resolve(desired, snapshot, &mut problems);
    Resolved { joins, problems }
}

/// The steps of all services, unordered, with what must be known to judge them.
pub(super) fn draft<'a>(
    desired: &'a Desired,
    resolved: &'a Resolved,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    options: &'a Options,
) -> (Draft<'a>, Vec<Embodiment<'a>>) {
    let mut draft = Draft {
        snapshot,
        policy,
        options,
        steps: Vec::new(),
        services: Vec::new(),
        problems: resolved.problems.clone(),
        findings: Vec::new(),
        pin_checks: Vec::new(),
        replaced: BTreeSet::new(),
        dropped: BTreeSet::new(),
        former: BTreeMap::new(),
        live: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
        strays: BTreeMap::new(),
        names: snapshot.services.iter().map(|s| &s.name).chain(desired.services.keys()).collect(),
    };
    let identity =
        identity::identify(desired, &resolved.joins, snapshot, policy, options.api, &mut draft.problems);
    draft.findings.extend(identity.findings);
    draft.former = identity.former;
    let mut about: BTreeSet<&ServiceId> =
        identity.abandoned.iter().map(|(_, leftover)| &leftover.id).collect();
    about.extend(identity.embodiments.iter().flat_map(Embodiment::services).map(|service| &service.id));
    let strays = snapshot.services.iter().filter(|service| {
        !service.active && policy.ownership.owns(&service.tags) && !about.contains(&service.id)
    });
    for stray in strays {
        let first = draft.strays.entry(&stray.name).or_insert(&stray.id);
        *first = (*first).min(&stray.id);
    }
    for embodiment in identity.embodiments.iter().filter(|embodiment| options.plans(&embodiment.wanted.name))
    {
        if guardrails::may_touch(&mut draft, embodiment) {
            services::steps(&mut draft, embodiment);
        }
    }
    for (wanted, leftover) in identity.abandoned.iter().filter(|(wanted, _)| options.plans(&wanted.name)) {
        replacement::discard(&mut draft, wanted, leftover);
    }
    (draft, identity.embodiments)
}

/// Makes the plan that brings the live state to the desired one.
///
/// The snapshot must be complete: [`super::lookups()`] says nothing more is needed. A snapshot that
/// isn't makes agents or context graphs seem to be missing.
///
/// # Errors
///
/// All reasons why there is no such plan, ordered by place.
pub fn plan(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
) -> Result<Plan, PlanError> {
    let resolved = resolved(desired, snapshot);
    let (mut draft, embodiments) = draft(desired, &resolved, snapshot, policy, options);
    let leftovers = leftovers(&mut draft, desired, &embodiments);
    half_made::give_up_overtaken(&mut draft, desired, &embodiments);
    orphans::renamed(&mut draft, desired, &leftovers.orphans);
    pins::check(&mut draft);
    guardrails::check(&mut draft, desired);
    order::connect(&mut draft, desired);
    names_fit(&mut draft);
    // What is wrong with services that aren't planned is left for another plan; orphans are no manifest's.
    let planned = |name: &ServiceName| options.plans(name) || options.prunes(name);
    draft.problems.retain(|problem| problem.service.as_ref().is_none_or(planned));
    guardrails::refusals_to_findings(&mut draft);
    if !draft.problems.is_empty() {
        let mut problems = draft.problems;
        problems.sort_by(|a, b| (&a.place, &a.service, &a.message).cmp(&(&b.place, &b.service, &b.message)));
        return Err(PlanError { problems });
    }
    let steps = finish_steps(&draft);
    let mut services = std::mem::take(&mut draft.services);
    attach_steps(&mut services, &steps);
    services.sort_by(|a, b| a.name.cmp(&b.name));
    let mut findings = std::mem::take(&mut draft.findings);
    findings.sort_by(|a, b| (&a.service, a.text()).cmp(&(&b.service, b.text())));
    let declared = if options.only.is_empty() { desired.services.len() } else { options.only.len() };
    let plan = Plan {
        summary: summarize(&draft, &services, &steps, declared),
        estimate: estimate::estimate(&steps, snapshot, options),
        active: snapshot.services.iter().filter(|service| service.active).count(),
        inactive: snapshot.services.iter().filter(|service| !service.active).count(),
        declared,
        ids: ids_of(&embodiments),
        steps,
        services,
        orphans: leftovers.orphans,
        prune: options.prune,
        unmanaged: leftovers.unmanaged,
        findings,
    };
    Ok(plan)
}

/// The tool's own names are longer than those that people gave: each must be one that the API takes.
fn names_fit(draft: &mut Draft<'_>) {
    let Some(most) = draft.options.api.max_name() else { return };
    let given = |action: &Action| match action {
        Action::Create(new) => Some(new.name.clone()),
        Action::Update { update, .. } | Action::SetAside { update, .. } | Action::Discard { update, .. } => {
            update.name.clone()
        }
        Action::HandOver { rename: update, .. } | Action::Retire { update, .. } => {
            update.as_ref().and_then(|update| update.name.clone())
        }
        Action::WriteVersionSet { .. }
        | Action::DeleteVersionSet { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. } => None,
    };
    for step in &draft.steps {
        let Some(name) = given(&step.action).filter(|name| name.as_str().chars().count() > most) else {
            continue;
        };
        draft.problems.push(Problem {
            kind: ProblemKind::Impossible,
            service: Some(step.service.clone()),
            place: None,
            message: format!(
                "the name `{name}` would be longer than the {most} characters that the API takes"
            ),
            help: vec!["give the service a shorter name first".to_owned()],
        });
    }
}

/// The live ids of declared services, by name, whatever else a plan would say: what applications need.
///
/// The snapshot must hold the catalogs that names need; pins and behavior sets don't matter.
///
/// # Errors
///
/// References that can't be resolved, and names that several services have: no id is better than a wrong one.
pub fn ids(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    api: Api,
) -> Result<BTreeMap<ServiceName, ServiceId>, PlanError> {
    let resolved = resolved(desired, snapshot);
    let mut problems = resolved.problems.clone();
    let identity = identity::identify(desired, &resolved.joins, snapshot, policy, api, &mut problems);
    if problems.is_empty() { Ok(ids_of(&identity.embodiments)) } else { Err(PlanError { problems }) }
}

fn ids_of(embodiments: &[Embodiment<'_>]) -> BTreeMap<ServiceName, ServiceId> {
    let id =
        |embodiment: &Embodiment<'_>| Some((embodiment.wanted.name.clone(), embodiment.live?.id.clone()));
    embodiments.iter().filter_map(id).collect()
}

/// Live services that no manifest has to do with.
#[derive(Default)]
struct Leftovers {
    orphans: Vec<(ServiceName, ServiceId)>,
    unmanaged: Vec<(ServiceName, ServiceId)>,
}

/// Sorts the services that no manifest embodies: retired with `prune`, listed without.
fn leftovers(draft: &mut Draft<'_>, desired: &Desired, embodiments: &[Embodiment<'_>]) -> Leftovers {
    let mut kept = Leftovers::default();
    // A manifest whose references can't be resolved has no embodiment; its service is no orphan for that.
    let known: BTreeSet<&ServiceId> =
        embodiments.iter().flat_map(Embodiment::services).map(|service| &service.id).collect();
    let mut rest: Vec<&LiveService> = draft
        .snapshot
        .services
        .iter()
        .filter(|service| !service.system)
        .filter(|service| !known.contains(&service.id) && !desired.services.contains_key(&service.name))
        .collect();
    rest.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    for service in rest {
        let entry = (service.name.clone(), service.id.clone());
        match (draft.policy.ownership.owns(&service.tags), service.active) {
            (true, true) if draft.options.prunes(&service.name) => orphans::retire(draft, service),
            // It would be retired by a plan of its own.
            (true, true) if draft.options.prune && draft.options.only.is_empty() => {}
            (true, true) => kept.orphans.push(entry),
            // Ours and inactive: it has been retired before.
            (true, false) => {}
            (false, _) => kept.unmanaged.push(entry),
        }
    }
    kept
}

/// Numbers the steps in the order they could run in, and rewrites the references between them.
fn finish_steps(draft: &Draft<'_>) -> Vec<Step> {
    let sequence = order::sequence(&draft.steps);
    let number: BTreeMap<usize, StepId> =
        sequence.iter().enumerate().map(|(position, index)| (*index, StepId(position + 1))).collect();
    let renumber = |target: &mut Target| {
        if let Target::Created(StepId(index)) = target
            && let Some(id) = number.get(index)
        {
            *target = Target::Created(*id);
        }
    };
    sequence
        .iter()
        .map(|&index| {
            let step = draft.steps[index].clone();
            let mut action = step.action;
            match &mut action {
                Action::WriteVersionSet { target, .. }
                | Action::ApplyBehaviorSet { target, .. }
                | Action::Smoke { target, .. }
                | Action::HandOver { new: target, .. } => renumber(target),
                Action::Create(_)
                | Action::Update { .. }
                | Action::SetAside { .. }
                | Action::DeleteVersionSet { .. }
                | Action::Retire { .. }
                | Action::Discard { .. } => {}
            }
            Step {
                id: number[&index],
                service: step.service,
                action,
                depends_on: step.after.iter().map(|index| number[index]).collect(),
                risk: step.risk,
                changes: step.changes,
                reason: step.reason,
            }
        })
        .collect()
}

fn attach_steps(services: &mut [ServicePlan], steps: &[Step]) {
    let index: BTreeMap<ServiceName, usize> =
        services.iter().enumerate().map(|(index, service)| (service.name.clone(), index)).collect();
    for step in steps {
        if let Some(index) = index.get(&step.service) {
            services[*index].steps.push(step.id);
        }
    }
}

fn summarize(draft: &Draft<'_>, services: &[ServicePlan], steps: &[Step], declared: usize) -> Summary {
    let api = draft.options.api;
    let count = |kind| services.iter().filter(|service| service.kind == kind).count();
    let mut summary = Summary {
        create: count(ServiceKind::Create),
        update: count(ServiceKind::Update),
        replace: count(ServiceKind::Replace),
        retire: count(ServiceKind::Retire),
        adopt: services.iter().filter(|service| service.adopted).count(),
        ..Summary::default()
    };
    summary.unchanged = declared.saturating_sub(summary.create + summary.update + summary.replace);
    for step in steps {
        match &step.action {
            Action::WriteVersionSet { creates: true, .. } => summary.version_sets_created += 1,
            Action::WriteVersionSet { creates: false, .. } => summary.version_sets_updated += 1,
            // On Classic, `release` is born with the service and is no set that is written.
            Action::Create(new) => {
                let inline =
                    new.version_sets.keys().filter(|name| !name.is_release() || !api.makes_version_sets());
                summary.version_sets_created += inline.count();
            }
            Action::Update { id, update } => {
                let there = |name: &VersionSetName| {
                    draft.live(id).is_some_and(|live| live.version_sets.contains_key(name))
                };
                let (updated, created): (Vec<_>, Vec<_>) =
                    update.version_sets.keys().partition(|name| there(name));
                summary.version_sets_updated += updated.len();
                summary.version_sets_created += created.len();
            }
            _ => {}
        }
    }
    summary.version_sets_deleted = guardrails::lost_version_sets(draft).len();
    summary
}
