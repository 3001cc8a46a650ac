//! The Platform API's nested blocks as tables: fields, kinds, bounds, defaults.
//!
//! Manifests are checked against these tables, live values are brought into normal form by them, and
//! schemas are made from them: a field that the API gains is one more line here. Sources: the vendor's
//! OpenAPI document, schemas `CreateServiceRequest`, `ServiceVoiceConfig`, `EscalationPolicy` and
//! `LLMExperienceControls`; `tests/suite/platform_fields.rs` holds the tables against it.

use serde_json::{Map, Value, json};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number within bounds, both included.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number within bounds, both included.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// A text of so many characters.
    Text {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// A text, or a list of texts.
    TextOrList,
    /// A map from names of the user's to values of one kind.
    Map {
        /// The kind.
        of: &'static Kind,
        /// The most entries.
        most: usize,
    },
    /// Anything that JSON can say.
    Any,
    /// An object of known fields.
    Object(&'static [Field]),
}

/// What the server puts where a field is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Default {
    /// Nothing: the layer above decides.
    Nothing,
    /// This.
    Boolean(bool),
    /// This.
    Integer(i64),
    /// This.
    Word(&'static str),
    /// An object of its fields' defaults.
    Fields,
}

/// One field of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The API's name for it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether null is a value: "take it away".
    pub nullable: bool,
    /// Whether the object needs it.
    pub required: bool,
    /// What the server puts where it is missing.
    pub default: Default,
    /// What it does, for schemas and documentation.
    pub about: &'static str,
}

const INTEGER: Kind = Kind::Integer { min: i64::MIN, max: i64::MAX };
const NUMBER: Kind = Kind::Number { min: f64::MIN, max: f64::MAX };
const TEXT: Kind = Kind::Text { min: 0, max: usize::MAX };
const FREE: Kind = Kind::Map { of: &Kind::Any, most: usize::MAX };

/// A field that may be null, where the layer above decides.
const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, nullable: true, required: false, default: Default::Nothing, about }
}

/// A field that always has a value.
const fn always(name: &'static str, kind: Kind, default: Default, about: &'static str) -> Field {
    Field { name, kind, nullable: false, required: false, default, about }
}

/// A field without which the object is none.
const fn required(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, nullable: false, required: true, default: Default::Nothing, about }
}

const TTS_PROVIDERS: Kind = Kind::OneOf(&["cartesia", "elevenlabs", "groq"]);

const LANGUAGE_PROVIDER: &[Field] = &[
    required("provider", TTS_PROVIDERS, "who speaks this language"),
    Field {
        name: "config",
        kind: Kind::Map { of: &Kind::Any, most: 20 },
        nullable: false,
        required: false,
        default: Default::Fields,
        about: "the provider's own settings",
    },
];

const FORWARDING: &[Field] = &[
    required("forward_to", Kind::Text { min: 2, max: 16 }, "the number that calls go to, in E.164 form"),
    always("should_disconnect", Kind::Boolean, Default::Boolean(true), "leave the call after the transfer"),
    always("warm_transfer", Kind::Boolean, Default::Boolean(true), "introduce the caller first"),
];

/// `voice_config`: the voice pipeline of one service, over the workspace's settings.
pub const VOICE_CONFIG: &[Field] = &[
    optional("tts_model", Kind::OneOf(&["sonic-turbo", "sonic-3"]), "the speech model"),
    optional("max_buffer_delay_ms", INTEGER, "how long speech is buffered"),
    optional("eager_eot_threshold", NUMBER, "how soon a turn is taken to be over"),
    optional("eot_timeout_ms", INTEGER, "the silence that ends a turn"),
    always(
        "filler_style",
        Kind::OneOf(&["backchannel", "phrase", "silent"]),
        Default::Word("backchannel"),
        "what is said while the agent thinks",
    ),
    optional("filler_vocabulary", Kind::List(&TEXT), "the words to fill with"),
    always("backchannel_delay_ms", INTEGER, Default::Integer(400), "the pause before a backchannel"),
    optional("max_response_sentences", INTEGER, "the most sentences of an answer"),
    optional("max_response_words", INTEGER, "the most words of an answer"),
    optional("barge_in_min_speech_s", NUMBER, "the speech that interrupts the agent"),
    optional("barge_in_cooldown_s", NUMBER, "the pause between two interruptions"),
    optional("min_tts_speed", NUMBER, "the slowest speech"),
    optional("post_eot_pause_ms", INTEGER, "the pause after a turn"),
    optional("transition_deadline_ms", INTEGER, "the most time for a transition"),
    optional("progress_interval_ms", INTEGER, "the pause between words of progress"),
    optional("empathy_hold_ms", INTEGER, "the pause after what moves people"),
    optional("filler_cooldown_ms", INTEGER, "the pause between two fillers"),
    optional("progress_vocabulary", Kind::List(&TEXT), "the words of progress"),
    optional("tts_provider", TTS_PROVIDERS, "who speaks"),
    optional("tts_config", FREE, "the provider's own settings"),
    optional(
        "language_providers",
        Kind::Map { of: &Kind::Object(LANGUAGE_PROVIDER), most: 10 },
        "who speaks which language",
    ),
    always("forward_call_enabled", Kind::Boolean, Default::Boolean(false), "whether the agent may forward"),
    optional("forwarding", Kind::Object(FORWARDING), "where calls are forwarded to"),
];

const ESCALATION: Kind = Kind::Object(&[always(
    "type",
    Kind::OneOf(&["operator", "forward", "hangup"]),
    Default::Word("operator"),
    "what is done",
)]);

