//! Finds the data that must be read before a plan can be made.

use std::collections::BTreeSet;

use super::draft::PinTarget;
use super::types::Options;
use super::{build, resolve};
use crate::model::{
    AgentId, Catalog, ContextGraphId, Desired, DesiredService, LatestVersion, Lookups, Need, Policy,
    Reference, Snapshot,
};

/// Returns the data that planning needs and that is missing in the snapshot. The caller reads this data, adds it to the
/// snapshot, and calls this function again. After at most three rounds nothing is missing.
///
/// The lists of agents and context graphs are needed only if a manifest uses a name. Single agents and context graphs,
/// and their latest versions, are needed only if a pin changes. Behavior sets are needed only for services that are
/// replaced.
pub fn lookups(desired: &Desired, snapshot: &Snapshot, policy: &Policy, options: &Options) -> Lookups {
    let uses_names = |reference: fn(&DesiredService) -> &Reference| {
        desired.services.values().any(|service| matches!(reference(service), Reference::Name(_)))
    };
    let all_agents = uses_names(|service| &service.agent) && !snapshot.agents.complete;
    let all_graphs = uses_names(|service| &service.context_graph) && !snapshot.context_graphs.complete;
    if all_agents || all_graphs {
        return Lookups {
            agents: if all_agents { Need::All } else { Need::Nothing },
            context_graphs: if all_graphs { Need::All } else { Need::Nothing },
            versions_of_agents: BTreeSet::new(),
            versions_of_context_graphs: BTreeSet::new(),
            behavior_sets_of: BTreeSet::new(),
        };
    }
    let resolved = resolve::resolve_all(desired, snapshot);
    let (draft, _) = build::draft_services(desired, &resolved, snapshot, policy, options);
    let mut agents: BTreeSet<AgentId> = BTreeSet::new();
    let mut graphs: BTreeSet<ContextGraphId> = BTreeSet::new();
    for required in &draft.required_versions {
        match &required.target {
            PinTarget::Agent(id) => agents.insert(id.clone()),
            PinTarget::ContextGraph(id) => graphs.insert(id.clone()),
        };
    }
    Lookups {
        versions_of_agents: without_version(&agents, &snapshot.agents),
        versions_of_context_graphs: without_version(&graphs, &snapshot.context_graphs),
        agents: not_read(agents, &snapshot.agents),
        context_graphs: not_read(graphs, &snapshot.context_graphs),
        behavior_sets_of: draft
            .replaced_services
            .into_iter()
            .filter(|id| !snapshot.behavior_sets.contains_key(id))
            .collect(),
    }
}

/// Returns the ids of the agents or context graphs whose latest version is not known yet.
fn without_version<Id: Ord + Clone>(ids: &BTreeSet<Id>, catalog: &Catalog<Id>) -> BTreeSet<Id> {
    let is_unknown =
        |id: &&Id| catalog.entries.get(*id).is_some_and(|entry| entry.latest == LatestVersion::Unknown);
    ids.iter().filter(is_unknown).cloned().collect()
}

/// Returns the agents or context graphs in `ids` that must still be read, because they were not looked up yet.
fn not_read<Id: Ord + Clone>(ids: BTreeSet<Id>, catalog: &Catalog<Id>) -> Need<Id> {
    let is_read =
        |id: &Id| catalog.complete || catalog.entries.contains_key(id) || catalog.missing.contains(id);
    let ids: BTreeSet<Id> = ids.into_iter().filter(|id| !is_read(id)).collect();
    if ids.is_empty() { Need::Nothing } else { Need::Only(ids) }
}
