//! What is wanted: the manifests after every check, references still by name.
//!
//! Only the manifest loader (and tests) build these. What they promise: names are unique and trimmed,
//! texts are within the API's bounds, `edge` and the tool's own tags are not declared, `depends_on`
//! names declared services and has no cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Pin, ServiceName, VersionSetName};

/// Where something stands in a file, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as people name it: relative to the project.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// An agent or context graph, as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Reference {
    /// By name, resolved against the organization's list.
    Name(String),
    /// By id, taken as it is.
    Id(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) | Self::Id(text) => f.pad(text),
        }
    }
}

/// A model preference as a manifest declares it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesiredPreference {
    /// The model's name.
    pub llm_name: String,
    /// Its parameters; absent means: leave them as they are while the model stays the same.
    pub params: Option<Map<String, Value>>,
    /// Platform's controls, laid over the live ones while the model stays the same (a null takes one away);
    /// absent: left alone; null: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experience_controls: Option<Option<Map<String, Value>>>,
}

/// A version set as a manifest declares it: what is absent is left as it is, or `latest` in a new set.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct DesiredVersionSet {
    /// The agent's version.
    pub agent_version: Option<Pin>,
    /// The context graph's version.
    pub context_graph_version: Option<Pin>,
    /// Preferences by interaction; when present, exactly these.
    pub llm_model_preferences: Option<BTreeMap<String, DesiredPreference>>,
    /// Where it is declared.
    #[serde(skip)]
    pub place: Place,
}

/// How a changed agent or context graph is brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum OnAgentChange {
    /// A new service and a hand-over.
    Replace,
    /// In place, by an update: the same id, and no moment with two services.
    Update,
}

/// What becomes of a service that is replaced or no longer wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retire {
    /// It is made inactive.
    #[default]
    Deactivate,
    /// It stays as it is, and the tool lets go of it: the ownership tag is removed.
    Keep,
    /// It is deleted, for good. Platform only.
    Delete,
}

impl Retire {
    /// The word that manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Keep => "keep",
            Self::Delete => "delete",
        }
    }
}

/// A field that the tool leaves alone on a live service (`description`, `tags.tier`,
/// `version_sets.dev`, `version_sets.dev.agent_version`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FieldPath(pub Vec<String>);

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// A manifest's `lifecycle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lifecycle {
    /// The name that the service had before.
    pub renamed_from: Option<ServiceName>,
    /// Absent: the API's default ([`super::Api::on_agent_change`]).
    pub on_agent_change: Option<OnAgentChange>,
    /// What becomes of the old service of a replacement.
    pub retire: Retire,
    /// Never removed; also kept as a tag on the live service, so that it outlives the manifest.
    pub prevent_removal: bool,
    /// Fields left alone once the service exists.
    pub ignore: BTreeSet<FieldPath>,
}

/// One real conversation that must go well before a new service takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmokeTest {
    /// The version set to talk to.
    pub version_set: VersionSetName,
    /// What the user says; absent means that the agent speaks first.
    pub say: Option<String>,
    /// A regular expression that the agent's answer must match; absent means any answer.
    pub expect: Option<String>,
}

/// One service as its manifest wants it. Absent means unmanaged; present means exactly this.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesiredService {
    /// The identity.
    pub name: ServiceName,
    /// Where the document names the service.
    #[serde(skip)]
    pub place: Place,
    /// The agent.
    pub agent: Reference,
    /// Where the agent is named.
    #[serde(skip)]
    pub agent_place: Place,
    /// The context graph.
    pub context_graph: Reference,
    /// Where the context graph is named.
    #[serde(skip)]
    pub context_graph_place: Place,
    /// What people read of it.
    pub description: Option<String>,
    /// Whether users see it; a new service is active unless this is `false`.
    pub active: Option<bool>,
    /// Words that speech recognition should know, without duplicates.
    pub keyterms: Option<Vec<String>>,
    /// The whole set of tags, less the tool's own.
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// The whole set of version sets, less `edge`, `release` and the project's unmanaged ones.
    pub version_sets: Option<BTreeMap<VersionSetName, DesiredVersionSet>>,
    /// Platform's settings by name ([`super::settings::SERVICE`]), as a JSON merge patch over the live
    /// ones: what is absent is left alone, at every depth, and a null takes away. Empty on Classic.
    pub settings: Map<String, Value>,
    /// Where each setting is declared.
    #[serde(skip)]
    pub setting_places: BTreeMap<String, Place>,
    /// Services that are rolled out before this one.
    pub depends_on: BTreeSet<ServiceName>,
    /// How changes are brought about.
    pub lifecycle: Lifecycle,
    /// Conversations held with a replacement before it takes over.
    pub smoke: Vec<SmokeTest>,
}

/// All services that the manifests declare for one environment, ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Desired {
    /// The services.
    pub services: BTreeMap<ServiceName, DesiredService>,
}
