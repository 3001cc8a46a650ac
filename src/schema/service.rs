//! The schema of a manifest.
//!
//! Every document is a merge patch over the project's defaults, and every overlay is a merge patch over a document. So
//! all members may be null, and only the service's name is required.

#![expect(dead_code, reason = "only the schemas of these types are used; no values are created")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::generate::{self, pin};
use super::{settings, tidy};
use crate::model::settings::SERVICE;

/// A service, which one document of a manifest declares. A key that is present is applied exactly. A key that is absent
/// is not managed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Service {
    /// The name, which identifies the service. Required. On Platform, at most 256 characters.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Health Coach"]))]
    service: String,
    /// The agent, by name or id. Required, unless the project's defaults or the environment's overlay set it. On
    /// Classic, changing the agent replaces the service, unless `lifecycle.on_agent_change` is `update`.
    #[schemars(extend("examples" = ["Coach Maya", {"id": "6618791275530b73714e9d18"}]))]
    agent: Option<Reference>,
    /// The context graph, by name or id. Required, unless the project's defaults or the environment's overlay set it.
    /// On Classic, changing the context graph replaces the service, unless `lifecycle.on_agent_change` is `update`.
    #[schemars(extend("examples" = ["Coaching Flow", {"id": "6618791275530b73714e9d19"}]))]
    context_graph: Option<Reference>,
    /// The purpose of the service. On Classic, it is required to create the service, and can't be empty. On Platform,
    /// it has at most 2000 characters.
    #[schemars(extend("examples" = ["Coaches members on nutrition, exercise and medication."]))]
    description: Option<String>,
    /// Activates (`true`) or deactivates (`false`) the service. Without this key, the service is active: an inactive one
    /// is activated. `lifecycle.ignore: [active]` leaves an existing service as it is.
    active: Option<bool>,
    /// The complete list of terms that speech recognition should know. On Classic, at most 20 terms, each of one to
    /// three lower-case words (a–z and `-`). On Platform, at most 500 terms, each of 1 to 128 characters.
    #[schemars(
        length(max = 500),
        inner(regex(pattern = r"\S")),
        extend("examples" = [["metformin", "blood sugar"]])
    )]
    keyterms: Option<Vec<String>>,
    /// The complete set of tags, except those that amigops sets itself (`managed_by`, `origin`, `replaces`, `protected`). Write
    /// `~` for a tag without a value. A service has at most 20 tags on Classic and 50 on Platform, including those of
    /// amigops. On Classic, keys and values contain only letters, digits, underscores and spaces.
    #[schemars(extend(
        "maxProperties" = 48,
        "propertyNames" = {"pattern": r"\S"},
        "examples" = [{"tier": "gold", "audited": null}]
    ))]
    tags: Option<BTreeMap<String, Option<String>>>,
    /// All version sets of the service, by name. Version sets that are not listed are deleted, except `release`, `edge`
    /// and the project's `unmanaged_version_sets`. On Classic, a name has 1 to 40 characters: letters (a–z, A–Z),
    /// digits, `-` and `_`.
    #[schemars(extend(
        "propertyNames" = {"pattern": "^[A-Za-z0-9_-]{1,40}$", "not": {"const": "edge"}},
        "examples" = [{"release": {"agent_version": 3, "context_graph_version": 5}}]
    ))]
    version_sets: Option<BTreeMap<String, Option<VersionSet>>>,
    /// The names of the services that must be applied before this one.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["Meet & Greet"]]))]
    depends_on: Option<Vec<String>>,
    /// Test conversations with the new service of a replacement. All of them must succeed before it goes live. On
    /// Platform, only tests of `release` that have a `say` are run. Other tests are skipped with a warning.
    #[schemars(extend("examples" = [[{"say": "Hello", "expect": "(?i)hello|welcome"}]]))]
    smoke: Option<Vec<Smoke>>,
    /// Controls how amigops changes the service, and which fields it does not manage.
    lifecycle: Option<Lifecycle>,
    /// Overlays, by the name of the environment. An overlay is a JSON Merge Patch (RFC 7396) that changes this document
    /// for one environment. Null removes a value.
    #[schemars(extend("examples" = [{"staging": {"description": "For test members."}}]))]
    environments: Option<BTreeMap<String, Value>>,
}

/// A reference to an agent or context graph, by name or id.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Reference {
    /// The name. Unlike an id, it works on both APIs.
    Name(#[schemars(regex(pattern = r"\S"))] String),
    /// The id. Its format depends on the API.
    Id(Id),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Id {
    /// The id. It has 24 hexadecimal digits on Classic, and is a UUID on Platform.
    #[schemars(
        regex(pattern = "^([0-9a-f]{24}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"),
        extend("examples" = ["6618791275530b73714e9d18", "3fa85f64-5717-4562-b3fc-2c963f66afa6"])
    )]
    id: String,
}

