//! The environments of `amigops.yaml` and what they may say. Imports `model`.
//!
//! Credentials never stand in a file: only the *names* of environment variables do. What looks like a
//! credential is refused and masked, so that no report shows it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::credentials::{self, CLASSIC_CREDENTIALS, Credentials, PLATFORM_CREDENTIALS};
use super::decode::{self, Fields, Shape};
use super::diagnostic::{Code, Location};
use super::sink::{Problem, Sink};
use super::tree::{Key, Node, Value};
use super::{files, header, id, url};
use crate::model::Api;

/// A place that services live in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub target: Target,
    /// Where amigops.yaml says so.
    pub places: EnvironmentPlaces,
}

/// The places of what decides to whom credentials are sent, and which ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentPlaces {
    /// The environment's name.
    pub name: Location,
    /// The address; none where the file names none.
    pub base_url: Option<Location>,
    /// The variables of the credentials, in the order of [`Credentials::names`].
    pub credentials: Vec<Location>,
}

/// How an environment is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An organization on the Classic API.
    Classic {
        /// The organization; absent: the environment variable says it.
        organization: Option<String>,
        /// Another server than the vendor's.
        base_url: Option<String>,
        /// Headers sent with every request.
        headers: BTreeMap<String, String>,
        /// Which variables hold the credentials.
        credentials: Credentials,
    },
    /// An emulator within the process.
    Embedded {
        /// The API that it speaks.
        dialect: Api,
        /// The file that holds its state, absolute.
        state: PathBuf,
        /// The file that says what exists there at first, absolute.
        seed: Option<PathBuf>,
        /// Whether it has the published request limits.
        limits: bool,
        /// The number that smoke tests speak from, where the dialect is Platform's; absent: a fictional one.
        smoke_phone_number: Option<String>,
    },
    /// A workspace on the Platform API.
    Platform {
        /// The workspace's id; absent: the environment variable says it.
        workspace: Option<String>,
        /// Another server than the vendor's.
        base_url: Option<String>,
        /// Headers sent with every request.
        headers: BTreeMap<String, String>,
        /// Which variables hold the credentials.
        credentials: Credentials,
        /// The number that smoke tests speak from; absent: a fictional one.
        smoke_phone_number: Option<String>,
    },
}

impl Target {
    /// The API that is spoken there.
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
    keys: &["api", "organization", "base_url", "headers", "credentials"],
    help: "",
};
pub(super) const PLATFORM: Shape = Shape {
    what: "a Platform environment",
    keys: &["api", "workspace", "base_url", "headers", "credentials", "smoke_phone_number"],
    help: "",
};
pub(super) const EMBEDDED: Shape = Shape {
    what: "an embedded environment",
    keys: &["api", "dialect", "state", "seed", "limits", "smoke_phone_number"],
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
        "dialect",
        "state",
        "seed",
        "limits",
        "smoke_phone_number",
    ],
    help: "",
};
/// Reads one environment.
pub(super) fn decode(sink: &mut Sink, root: &Path, key: &Key, node: &Node) -> Option<Environment> {
    let map = decode::mapping(sink, node, "an environment")?;
    let api = match map.get("api") {
        Some(api) => decode::word(sink, api, "an environment's `api`", &["classic", "platform", "embedded"]),
        None => {
            let problem = Problem::error(Code::MissingKey, key.span, "an environment needs `api`");
            sink.push(problem.label("`api: classic`, `api: platform` or `api: embedded` is missing"));
            None
        }
    };
    let shape = match api {
        Some("classic") => &CLASSIC,
        Some("platform") => &PLATFORM,
        Some(_) => &EMBEDDED,
        None => &ANY,
    };
    let fields = Fields::open_with(sink, node, shape, foreign_key)?;
    let target = match api? {
        "classic" => Target::Classic {
            organization: organization(sink, fields),
            base_url: base_url(sink, fields),
            headers: headers(sink, fields),
            credentials: credentials::decode(sink, fields, &CLASSIC_CREDENTIALS),
        },
        "platform" => Target::Platform {
            workspace: workspace(sink, fields),
            base_url: base_url(sink, fields),
            headers: headers(sink, fields),
            credentials: credentials::decode(sink, fields, &PLATFORM_CREDENTIALS),
            smoke_phone_number: phone_number(sink, fields),
        },
        _ => embedded(sink, root, &key.name, fields),
    };
    let places = places(sink, key, fields, &target);
    Some(Environment { name: key.name.clone(), target, places })
}

fn places(sink: &Sink, key: &Key, fields: Fields<'_>, target: &Target) -> EnvironmentPlaces {
    let (base_url, credentials) = match target {
        Target::Classic { base_url, credentials, .. } | Target::Platform { base_url, credentials, .. } => {
            (base_url.as_ref(), credentials::places(sink, fields, credentials))
        }
        Target::Embedded { .. } => (None, Vec::new()),
    };
    EnvironmentPlaces {
        name: sink.location(key.span),
        base_url: base_url.and(fields.raw("base_url")).map(|node| sink.location(node.span)),
        credentials,
    }
}

