//! The desired state: the manifests after all checks, with references not resolved yet.
//!
//! Only the manifest loader (and tests) create these types. The loader guarantees that names are unique and
//! trimmed, texts are within the API's limits, `edge` and amigops's own tags are not declared, and `depends_on`
//! names declared services without a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{ServiceName, VersionSetName};
use super::version_set::Pin;

/// A position in a file, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's path relative to the project.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A manifest's reference to an agent or context graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Reference {
    /// A name. The catalog has its id.
    Name(String),
    /// An id, used unchanged.
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
    /// The model's parameters. If absent, the live parameters stay, unless the model changes.
    pub params: Option<Map<String, Value>>,
    /// Platform's controls, as a merge patch over the live controls. If absent, the live controls stay, and if null,
    /// they are all removed. If the model changes, the live controls are dropped first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experience_controls: Option<Option<Map<String, Value>>>,
}

/// A version set as a manifest declares it. An absent field stays as it is in a live version set. In a new version set,
/// an absent version is `latest`.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct DesiredVersionSet {
    /// The agent's version.
    pub agent_version: Option<Pin>,
    /// The context graph's version.
    pub context_graph_version: Option<Pin>,
    /// All model preferences, by the name of the interaction.
    pub llm_model_preferences: Option<BTreeMap<String, DesiredPreference>>,
    /// The place of the declaration.
    #[serde(skip)]
    pub place: Place,
}

/// The way to change the agent or context graph of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum OnAgentChange {
    /// Create a new service and switch to it.
    Replace,
    /// Update the service in place. Its id stays the same, and no second service is created.
    Update,
}

/// The way to retire a service that is replaced or no longer declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retire {
    /// Deactivate the service.
    #[default]
    Deactivate,
    /// Keep the service, and stop managing it: remove the ownership tag.
    Keep,
    /// Delete the service permanently. Platform only.
    Delete,
}

impl Retire {
    /// Returns the word that manifests use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Keep => "keep",
            Self::Delete => "delete",
        }
    }
}

/// The path of a field that amigops does not change on a live service (`description`, `tags.tier`,
/// `version_sets.dev`, `version_sets.dev.agent_version`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FieldPath(pub Vec<String>);

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// The `lifecycle` of a manifest: how its service is renamed, changed and retired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lifecycle {
    /// The service's previous name.
    pub renamed_from: Option<ServiceName>,
    /// The way to change the agent or context graph. If absent, the API's default applies
    /// ([`crate::model::Api::on_agent_change`]).
    pub on_agent_change: Option<OnAgentChange>,
    /// The way to retire the old service of a replacement.
    pub retire: Retire,
    /// True if the service must not be removed. This is also stored as a tag on the live service, so that it still
    /// applies when the manifest is gone.
    pub prevent_removal: bool,
    /// The fields that are not changed once the service exists.
    pub ignore: BTreeSet<FieldPath>,
}

/// A real conversation that must succeed before a replacement goes live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmokeTest {
    /// The version set to use.
    pub version_set: VersionSetName,
    /// The user's message. Absent: the agent speaks first.
    pub say: Option<String>,
    /// A regular expression that the agent's answer must match. Absent: any answer.
    pub expect: Option<String>,
}

/// The desired state of one service. `amigops` does not manage a field that is absent, and sets a field that is present
/// to exactly its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesiredService {
    /// The name, which identifies the service.
    pub name: ServiceName,
    /// The place of the service's name in the manifest.
    #[serde(skip)]
    pub place: Place,
    /// The agent.
    pub agent: Reference,
    /// The place of the agent in the manifest.
    #[serde(skip)]
    pub agent_place: Place,
    /// The context graph.
    pub context_graph: Reference,
    /// The place of the context graph in the manifest.
    #[serde(skip)]
    pub context_graph_place: Place,
    /// The description.
    pub description: Option<String>,
    /// True if the service should be active. If absent, a live service stays as it is, and a new service is active.
    pub active: Option<bool>,
    /// The words that speech recognition should know, without duplicates.
    pub keyterms: Option<Vec<String>>,
    /// All tags except those that `amigops` writes itself.
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// The declared version sets. Live version sets that are not declared are deleted, except `edge`, `release` and
    /// those that the project does not manage.
    pub version_sets: Option<BTreeMap<VersionSetName, DesiredVersionSet>>,
    /// The Platform settings by name ([`super::settings::SERVICE`]), as a JSON merge patch over the live ones. At every
    /// depth, absent members stay unchanged and a null removes a member. Empty on Classic.
    pub settings: Map<String, Value>,
    /// The place of each setting in the manifest.
    #[serde(skip)]
    pub setting_places: BTreeMap<String, Place>,
    /// The services whose changes must be applied before those of this service.
    pub depends_on: BTreeSet<ServiceName>,
    /// The settings that control how changes are made.
    pub lifecycle: Lifecycle,
    /// The conversations that must succeed before a replacement goes live.
    pub smoke: Vec<SmokeTest>,
}

/// All services that the manifests declare for one environment, ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Desired {
    /// The services.
    pub services: BTreeMap<ServiceName, DesiredService>,
}
