//! The endpoints of the two APIs that `amigops` uses, with the rate limits that the vendor publishes for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::Api;

/// An endpoint with its own rate limit. All API keys of an organization share this limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Sign in with an API key.
    SignIn,
    /// List a page of services.
    ListServices,
    /// Create a service.
    CreateService,
    /// Update a service.
    UpdateService,
    /// Write a version set.
    WriteVersionSet,
    /// Delete a version set.
    DeleteVersionSet,
    /// List a page of agents.
    ListAgents,
    /// List a page of context graphs.
    ListContextGraphs,
    /// List a page of behavior sets.
    ListBehaviorSets,
    /// Apply a behavior set to services.
    UpdateBehaviorSet,
    /// Start a conversation.
    StartConversation,
    /// Finish a conversation.
    FinishConversation,
    /// List a page of conversations.
    ListConversations,
    /// Get one service.
    GetService,
    /// Delete a service.
    DeleteService,
    /// Get one agent.
    GetAgent,
    /// Get one context graph.
    GetContextGraph,
    /// Send one message of a conversation and get the agent's answer.
    TakeTurn,
    /// List an agent's versions.
    ListAgentVersions,
    /// List a context graph's versions.
    ListContextGraphVersions,
}

impl Endpoint {
    /// All endpoints.
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

    /// Returns the name of the endpoint in reports: a verb and a noun, such as `list services`.
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

    /// Returns the published limit in requests per minute, or `None` if no limit is published. Platform publishes no
    /// limits and only sends them in response headers. A limit in a response header overrides the published one.
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

    /// Returns the number of entries to request per page: the API's maximum, or 0 if the endpoint does not return a
    /// list.
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
