//! Organizations, the Classic API's part of the state, and their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rows::{AgentSettings, CatalogItem, VersionSet, row};
use super::table::{Row, Table};

/// An organization and everything in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Organization {
    pub(crate) name: String,
    pub(crate) settings: Arc<AgentSettings>,
    pub(crate) api_keys: Table<ApiKey>,
    pub(crate) agents: Table<CatalogItem>,
    pub(crate) context_graphs: Table<CatalogItem>,
    pub(crate) services: Table<Service>,
    pub(crate) behavior_sets: Table<BehaviorSet>,
    pub(crate) unit_tests: Table<UnitTest>,
    pub(crate) conversations: Table<Conversation>,
}

/// A permission of a key's user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // each is documented by its name on the wire
pub enum Permission {
    #[serde(rename = "Service:GetService")]
    GetService,
    #[serde(rename = "Service:CreateService")]
    CreateService,
    #[serde(rename = "Service:UpdateService")]
    UpdateService,
    #[serde(rename = "Service:CreateVersionSet")]
    CreateVersionSet,
    #[serde(rename = "Service:UpdateVersionSet")]
    UpdateVersionSet,
    #[serde(rename = "Service:DeleteVersionSet")]
    DeleteVersionSet,
    #[serde(rename = "Conversation:CreateConversation")]
    CreateConversation,
    #[serde(rename = "Conversation:GetConversation")]
    GetConversation,
    #[serde(rename = "Conversation:FinishConversation")]
    FinishConversation,
    #[serde(rename = "Conversation:GetInteractionInsights")]
    GetInteractionInsights,
    #[serde(rename = "Organization:GetAgent")]
    GetAgent,
    #[serde(rename = "Organization:GetServiceHierarchicalStateMachine")]
    GetContextGraph,
    #[serde(rename = "DynamicBehaviorInstruction:GetDynamicBehaviorInstruction")]
    GetBehaviorSet,
    #[serde(rename = "DynamicBehaviorInstruction:UpdateDynamicBehaviorInstruction")]
    UpdateBehaviorSet,
}

impl Permission {
    /// The permission's name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetService => "Service:GetService",
            Self::CreateService => "Service:CreateService",
            Self::UpdateService => "Service:UpdateService",
            Self::CreateVersionSet => "Service:CreateVersionSet",
            Self::UpdateVersionSet => "Service:UpdateVersionSet",
            Self::DeleteVersionSet => "Service:DeleteVersionSet",
            Self::CreateConversation => "Conversation:CreateConversation",
            Self::GetConversation => "Conversation:GetConversation",
            Self::FinishConversation => "Conversation:FinishConversation",
            Self::GetInteractionInsights => "Conversation:GetInteractionInsights",
            Self::GetAgent => "Organization:GetAgent",
            Self::GetContextGraph => "Organization:GetServiceHierarchicalStateMachine",
            Self::GetBehaviorSet => "DynamicBehaviorInstruction:GetDynamicBehaviorInstruction",
            Self::UpdateBehaviorSet => "DynamicBehaviorInstruction:UpdateDynamicBehaviorInstruction",
        }
    }
}

/// An API key for signing in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The key's id.
    pub id: String,
    /// The number in the order of creation.
    pub sequence: u64,
    /// The secret.
    pub key: String,
    /// The only user that can sign in with it.
    pub user: String,
    /// The user's permissions. `None` means all.
    pub permissions: Option<BTreeSet<Permission>>,
    /// Names of services that the user can't see.
    pub hidden_services: BTreeSet<String>,
}

impl ApiKey {
    /// Returns true if the user has this permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.as_ref().is_none_or(|granted| granted.contains(&permission))
    }

    /// Returns true if the user can see this service.
    pub fn sees(&self, service: &Service) -> bool {
        !self.hidden_services.contains(&service.name)
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The number in the order of creation.
    pub sequence: u64,
    /// The name, unique among active services.
    pub name: String,
    /// The description.
    pub description: String,
    /// True if it is active.
    pub is_active: bool,
    /// The id of its agent.
    pub agent_id: String,
    /// The id of its context graph.
    pub context_graph_id: String,
    /// The tags. A value may be null.
    pub tags: BTreeMap<String, Option<String>>,
    /// Words that speech recognition should know.
    pub keyterms: Vec<String>,
    /// The version sets, including `edge` and `release`.
    pub version_sets: BTreeMap<String, VersionSet>,
    /// The user who created it.
    pub creator: String,
    /// The user who changed it last.
    pub updated_by: String,
}

/// A dynamic behavior set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BehaviorSet {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The number in the order of creation.
    pub sequence: u64,
    /// The name, unique among active sets.
    pub name: String,
    /// True if it is active.
    pub is_active: bool,
    /// The ids of the services it applies to.
    pub applied_to_services: Vec<String>,
    /// The tags.
    pub tags: BTreeMap<String, Option<String>>,
    /// The user who created it.
    pub creator: String,
    /// The user who changed it last.
    pub updated_by: String,
    /// The time of creation, in milliseconds since the epoch.
    pub created_at: i64,
    /// The time of the last change, in milliseconds since the epoch.
    pub updated_at: i64,
}

