//! The schema of `amigops.yaml`.

#![expect(dead_code, reason = "only the schemas of these types are used; no values are created")]

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
    /// Glob patterns of manifest files, relative to this file. `**` matches any number of directories. Hidden files match
    /// only a pattern that names the dot.
    #[schemars(
        length(min = 1),
        inner(regex(pattern = r"\S")),
        extend("examples" = [["services/**/*.yaml"]])
    )]
    manifests: Vec<String>,
    /// Values for every service. A manifest's own values override them.
    #[schemars(extend("examples" = [{"tags": {"team": "care"}}]))]
    defaults: Option<BTreeMap<String, Value>>,
    /// The environments, by name. A name has at most 64 characters: letters, digits, `-`, `_` and `.`.
    #[schemars(extend(
        "minProperties" = 1,
        "propertyNames" = {"pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$"},
        "examples" = [{
            "sandbox": {"api": "embedded", "seed": "sandbox-seed.yaml"},
            "production": {"api": "classic", "organization": "acme"},
        }]
    ))]
    environments: BTreeMap<String, Environment>,
    /// The name of the environment that is used without `-e`. It must be one of `environments`.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["sandbox"]))]
    default_environment: Option<String>,
    /// The tag that marks the live services that this project owns. Only owned services are ever retired.
    #[schemars(extend("default" = {"tag": "managed_by", "value": "amigops"}))]
    ownership: Option<Ownership>,
    /// Retires owned services that no manifest declares, without `--prune`. Needs `ownership.value`. `--no-prune` leaves
    /// these services alone for one run.
    #[schemars(extend("default" = false))]
    prune: Option<bool>,
    /// Patterns of version set names, such as `personal-*`. This project does not manage live version sets whose names
    /// match.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["personal-*"]]))]
    unmanaged_version_sets: Option<Vec<String>>,
    /// Rules that refuse a plan, such as a maximum number of removals.
    guardrails: Option<Guardrails>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Ownership {
    /// The key of the tag. It contains only letters, digits, underscores and spaces, and can't be `replaces`,
    /// `protected` or `origin`.
    #[schemars(
        regex(pattern = TAG),
        extend("default" = "managed_by", "not" = {"enum": ["replaces", "protected", "origin"]})
    )]
    tag: Option<String>,
    /// The value of the tag. It contains only letters, digits, underscores and spaces. Use a different value for each
    /// project of an organization. Without an explicit value, `--prune` and `prune: true` are refused.
    #[schemars(regex(pattern = TAG), extend("default" = "amigops"))]
    value: Option<String>,
    /// Writes the tag `origin` to owned services: a hash of the service's declared name, and the commit of its manifest.
    /// So a service keeps its manifest if another client renames it. Use `false` to write no such tag.
    #[schemars(extend("default" = true))]
    origin: Option<bool>,
}

/// The pattern for the key or value of a tag. It excludes ASCII punctuation, except the underscore. So it allows
/// letters of every script, and works in every dialect of regular expressions.
const TAG: &str = r"^[^!-/:-@\[-^`{-~]*[^\s!-/:-@\[-^`{-~][^!-/:-@\[-^`{-~]*$";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Guardrails {
    /// The maximum number of removals in one plan. Each retired service and each deleted version set is a removal. The
    /// value is a number, or a percentage of the owned active services, such as `"10%"`, which is rounded down.
    /// `--max-removals` overrides it for one run.
    #[schemars(default, schema_with = "max_removals", extend("examples" = [3, "10%"]))]
    max_removals: Option<Value>,
    /// Version sets that must be pinned: both of their versions must be numbers, not `latest`.
    #[schemars(
        inner(regex(pattern = "^[A-Za-z0-9_-]{1,40}$")),
        extend("examples" = [["release"]])
    )]
    require_pins: Option<Vec<String>>,
    /// Services that are not retired or replaced without `--allow-protected`. They can still be changed.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["Emergency Line"]]))]
    protected: Option<Vec<String>>,
}

