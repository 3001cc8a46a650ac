//! Tables that describe the Platform API's nested settings: their fields, types, limits and defaults.
//!
//! The loader checks manifests with these tables, live values are normalized with them, and schemas are generated from
//! them. To support a new field of the API, add one line here. Source: the vendor's OpenAPI document, schemas
//! `CreateServiceRequest`, `ServiceVoiceConfig`, `EscalationPolicy` and `LLMExperienceControls`.
//! `tests/suite/platform/fields.rs` compares the tables with that document.

use serde_json::{Map, Value, json};

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number within inclusive limits.
    Integer {
        /// The smallest allowed number.
        min: i64,
        /// The largest allowed number.
        max: i64,
    },
    /// A number within inclusive limits.
    Number {
        /// The smallest allowed number.
        min: f64,
        /// The largest allowed number.
        max: f64,
    },
    /// A string with a limited number of characters.
    Text {
        /// The minimum number of characters.
        min: usize,
        /// The maximum number of characters.
        max: usize,
    },
    /// One of the listed words.
    OneOf(&'static [&'static str]),
    /// A list whose values are all of the given kind.
    List(&'static Kind),
    /// A string, or a list of strings.
    TextOrList,
    /// A map whose keys the user chooses, and whose values are all of one kind.
    Map {
        /// The kind of the map's values.
        of: &'static Kind,
        /// The maximum number of entries in the map.
        most: usize,
    },
    /// Any JSON value.
    Any,
    /// An object that has these fields.
    Object(&'static [SettingField]),
}

/// The server's default for a missing field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Default {
    /// The field has no default of its own: the workspace's setting applies.
    Nothing,
    /// A default that is `true` or `false`.
    Boolean(bool),
    /// A default that is a whole number.
    Integer(i64),
    /// A default that is one of the allowed words.
    Word(&'static str),
    /// An object in which each missing field has its own default.
    Fields,
}

/// The description of one field of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SettingField {
    /// The field's name in the API.
    pub name: &'static str,
    /// The type of the field's value.
    pub kind: Kind,
    /// True if the field can be null. Null removes the field's value.
    pub nullable: bool,
    /// True if the object requires the field.
    pub required: bool,
    /// The server's default if the field is missing.
    pub default: Default,
    /// The description of the field in schemas and documentation.
    pub about: &'static str,
}

const INTEGER: Kind = Kind::Integer { min: i64::MIN, max: i64::MAX };
const NUMBER: Kind = Kind::Number { min: f64::MIN, max: f64::MAX };
const TEXT: Kind = Kind::Text { min: 0, max: usize::MAX };
const FREE: Kind = Kind::Map { of: &Kind::Any, most: usize::MAX };

/// Creates the description of a field that can be null. If the field is null, the workspace's setting applies.
const fn optional(name: &'static str, kind: Kind, about: &'static str) -> SettingField {
    SettingField { name, kind, nullable: true, required: false, default: Default::Nothing, about }
}

/// Creates the description of a field that can't be null and has a default.
const fn always(name: &'static str, kind: Kind, default: Default, about: &'static str) -> SettingField {
    SettingField { name, kind, nullable: false, required: false, default, about }
}

/// Creates the description of a field that the object requires.
const fn required(name: &'static str, kind: Kind, about: &'static str) -> SettingField {
    SettingField { name, kind, nullable: false, required: true, default: Default::Nothing, about }
}

const TTS_PROVIDERS: Kind = Kind::OneOf(&["cartesia", "elevenlabs", "groq"]);

const LANGUAGE_PROVIDER: &[SettingField] = &[
    required("provider", TTS_PROVIDERS, "the provider that speaks this language"),
    SettingField {
        name: "config",
        kind: Kind::Map { of: &Kind::Any, most: 20 },
        nullable: false,
        required: false,
        default: Default::Fields,
        about: "the provider's own settings",
    },
];

const FORWARDING: &[SettingField] = &[
    required(
        "forward_to",
        Kind::Text { min: 2, max: 16 },
        "the phone number to forward calls to, in E.164 format",
    ),
    always(
        "should_disconnect",
        Kind::Boolean,
        Default::Boolean(true),
        "disconnect the agent after the transfer",
    ),
    always(
        "warm_transfer",
        Kind::Boolean,
        Default::Boolean(true),
        "introduce the caller before the transfer",
    ),
];

