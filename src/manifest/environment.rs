//! Decodes the environments of `amigops.yaml`.
//!
//! Files contain only the *names* of environment variables, never credentials. A value that looks like a credential is
//! refused, and every report masks it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::collector::{DiagnosticCollector, Problem};
use super::credentials::{self, CLASSIC_CREDENTIALS, CredentialVariables, PLATFORM_CREDENTIALS};
use super::decode::{self, Fields, Shape};
use super::diagnostic::{Code, Location};
use super::tree::{Key, Node, Value};
use super::{files, header, id, url};
use crate::model::Api;

/// An environment: the organization, workspace or emulator that services are applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The name of the environment.
    pub name: String,
    /// The API and address of the environment.
    pub target: EnvironmentTarget,
    /// True if plans for this environment retire orphans. If this is `None`, the project's own `prune` applies.
    pub prune: Option<bool>,
    /// The locations in `amigops.yaml` that determine which credentials are sent, and where.
    pub places: EnvironmentPlaces,
}

/// The locations in `amigops.yaml` that determine which credentials are sent, and where. Reports point to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentPlaces {
    /// The location of the environment's name.
    pub name: Location,
    /// The location of `base_url`, if the file has one.
    pub base_url: Option<Location>,
    /// The locations of the names of credential variables, in the order of [`CredentialVariables::names`].
    pub credentials: Vec<Location>,
}

/// The API and address of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentTarget {
    /// An organization on the Classic API.
    Classic {
        /// The id of the organization. If absent, it comes from an environment variable.
        organization: Option<String>,
        /// The address of the server (`base_url`), without a `/` at its end. If absent, the API's default address is
        /// used.
        base_url: Option<String>,
        /// The headers to send with every request.
        headers: BTreeMap<String, String>,
        /// The names of the variables that contain the credentials.
        credentials: CredentialVariables,
    },
    /// An emulator that runs inside amigops.
    Embedded {
        /// The API that is emulated.
        dialect: Api,
        /// The absolute path of the state file.
        state: PathBuf,
        /// The absolute path of the seed file, which contains the initial state.
        seed: Option<PathBuf>,
        /// True if the emulator enforces the published rate limits.
        limits: bool,
        /// The phone number that smoke tests call from on the Platform API. If absent, a fictional number is used.
        smoke_phone_number: Option<String>,
    },
    /// A workspace on the Platform API.
    Platform {
        /// The workspace's id. If absent, it comes from an environment variable.
        workspace: Option<String>,
        /// The address of the server (`base_url`), without a `/` at its end. If absent, the API's default address is
        /// used.
        base_url: Option<String>,
        /// The headers to send with every request.
        headers: BTreeMap<String, String>,
        /// The names of the variables that contain the credentials.
        credentials: CredentialVariables,
        /// The phone number that smoke tests call from. If absent, a fictional number is used.
        smoke_phone_number: Option<String>,
    },
}

impl EnvironmentTarget {
    /// Returns the API of the environment.
    pub fn api(&self) -> Api {
        match self {
            Self::Classic { .. } => Api::Classic,
            Self::Embedded { dialect, .. } => *dialect,
            Self::Platform { .. } => Api::Platform,
        }
    }
}

