//! Determines the order of the steps in a plan.
//!
//! If one service gets the name of another one, the step that claims the name runs after the step that releases it. A
//! service comes after the services in its `depends_on`. These rules can lead to a cycle: two names are swapped, or a
//! dependency contradicts the order of the names. In this case, an additional step gives one of the services a
//! temporary name early, so that its old name becomes free.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::draft::{Draft, DraftStep};
use super::names;
use super::types::{Action, Finding, Problem, ProblemKind, Risk, Target};
use crate::model::{Desired, LiveService, ServiceId, ServiceName, ServiceUpdate};

/// Adds the dependencies between steps of different services, and adds steps that break dependency cycles.
pub(super) fn connect(draft: &mut Draft<'_>, desired: &Desired) {
    connect_dependencies(draft, desired);
    let edges = name_edges(draft);
    let mut edges: BTreeSet<(usize, usize)> = edges.into_iter().collect();
    while let Some((_, releaser)) = find_circular_edge(&draft.steps, &edges) {
        let Some(rename) = rename_early(draft, releaser) else { return };
        // The steps that need the name now run after the early rename. The step that would have released the name runs
        // after it, too.
        let waiting: Vec<usize> =
            edges.iter().filter(|(_, from)| *from == releaser).map(|(to, _)| *to).collect();
        for to in waiting {
            edges.remove(&(to, releaser));
            edges.insert((to, rename));
        }
        draft.steps[releaser].after.insert(rename);
        draft.steps[releaser].releases_name = None;
    }
    for (claimer, releaser) in edges {
        draft.steps[claimer].after.insert(releaser);
    }
    if draft.options.api.updates_version_sets() {
        serialize_steps_of_services(draft);
    }
}

/// Makes the steps that write to the same service run one after the other. On Platform the server merges an update into
/// the service, so two updates at the same time could undo each other.
fn serialize_steps_of_services(draft: &mut Draft<'_>) {
    let mut last: BTreeMap<Target, usize> = BTreeMap::new();
    for index in sequence(&draft.steps) {
        for target in targets(&draft.steps[index].action) {
            if let Some(before) = last.insert(target, index) {
                draft.steps[index].after.insert(before);
            }
        }
    }
}

/// Returns the services that a step writes to.
fn targets(action: &Action) -> Vec<Target> {
    match action {
        Action::Create(_) | Action::ApplyBehaviorSet { .. } | Action::Smoke { .. } => Vec::new(),
        Action::Update { id, .. }
        | Action::RenameTemporarily { id, .. }
        | Action::DeleteVersionSet { id, .. }
        | Action::Retire { id, .. }
        | Action::Abandon { id, .. } => vec![Target::Live(id.clone())],
        Action::WriteVersionSet { target, .. } => vec![target.clone()],
        Action::HandOver { old, new, .. } => vec![Target::Live(old.clone()), new.clone()],
    }
}

/// Adds the dependencies between steps that follow from `depends_on` in manifests. If a service in `depends_on` has no
/// steps to wait for, the services in its own `depends_on` count instead.
fn connect_dependencies(draft: &mut Draft<'_>, desired: &Desired) {
    let mut steps_of: BTreeMap<ServiceName, Vec<usize>> = BTreeMap::new();
    for (index, step) in draft.steps.iter().enumerate() {
        steps_of.entry(step.service.clone()).or_default().push(index);
    }
    for (name, own) in &steps_of {
        let Some(service) = desired.services.get(name) else { continue };
        let mut open: Vec<&ServiceName> = service.depends_on.iter().collect();
        let mut seen: BTreeSet<&ServiceName> = BTreeSet::new();
        let mut dependencies = BTreeSet::new();
        while let Some(other) = open.pop() {
            if other == name || !seen.insert(other) {
                continue;
            }
            let steps = steps_of.get(other).into_iter().flatten().copied();
            let before = dependencies.len();
            dependencies.extend(steps.filter(|&step| draft.steps[step].blocks_dependents));
            if dependencies.len() == before {
                open.extend(desired.services.get(other).into_iter().flat_map(|service| &service.depends_on));
            }
        }
        for &step in own {
            draft.steps[step].after.extend(&dependencies);
        }
    }
}

