//! The form of a manifest.
//!
//! Every document is a merge patch over the project's defaults, and every overlay one over a document: so
//! all members may be null, and only the name must be there.

#![expect(dead_code, reason = "only the types' shapes and descriptions are used: no value is ever made")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::{pin, settings, tidy};
use crate::model::settings::SERVICE;

/// One service: a document of a manifest. Absent means unmanaged; present means exactly this.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Service {
    /// The name: the service's identity. Required, and at most 256 characters on Platform.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Health Coach"]))]
    service: String,
    /// The agent, by its name or by its id. Required, here or in a layer. A change means a replacement on
    /// Classic; see `lifecycle.on_agent_change`.
    #[schemars(extend("examples" = ["Coach Maya", {"id": "6618791275530b73714e9d18"}]))]
    agent: Option<Reference>,
    /// The context graph, by its name or by its id. Required, here or in a layer. A change means a
    /// replacement on Classic; see `lifecycle.on_agent_change`.
    #[schemars(extend("examples" = ["Coaching Flow", {"id": "6618791275530b73714e9d19"}]))]
    context_graph: Option<Reference>,
    /// What it is for. On Classic required where the service has to be created, and never empty; on
    /// Platform at most 2000 characters.
    #[schemars(extend("examples" = ["Coaches members on nutrition, exercise and medication."]))]
    description: Option<String>,
    /// Whether it is active. A new service is active unless this is `false`; without the key, an existing one
    /// stays as it is.
    active: Option<bool>,
    /// Words that speech recognition should know. The whole list. Classic: at most 20, each of one to three
    /// lower-case words (a–z and `-`). Platform: at most 500, each of 1 to 128 characters.
    #[schemars(
        length(max = 500),
        inner(regex(pattern = r"\S")),
        extend("examples" = [["metformin", "blood sugar"]])
    )]
    keyterms: Option<Vec<String>>,
    /// The whole set of tags, less the tool's own (`managed_by`, `replaces`, `protected`); `~` for a tag
    /// without a value. At most 20 on Classic and 50 on Platform, the tool's own included. On Classic only
    /// letters, digits, underscores and spaces.
    #[schemars(extend(
        "maxProperties" = 48,
        "propertyNames" = {"pattern": r"\S"},
        "examples" = [{"tier": "gold", "audited": null}]
    ))]
    tags: Option<BTreeMap<String, Option<String>>>,
    /// The version sets by name. The whole set, less `release` (never deleted), `edge` (never touched) and the
    /// project's `unmanaged_version_sets`. A name has 1 to 40 letters (a–z, A–Z), digits, `-` and `_`.
    #[schemars(extend(
        "propertyNames" = {"pattern": "^[A-Za-z0-9_-]{1,40}$", "not": {"const": "edge"}},
        "examples" = [{"release": {"agent_version": 3, "context_graph_version": 5}}]
    ))]
    version_sets: Option<BTreeMap<String, Option<VersionSet>>>,
    /// Services that are rolled out before this one.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["Meet & Greet"]]))]
    depends_on: Option<Vec<String>>,
    /// Conversations held with a replacement before it takes over. On Platform only those on `release` that
    /// `say` something are held; the others are left out with a warning.
    #[schemars(extend("examples" = [[{"say": "Hello", "expect": "(?i)hello|welcome"}]]))]
    smoke: Option<Vec<Smoke>>,
    /// How changes are brought about, and what is left alone.
    lifecycle: Option<Lifecycle>,
    /// Overlays: environment → JSON Merge Patch (RFC 7396) over this document, where null removes.
    #[schemars(extend("examples" = [{"staging": {"description": "For test members."}}]))]
    environments: Option<BTreeMap<String, Value>>,
}

/// A name, or an id.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Reference {
    /// The name. It serves both APIs.
    Name(#[schemars(regex(pattern = r"\S"))] String),
    /// The id, which has another form on each API.
    Id(Id),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Id {
    /// The id: 24 hexadecimal digits on Classic, a UUID on Platform.
    #[schemars(
        regex(pattern = "^([0-9a-f]{24}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"),
        extend("examples" = ["6618791275530b73714e9d18", "3fa85f64-5717-4562-b3fc-2c963f66afa6"])
    )]
    id: String,
}

/// A version set: what a conversation runs on. `{}` for one that is only to be there.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct VersionSet {
    /// The agent's version: a number from 1, or `latest`.
    #[schemars(default, schema_with = "pin", extend("examples" = [3, "latest"]))]
    agent_version: Option<u32>,
    /// The context graph's version: a number from 1, or `latest`.
    #[schemars(default, schema_with = "pin", extend("examples" = [5, "latest"]))]
    context_graph_version: Option<u32>,
    /// Which model an interaction runs on: interaction → preference.
    #[schemars(extend(
        "propertyNames" = {"pattern": r"\S"},
        "examples" = [{"EngageUser": {"llm_name": "openai_gpt-5.1-2025-11-13", "params": {"temperature": 0.4}}}]
    ))]
    llm_model_preferences: Option<BTreeMap<String, Option<Preference>>>,
}

