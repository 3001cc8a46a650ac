//! The parts that the organizations and workspaces of a seed have in common: agents, context graphs and version sets.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use crate::file_error::FileError;
use crate::state::{CatalogItem, Table, VersionSet};

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedItem {
    /// The name of the agent or context graph. It must be unique in its list.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// The id: 24 hexadecimal digits in an organization, and a UUID in a workspace. If absent, a new id is generated.
    #[schemars(with = "Option<String>")]
    pub(crate) id: Option<Spanned<String>>,
    /// The number of versions. They are numbered from 1. An agent or context graph that a service uses needs at least
    /// one version.
    #[serde(default = "one")]
    pub(crate) versions: u32,
    /// True if the agent or context graph is deprecated. On the Classic API, a service that uses it can't be activated.
    #[serde(default)]
    pub(crate) deprecated: bool,
}

fn one() -> u32 {
    1
}

pub(crate) fn yes() -> bool {
    true
}

pub(crate) fn wrong<T>(place: Location, message: impl Into<String>) -> Result<T, FileError> {
    Err(FileError { line: place.line(), column: place.column(), message: message.into() })
}

/// Returns the agent or context graph with this name. Errors if the seed does not define it. `what` is the word for it
/// in the error message: `agent` or `context graph`.
pub(crate) fn named<'a>(
    items: &'a [SeedItem],
    name: &Spanned<String>,
    what: &str,
) -> Result<&'a SeedItem, FileError> {
    match items.iter().find(|item| item.name.value == name.value) {
        Some(item) => Ok(item),
        None => wrong(name.referenced, format!("there is no {what} named {:?} here", name.value)),
    }
}

pub(crate) fn check_unique<'a>(
    names: impl Iterator<Item = &'a Spanned<String>>,
    what: &str,
) -> Result<(), FileError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.value.trim() != name.value || name.value.is_empty() {
            return wrong(
                name.referenced,
                format!("{what} {:?} is empty or has spaces around it", name.value),
            );
        }
        if !seen.insert(&name.value) {
            return wrong(name.referenced, format!("{what} {:?} is defined twice", name.value));
        }
    }
    Ok(())
}

/// Checks that the agent and the context graph have the versions that a version set pins. The error has the location
/// `place`.
pub(crate) fn check_pins(
    place: Location,
    name: &str,
    set: &VersionSet,
    agent: &SeedItem,
    graph: &SeedItem,
) -> Result<(), FileError> {
    for (pin, item) in [(set.agent_version, agent), (set.context_graph_version, graph)] {
        if let Some(pin) = pin.filter(|pin| !(1..=item.versions).contains(pin)) {
            let message = format!("{:?} has no version {pin}", item.name.value);
            return wrong(place, format!("version set {name:?}: {message}"));
        }
    }
    Ok(())
}

/// Reads a version set of a seed: its pinned versions, its LLM preferences, and all other fields. Errors if a value has
/// the wrong type.
pub(crate) fn version_set(fields: &Map<String, Value>) -> Result<VersionSet, String> {
    let mut extra = fields.clone();
    let mut pin = |name: &str| match extra.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text == "latest" => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.map(Some).ok_or_else(|| format!("{name} is a number or `latest`, not {value}"))
        }
    };
    let (agent_version, context_graph_version) = (pin("agent_version")?, pin("context_graph_version")?);
    let llm_model_preferences = match extra.remove("llm_model_preferences") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(preferences)) => preferences,
        Some(_) => return Err("llm_model_preferences is a map".to_owned()),
    };
    Ok(VersionSet { agent_version, context_graph_version, llm_model_preferences, extra })
}

/// Returns the existing agent or context graph that the seed describes. Searches by the id in the seed, or by the name
/// if the seed does not give an id.
pub(crate) fn known_item<'t>(table: &'t Table<CatalogItem>, seed: &SeedItem) -> Option<&'t CatalogItem> {
    table.iter().find(|item| match &seed.id {
        Some(id) => item.id == id.value,
        None => item.name == seed.name.value,
    })
}

/// Creates an agent or context graph as the seed describes it. `id` is used if the seed does not give an id. `millis`
/// is the time of creation in milliseconds since 1970.
pub(crate) fn new_item(seed: &SeedItem, sequence: u64, id: String, millis: i64) -> CatalogItem {
    CatalogItem {
        id: seed.id.as_ref().map_or(id, |id| id.value.clone()),
        sequence,
        name: seed.name.value.clone(),
        versions: seed.versions,
        deprecated: seed.deprecated,
        created_at: millis,
    }
}

/// Returns a copy of an existing agent or context graph, updated with the values from the seed. The number of versions
/// is never reduced.
pub(crate) fn renewed_item(seed: &SeedItem, known: &CatalogItem) -> CatalogItem {
    CatalogItem {
        name: seed.name.value.clone(),
        // Versions are added but never removed, because services may pin them.
        versions: known.versions.max(seed.versions),
        deprecated: seed.deprecated,
        ..known.clone()
    }
}
