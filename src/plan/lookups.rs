//! The data that must be read before a plan can be made.

use std::collections::BTreeSet;

use super::build;
use super::pins::Pinned;
use super::types::Options;
use crate::model::{
    AgentId, Catalog, ContextGraphId, Desired, LatestVersion, Lookups, Need, Policy, Reference, Snapshot,
};

/// Returns the data that the snapshot lacks. Read it, add it, and call this again: after at most three rounds nothing is
/// missing.
///
/// Lists of agents and context graphs are needed only if a manifest uses a name. Single ones, and their latest
/// versions, are needed only if a pin changes. Behavior sets are needed only for services that are replaced.
pub fn lookups(desired: &Desired, snapshot: &Snapshot, policy: &Policy, options: &Options) -> Lookups {
    let names = |reference: fn(&crate::model::DesiredService) -> &Reference| {
        desired.services.values().any(|service| matches!(reference(service), Reference::Name(_)))
    };
    let all_agents = names(|service| &service.agent) && !snapshot.agents.complete;
    let all_graphs = names(|service| &service.context_graph) && !snapshot.context_graphs.complete;
    if all_agents || all_graphs {
        return Lookups {
            agents: if all_agents { Need::All } else { Need::Nothing },
            context_graphs: if all_graphs { Need::All } else { Need::Nothing },
            versions_of_agents: BTreeSet::new(),
            versions_of_context_graphs: BTreeSet::new(),
            behavior_sets_of: BTreeSet::new(),
        };
    }
    let resolved = build::resolved(desired, snapshot);
    let (draft, _) = build::draft(desired, &resolved, snapshot, policy, options);
    let mut agents: BTreeSet<AgentId> = BTreeSet::new();
    let mut graphs: BTreeSet<ContextGraphId> = BTreeSet::new();
    for check in &draft.pin_checks {
        match &check.pinned {
            Pinned::Agent(id) => agents.insert(id.clone()),
            Pinned::ContextGraph(id) => graphs.insert(id.clone()),
        };
    }
    Lookups {
        versions_of_agents: untold(&agents, &snapshot.agents),
        versions_of_context_graphs: untold(&graphs, &snapshot.context_graphs),
        agents: unknown(agents, &snapshot.agents),
        context_graphs: unknown(graphs, &snapshot.context_graphs),
        behavior_sets_of: draft
            .replaced
            .into_iter()
            .filter(|id| !snapshot.behavior_sets.contains_key(id))
            .collect(),
    }
}

/// The entries whose latest version is not known.
fn untold<Id: Ord + Clone>(ids: &BTreeSet<Id>, catalog: &Catalog<Id>) -> BTreeSet<Id> {
    let untold =
        |id: &&Id| catalog.entries.get(*id).is_some_and(|entry| entry.latest == LatestVersion::Unknown);
    ids.iter().filter(untold).cloned().collect()
}

fn unknown<Id: Ord + Clone>(ids: BTreeSet<Id>, catalog: &Catalog<Id>) -> Need<Id> {
    let asked =
        |id: &Id| catalog.complete || catalog.entries.contains_key(id) || catalog.missing.contains(id);
    let ids: BTreeSet<Id> = ids.into_iter().filter(|id| !asked(id)).collect();
    if ids.is_empty() { Need::Nothing } else { Need::Only(ids) }
}
