//! Workspaces and the rows in them. They are the Platform API's part of the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rows::{AgentSettings, CatalogItem, VersionSet, row};
use super::table::{Row, Table};

/// The id of the workspace that a seed can refer to as `sandbox`.
pub const SANDBOX_WORKSPACE: &str = "5a4db0c5-0000-4000-8000-000000000000";

/// A workspace of the Platform API, with all its rows: keys, agents, context graphs and services.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workspace {
    pub(crate) id: String,
    pub(crate) settings: Arc<AgentSettings>,
    pub(crate) api_keys: Table<WorkspaceKey>,
    pub(crate) agents: Table<CatalogItem>,
    pub(crate) context_graphs: Table<CatalogItem>,
    pub(crate) services: Table<PlatformService>,
}

/// A key that clients send with each request to the Platform API, as a bearer token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceKey {
    /// The id of the key.
    pub id: String,
    /// The number of the key in the order of creation.
    pub sequence: u64,
    /// The secret part of the key.
    pub key: String,
    /// The permissions of clients that use the key. `None` means all permissions.
    pub permissions: Option<BTreeSet<WorkspacePermission>>,
}

impl WorkspaceKey {
    /// Returns true if the key has this permission.
    pub fn may(&self, permission: WorkspacePermission) -> bool {
        self.permissions.as_ref().is_none_or(|granted| granted.contains(&permission))
    }
}

/// A permission that a key of the Platform API can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // each is documented by its name on the wire
pub enum WorkspacePermission {
    #[serde(rename = "Service.view")]
    ViewService,
    #[serde(rename = "Service.create")]
    CreateService,
    #[serde(rename = "Service.update")]
    UpdateService,
    #[serde(rename = "Service.delete")]
    DeleteService,
    #[serde(rename = "Agent.view")]
    ViewAgent,
    #[serde(rename = "ContextGraph.view")]
    ViewContextGraph,
    #[serde(rename = "Conversation.create")]
    CreateConversation,
}

impl WorkspacePermission {
    /// Returns the name of the permission in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::ViewService => "Service.view",
            Self::CreateService => "Service.create",
            Self::UpdateService => "Service.update",
            Self::DeleteService => "Service.delete",
            Self::ViewAgent => "Agent.view",
            Self::ViewContextGraph => "ContextGraph.view",
            Self::CreateConversation => "Conversation.create",
        }
    }
}

/// A service of the Platform API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlatformService {
    /// The id of the service, a UUID.
    pub id: String,
    /// The number of the service in the order of creation.
    pub sequence: u64,
    /// The name of the service.
    pub name: String,
    /// The description of the service.
    pub description: String,
    /// True if the service is active.
    pub is_active: bool,
    /// The id of the service's agent.
    pub agent_id: String,
    /// The id of the service's context graph.
    pub context_graph_id: String,
    /// The tags, in the order in which the client sent them.
    pub tags: Vec<ServiceTag>,
    /// Words that speech recognition should expect in conversations.
    pub keyterms: Vec<String>,
    /// The version sets by name. A new service has only the version sets that the client sends.
    pub version_sets: BTreeMap<String, VersionSet>,
    /// The maximum number of tools that the service can run at the same time.
    pub tool_capacity: u8,
    /// True if the service uses safety filters.
    pub safety_filters_enabled: bool,
    /// The channel through which users talk to the service: `voice` or `text`.
    pub channel_type: String,
    /// The vendor's environment in which the service runs: `sandbox` or `production`.
    pub environment: String,
    /// The settings of the voice pipeline. Only settings that a client has set or that have a default are stored, so
    /// there are no nulls.
    pub voice_config: Option<Map<String, Value>>,
    /// The escalation policy. For each trigger, such as `risk_scorer`, it has an object whose field `type` names the
    /// action.
    pub escalation_policy: Option<Map<String, Value>>,
    /// True if the service is a system service. Clients can't change it.
    pub is_system: bool,
    /// The time of creation, in milliseconds since 1970.
    pub created_at: i64,
    /// The time of the last change, in milliseconds since 1970.
    pub updated_at: i64,
}

