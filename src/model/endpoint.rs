//! The endpoints that have a request limit of their own, with the published numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;

/// An endpoint as the rate limits count it: per organization, not per key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Signing in with an API key.
    SignIn,
    /// A page of services.
    ListServices,
    /// Creating a service.
    CreateService,
    /// Updating a service.
    UpdateService,
    /// Writing a version set.
    WriteVersionSet,
    /// Deleting a version set.
    DeleteVersionSet,
    /// A page of agents.
    ListAgents,
    /// A page of context graphs.
    ListContextGraphs,
    /// A page of behavior sets.
    ListBehaviorSets,
    /// Applying a behavior set to services.
    UpdateBehaviorSet,
    /// Starting a conversation.
    StartConversation,
    /// Finishing a conversation.
    FinishConversation,
    /// A page of conversations.
    ListConversations,
    /// One service.
    GetService,
    /// Deleting a service.
    DeleteService,
    /// One agent.
    GetAgent,
    /// One context graph.
    GetContextGraph,
    /// One turn of a conversation.
    TakeTurn,
    /// An agent's versions.
    ListAgentVersions,
    /// A context graph's versions.
    ListContextGraphVersions,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 20] = [
        Self::SignIn,
        Self::ListServices,
        Self::CreateService,
        Self::UpdateService,
        Self::WriteVersionSet,
        Self::DeleteVersionSet,
        Self::ListAgents,
        Self::ListContextGraphs,
        Self::ListBehaviorSets,
        Self::UpdateBehaviorSet,
        Self::StartConversation,
        Self::FinishConversation,
        Self::ListConversations,
        Self::GetService,
        Self::DeleteService,
        Self::GetAgent,
        Self::GetContextGraph,
        Self::TakeTurn,
        Self::ListAgentVersions,
        Self::ListContextGraphVersions,
    ];

    /// What people read: a verb and a thing.
    pub fn label(self) -> &'static str {
        match self {
            Self::SignIn => "sign in",
            Self::ListServices => "list services",
            Self::CreateService => "create service",
            Self::UpdateService => "update service",
            Self::WriteVersionSet => "write version set",
            Self::DeleteVersionSet => "delete version set",
            Self::ListAgents => "list agents",
            Self::ListContextGraphs => "list context graphs",
            Self::ListBehaviorSets => "list behavior sets",
            Self::UpdateBehaviorSet => "apply behavior set",
            Self::StartConversation => "start conversation",
            Self::FinishConversation => "finish conversation",
            Self::ListConversations => "list conversations",
            Self::GetService => "get service",
            Self::DeleteService => "delete service",
            Self::GetAgent => "get agent",
            Self::GetContextGraph => "get context graph",
            Self::TakeTurn => "take turn",
            Self::ListAgentVersions => "list agent versions",
            Self::ListContextGraphVersions => "list context graph versions",
        }
    }

    /// The published limit, in requests a minute; none where nothing is published: Platform's limits show
    /// in its answers only. The answers' headers overrule it at run time.
    pub fn per_minute(self, api: Api) -> Option<u32> {
        if api == Api::Platform {
            return None;
        }
        match self {
            Self::SignIn | Self::StartConversation | Self::FinishConversation => Some(5),
            Self::ListServices => Some(50),
            Self::ListConversations => Some(15),
            Self::CreateService
            | Self::UpdateService
            | Self::ListAgents
            | Self::ListContextGraphs
            | Self::ListAgentVersions
            | Self::ListContextGraphVersions => Some(20),
            Self::WriteVersionSet | Self::DeleteVersionSet => Some(30),
            Self::ListBehaviorSets | Self::UpdateBehaviorSet => Some(500),
            Self::GetService
            | Self::DeleteService
            | Self::GetAgent
            | Self::GetContextGraph
            | Self::TakeTurn => None,
        }
    }

    /// The page size that lists are asked for, the API's maximum; 0 for what isn't a list.
    pub fn page_size(self, api: Api) -> usize {
        match (api, self) {
            (Api::Classic, Self::ListServices | Self::ListAgents) => 20,
            (Api::Classic, Self::ListContextGraphs | Self::ListBehaviorSets) => 50,
            (Api::Classic, Self::ListConversations) => 150,
            (Api::Platform, Self::ListServices) => 100,
            (Api::Platform, Self::ListAgents | Self::ListContextGraphs) => 20,
            _ => 0,
        }
    }
}