/// `escalation_policy`: what is done when the engine finds that a conversation must not go on.
pub const ESCALATION_POLICY: &[Field] = &[
    always("context_window_exhaustion", ESCALATION, Default::Fields, "the conversation has become too long"),
    always("risk_scorer", ESCALATION, Default::Fields, "the risk has become too high"),
    always("conversation_monitor", ESCALATION, Default::Fields, "the monitor has raised an alarm"),
];

const PENALTY: Kind = Kind::Number { min: -2.0, max: 2.0 };

/// `experience_controls` of a model preference. No other key is allowed.
pub const EXPERIENCE_CONTROLS: &[Field] = &[
    optional("verbosity", Kind::OneOf(&["low", "medium", "high"]), "how much the model says"),
    optional(
        "reasoning_effort",
        Kind::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh"]),
        "how much the model thinks",
    ),
    optional("temperature", Kind::Number { min: 0.0, max: 2.0 }, "how free the choice of words is"),
    optional("top_p", Kind::Number { min: 0.0, max: 1.0 }, "the share of words to choose from"),
    optional("presence_penalty", PENALTY, "against words that occurred"),
    optional("frequency_penalty", PENALTY, "against words that occurred often"),
    optional("response_format", FREE, "the form of answers"),
    optional("seed", INTEGER, "the seed of chance"),
    optional("stop", Kind::TextOrList, "what ends an answer"),
    optional(
        "logit_bias",
        Kind::Map { of: &Kind::Number { min: -100.0, max: 100.0 }, most: usize::MAX },
        "for and against single tokens",
    ),
    optional("logprobs", Kind::Boolean, "whether probabilities are returned"),
    optional("top_logprobs", Kind::Integer { min: 0, max: 20 }, "how many of them"),
    optional("parallel_tool_calls", Kind::Boolean, "whether tools may run side by side"),
    optional("service_tier", TEXT, "the provider's tier"),
    optional("prompt_cache_key", TEXT, "the key of the prompt cache"),
    optional("prompt_cache_retention", Kind::OneOf(&["in-memory", "24h"]), "how long prompts are cached"),
    optional("safety_identifier", TEXT, "who is told to the provider's safety systems"),
    optional("store", Kind::Boolean, "whether the provider stores answers"),
    optional("metadata", Kind::Map { of: &TEXT, most: usize::MAX }, "what is noted with each request"),
];

/// The settings of a service that only the Platform API has.
pub const SERVICE: &[Field] = &[
    always(
        "channel_type",
        Kind::OneOf(&["voice", "text"]),
        Default::Word("voice"),
        "how people talk to the service",
    ),
    always(
        "environment",
        Kind::OneOf(&["sandbox", "production"]),
        Default::Word("production"),
        "which of the platform's environments runs it",
    ),
    always(
        "tool_capacity",
        Kind::Integer { min: 1, max: 10 },
        Default::Integer(3),
        "how many tools may run at once",
    ),
    always("safety_filters_enabled", Kind::Boolean, Default::Boolean(true), "whether safety filters run"),
    optional("voice_config", Kind::Object(VOICE_CONFIG), "the voice pipeline, over the workspace's settings"),
    // No policy means the operator in each case, so that no policy and a policy of defaults are the same.
    Field {
        name: "escalation_policy",
        kind: Kind::Object(ESCALATION_POLICY),
        nullable: true,
        required: false,
        default: Default::Fields,
        about: "who takes over when a conversation must not go on",
    },
];

/// The field with this name.
pub fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name == name)
}

/// Values as they are compared: no nulls at any depth, and the server's defaults where nothing stands.
pub fn normal(fields: &[Field], values: &Map<String, Value>) -> Map<String, Value> {
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

/// The paths to members that objects need and that are not there.
pub fn missing(fields: &[Field], values: &Map<String, Value>) -> Vec<String> {
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

/// Values as they are answered or sent: a known field that is null is left out. Below names of the user's
/// own, null is a value like others.
pub fn without_unset(fields: &[Field], values: &Map<String, Value>) -> Map<String, Value> {
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

/// An object without the members that are null, at any depth but in lists: to the server, they are as if
/// they were not there.
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
    fn what_an_object_needs_is_missed_by_its_path() {
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
    fn missing_null_and_default_are_the_same() {
        let bare = normal(SERVICE, &Map::new());
        let said = object(json!({
            "channel_type": "voice", "environment": "production", "tool_capacity": 3,
            "safety_filters_enabled": true, "voice_config": null,
            "escalation_policy": {"risk_scorer": {"type": "operator"}},
        }));
        assert_eq!(normal(SERVICE, &said), bare);
        assert!(!bare.contains_key("voice_config"), "an empty voice_config isn't none: {bare:?}");
    }

    #[test]
    fn nulls_of_the_users_own_stay() {
        let answered =
            object(json!({"voice_config": {"tts_model": null, "tts_config": {"a": null, "b": 1}}}));
        let kept = object(json!({"voice_config": {"tts_config": {"a": null, "b": 1}}}));
        assert_eq!(without_unset(SERVICE, &answered), kept);
    }

    #[test]
    fn defaults_are_filled_at_every_depth() {
        let voice = object(json!({
            "forwarding": {"forward_to": "+12025550100"}, "language_providers": {"es": {"provider": "groq"}},
        }));
        let voice = normal(VOICE_CONFIG, &voice);
        assert_eq!(voice["forwarding"]["warm_transfer"], json!(true));
        assert_eq!(voice["language_providers"]["es"]["config"], json!({}));
        assert_eq!(voice["backchannel_delay_ms"], json!(400));
    }
}
