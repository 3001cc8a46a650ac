//! The write requests: new services and partial updates, independent of the API.

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
    /// The name.
    pub name: ServiceName,
    /// The description. Not empty on Classic.
    pub description: String,
    /// True if the service starts active.
    pub active: bool,
    /// The agent.
    pub agent: AgentId,
    /// The context graph.
    pub context_graph: ContextGraphId,
    /// All tags, including amigops's own.
    pub tags: BTreeMap<String, Option<String>>,
    /// The words that speech recognition should expect.
    pub keyterms: Vec<String>,
    /// The version sets to create in the same request: all of them on Platform, at most `release` on Classic, where
    /// the server otherwise creates one with the latest versions.
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// The Platform settings. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

/// A partial update. Absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceUpdate {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ServiceName>,
    /// A new description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Activates or deactivates the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// All tags, including amigops's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// All key terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyterms: Option<Vec<String>>,
    /// Another agent, changed in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Another context graph, changed in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_graph: Option<ContextGraphId>,
    /// The version sets to write in the same request, each complete. Others stay unchanged. Empty on Classic.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// A merge patch over the live Platform settings at the time of the update, so that changes of other members by
    /// other clients stay. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

impl ServiceUpdate {
    /// Returns true if the update changes nothing. The pattern has no `..`, so that a new field can't be forgotten
    /// here.
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
