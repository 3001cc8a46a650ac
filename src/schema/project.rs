//! The form of `amigops.yaml`.

#![expect(dead_code, reason = "only the types' shapes and descriptions are used: no value is ever made")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{service, tidy};

/// A project: which manifests there are, and where they are applied.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Project {
    /// The version of this file's form: `1`.
    #[schemars(schema_with = "version")]
    version: u8,
    /// Globs of manifest files, relative to this file; `**` crosses directories.
    #[schemars(
        length(min = 1),
        inner(regex(pattern = r"\S")),
        extend("examples" = [["services/**/*.yaml"]])
    )]
    manifests: Vec<String>,
    /// Merged under every service: what a manifest doesn't say, this says.
    #[schemars(extend("examples" = [{"tags": {"team": "care"}}]))]
    defaults: Option<BTreeMap<String, Value>>,
    /// Name → where to apply. A name has at most 64 letters, digits, `-`, `_` and `.`.
    #[schemars(extend(
        "minProperties" = 1,
        "propertyNames" = {"pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$"},
        "examples" = [{
            "sandbox": {"api": "embedded", "seed": "sandbox-seed.yaml"},
            "production": {"api": "classic", "organization": "acme"},
        }]
    ))]
    environments: BTreeMap<String, Environment>,
    /// The environment that is meant without `-e`: one of `environments`.
    #[schemars(regex(pattern = r"\S"), extend("examples" = ["sandbox"]))]
    default_environment: Option<String>,
    /// The tag that says whose a live service is. Only owned services are ever retired.
    #[schemars(extend("default" = {"tag": "managed_by", "value": "amigops"}))]
    ownership: Option<Ownership>,
    /// Patterns of live version sets that are nobody's business here.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["personal-*"]]))]
    unmanaged_version_sets: Option<Vec<String>>,
    /// What no plan may do.
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
    /// The tag's value: letters, digits, underscores and spaces. Another one for each project of an
    /// organization; `--prune` is refused where none is written.
    #[schemars(regex(pattern = TAG), extend("default" = "amigops"))]
    value: Option<String>,
}

/// No ASCII punctuation but the underscore: letters of every script are welcome, and no validator's
/// dialect of regular expressions is needed to say so.
const TAG: &str = r"^[^!-/:-@\[-^`{-~]*[^\s!-/:-@\[-^`{-~][^!-/:-@\[-^`{-~]*$";

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Guardrails {
    /// The most services retired plus version sets deleted in one plan: a number, or a share of our active
    /// services such as `"10%"`, rounded down. `--max-removals` overrides it for one run.
    #[schemars(default, schema_with = "max_removals", extend("examples" = [3, "10%"]))]
    max_removals: Option<Value>,
    /// Version sets that may not say `latest`.
    #[schemars(
        inner(regex(pattern = "^[A-Za-z0-9_-]{1,40}$")),
        extend("examples" = [["release"]])
    )]
    require_pins: Option<Vec<String>>,
    /// Services that may be changed, but not retired or replaced without `--allow-protected`.
    #[schemars(inner(regex(pattern = r"\S")), extend("examples" = [["Emergency Line"]]))]
    protected: Option<Vec<String>>,
}

