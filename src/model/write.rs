//! What is sent: new services and partial updates, in our words. Imports nothing of ours.

use std::collections::BTreeMap;

use super::{AgentId, ContextGraphId, ServiceName, VersionSet};

/// A service to create, whole.
#[derive(Clone, Debug, PartialEq)]
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
    /// The `release` set; absent means that the server makes one of the latest versions.
    pub release: Option<VersionSet>,
}

/// A partial update: what is absent is left as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceUpdate {
    /// A new name.
    pub name: Option<ServiceName>,
    /// A new description.
    pub description: Option<String>,
    /// Activation or deactivation.
    pub active: Option<bool>,
    /// All tags, the tool's own included.
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// All key terms.
    pub keyterms: Option<Vec<String>>,
    /// Another agent, in place.
    pub agent: Option<AgentId>,
    /// Another context graph, in place.
    pub context_graph: Option<ContextGraphId>,
}

impl ServiceUpdate {
    /// Whether nothing would change. A new field must be thought of here: no `..`.
    pub fn is_empty(&self) -> bool {
        let Self { name, description, active, tags, keyterms, agent, context_graph } = self;
        name.is_none()
            && description.is_none()
            && active.is_none()
            && tags.is_none()
            && keyterms.is_none()
            && agent.is_none()
            && context_graph.is_none()
    }
}