/// Returns pairs of steps: first the step that claims a name, then the step that releases this name. Also reports each
/// claimed name that another service keeps.
fn name_edges(draft: &mut Draft<'_>) -> Vec<(usize, usize)> {
    let holds = |service: &&LiveService| service.active || draft.options.api.inactive_services_hold_names();
    let mut holders: BTreeMap<&ServiceName, Vec<&LiveService>> = BTreeMap::new();
    for service in draft.snapshot.services.iter().filter(holds) {
        holders.entry(&service.name).or_default().push(service);
    }
    for holders in holders.values_mut() {
        holders.sort_by(|a, b| (b.active, &a.id).cmp(&(a.active, &b.id)));
    }
    let mut releasers: BTreeMap<&ServiceName, Vec<usize>> = BTreeMap::new();
    let mut releasing_services: BTreeSet<&ServiceId> = BTreeSet::new();
    for (index, step) in draft.steps.iter().enumerate() {
        if let Some(name) = &step.releases_name {
            releasers.entry(name).or_default().push(index);
            releasing_services.extend(changed_service(&step.action));
        }
    }
    let mut edges = Vec::new();
    let mut problems = Vec::new();
    let mut findings = Vec::new();
    for (claimer, step) in draft.steps.iter().enumerate() {
        if let Some(name) = &step.created_name {
            let releasers = releasers.get(name).into_iter().flatten().copied();
            let inactive = releasers.filter(|&releaser| renames_inactive(draft, releaser));
            edges.extend(inactive.map(|releaser| (claimer, releaser)));
        }
        let Some(name) = &step.claims_name else { continue };
        let releasers = releasers.get(name).into_iter().flatten().copied();
        edges.extend(releasers.filter(|&releaser| releaser != claimer).map(|releaser| (claimer, releaser)));
        let mut holders = holders.get(name).into_iter().flatten();
        let keeps_name = |holder: &&&LiveService| {
            !releasing_services.contains(&holder.id) && !updates_or_activates(&step.action, &holder.id)
        };
        match holders.find(keeps_name) {
            Some(holder) if holder.active => problems.push(name_in_use(step, name, holder)),
            Some(holder) => findings.push(name_maybe_in_use(step, name, holder)),
            None => {}
        }
    }
    // If matching has already reported the service as ambiguous, the problem is not reported a second time.
    problems.retain(|problem| draft.problems.iter().all(|known| !is_same_kind(known, problem)));
    draft.problems.extend(problems);
    draft.findings.extend(findings);
    edges
}

fn is_same_kind(known: &Problem, problem: &Problem) -> bool {
    known.kind == problem.kind && known.service == problem.service
}

/// Returns the live service that a step renames or takes out of use. Returns `None` for steps that can do neither.
fn changed_service(action: &Action) -> Option<&ServiceId> {
    match action {
        Action::HandOver { old: id, .. }
        | Action::Update { id, .. }
        | Action::RenameTemporarily { id, .. }
        | Action::Retire { id, .. }
        | Action::Abandon { id, .. } => Some(id),
        Action::Create(_)
        | Action::WriteVersionSet { .. }
        | Action::DeleteVersionSet { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. } => None,
    }
}

/// Returns true if the step `releaser` renames an inactive service.
fn renames_inactive(draft: &Draft<'_>, releaser: usize) -> bool {
    match &draft.steps[releaser].action {
        Action::Update { id, .. } => draft.live(id).is_some_and(|live| !live.active),
        _ => false,
    }
}

/// Returns true if a step updates the service with this id in place, or activates it in a cut-over.
fn updates_or_activates(action: &Action, id: &ServiceId) -> bool {
    match action {
        Action::Update { id: own, .. } | Action::HandOver { new: Target::Live(own), .. } => own == id,
        _ => false,
    }
}

/// Returns the problem that a step claims a name that an active service keeps.
fn name_in_use(step: &DraftStep, name: &ServiceName, holder: &LiveService) -> Problem {
    Problem {
        kind: ProblemKind::Ambiguous,
        service: Some(step.service.clone()),
        place: None,
        message: format!(
            "`{}` can't take the name `{name}`: the active service {} has this name, and this plan does not rename that service",
            step.service, holder.id
        ),
        help: vec![
            "rename or deactivate that service, or plan without --only if another manifest renames that service"
                .to_owned(),
        ],
    }
}

/// Returns the finding that a step claims a name that an inactive service keeps. Only the API knows whether an inactive
/// service blocks its name.
fn name_maybe_in_use(step: &DraftStep, name: &ServiceName, holder: &LiveService) -> Finding {
    let message = format!(
        "an inactive service has the name `{name}` ({}), and this plan does not rename that service; if the API refuses the name, rename or delete that service",
        holder.id
    );
    Finding::note(step.service.clone(), message)
}