/// A version set: the versions and models that a conversation uses. `{}` declares a version set without any settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct VersionSet {
    /// The version of the agent: a number from 1 up, or `latest`.
    #[schemars(default, schema_with = "pin", extend("examples" = [3, "latest"]))]
    agent_version: Option<u32>,
    /// The version of the context graph: a number from 1 up, or `latest`.
    #[schemars(default, schema_with = "pin", extend("examples" = [5, "latest"]))]
    context_graph_version: Option<u32>,
    /// The preferred model for each interaction, by the name of the interaction, such as `EngageUser`.
    #[schemars(extend(
        "propertyNames" = {"pattern": r"\S"},
        "examples" = [{"EngageUser": {"llm_name": "openai_gpt-5.1-2025-11-13", "params": {"temperature": 0.4}}}]
    ))]
    llm_model_preferences: Option<BTreeMap<String, Option<Preference>>>,
}

/// The preferred model for one interaction.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Preference {
    /// The name of the model. Required, unless the project's defaults or the environment's overlay set it. A name
    /// without a known prefix (`openai_`, `azure_`, `google_`, `aws_`, `anthropic_`) is accepted, but causes a warning.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["openai_gpt-5.1-2025-11-13"]))]
    llm_name: Option<String>,
    /// Parameters for the model, such as `temperature`. They are sent to the API unchanged.
    #[schemars(extend("examples" = [{"temperature": 0.4}]))]
    params: Option<Map<String, Value>>,
    /// Platform only: settings of the model's behavior. They have the same names as in the API.
    #[schemars(default, schema_with = "settings::experience_controls")]
    experience_controls: Option<Value>,
}

/// Controls how amigops changes a service, and which fields it does not manage.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Lifecycle {
    /// The previous name of the service. The live service with that name is renamed, so that no new service is created.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Wellness Coach"]))]
    renamed_from: Option<String>,
    /// The way in which the agent or context graph of an existing service is changed. Default: `replace` on Classic,
    /// `update` on Platform.
    on_agent_change: Option<OnAgentChange>,
    /// The way in which the old service of a replacement is retired. In the project's defaults, this key also applies
    /// to services that `--prune` retires.
    #[schemars(extend("default" = "deactivate"))]
    retire: Option<Retire>,
    /// Protects the service, so that a plan that retires it is refused without `--allow-protected`. The live service
    /// gets the tag `protected`, so it stays protected after its manifest is deleted.
    #[schemars(extend("default" = false))]
    prevent_removal: Option<bool>,
    /// Fields that amigops sets when it creates the service, but never changes afterwards, such as `description`,
    /// `tags.tier`, `version_sets.dev` or `voice_config.forwarding.forward_to`.
    #[schemars(default, schema_with = "ignored", extend("examples" = [["description", "tags.tier"]]))]
    ignore: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum OnAgentChange {
    /// Create a new service, and switch to it when it is complete. The service's id changes. This is the default on
    /// Classic.
    Replace,
    /// Change the existing service. The service's id stays the same. This is the default on Platform.
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
    /// The version set that the conversation uses: `release`, `edge`, or another one that this service declares. On
    /// Platform, only `release` is supported.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,40}$"), extend("default" = "release"))]
    version_set: Option<String>,
    /// The message that the user sends. Without it, the agent speaks first. On Platform, it has at most 8192
    /// characters.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["Hello"]))]
    say: Option<String>,
    /// A regular expression that the agent's answer must match.
    #[schemars(extend("examples" = ["(?i)hello|welcome"]))]
    expect: Option<String>,
    /// Reserved for a later version of amigops. Only `false` is allowed.
    #[schemars(extend("enum" = [false]))]
    gate: Option<bool>,
}

/// Returns the schema of `ignore`, which is a list of field paths. Paths without a dot are listed as an enum, so that
/// editors can complete them.
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
        // Lists are not merged: a list in a document replaces the list in the defaults as a whole. So inside the items,
        // null could not remove a value, and is not allowed.
        tidy::never_null(&mut members["smoke"]["items"]);
        // An overlay can have the same members as the document, except `service` and `environments`.
        let references: Map<String, Value> = layered(members)
            .map(|(name, _)| (name.clone(), json!({"$ref": format!("#/properties/{name}")})))
            .collect();
        members["environments"]["additionalProperties"] = json!({"$ref": "#/definitions/overlay"});
        schema["definitions"] = json!({"overlay": {
            "description": "A JSON Merge Patch that is applied to the document. Null removes a value.",
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

/// Returns the members of a manifest that defaults and overlays may also have: all except `service` and `environments`.
fn layered(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    members.iter().filter(|(name, _)| !matches!(name.as_str(), "service" | "environments"))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().collect::<String>() + letters.as_str()
}
