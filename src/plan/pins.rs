//! Whether the versions that a plan pins exist. May import `model` only.
//!
//! Only pins that change are looked at: what already runs is not this plan's business.

use super::build::Draft;
use super::diff::Content;
use super::identity::Embodiment;
use super::types::{Action, Finding, Problem, ProblemKind};
use crate::model::{
    AgentId, Catalog, CatalogEntry, ContextGraphId, DesiredService, LatestVersion, LiveService, Pin, Place,
    ServiceName, VersionSet, VersionSetName,
};

/// What is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pinned {
    Agent(AgentId),
    ContextGraph(ContextGraphId),
}

/// One version that must exist.
#[derive(Clone, Debug)]
pub(super) struct PinCheck {
    pub(super) service: ServiceName,
    pub(super) place: Place,
    pub(super) set: VersionSetName,
    pub(super) pinned: Pinned,
    pub(super) version: u32,
}

/// Notes the versions that a service's content pins and that `current` doesn't already.
pub(super) fn need(
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

/// Turns every version that does not exist into a problem.
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

/// Services can't be created with an agent or context graph that has no version at all.
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

/// Refuses a new service whose users would talk to the latest versions although a rule wants pins: what no
/// manifest declares is born so. What the service in whose place it comes has, it takes over, pinned or not.
pub(super) fn born(draft: &mut Draft<'_>, embodiment: &Embodiment<'_>, content: &Content) {
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
        // Without a set of that name there is nothing to pin; but `release` is what users talk to anyway.
        let follows = || made(name).map_or(name.is_release(), follows_latest);
        if declared(name) || (!carried(name) && follows()) {
            let message = format!(
                "version set `{name}` of `{}` would be born at latest, but `guardrails.require_pins` names it",
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

/// A deprecated agent or context graph can't be activated: a problem for what exists, and a word for what is new.
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
            draft.findings.push(Finding { service: content.name.clone(), message });
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
