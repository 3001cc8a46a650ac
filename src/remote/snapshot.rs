//! Reads everything that planning asks for. May import `model` only.

use std::collections::BTreeSet;
use std::mem;

use super::ReadApi;
use super::failure::ApiError;
use super::service_list::{Listing, read_services_again};
use crate::model::{Catalog, LatestVersion, Lookups, Need, ServiceId, Snapshot};

/// Reads the live state: the services, and then what `lacking` says is lacking, until nothing is.
///
/// Where the list shifted while it was read, or where `rests_on_absence` says that what follows from the state rests
/// on services that the list does not have, the list is read a second time, and services that only the first
/// reading has are read by id. There is no third reading.
///
/// # Errors
///
/// The first request that failed for good; a list that shifted both times.
pub async fn read_snapshot(
    api: &impl ReadApi,
    mut lacking: impl FnMut(&Snapshot) -> Lookups,
    rests_on_absence: impl FnOnce(&Snapshot) -> bool,
) -> Result<Snapshot, ApiError> {
    let mut first = api.list_services(Listing::All).await?;
    if first.has_shifted {
        let services = read_services_again(api, &first).await?;
        return complete_snapshot(api, Snapshot { services, ..Snapshot::default() }, lacking).await;
    }
    let snapshot = Snapshot { services: mem::take(&mut first.services), ..Snapshot::default() };
    let mut snapshot = complete_snapshot(api, snapshot, &mut lacking).await?;
    if !rests_on_absence(&snapshot) {
        return Ok(snapshot);
    }
    first.services = mem::take(&mut snapshot.services);
    let services = read_services_again(api, &first).await?;
    complete_snapshot(api, Snapshot { services, ..snapshot }, lacking).await
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
