//! The schema of `amigops.yaml`.

#![expect(dead_code, reason = "only the types' schemas are used; no value is ever created")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{generate, service, tidy};

/// A project: its manifests, and the environments to apply them to.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Project {
    /// The version of the file format: `1`.
    #[schemars(schema_with = "version")]
    version: u8,
    /// Glob patterns of manifest files, relative to this file. `**` matches any number of directories.
    #[schemars(
        length(min = 1),
        inner(regex(pattern = r"\S")),
        extend("examples" = [["services/**/*.yaml"]])
    )]
    manifests: Vec<String>,
    /// Values for every service. A manifest's own values override them.
    #[schemars(extend("examples" = [{"tags": {"team": "care"}}]))]
    defaults: Option<BTreeMap<String, Value>>,
    /// The environments by name. A name has at most 64 letters, digits, `-`, `_` and `.`.
    #[schemars(extend(
        "minProperties" = 1,
        "propertyNames" = {"pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$"},
        "examples" = [{
            "sandbox": {"api": "embedded", "seed": "sandbox-seed.yaml"},
            "production": {"api": "classic", "organization": "acme"},
        }]
    ))]
    environments: BTreeMap<String, Environment>,
    /// The environment to use without `-e`. One of `environments`.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["sandbox"]))]
    default_environment: Option<String>,
    /// The tag that marks the live services that this project owns. Only owned services are ever retired.
    #[schemars(extend("default" = {"tag": "managed_by", "value": "amigops"}))]
    ownership: Option<Ownership>,
    /// Patterns of live version sets that this project does not manage.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["personal-*"]]))]
    unmanaged_version_sets: Option<Vec<String>>,
    /// Limits for every plan.
    guardrails: Option<Guardrails>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Ownership {
    /// The tag's key: letters, digits, underscores and spaces; not `replaces` or `protected`.
    #[schemars(
        regex(pattern = TAG),
        extend("default" = "managed_by", "not" = {"enum": ["replaces", "protected"]})
    )]
    tag: Option<String>,
    /// The tag's value: letters, digits, underscores and spaces. Use a different value for each project of an
    /// organization. Without an explicit value, `--prune` is refused.
    #[schemars(regex(pattern = TAG), extend("default" = "amigops"))]
    value: Option<String>,
}

/// Excludes ASCII punctuation except the underscore. Allows letters of every script without depending on a
/// validator's dialect of regular expressions.
const TAG: &str = r"^[^!-/:-@\[-^`{-~]*[^\s!-/:-@\[-^`{-~][^!-/:-@\[-^`{-~]*$";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Guardrails {
    /// The maximum number of retired services plus deleted version sets in one plan. A number, or a share of the
    /// owned active services such as `"10%"`, rounded down. `--max-removals` overrides it for one run.
    #[schemars(default, schema_with = "max_removals", extend("examples" = [3, "10%"]))]
    max_removals: Option<Value>,
    /// Version sets that must not use `latest`.
    #[schemars(
        inner(regex(pattern = "^[A-Za-z0-9_-]{1,40}$")),
        extend("examples" = [["release"]])
    )]
    require_pins: Option<Vec<String>>,
    /// Services that are not retired or replaced without `--allow-protected`. They can still be changed.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["Emergency Line"]]))]
    protected: Option<Vec<String>>,
}

