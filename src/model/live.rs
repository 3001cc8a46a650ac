//! The live state, which a plan compares with the desired state.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::catalog::Catalog;
use super::ids::{AgentId, BehaviorSetId, ContextGraphId, ServiceId, ServiceName, VersionSetName};
use super::version_set::VersionSet;

/// A live service, independent of the API.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveService {
    /// The id.
    pub id: ServiceId,
    /// The name, trimmed.
    pub name: ServiceName,
    /// The description. Empty if the response had none.
    pub description: String,
    /// True if the service is active.
    pub active: bool,
    /// The agent.
    pub agent: AgentId,
    /// The context graph.
    pub context_graph: ContextGraphId,
    /// The tags by key, including amigops's own.
    pub tags: BTreeMap<String, Option<String>>,
    /// The keys that several tags of the service have. [`Self::tags`] contains only one tag for each of them. This is
    /// possible only on Platform, where tags are a list.
    pub repeated_tags: BTreeSet<String>,
    /// The key terms in the server's order.
    pub keyterms: Vec<String>,
    /// The version sets, including `edge`.
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// The Platform settings by name ([`super::settings::SERVICE`]), without nulls. Empty on Classic.
    pub settings: Map<String, Value>,
    /// True if the service belongs to the platform itself. Such a service is never changed.
    pub system: bool,
    /// The user who last changed the service, if the response contains it.
    pub updated_by: Option<String>,
    /// The time of the service's last change, if the response contains it, in the response's format.
    pub updated_at: Option<String>,
}

/// A dynamic behavior set and the services it is applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BehaviorSet {
    /// The id.
    pub id: BehaviorSetId,
    /// The name.
    pub name: String,
    /// All services that the behavior set is applied to. A request that writes this list replaces it as a whole.
    pub applied_to: BTreeSet<ServiceId>,
}

/// The live state that planning uses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// All services that the user can access, active or not.
    pub services: Vec<LiveService>,
    /// The agents that were looked up: all of them, or only the requested ones.
    pub agents: Catalog<AgentId>,
    /// The context graphs that were looked up: all of them, or only the requested ones.
    pub context_graphs: Catalog<ContextGraphId>,
    /// The behavior sets by service. A service without an entry was not looked up.
    pub behavior_sets: BTreeMap<ServiceId, Vec<BehaviorSet>>,
}

/// The entries of a catalog that must still be read before planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need<Id: Ord> {
    /// No entries.
    Nothing,
    /// Only these entries.
    Only(BTreeSet<Id>),
    /// All entries, because a name must be resolved.
    All,
}

impl<Id: Ord> Need<Id> {
    /// Returns true if nothing is needed.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// The reads that are still necessary before planning. If there are none, the snapshot is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookups {
    /// The agents to look up.
    pub agents: Need<AgentId>,
    /// The context graphs to look up.
    pub context_graphs: Need<ContextGraphId>,
    /// The agents whose newest version must be read to check a pin, because the list did not contain it.
    pub versions_of_agents: BTreeSet<AgentId>,
    /// The context graphs whose newest version must be read to check a pin, because the list did not contain it.
    pub versions_of_context_graphs: BTreeSet<ContextGraphId>,
    /// The services whose behavior sets must be read, because the plan replaces these services.
    pub behavior_sets_of: BTreeSet<ServiceId>,
}

impl Lookups {
    /// Returns true if the snapshot is complete.
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