/// A key of another kind of environment gets its own words, and a credential is never shown.
fn foreign_key(sink: &mut Sink, key: &Key, value: &Node) -> bool {
    // `credentials` itself is known in every environment but the embedded one.
    if decode::names_credential(&key.name) && !CLASSIC.keys.contains(&key.name.as_str()) {
        decode::mask(sink, value);
        sink.push(
            Problem::error(Code::BadCredential, key.span, "credentials never stand in a file")
                .label("remove this, and change the credential if it was a real one")
                .help("set the environment variables, or name others under `credentials`"),
        );
        return true;
    }
    // A misspelt `credentials` or `headers` must not show what stands below it either.
    if matches!(value.value, Value::Map(_)) {
        credentials::mask(sink, value);
    }
    let owner =
        [&CLASSIC, &PLATFORM, &EMBEDDED].into_iter().find(|one| one.keys.contains(&key.name.as_str()));
    let Some(owner) = owner else { return false };
    let message = format!("unknown key `{}`", key.name);
    sink.push(
        Problem::error(Code::UnknownKey, key.span, message).label(format!("only {} has it", owner.what)),
    );
    true
}

fn embedded(sink: &mut Sink, root: &Path, name: &str, fields: Fields<'_>) -> Target {
    let dialect = match fields.get(sink, "dialect") {
        Some(node) => decode::word(sink, node, "`dialect`", &["classic", "platform"]),
        None => None,
    };
    let state = match fields.get(sink, "state") {
        Some(node) => files::inside_without_links(sink, root, node),
        None => None,
    };
    let seed = match fields.get(sink, "seed") {
        Some(node) => files::inside(sink, root, node),
        None => None,
    };
    let limits = match fields.get(sink, "limits") {
        Some(node) => decode::boolean(sink, node).unwrap_or_default(),
        None => false,
    };
    let state = state.unwrap_or_else(|| root.join(".amigops").join(format!("{name}.redb")));
    let number = phone_number(sink, fields);
    let api = match dialect {
        Some("platform") => Some(Api::Platform),
        None if fields.raw("dialect").is_some() => None,
        _ => Some(Api::Classic),
    };
    // Where the dialect can't be read there is no telling.
    if let Some(key) = fields.key("smoke_phone_number")
        && api == Some(Api::Classic)
    {
        let problem = Problem::error(Code::UnknownKey, key.span, "unknown key `smoke_phone_number`");
        sink.push(
            problem
                .label("only an environment on the Platform API has it")
                .help("`dialect: platform` makes this one such an environment"),
        );
    }
    let dialect = api.unwrap_or(Api::Classic);
    Target::Embedded { dialect, state, seed, limits, smoke_phone_number: number }
}

fn workspace(sink: &mut Sink, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(sink, "workspace")?;
    let text = decode::name(sink, node, "`workspace`")?;
    id::check(sink, node.span, text, Api::Platform)
}

fn phone_number(sink: &mut Sink, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(sink, "smoke_phone_number")?;
    let text = decode::name(sink, node, "`smoke_phone_number`")?;
    if !id::is_e164(text) {
        let message = "`smoke_phone_number` isn't a phone number in E.164 form";
        sink.push(Problem::error(Code::BadPhoneNumber, node.span, message).label(id::E164));
        return None;
    }
    Some(text.to_owned())
}

/// The organization's name, which becomes part of a path.
fn organization(sink: &mut Sink, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(sink, "organization")?;
    let text = decode::name(sink, node, "`organization`")?;
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        || text.starts_with('.')
    {
        let problem = Problem::error(Code::BadValue, node.span, "`organization` has characters of a path");
        sink.push(problem.label("letters, digits, `-`, `_` and `.` are expected"));
        return None;
    }
    Some(text.to_owned())
}

fn base_url(sink: &mut Sink, fields: Fields<'_>) -> Option<String> {
    let node = fields.get(sink, "base_url")?;
    let text = decode::name(sink, node, "`base_url`")?;
    match url::check(text) {
        Ok(()) => Some(text.trim_end_matches('/').to_owned()),
        Err(reason) => {
            if reason == url::Reason::Credentials {
                sink.mask(node.span);
            }
            sink.push(
                Problem::error(Code::BadUrl, node.span, "`base_url` can't be used").label(reason.to_string()),
            );
            None
        }
    }
}

fn headers(sink: &mut Sink, fields: Fields<'_>) -> BTreeMap<String, String> {
    let Some(node) = fields.get(sink, "headers") else { return BTreeMap::new() };
    // Masked before types are looked at: whatever stands behind such a name may be a secret.
    if !matches!(node.value, Value::Map(_)) {
        decode::mask(sink, node);
    }
    if let Value::Map(map) = &node.value {
        for (key, value) in map.entries.iter().filter(|(key, _)| header::carries_credential(&key.name)) {
            decode::mask(sink, value);
            sink.push(
                Problem::error(Code::BadHeader, key.span, "a header that carries credentials")
                    .label("credentials never stand in a file")
                    .help("the tool signs in with the environment's variables; see `credentials`"),
            );
        }
    }
    let mut found = BTreeMap::new();
    for (name, (value, key_span, span)) in decode::text_map(sink, node, "headers by name") {
        if header::carries_credential(&name) {
            continue;
        }
        if let Some(reason) = header::refusal(&name) {
            sink.push(Problem::error(Code::BadHeader, key_span, "not a header to set").label(reason));
        } else if !value.chars().all(|c| (' '..='~').contains(&c)) {
            let problem = Problem::error(Code::BadHeader, span, "a header's value is printable ASCII");
            sink.push(problem.label("no line breaks, no other characters"));
        } else {
            found.insert(name, value);
        }
    }
    found
}
