//! The JSON that both APIs have in common: tags, version sets, model preferences, names.
//!
//! Reading is tolerant: missing fields get a default. Unknown fields are kept if a write would otherwise remove them.
//! Writing is exact: a request contains only known fields and the fields that were kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::{LatestVersion, LlmPreference, Pin, VersionSet, VersionSetName, trimmed};

/// The tags of a service in an answer. They are usually a list, but a map is accepted as well.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Tags {
    List(Vec<Tag>),
    Map(BTreeMap<String, Option<String>>),
}

#[derive(Deserialize)]
pub(super) struct Tag {
    key: String,
    #[serde(default)]
    value: Option<String>,
}

impl Tags {
    /// Returns the tags by key, and the keys that occur more than once.
    pub(super) fn into_map(self) -> (BTreeMap<String, Option<String>>, BTreeSet<String>) {
        let list: Vec<(String, Option<String>)> = match self {
            Self::List(list) => list.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            Self::Map(map) => map.into_iter().collect(),
        };
        let (mut tags, mut repeated) = (BTreeMap::new(), BTreeSet::new());
        for (key, value) in list {
            let value = value.map(|value| trim_text(&value));
            if tags.insert(trim_text(&key), value).is_some() {
                repeated.insert(trim_text(&key));
            }
        }
        (tags, repeated)
    }
}

/// Returns the text without white space at its beginning and end, as the servers store it.
pub(super) fn trim_text(text: &str) -> String {
    trimmed(text).to_owned()
}

/// Returns the id of the user who changed a service. `by` is the id, or an object that contains it as `user_id`.
pub(super) fn user_id(by: &Value) -> Option<String> {
    by.get("user_id").unwrap_or(by).as_str().map(str::to_owned)
}

/// The JSON keys that may contain the agent's version in an answer of either API. The second key is from early versions
/// of the documentation.
const AGENT_VERSION: [&str; 2] = ["agent_version_number", "agent_version"];
/// The JSON keys that may contain the version of the context graph in an answer of either API. The last two keys are
/// from early versions of the documentation.
const CONTEXT_GRAPH_VERSION: [&str; 4] = [
    "service_hierarchical_state_machine_version_number",
    "context_graph_version_number",
    "service_hierarchical_state_machine_version",
    "context_graph_version",
];
/// The fields of a service that some answers repeat in each version set.
const SERVICE_KEYS: [&str; 3] = ["agent_id", "service_hierarchical_state_machine_id", "context_graph_id"];

/// The JSON of the version sets of a service, by name.
pub(super) type RawVersionSets = BTreeMap<String, Option<Map<String, Value>>>;

/// Parses the version sets of a service.
pub(super) fn parse_version_sets(sets: Option<RawVersionSets>) -> BTreeMap<VersionSetName, VersionSet> {
    let sets = sets.unwrap_or_default().into_iter();
    sets.map(|(name, set)| (VersionSetName::new(name), parse_version_set(set.unwrap_or_default()))).collect()
}

/// Parses a version set. Unknown fields are kept in [`VersionSet::carried`], so that a write does not remove them.
pub(super) fn parse_version_set(mut set: Map<String, Value>) -> VersionSet {
    let preferences = match set.remove("llm_model_preferences") {
        Some(Value::Object(preferences)) => preferences,
        _ => Map::new(),
    };
    let agent_version = take_pin(&mut set, &AGENT_VERSION);
    let context_graph_version = take_pin(&mut set, &CONTEXT_GRAPH_VERSION);
    set.retain(|key, _| !SERVICE_KEYS.contains(&key.as_str()));
    VersionSet {
        agent_version,
        context_graph_version,
        llm_model_preferences: preferences
            .into_iter()
            .filter_map(|(key, value)| Some((key, parse_preference(value)?)))
            .collect(),
        carried: set,
    }
}

fn take_pin(set: &mut Map<String, Value>, spellings: &[&str]) -> Pin {
    let mut pin = Pin::Latest;
    for spelling in spellings.iter().rev() {
        let value = set.remove(*spelling);
        if let Some(number) = value.as_ref().and_then(parse_version_number) {
            pin = Pin::Number(number);
        }
    }
    pin
}

/// Parses a version number, which may be written as `3`, `3.0` or `"3"`.
fn parse_version_number(value: &Value) -> Option<u32> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    (number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX)).then_some(number as u32)
}

/// The model parameters that older servers return next to the model's name, not in `params`.
const OLD_PARAMS: [&str; 3] = ["temperature", "top_k", "top_p"];

