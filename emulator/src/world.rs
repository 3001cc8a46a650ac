//! The state of the emulated servers: organizations, workspaces and their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::table::{Row, Table};
use super::workspace::Workspace;

/// All organizations and workspaces. A copy is cheap, since copies share what has not changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    pub(super) organizations: BTreeMap<String, Arc<Organization>>,
    pub(super) workspaces: BTreeMap<String, Arc<Workspace>>,
    pub(super) counter: u64,
}

/// An organization and everything in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Organization {
    pub(super) name: String,
    pub(super) settings: Arc<Settings>,
    pub(super) api_keys: Table<ApiKey>,
    pub(super) agents: Table<CatalogItem>,
    pub(super) context_graphs: Table<CatalogItem>,
    pub(super) services: Table<Service>,
    pub(super) behavior_sets: Table<BehaviorSet>,
    pub(super) unit_tests: Table<UnitTest>,
    pub(super) conversations: Table<Conversation>,
}

/// The settings of an organization or workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The accepted LLM names. `None` accepts any.
    pub llms: Option<BTreeSet<String>>,
    /// The agents' replies.
    pub replies: Replies,
}

/// The agents' replies in conversations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Replies {
    /// The first message if the agent speaks first. `{agent}` and `{service}` are replaced by their names.
    pub greeting: Option<String>,
    /// Canned replies. The first one whose conditions all match is used.
    pub canned: Vec<CannedReply>,
}

/// A reply for conversations that match all its conditions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CannedReply {
    /// The service's name.
    pub service: Option<String>,
    /// The version set's name.
    pub version_set: Option<String>,
    /// The agent version of the conversation.
    pub agent_version: Option<u32>,
    /// The context graph version of the conversation.
    pub context_graph_version: Option<u32>,
    /// A part of the user's message. Absent: any message, and also if the agent speaks first.
    pub says: Option<String>,
    /// The agent's reply. `{agent}` and `{service}` are replaced by their names.
    pub answer: Option<String>,
    /// The error that ends the stream instead of a reply.
    pub error: Option<ReplyError>,
    /// Whether the agent ends the conversation with this reply (Classic API).
    pub finishes: bool,
    /// Whether the agent does not reply (Platform API).
    pub silent: bool,
    /// Whether another turn of the same speaker is still in progress (Platform API).
    pub busy: bool,
}

/// An error in the middle of a stream, after its status 201.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyError {
    /// The status that the answer would have had.
    pub code: u16,
    /// The description in the error event.
    pub description: String,
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

/// An agent or a context graph. Services pin versions of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogItem {
    /// 24 hexadecimal digits.
    pub id: String,
    /// The number in the order of creation.
    pub sequence: u64,
    /// The name.
    pub name: String,
    /// The latest version. Versions 1 to this one exist; 0 means none.
    pub versions: u32,
    /// Whether it is deprecated. A service that uses it can't be activated.
    pub deprecated: bool,
    /// The time of creation, in milliseconds since the epoch.
    pub created_at: i64,
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
    /// Whether it is active.
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

/// A named set of pinned versions and LLM preferences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionSet {
    /// The agent's version. `None` means the latest.
    pub agent_version: Option<u32>,
    /// The context graph's version. `None` means the latest.
    pub context_graph_version: Option<u32>,
    /// Interaction name → `{llm_name, params}`, as sent.
    pub llm_model_preferences: Map<String, Value>,
    /// All other fields as sent, such as `applied_behavior_ids`.
    pub extra: Map<String, Value>,
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
    /// Whether it is active.
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
    /// The user who takes part.
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
    /// Whether it is finished.
    pub is_finished: bool,
    /// The time of creation, in milliseconds since the epoch.
    pub created_at: i64,
}

macro_rules! row {
    ($($type:ident),* $(,)?) => {$(
        impl Row for $type {
            fn id(&self) -> &str {
                &self.id
            }

            fn sequence(&self) -> u64 {
                self.sequence
            }
        }
    )*};
}

row!(ApiKey, Service, BehaviorSet, UnitTest, Conversation, CatalogItem);