/// The fields of `voice_config`: the voice pipeline of one service, which overrides the workspace's settings.
pub const VOICE_CONFIG: &[SettingField] = &[
    optional("tts_model", Kind::OneOf(&["sonic-turbo", "sonic-3"]), "the text-to-speech model"),
    optional("max_buffer_delay_ms", INTEGER, "the maximum time to buffer speech, in milliseconds"),
    optional(
        "eager_eot_threshold",
        NUMBER,
        "the confidence from which the caller's turn is treated as finished early",
    ),
    optional("eot_timeout_ms", INTEGER, "the silence that ends a turn, in milliseconds"),
    always(
        "filler_style",
        Kind::OneOf(&["backchannel", "phrase", "silent"]),
        Default::Word("backchannel"),
        "the style of filler speech while the agent thinks",
    ),
    optional("filler_vocabulary", Kind::List(&TEXT), "the filler words"),
    always(
        "backchannel_delay_ms",
        INTEGER,
        Default::Integer(400),
        "the delay before a listening sound (backchannel), in milliseconds",
    ),
    optional("max_response_sentences", INTEGER, "the maximum number of sentences in an answer"),
    optional("max_response_words", INTEGER, "the maximum number of words in an answer"),
    optional("barge_in_min_speech_s", NUMBER, "the length of speech that interrupts the agent, in seconds"),
    optional("barge_in_cooldown_s", NUMBER, "the minimum time between interruptions, in seconds"),
    optional("min_tts_speed", NUMBER, "the minimum speed of speech"),
    optional("post_eot_pause_ms", INTEGER, "the pause after a turn, in milliseconds"),
    optional("transition_deadline_ms", INTEGER, "the maximum time for a transition, in milliseconds"),
    optional("progress_interval_ms", INTEGER, "the interval between progress phrases, in milliseconds"),
    optional("empathy_hold_ms", INTEGER, "the pause after emotional statements, in milliseconds"),
    optional("filler_cooldown_ms", INTEGER, "the minimum time between filler phrases, in milliseconds"),
    optional("progress_vocabulary", Kind::List(&TEXT), "the progress phrases"),
    optional("tts_provider", TTS_PROVIDERS, "the text-to-speech provider"),
    optional("tts_config", FREE, "the provider's own settings"),
    optional(
        "language_providers",
        Kind::Map { of: &Kind::Object(LANGUAGE_PROVIDER), most: 10 },
        "the text-to-speech provider of each language",
    ),
    always(
        "forward_call_enabled",
        Kind::Boolean,
        Default::Boolean(false),
        "allow the agent to forward calls",
    ),
    optional("forwarding", Kind::Object(FORWARDING), "the target of forwarded calls"),
];

const ESCALATION: Kind = Kind::Object(&[always(
    "type",
    Kind::OneOf(&["operator", "forward", "hangup"]),
    Default::Word("operator"),
    "the action",
)]);

/// The fields of `escalation_policy`: the actions that follow when the vendor's engine stops a conversation.
pub const ESCALATION_POLICY: &[SettingField] = &[
    always(
        "context_window_exhaustion",
        ESCALATION,
        Default::Fields,
        "the action when the conversation is too long",
    ),
    always("risk_scorer", ESCALATION, Default::Fields, "the action when the risk is too high"),
    always(
        "conversation_monitor",
        ESCALATION,
        Default::Fields,
        "the action when the monitor raises an alarm",
    ),
];

const PENALTY: Kind = Kind::Number { min: -2.0, max: 2.0 };

