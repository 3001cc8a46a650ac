//! What is sent: new services and partial updates, in our words.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AgentId, ContextGraphId, ServiceName, VersionSet, VersionSetName};

/// A service to create, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewService {
    /// The name.
    pub name: ServiceName,
    /// Non-empty on Classic.
    pub description: String,
    /// Whether users see it at once.
    pub active: bool,
    /// The agent.
    pub agent: AgentId,
    /// The context graph.
    pub context_graph: ContextGraphId,
    /// All tags, the tool's own included.
    pub tags: BTreeMap<String, Option<String>>,
    /// Key terms.
    pub keyterms: Vec<String>,
    /// Version sets made in the same request: at most `release` on Classic, where the server makes one of
    /// the latest versions otherwise; all of them on Platform.
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// Platform's settings. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

/// A partial update: what is absent is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceUpdate {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ServiceName>,
    /// A new description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Activation or deactivation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// All tags, the tool's own included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// All key terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyterms: Option<Vec<String>>,
    /// Another agent, in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Another context graph, in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_graph: Option<ContextGraphId>,
    /// Version sets to write in the same request, each whole; all others stay. Empty on Classic.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// What changes in Platform's settings, as a merge patch over those that are there when the update is
    /// sent: nobody else's change of another member is undone. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
}

impl ServiceUpdate {
    /// Whether nothing would change. A new field must be thought of here: no `..`.
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
