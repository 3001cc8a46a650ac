//! The desired state: the manifests after all checks. The names of agents and context graphs are not resolved to ids
//! yet.
//!
//! Only the manifest loader (and tests) create values of these types. The loader guarantees that names are unique and
//! trimmed, and that strings are within the API's limits. It also guarantees that no manifest declares the version set
//! `edge` or a tag that amigops writes itself. It also guarantees that `depends_on` refers to declared services and has
//! no cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{ServiceName, VersionSetName};
use super::version_set::Pin;

/// A position in a file, for messages about the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's path, relative to the project.
    pub file: String,
    /// The number of the line, counted from 1.
    pub line: usize,
    /// The number of the column, counted in characters from 1.
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
    /// The name of the agent or context graph. Its id is looked up in the catalog.
    Name(String),
    /// The id of the agent or context graph, which is used unchanged.
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
    /// The name of the language model.
    pub llm_name: String,
    /// The model's parameters, such as `temperature`. If absent, the live service keeps its parameters, unless the
    /// model changes.
    pub params: Option<Map<String, Value>>,
    /// The experience controls, which are settings of the model's behavior (Platform only). They are a merge patch that
    /// is applied to the live controls. If absent, the live controls stay. If null, all live controls are removed. If
    /// the model changes, the live controls are dropped first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experience_controls: Option<Option<Map<String, Value>>>,
}

/// A version set as a manifest declares it. If a field is absent, an existing version set keeps the field's live value.
/// In a new version set, an absent version is `latest`.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct DesiredVersionSet {
    /// The version of the agent that conversations use.
    pub agent_version: Option<Pin>,
    /// The version of the context graph that conversations use.
    pub context_graph_version: Option<Pin>,
    /// All model preferences, by the name of the interaction that uses the model.
    pub llm_model_preferences: Option<BTreeMap<String, DesiredPreference>>,
    /// The position in the manifest at which the version set is declared.
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
    /// Delete the service permanently. Only the Platform API can do this.
    Delete,
}

impl Retire {
    /// Returns the word that stands for this value in manifests.
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
    /// The name that the service had before it was renamed, if the manifest states it.
    pub renamed_from: Option<ServiceName>,
    /// The way to change the agent or context graph. If absent, the API's default applies
    /// ([`crate::model::Api::on_agent_change`]).
    pub on_agent_change: Option<OnAgentChange>,
    /// The way to retire the old service after a replacement.
    pub retire: Retire,
    /// True if the service must not be removed. This is also stored as a tag on the live service, so that it still
    /// applies when the manifest is gone.
    pub prevent_removal: bool,
    /// The fields that `amigops` sets when it creates the service, and does not change later.
    pub ignore: BTreeSet<FieldPath>,
}

/// A real conversation that must succeed before a replacement goes live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmokeTest {
    /// The version set that the conversation uses.
    pub version_set: VersionSetName,
    /// The user's message. If absent, the agent speaks first.
    pub say: Option<String>,
    /// A regular expression that the agent's answer must match. If absent, any answer is accepted.
    pub expect: Option<String>,
}

/// The desired state of one service. `amigops` does not manage a field that is absent (except `active`), and sets a
/// field that is present to exactly its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesiredService {
    /// The service's name, which identifies it.
    pub name: ServiceName,
    /// The position of the service's name in the manifest.
    #[serde(skip)]
    pub place: Place,
    /// The agent that the service uses.
    pub agent: Reference,
    /// The position of the agent in the manifest.
    #[serde(skip)]
    pub agent_place: Place,
    /// The context graph that the service uses.
    pub context_graph: Reference,
    /// The position of the context graph in the manifest.
    #[serde(skip)]
    pub context_graph_place: Place,
    /// The service's description.
    pub description: Option<String>,
    /// True if the service should be active. If absent, the service should be active. If `lifecycle.ignore` contains
    /// `active`, an existing service stays as it is.
    pub active: Option<bool>,
    /// The words that speech recognition should know, without duplicates.
    pub keyterms: Option<Vec<String>>,
    /// All tags except those that `amigops` writes itself.
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// The declared version sets. Live version sets that are not declared are deleted, except `edge`, `release` and
    /// those that the project does not manage.
    pub version_sets: Option<BTreeMap<VersionSetName, DesiredVersionSet>>,
    /// The Platform settings by name ([`super::settings::SERVICE`]), as a JSON merge patch that is applied to the live
    /// settings. At every depth, absent members stay unchanged and a null removes a member. Empty on Classic.
    pub settings: Map<String, Value>,
    /// The position of each setting in the manifest.
    #[serde(skip)]
    pub setting_places: BTreeMap<String, Place>,
    /// The services whose changes must be made before this service is changed.
    pub depends_on: BTreeSet<ServiceName>,
    /// The rules for renaming, changing and retiring the service.
    pub lifecycle: Lifecycle,
    /// The conversations that must succeed before a replacement goes live.
    pub smoke: Vec<SmokeTest>,
}

/// All services that the manifests declare for one environment, ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Desired {
    /// The services, by name.
    pub services: BTreeMap<ServiceName, DesiredService>,
}