/// The model of one interaction.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Preference {
    /// The model's name. Required, here or in a layer. Names of no known family (`openai_`, `azure_`,
    /// `google_`, `aws_`, `anthropic_`) are passed on with a warning.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["openai_gpt-5.1-2025-11-13"]))]
    llm_name: Option<String>,
    /// The model's parameters, passed on as they are.
    #[schemars(extend("examples" = [{"temperature": 0.4}]))]
    params: Option<Map<String, Value>>,
    /// Platform only: how the model behaves, in the API's own names.
    #[schemars(default, schema_with = "settings::experience_controls")]
    experience_controls: Option<Value>,
}

/// How changes are brought about.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Lifecycle {
    /// The name that the service had before: it is renamed, not made anew.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Wellness Coach"]))]
    renamed_from: Option<String>,
    /// How a changed agent or context graph is brought about. Default: `replace` on Classic, `update` on
    /// Platform.
    on_agent_change: Option<OnAgentChange>,
    /// What becomes of the old service of a replacement; among the project's defaults, also of services that
    /// `--prune` retires.
    #[schemars(extend("default" = "deactivate"))]
    retire: Option<Retire>,
    /// Whether it is never retired without `--allow-protected`. Kept as the tag `protected`, so that it
    /// outlives the manifest.
    #[schemars(extend("default" = false))]
    prevent_removal: Option<bool>,
    /// Fields that are left alone once the service exists: `description`, `tags.tier`, `version_sets.dev`,
    /// `voice_config.forwarding.forward_to` …
    #[schemars(default, schema_with = "ignored", extend("examples" = [["description", "tags.tier"]]))]
    ignore: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum OnAgentChange {
    /// A new service, complete before it takes over: its id changes. The default on Classic.
    Replace,
    /// In place: the id stays. The default on Platform.
    Update,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Retire {
    /// It is made inactive.
    Deactivate,
    /// It stays as it is, under another name, and the tool lets go of it.
    Keep,
    /// It is deleted, for good. Platform only.
    Delete,
}

/// A conversation that must go well.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Smoke {
    /// The version set to talk to: one that this service declares, `release` or `edge`. On Platform only
    /// `release`.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,40}$"), extend("default" = "release"))]
    version_set: Option<String>,
    /// What is said. Without it, the agent speaks first. On Platform at most 8192 characters.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Hello"]))]
    say: Option<String>,
    /// A regular expression that the answer must match.
    #[schemars(extend("examples" = ["(?i)hello|welcome"]))]
    expect: Option<String>,
    /// Reserved for a later version: only `false` is taken.
    #[schemars(extend("enum" = [false]))]
    gate: Option<bool>,
}

/// Paths of fields, the ones without a dot as words.
fn ignored(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let own = ["description", "active", "keyterms", "agent", "context_graph", "tags", "version_sets"];
    let fields: Vec<&str> = own.into_iter().chain(SERVICE.iter().map(|field| field.name)).collect();
    schemars::json_schema!({
        "type": ["array", "null"],
        "items": {
            "anyOf": [
                {"type": "string", "enum": fields},
                {"type": "string", "pattern": r"^tags\.[^.]+$"},
                {
                    "type": "string",
                    "pattern": r"^version_sets\.[^.]+(\.(agent_version|context_graph_version|llm_model_preferences))?$",
                },
                {"type": "string", "pattern": r"^(voice_config|escalation_policy)(\.[^.]+)+$"},
            ],
        },
    })
}

/// A manifest's schema.
pub(super) fn schema() -> Value {
    let mut schema = super::of::<Service>();
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        members.extend(settings::properties(SERVICE).into_iter().map(|(name, mut member)| {
            let text = member["description"].as_str().unwrap_or_default();
            member["description"] = json!(format!("Platform only: {}", lower_first(text)));
            (name, member)
        }));
        // A list is put in whole, so that nothing is below its items.
        tidy::never_null(&mut members["smoke"]["items"]);
        // An overlay has the same members, but it can't say who it is about.
        let references: Map<String, Value> = layered(members)
            .map(|(name, _)| (name.clone(), json!({"$ref": format!("#/properties/{name}")})))
            .collect();
        members["environments"]["additionalProperties"] = json!({"$ref": "#/definitions/overlay"});
        schema["definitions"] = json!({"overlay": {
            "description": "A merge patch over the document: null removes.",
            "type": "object",
            "properties": references,
            "additionalProperties": false,
        }});
    }
    schema
}

/// What the project's `defaults` may say.
pub(super) fn defaults() -> Value {
    let schema = schema();
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let members: Map<String, Value> =
        layered(&members).map(|(name, member)| (name.clone(), member.clone())).collect();
    json!({"type": "object", "properties": members, "additionalProperties": false})
}

/// The members that a layer may say.
fn layered(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    members.iter().filter(|(name, _)| !matches!(name.as_str(), "service" | "environments"))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().collect::<String>() + letters.as_str()
}
