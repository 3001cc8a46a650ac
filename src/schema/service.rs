//! The schema of a manifest.
//!
//! Every document is a merge patch over the project's defaults, and every overlay a merge patch over a document. So
//! all members may be null, and only the name is required.

#![expect(dead_code, reason = "only the types' schemas are used; no value is ever created")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::generate::{self, pin};
use super::{settings, tidy};
use crate::model::settings::SERVICE;

/// One service: a document of a manifest. An absent key is not managed; a present key sets exactly this value.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Service {
    /// The name, which identifies the service. Required. At most 256 characters on Platform.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Health Coach"]))]
    service: String,
    /// The agent, by name or id. Required, here or in another layer. On Classic, a change replaces the service; see
    /// `lifecycle.on_agent_change`.
    #[schemars(extend("examples" = ["Coach Maya", {"id": "6618791275530b73714e9d18"}]))]
    agent: Option<Reference>,
    /// The context graph, by name or id. Required, here or in another layer. On Classic, a change replaces the
    /// service; see `lifecycle.on_agent_change`.
    #[schemars(extend("examples" = ["Coaching Flow", {"id": "6618791275530b73714e9d19"}]))]
    context_graph: Option<Reference>,
    /// The purpose of the service. On Classic, never empty, and required to create the service. On Platform, at most
    /// 2000 characters.
    #[schemars(extend("examples" = ["Coaches members on nutrition, exercise and medication."]))]
    description: Option<String>,
    /// Activates or deactivates the service. A new service is active unless this is `false`. Without the key, an
    /// existing service stays as it is.
    active: Option<bool>,
    /// The complete list of words that speech recognition should know. Classic: at most 20, each of one to three
    /// lower-case words (a–z and `-`). Platform: at most 500, each of 1 to 128 characters.
    #[schemars(
        length(max = 500),
        inner(regex(pattern = r"\S")),
        extend("examples" = [["metformin", "blood sugar"]])
    )]
    keyterms: Option<Vec<String>>,
    /// The complete set of tags, without amigops's own (`managed_by`, `replaces`, `protected`). Use `~` for a tag
    /// without a value. At most 20 on Classic and 50 on Platform, including amigops's own. On Classic, only letters,
    /// digits, underscores and spaces.
    #[schemars(extend(
        "maxProperties" = 48,
        "propertyNames" = {"pattern": r"\S"},
        "examples" = [{"tier": "gold", "audited": null}]
    ))]
    tags: Option<BTreeMap<String, Option<String>>>,
    /// The complete set of version sets by name. Others are deleted, except `release`, `edge` and the project's
    /// `unmanaged_version_sets`. On Classic, a name has 1 to 40 letters (a–z, A–Z), digits, `-` and `_`.
    #[schemars(extend(
        "propertyNames" = {"pattern": "^[A-Za-z0-9_-]{1,40}$", "not": {"const": "edge"}},
        "examples" = [{"release": {"agent_version": 3, "context_graph_version": 5}}]
    ))]
    version_sets: Option<BTreeMap<String, Option<VersionSet>>>,
    /// Services to apply before this one.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["Meet & Greet"]]))]
    depends_on: Option<Vec<String>>,
    /// Conversations that must succeed before a replacement goes live. On Platform, only those on `release` with a
    /// `say` are run; the others are skipped with a warning.
    #[schemars(extend("examples" = [[{"say": "Hello", "expect": "(?i)hello|welcome"}]]))]
    smoke: Option<Vec<Smoke>>,
    /// Controls how changes are made, and which fields are not managed.
    lifecycle: Option<Lifecycle>,
    /// Overlays by environment. Each is a JSON Merge Patch (RFC 7396) over this document: null removes.
    #[schemars(extend("examples" = [{"staging": {"description": "For test members."}}]))]
    environments: Option<BTreeMap<String, Value>>,
}

