//! What is there: the live state that a plan is made against.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    AgentId, BehaviorSetId, Catalog, ContextGraphId, ServiceId, ServiceName, VersionSet, VersionSetName,
};

/// A service as the API answers it, in our words.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveService {
    /// The server's id.
    pub id: ServiceId,
    /// The name, trimmed.
    pub name: ServiceName,
    /// The description; empty where the answer had none.
    pub description: String,
    /// Whether users see it.
    pub active: bool,
    /// The agent it joins.
    pub agent: AgentId,
    /// The context graph it joins.
    pub context_graph: ContextGraphId,
    /// Tags by key, the tool's own included.
    pub tags: BTreeMap<String, Option<String>>,
    /// Keys that several tags have, of which [`Self::tags`] can hold one: where tags are a list, on Platform.
    pub repeated_tags: BTreeSet<String>,
    /// Key terms in the server's order.
    pub keyterms: Vec<String>,
    /// Version sets, `edge` included.
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// Platform's settings by name ([`super::settings::SERVICE`]), without nulls. Empty on Classic.
    pub settings: Map<String, Value>,
    /// Whether it belongs to the platform itself: such a service is never touched.
    pub system: bool,
    /// Who last changed it, where the answer says.
    pub updated_by: Option<String>,
    /// When it was last changed, in the answer's own words, where the answer says.
    pub updated_at: Option<String>,
}

/// A dynamic behavior set and the services it is applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BehaviorSet {
    /// The server's id.
    pub id: BehaviorSetId,
    /// Its name.
    pub name: String,
    /// All services that it is applied to; writing replaces the whole list.
    pub applied_to: BTreeSet<ServiceId>,
}

/// Everything that planning knows of the live side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// All services that the user may see, active or not.
    pub services: Vec<LiveService>,
    /// Agents, as far as they were needed.
    pub agents: Catalog<AgentId>,
    /// Context graphs, as far as they were needed.
    pub context_graphs: Catalog<ContextGraphId>,
    /// Behavior sets by the services for which they were looked up: an entry, even empty, means "known".
    pub behavior_sets: BTreeMap<ServiceId, Vec<BehaviorSet>>,
}

/// How much of a catalog is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need<Id: Ord> {
    /// Nothing.
    Nothing,
    /// Only these.
    Only(BTreeSet<Id>),
    /// All: a name is to be resolved.
    All,
}

impl<Id: Ord> Need<Id> {
    /// Whether nothing is needed.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// What must still be read before a plan can be made: the pure answer to "is the snapshot complete?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookups {
    /// Agents to look up.
    pub agents: Need<AgentId>,
    /// Context graphs to look up.
    pub context_graphs: Need<ContextGraphId>,
    /// Agents of which a version is to be pinned, and whose newest version the list did not tell.
    pub versions_of_agents: BTreeSet<AgentId>,
    /// The same of context graphs.
    pub versions_of_context_graphs: BTreeSet<ContextGraphId>,
    /// Services whose behavior sets are needed, because they are to be replaced.
    pub behavior_sets_of: BTreeSet<ServiceId>,
}

impl Lookups {
    /// Whether the snapshot is complete.
    pub fn is_nothing(&self) -> bool {
        let Self { agents, context_graphs, versions_of_agents, versions_of_context_graphs, behavior_sets_of } =
            self;
        agents.is_nothing()
            && context_graphs.is_nothing()
            && versions_of_agents.is_empty()
            && versions_of_context_graphs.is_empty()
            && behavior_sets_of.is_empty()
    }
}
