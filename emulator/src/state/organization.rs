//! Organizations and the rows in them. They are the Classic API's part of the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rows::{AgentSettings, CatalogItem, VersionSet, row};
use super::table::{Row, Table};

/// An organization of the Classic API, with all its rows: keys, agents, context graphs, services and more.
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

/// A permission that a user of the Classic API can have.
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
    /// Returns the name of the permission in the API.
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

/// An API key, with which a user signs in to the Classic API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The id of the key.
    pub id: String,
    /// The number of the key in the order of creation.
    pub sequence: u64,
    /// The secret part of the key.
    pub key: String,
    /// The only user who can sign in with this key.
    pub user: String,
    /// The permissions of the user. `None` means all permissions.
    pub permissions: Option<BTreeSet<Permission>>,
    /// The names of the services that the user can't see.
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

/// A service of the Classic API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The id of the service: 24 hexadecimal digits.
    pub id: String,
    /// The number of the service in the order of creation.
    pub sequence: u64,
    /// The name of the service. It is unique among active services.
    pub name: String,
    /// The description of the service.
    pub description: String,
    /// True if the service is active.
    pub is_active: bool,
    /// The id of the service's agent.
    pub agent_id: String,
    /// The id of the service's context graph.
    pub context_graph_id: String,
    /// The tags by key. The value of a tag is `None` if the API shows the value as null.
    pub tags: BTreeMap<String, Option<String>>,
    /// Words that speech recognition should expect in conversations.
    pub keyterms: Vec<String>,
    /// The version sets by name, including `edge` and `release`.
    pub version_sets: BTreeMap<String, VersionSet>,
    /// The user who created the service.
    pub creator: String,
    /// The user who changed the service last.
    pub updated_by: String,
}

/// A behavior set, which applies to a list of services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BehaviorSet {
    /// The id of the behavior set: 24 hexadecimal digits.
    pub id: String,
    /// The number of the behavior set in the order of creation.
    pub sequence: u64,
    /// The name of the behavior set. It is unique among active behavior sets.
    pub name: String,
    /// True if the behavior set is active.
    pub is_active: bool,
    /// The ids of the services that the behavior set applies to.
    pub applied_to_services: Vec<String>,
    /// The tags by key. The value of a tag is `None` if the API shows the value as null.
    pub tags: BTreeMap<String, Option<String>>,
    /// The user who created the behavior set.
    pub creator: String,
    /// The user who changed the behavior set last.
    pub updated_by: String,
    /// The time of creation, in milliseconds since 1970.
    pub created_at: i64,
    /// The time of the last change, in milliseconds since 1970.
    pub updated_at: i64,
}

/// A simulation unit test of the vendor's platform. It uses a version set of a service. This version set can't be
/// deleted while the test exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitTest {
    /// The id of the unit test: 24 hexadecimal digits.
    pub id: String,
    /// The number of the unit test in the order of creation.
    pub sequence: u64,
    /// The id of the service that the test uses.
    pub service_id: String,
    /// The name of the version set that the test uses.
    pub version_set: String,
}

/// A conversation between a user and a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The id of the conversation: 24 hexadecimal digits.
    pub id: String,
    /// The number of the conversation in the order of creation.
    pub sequence: u64,
    /// The user who takes part in the conversation.
    pub user_id: String,
    /// The id of the service that the user talks to.
    pub service_id: String,
    /// The name of the version set that the conversation uses.
    pub version_set: String,
    /// The agent's id, and the version of the agent at the start of the conversation.
    pub agent: (String, u32),
    /// The context graph's id, and the version of the context graph at the start of the conversation.
    pub context_graph: (String, u32),
    /// The LLM preferences of the version set at the start of the conversation.
    pub llm_model_preferences: Map<String, Value>,
    /// The tags of the conversation, by key.
    pub tags: BTreeMap<String, Option<String>>,
    /// The messages, from the oldest to the newest.
    pub messages: Vec<String>,
    /// True if the conversation is finished.
    pub is_finished: bool,
    /// The time of creation, in milliseconds since 1970.
    pub created_at: i64,
}

