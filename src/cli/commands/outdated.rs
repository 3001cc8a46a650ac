//! `amigops outdated`: lists pinned versions that are not the newest, and raises them.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::manifest_edits::{self, ManifestEdits, layer_of, select_services, suggest, unknown_set};
use crate::cli::{Context, connect, prepare};
use crate::error::{Failure, Success};
use crate::manifest::{Layer, Loaded, Places};
use crate::model::{
    AgentId, Catalog, ContextGraphId, DesiredService, LatestVersion, Need, Pin, Reference, ServiceName,
};
use crate::remote::ReadApi;
use crate::report::pins::{self, Outdated, PinChange};

/// The version of the JSON format.
const FORMAT_VERSION: u32 = 1;

/// Arguments of `outdated`.
#[derive(Debug, Args)]
pub(in crate::cli) struct OutdatedCommand {
    /// Services to check [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Check only this version set; may be repeated
    #[arg(long, value_name = "NAME")]
    set: Vec<String>,
    /// Raise the pins in the manifests, keeping comments and layout; nothing is sent
    #[arg(long)]
    write: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Exit with code 2 if a pin is outdated, even if it was raised
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// A version that a manifest pins.
struct Pinned<'a> {
    service: &'a ServiceName,
    set: &'a str,
    version: u32,
}

/// The kind of thing whose version can be pinned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Agent,
    ContextGraph,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::ContextGraph => "context graph",
        }
    }

    fn field(self) -> &'static str {
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

/// The pins of one kind. The key is the reference: true and an id, or false and a name.
type Pins<'a> = BTreeMap<(bool, &'a str), Vec<Pinned<'a>>>;

impl OutdatedCommand {
    /// Looks the newest versions up, reports outdated pins, and raises them if requested. Writes nothing live.
    pub(super) async fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        let (loaded, places) = prepare::load_places(context)?;
        let services = select_services(&loaded.desired.services, &self.names)?;
        self.check_sets(&services)?;
        let connection = connect::connect(context, &loaded)?;
        let mut rows = Vec::new();
        for kind in [Kind::Agent, Kind::ContextGraph] {
            let pins = self.pins(&services, kind);
            let newest = newest(connection.read(), kind, &pins).await?;
            for (key, pins) in &pins {
                let Some((name, LatestVersion::Number(latest))) = newest.get(key) else { continue };
                rows.extend(pins.iter().filter(|pin| pin.version < *latest).map(|pin| {
                    let row = Outdated {
                        service: pin.service.to_string(),
                        set: pin.set.to_owned(),
                        what: kind.noun(),
                        name: name.clone(),
                        pin: pin.version,
                        latest: *latest,
                    };
                    (pin.service, kind, row)
                }));
            }
        }
        rows.sort_by(|a, b| (a.0, &a.2.set, a.2.what).cmp(&(b.0, &b.2.set, b.2.what)));
        self.report(context, &loaded, &places, &rows)
    }

    fn check_sets(&self, services: &[(&ServiceName, &DesiredService)]) -> Result<(), Failure> {
        let known = services.iter().filter_map(|(_, service)| service.version_sets.as_ref());
        let known = known.flat_map(BTreeMap::keys);
        match self.set.iter().find(|set| !known.clone().any(|name| name.as_str() == set.as_str())) {
            Some(unknown) => Err(unknown_set(unknown, "no service has a", known)),
            None => Ok(()),
        }
    }

    /// Returns the pinned version numbers, by reference.
    fn pins<'a>(&self, services: &[(&'a ServiceName, &'a DesiredService)], kind: Kind) -> Pins<'a> {
        let mut pins = Pins::new();
        for (name, service) in services {
            let sets = service.version_sets.iter().flatten();
            for (set, content) in
                sets.filter(|(set, _)| self.set.is_empty() || self.set.iter().any(|one| one == set.as_str()))
            {
                let pin = match kind {
                    Kind::Agent => content.agent_version,
                    Kind::ContextGraph => content.context_graph_version,
                };
                let Some(Pin::Number(version)) = pin else { continue };
                let key = match kind.reference(service) {
                    Reference::Id(id) => (true, id.as_str()),
                    Reference::Name(name) => (false, name.as_str()),
                };
                let pinned = Pinned { service: name, set: set.as_str(), version };
                pins.entry(key).or_default().push(pinned);
            }
        }
        pins
    }

    /// Writes the raised pins if requested, and prints the result.
    fn report(
        &self,
        context: &Context<'_>,
        loaded: &Loaded,
        places: &Places,
        rows: &[(&ServiceName, Kind, Outdated)],
    ) -> Result<Success, Failure> {
        let (edits, mut changes) = raise_pins(places, rows);
        if self.write && !rows.is_empty() {
            manifest_edits::write(&edits.apply_in_memory(&loaded.project.root)?)?;
        }
        if self.format == Format::Json {
            let value = json!({
                "format_version": FORMAT_VERSION,
                "environment": loaded.environment.name,
                "outdated": rows.iter().zip(&changes).map(as_json).collect::<Vec<_>>(),
                "written": self.write && !rows.is_empty(),
            });
            context.ui.data(&format!("{value:#}\n"));
        } else if rows.is_empty() {
            context.ui.result("Nothing to do: every pin is the newest version.\n");
        } else {
            let table: Vec<Outdated> = rows.iter().map(|(_, _, row)| row.clone()).collect();
            context.ui.result(&pins::outdated(&table));
            if self.write {
                changes.sort();
                context.ui.result(&format!("\n{}", pins::changes(&changes, false)));
            } else {
                context.ui.note("run with `--write` to raise them in the manifests");
            }
        }
        let pending = self.detailed_exitcode && !rows.is_empty();
        Ok(if pending { Success::ChangesPending } else { Success::Done })
    }
}

