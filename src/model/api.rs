//! The two APIs and their differences.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::desired::OnAgentChange;

/// The vendor's two APIs. Each difference that matters for planning has a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `https://api.amigo.ai`: organizations, 24-digit ids, no delete.
    Classic,
    /// `https://api.platform.amigo.ai`: workspaces, UUIDs, nested settings, no delete of a version set.
    Platform,
}

impl Api {
    /// Returns the API's name in `amigops.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Platform => "platform",
        }
    }

    /// Returns the vendor's base URL.
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::Classic => "https://api.amigo.ai",
            Self::Platform => "https://api.platform.amigo.ai",
        }
    }

    /// Returns the API's word for what contains the services: `organization` or `workspace`.
    pub fn home_noun(self) -> &'static str {
        match self {
            Self::Classic => "organization",
            Self::Platform => "workspace",
        }
    }

    /// Returns the maximum number of tags of a service, including amigops's own.
    pub fn max_tags(self) -> usize {
        match self {
            Self::Classic => 20,
            Self::Platform => 50,
        }
    }

    /// Returns the maximum length of a service's name in characters, or `None` if no limit is documented.
    pub fn max_name(self) -> Option<usize> {
        match self {
            Self::Classic => None,
            Self::Platform => Some(256),
        }
    }

    /// Returns the API's word for a context graph.
    pub fn context_graph_noun(self) -> &'static str {
        match self {
            Self::Classic => "context graph (state machine)",
            Self::Platform => "context graph",
        }
    }

    /// Returns true if an inactive service may prevent another service from getting the same name. Platform's 409
    /// response does not say if it does, so this function assumes that it does.
    pub fn inactive_services_hold_names(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Returns true if one request can create a service with all its version sets, not only with `release`.
    pub fn creates_with_version_sets(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Returns true if one update request can change a service's agent and write its version sets, so that their
    /// versions always match the agent.
    pub fn updates_version_sets(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Returns true if the server creates `edge` and `release` with a new service.
    pub fn makes_version_sets(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Returns true if a service must have a description.
    pub fn wants_description(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Returns true if one request can read several services by id.
    pub fn reads_services_together(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Returns true if the API has dynamic behavior sets.
    pub fn has_behavior_sets(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Returns true if services can be deleted.
    pub fn deletes_services(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Returns the API's default for `on_agent_change`, the way to change a service's agent or context graph.
    pub fn on_agent_change(self) -> OnAgentChange {
        match self {
            Self::Classic => OnAgentChange::Replace,
            Self::Platform => OnAgentChange::Update,
        }
    }
}