/// An environment that services are applied to. The value of `api` determines which other keys it can have.
#[derive(JsonSchema)]
#[schemars(tag = "api", rename_all = "lowercase", deny_unknown_fields)]
enum Environment {
    /// An organization on the Classic API.
    Classic {
        /// The id of the organization. Default: the value of the environment variable `AMIGO_ORGANIZATION_ID`.
        #[schemars(regex(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"), extend("examples" = ["acme"]))]
        organization: Option<String>,
        /// The address of the server. Default: the value of the environment variable `AMIGO_BASE_URL`, or else
        /// `https://api.amigo.ai`. Only the vendor's hosts and this machine are allowed, unless the variable
        /// `AMIGOPS_ALLOWED_HOSTS` lists other hosts. `http://` is only allowed for this machine.
        #[schemars(regex(pattern = URL), extend("examples" = ["http://127.0.0.1:8787"]))]
        base_url: Option<String>,
        /// Headers to send with each request, such as `x-mongo-cluster-name`. Headers that carry credentials, and
        /// headers that amigops sets itself, are not allowed.
        #[schemars(default, schema_with = "headers")]
        headers: Option<Value>,
        /// The names of the environment variables that contain the credentials. A name must begin with `AMIGO_` or
        /// `PLATFORM_`, or be listed in `AMIGOPS_ALLOWED_CREDENTIALS`. To read a credential from a file, append `_FILE`
        /// to the name of the variable, and set that variable to the file's path.
        credentials: Option<ClassicCredentials>,
        /// Retires owned services that no manifest declares. Default: the project's own `prune`.
        #[schemars(extend("examples" = [false]))]
        prune: Option<bool>,
    },
    /// A workspace on the Platform API.
    Platform {
        /// The id of the workspace, which is a UUID. Default: the value of the environment variable
        /// `PLATFORM_WORKSPACE_ID`, or else of `AMIGO_WORKSPACE_ID`.
        #[schemars(
            regex(pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"),
            extend("examples" = ["3fa85f64-5717-4562-b3fc-2c963f66afa6"])
        )]
        workspace: Option<String>,
        /// The address of the server. Default: the value of the environment variable `PLATFORM_API_URL`, or else of
        /// `AMIGO_BASE_URL`, or else the vendor's address. Only the vendor's hosts and this machine are allowed, unless
        /// the variable `AMIGOPS_ALLOWED_HOSTS` lists other hosts. `http://` is only allowed for this machine.
        #[schemars(regex(pattern = URL), extend("examples" = ["http://127.0.0.1:8787"]))]
        base_url: Option<String>,
        /// Headers to send with each request, such as `x-mongo-cluster-name`. Headers that carry credentials, and
        /// headers that amigops sets itself, are not allowed.
        #[schemars(default, schema_with = "headers")]
        headers: Option<Value>,
        /// The name of the environment variable that contains the API key. The name must begin with `AMIGO_` or
        /// `PLATFORM_`, or be listed in `AMIGOPS_ALLOWED_CREDENTIALS`. To read the API key from a file, append `_FILE`
        /// to the name of the variable, and set that variable to the file's path.
        credentials: Option<PlatformCredentials>,
        /// Retires owned services that no manifest declares. Default: the project's own `prune`.
        #[schemars(extend("examples" = [false]))]
        prune: Option<bool>,
        /// The phone number that smoke tests call from, in E.164 format. Default: a fictional number.
        #[schemars(regex(pattern = E164), extend("examples" = ["+12025550100"]))]
        smoke_phone_number: Option<String>,
    },
    /// An emulator that runs inside amigops. It needs no installation and no account.
    Embedded {
        /// The API that the emulator emulates.
        #[schemars(extend("default" = "classic"))]
        dialect: Option<Dialect>,
        /// The path of the file that stores the emulator's state. The file must be inside the project. Default:
        /// `.amigops/<environment>.redb`.
        #[schemars(regex(pattern = r"\S"), extend("examples" = [".amigops/sandbox.redb"]))]
        state: Option<String>,
        /// The path of the file that contains the emulator's initial state. The file must be inside the project.
        #[schemars(regex(pattern = r"\S"), extend("examples" = ["sandbox-seed.yaml"]))]
        seed: Option<String>,
        /// Makes the emulator enforce the API's published rate limits.
        #[schemars(extend("default" = false))]
        limits: Option<bool>,
        /// Retires owned services that no manifest declares. Default: the project's own `prune`.
        #[schemars(extend("examples" = [false]))]
        prune: Option<bool>,
        /// The phone number that smoke tests call from, in E.164 format. Only allowed with `dialect: platform`.
        /// Default: a fictional number.
        #[schemars(regex(pattern = E164), extend("examples" = ["+12025550100"]))]
        smoke_phone_number: Option<String>,
    },
}

const E164: &str = r"^\+[1-9][0-9]{1,14}$";
/// The pattern for a base URL. It matches `https` URLs with any host, and `http` URLs with this machine as the host.
const URL: &str =
    r"^(https://[^?#@\s]+|http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?(/[^?#@\s]*)?)$";
const VARIABLE: &str = "^[A-Z_][A-Z0-9_]{0,99}$";

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Dialect {
    /// The Classic API, which has organizations. By default, a service whose agent changes is replaced.
    Classic,
    /// The Platform API, which has workspaces. Its services have nested settings, such as `voice_config`.
    Platform,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ClassicCredentials {
    /// The name of the variable that contains the API key.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_API_KEY"))]
    api_key: Option<String>,
    /// The name of the variable that contains the id of the API key.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_API_KEY_ID"))]
    api_key_id: Option<String>,
    /// The name of the variable that contains the user's id.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_USER_ID"))]
    user_id: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PlatformCredentials {
    /// The name of the variable that contains the API key. Default: `PLATFORM_API_KEY`, or else `AMIGO_API_KEY`.
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

/// Returns the schema of `amigops.yaml`. Null is allowed only below `defaults`, because the rest of the file is not
/// merged with other documents.
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