/// A place that services live in. `api` says which keys it has.
#[derive(JsonSchema)]
#[schemars(tag = "api", rename_all = "lowercase", deny_unknown_fields)]
enum Environment {
    /// An organization on the Classic API.
    Classic {
        /// The organization; else the variable `AMIGO_ORGANIZATION_ID`.
        #[schemars(regex(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"), extend("examples" = ["acme"]))]
        organization: Option<String>,
        /// The server; else `AMIGO_BASE_URL`, else `https://api.amigo.ai`. `http://` to this machine only. One of
        /// the vendor's hosts, this machine, or a host that `AMIGOPS_ALLOWED_HOSTS` lists.
        #[schemars(regex(pattern = URL), extend("examples" = ["http://127.0.0.1:8787"]))]
        base_url: Option<String>,
        /// Sent with each request, such as `x-mongo-cluster-name`; never credentials, nor what the tool sets itself.
        #[schemars(default, schema_with = "headers")]
        headers: Option<Value>,
        /// Names of the environment variables that hold the credentials: `AMIGO_*`, `PLATFORM_*`, and those
        /// that `AMIGOPS_ALLOWED_CREDENTIALS` lists. With `_FILE` behind a name, the variable names a file.
        credentials: Option<ClassicCredentials>,
    },
    /// A workspace on the Platform API.
    Platform {
        /// The workspace's id, a UUID; else the variable `PLATFORM_WORKSPACE_ID` or `AMIGO_WORKSPACE_ID`.
        #[schemars(
            regex(pattern = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"),
            extend("examples" = ["3fa85f64-5717-4562-b3fc-2c963f66afa6"])
        )]
        workspace: Option<String>,
        /// The server; else `PLATFORM_API_URL` or `AMIGO_BASE_URL`, else the vendor's. `http://` to this machine
        /// only. One of the vendor's hosts, this machine, or a host that `AMIGOPS_ALLOWED_HOSTS` lists.
        #[schemars(regex(pattern = URL), extend("examples" = ["http://127.0.0.1:8787"]))]
        base_url: Option<String>,
        /// Sent with each request, such as `x-mongo-cluster-name`; never credentials, nor what the tool sets itself.
        #[schemars(default, schema_with = "headers")]
        headers: Option<Value>,
        /// The name of the environment variable that holds the API key: `AMIGO_*`, `PLATFORM_*`, or one that
        /// `AMIGOPS_ALLOWED_CREDENTIALS` lists. With `_FILE` behind the name, the variable names a file.
        credentials: Option<PlatformCredentials>,
        /// The number that smoke tests speak from, in E.164 form; else a fictional one.
        #[schemars(regex(pattern = E164), extend("examples" = ["+12025550100"]))]
        smoke_phone_number: Option<String>,
    },
    /// An emulator within the process: nothing to install, nothing to sign up for.
    Embedded {
        /// The API that it speaks.
        #[schemars(extend("default" = "classic"))]
        dialect: Option<Dialect>,
        /// The file that keeps the state, within the project. Default: `.amigops/<environment>.redb`.
        #[schemars(regex(pattern = r"\S"), extend("examples" = [".amigops/sandbox.redb"]))]
        state: Option<String>,
        /// The file that says what exists at first, within the project.
        #[schemars(regex(pattern = r"\S"), extend("examples" = ["sandbox-seed.yaml"]))]
        seed: Option<String>,
        /// Whether requests are limited as the API documents it.
        #[schemars(extend("default" = false))]
        limits: Option<bool>,
        /// With `dialect: platform`: the number that smoke tests speak from, in E.164 form; else a fictional
        /// one.
        #[schemars(regex(pattern = E164), extend("examples" = ["+12025550100"]))]
        smoke_phone_number: Option<String>,
    },
}

const E164: &str = r"^\+[1-9][0-9]{1,14}$";
/// `https` anywhere, `http` to this machine.
const URL: &str =
    r"^(https://[^?#@\s]+|http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?(/[^?#@\s]*)?)$";
const VARIABLE: &str = "^[A-Z_][A-Z0-9_]{0,99}$";

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Dialect {
    /// Organizations, replacements.
    Classic,
    /// Workspaces, nested settings.
    Platform,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ClassicCredentials {
    /// The variable with the API key.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_API_KEY"))]
    api_key: Option<String>,
    /// The variable with the API key's id.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_API_KEY_ID"))]
    api_key_id: Option<String>,
    /// The variable with the user's id.
    #[schemars(regex(pattern = VARIABLE), extend("not" = {"pattern": "_FILE$"}, "default" = "AMIGO_USER_ID"))]
    user_id: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PlatformCredentials {
    /// The variable with the API key, where it is neither `PLATFORM_API_KEY` nor `AMIGO_API_KEY`.
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

/// The schema of `amigops.yaml`. Nothing in it is a layer over something else but the defaults.
pub(super) fn schema() -> Value {
    let mut schema = super::of::<Project>();
    tidy::never_null(&mut schema);
    let mut defaults = service::defaults();
    for key in ["description", "examples"] {
        if let Some(said) = schema["properties"]["defaults"].get(key) {
            defaults[key] = json!(said);
        }
    }
    schema["properties"]["defaults"] = defaults;
    schema
}