/// A reference by name or id.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Reference {
    /// The name. It works on both APIs.
    Name(#[schemars(regex(pattern = r"\S"))] String),
    /// The id. Its format depends on the API.
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

/// A version set: the versions and models that a conversation uses. `{}` declares one without settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct VersionSet {
    /// The agent's version: a number from 1, or `latest`.
    #[schemars(default, schema_with = "pin", extend("examples" = [3, "latest"]))]
    agent_version: Option<u32>,
    /// The context graph's version: a number from 1, or `latest`.
    #[schemars(default, schema_with = "pin", extend("examples" = [5, "latest"]))]
    context_graph_version: Option<u32>,
    /// The model preferences by interaction.
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
    /// The model's name. Required, here or in another layer. A name without a known prefix (`openai_`, `azure_`,
    /// `google_`, `aws_`, `anthropic_`) is sent with a warning.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["openai_gpt-5.1-2025-11-13"]))]
    llm_name: Option<String>,
    /// The model's parameters, sent unchanged.
    #[schemars(extend("examples" = [{"temperature": 0.4}]))]
    params: Option<Map<String, Value>>,
    /// Platform only: settings of the model's behavior, with the API's names.
    #[schemars(default, schema_with = "settings::experience_controls")]
    experience_controls: Option<Value>,
}

/// Controls how changes are made.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Lifecycle {
    /// The service's previous name. The service is renamed instead of created.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Wellness Coach"]))]
    renamed_from: Option<String>,
    /// The way to change the agent or context graph. Default: `replace` on Classic, `update` on Platform.
    on_agent_change: Option<OnAgentChange>,
    /// The way to retire the old service of a replacement. In the project's defaults, also applies to services that
    /// `--prune` retires.
    #[schemars(extend("default" = "deactivate"))]
    retire: Option<Retire>,
    /// Refuses to retire the service without `--allow-protected`. Stored as the tag `protected`, so that it still
    /// applies when the manifest is gone.
    #[schemars(extend("default" = false))]
    prevent_removal: Option<bool>,
    /// Fields that are not changed once the service exists, such as `description`, `tags.tier`, `version_sets.dev`
    /// or `voice_config.forwarding.forward_to`.
    #[schemars(default, schema_with = "ignored", extend("examples" = [["description", "tags.tier"]]))]
    ignore: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum OnAgentChange {
    /// Create a new service and switch to it when it is complete. The id changes. The default on Classic.
    Replace,
    /// Update in place. The id stays the same. The default on Platform.
    Update,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Retire {
    /// Deactivate the service.
    Deactivate,
    /// Keep the service under another name, and stop managing it.
    Keep,
    /// Delete the service permanently. Platform only.
    Delete,
}

/// A smoke test: a conversation that must succeed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Smoke {
    /// The version set to use: one that this service declares, `release` or `edge`. On Platform, only `release`.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,40}$"), extend("default" = "release"))]
    version_set: Option<String>,
    /// The user's message. Without it, the agent speaks first. On Platform, at most 8192 characters.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Hello"]))]
    say: Option<String>,
    /// A regular expression that the answer must match.
    #[schemars(extend("examples" = ["(?i)hello|welcome"]))]
    expect: Option<String>,
    /// Reserved for a later version. Only `false` is allowed.
    #[schemars(extend("enum" = [false]))]
    gate: Option<bool>,
}

/// Returns the schema of `ignore`: field paths, with those without a dot as an enum.
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

/// Returns the schema of a manifest.
pub(super) fn schema() -> Value {
    let mut schema = generate::schema_of::<Service>();
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        members.extend(settings::properties(SERVICE).into_iter().map(|(name, mut member)| {
            let text = member["description"].as_str().unwrap_or_default();
            member["description"] = json!(format!("Platform only: {}", lower_first(text)));
            (name, member)
        }));
        // A list replaces the layer below as a whole, so its items can't be null.
        tidy::never_null(&mut members["smoke"]["items"]);
        // An overlay has the same members, except the service's name.
        let references: Map<String, Value> = layered(members)
            .map(|(name, _)| (name.clone(), json!({"$ref": format!("#/properties/{name}")})))
            .collect();
        members["environments"]["additionalProperties"] = json!({"$ref": "#/definitions/overlay"});
        schema["definitions"] = json!({"overlay": {
            "description": "A merge patch over the document. Null removes a value.",
            "type": "object",
            "properties": references,
            "additionalProperties": false,
        }});
    }
    schema
}

/// Returns the schema of the project's `defaults`.
pub(super) fn defaults() -> Value {
    let schema = schema();
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let members: Map<String, Value> =
        layered(&members).map(|(name, member)| (name.clone(), member.clone())).collect();
    json!({"type": "object", "properties": members, "additionalProperties": false})
}

/// Returns the members that defaults and overlays may have.
fn layered(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    members.iter().filter(|(name, _)| !matches!(name.as_str(), "service" | "environments"))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().collect::<String>() + letters.as_str()
}
