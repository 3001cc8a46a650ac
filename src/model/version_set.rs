//! Version sets as the live state holds them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which version of an agent or context graph a version set uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "PinText", into = "PinText")]
pub enum Pin {
    /// Whatever is newest when a conversation starts (`null` on the wire).
    Latest,
    /// Exactly this one, from 1.
    Number(u32),
}

/// A pin as documents have it.
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

/// The model that one interaction prefers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LlmPreference {
    /// The model's name, passed through: the vendor's list ages fast.
    pub llm_name: String,
    /// Parameters such as `temperature`; where an answer has them beside the name, they are moved here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Platform's controls ([`super::settings::EXPERIENCE_CONTROLS`]), without nulls. Empty on Classic.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub experience_controls: Map<String, Value>,
    /// What else the server said of it, carried over whenever the set is written.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub carried: Map<String, Value>,
}

/// A named set of pins and model preferences, whole: writing one replaces it, so what isn't here is destroyed.
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
    /// Fields that no manifest names (`applied_behavior_ids`, unknown ones), carried over on every write.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub carried: Map<String, Value>,
}

impl VersionSet {
    /// The set that a service is born with: latest versions, no preferences.
    pub fn latest() -> Self {
        Self {
            agent_version: Pin::Latest,
            context_graph_version: Pin::Latest,
            llm_model_preferences: BTreeMap::new(),
            carried: Map::new(),
        }
    }
}
