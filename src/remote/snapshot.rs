//! Reads the live state that a plan needs.

use std::collections::BTreeSet;
use std::mem;

use super::api::{ReadApi, read_services_again};
use super::failure::ApiError;
use super::service_list::Listing;
use crate::model::{BehaviorSet, Catalog, LatestVersion, Lookups, Need, ServiceId, Snapshot};

/// Reads the services, and then the data that `find_missing` asks for, until it asks for nothing more.
///
/// Reads the list of services a second time if another client changed it during the first reading. Also reads the list
/// a second time if `depends_on_absence` returns true: a single reading can miss a service, and a plan that depends on
/// the absence of that service would be wrong. Services that only the first reading contains are read by id. There is
/// no third reading.
///
/// # Errors
///
/// Fails if a request fails permanently, or if the list of services changed during both readings.
pub async fn read_snapshot(
    api: &impl ReadApi,
    mut find_missing: impl FnMut(&Snapshot) -> Lookups,
    depends_on_absence: impl FnOnce(&Snapshot) -> bool,
) -> Result<Snapshot, ApiError> {
    let mut first = api.list_services(Listing::All).await?;
    if first.has_shifted {
        let services = read_services_again(api, &first).await?;
        return complete_snapshot(api, Snapshot { services, ..Snapshot::default() }, find_missing).await;
    }
    let snapshot = Snapshot { services: mem::take(&mut first.services), ..Snapshot::default() };
    let mut snapshot = complete_snapshot(api, snapshot, &mut find_missing).await?;
    if !depends_on_absence(&snapshot) {
        return Ok(snapshot);
    }
    first.services = mem::take(&mut snapshot.services);
    let services = read_services_again(api, &first).await?;
    complete_snapshot(api, Snapshot { services, ..snapshot }, find_missing).await
}

/// Reads the data that `find_missing` asks for into a snapshot, until it asks for nothing more.
///
/// # Errors
///
/// Fails if a request fails permanently.
pub async fn complete_snapshot(
    api: &impl ReadApi,
    mut snapshot: Snapshot,
    mut find_missing: impl FnMut(&Snapshot) -> Lookups,
) -> Result<Snapshot, ApiError> {
    loop {
        let lookups = find_missing(&snapshot);
        if lookups.is_nothing() {
            return Ok(snapshot);
        }
        let (agents, graphs, sets) = tokio::try_join!(
            api.agents(&lookups.agents),
            api.context_graphs(&lookups.context_graphs),
            read_behavior_sets(api, &lookups.behavior_sets_of),
        )?;
        for id in &lookups.versions_of_agents {
            set_latest_version(&mut snapshot.agents, id, api.latest_agent_version(id).await?);
        }
        for id in &lookups.versions_of_context_graphs {
            set_latest_version(&mut snapshot.context_graphs, id, api.latest_context_graph_version(id).await?);
        }
        merge(&mut snapshot.agents, agents, &lookups.agents);
        merge(&mut snapshot.context_graphs, graphs, &lookups.context_graphs);
        for id in lookups.behavior_sets_of {
            let of_service = sets.iter().filter(|set| set.applied_to.contains(&id)).cloned().collect();
            snapshot.behavior_sets.insert(id, of_service);
        }
    }
}

async fn read_behavior_sets(
    api: &impl ReadApi,
    services: &BTreeSet<ServiceId>,
) -> Result<Vec<BehaviorSet>, ApiError> {
    if services.is_empty() { Ok(Vec::new()) } else { api.behavior_sets(services).await }
}

/// Sets the newest version of an agent or context graph in a catalog. If `latest` is `Unknown`, sets `None` (no
/// version), because an unknown version would be requested again and again.
fn set_latest_version<Id: Ord>(catalog: &mut Catalog<Id>, id: &Id, latest: LatestVersion) {
    let latest = if latest == LatestVersion::Unknown { LatestVersion::None } else { latest };
    if let Some(entry) = catalog.entries.get_mut(id) {
        entry.latest = latest;
    }
}

/// Adds the entries that were read to a catalog. Records as missing the ids that were requested but not found.
fn merge<Id: Ord + Clone>(known: &mut Catalog<Id>, read: Catalog<Id>, need: &Need<Id>) {
    known.complete |= read.complete;
    known.entries.extend(read.entries);
    if let Need::Only(ids) = need {
        let missing = ids.iter().filter(|id| !known.entries.contains_key(id)).cloned();
        known.missing.extend(missing.collect::<Vec<_>>());
    }
}