/// Returns the first pair of steps in `edges` that is part of a dependency cycle, or `None` if there is no cycle.
fn find_circular_edge(steps: &[DraftStep], edges: &BTreeSet<(usize, usize)>) -> Option<(usize, usize)> {
    if edges.is_empty() {
        return None;
    }
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(steps.len(), steps.len());
    for _ in steps {
        graph.add_node(());
    }
    for (index, step) in steps.iter().enumerate() {
        for &before in &step.after {
            graph.add_edge(NodeIndex::new(before), NodeIndex::new(index), ());
        }
    }
    for &(claimer, releaser) in edges {
        graph.add_edge(NodeIndex::new(releaser), NodeIndex::new(claimer), ());
    }
    let mut component = vec![0; steps.len()];
    for (number, nodes) in tarjan_scc(&graph).iter().enumerate() {
        for node in nodes {
            component[node.index()] = number;
        }
    }
    edges.iter().copied().find(|(claimer, releaser)| component[*claimer] == component[*releaser])
}

/// Adds a step that gives a temporary name to the service that the step `releaser` renames or takes out of use. Returns
/// the index of the new step, or `None` if no temporary name is possible.
///
/// The caller must make the new step run before `releaser`.
///
/// The temporary name contains the final name, so that a later run can find the service's manifest.
fn rename_early(draft: &mut Draft<'_>, releaser: usize) -> Option<usize> {
    let service = draft.steps[releaser].service.clone();
    let id = match &draft.steps[releaser].action {
        Action::HandOver { old: id, .. } | Action::Update { id, .. } | Action::Retire { id, .. } => {
            id.clone()
        }
        _ => {
            draft.problems.push(unbreakable_circle(&draft.steps[releaser]));
            return None;
        }
    };
    let live = draft.live(&id)?;
    let name = names::renaming(&service, &id, &|name| draft.is_taken(name));
    if let Action::HandOver { old_name, .. } = &mut draft.steps[releaser].action {
        *old_name = name.clone();
    }
    let mut tags = live.tags.clone();
    tags.insert(draft.policy.ownership.tag.clone(), Some(draft.policy.ownership.value.clone()));
    // If the service already has the maximum number of tags, it gets no ownership tag. Then the next run can't continue
    // if this run is interrupted right after the rename.
    let fits = tags.len() <= draft.options.api.max_tags();
    let tags = (fits && live.tags != tags).then_some(tags);
    let update = ServiceUpdate { name: Some(name), tags, ..ServiceUpdate::default() };
    let mut step = DraftStep::new(
        &service,
        Action::RenameTemporarily { id, update: Box::new(update) },
        Risk::Disruptive,
    );
    step.releases_name = Some(live.name.clone());
    step.reason = Some(format!("another service gets the name `{}`", live.name));
    Some(draft.push(step))
}

/// Returns the problem that a cycle of steps can't be broken with a temporary name.
fn unbreakable_circle(step: &DraftStep) -> Problem {
    Problem {
        kind: ProblemKind::Impossible,
        service: Some(step.service.clone()),
        place: None,
        message: format!("the steps of `{}` depend on each other in a cycle", step.service),
        help: vec!["apply some of the services first, with --only".to_owned()],
    }
}

/// Returns the indices of the steps in an order in which they can run one by one. If several steps can run next, the
/// step with the lowest `rank` comes first. Steps of equal rank are ordered by the name of their service.
///
/// [`connect`] has removed all cycles. If a cycle were left, its steps would be missing in the result, and the verifier
/// would refuse the plan.
pub(super) fn sequence(steps: &[DraftStep]) -> Vec<usize> {
    let mut waiting: Vec<usize> = steps.iter().map(|step| step.after.len()).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (index, step) in steps.iter().enumerate() {
        for &before in &step.after {
            followers[before].push(index);
        }
    }
    let key = |index: usize| Reverse((rank(&steps[index].action), steps[index].service.clone(), index));
    let mut ready: BinaryHeap<_> = (0..steps.len()).filter(|&index| waiting[index] == 0).map(key).collect();
    let mut sequence = Vec::with_capacity(steps.len());
    while let Some(Reverse((_, _, index))) = ready.pop() {
        sequence.push(index);
        for &next in &followers[index] {
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(key(next));
            }
        }
    }
    sequence
}

/// Returns the priority of a step if several steps can run next. The step with the lowest number runs first.
fn rank(action: &Action) -> u8 {
    match action {
        Action::RenameTemporarily { .. } => 0,
        Action::Create(_) => 1,
        Action::Update { .. } => 2,
        Action::WriteVersionSet { .. } => 3,
        Action::ApplyBehaviorSet { .. } => 4,
        Action::Smoke { .. } => 5,
        Action::HandOver { .. } => 6,
        Action::Retire { .. } => 7,
        Action::DeleteVersionSet { .. } => 8,
        Action::Abandon { .. } => 9,
    }
}
