//! From an environment to a connection: the embedded emulator, credentials, addresses. May import everything.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::Context;
use crate::emulator::{Limits, Options, Seed, Server};
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::{Credentials as VariableNames, Environment, Loaded, Target};
use crate::model::Api;
use crate::remote::{Access, Classic, Credentials, ReadApi, WriteApi};

/// The organization and the credentials of the embedded sandbox: a loopback port of this process.
const SANDBOX: &str = "sandbox";

/// A connection, and the emulator that it may need to stay alive.
pub(super) struct Connection {
    api: Classic,
    pub(super) organization: String,
    _emulator: Option<Server>,
}

impl Connection {
    /// The API as commands that plan see it: they can't write, by type.
    pub(super) fn read(&self) -> &impl ReadApi {
        &self.api
    }

    /// The API as `apply` sees it.
    pub(super) fn write(&self) -> &impl WriteApi {
        &self.api
    }

    /// The API's kind.
    pub(super) fn kind(&self) -> Api {
        Api::Classic
    }
}

/// Connects to the environment that was loaded.
pub(super) fn connect(context: &Context<'_>, loaded: &Loaded) -> Result<Connection, Failure> {
    let Environment { name, target } = &loaded.environment;
    match target {
        Target::Embedded { state, seed, limits, .. } => embedded(context, state, seed.as_deref(), *limits),
        Target::Classic { organization, base_url, headers, credentials } => {
            let missing = |what: &str, key: &str, variable: &str| {
                Failure::other(format!("environment `{name}` has no {what}"))
                    .hint(format!("set `{key}:` in amigops.yaml, or the variable {variable}"))
            };
            let organization = organization
                .clone()
                .or_else(|| context.env.variable("AMIGO_ORGANIZATION_ID"))
                .ok_or_else(|| missing("organization", "organization", "AMIGO_ORGANIZATION_ID"))?;
            let base_url = base_url
                .clone()
                .or_else(|| context.env.variable("AMIGO_BASE_URL"))
                .unwrap_or_else(|| Classic::BASE_URL.to_owned());
            let credentials = read_credentials(context.env, credentials, name)?;
            let access = access(context, &base_url, organization.clone(), credentials, headers.clone());
            Ok(Connection { api: Classic::new(access)?, organization, _emulator: None })
        }
        Target::Platform { .. } => {
            Err(Failure::other(format!("environment `{name}` is on the Platform API"))
                .hint("this version manages the Classic API only"))
        }
    }
}

fn access(
    context: &Context<'_>,
    base_url: &str,
    organization: String,
    credentials: Credentials,
    headers: std::collections::BTreeMap<String, String>,
) -> Access {
    let (now, random) = (context.env.clone(), context.env.clone());
    Access {
        base_url: base_url.trim_end_matches('/').to_owned(),
        organization,
        headers,
        credentials,
        now: Arc::new(move || now.now()),
        random: Arc::new(move || random.random()),
        watch: Arc::new(context.ui.clone()),
        stop: context.stop.clone(),
    }
}

/// Reads the credentials from the variables that the environment names, or from the files that `*_FILE`
/// variables name.
fn read_credentials(env: &Env, names: &VariableNames, environment: &str) -> Result<Credentials, Failure> {
    let read = |what: &str, name: &Option<String>, default: &str| -> Result<SecretString, Failure> {
        let name = name.as_deref().unwrap_or(default);
        let file_name = format!("{name}_FILE");
        match (env.variable(name), env.variable(&file_name)) {
            (Some(value), None) => Ok(value.trim().into()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(&file).map_err(|error| {
                    Failure::other(format!("the file that {file_name} names can't be read: {file}: {error}"))
                })?;
                Ok(text.trim().into())
            }
            (Some(_), Some(_)) => {
                Err(Failure::other(format!("both {name} and {file_name} are set")).hint("unset one of them"))
            }
            (None, None) => {
                Err(Failure::other(format!("environment `{environment}` has no {what}: {name} is not set"))
                    .hint(format!("set {name}, or {file_name} to a file that holds it")))
            }
        }
    };
    Ok(Credentials::SignIn {
        api_key: read("API key", &names.api_key, "AMIGO_API_KEY")?,
        api_key_id: read("API key id", &names.api_key_id, "AMIGO_API_KEY_ID")?,
        user_id: read("user", &names.user_id, "AMIGO_USER_ID")?,
    })
}

/// Starts the emulator in this process, on a free loopback port.
fn embedded(
    context: &Context<'_>,
    state: &Path,
    seed: Option<&Path>,
    limits: bool,
) -> Result<Connection, Failure> {
    if let Some(directory) = state.parent() {
        std::fs::create_dir_all(directory).map_err(|error| {
            Failure::other(format!("the sandbox's directory can't be made: {}: {error}", directory.display()))
        })?;
    }
    let mut seed = seed.map(read_seed).transpose()?.unwrap_or_default();
    seed.ensure_api_key(SANDBOX, SANDBOX, SANDBOX, SANDBOX);
    let clock = context.env.clone();
    let mut options = Options::new(Arc::new(move || clock.now()));
    options.state = Some(state.to_path_buf());
    options.seed = Some(seed);
    options.limits =
        if limits { Limits::Documented { window: Duration::from_secs(60) } } else { Limits::Off };
    let server = start(options)?;
    let credentials =
        Credentials::SignIn { api_key: SANDBOX.into(), api_key_id: SANDBOX.into(), user_id: SANDBOX.into() };
    let access =
        access(context, &server.url(), SANDBOX.to_owned(), credentials, std::collections::BTreeMap::new());
    Ok(Connection { api: Classic::new(access)?, organization: SANDBOX.to_owned(), _emulator: Some(server) })
}

/// Starts an emulator, or says why not, down to the first cause.
pub(super) fn start(options: Options) -> Result<Server, Failure> {
    Server::start(options).map_err(|error| {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Failure::other(format!("the emulator can't be started: {message}"))
    })
}

/// Reads a seed file.
pub(super) fn read_seed(file: &Path) -> Result<Seed, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::other(format!("the seed can't be read: {}: {error}", file.display())))?;
    Seed::from_yaml(&text).map_err(|error| {
        Failure::other(format!("{}:{}:{}: {}", file.display(), error.line, error.column, error.message))
    })
}