fn parse_preference(value: Value) -> Option<LlmPreference> {
    let Value::Object(mut fields) = value else { return None };
    // No manifest can declare a preference without a name. If the server returns one, the name is empty, and writes
    // send the preference back unchanged.
    let llm_name =
        fields.remove("llm_name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let mut params = match fields.remove("params") {
        Some(Value::Object(params)) => params,
        _ => Map::new(),
    };
    for key in OLD_PARAMS {
        if let Some(value) = fields.remove(key).filter(|value| !value.is_null()) {
            params.entry(key).or_insert(value);
        }
    }
    Some(LlmPreference { llm_name, params, experience_controls: Map::new(), carried: fields })
}

fn pin_value(pin: Pin) -> Value {
    match pin {
        Pin::Latest => Value::Null,
        Pin::Number(number) => json!(number),
    }
}

/// Returns the JSON of a version set for a write: the versions of the agent and the context graph, the model
/// preferences, and the unknown fields that were read from the server. `context_graph_key` is the API's key for the
/// version of the context graph.
pub(super) fn version_set_body(set: &VersionSet, context_graph_key: &str) -> Map<String, Value> {
    let VersionSet { agent_version, context_graph_version, llm_model_preferences, carried } = set;
    let preferences: Map<String, Value> = llm_model_preferences
        .iter()
        .map(|(interaction, preference)| (interaction.clone(), Value::Object(preference_body(preference))))
        .collect();
    let mut body = carried.clone();
    body.insert(AGENT_VERSION[0].to_owned(), pin_value(*agent_version));
    body.insert(context_graph_key.to_owned(), pin_value(*context_graph_version));
    body.insert("llm_model_preferences".to_owned(), Value::Object(preferences));
    body
}

fn preference_body(preference: &LlmPreference) -> Map<String, Value> {
    let LlmPreference { llm_name, params, experience_controls, carried } = preference;
    let mut body = carried.clone();
    if !llm_name.is_empty() {
        body.insert("llm_name".to_owned(), json!(llm_name));
        body.insert("params".to_owned(), json!(params));
    }
    if !experience_controls.is_empty() {
        body.insert("experience_controls".to_owned(), json!(experience_controls));
    }
    body
}

/// An agent or context graph, as an entry of a list.
#[derive(Deserialize)]
pub(super) struct CatalogItem {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) deprecated: Option<bool>,
    /// The value of `latest_version` in the answer: `None` if the field is missing, and `Some(Value::Null)` if it is
    /// null.
    #[serde(default, deserialize_with = "deserialize_present")]
    pub(super) latest_version: Option<Value>,
}

/// Deserializes a field that is present. Returns `Some` even if the field is null, so that null differs from a missing
/// field.
fn deserialize_present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl CatalogItem {
    /// Returns the newest version. It is unknown if the field is missing or is not a number. Null (Classic) or 0
    /// (Platform) means that there is no version yet.
    pub(super) fn latest(&self) -> LatestVersion {
        match &self.latest_version {
            None => LatestVersion::Unknown,
            Some(Value::Null) => LatestVersion::None,
            Some(value) => match parse_version_number(value) {
                None => LatestVersion::Unknown,
                Some(0) => LatestVersion::None,
                Some(number) => LatestVersion::Number(number),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_version_differs_from_an_unknown_version() {
        let of = |value: Value| serde_json::from_value::<CatalogItem>(value).expect("an item").latest();
        assert_eq!(of(json!({"id": "1", "name": "a"})), LatestVersion::Unknown);
        assert_eq!(of(json!({"id": "1", "name": "a", "latest_version": "new"})), LatestVersion::Unknown);
        assert_eq!(of(json!({"id": "1", "name": "a", "latest_version": null})), LatestVersion::None);
        assert_eq!(of(json!({"id": "1", "name": "a", "latest_version": 0})), LatestVersion::None);
        assert_eq!(of(json!({"id": "1", "name": "a", "latest_version": 3.0})), LatestVersion::Number(3));
    }

    #[test]
    fn tags_are_read_from_lists_and_maps() {
        let of = |value: Value| serde_json::from_value::<Tags>(value).expect("tags").into_map();
        let tags = BTreeMap::from([("a".to_owned(), None), ("tier".to_owned(), Some("gold".to_owned()))]);
        let twice =
            of(json!([{"key": "a"}, {"key": "tier", "value": "x"}, {"key": "tier", "value": "gold"}]));
        assert_eq!(twice, (tags.clone(), BTreeSet::from(["tier".to_owned()])));
        let wanted = (tags, BTreeSet::new());
        assert_eq!(of(json!([{"key": " tier", "value": "gold "}, {"key": "a", "value": null}])), wanted);
        assert_eq!(of(json!([{"key": "tier", "value": "gold"}, {"key": "a"}])), wanted);
        assert_eq!(of(json!({"tier": "gold", "a": null})), wanted);
    }
}