/// The fields of `experience_controls` of a model preference. No other key is allowed.
pub const EXPERIENCE_CONTROLS: &[SettingField] = &[
    optional("verbosity", Kind::OneOf(&["low", "medium", "high"]), "the length of the model's answers"),
    optional(
        "reasoning_effort",
        Kind::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh"]),
        "the amount of reasoning",
    ),
    optional("temperature", Kind::Number { min: 0.0, max: 2.0 }, "the sampling temperature"),
    optional(
        "top_p",
        Kind::Number { min: 0.0, max: 1.0 },
        "the share of tokens to sample from (nucleus sampling)",
    ),
    optional("presence_penalty", PENALTY, "the penalty for words that already occurred"),
    optional("frequency_penalty", PENALTY, "the penalty for words, depending on how often they occurred"),
    optional("response_format", FREE, "the format of answers"),
    optional("seed", INTEGER, "the random seed"),
    optional("stop", Kind::TextOrList, "the sequences that end an answer"),
    optional(
        "logit_bias",
        Kind::Map { of: &Kind::Number { min: -100.0, max: 100.0 }, most: usize::MAX },
        "the bias of individual tokens",
    ),
    optional("logprobs", Kind::Boolean, "return the probabilities of tokens"),
    optional(
        "top_logprobs",
        Kind::Integer { min: 0, max: 20 },
        "the number of probabilities to return per token",
    ),
    optional("parallel_tool_calls", Kind::Boolean, "allow parallel tool calls"),
    optional("service_tier", TEXT, "the provider's service tier"),
    optional("prompt_cache_key", TEXT, "the key of the prompt cache"),
    optional("prompt_cache_retention", Kind::OneOf(&["in-memory", "24h"]), "how long prompts are cached"),
    optional("safety_identifier", TEXT, "the end user's id for the provider's safety systems"),
    optional("store", Kind::Boolean, "let the provider store answers"),
    optional("metadata", Kind::Map { of: &TEXT, most: usize::MAX }, "metadata to attach to each request"),
];

/// The settings of a service that exist only in the Platform API.
pub const SERVICE: &[SettingField] = &[
    always(
        "channel_type",
        Kind::OneOf(&["voice", "text"]),
        Default::Word("voice"),
        "the channel that users talk to the service on",
    ),
    always(
        "environment",
        Kind::OneOf(&["sandbox", "production"]),
        Default::Word("production"),
        "the platform's environment that runs the service",
    ),
    always(
        "tool_capacity",
        Kind::Integer { min: 1, max: 10 },
        Default::Integer(3),
        "the maximum number of tools that run at the same time",
    ),
    always("safety_filters_enabled", Kind::Boolean, Default::Boolean(true), "enable safety filters"),
    optional(
        "voice_config",
        Kind::Object(VOICE_CONFIG),
        "the voice pipeline; overrides the workspace's settings",
    ),
    // If a service has no escalation policy, every action is `operator`. So a missing policy equals a policy in which
    // every field has its default.
    SettingField {
        name: "escalation_policy",
        kind: Kind::Object(ESCALATION_POLICY),
        nullable: true,
        required: false,
        default: Default::Fields,
        about: "the actions when a conversation must be stopped",
    },
];

/// Returns the field with this name, or `None` if there is none.
pub fn field<'a>(fields: &'a [SettingField], name: &str) -> Option<&'a SettingField> {
    fields.iter().find(|field| field.name == name)
}

/// Returns the values in a form in which they can be compared: without nulls at every depth, and with the server's
/// defaults.
pub fn normal(fields: &[SettingField], values: &Map<String, Value>) -> Map<String, Value> {
    let mut result = without_nulls(values);
    for field in fields {
        let value = match (result.remove(field.name), field.default) {
            (Some(value), _) => Some(normal_value(&field.kind, value)),
            (None, Default::Nothing) => None,
            (None, Default::Boolean(default)) => Some(json!(default)),
            (None, Default::Integer(default)) => Some(json!(default)),
            (None, Default::Word(default)) => Some(json!(default)),
            (None, Default::Fields) => Some(normal_value(&field.kind, json!({}))),
        };
        if let Some(value) = value {
            result.insert(field.name.to_owned(), value);
        }
    }
    result
}

fn normal_value(kind: &Kind, value: Value) -> Value {
    match (kind, value) {
        (Kind::Object(fields), Value::Object(values)) => Value::Object(normal(fields, &values)),
        (Kind::Map { of, .. }, Value::Object(values)) => {
            values.into_iter().map(|(key, value)| (key, normal_value(of, value))).collect()
        }
        (_, value) => value,
    }
}

