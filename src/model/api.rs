//! Which of the two APIs a plan is for, and what differs between them as far as planning is concerned.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OnAgentChange;

/// The vendor's two APIs. Every difference that planning must know is a method here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `https://api.amigo.ai`: organizations, 24-digit ids, no delete.
    Classic,
    /// `https://api.platform.amigo.ai`: workspaces, UUIDs, nested settings, no delete of a version set.
    Platform,
}

impl Api {
    /// The API's name as environments spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Platform => "platform",
        }
    }

    /// The vendor's address.
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::Classic => "https://api.amigo.ai",
            Self::Platform => "https://api.platform.amigo.ai",
        }
    }

    /// What the API calls that which holds services.
    pub fn home_noun(self) -> &'static str {
        match self {
            Self::Classic => "organization",
            Self::Platform => "workspace",
        }
    }

    /// The most tags a service may carry, the tool's own included.
    pub fn max_tags(self) -> usize {
        match self {
            Self::Classic => 20,
            Self::Platform => 50,
        }
    }

    /// The most characters of a service's name; none where no bound is documented.
    pub fn max_name(self) -> Option<usize> {
        match self {
            Self::Classic => None,
            Self::Platform => Some(256),
        }
    }

    /// What the API calls a context graph in messages.
    pub fn context_graph_noun(self) -> &'static str {
        match self {
            Self::Classic => "context graph (state machine)",
            Self::Platform => "context graph",
        }
    }

    /// Whether an inactive service keeps others from taking its name. Platform's 409 does not say, so
    /// that nothing may depend on the answer being no.
    pub fn inactive_services_hold_names(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Whether a service can be created with all its version sets in one request; else with `release` only.
    pub fn creates_with_version_sets(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Whether one update may change an agent and write version sets, so that their pins never disagree.
    pub fn updates_version_sets(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// Whether a new service is born with `edge` and `release`.
    pub fn makes_version_sets(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Whether a service must have a description.
    pub fn wants_description(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Whether one request reads several services by id.
    pub fn reads_services_together(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Whether dynamic behavior sets are applied to services.
    pub fn has_behavior_sets(self) -> bool {
        match self {
            Self::Classic => true,
            Self::Platform => false,
        }
    }

    /// Whether services can be deleted.
    pub fn deletes_services(self) -> bool {
        match self {
            Self::Classic => false,
            Self::Platform => true,
        }
    }

    /// How a changed agent is brought about where a manifest does not say.
    pub fn on_agent_change(self) -> OnAgentChange {
        match self {
            Self::Classic => OnAgentChange::Replace,
            Self::Platform => OnAgentChange::Update,
        }
    }
}
