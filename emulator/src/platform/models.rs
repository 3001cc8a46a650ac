//! Data models of request bodies on the Platform API, and of the objects in these bodies. A data model defines the
//! fields of an object and their allowed values.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::json;

use super::scalars::Pattern;
use super::schema::Absent::{Means, Nothing, Refused};
use super::schema::{Absent, INTEGER, Model, ModelField, TEXT, ValueKind};

static PHONE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PHONE_PATTERN).ok());
const PHONE_PATTERN: &str = r"^\+[1-9]\d{1,14}$";
const E164: Pattern = (&PHONE, PHONE_PATTERN);

/// The rules for a user's phone number: the international format E.164, such as `+14155550100`.
pub(super) const PHONE_NUMBER: ValueKind = ValueKind::Text { least: 0, most: 16, pattern: Some(E164) };
/// The maximum length of a message from the user or the agent, in characters.
pub(super) const MAX_TURN_CHARS: usize = 8192;
/// The rules for the name of a version set in a path: 1 to 40 characters.
pub(super) const SET_NAME: ValueKind = text(1, 40);
/// The rules for the search text of a list request: 1 to 200 characters.
pub(super) const SEARCH: ValueKind = text(1, 200);

const ANY: usize = usize::MAX;
const NUMBER: ValueKind = ValueKind::Number(None);
const TEXTS: ValueKind = ValueKind::List { of: &TEXT, most: ANY };
const NAME: ValueKind = text(1, 256);
const DESCRIPTION: ValueKind = text(0, 2000);
const KEYTERMS: ValueKind = ValueKind::List { of: &text(1, 128), most: 500 };
const TAGS: ValueKind = ValueKind::List { of: &ValueKind::Model(&TAG), most: 50 };
const VERSION_SETS: ValueKind = ValueKind::Map { of: &ValueKind::Model(&VERSION_SET), most: ANY };
const TOOL_CAPACITY: ValueKind = ValueKind::Integer { least: Some(1), most: Some(10) };
const CHANNEL: ValueKind = ValueKind::Literal(&["voice", "text"]);
const ENVIRONMENT: ValueKind = ValueKind::Literal(&["sandbox", "production"]);
const PROVIDER: ValueKind = ValueKind::Literal(&["cartesia", "elevenlabs", "groq"]);
const ACTION: ValueKind = ValueKind::Tagged(&["operator", "forward", "hangup"]);
const OPERATOR: Absent = Means(|| json!({"type": "operator"}));

const fn text(least: usize, most: usize) -> ValueKind {
    ValueKind::Text { least, most, pattern: None }
}

const fn field(name: &'static str, kind: ValueKind, absent: Absent) -> ModelField {
    ModelField { name, kind, absent }
}

const fn open(fields: &'static [ModelField]) -> Model {
    Model { fields, closed: false }
}

/// The data model for the body of a request that creates a service.
pub(super) static CREATE: Model = open(&[
    field("name", NAME, Refused),
    field("description", DESCRIPTION, Means(|| json!(""))),
    field("agent_id", ValueKind::Uuid, Refused),
    field("context_graph_id", ValueKind::Uuid, Refused),
    field("keyterms", KEYTERMS, Means(|| json!([]))),
    field("is_active", ValueKind::Boolean, Means(|| json!(true))),
    field("version_sets", VERSION_SETS, Means(|| json!({}))),
    field("tags", TAGS, Means(|| json!([]))),
    field("tool_capacity", TOOL_CAPACITY, Means(|| json!(3))),
    field("safety_filters_enabled", ValueKind::Boolean, Means(|| json!(true))),
    field("channel_type", CHANNEL, Means(|| json!("voice"))),
    field("environment", ENVIRONMENT, Means(|| json!("production"))),
    field("voice_config", ValueKind::Model(&VOICE_CONFIG), Nothing),
    field("escalation_policy", ValueKind::Model(&ESCALATION_POLICY), Nothing),
]);

/// The data model for the body of a request that updates a service. Fields that are absent or null in the body keep the
/// values that the service has.
pub(super) static UPDATE: Model = open(&[
    field("name", NAME, Nothing),
    field("description", DESCRIPTION, Nothing),
    field("agent_id", ValueKind::Uuid, Nothing),
    field("context_graph_id", ValueKind::Uuid, Nothing),
    field("keyterms", KEYTERMS, Nothing),
    field("is_active", ValueKind::Boolean, Nothing),
    field("version_sets", VERSION_SETS, Nothing),
    field("tags", TAGS, Nothing),
    field("tool_capacity", TOOL_CAPACITY, Nothing),
    field("safety_filters_enabled", ValueKind::Boolean, Nothing),
    field("channel_type", CHANNEL, Nothing),
    field("environment", ENVIRONMENT, Nothing),
    field("voice_config", ValueKind::Model(&VOICE_CONFIG), Nothing),
    field("escalation_policy", ValueKind::Model(&ESCALATION_POLICY), Nothing),
]);

/// The data model for the body of a request that creates or replaces a version set.
pub(super) static UPSERT: Model = open(&[field("version_set", ValueKind::Model(&VERSION_SET), Refused)]);

/// The data model for the body of a request with a text message from the user.
pub(super) static TEXT_TURN: Model =
    open(&[field("phone_number", PHONE_NUMBER, Refused), field("text", text(1, MAX_TURN_CHARS), Refused)]);

