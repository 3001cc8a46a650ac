//! Makes a plan: matches services, makes steps, checks them, puts them in order, and estimates the requests.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::identity;
use super::matcher::ServiceMatch;
use super::orphans::Unmatched;
use super::resolve::{self, Resolved};
use super::types::{
    Action, Options, Plan, PlanError, ServiceKind, ServicePlan, Step, StepId, Summary, Target,
};
use super::{abandonment, checks, estimate, guardrails, order, orphans, pins, services, unmanage};
use crate::model::{Api, Desired, Policy, ServiceId, ServiceName, Snapshot, VersionSetName};

/// Makes the steps for all manifests that the options select, and collects the data that later checks need. The steps
/// are not in order yet. Returns the draft with these steps, and the match of every manifest.
pub(super) fn draft_services<'a>(
    desired: &'a Desired,
    resolved: &'a Resolved,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    options: &'a Options,
) -> (Draft<'a>, Vec<ServiceMatch<'a>>) {
    let mut draft = Draft::new(snapshot, policy, options, desired.services.keys());
    draft.problems = resolved.problems.clone();
    let identity = identity::match_services(desired, &resolved.references, snapshot, policy, options.api);
    draft.set_unclaimed(&identity.claimed());
    draft.problems.extend(identity.problems);
    draft.findings.extend(identity.findings);
    draft.made_for = identity.made_for;
    draft.former_services = identity.former;
    for matched in identity.matches.iter().filter(|matched| options.plans(&matched.wanted.name)) {
        if guardrails::check_may_change(&mut draft, matched) {
            services::plan_service(&mut draft, matched);
        }
    }
    for (wanted, new) in identity.abandoned.iter().filter(|(wanted, _)| options.plans(&wanted.name)) {
        abandonment::abandon(&mut draft, wanted, new);
    }
    (draft, identity.matches)
}

/// Makes the plan that turns the live state into the desired state.
///
/// The snapshot must be complete: [`super::lookups()`] must find no missing data in it. Otherwise this function would
/// report agents or context graphs as missing, although they exist.
///
/// # Errors
///
/// Errors if no plan can be made. The error contains all reasons, ordered by their place in the manifests.
pub fn plan(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
) -> Result<Plan, PlanError> {
    let resolved = resolve::resolve_all(desired, snapshot);
    let (mut draft, matches) = draft_services(desired, &resolved, snapshot, policy, options);
    let unmatched = if options.unmanage.is_empty() {
        plan_and_check_rest(&mut draft, desired, &matches)
    } else {
        unmanage::plan_named(&mut draft, desired, &matches);
        Unmatched::default()
    };
    order::connect(&mut draft, desired);
    checks::check_name_lengths(&mut draft);
    // Problems of services that the options exclude are not reported. Problems of orphans to prune and of services to
    // stop managing are reported, although these services have no manifest.
    let is_planned =
        |name: &ServiceName| options.plans(name) || options.prunes(name) || options.unmanage.contains(name);
    draft.problems.retain(|problem| problem.service.as_ref().is_none_or(is_planned));
    guardrails::refusals_to_findings(&mut draft);
    if !draft.problems.is_empty() {
        let mut problems = draft.problems;
        problems.sort_by(|a, b| (&a.place, &a.service, &a.message).cmp(&(&b.place, &b.service, &b.message)));
        return Err(PlanError { problems });
    }
    let steps = finish_steps(&draft);
    let mut services = std::mem::take(&mut draft.services);
    attach_steps(&mut services, &steps);
    // The services that the plan activates again come first, because a reviewer must notice them.
    services.sort_by(|a, b| (!a.is_reactivated(), &a.name).cmp(&(!b.is_reactivated(), &b.name)));
    let mut findings = std::mem::take(&mut draft.findings);
    findings.sort_by(|a, b| (&a.service, a.text()).cmp(&(&b.service, b.text())));
    let declared = if options.only.is_empty() { desired.services.len() } else { options.only.len() };
    let plan = Plan {
        summary: summarize(&draft, &services, &steps, declared),
        estimate: estimate::estimate(&steps, snapshot, options),
        active: snapshot.services.iter().filter(|service| service.active).count(),
        inactive: snapshot.services.iter().filter(|service| !service.active).count(),
        declared,
        ids: ids_of(&matches),
        bases: BTreeMap::new(),
        steps,
        services,
        orphans: unmatched.orphans,
        prune: options.prune,
        unmanaged: unmatched.unmanaged,
        findings,
    };
    Ok(plan)
}

