//! The types of rows and settings that organizations and workspaces have in common.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::table::Row;

/// The agents' settings in an organization or workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// The names of the LLMs that version sets may use. `None` accepts every name.
    pub llms: Option<BTreeSet<String>>,
    /// The settings for the agents' replies.
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
    /// True if the agent ends the conversation with this reply (Classic API).
    pub finishes: bool,
    /// True if the agent does not reply (Platform API).
    pub silent: bool,
    /// True if another turn of the same speaker is still in progress (Platform API).
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

/// An agent or a context graph. Version sets pin versions of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogItem {
    /// The id: 24 hexadecimal digits in an organization, a UUID in a workspace.
    pub id: String,
    /// The number of the agent or context graph in the order of creation.
    pub sequence: u64,
    /// The name.
    pub name: String,
    /// The number of the latest version. The versions from 1 to this number exist. 0 means that there are no
    /// versions.
    pub versions: u32,
    /// True if the agent or context graph is deprecated. A service that uses a deprecated one can't be activated.
    pub deprecated: bool,
    /// The time of creation, in milliseconds since the epoch.
    pub created_at: i64,
}

/// A version set of a service: pinned versions and LLM preferences. The service stores it under its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionSet {
    /// The pinned version of the agent. `None` means the latest version.
    pub agent_version: Option<u32>,
    /// The pinned version of the context graph. `None` means the latest version.
    pub context_graph_version: Option<u32>,
    /// For each interaction, the preferred LLM and its parameters, as the client sent them: `{llm_name, params}`.
    pub llm_model_preferences: Map<String, Value>,
    /// All other fields, as the client sent them. An example is `applied_behavior_ids`.
    pub extra: Map<String, Value>,
}

/// Implements [`Row`] for types with the fields `id` and `sequence`.
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

pub(super) use row;

row!(CatalogItem);
