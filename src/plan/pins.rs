//! Checks pins: versions that must exist, and version sets that must be pinned. Also copies pins when the agent or
//! context graph changes.
//!
//! Only pins that change are checked. A version that is already in use is not checked.

use std::collections::BTreeMap;

use super::diff::Content;
use super::draft::{Draft, PinTarget, RequiredVersion};
use super::matcher::ServiceMatch;
use super::types::{Action, Finding, Problem, ProblemKind};
use crate::model::{
    Catalog, CatalogEntry, DesiredService, LatestVersion, LiveService, Pin, VersionSet, VersionSetName,
};

/// Collects the versions that a service's content pins, except those that the service `current` already pins.
pub(super) fn collect_required_versions(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    content: &Content,
    current: Option<&LiveService>,
) {
    for (name, set) in &content.version_sets {
        let present = current.and_then(|live| live.version_sets.get(name));
        let declared = wanted.version_sets.as_ref().and_then(|sets| sets.get(name));
        let mut require = |target: PinTarget, pin: Pin, is_current: bool| {
            if let (Pin::Number(version), false) = (pin, is_current) {
                draft.required_versions.push(RequiredVersion {
                    service: wanted.name.clone(),
                    place: declared.map_or_else(|| wanted.place.clone(), |set| set.place.clone()),
                    set: name.clone(),
                    target,
                    version,
                });
            }
        };
        let same_agent = current.is_some_and(|live| live.agent == content.agent);
        let same_graph = current.is_some_and(|live| live.context_graph == content.context_graph);
        require(
            PinTarget::Agent(content.agent.clone()),
            set.agent_version,
            same_agent && present.is_some_and(|present| present.agent_version == set.agent_version),
        );
        require(
            PinTarget::ContextGraph(content.context_graph.clone()),
            set.context_graph_version,
            same_graph
                && present.is_some_and(|present| present.context_graph_version == set.context_graph_version),
        );
    }
}