row!(ApiKey, Service, BehaviorSet, UnitTest, Conversation);

impl Organization {
    /// Returns the organization's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the settings of the organization: the accepted LLMs and the agents' replies.
    pub fn settings(&self) -> &AgentSettings {
        &self.settings
    }

    /// Returns a mutable reference to the settings: the accepted LLMs and the agents' replies.
    pub fn settings_mut(&mut self) -> &mut AgentSettings {
        Arc::make_mut(&mut self.settings)
    }

    /// Returns the API keys with which users can sign in.
    pub fn api_keys(&self) -> &Table<ApiKey> {
        &self.api_keys
    }

    /// Returns the agents of the organization.
    pub fn agents(&self) -> &Table<CatalogItem> {
        &self.agents
    }

    /// Returns a mutable reference to the agents of the organization.
    pub fn agents_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.agents
    }

    /// Returns the agent with this name.
    pub fn agent(&self, name: &str) -> Option<&CatalogItem> {
        self.agents.iter().find(|agent| agent.name == name)
    }

    /// Returns the context graphs of the organization.
    pub fn context_graphs(&self) -> &Table<CatalogItem> {
        &self.context_graphs
    }

    /// Returns a mutable reference to the context graphs of the organization.
    pub fn context_graphs_mut(&mut self) -> &mut Table<CatalogItem> {
        &mut self.context_graphs
    }

    /// Returns the context graph with this name.
    pub fn context_graph(&self, name: &str) -> Option<&CatalogItem> {
        self.context_graphs.iter().find(|graph| graph.name == name)
    }

    /// Returns the services of the organization.
    pub fn services(&self) -> &Table<Service> {
        &self.services
    }

    /// Returns a mutable reference to the services. Services can be changed with `services_mut().get_mut(id)`, and
    /// removed with `services_mut().remove(id)`.
    pub fn services_mut(&mut self) -> &mut Table<Service> {
        &mut self.services
    }

    /// Returns the service with this id or name. If several services have the name, returns the active one. If none of
    /// them is active, returns the oldest.
    pub fn service(&self, id_or_name: &str) -> Option<&Service> {
        let named = || self.services.iter().filter(|service| service.name == id_or_name);
        self.services
            .get(id_or_name)
            .or_else(|| named().find(|service| service.is_active))
            .or_else(|| named().next())
    }

    /// Returns a mutable reference to the service that [`Organization::service`] returns.
    pub fn service_mut(&mut self, id_or_name: &str) -> Option<&mut Service> {
        let id = self.service(id_or_name)?.id.clone();
        self.services.get_mut(&id)
    }

    /// Returns the active service with this name.
    pub fn active_service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.is_active && service.name == name)
    }

    /// Returns the behavior sets of the organization.
    pub fn behavior_sets(&self) -> &Table<BehaviorSet> {
        &self.behavior_sets
    }

    /// Returns a mutable reference to the behavior sets of the organization.
    pub fn behavior_sets_mut(&mut self) -> &mut Table<BehaviorSet> {
        &mut self.behavior_sets
    }

    /// Returns the simulation unit tests. Each names the version set that it uses.
    pub fn unit_tests(&self) -> &Table<UnitTest> {
        &self.unit_tests
    }

    /// Returns a mutable reference to the simulation unit tests.
    pub fn unit_tests_mut(&mut self) -> &mut Table<UnitTest> {
        &mut self.unit_tests
    }

    /// Returns the conversations of the organization.
    pub fn conversations(&self) -> &Table<Conversation> {
        &self.conversations
    }
}

impl Service {
    /// Returns an active service with only the required fields. It becomes part of the state through
    /// [`World::add_service`](super::World::add_service).
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
