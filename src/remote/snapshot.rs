//! Reads everything that planning asks for. May import `model` only.

use std::collections::BTreeSet;

use super::ReadApi;
use super::failure::ApiError;
use crate::model::{Catalog, LatestVersion, Lookups, Need, ServiceId, Snapshot};

/// Reads the live state: the services, and then what `lacking` says is lacking, until nothing is.
///
/// # Errors
///
/// The first request that failed for good.
pub async fn read_snapshot(
    api: &impl ReadApi,
    lacking: impl FnMut(&Snapshot) -> Lookups,
) -> Result<Snapshot, ApiError> {
    let snapshot = Snapshot { services: api.services().await?, ..Snapshot::default() };
    complete_snapshot(api, snapshot, lacking).await
}

/// Reads what a snapshot lacks, until it lacks nothing.
///
/// # Errors
///
/// The first request that failed for good.
pub async fn complete_snapshot(
    api: &impl ReadApi,
    mut snapshot: Snapshot,
    mut lacking: impl FnMut(&Snapshot) -> Lookups,
) -> Result<Snapshot, ApiError> {
    loop {
        let lookups = lacking(&snapshot);
        if lookups.is_nothing() {
            return Ok(snapshot);
        }
        let (agents, graphs, sets) = tokio::try_join!(
            api.agents(&lookups.agents),
            api.context_graphs(&lookups.context_graphs),
            behavior_sets(api, &lookups.behavior_sets_of),
        )?;
        for id in &lookups.versions_of_agents {
            told(&mut snapshot.agents, id, api.latest_agent_version(id).await?);
        }
        for id in &lookups.versions_of_context_graphs {
            told(&mut snapshot.context_graphs, id, api.latest_context_graph_version(id).await?);
        }
        merge(&mut snapshot.agents, agents, &lookups.agents);
        merge(&mut snapshot.context_graphs, graphs, &lookups.context_graphs);
        for id in lookups.behavior_sets_of {
            let of_service = sets.iter().filter(|set| set.applied_to.contains(&id)).cloned().collect();
            snapshot.behavior_sets.insert(id, of_service);
        }
    }
}

async fn behavior_sets(
    api: &impl ReadApi,
    services: &BTreeSet<ServiceId>,
) -> Result<Vec<crate::model::BehaviorSet>, ApiError> {
    if services.is_empty() { Ok(Vec::new()) } else { api.behavior_sets(services).await }
}

/// Notes a newest version. One that could not be read is as good as none: asking again would tell no more.
fn told<Id: Ord>(catalog: &mut Catalog<Id>, id: &Id, latest: LatestVersion) {
    let latest = if latest == LatestVersion::Unknown { LatestVersion::None } else { latest };
    if let Some(entry) = catalog.entries.get_mut(id) {
        entry.latest = latest;
    }
}

/// Adds what was read, and notes what was asked for and isn't there.
fn merge<Id: Ord + Clone>(known: &mut Catalog<Id>, read: Catalog<Id>, need: &Need<Id>) {
    known.complete |= read.complete;
    known.entries.extend(read.entries);
    if let Need::Only(ids) = need {
        let missing = ids.iter().filter(|id| !known.entries.contains_key(id)).cloned();
        known.missing.extend(missing.collect::<Vec<_>>());
    }
}