fn as_json(((_, kind, row), change): (&(&ServiceName, Kind, Outdated), &PinChange)) -> Value {
    json!({
        "service": row.service,
        "version_set": row.set,
        "field": kind.field(),
        "name": row.name,
        "pin": row.pin,
        "latest": row.latest,
        "behind": row.latest - row.pin,
        "file": change.file,
        "overlay": change.overlay,
    })
}

/// Returns the edits that raise every outdated pin, and the changes in the order of the rows.
fn raise_pins(places: &Places, rows: &[(&ServiceName, Kind, Outdated)]) -> (ManifestEdits, Vec<PinChange>) {
    let mut edits = ManifestEdits::default();
    let mut changes = Vec::new();
    for (service, kind, row) in rows {
        let layer = layer_of(places, service, &row.set, kind.field()).unwrap_or(Layer::Document);
        let Some(at) = places.at(service, &[row.set.as_str(), kind.field()], layer) else { continue };
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

/// Returns the name and the newest version behind each reference. References by name need the whole list. A version is
/// looked up separately only if the list does not have it.
async fn newest<'a>(
    api: &impl ReadApi,
    kind: Kind,
    pins: &Pins<'a>,
) -> Result<BTreeMap<(bool, &'a str), (String, LatestVersion)>, Failure> {
    let mut found = BTreeMap::new();
    match kind {
        Kind::Agent => {
            let catalog = api.agents(&need::<AgentId>(pins)).await?;
            for key in pins.keys() {
                let (id, name, mut latest) = resolve(&catalog, kind, *key)?;
                if latest == LatestVersion::Unknown {
                    latest = api.latest_agent_version(&id).await?;
                }
                found.insert(*key, (name, latest));
            }
        }
        Kind::ContextGraph => {
            let catalog = api.context_graphs(&need::<ContextGraphId>(pins)).await?;
            for key in pins.keys() {
                let (id, name, mut latest) = resolve(&catalog, kind, *key)?;
                if latest == LatestVersion::Unknown {
                    latest = api.latest_context_graph_version(&id).await?;
                }
                found.insert(*key, (name, latest));
            }
        }
    }
    Ok(found)
}

fn need<Id: Ord + for<'t> From<&'t str>>(pins: &Pins<'_>) -> Need<Id> {
    if pins.is_empty() {
        return Need::Nothing;
    }
    if pins.keys().any(|(by_id, _)| !by_id) {
        return Need::All;
    }
    Need::Only(pins.keys().map(|(_, id)| Id::from(id)).collect::<BTreeSet<_>>())
}

fn resolve<Id: Ord + Clone + AsRef<str> + for<'t> From<&'t str>>(
    catalog: &Catalog<Id>,
    kind: Kind,
    (by_id, text): (bool, &str),
) -> Result<(Id, String, LatestVersion), Failure> {
    let noun = kind.noun();
    if by_id {
        let id = Id::from(text);
        return match catalog.entries.get(&id) {
            Some(entry) => Ok((id, entry.name.clone(), entry.latest)),
            None => Err(Failure::other(format!("no {noun} has the id {text}"))),
        };
    }
    match catalog.named(text).as_slice() {
        [(id, entry)] => Ok(((*id).clone(), entry.name.clone(), entry.latest)),
        [] => {
            let failure = Failure::other(format!("no {noun} is named `{text}`"));
            Err(suggest(failure, text, catalog.entries.values().map(|entry| entry.name.as_str())))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|(id, _)| (*id).as_ref()).collect();
            let message = format!("{} {noun}s are named `{text}`: {}", ids.len(), ids.join(", "));
            Err(Failure::other(message).hint(format!("refer to it by its id: `{{id: {}}}`", ids[0])))
        }
    }
}
