//! Which live services are imported, and which manifest speaks of which.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Note};
use crate::model::{Catalog, Desired, LiveService, Reference, ServiceId, ServiceName, Snapshot};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Inactive services of nobody's, too.
    pub all: bool,
    /// Only these; empty means all.
    pub only: BTreeSet<ServiceName>,
    /// Services with names that the tool itself gave: old ones of replacements, half-made and abandoned ones.
    pub leftovers: BTreeSet<ServiceId>,
}

/// The services to import, by name, and why others are left out.
pub fn services<'a>(context: &Context<'a>, scope: &Scope) -> (Vec<&'a LiveService>, Vec<Note>) {
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
        match one(context, scope, &namesakes) {
            Ok(service) => chosen.extend(service),
            Err(reason) => notes.push(Note::new(name, format!("is not imported: {reason}"))),
        }
    }
    (chosen, notes)
}

/// The one of these namesakes that a manifest would be about, as planning sees it: the active one, else
/// the single inactive one that is ours.
fn one<'a>(
    context: &Context<'_>,
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
        namesakes.to_vec()
    } else {
        return Ok(None);
    };
    match candidates.as_slice() {
        [service] => match ownership.other_owner(&service.tags) {
            Some(owner) => Err(format!("its tag `{}` says that `{owner}` owns it", ownership.tag)),
            None => Ok(Some(service)),
        },
        several => {
            let ids: Vec<&str> = several.iter().map(|service| service.id.as_str()).collect();
            Err(format!("{} services have this name: {}", ids.len(), ids.join(", ")))
        }
    }
}

/// The live service of each declared name: as planning sees it (`ids`), else the active one of that name,
/// else one that was renamed live — the only one of ours that no manifest speaks of and that joins the
/// same agent and context graph.
pub fn pairs<'a>(
    desired: &Desired,
    ids: &BTreeMap<ServiceName, ServiceId>,
    context: &Context<'a>,
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
    let free = |live: &&LiveService| {
        live.active
            && !live.system
            && context.policy.ownership.owns(&live.tags)
            && !known.contains(&live.id)
            && !leftovers.contains(&live.id)
            && !desired.services.contains_key(&live.name)
    };
    let free: Vec<&LiveService> = services.iter().filter(free).collect();
    let gone: Vec<_> = desired.services.values().filter(|one| !pairs.contains_key(&one.name)).collect();
    let joins = |wanted: &&crate::model::DesiredService, live: &&LiveService| {
        is(&wanted.agent, &live.agent, &context.snapshot.agents)
            && is(&wanted.context_graph, &live.context_graph, &context.snapshot.context_graphs)
    };
    for wanted in &gone {
        let fitting: Vec<_> = free.iter().filter(|live| joins(wanted, live)).collect();
        if let [live] = fitting[..]
            && gone.iter().filter(|other| joins(other, live)).count() == 1
        {
            pairs.insert(wanted.name.clone(), live);
        }
    }
    pairs
}

/// Whether a reference means this agent or context graph.
pub(super) fn is<Id: Ord + AsRef<str>>(reference: &Reference, id: &Id, catalog: &Catalog<Id>) -> bool {
    match reference {
        Reference::Id(text) => text == id.as_ref(),
        Reference::Name(name) => matches!(catalog.named(name).as_slice(), [(only, _)] if *only == id),
    }
}

/// Names that were asked for and that no live service has.
pub fn missing(scope: &Scope, snapshot: &Snapshot) -> Vec<ServiceName> {
    let there: BTreeSet<&ServiceName> = snapshot.services.iter().map(|service| &service.name).collect();
    scope.only.iter().filter(|name| !there.contains(name)).cloned().collect()
}
