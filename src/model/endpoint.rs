//! The endpoints that have a request limit of their own, with the published numbers. Imports nothing of ours.

use super::Api;

/// An endpoint as the rate limits count it: per organization, not per key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 13] = [
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
        }
    }

    /// The published limit, in requests a minute. The answers' headers overrule it at run time.
    pub fn per_minute(self, api: Api) -> u32 {
        match (api, self) {
            (Api::Classic, Self::SignIn | Self::StartConversation | Self::FinishConversation) => 5,
            (Api::Classic, Self::ListServices) => 50,
            (Api::Classic, Self::ListConversations) => 15,
            (
                Api::Classic,
                Self::CreateService | Self::UpdateService | Self::ListAgents | Self::ListContextGraphs,
            ) => 20,
            (Api::Classic, Self::WriteVersionSet | Self::DeleteVersionSet) => 30,
            (Api::Classic, Self::ListBehaviorSets | Self::UpdateBehaviorSet) => 500,
        }
    }

    /// The page size that lists are asked for, the API's maximum; 0 for what isn't a list.
    pub fn page_size(self, api: Api) -> usize {
        match (api, self) {
            (Api::Classic, Self::ListServices | Self::ListAgents) => 20,
            (Api::Classic, Self::ListContextGraphs | Self::ListBehaviorSets) => 50,
            (Api::Classic, Self::ListConversations) => 150,
            _ => 0,
        }
    }
}