pub(super) const CLASSIC: Shape = Shape {
    what: "a Classic environment",
    keys: &["api", "organization", "base_url", "headers", "credentials", "prune"],
    help: "",
};
pub(super) const PLATFORM: Shape = Shape {
    what: "a Platform environment",
    keys: &["api", "workspace", "base_url", "headers", "credentials", "prune", "smoke_phone_number"],
    help: "",
};
pub(super) const EMBEDDED: Shape = Shape {
    what: "an embedded environment",
    keys: &["api", "dialect", "state", "seed", "limits", "prune", "smoke_phone_number"],
    help: "",
};
const ANY: Shape = Shape {
    what: "an environment",
    keys: &[
        "api",
        "organization",
        "workspace",
        "base_url",
        "headers",
        "credentials",
        "prune",
        "dialect",
        "state",
        "seed",
        "limits",
        "smoke_phone_number",
    ],
    help: "",
};
/// Decodes one environment of `amigops.yaml`. Returns `None` if it is not a mapping, or if its `api` is missing or
/// invalid.
pub(super) fn decode(
    problems: &mut DiagnosticCollector,
    root: &Path,
    key: &Key,
    node: &Node,
) -> Option<Environment> {
    let map = decode::mapping(problems, node, "an environment")?;
    let api = match map.get("api") {
        Some(api) => {
            decode::word(problems, api, "an environment's `api`", &["classic", "platform", "embedded"])
        }
        None => {
            let problem = Problem::error(Code::MissingKey, key.span, "an environment needs `api`");
            problems.push(problem.label("add `api: classic`, `api: platform` or `api: embedded`"));
            None
        }
    };
    let shape = match api {
        Some("classic") => &CLASSIC,
        Some("platform") => &PLATFORM,
        Some(_) => &EMBEDDED,
        None => &ANY,
    };
    let fields = Fields::open_with(problems, node, shape, report_foreign_key)?;
    let target = match api? {
        "classic" => EnvironmentTarget::Classic {
            organization: organization(problems, fields),
            base_url: base_url(problems, fields),
            headers: headers(problems, fields),
            credentials: credentials::decode(problems, fields, &CLASSIC_CREDENTIALS),
        },
        "platform" => EnvironmentTarget::Platform {
            workspace: workspace(problems, fields),
            base_url: base_url(problems, fields),
            headers: headers(problems, fields),
            credentials: credentials::decode(problems, fields, &PLATFORM_CREDENTIALS),
            smoke_phone_number: phone_number(problems, fields),
        },
        _ => embedded(problems, root, &key.name, fields),
    };
    let prune = fields.get(problems, "prune").and_then(|node| decode::boolean(problems, node));
    let places = places(problems, key, fields, &target);
    Some(Environment { name: key.name.clone(), target, prune, places })
}

fn places(
    problems: &DiagnosticCollector,
    key: &Key,
    fields: Fields<'_>,
    target: &EnvironmentTarget,
) -> EnvironmentPlaces {
    let (base_url, credentials) = match target {
        EnvironmentTarget::Classic { base_url, credentials, .. }
        | EnvironmentTarget::Platform { base_url, credentials, .. } => {
            (base_url.as_ref(), credentials::places(problems, fields, credentials))
        }
        EnvironmentTarget::Embedded { .. } => (None, Vec::new()),
    };
    EnvironmentPlaces {
        name: problems.location(key.span),
        base_url: base_url.and(fields.raw("base_url")).map(|node| problems.location(node.span)),
        credentials,
    }
}

/// Reports an unknown key that looks like a credential, or that belongs to another kind of environment. Masks its value
/// if the value may be a credential. Returns false if the key is neither, so that the caller reports it.
fn report_foreign_key(problems: &mut DiagnosticCollector, key: &Key, value: &Node) -> bool {
    // The key `credentials` is not treated as a misplaced credential: every environment except an embedded one has this
    // key.
    if decode::names_credential(&key.name) && !CLASSIC.keys.contains(&key.name.as_str()) {
        decode::mask(problems, value);
        problems.push(
            Problem::error(Code::BadCredential, key.span, "credentials don't belong in a file")
                .label("remove this key, and revoke the credential if it was real")
                .help("set the environment variables, or name other variables under `credentials`"),
        );
        return true;
    }
    // Mask the values below a misspelt `credentials` or `headers`, too.
    if matches!(value.value, Value::Map(_)) {
        credentials::mask(problems, value);
    }
    let owner =
        [&CLASSIC, &PLATFORM, &EMBEDDED].into_iter().find(|one| one.keys.contains(&key.name.as_str()));
    let Some(owner) = owner else { return false };
    let message = format!("unknown key `{}`", key.name);
    problems.push(
        Problem::error(Code::UnknownKey, key.span, message)
            .label(format!("only {} has this key", owner.what)),
    );
    true
}

