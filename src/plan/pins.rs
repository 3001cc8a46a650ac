//! Checks that the versions which a plan pins exist.
//!
//! Only pins that change are checked. Versions that are already in use are not.

use super::build::Draft;
use super::diff::Content;
use super::identity::Embodiment;
use super::types::{Action, Finding, Problem, ProblemKind};
use crate::model::{
    AgentId, Catalog, CatalogEntry, ContextGraphId, DesiredService, LatestVersion, LiveService, Pin, Place,
    ServiceName, VersionSet, VersionSetName,
};

/// The agent or context graph of a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pinned {
    Agent(AgentId),
    ContextGraph(ContextGraphId),
}

/// A version that must exist.
#[derive(Clone, Debug)]
pub(super) struct PinCheck {
    pub(super) service: ServiceName,
    pub(super) place: Place,
    pub(super) set: VersionSetName,
    pub(super) pinned: Pinned,
    pub(super) version: u32,
}

/// Collects the versions that a service's content pins and that `current` does not pin yet.
pub(super) fn collect_required_versions(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    content: &Content,
    current: Option<&LiveService>,
) {
    for (name, set) in &content.version_sets {
        let there = current.and_then(|live| live.version_sets.get(name));
        let declared = wanted.version_sets.as_ref().and_then(|sets| sets.get(name));
        let mut check = |pinned: Pinned, pin: Pin, same: bool| {
            if let (Pin::Number(version), false) = (pin, same) {
                draft.pin_checks.push(PinCheck {
                    service: wanted.name.clone(),
                    place: declared.map_or_else(|| wanted.place.clone(), |set| set.place.clone()),
                    set: name.clone(),
                    pinned,
                    version,
                });
            }
        };
        let same_agent = current.is_some_and(|live| live.agent == content.agent);
        let same_graph = current.is_some_and(|live| live.context_graph == content.context_graph);
        check(
            Pinned::Agent(content.agent.clone()),
            set.agent_version,
            same_agent && there.is_some_and(|there| there.agent_version == set.agent_version),
        );
        check(
            Pinned::ContextGraph(content.context_graph.clone()),
            set.context_graph_version,
            same_graph && there.is_some_and(|there| there.context_graph_version == set.context_graph_version),
        );
    }
}

/// Reports each required version that does not exist.
pub(super) fn check(draft: &mut Draft<'_>) {
    let mut problems = Vec::new();
    for check in &draft.pin_checks {
        let (noun, id, entry) = match &check.pinned {
            Pinned::Agent(id) => ("agent", id.as_str(), draft.snapshot.agents.entries.get(id)),
            Pinned::ContextGraph(id) => {
                ("context graph", id.as_str(), draft.snapshot.context_graphs.entries.get(id))
            }
        };
        let problem = |kind, message, help: Option<String>| Problem {
            kind,
            service: Some(check.service.clone()),
            place: Some(check.place.clone()),
            message,
            help: help.into_iter().collect(),
        };
        let Some(entry) = entry else {
            problems.push(problem(
                ProblemKind::Missing,
                format!("there is no {noun} with the id {id}"),
                None,
            ));
            continue;
        };
        let (set, version, name) = (&check.set, check.version, &entry.name);
        match entry.latest {
            LatestVersion::Number(latest) if version > latest => problems.push(problem(
                ProblemKind::Missing,
                format!(
                    "version set `{set}` pins version {version} of {noun} `{name}`, which does not exist"
                ),
                Some(format!("its latest version is {latest}")),
            )),
            LatestVersion::None => problems.push(problem(
                ProblemKind::Missing,
                format!(
                    "version set `{set}` pins version {version} of {noun} `{name}`, which has no versions"
                ),
                None,
            )),
            LatestVersion::Number(_) | LatestVersion::Unknown => {}
        }
    }
    problems.extend(without_versions(draft));
    draft.problems.extend(problems);
}