static TAG: Model = open(&[field("key", TEXT, Refused), field("value", TEXT, Nothing)]);

/// The data model for a version set in a request.
pub(crate) static VERSION_SET: Model = open(&[
    field("agent_version_number", INTEGER, Nothing),
    field("context_graph_version_number", INTEGER, Nothing),
    field("llm_model_preferences", PREFERENCES, Means(|| json!({}))),
]);

/// The rules for the LLM preferences of a version set: an object with the preferred LLM for each kind of interaction.
pub(crate) const PREFERENCES: ValueKind = ValueKind::Map { of: &ValueKind::Model(&LLM_CONFIG), most: ANY };

static LLM_CONFIG: Model = open(&[
    field("llm_name", TEXT, Refused),
    field("params", ValueKind::Free, Means(|| json!({}))),
    field("experience_controls", ValueKind::Model(&EXPERIENCE_CONTROLS), Nothing),
]);

static EXPERIENCE_CONTROLS: Model = Model {
    closed: true,
    fields: &[
        field("verbosity", ValueKind::Literal(&["low", "medium", "high"]), Nothing),
        field("reasoning_effort", EFFORT, Nothing),
        field("temperature", ValueKind::Number(Some((0.0, 2.0))), Nothing),
        field("top_p", ValueKind::Number(Some((0.0, 1.0))), Nothing),
        field("presence_penalty", ValueKind::Number(Some((-2.0, 2.0))), Nothing),
        field("frequency_penalty", ValueKind::Number(Some((-2.0, 2.0))), Nothing),
        field("response_format", ValueKind::Free, Nothing),
        field("seed", INTEGER, Nothing),
        field("stop", ValueKind::TextOrTexts, Nothing),
        field(
            "logit_bias",
            ValueKind::Map { of: &ValueKind::Number(Some((-100.0, 100.0))), most: ANY },
            Nothing,
        ),
        field("logprobs", ValueKind::Boolean, Nothing),
        field("top_logprobs", ValueKind::Integer { least: Some(0), most: Some(20) }, Nothing),
        field("parallel_tool_calls", ValueKind::Boolean, Nothing),
        field("service_tier", TEXT, Nothing),
        field("prompt_cache_key", TEXT, Nothing),
        field("prompt_cache_retention", ValueKind::Literal(&["in-memory", "24h"]), Nothing),
        field("safety_identifier", TEXT, Nothing),
        field("store", ValueKind::Boolean, Nothing),
        field("metadata", ValueKind::Map { of: &TEXT, most: ANY }, Nothing),
    ],
};

const EFFORT: ValueKind = ValueKind::Literal(&["none", "minimal", "low", "medium", "high", "xhigh"]);

/// The data model for the voice settings of a service, such as the text-to-speech provider and the length of pauses.
pub(crate) static VOICE_CONFIG: Model = open(&[
    field("tts_model", ValueKind::Literal(&["sonic-turbo", "sonic-3"]), Nothing),
    field("max_buffer_delay_ms", INTEGER, Nothing),
    field("eager_eot_threshold", NUMBER, Nothing),
    field("eot_timeout_ms", INTEGER, Nothing),
    field(
        "filler_style",
        ValueKind::Literal(&["backchannel", "phrase", "silent"]),
        Means(|| json!("backchannel")),
    ),
    field("filler_vocabulary", TEXTS, Nothing),
    field("backchannel_delay_ms", INTEGER, Means(|| json!(400))),
    field("max_response_sentences", INTEGER, Nothing),
    field("max_response_words", INTEGER, Nothing),
    field("barge_in_min_speech_s", NUMBER, Nothing),
    field("barge_in_cooldown_s", NUMBER, Nothing),
    field("min_tts_speed", NUMBER, Nothing),
    field("post_eot_pause_ms", INTEGER, Nothing),
    field("transition_deadline_ms", INTEGER, Nothing),
    field("progress_interval_ms", INTEGER, Nothing),
    field("empathy_hold_ms", INTEGER, Nothing),
    field("filler_cooldown_ms", INTEGER, Nothing),
    field("progress_vocabulary", TEXTS, Nothing),
    field("tts_provider", PROVIDER, Nothing),
    field("tts_config", ValueKind::Free, Nothing),
    field(
        "language_providers",
        ValueKind::Map { of: &ValueKind::Model(&LANGUAGE_PROVIDER), most: 10 },
        Nothing,
    ),
    field("forward_call_enabled", ValueKind::Boolean, Means(|| json!(false))),
    field("forwarding", ValueKind::Model(&FORWARDING), Nothing),
]);

static LANGUAGE_PROVIDER: Model = open(&[
    field("provider", PROVIDER, Refused),
    field("config", ValueKind::FreeUpTo(20), Means(|| json!({}))),
]);

static FORWARDING: Model = open(&[
    field("forward_to", text(2, 16), Refused),
    field("should_disconnect", ValueKind::Boolean, Means(|| json!(true))),
    field("warm_transfer", ValueKind::Boolean, Means(|| json!(true))),
]);

/// The data model for the escalation policy of a service. For each of three triggers, such as a full context window,
/// the policy names an action, such as `hangup`.
pub(crate) static ESCALATION_POLICY: Model = open(&[
    field("context_window_exhaustion", ACTION, OPERATOR),
    field("risk_scorer", ACTION, OPERATOR),
    field("conversation_monitor", ACTION, OPERATOR),
]);
