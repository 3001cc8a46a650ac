//! The live state, which a plan compares with the desired state.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::catalog::Catalog;
use super::ids::{AgentId, BehaviorSetId, ContextGraphId, ServiceId, ServiceName, VersionSetName};
use super::version_set::VersionSet;

/// A service in the live state. The fields are the same for both APIs.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveService {
    /// The service's id.
    pub id: ServiceId,
    /// The service's name, without white space at its ends.
    pub name: ServiceName,
    /// The service's description. Empty if the response contained no description.
    pub description: String,
    /// True if the service is active.
    pub active: bool,
    /// The id of the agent that the service uses.
    pub agent: AgentId,
    /// The id of the context graph that the service uses.
    pub context_graph: ContextGraphId,
    /// The service's tags by key, including those that amigops writes.
    pub tags: BTreeMap<String, Option<String>>,
    /// The keys that occur in more than one tag of the service. [`Self::tags`] contains only the last tag with each of
    /// these keys. Repeated keys are possible only on Platform, where tags are a list.
    pub repeated_tags: BTreeSet<String>,
    /// The words that speech recognition should expect, in the server's order.
    pub keyterms: Vec<String>,
    /// The service's version sets, including `edge`.
    pub version_sets: BTreeMap<VersionSetName, VersionSet>,
    /// The Platform settings by name ([`super::settings::SERVICE`]), without null values. Empty on Classic.
    pub settings: Map<String, Value>,
    /// True if the service belongs to the vendor's platform itself. `amigops` never changes such a service.
    pub system: bool,
    /// The id of the user who last changed the service, if the response contains the id.
    pub updated_by: Option<String>,
    /// The time of the service's last change, as the response contains it. `None` if the response contains no time.
    pub updated_at: Option<String>,
}

/// A behavior set and the services that it is applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BehaviorSet {
    /// The behavior set's id.
    pub id: BehaviorSetId,
    /// The behavior set's name.
    pub name: String,
    /// All services that the behavior set is applied to. A request that writes this list replaces it as a whole.
    pub applied_to: BTreeSet<ServiceId>,
}

/// The part of the live state that a plan needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// All services that the API key's user can see, active or not.
    pub services: Vec<LiveService>,
    /// The agents that were read: either all agents, or only those that were requested.
    pub agents: Catalog<AgentId>,
    /// The context graphs that were read: either all context graphs, or only those that were requested.
    pub context_graphs: Catalog<ContextGraphId>,
    /// The behavior sets of each service, by the service's id. If a service has no entry, its behavior sets were not
    /// read.
    pub behavior_sets: BTreeMap<ServiceId, Vec<BehaviorSet>>,
}

/// The entries of a catalog that must still be read before planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need<Id: Ord> {
    /// No entries are needed.
    Nothing,
    /// Only the entries with these ids are needed.
    Only(BTreeSet<Id>),
    /// All entries are needed, because a name must be resolved to an id.
    All,
}

impl<Id: Ord> Need<Id> {
    /// Returns true if no entries are needed.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// The data that must still be read before planning. If nothing must be read, the snapshot is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookups {
    /// The agents that must be read.
    pub agents: Need<AgentId>,
    /// The context graphs that must be read.
    pub context_graphs: Need<ContextGraphId>,
    /// The agents whose newest version must be read to check a pin, because the server's list of agents did not contain
    /// the version.
    pub versions_of_agents: BTreeSet<AgentId>,
    /// The context graphs whose newest version must be read to check a pin, because the server's list of context graphs
    /// did not contain the version.
    pub versions_of_context_graphs: BTreeSet<ContextGraphId>,
    /// The services whose behavior sets must be read, because the plan replaces these services.
    pub behavior_sets_of: BTreeSet<ServiceId>,
}

impl Lookups {
    /// Returns true if nothing must be read, so that the snapshot is complete.
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
