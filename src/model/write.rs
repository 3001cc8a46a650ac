//! The content of write requests, independent of the API: new services and partial updates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{AgentId, ContextGraphId, ServiceName, VersionSetName};
use super::version_set::VersionSet;

/// A service to create.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// The service's name.
    pub name: ServiceName,
    /// The service's description. On Classic, it must not be empty.
    pub description: String,
    /// True if the service is active as soon as it is created.
    pub active: bool,
    /// The id of the agent that the service uses.
    pub agent: AgentId,
    /// The id of the context graph that the service uses.
    pub context_graph: ContextGraphId,
    /// All tags, including those that amigops writes itself.
    pub tags: BTreeMap<String, Option<String>>,
    /// The words that speech recognition should expect.
    pub keyterms: Vec<String>,
    /// The version sets to create in the same request. On Platform, these are all version sets. On Classic, at most
    /// `release` is allowed, and without it the server creates `release` with the latest versions.
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// The settings that only Platform has. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

/// A partial update of a service. Absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceUpdate {
    /// The new name of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ServiceName>,
    /// The new description of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// True to activate the service, false to deactivate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// The new tags, which replace all old ones. They include the tags that amigops writes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// The new key terms (words that speech recognition should expect), which replace all old ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyterms: Option<Vec<String>>,
    /// The id of the new agent. The service keeps its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The id of the new context graph. The service keeps its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_graph: Option<ContextGraphId>,
    /// The version sets to write in the same request, each with all its fields. Other version sets stay unchanged.
    /// Empty on Classic.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// A merge patch that is applied to the live Platform settings when the update is sent, so that other clients'
    /// changes of other members stay. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

impl ServiceUpdate {
    /// Returns true if the update changes nothing. The function names every field in a pattern without `..`, so that
    /// the compiler reports a new field that the function does not handle.
    pub fn is_empty(&self) -> bool {
        let Self { name, description, active, tags, keyterms, agent, context_graph, version_sets, settings } =
            self;
        name.is_none()
            && description.is_none()
            && active.is_none()
            && tags.is_none()
            && keyterms.is_none()
            && agent.is_none()
            && context_graph.is_none()
            && version_sets.is_empty()
            && settings.is_empty()
    }
}