/// Reports services that would be created with an agent or context graph without any version.
fn without_versions(draft: &Draft<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for step in &draft.steps {
        let Action::Create(new) = &step.action else { continue };
        let agent = named_if(&draft.snapshot.agents, &new.agent, |entry| entry.latest == LatestVersion::None);
        let graph = named_if(&draft.snapshot.context_graphs, &new.context_graph, |entry| {
            entry.latest == LatestVersion::None
        });
        let already = |noun: &str| {
            draft.pin_checks.iter().any(|check| {
                check.service == step.service && (noun == "agent") == matches!(check.pinned, Pinned::Agent(_))
            })
        };
        for (noun, name) in [("agent", agent), ("context graph", graph)] {
            if let Some(name) = name.filter(|_| !already(noun)) {
                problems.push(Problem {
                    kind: ProblemKind::Impossible,
                    service: Some(step.service.clone()),
                    place: None,
                    message: format!("`{}` can't be created: {noun} `{name}` has no versions", step.service),
                    help: vec![format!("publish a first version of the {noun}")],
                });
            }
        }
    }
    problems
}

/// Refuses a new service with unpinned version sets that `guardrails.require_pins` names. Version sets that no manifest
/// declares are created unpinned, but a replacement copies those of the old service, pinned or not.
pub(super) fn check_new_sets_pinned(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) {
    let carried =
        |name: &VersionSetName| embodiment.live.is_some_and(|live| live.version_sets.contains_key(name));
    let made = |name: &VersionSetName| {
        let begun = embodiment.half_made.and_then(|new| new.version_sets.get(name));
        content.version_sets.get(name).or(begun)
    };
    let declared =
        |name| {
            embodiment.wanted.version_sets.as_ref().and_then(|sets| sets.get(name)).is_some_and(|set| {
                [set.agent_version, set.context_graph_version].contains(&Some(Pin::Latest))
            })
        };
    let required = &draft.policy.guardrails.require_pins;
    for name in required.iter().filter(|name| !name.is_edge()) {
        // A set that doesn't exist needs no pins. But users always get `release`, with or without a set.
        let follows = || made(name).map_or(name.is_release(), follows_latest);
        if declared(name) || (!carried(name) && follows()) {
            let message = format!(
                "version set `{name}` of `{}` would be created unpinned, but `guardrails.require_pins` names it",
                embodiment.wanted.name
            );
            let help = format!(
                "declare `version_sets: {{{name}: {{agent_version: …, context_graph_version: …}}}}` with versions that exist; no flag allows it"
            );
            draft.problem(ProblemKind::Refused, embodiment, message, &[&help]);
        }
    }
}

fn follows_latest(set: &VersionSet) -> bool {
    set.agent_version == Pin::Latest || set.context_graph_version == Pin::Latest
}

/// Reports a deprecated agent or context graph. It can't be activated: a problem for a live service, and a finding for
/// a new one.
pub(super) fn deprecated(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) {
    let was_active = embodiment.live.is_some_and(|live| {
        live.active && live.agent == content.agent && live.context_graph == content.context_graph
    });
    if !content.active || was_active {
        return;
    }
    let agent = named_if(&draft.snapshot.agents, &content.agent, |entry| entry.deprecated);
    let graph = named_if(&draft.snapshot.context_graphs, &content.context_graph, |entry| entry.deprecated);
    for (noun, name) in [("agent", agent), ("context graph", graph)] {
        let Some(name) = name else { continue };
        if embodiment.live.is_some() {
            let message = format!("`{}` can't be activated: {noun} `{name}` is deprecated", content.name);
            draft.problem(ProblemKind::Impossible, embodiment, message, &["name one that is in use"]);
        } else {
            let message = format!("{noun} `{name}` is deprecated");
            draft.findings.push(Finding::note(content.name.clone(), message));
        }
    }
}

fn named_if<Id: Ord>(
    catalog: &Catalog<Id>,
    id: &Id,
    condition: impl Fn(&CatalogEntry) -> bool,
) -> Option<String> {
    catalog.entries.get(id).filter(|entry| condition(entry)).map(|entry| entry.name.clone())
}
