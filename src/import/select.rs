//! Selects the live services to import, and matches them with manifests.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{ImportContext, Note};
use crate::model::{Catalog, Desired, LiveService, Reference, ServiceId, ServiceName, Snapshot};

/// The choice of services that an import includes.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// True to include inactive services without an owner.
    pub all: bool,
    /// The import includes only services with these live or declared names. If there are no names, it includes services
    /// with any name.
    pub only: BTreeSet<ServiceName>,
    /// The ids of services that an import omits, because a rename or a replacement left them behind: services with a
    /// temporary name, former services, and new services of unfinished or abandoned replacements.
    pub leftovers: BTreeSet<ServiceId>,
}

/// Returns the services to import, ordered by name. Also returns a note for each name for which a service can't be
/// selected.
pub fn services<'a>(context: &ImportContext<'a>, scope: &Scope) -> (Vec<&'a LiveService>, Vec<Note>) {
    let mut by_name: BTreeMap<&ServiceName, Vec<&LiveService>> = BTreeMap::new();
    let wanted = |service: &&LiveService| {
        !service.system
            && !scope.leftovers.contains(&service.id)
            && (scope.only.is_empty() || scope.only.contains(&service.name))
    };
    for service in context.snapshot.services.iter().filter(wanted) {
        by_name.entry(&service.name).or_default().push(service);
    }
    let (mut chosen, mut notes) = (Vec::new(), Vec::new());
    for (name, namesakes) in by_name {
        match select_one(context, scope, &namesakes) {
            Ok(service) => chosen.extend(service),
            Err(reason) => notes.push(Note::new(name, format!("not imported: {reason}"))),
        }
    }
    (chosen, notes)
}

/// Selects one of the services `namesakes`, which have the same name: the service that planning would match with a
/// manifest. It is the active service, or else the only inactive service that the project owns, or else the only
/// inactive service without an owner. Returns `None` if all of them are inactive and not owned by the project, and
/// `scope` does not include such services. Returns the reason as an error if the service can't be imported.
fn select_one<'a>(
    context: &ImportContext<'_>,
    scope: &Scope,
    namesakes: &[&'a LiveService],
) -> Result<Option<&'a LiveService>, String> {
    let ownership = &context.policy.ownership;
    let active: Vec<_> = namesakes.iter().copied().filter(|service| service.active).collect();
    let owned: Vec<_> = namesakes.iter().copied().filter(|service| ownership.owns(&service.tags)).collect();
    let asked = scope.all || !scope.only.is_empty();
    let candidates = if !active.is_empty() {
        active
    } else if !owned.is_empty() {
        owned
    } else if asked {
        let free: Vec<_> =
            namesakes.iter().copied().filter(|service| ownership.is_free(&service.tags)).collect();
        if free.is_empty() { namesakes.to_vec() } else { free }
    } else {
        return Ok(None);
    };
    match candidates.as_slice() {
        [service] => match ownership.other_owner(&service.tags) {
            Some(owner) => Err(format!("the tag `{}` shows that `{owner}` owns this service", ownership.tag)),
            None => Ok(Some(service)),
        },
        several => {
            let ids: Vec<&str> = several.iter().map(|service| service.id.as_str()).collect();
            Err(format!("{} services have this name: {}", ids.len(), ids.join(", ")))
        }
    }
}

/// Returns the live service of each declared service. It is the service whose id planning found (`ids`), or else the
/// active service with the declared name. Otherwise, it is a service that was renamed live: the only active, owned
/// service with the same agent and context graph that no manifest declares and that is not in `leftovers`.
pub fn match_services<'a>(
    desired: &Desired,
    ids: &BTreeMap<ServiceName, ServiceId>,
    context: &ImportContext<'a>,
    leftovers: &BTreeSet<ServiceId>,
) -> BTreeMap<ServiceName, &'a LiveService> {
    let services = &context.snapshot.services;
    let by_id: BTreeMap<&ServiceId, &LiveService> = services.iter().map(|one| (&one.id, one)).collect();
    let mut pairs: BTreeMap<ServiceName, &LiveService> = BTreeMap::new();
    for name in desired.services.keys() {
        let by_name = || services.iter().find(|one| one.active && one.name == *name);
        let live = ids.get(name).and_then(|id| by_id.get(id).copied()).or_else(by_name);
        pairs.extend(live.map(|live| (name.clone(), live)));
    }
    let known: BTreeSet<&ServiceId> = pairs.values().map(|live| &live.id).collect();
    let is_candidate = |live: &&LiveService| {
        live.active
            && !live.system
            && context.policy.ownership.owns(&live.tags)
            && !known.contains(&live.id)
            && !leftovers.contains(&live.id)
            && !desired.services.contains_key(&live.name)
    };
    let candidates: Vec<&LiveService> = services.iter().filter(is_candidate).collect();
    let unmatched: Vec<_> = desired.services.values().filter(|one| !pairs.contains_key(&one.name)).collect();
    let same_references = |wanted: &&crate::model::DesiredService, live: &&LiveService| {
        refers_to(&wanted.agent, &live.agent, &context.snapshot.agents)
            && refers_to(&wanted.context_graph, &live.context_graph, &context.snapshot.context_graphs)
    };
    for wanted in &unmatched {
        let fitting: Vec<_> = candidates.iter().filter(|live| same_references(wanted, live)).collect();
        if let [live] = fitting[..]
            && unmatched.iter().filter(|other| same_references(other, live)).count() == 1
        {
            pairs.insert(wanted.name.clone(), live);
        }
    }
    pairs
}

/// Returns true if a reference in a manifest refers to the agent or context graph with this id. A name must be unique
/// in `catalog`.
pub(super) fn refers_to<Id: Ord + AsRef<str>>(reference: &Reference, id: &Id, catalog: &Catalog<Id>) -> bool {
    match reference {
        Reference::Id(text) => text == id.as_ref(),
        Reference::Name(name) => matches!(catalog.named(name).as_slice(), [(only, _)] if *only == id),
    }
}

/// Returns the names in `scope.only` that neither a live service nor a manifest has.
pub fn missing(scope: &Scope, snapshot: &Snapshot, desired: &Desired) -> Vec<ServiceName> {
    let there: BTreeSet<&ServiceName> = snapshot.services.iter().map(|service| &service.name).collect();
    let is_missing = |name: &&ServiceName| !there.contains(name) && !desired.services.contains_key(*name);
    scope.only.iter().filter(is_missing).cloned().collect()
}
