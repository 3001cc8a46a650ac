//! Finds pinned versions that are not the newest, and makes the edits that raise them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::manifest_edits::{ManifestEdits, layer_of, suggest};
use crate::error::Failure;
use crate::manifest::{Layer, Places};
use crate::model::{
    AgentId, Catalog, ContextGraphId, DesiredService, LatestVersion, Need, Pin, Reference, ServiceName,
};
use crate::remote::ReadApi;
use crate::report::pins::{Outdated, PinChange};

/// The kind of a pin: it pins the version of an agent or of a context graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PinKind {
    Agent,
    ContextGraph,
}

impl PinKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::ContextGraph => "context graph",
        }
    }

    /// Returns the key of the pin in a version set.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Agent => "agent_version",
            Self::ContextGraph => "context_graph_version",
        }
    }

    fn reference(self, service: &DesiredService) -> &Reference {
        match self {
            Self::Agent => &service.agent,
            Self::ContextGraph => &service.context_graph,
        }
    }
}

/// The agent or context graph to which a pin belongs, by its name or id as in the manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PinTarget<'a> {
    Name(&'a str),
    Id(&'a str),
}

/// A version that is pinned in a version set of a manifest.
struct PinnedVersion<'a> {
    service: &'a ServiceName,
    set: &'a str,
    version: u32,
}

/// The pins of one kind, grouped by the agent or context graph to which they belong.
type Pins<'a> = BTreeMap<PinTarget<'a>, Vec<PinnedVersion<'a>>>;

/// The name and the newest version of each agent or context graph.
type Newest<'a> = BTreeMap<PinTarget<'a>, (String, LatestVersion)>;

/// A pin whose version is not the newest.
pub(super) struct OutdatedPin<'a> {
    pub(super) service: &'a ServiceName,
    pub(super) kind: PinKind,
    pub(super) row: Outdated,
}

/// Returns the outdated pins of services. Checks the version sets in `sets`, or all version sets if `sets` is empty.
///
/// # Errors
///
/// Fails if a request fails, or if a reference can't be resolved.
pub(super) async fn find_outdated_pins<'a>(
    api: &impl ReadApi,
    services: &[(&'a ServiceName, &'a DesiredService)],
    sets: &[String],
) -> Result<Vec<OutdatedPin<'a>>, Failure> {
    let mut outdated = Vec::new();
    for kind in [PinKind::Agent, PinKind::ContextGraph] {
        let pins = collect_pins(services, sets, kind);
        let newest = find_newest(api, kind, &pins).await?;
        for (target, pins) in &pins {
            let Some((name, LatestVersion::Number(latest))) = newest.get(target) else { continue };
            outdated.extend(pins.iter().filter(|pin| pin.version < *latest).map(|pin| {
                let row = Outdated {
                    service: pin.service.to_string(),
                    set: pin.set.to_owned(),
                    what: kind.noun(),
                    name: name.clone(),
                    pin: pin.version,
                    latest: *latest,
                };
                OutdatedPin { service: pin.service, kind, row }
            }));
        }
    }
    outdated.sort_by(|a, b| (a.service, &a.row.set, a.row.what).cmp(&(b.service, &b.row.set, b.row.what)));
    Ok(outdated)
}

