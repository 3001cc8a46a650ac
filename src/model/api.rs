//! The vendor's two APIs, and the differences between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::desired::OnAgentChange;

/// The vendor's two APIs. Each difference that matters for planning has a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// The API at `https://api.amigo.ai`. It has organizations and ids of 24 hexadecimal digits, and it can't delete
    /// services.
    Classic,
    /// The API at `https://api.platform.amigo.ai`. It has workspaces, UUIDs as ids and nested settings. It has no
    /// request that deletes a version set.
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

    /// Returns the base URL of the vendor's servers for this API.
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::Classic => "https://api.amigo.ai",
            Self::Platform => "https://api.platform.amigo.ai",
        }
    }

    /// Returns this API's word for the container of services: `organization` or `workspace`.
    pub fn home_noun(self) -> &'static str {
        match self {
            Self::Classic => "organization",
            Self::Platform => "workspace",
        }
    }

    /// Returns the maximum number of tags of a service, including the tags that amigops writes.
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

    /// Returns true if an inactive service may prevent another service from getting the same name. For Platform, `true`
    /// is assumed: if a name is taken, the answer (status 409) does not show whether the other service is active.
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

    /// Returns true if one update request can change a service's agent and its version sets together, so that the
    /// version numbers always belong to the agent.
    pub fn updates_version_sets(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Returns true if the server creates the version sets `edge` and `release` together with each new service.
    pub fn makes_version_sets(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Returns true if the API requires a description for each service.
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

    /// Returns true if the API has behavior sets, which apply behaviors to a list of services.
    pub fn has_behavior_sets(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Returns true if the API can delete services.
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