/// Returns the paths of the required fields that are missing in the values.
pub fn missing(fields: &[SettingField], values: &Map<String, Value>) -> Vec<String> {
    let mut paths = Vec::new();
    for field in fields {
        match values.get(field.name) {
            None | Some(Value::Null) if field.required => paths.push(field.name.to_owned()),
            Some(value) => {
                let below = missing_in(&field.kind, value);
                paths.extend(below.into_iter().map(|path| format!("{}.{path}", field.name)));
            }
            None => {}
        }
    }
    paths
}

fn missing_in(kind: &Kind, value: &Value) -> Vec<String> {
    match (kind, value) {
        (Kind::Object(fields), Value::Object(values)) => missing(fields, values),
        (Kind::Map { of, .. }, Value::Object(values)) => {
            let below = |(key, value): (&String, &Value)| {
                missing_in(of, value).into_iter().map(move |path| format!("{key}.{path}")).collect::<Vec<_>>()
            };
            values.iter().flat_map(below).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the values without the fields that are null. Requests are sent in this form, and responses are converted to
/// it. Keeps null in a map whose keys the user chooses, because null is a value there.
pub fn without_unset(fields: &[SettingField], values: &Map<String, Value>) -> Map<String, Value> {
    let mut result = Map::new();
    for (key, value) in values {
        match (field(fields, key).map(|field| &field.kind), value) {
            (_, Value::Null) => {}
            (Some(kind), value) => {
                result.insert(key.clone(), without_unset_in(kind, value));
            }
            (None, value) => {
                result.insert(key.clone(), value.clone());
            }
        }
    }
    result
}

fn without_unset_in(kind: &Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Object(fields), Value::Object(values)) => Value::Object(without_unset(fields, values)),
        (Kind::Map { of, .. }, Value::Object(values)) => {
            values.iter().map(|(key, value)| (key.clone(), without_unset_in(of, value))).collect()
        }
        (_, value) => value.clone(),
    }
}

/// Returns the values without null members. Removes them at every depth, but not in lists. The server treats a null
/// member as missing.
pub fn without_nulls(values: &Map<String, Value>) -> Map<String, Value> {
    let kept = values.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| match value {
        Value::Object(inner) => (key.clone(), Value::Object(without_nulls(inner))),
        other => (key.clone(), other.clone()),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("no object: {value}") };
        object
    }

    #[test]
    fn missing_required_members_are_listed_by_path() {
        let voice = object(json!({"voice_config": {
            "forwarding": {"warm_transfer": false}, "language_providers": {"es": {"config": {}}},
        }}));
        let missing = missing(SERVICE, &voice);
        assert_eq!(
            missing,
            ["voice_config.language_providers.es.provider", "voice_config.forwarding.forward_to"]
        );
    }

    #[test]
    fn missing_null_and_default_are_equal() {
        let bare = normal(SERVICE, &Map::new());
        let defaults = object(json!({
            "channel_type": "voice", "environment": "production", "tool_capacity": 3,
            "safety_filters_enabled": true, "voice_config": null,
            "escalation_policy": {"risk_scorer": {"type": "operator"}},
        }));
        assert_eq!(normal(SERVICE, &defaults), bare);
        assert!(!bare.contains_key("voice_config"), "an empty voice_config isn't none: {bare:?}");
    }

    #[test]
    fn nulls_below_user_keys_stay() {
        let answered =
            object(json!({"voice_config": {"tts_model": null, "tts_config": {"a": null, "b": 1}}}));
        let kept = object(json!({"voice_config": {"tts_config": {"a": null, "b": 1}}}));
        assert_eq!(without_unset(SERVICE, &answered), kept);
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let voice = object(json!({
            "forwarding": {"forward_to": "+12025550100"}, "language_providers": {"es": {"provider": "groq"}},
        }));
        let voice = normal(VOICE_CONFIG, &voice);
        assert_eq!(voice["forwarding"]["warm_transfer"], json!(true));
        assert_eq!(voice["language_providers"]["es"]["config"], json!({}));
        assert_eq!(voice["backchannel_delay_ms"], json!(400));
    }
}
