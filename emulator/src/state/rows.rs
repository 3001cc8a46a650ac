//! Rust types for the rows and settings that exist in both organizations and workspaces: agents, context graphs,
//! version sets, LLMs and replies.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::table::Row;

/// The settings for the agents of an organization or workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentSettings {
    /// The names of the LLMs that version sets can use. `None` means that any name is accepted.
    pub llms: Option<BTreeSet<String>>,
    /// The agents' replies in conversations.
    pub replies: Replies,
}

/// The agents' replies in conversations. If none are defined, an agent greets the user and repeats the user's messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Replies {
    /// The first message of a conversation in which the agent speaks first. `{agent}` and `{service}` are replaced by
    /// the names of the agent and the service.
    pub greeting: Option<String>,
    /// Fixed replies for certain conversations. An agent uses the first reply whose conditions are all true.
    pub canned: Vec<CannedReply>,
}

/// A fixed reply of an agent. It is used only if all its conditions are true.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CannedReply {
    /// Condition: the name of the service. If absent, any service matches.
    pub service: Option<String>,
    /// Condition: the name of the version set. If absent, any version set matches.
    pub version_set: Option<String>,
    /// Condition: the version of the agent. If absent, any version matches.
    pub agent_version: Option<u32>,
    /// Condition: the version of the context graph. If absent, any version matches.
    pub context_graph_version: Option<u32>,
    /// Condition: a text that the user's message must contain. If absent, any message matches, and the agent can also
    /// begin a conversation with this reply.
    pub says: Option<String>,
    /// The text of the agent's reply. `{agent}` and `{service}` are replaced by the names of the agent and the service.
    pub answer: Option<String>,
    /// An error that is sent instead of a reply.
    pub error: Option<ReplyError>,
    /// True if the agent ends the conversation with this reply. This has an effect only on the Classic API.
    pub finishes: bool,
    /// True if the agent does not reply at all. This has an effect only on the Platform API.
    pub silent: bool,
    /// True if the request is refused, as if another turn of the same user were still in progress. This has an effect
    /// only on the Platform API.
    pub busy: bool,
}

/// An error that is sent instead of an agent's reply. On the Classic API, the answer has the status 201, and the error
/// is an event in the answer's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyError {
    /// The HTTP status of the error.
    pub code: u16,
    /// The description of the error.
    pub description: String,
}

/// An agent or a context graph. A version set can pin one of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogItem {
    /// The id: 24 hexadecimal digits in an organization, and a UUID in a workspace.
    pub id: String,
    /// The number of the agent or context graph in the order of creation.
    pub sequence: u64,
    /// The name of the agent or context graph.
    pub name: String,
    /// The number of versions, which is also the number of the latest version. The first version has the number 1.
    pub versions: u32,
    /// True if the agent or context graph is deprecated. On the Classic API, a service that uses it can't be activated.
    pub deprecated: bool,
    /// The time of creation, in milliseconds since 1970.
    pub created_at: i64,
}

/// A version set of a service: the pinned versions and the LLM preferences. Its name is the key under which the service
/// stores it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionSet {
    /// The pinned version of the agent. `None` means the latest version.
    pub agent_version: Option<u32>,
    /// The pinned version of the context graph. `None` means the latest version.
    pub context_graph_version: Option<u32>,
    /// The preferred LLM for each kind of interaction: an object with the LLM's name and its parameters.
    pub llm_model_preferences: Map<String, Value>,
    /// All other fields as the client sent them, such as `applied_behavior_ids`.
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