/// Plans the services that belong to no manifest, and checks pins and guardrails. Returns the services that belong to
/// no manifest and stay as they are.
fn plan_and_check_rest(draft: &mut Draft<'_>, desired: &Desired, matches: &[ServiceMatch<'_>]) -> Unmatched {
    let unmatched = orphans::plan_unmatched(draft, desired, matches);
    abandonment::abandon_overtaken(draft, desired, matches);
    orphans::check_possible_renames(draft, desired, &unmatched.orphans);
    pins::check_versions_exist(draft);
    guardrails::check(draft, desired);
    unmatched
}

/// Returns the ids of the live services that match declared services, by the name in the manifest. A manifest whose
/// service does not exist yet has no entry. Applications need these ids even if no plan can be made.
///
/// The snapshot must contain the lists of the agents and context graphs that manifests name. It need not contain
/// versions or behavior sets.
///
/// # Errors
///
/// Errors if a reference can't be resolved, or if a name could mean several services. Returning no ids is better than
/// returning a wrong one.
pub fn ids(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    api: Api,
) -> Result<BTreeMap<ServiceName, ServiceId>, PlanError> {
    let resolved = resolve::resolve_all(desired, snapshot);
    let identity = identity::match_services(desired, &resolved.references, snapshot, policy, api);
    let problems: Vec<_> = resolved.problems.iter().cloned().chain(identity.problems).collect();
    if problems.is_empty() { Ok(ids_of(&identity.matches)) } else { Err(PlanError { problems }) }
}

fn ids_of(matches: &[ServiceMatch<'_>]) -> BTreeMap<ServiceName, ServiceId> {
    let id = |matched: &ServiceMatch<'_>| Some((matched.wanted.name.clone(), matched.live?.id.clone()));
    matches.iter().filter_map(id).collect()
}

/// Returns the steps in an order in which they can run, numbered from 1. In the draft, steps refer to each other by
/// their index. In the returned steps, these references are step numbers.
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
                | Action::RenameTemporarily { .. }
                | Action::DeleteVersionSet { .. }
                | Action::Retire { .. }
                | Action::Abandon { .. } => {}
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
        reactivate: services.iter().filter(|service| service.is_reactivated()).count(),
        adopt: services.iter().filter(|service| service.adopted).count(),
        ..Summary::default()
    };
    summary.unchanged = declared.saturating_sub(summary.create + summary.update + summary.replace);
    for step in steps {
        match &step.action {
            Action::WriteVersionSet { creates: true, .. } => summary.version_sets_created += 1,
            Action::WriteVersionSet { creates: false, .. } => summary.version_sets_updated += 1,
            // On Classic every new service has `release`, so it doesn't count as a created version set.
            Action::Create(new) => {
                let inline =
                    new.version_sets.keys().filter(|name| !name.is_release() || !api.makes_version_sets());
                summary.version_sets_created += inline.count();
            }
            Action::Update { id, update } => {
                let exists = |name: &VersionSetName| {
                    draft.live(id).is_some_and(|live| live.version_sets.contains_key(name))
                };
                let (updated, created): (Vec<_>, Vec<_>) =
                    update.version_sets.keys().partition(|name| exists(name));
                summary.version_sets_updated += updated.len();
                summary.version_sets_created += created.len();
            }
            _ => {}
        }
    }
    summary.version_sets_deleted = guardrails::lost_version_sets(draft).len();
    summary
}