/// Reports each required version that does not exist.
pub(super) fn check_versions_exist(draft: &mut Draft<'_>) {
    let mut problems = Vec::new();
    for required in &draft.required_versions {
        let (noun, id, entry) = match &required.target {
            PinTarget::Agent(id) => ("agent", id.as_str(), draft.snapshot.agents.entries.get(id)),
            PinTarget::ContextGraph(id) => {
                ("context graph", id.as_str(), draft.snapshot.context_graphs.entries.get(id))
            }
        };
        let problem = |kind, message, help: Option<String>| Problem {
            kind,
            service: Some(required.service.clone()),
            place: Some(required.place.clone()),
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
        let (set, version, name) = (&required.set, required.version, &entry.name);
        match entry.latest {
            LatestVersion::Number(latest) if version > latest => problems.push(problem(
                ProblemKind::Missing,
                format!(
                    "version set `{set}` pins version {version} of {noun} `{name}`, which does not exist"
                ),
                Some(format!("the latest version is {latest}")),
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
    problems.extend(check_targets_have_versions(draft));
    draft.problems.extend(problems);
}

/// Returns a problem for each service that would be created with an agent or context graph that has no version.
fn check_targets_have_versions(draft: &Draft<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for step in &draft.steps {
        let Action::Create(new) = &step.action else { continue };
        let agent = name_if(&draft.snapshot.agents, &new.agent, |entry| entry.latest == LatestVersion::None);
        let graph = name_if(&draft.snapshot.context_graphs, &new.context_graph, |entry| {
            entry.latest == LatestVersion::None
        });
        let is_reported = |noun: &str| {
            draft.required_versions.iter().any(|required| {
                required.service == step.service
                    && (noun == "agent") == matches!(required.target, PinTarget::Agent(_))
            })
        };
        for (noun, name) in [("agent", agent), ("context graph", graph)] {
            if let Some(name) = name.filter(|_| !is_reported(noun)) {
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

/// Refuses a new service if a version set that `guardrails.require_pins` names would be unpinned.
///
/// A version set that a replacement copies from the old service may stay unpinned, unless the manifest declares it with
/// `latest`.
pub(super) fn check_new_sets_pinned(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) {
    let is_copied =
        |name: &VersionSetName| matched.live.is_some_and(|live| live.version_sets.contains_key(name));
    let new_set = |name: &VersionSetName| {
        let unfinished = matched.unfinished.and_then(|new| new.version_sets.get(name));
        content.version_sets.get(name).or(unfinished)
    };
    let is_declared_unpinned =
        |name| {
            matched.wanted.version_sets.as_ref().and_then(|sets| sets.get(name)).is_some_and(|set| {
                [set.agent_version, set.context_graph_version].contains(&Some(Pin::Latest))
            })
        };
    let required = &draft.policy.guardrails.require_pins;
    for name in required.iter().filter(|name| !name.is_edge()) {
        // A version set that doesn't exist needs no pins. But users get `release` even if it doesn't exist, so a
        // missing `release` counts as unpinned.
        let is_unpinned = || new_set(name).map_or(name.is_release(), is_unpinned);
        if is_declared_unpinned(name) || (!is_copied(name) && is_unpinned()) {
            let message = format!(
                "version set `{name}` of `{}` would be created unpinned, but `guardrails.require_pins` lists it",
                matched.wanted.name
            );
            let help = format!(
                "declare `version_sets: {{{name}: {{agent_version: …, context_graph_version: …}}}}` with versions that exist; no flag overrides this guardrail"
            );
            draft.problem(ProblemKind::Refused, matched, message, &[&help]);
        }
    }
}

/// Returns true if a version set uses the latest version of the agent or of the context graph.
fn is_unpinned(set: &VersionSet) -> bool {
    set.agent_version == Pin::Latest || set.context_graph_version == Pin::Latest
}

/// Copies the pins that the manifest does not declare when the agent or context graph changes. If the new agent or
/// context graph does not have the pinned version, the version set becomes unpinned. Adds a note about each pin that
/// was copied or removed, and a refusal if `guardrails.require_pins` forbids the unpinned version set.
pub(super) fn carry_pins(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    old: &LiveService,
    content: &mut Content,
) {
    let declared = matched.wanted.version_sets.clone().unwrap_or_default();
    let agent = draft.snapshot.agents.entries.get(&content.agent).map(|entry| entry.latest);
    let graph = draft.snapshot.context_graphs.entries.get(&content.context_graph).map(|entry| entry.latest);
    let (agent_changes, graph_changes) =
        (content.agent != old.agent, content.context_graph != old.context_graph);
    let mut carried: BTreeMap<String, Pin> = BTreeMap::new();
    let mut refused: Vec<String> = Vec::new();
    let must_be_pinned = |name: &VersionSetName| draft.policy.guardrails.require_pins.contains(name);
    for (name, set) in &mut content.version_sets {
        let declared = declared.get(name);
        let mut carry = |noun: &str, pin: &mut Pin, latest: Option<LatestVersion>| {
            let Pin::Number(number) = *pin else { return };
            if latest.is_some_and(|latest| !has_version(latest, number)) {
                *pin = Pin::Latest;
                if must_be_pinned(name) {
                    refused.push(format!(
                        "version set `{name}` of `{}` would become unpinned: the new {noun} has no version {number}, but `guardrails.require_pins` lists this version set",
                        matched.wanted.name
                    ));
                }
            }
            carried.insert(format!("{noun} version of version set `{name}`"), *pin);
        };
        if agent_changes && declared.is_none_or(|set| set.agent_version.is_none()) {
            carry("agent", &mut set.agent_version, agent);
        }
        if graph_changes && declared.is_none_or(|set| set.context_graph_version.is_none()) {
            carry("context graph", &mut set.context_graph_version, graph);
        }
    }
    for (what, pin) in carried {
        draft.findings.push(Finding::note(
            matched.wanted.name.clone(),
            format!("the {what} is not declared, so it will be {pin}"),
        ));
    }
    for message in refused {
        let help = ["declare the version set with a version that exists; no flag overrides this guardrail"];
        draft.problem(ProblemKind::Refused, matched, message, &help);
    }
}

fn has_version(latest: LatestVersion, number: u32) -> bool {
    match latest {
        LatestVersion::Unknown => true,
        LatestVersion::None => false,
        LatestVersion::Number(latest) => number <= latest,
    }
}

/// Reports a deprecated agent or context graph of a service that will be active, unless the service is already active
/// with the same agent and context graph. The report is a problem if the service exists, because the API would refuse
/// to activate it. For a new service, the report is only a note.
pub(super) fn check_deprecated(draft: &mut Draft<'_>, matched: &ServiceMatch<'_>, content: &Content) {
    let was_active = matched.live.is_some_and(|live| {
        live.active && live.agent == content.agent && live.context_graph == content.context_graph
    });
    if !content.active || was_active {
        return;
    }
    let agent = name_if(&draft.snapshot.agents, &content.agent, |entry| entry.deprecated);
    let graph = name_if(&draft.snapshot.context_graphs, &content.context_graph, |entry| entry.deprecated);
    for (noun, name) in [("agent", agent), ("context graph", graph)] {
        let Some(name) = name else { continue };
        if matched.live.is_some() {
            let message = format!("`{}` can't be activated: {noun} `{name}` is deprecated", content.name);
            draft.problem(
                ProblemKind::Impossible,
                matched,
                message,
                &["use an agent or context graph that is not deprecated"],
            );
        } else {
            let message = format!("{noun} `{name}` is deprecated");
            draft.findings.push(Finding::note(content.name.clone(), message));
        }
    }
}

/// Returns the name of an agent or context graph if its catalog entry meets a condition, and otherwise `None`.
fn name_if<Id: Ord>(
    catalog: &Catalog<Id>,
    id: &Id,
    condition: impl Fn(&CatalogEntry) -> bool,
) -> Option<String> {
    catalog.entries.get(id).filter(|entry| condition(entry)).map(|entry| entry.name.clone())
}