/// An environment to apply services to. `api` decides which keys it has.
#[derive(JsonSchema)]
#[schemars(tag = "api", rename_all = "lowercase", deny_unknown_fields)]
enum Environment {
    /// An organization on the Classic API.
    Classic {
        /// The organization. Default: the variable `AMIGO_ORGANIZATION_ID`.
        #[schemars(regex(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"), extend("examples" = ["acme"]))]
        organization: Option<String>,
        /// The server. Default: `AMIGO_BASE_URL`, else `https://api.amigo.ai`. Allowed are the vendor's hosts, this
        /// machine, and hosts in `AMIGOPS_ALLOWED_HOSTS`. `http://` is only allowed for this machine.
        #[schemars(regex(pattern = URL), extend("examples" = ["http://127.0.0.1:8787"]))]
        base_url: Option<String>,
        /// Headers to send with each request, such as `x-mongo-cluster-name`. Not credentials, and not headers that
        /// amigops sets itself.
        #[schemars(default, schema_with = "headers")]
        headers: Option<Value>,
        /// The names of the environment variables that hold the credentials. Allowed are `AMIGO_*`, `PLATFORM_*` and
        /// names in `AMIGOPS_ALLOWED_CREDENTIALS`. Set the same name with `_FILE` to read from a file instead.
        credentials: Option<ClassicCredentials>,
    },
    /// A workspace on the Platform API.
    Platform {
        /// The workspace's id, a UUID. Default: the variable `PLATFORM_WORKSPACE_ID`, else `AMIGO_WORKSPACE_ID`.
        #[schemars(
            regex(pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"),
            extend("examples" = ["3fa85f64-5717-4562-b3fc-2c963f66afa6"])
        )]
        workspace: Option<String>,
        /// The server. Default: `PLATFORM_API_URL`, else `AMIGO_BASE_URL`, else the vendor's. Allowed are the vendor's
        /// hosts, this machine, and hosts in `AMIGOPS_ALLOWED_HOSTS`. `http://` is only allowed for this machine.
        #[schemars(regex(pattern = URL), extend("examples" = ["http://127.0.0.1:8787"]))]
        base_url: Option<String>,
        /// Headers to send with each request, such as `x-mongo-cluster-name`. Not credentials, and not headers that
        /// amigops sets itself.
        #[schemars(default, schema_with = "headers")]
        headers: Option<Value>,
        /// The name of the environment variable that holds the API key. Allowed are `AMIGO_*`, `PLATFORM_*` and names
        /// in `AMIGOPS_ALLOWED_CREDENTIALS`. Set the same name with `_FILE` to read from a file instead.
        credentials: Option<PlatformCredentials>,
        /// The phone number that smoke tests call from, in E.164 format. Default: a fictional number.
        #[schemars(regex(pattern = E164), extend("examples" = ["+12025550100"]))]
        smoke_phone_number: Option<String>,
    },
    /// An emulator inside the process. It needs no installation and no account.
    Embedded {
        /// The API to emulate.
        #[schemars(extend("default" = "classic"))]
        dialect: Option<Dialect>,
        /// The file that stores the state, inside the project. Default: `.amigops/<environment>.redb`.
        #[schemars(regex(pattern = r"\S"), extend("examples" = [".amigops/sandbox.redb"]))]
        state: Option<String>,
        /// The file with the initial state, inside the project.
        #[schemars(regex(pattern = r"\S"), extend("examples" = ["sandbox-seed.yaml"]))]
        seed: Option<String>,
        /// Enforces the API's published rate limits.
        #[schemars(extend("default" = false))]
        limits: Option<bool>,
        /// Only with `dialect: platform`: the phone number that smoke tests call from, in E.164 format. Default: a
        /// fictional number.
        #[schemars(regex(pattern = E164), extend("examples" = ["+12025550100"]))]
        smoke_phone_number: Option<String>,
    },
}

const E164: &str = r"^\+[1-9][0-9]{1,14}$";
/// Matches `https` URLs to any host, and `http` URLs to this machine.
const URL: &str =
    r"^(https://[^?#@\s]+|http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?(/[^?#@\s]*)?)$";
const VARIABLE: &str = "^[A-Z_][A-Z0-9_]{0,99}$";

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Dialect {
    /// Organizations; a changed agent needs a replacement.
    Classic,
    /// Workspaces; services have nested settings.
    Platform,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ClassicCredentials {
    /// The variable of the API key.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_API_KEY"))]
    api_key: Option<String>,
    /// The variable of the API key's id.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_API_KEY_ID"))]
    api_key_id: Option<String>,
    /// The variable of the user's id.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_USER_ID"))]
    user_id: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PlatformCredentials {
    /// The variable of the API key. Default: `PLATFORM_API_KEY`, else `AMIGO_API_KEY`.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "examples" = ["AMIGO_ACME_API_KEY"]))]
    api_key: Option<String>,
}

fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "enum": [1]})
}

fn headers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"},
        "additionalProperties": {"type": "string", "pattern": "^[ -~]*$"},
        "examples": [{"x-mongo-cluster-name": "eu-1"}],
    })
}

fn max_removals(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)%$"},
    ]})
}

/// Returns the schema of `amigops.yaml`. Only its defaults are a layer, so only they may be null.
pub(super) fn schema() -> Value {
    let mut schema = generate::schema_of::<Project>();
    tidy::never_null(&mut schema);
    let mut defaults = service::defaults();
    for key in ["description", "examples"] {
        if let Some(value) = schema["properties"]["defaults"].get(key) {
            defaults[key] = json!(value);
        }
    }
    schema["properties"]["defaults"] = defaults;
    schema
}