/// Returns the edits that raise every outdated pin. Also returns the changes for the report, in the order of
/// `outdated`.
pub(super) fn raise_pins(places: &Places, outdated: &[OutdatedPin<'_>]) -> (ManifestEdits, Vec<PinChange>) {
    let mut edits = ManifestEdits::default();
    let mut changes = Vec::new();
    for OutdatedPin { service, kind, row } in outdated {
        let layer = layer_of(places, service, &row.set, kind.field()).unwrap_or(Layer::Document);
        let Some(at) = places.key_path(service, &[row.set.as_str(), kind.field()], layer) else { continue };
        changes.push(PinChange {
            file: at.file.clone(),
            service: row.service.clone(),
            set: row.set.clone(),
            field: kind.field().to_owned(),
            before: Some(row.pin.to_string()),
            after: row.latest.to_string(),
            overlay: (layer == Layer::Overlay).then(|| at.path.get(1).cloned()).flatten(),
        });
        edits.set(at, json!(row.latest));
    }
    (edits, changes)
}

fn collect_pins<'a>(
    services: &[(&'a ServiceName, &'a DesiredService)],
    sets: &[String],
    kind: PinKind,
) -> Pins<'a> {
    let is_selected = |set: &str| sets.is_empty() || sets.iter().any(|one| one == set);
    let mut pins = Pins::new();
    for (name, service) in services {
        let selected = service.version_sets.iter().flatten().filter(|(set, _)| is_selected(set.as_str()));
        for (set, content) in selected {
            let pin = match kind {
                PinKind::Agent => content.agent_version,
                PinKind::ContextGraph => content.context_graph_version,
            };
            let Some(Pin::Number(version)) = pin else { continue };
            let target = match kind.reference(service) {
                Reference::Id(id) => PinTarget::Id(id.as_str()),
                Reference::Name(name) => PinTarget::Name(name.as_str()),
            };
            let pinned = PinnedVersion { service: name, set: set.as_str(), version };
            pins.entry(target).or_default().push(pinned);
        }
    }
    pins
}

/// Returns the name and the newest version of each agent or context graph to which a pin belongs. References by name
/// need the whole list of agents or context graphs. A version is read separately only if the list does not contain it.
async fn find_newest<'a>(api: &impl ReadApi, kind: PinKind, pins: &Pins<'a>) -> Result<Newest<'a>, Failure> {
    let mut found = BTreeMap::new();
    match kind {
        PinKind::Agent => {
            let catalog = api.agents(&needed_entries::<AgentId>(pins)).await?;
            for target in pins.keys() {
                let (id, name, mut latest) = resolve(&catalog, kind, *target)?;
                if latest == LatestVersion::Unknown {
                    latest = api.latest_agent_version(&id).await?;
                }
                found.insert(*target, (name, latest));
            }
        }
        PinKind::ContextGraph => {
            let catalog = api.context_graphs(&needed_entries::<ContextGraphId>(pins)).await?;
            for target in pins.keys() {
                let (id, name, mut latest) = resolve(&catalog, kind, *target)?;
                if latest == LatestVersion::Unknown {
                    latest = api.latest_context_graph_version(&id).await?;
                }
                found.insert(*target, (name, latest));
            }
        }
    }
    Ok(found)
}

/// Returns which agents or context graphs must be read: all of them if a pin refers to one by name, otherwise those
/// with the ids in `pins`.
fn needed_entries<Id: Ord + for<'t> From<&'t str>>(pins: &Pins<'_>) -> Need<Id> {
    if pins.is_empty() {
        return Need::Nothing;
    }
    let mut ids = BTreeSet::new();
    for target in pins.keys() {
        match target {
            PinTarget::Name(_) => return Need::All,
            PinTarget::Id(id) => ids.insert(Id::from(id)),
        };
    }
    Need::Only(ids)
}

fn resolve<Id: Ord + Clone + AsRef<str> + for<'t> From<&'t str>>(
    catalog: &Catalog<Id>,
    kind: PinKind,
    target: PinTarget<'_>,
) -> Result<(Id, String, LatestVersion), Failure> {
    let noun = kind.noun();
    let text = match target {
        PinTarget::Name(name) => name,
        PinTarget::Id(id) => {
            let id = Id::from(id);
            return match catalog.entries.get(&id) {
                Some(entry) => Ok((id, entry.name.clone(), entry.latest)),
                None => Err(Failure::other(format!("no {noun} has the id {}", id.as_ref()))),
            };
        }
    };
    match catalog.named(text).as_slice() {
        [(id, entry)] => Ok(((*id).clone(), entry.name.clone(), entry.latest)),
        [] => {
            let failure = Failure::other(format!("no {noun} is named `{text}`"));
            Err(suggest(failure, text, catalog.entries.values().map(|entry| entry.name.as_str())))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|(id, _)| (*id).as_ref()).collect();
            let message = format!("{} {noun}s are named `{text}`: {}", ids.len(), ids.join(", "));
            Err(Failure::other(message).hint(format!("use the id instead of the name: `{{id: {}}}`", ids[0])))
        }
    }
}