fn embedded(
    problems: &mut DiagnosticCollector,
    root: &Path,
    name: &str,
    fields: Fields<'_>,
) -> EnvironmentTarget {
    let dialect = match fields.get(problems, "dialect") {
        Some(node) => decode::word(problems, node, "`dialect`", &["classic", "platform"]),
        None => None,
    };
    let state = match fields.get(problems, "state") {
        Some(node) => files::path_to_create(problems, root, node),
        None => None,
    };
    let seed = match fields.get(problems, "seed") {
        Some(node) => files::path_to_read(problems, root, node),
        None => None,
    };
    let limits = match fields.get(problems, "limits") {
        Some(node) => decode::boolean(problems, node).unwrap_or_default(),
        None => false,
    };
    let state = state.unwrap_or_else(|| root.join(".amigops").join(format!("{name}.redb")));
    let number = phone_number(problems, fields);
    let api = match dialect {
        Some("platform") => Some(Api::Platform),
        None if fields.raw("dialect").is_some() => None,
        _ => Some(Api::Classic),
    };
    // If the dialect is invalid, the API is not known, so the key is not checked.
    if let Some(key) = fields.key("smoke_phone_number")
        && api == Some(Api::Classic)
    {
        let problem = Problem::error(Code::UnknownKey, key.span, "unknown key `smoke_phone_number`");
        problems.push(
            problem
                .label("only an environment on the Platform API has this key")
                .help("set `dialect: platform` to emulate the Platform API"),
        );
    }
    let dialect = api.unwrap_or(Api::Classic);
    EnvironmentTarget::Embedded { dialect, state, seed, limits, smoke_phone_number: number }
}

fn workspace(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(problems, "workspace")?;
    let text = decode::name(problems, node, "`workspace`")?;
    id::check(problems, node.span, text, Api::Platform)
}

fn phone_number(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(problems, "smoke_phone_number")?;
    let text = decode::name(problems, node, "`smoke_phone_number`")?;
    if !id::is_e164(text) {
        let message = "`smoke_phone_number` is not a phone number in E.164 format";
        problems.push(Problem::error(Code::BadPhoneNumber, node.span, message).label(id::E164));
        return None;
    }
    Some(text.to_owned())
}

/// Decodes the id of the organization. It becomes part of a URL path, so only some characters are allowed.
fn organization(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(problems, "organization")?;
    let text = decode::name(problems, node, "`organization`")?;
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        || text.starts_with('.')
    {
        let problem = Problem::error(
            Code::BadValue,
            node.span,
            "`organization` contains characters that are not allowed",
        );
        problems.push(problem.label("use letters, digits, `-`, `_` and `.`"));
        return None;
    }
    Some(text.to_owned())
}

fn base_url(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(problems, "base_url")?;
    let text = decode::name(problems, node, "`base_url`")?;
    match url::check(text) {
        Ok(()) => Some(text.trim_end_matches('/').to_owned()),
        Err(reason) => {
            if reason == url::Reason::Credentials {
                problems.mask(node.span);
            }
            problems.push(
                Problem::error(Code::BadUrl, node.span, "`base_url` is not valid").label(reason.to_string()),
            );
            None
        }
    }
}

fn headers(problems: &mut DiagnosticCollector, fields: Fields<'_>) -> BTreeMap<String, String> {
    let Some(node) = fields.get(problems, "headers") else { return BTreeMap::new() };
    // Mask the values first, because the reports of wrong types below quote lines of the file.
    if !matches!(node.value, Value::Map(_)) {
        decode::mask(problems, node);
    }
    if let Value::Map(map) = &node.value {
        for (key, value) in map.entries.iter().filter(|(key, _)| header::carries_credential(&key.name)) {
            decode::mask(problems, value);
            problems.push(
                Problem::error(Code::BadHeader, key.span, "this header carries credentials")
                    .label("credentials don't belong in a file")
                    .help("amigops signs in with the environment variables under `credentials`"),
            );
        }
    }
    let mut found = BTreeMap::new();
    for (name, (value, key_span, span)) in decode::text_map(problems, node, "headers by name") {
        if header::carries_credential(&name) {
            continue;
        }
        if let Some(reason) = header::refusal(&name) {
            problems
                .push(Problem::error(Code::BadHeader, key_span, "this header can't be set").label(reason));
        } else if !value.chars().all(|c| (' '..='~').contains(&c)) {
            let problem = Problem::error(Code::BadHeader, span, "a header's value must be printable ASCII");
            problems
                .push(problem.label("remove line breaks and all characters that are not printable ASCII"));
        } else {
            found.insert(name, value);
        }
    }
    found
}
