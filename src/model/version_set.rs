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
    /// The newest version when a conversation starts (`null` in the API).
    Latest,
    /// A fixed version, from 1.
    Number(u32),
}

/// The format of a pin in documents.
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

/// The model preference of one interaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlmPreference {
    /// The model's name. Not checked, because the vendor's list changes often.
    pub llm_name: String,
    /// Parameters such as `temperature`. If a response has them next to the name, they are moved here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Platform's controls ([`super::settings::EXPERIENCE_CONTROLS`]), without nulls. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub experience_controls: Map<String, Value>,
    /// Other fields from the server, sent back whenever the version set is written.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub carried: Map<String, Value>,
}

/// The complete content of a version set. Writing a version set replaces it, so a field that is missing here is lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionSet {
    /// The agent's version.
    pub agent_version: Pin,
    /// The context graph's version.
    pub context_graph_version: Pin,
    /// Preferences by interaction name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub llm_model_preferences: BTreeMap<String, LlmPreference>,
    /// Fields that manifests don't have (`applied_behavior_ids`, unknown ones), sent back on every write.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub carried: Map<String, Value>,
}

impl VersionSet {
    /// Returns the initial version set of a service: latest versions, no preferences.
    pub fn latest() -> Self {
        Self {
            agent_version: Pin::Latest,
            context_graph_version: Pin::Latest,
            llm_model_preferences: BTreeMap::new(),
            carried: Map::new(),
        }
    }
}