/// A simulation unit test that uses a version set of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitTest {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The number in the order of creation.
    pub sequence: u64,
    /// The service's id.
    pub service_id: String,
    /// The version set's name.
    pub version_set: String,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The number in the order of creation.
    pub sequence: u64,
    /// The user who takes part in the conversation.
    pub user_id: String,
    /// The id of the service.
    pub service_id: String,
    /// The name of the version set.
    pub version_set: String,
    /// The agent and its version at the start.
    pub agent: (String, u32),
    /// The context graph and its version at the start.
    pub context_graph: (String, u32),
    /// The preferences at the start.
    pub llm_model_preferences: Map<String, Value>,
    /// The tags.
    pub tags: BTreeMap<String, Option<String>>,
    /// The messages, oldest first.
    pub messages: Vec<String>,
    /// True if it is finished.
    pub is_finished: bool,
    /// The time of creation, in milliseconds since the epoch.
    pub created_at: i64,
}

row!(ApiKey, Service, BehaviorSet, UnitTest, Conversation);

impl Organization {
    /// The organization's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The accepted LLMs and the canned replies.
    pub fn settings(&self) -> &AgentSettings {
        &self.settings
    }

    /// The accepted LLMs and the canned replies, for changes.
    pub fn settings_mut(&mut self) -> &mut AgentSettings {
        Arc::make_mut(&mut self.settings)
    }

    /// The keys that can sign in.
    pub fn api_keys(&self) -> &Table<ApiKey> {
        &self.api_keys
    }

    /// The agents.
    pub fn agents(&self) -> &Table<CatalogItem> {
        &self.agents
    }

    /// The agents, for changes.
    pub fn agents_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.agents
    }

    /// Returns the agent with this name.
    pub fn agent(&self, name: &str) -> Option<&CatalogItem> {
        self.agents.iter().find(|agent| agent.name == name)
    }

    /// The context graphs.
    pub fn context_graphs(&self) -> &Table<CatalogItem> {
        &self.context_graphs
    }

    /// The context graphs, for changes.
    pub fn context_graphs_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.context_graphs
    }

    /// Returns the context graph with this name.
    pub fn context_graph(&self, name: &str) -> Option<&CatalogItem> {
        self.context_graphs.iter().find(|graph| graph.name == name)
    }

    /// The services.
    pub fn services(&self) -> &Table<Service> {
        &self.services
    }

    /// The services, for changes: `services_mut().get_mut(id)`, `.remove(id)`.
    pub fn services_mut(&mut self) -> &mut Table<Service> {
        &mut self.services
    }

    /// Returns the service with this id or name. If several have the name, the active one wins, else the
    /// oldest.
    pub fn service(&self, id_or_name: &str) -> Option<&Service> {
        let named = || self.services.iter().filter(|service| service.name == id_or_name);
        self.services
            .get(id_or_name)
            .or_else(|| named().find(|service| service.is_active))
            .or_else(|| named().next())
    }

    /// Like [`Organization::service`], for changes.
    pub fn service_mut(&mut self, id_or_name: &str) -> Option<&mut Service> {
        let id = self.service(id_or_name)?.id.clone();
        self.services.get_mut(&id)
    }

    /// Returns the active service with this name.
    pub fn active_service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.is_active && service.name == name)
    }

    /// The behavior sets.
    pub fn behavior_sets(&self) -> &Table<BehaviorSet> {
        &self.behavior_sets
    }

    /// The behavior sets, for changes.
    pub fn behavior_sets_mut(&mut self) -> &mut Table<BehaviorSet> {
        &mut self.behavior_sets
    }

    /// The version sets that simulation unit tests use.
    pub fn unit_tests(&self) -> &Table<UnitTest> {
        &self.unit_tests
    }

    /// The version sets that simulation unit tests use, for changes.
    pub fn unit_tests_mut(&mut self) -> &mut Table<UnitTest> {
        &mut self.unit_tests
    }

    /// The conversations.
    pub fn conversations(&self) -> &Table<Conversation> {
        &self.conversations
    }
}

impl Service {
    /// An active service for [`World::add_service`](super::World::add_service), with only the required fields set.
    pub fn new(name: &str, agent_id: &str, context_graph_id: &str) -> Self {
        Self {
            id: String::new(),
            sequence: 0,
            name: name.to_owned(),
            description: name.to_owned(),
            is_active: true,
            agent_id: agent_id.to_owned(),
            context_graph_id: context_graph_id.to_owned(),
            tags: BTreeMap::new(),
            keyterms: Vec::new(),
            version_sets: BTreeMap::new(),
            creator: "operator".to_owned(),
            updated_by: "operator".to_owned(),
        }
    }

    /// Returns the version set with this name.
    pub fn version_set(&self, name: &str) -> Option<&VersionSet> {
        self.version_sets.get(name)
    }
}
