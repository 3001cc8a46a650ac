//! The order of steps.
//!
//! A step that takes a name runs after the step that frees it. A service comes after those that it `depends_on`. If
//! that is a circle (names are swapped, or a dependency goes against the direction of a name), one of the services gets
//! a temporary name early.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::build::{Draft, DraftStep};
use super::names;
use super::types::{Action, Finding, Problem, ProblemKind, Risk, Target};
use crate::model::{Desired, LiveService, ServiceId, ServiceName, ServiceUpdate};

/// Adds the dependencies between the steps of different services, and the steps that break circles.
pub(super) fn connect(draft: &mut Draft<'_>, desired: &Desired) {
    depend(draft, desired);
    let edges = name_edges(draft);
    let mut edges: BTreeSet<(usize, usize)> = edges.into_iter().collect();
    while let Some((_, freer)) = circular(&draft.steps, &edges) {
        let Some(aside) = set_aside(draft, freer) else { return };
        // The steps that needed the name now depend on the early rename; so does the step that had freed it.
        let waiting: Vec<usize> =
            edges.iter().filter(|(_, from)| *from == freer).map(|(to, _)| *to).collect();
        for to in waiting {
            edges.remove(&(to, freer));
            edges.insert((to, aside));
        }
        draft.steps[freer].after.insert(aside);
        draft.steps[freer].frees = None;
    }
    for (taker, freer) in edges {
        draft.steps[taker].after.insert(freer);
    }
    if draft.options.api.updates_version_sets() {
        one_by_one(draft);
    }
}

/// Runs the steps of each service one after the other. On Platform an update is merged by the server, so two at once on
/// one service could undo each other.
fn one_by_one(draft: &mut Draft<'_>) {
    let mut last: BTreeMap<Target, usize> = BTreeMap::new();
    for index in sequence(&draft.steps) {
        for target in targets(&draft.steps[index].action) {
            if let Some(before) = last.insert(target, index) {
                draft.steps[index].after.insert(before);
            }
        }
    }
}

/// The services that a step writes to.
fn targets(action: &Action) -> Vec<Target> {
    match action {
        Action::Create(_) | Action::ApplyBehaviorSet { .. } | Action::Smoke { .. } => Vec::new(),
        Action::Update { id, .. }
        | Action::SetAside { id, .. }
        | Action::DeleteVersionSet { id, .. }
        | Action::Retire { id, .. }
        | Action::Discard { id, .. } => vec![Target::Live(id.clone())],
        Action::WriteVersionSet { target, .. } => vec![target.clone()],
        Action::HandOver { old, new, .. } => vec![Target::Live(old.clone()), new.clone()],
    }
}

/// Adds the dependencies of `depends_on`, also through services without steps.
fn depend(draft: &mut Draft<'_>, desired: &Desired) {
    let mut steps_of: BTreeMap<ServiceName, Vec<usize>> = BTreeMap::new();
    for (index, step) in draft.steps.iter().enumerate() {
        steps_of.entry(step.service.clone()).or_default().push(index);
    }
    for (name, own) in &steps_of {
        let Some(service) = desired.services.get(name) else { continue };
        let mut open: Vec<&ServiceName> = service.depends_on.iter().collect();
        let mut seen: BTreeSet<&ServiceName> = BTreeSet::new();
        let mut awaited = BTreeSet::new();
        while let Some(other) = open.pop() {
            if other == name || !seen.insert(other) {
                continue;
            }
            let steps =
                steps_of.get(other).into_iter().flatten().copied().filter(|&step| draft.steps[step].awaited);
            let before = awaited.len();
            awaited.extend(steps);
            if awaited.len() == before {
                open.extend(desired.services.get(other).into_iter().flat_map(|service| &service.depends_on));
            }
        }
        for &step in own {
            draft.steps[step].after.extend(&awaited);
        }
    }
}

/// Returns, for each step that takes a name, the step that frees it.
fn name_edges(draft: &mut Draft<'_>) -> Vec<(usize, usize)> {
    let holds = |service: &&LiveService| service.active || draft.options.api.inactive_services_hold_names();
    let mut holders: BTreeMap<&ServiceName, Vec<&LiveService>> = BTreeMap::new();
    for service in draft.snapshot.services.iter().filter(holds) {
        holders.entry(&service.name).or_default().push(service);
    }
    for holders in holders.values_mut() {
        holders.sort_by(|a, b| (b.active, &a.id).cmp(&(a.active, &b.id)));
    }
    let mut freers: BTreeMap<&ServiceName, Vec<usize>> = BTreeMap::new();
    let mut freed: BTreeSet<&ServiceId> = BTreeSet::new();
    for (index, step) in draft.steps.iter().enumerate() {
        if let Some(name) = &step.frees {
            freers.entry(name).or_default().push(index);
            freed.extend(gives_name_up(&step.action));
        }
    }
    let mut edges = Vec::new();
    let mut problems = Vec::new();
    let mut findings = Vec::new();
    for (taker, step) in draft.steps.iter().enumerate() {
        if let Some(name) = &step.born_as {
            let freers = freers.get(name).into_iter().flatten();
            edges.extend(freers.filter(|&&freer| frees_inactive(draft, freer)).map(|&freer| (taker, freer)));
        }
        let Some(name) = &step.takes else { continue };
        let freers = freers.get(name).into_iter().flatten();
        edges.extend(freers.filter(|&&freer| freer != taker).map(|&freer| (taker, freer)));
        let mut holders = holders.get(name).into_iter().flatten();
        match holders.find(|holder| !freed.contains(&holder.id) && !is_about(&step.action, &holder.id)) {
            Some(holder) if holder.active => problems.push(held(step, name, holder)),
            Some(holder) => findings.push(perhaps_held(step, name, holder)),
            None => {}
        }
    }
    // Services that can't be told apart are reported already.
    problems.retain(|problem| draft.problems.iter().all(|known| !is_same(known, problem)));
    draft.problems.extend(problems);
    draft.findings.extend(findings);
    edges
}

