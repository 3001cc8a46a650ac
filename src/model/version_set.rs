//! Version sets in the live state.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of an agent or context graph that a version set uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "PinText", into = "PinText")]
pub enum Pin {
    /// The newest version at the time when a conversation starts (`null` in the API).
    Latest,
    /// A fixed version number, which is 1 or more.
    Number(u32),
}

/// The format of a pin in documents: a number, or the word `latest`.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum PinText {
    Number(u32),
    Word(PinWord),
}

#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PinWord {
    Latest,
}

impl From<PinText> for Pin {
    fn from(text: PinText) -> Self {
        match text {
            PinText::Number(number) => Self::Number(number),
            PinText::Word(PinWord::Latest) => Self::Latest,
        }
    }
}

impl From<Pin> for PinText {
    fn from(pin: Pin) -> Self {
        match pin {
            Pin::Number(number) => Self::Number(number),
            Pin::Latest => Self::Word(PinWord::Latest),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.pad("latest"),
            Self::Number(number) => f.pad(&number.to_string()),
        }
    }
}

/// The language model that an interaction should use, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlmPreference {
    /// The model's name. It is not checked, because the vendor's list of models changes often.
    pub llm_name: String,
    /// The model's parameters, such as `temperature`. If a response has them next to the model's name, they are moved
    /// here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// The experience controls, which are settings of the model's behavior ([`super::settings::EXPERIENCE_CONTROLS`]),
    /// without null values. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub experience_controls: Map<String, Value>,
    /// The other fields that the server returned. They are sent back whenever the version set is written.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub carried: Map<String, Value>,
}

/// The complete content of a version set. Writing a version set replaces it, so a field that is missing here is lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionSet {
    /// The version of the agent.
    pub agent_version: Pin,
    /// The version of the context graph.
    pub context_graph_version: Pin,
    /// The model preferences, by the name of the interaction.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub llm_model_preferences: BTreeMap<String, LlmPreference>,
    /// The fields that manifests don't have (`applied_behavior_ids` and unknown fields). They are sent back on every
    /// write.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub carried: Map<String, Value>,
}

impl VersionSet {
    /// Returns the initial version set of a service: latest versions, and no model preferences.
    pub fn latest() -> Self {
        Self {
            agent_version: Pin::Latest,
            context_graph_version: Pin::Latest,
            llm_model_preferences: BTreeMap::new(),
            carried: Map::new(),
        }
    }
}
