//! Everything that exists on the emulated servers. Imports [`Table`] and the Platform API's part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::table::{Row, Table};
use super::workspace::Workspace;

/// All organizations and workspaces. A copy is cheap: it shares what neither side changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    pub(super) organizations: BTreeMap<String, Arc<Organization>>,
    pub(super) workspaces: BTreeMap<String, Arc<Workspace>>,
    pub(super) counter: u64,
}

/// One organization and all it holds.
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

/// What isn't a row of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The LLM names that are accepted; none means any.
    pub llms: Option<BTreeSet<String>>,
    /// What agents say.
    pub replies: Replies,
}

/// What agents say in conversations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Replies {
    /// The first message when the agent speaks first; `{agent}` and `{service}` are filled in.
    pub greeting: Option<String>,
    /// Tried in order; the first that fits speaks.
    pub canned: Vec<CannedReply>,
}

/// An answer for conversations that fit all its conditions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CannedReply {
    /// The service's name.
    pub service: Option<String>,
    /// The version set's name.
    pub version_set: Option<String>,
    /// The agent's version that the conversation runs on.
    pub agent_version: Option<u32>,
    /// The context graph's version that the conversation runs on.
    pub context_graph_version: Option<u32>,
    /// A part of what the user said; none fits also when the agent speaks first.
    pub says: Option<String>,
    /// What the agent says; `{agent}` and `{service}` are filled in.
    pub answer: Option<String>,
    /// Ends the stream with an error instead of an answer.
    pub error: Option<ReplyError>,
    /// The agent ends the conversation with this answer (Classic API).
    pub finishes: bool,
    /// The agent says nothing (Platform API).
    pub silent: bool,
    /// Another turn of the same speaker is still going on (Platform API).
    pub busy: bool,
}

/// An error in the middle of a stream, after its 201.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyError {
    /// The status that the answer would have had.
    pub code: u16,
    /// What the event says.
    pub description: String,
}

/// What a key's user may do.
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
    /// Its name on the wire.
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

/// A way to sign in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The key's id.
    pub id: String,
    /// Its place in the order of creation.
    pub sequence: u64,
    /// The secret.
    pub key: String,
    /// The only user that it signs in.
    pub user: String,
    /// What that user may do; none means everything.
    pub permissions: Option<BTreeSet<Permission>>,
    /// Names of services that the user can't see.
    pub hidden_services: BTreeSet<String>,
}

impl ApiKey {
    /// Whether its user may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.as_ref().is_none_or(|granted| granted.contains(&permission))
    }

    /// Whether its user may see this service.
    pub fn sees(&self, service: &Service) -> bool {
        !self.hidden_services.contains(&service.name)
    }
}

/// An agent or a context graph: what services pin versions of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogItem {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Its place in the order of creation.
    pub sequence: u64,
    /// Its name.
    pub name: String,
    /// Versions 1 to this one exist; 0 means none yet.
    pub versions: u32,
    /// A service that uses it can't be activated.
    pub deprecated: bool,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Its place in the order of creation.
    pub sequence: u64,
    /// Its name, unique among active services.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it is active.
    pub is_active: bool,
    /// The agent it joins.
    pub agent_id: String,
    /// The context graph it joins.
    pub context_graph_id: String,
    /// Its tags; a value may be null.
    pub tags: BTreeMap<String, Option<String>>,
    /// Words that are easily misheard.
    pub keyterms: Vec<String>,
    /// Its version sets, `edge` and `release` among them.
    pub version_sets: BTreeMap<String, VersionSet>,
    /// The user who made it.
    pub creator: String,
    /// The user who changed it last.
    pub updated_by: String,
}

/// A named set of pins and preferences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionSet {
    /// The agent's version; none is the latest.
    pub agent_version: Option<u32>,
    /// The context graph's version; none is the latest.
    pub context_graph_version: Option<u32>,
    /// Interaction name → `{llm_name, params}`, as sent.
    pub llm_model_preferences: Map<String, Value>,
    /// Every other field, as sent (`applied_behavior_ids`, for one).
    pub extra: Map<String, Value>,
}

/// A dynamic behavior set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BehaviorSet {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Its place in the order of creation.
    pub sequence: u64,
    /// Its name, unique among active sets.
    pub name: String,
    /// Whether it is active.
    pub is_active: bool,
    /// The ids of the services it applies to.
    pub applied_to_services: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, Option<String>>,
    /// The user who made it.
    pub creator: String,
    /// The user who changed it last.
    pub updated_by: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// When it was changed last.
    pub updated_at: i64,
}

/// A mark: a simulation unit test uses this version set of this service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitTest {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Its place in the order of creation.
    pub sequence: u64,
    /// The service's id.
    pub service_id: String,
    /// The version set's name.
    pub version_set: String,
}

/// A conversation that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Its place in the order of creation.
    pub sequence: u64,
    /// Who talks.
    pub user_id: String,
    /// With which service.
    pub service_id: String,
    /// Through which version set.
    pub version_set: String,
    /// The agent and its version at the start.
    pub agent: (String, u32),
    /// The context graph and its version at the start.
    pub context_graph: (String, u32),
    /// The preferences at the start.
    pub llm_model_preferences: Map<String, Value>,
    /// Its tags.
    pub tags: BTreeMap<String, Option<String>>,
    /// What was said, oldest first.
    pub messages: Vec<String>,
    /// Whether it is over.
    pub is_finished: bool,
    /// When it began, in milliseconds since the epoch.
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