/// A tag of a service on the Platform API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTag {
    /// The name of the tag.
    pub key: String,
    /// The value of the tag. `None` if the tag has no value.
    #[serde(default)]
    pub value: Option<String>,
}

impl PlatformService {
    /// Returns an active service with only the required fields. It becomes part of the state through
    /// [`World::add_platform_service`](super::World::add_platform_service).
    pub fn new(name: &str, agent_id: &str, context_graph_id: &str) -> Self {
        Self {
            id: String::new(),
            sequence: 0,
            name: name.to_owned(),
            description: String::new(),
            is_active: true,
            agent_id: agent_id.to_owned(),
            context_graph_id: context_graph_id.to_owned(),
            tags: Vec::new(),
            keyterms: Vec::new(),
            version_sets: BTreeMap::new(),
            tool_capacity: 3,
            safety_filters_enabled: true,
            channel_type: "voice".to_owned(),
            environment: "production".to_owned(),
            voice_config: None,
            escalation_policy: None,
            is_system: false,
            created_at: 0,
            updated_at: 0,
        }
    }

    /// Returns the version set with this name.
    pub fn version_set(&self, name: &str) -> Option<&VersionSet> {
        self.version_sets.get(name)
    }
}

row!(PlatformService, WorkspaceKey);

impl Workspace {
    /// Returns the id of the workspace.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the settings of the workspace: the accepted LLMs and the agents' replies.
    pub fn settings(&self) -> &AgentSettings {
        &self.settings
    }

    /// Returns a mutable reference to the settings: the accepted LLMs and the agents' replies.
    pub fn settings_mut(&mut self) -> &mut AgentSettings {
        Arc::make_mut(&mut self.settings)
    }

    /// Returns the keys that clients can use for the workspace.
    pub fn api_keys(&self) -> &Table<WorkspaceKey> {
        &self.api_keys
    }

    /// Returns a mutable reference to the keys that clients can use for the workspace.
    pub fn api_keys_mut(&mut self) -> &mut Table<WorkspaceKey> {
        &mut self.api_keys
    }

    /// Returns the agents of the workspace.
    pub fn agents(&self) -> &Table<CatalogItem> {
        &self.agents
    }

    /// Returns a mutable reference to the agents. To add a version to an agent, increase its field `versions` by one.
    pub fn agents_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.agents
    }

    /// Returns the agent with this name.
    pub fn agent(&self, name: &str) -> Option<&CatalogItem> {
        self.agents.iter().find(|agent| agent.name == name)
    }

    /// Returns the context graphs of the workspace.
    pub fn context_graphs(&self) -> &Table<CatalogItem> {
        &self.context_graphs
    }

    /// Returns a mutable reference to the context graphs of the workspace.
    pub fn context_graphs_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.context_graphs
    }

    /// Returns the context graph with this name.
    pub fn context_graph(&self, name: &str) -> Option<&CatalogItem> {
        self.context_graphs.iter().find(|graph| graph.name == name)
    }

    /// Returns the services of the workspace.
    pub fn services(&self) -> &Table<PlatformService> {
        &self.services
    }

    /// Returns a mutable reference to the services. Services can be changed with `services_mut().get_mut(id)`, and
    /// removed with `services_mut().remove(id)`.
    pub fn services_mut(&mut self) -> &mut Table<PlatformService> {
        &mut self.services
    }

    /// Returns the service with this id or name. If several services have the name, returns the active one. If none of
    /// them is active, returns the oldest.
    pub fn service(&self, id_or_name: &str) -> Option<&PlatformService> {
        let named = || self.services.iter().filter(|service| service.name == id_or_name);
        self.services
            .get(id_or_name)
            .or_else(|| named().find(|service| service.is_active))
            .or_else(|| named().next())
    }

    /// Returns a mutable reference to the service that [`Workspace::service`] returns.
    pub fn service_mut(&mut self, id_or_name: &str) -> Option<&mut PlatformService> {
        let id = self.service(id_or_name)?.id.clone();
        self.services.get_mut(&id)
    }
}