fn is_same(known: &Problem, problem: &Problem) -> bool {
    known.kind == problem.kind && known.service == problem.service
}

/// The live service that gives a name up with a step.
fn gives_name_up(action: &Action) -> Option<&ServiceId> {
    match action {
        Action::HandOver { old: id, .. }
        | Action::Update { id, .. }
        | Action::SetAside { id, .. }
        | Action::Retire { id, .. }
        | Action::Discard { id, .. } => Some(id),
        Action::Create(_)
        | Action::WriteVersionSet { .. }
        | Action::DeleteVersionSet { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. } => None,
    }
}

/// Returns true if a step renames an inactive service.
fn frees_inactive(draft: &Draft<'_>, freer: usize) -> bool {
    match &draft.steps[freer].action {
        Action::Update { id, .. } => draft.live(id).is_some_and(|live| !live.active),
        _ => false,
    }
}

fn is_about(action: &Action, id: &ServiceId) -> bool {
    match action {
        Action::Update { id: own, .. } | Action::HandOver { new: Target::Live(own), .. } => own == id,
        _ => false,
    }
}

fn held(step: &DraftStep, name: &ServiceName, holder: &LiveService) -> Problem {
    Problem {
        kind: ProblemKind::Ambiguous,
        service: Some(step.service.clone()),
        place: None,
        message: format!(
            "`{}` can't take the name `{name}`: service {} has it and is active, and this plan does not rename it",
            step.service, holder.id
        ),
        help: vec![
            "rename or deactivate that service, or plan without --only if another manifest renames it"
                .to_owned(),
        ],
    }
}

/// Returns the finding that an inactive service has the name. Only the API can tell whether it blocks the name.
fn perhaps_held(step: &DraftStep, name: &ServiceName, holder: &LiveService) -> Finding {
    let message = format!(
        "an inactive service has the name `{name}`, and this plan does not change it: {}; if the API refuses the name, rename or delete that service",
        holder.id
    );
    Finding::note(step.service.clone(), message)
}

/// Returns the first dependency on a name that is part of a circle; none if there is no circle.
fn circular(steps: &[DraftStep], edges: &BTreeSet<(usize, usize)>) -> Option<(usize, usize)> {
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
    for &(taker, freer) in edges {
        graph.add_edge(NodeIndex::new(freer), NodeIndex::new(taker), ());
    }
    let mut component = vec![0; steps.len()];
    for (number, nodes) in tarjan_scc(&graph).iter().enumerate() {
        for node in nodes {
            component[node.index()] = number;
        }
    }
    edges.iter().copied().find(|(taker, freer)| component[*taker] == component[*freer])
}

/// Adds a step that gives a service a temporary name before the step `freer` runs; returns its index.
///
/// The temporary name tells which manifest the service belongs to, so that a later run finds it.
fn set_aside(draft: &mut Draft<'_>, freer: usize) -> Option<usize> {
    let service = draft.steps[freer].service.clone();
    let id = match &draft.steps[freer].action {
        Action::HandOver { old: id, .. } | Action::Update { id, .. } | Action::Retire { id, .. } => {
            id.clone()
        }
        _ => {
            draft.problems.push(circle(&draft.steps[freer]));
            return None;
        }
    };
    let live = draft.live(&id)?;
    let name = names::passing(&service, &id, &|name| draft.is_taken(name));
    if let Action::HandOver { old_name, .. } = &mut draft.steps[freer].action {
        *old_name = name.clone();
    }
    let mut tags = live.tags.clone();
    tags.insert(draft.policy.ownership.tag.clone(), Some(draft.policy.ownership.value.clone()));
    // Without room for the tag, a run that is interrupted right after this step is not continued.
    let fits = tags.len() <= draft.options.api.max_tags();
    let tags = (fits && live.tags != tags).then_some(tags);
    let update = ServiceUpdate { name: Some(name), tags, ..ServiceUpdate::default() };
    let mut step =
        DraftStep::new(&service, Action::SetAside { id, update: Box::new(update) }, Risk::Disruptive);
    step.frees = Some(live.name.clone());
    step.reason = Some(format!("another service gets the name `{}`", live.name));
    Some(draft.push(step))
}

/// Returns the problem of a circle that no early rename can break.
fn circle(step: &DraftStep) -> Problem {
    Problem {
        kind: ProblemKind::Impossible,
        service: Some(step.service.clone()),
        place: None,
        message: format!("the steps of `{}` depend on each other in a circle", step.service),
        help: vec!["apply a part of it first, with --only".to_owned()],
    }
}

/// Returns an order in which the steps can run one by one: by service, with removals last.
///
/// [`connect`] has made the graph acyclic. If a circle were left, steps would be missing, and the verifier would refuse
/// the plan.
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

/// The order in which steps begin if several are ready.
fn rank(action: &Action) -> u8 {
    match action {
        Action::SetAside { .. } => 0,
        Action::Create(_) => 1,
        Action::Update { .. } => 2,
        Action::WriteVersionSet { .. } => 3,
        Action::ApplyBehaviorSet { .. } => 4,
        Action::Smoke { .. } => 5,
        Action::HandOver { .. } => 6,
        Action::Retire { .. } => 7,
        Action::DeleteVersionSet { .. } => 8,
        Action::Discard { .. } => 9,
    }
}
