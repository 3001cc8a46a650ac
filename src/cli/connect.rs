//! Connects to an environment: reads its credentials, chooses its address, and starts the embedded emulator.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{Context, allowlist};
use crate::checkout;
use crate::env::Env;
use crate::error::Failure;
use crate::manifest::{Credentials as VariableNames, Environment, Loaded, Target};
use crate::model::{Api, Endpoint};
use crate::remote::{
    Access, AnyApi, ApiError, Classic, Credentials, Platform, ReadApi, RequestObserver, WriteApi,
};
use crate::ui::Ui;
use amigops_emulator::{Limits, Options, SANDBOX_WORKSPACE, Seed, Server, StartError, StoreError};

/// The organization (on the Classic API) and the credentials of the sandbox. It listens on a loopback port of this
/// process, so they protect nothing.
const SANDBOX: &str = "sandbox";

/// A connection to an environment, and the emulator that it may need to keep running.
pub(super) struct Connection {
    api: AnyApi,
    /// The organization, or the workspace's id.
    pub(super) organization: String,
    /// The server's address, or `embedded`: a sandbox has a new port each time.
    pub(super) server: String,
    requests: RequestCount,
    _emulator: Option<Server>,
}

/// The number of requests sent; clones share it.
type RequestCount = Arc<AtomicU64>;

/// Reports requests to the terminal, and counts them.
struct CountingObserver {
    ui: Ui,
    requests: RequestCount,
}

impl RequestObserver for CountingObserver {
    fn on_limit_wait(&self, endpoint: Endpoint, wait: Duration, limit: Option<u32>) {
        self.ui.on_limit_wait(endpoint, wait, limit);
    }

    fn on_retry(&self, endpoint: Endpoint, wait: Duration, error: &ApiError) {
        self.ui.on_retry(endpoint, wait, error);
    }

    fn on_ambiguous(&self, endpoint: Endpoint, error: &ApiError) {
        self.ui.on_ambiguous(endpoint, error);
    }

    fn on_sign_in(&self, token: &str) {
        self.ui.hide(token);
    }

    fn on_send(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn on_answer(&self, method: &str, path: &str, status: u16, took: Duration) {
        self.ui.on_answer(method, path, status, took);
    }
}

impl Connection {
    /// Returns the API for commands that only plan: its type has no writes.
    pub(super) fn read(&self) -> &impl ReadApi {
        &self.api
    }

    /// Returns the API for `apply`.
    pub(super) fn write(&self) -> &impl WriteApi {
        &self.api
    }

    /// Returns the number of requests sent so far, with sign-ins and retries.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Returns the kind of API.
    pub(super) fn kind(&self) -> Api {
        self.api.kind()
    }
}

/// Connects to the loaded environment. Every connection is made here, so that no credential is read before the
/// allowlist has been checked.
pub(super) fn connect(context: &Context<'_>, loaded: &Loaded) -> Result<Connection, Failure> {
    let allowlist = allowlist::check(context, loaded)?;
    let Environment { name, target, .. } = &loaded.environment;
    let address = |base_url: &Option<String>| match base_url {
        Some(base_url) => base_url.clone(),
        None => allowlist.default_address(target.api()).to_owned(),
    };
    match target {
        Target::Embedded { dialect, state, seed, limits, smoke_phone_number } => {
            let number = smoke_phone_number.clone();
            let files = SandboxFiles { root: &loaded.project.root, state, seed: seed.as_deref() };
            start_sandbox(context, *dialect, &files, *limits, number)
        }
        Target::Classic { organization, base_url, headers, credentials } => {
            let setting = |file: &Option<String>, variables| setting(context.env, file, variables);
            let organization = setting(organization, &["AMIGO_ORGANIZATION_ID"])
                .ok_or_else(|| missing_setting(name, "organization", &["AMIGO_ORGANIZATION_ID"]))?;
            let base_url = address(base_url);
            let credentials = read_credentials(context, credentials, name)?;
            let (access, requests) =
                access(context, &base_url, organization.clone(), credentials, headers.clone());
            let api = AnyApi::Classic(Classic::new(access)?);
            Ok(Connection { api, organization, server: base_url, requests, _emulator: None })
        }
        Target::Platform { workspace, base_url, headers, credentials, smoke_phone_number } => {
            let setting = |file: &Option<String>, variables| setting(context.env, file, variables);
            let workspace = setting(workspace, WORKSPACE_VARIABLES)
                .ok_or_else(|| missing_setting(name, "workspace", WORKSPACE_VARIABLES))?;
            let base_url = address(base_url);
            let names = match &credentials.api_key {
                Some(name) => vec![name.as_str()],
                None => vec!["PLATFORM_API_KEY", "AMIGO_API_KEY"],
            };
            let key = Credentials::Key(read_hidden_secret(context, name, "API key", &names)?);
            let (access, requests) = access(context, &base_url, workspace.clone(), key, headers.clone());
            let api = AnyApi::Platform(Platform::new(access, smoke_phone_number.clone())?);
            Ok(Connection { api, organization: workspace, server: base_url, requests, _emulator: None })
        }
    }
}

/// The variables that name the workspace; the first one that is set is used.
pub(super) const WORKSPACE_VARIABLES: &[&str] = &["PLATFORM_WORKSPACE_ID", "AMIGO_WORKSPACE_ID"];

/// Returns the value in the file, or else the first of these variables that is set.
fn setting(env: &Env, file: &Option<String>, variables: &[&str]) -> Option<String> {
    file.clone().or_else(|| variables.iter().find_map(|name| env.variable(name)))
}

/// Returns the failure of an environment in which neither a key nor a variable gives a value.
fn missing_setting(environment: &str, key: &str, variables: &[&str]) -> Failure {
    let variables = variables.join(" or ");
    Failure::other(format!("environment `{environment}` has no {key}"))
        .hint(format!("set `{key}:` in amigops.yaml, or the variable {variables}"))
}

fn access(
    context: &Context<'_>,
    base_url: &str,
    organization: String,
    credentials: Credentials,
    headers: BTreeMap<String, String>,
) -> (Access, RequestCount) {
    let requests = RequestCount::default();
    let watch = CountingObserver { ui: context.ui.clone(), requests: Arc::clone(&requests) };
    let (now, random) = (context.env.clone(), context.env.clone());
    let access = Access {
        base_url: base_url.trim_end_matches('/').to_owned(),
        organization,
        headers,
        credentials,
        now: Arc::new(move || now.now()),
        random: Arc::new(move || random.random()),
        observer: Arc::new(watch),
        stop: context.stop.clone(),
        deadline: context.deadline,
        budgets: context.budgets.clone(),
    };
    (access, requests)
}

/// Reads the Classic credentials from the variables that the environment names, or else the default ones.
fn read_credentials(
    context: &Context<'_>,
    names: &VariableNames,
    environment: &str,
) -> Result<Credentials, Failure> {
    let read = |what, name: &Option<String>, default| {
        read_hidden_secret(context, environment, what, &[name.as_deref().unwrap_or(default)])
    };
    Ok(Credentials::SignIn {
        api_key: read("API key", &names.api_key, "AMIGO_API_KEY")?,
        api_key_id: read("API key id", &names.api_key_id, "AMIGO_API_KEY_ID")?,
        user_id: read("user", &names.user_id, "AMIGO_USER_ID")?,
    })
}

/// Reads a secret, and masks it in all output.
fn read_hidden_secret(
    context: &Context<'_>,
    environment: &str,
    what: &str,
    names: &[&str],
) -> Result<SecretString, Failure> {
    let secret = read_secret(context.env, environment, what, names)?;
    context.ui.hide(secret.expose_secret());
    Ok(secret)
}

/// Reads a secret from the first of these variables that is set, or from the file that its `*_FILE` variable names.
fn read_secret(env: &Env, environment: &str, what: &str, names: &[&str]) -> Result<SecretString, Failure> {
    for name in names {
        let file_name = format!("{name}_FILE");
        match (env.variable(name), env.variable(&file_name)) {
            (Some(value), None) => return Ok(value.trim().into()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(&file).map_err(|error| {
                    Failure::other(format!("can't read the file `{file}`, which {file_name} names: {error}"))
                })?;
                return Ok(text.trim().into());
            }
            (Some(_), Some(_)) => {
                return Err(
                    Failure::other(format!("both {name} and {file_name} are set")).hint("unset one of them")
                );
            }
            (None, None) => {}
        }
    }
    let (all, is) = (names.join(" and "), if names.len() == 1 { "is" } else { "are" });
    let files = names.iter().map(|name| format!("{name}_FILE")).collect::<Vec<_>>().join(" or ");
    Err(Failure::other(format!("environment `{environment}` has no {what}: {all} {is} not set"))
        .hint(format!("set {}, or set {files} to the path of a file with the value", names.join(" or "))))
}

/// The files of a sandbox, which are part of the project.
struct SandboxFiles<'a> {
    /// The project's directory.
    root: &'a Path,
    state: &'a Path,
    seed: Option<&'a Path>,
}

impl SandboxFiles<'_> {
    fn open_state(&self) -> Result<File, Failure> {
        checkout::open_own(self.root, self.state).map_err(|error| {
            let name = self.name(self.state);
            Failure::other(format!("can't open the sandbox's state `{name}`: {error}"))
                .hint("`state:` in the environment must name a regular file inside the project")
        })
    }

    fn read_seed(&self) -> Result<Seed, Failure> {
        let Some(path) = self.seed else { return Ok(Seed::default()) };
        let text = checkout::read_text(self.root, path, MAX_SEED_BYTES)
            .map_err(|error| Failure::other(format!("can't read the seed `{}`: {error}", self.name(path))))?;
        parse_seed(path, &text)
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }
}

/// The size limit of a project's seed.
const MAX_SEED_BYTES: u64 = 64 << 20;

/// Starts the emulator in this process, on a free loopback port, and connects to it. On the Platform API, a missing
/// workspace `sandbox` is filled from the seed's organization `sandbox`.
fn start_sandbox(
    context: &Context<'_>,
    dialect: Api,
    files: &SandboxFiles<'_>,
    limits: bool,
    smoke_phone_number: Option<String>,
) -> Result<Connection, Failure> {
    let mut seed = files.read_seed()?;
    let (home, credentials) = match dialect {
        Api::Classic => {
            seed.ensure_api_key(SANDBOX, SANDBOX, SANDBOX, SANDBOX);
            let (api_key, api_key_id, user_id) = (SANDBOX.into(), SANDBOX.into(), SANDBOX.into());
            (SANDBOX, Credentials::SignIn { api_key, api_key_id, user_id })
        }
        Api::Platform => {
            seed.mirror_organization(SANDBOX, SANDBOX_WORKSPACE);
            seed.ensure_workspace_key(SANDBOX_WORKSPACE, SANDBOX);
            (SANDBOX_WORKSPACE, Credentials::Key(SANDBOX.into()))
        }
    };
    let clock = context.env.clone();
    let mut options = Options::new(Arc::new(move || clock.now()));
    options.state = Some(files.state.to_path_buf());
    options.opened_state = Some(files.open_state()?);
    options.seed = Some(seed);
    options.limits =
        if limits { Limits::Documented { window: Duration::from_secs(60) } } else { Limits::Off };
    let server = start(options)?;
    let (access, requests) = access(context, &server.url(), home.to_owned(), credentials, BTreeMap::new());
    let api = match dialect {
        Api::Classic => AnyApi::Classic(Classic::new(access)?),
        Api::Platform => AnyApi::Platform(Platform::new(access, smoke_phone_number)?),
    };
    let (organization, address) = (home.to_owned(), "embedded".to_owned());
    Ok(Connection { api, organization, server: address, requests, _emulator: Some(server) })
}

/// Starts an emulator. The error message includes every cause.
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
        let failure = Failure::other(format!("can't start the emulator: {message}"));
        match error {
            StartError::Store(StoreError::InUse(_)) => {
                failure.hint("wait until that process ends, or stop it")
            }
            _ => failure,
        }
    })
}

/// Reads a seed file that the user names on the command line.
pub(super) fn read_seed(file: &Path) -> Result<Seed, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::other(format!("can't read the seed `{}`: {error}", file.display())))?;
    parse_seed(file, &text)
}

fn parse_seed(file: &Path, text: &str) -> Result<Seed, Failure> {
    Seed::from_yaml(text).map_err(|error| {
        Failure::other(format!("{}:{}:{}: {}", file.display(), error.line, error.column, error.message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret_of(variables: &[(&str, &str)], names: &[&str]) -> Result<String, String> {
        let env = Env::fixed(variables.iter().copied());
        match read_secret(&env, "prod", "API key", names) {
            Ok(secret) => Ok(secret.expose_secret().to_owned()),
            Err(Failure::Other { message, hints }) => Err(format!("{message}; {}", hints.join("; "))),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_secret_comes_from_the_first_variable_that_is_set() {
        let names = ["PLATFORM_API_KEY", "AMIGO_API_KEY"];
        assert_eq!(
            secret_of(&[("AMIGO_API_KEY", " b "), ("PLATFORM_API_KEY", "a")], &names),
            Ok("a".to_owned())
        );
        assert_eq!(secret_of(&[("AMIGO_API_KEY", " b ")], &names), Ok("b".to_owned()));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "c\n").expect("a file to write");
        let path = file.path().to_str().expect("a path");
        assert_eq!(
            secret_of(&[("PLATFORM_API_KEY_FILE", path), ("AMIGO_API_KEY", "b")], &names),
            Ok("c".to_owned())
        );
        let both = secret_of(&[("AMIGO_API_KEY", "b"), ("AMIGO_API_KEY_FILE", path)], &names);
        assert!(both.is_err_and(|error| error.contains("both AMIGO_API_KEY and AMIGO_API_KEY_FILE are set")));
        let error = secret_of(&[], &names).expect_err("nothing is set");
        for part in ["PLATFORM_API_KEY", "AMIGO_API_KEY", "PLATFORM_API_KEY_FILE", "AMIGO_API_KEY_FILE"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_setting_in_the_file_overrides_variables_and_the_first_variable_overrides_the_second() {
        let env = Env::fixed([("AMIGO_WORKSPACE_ID", "later"), ("PLATFORM_WORKSPACE_ID", "first")]);
        assert_eq!(setting(&env, &Some("file".to_owned()), WORKSPACE_VARIABLES).as_deref(), Some("file"));
        assert_eq!(setting(&env, &None, WORKSPACE_VARIABLES).as_deref(), Some("first"));
        let env = Env::fixed([("AMIGO_WORKSPACE_ID", "later"), ("PLATFORM_WORKSPACE_ID", "")]);
        assert_eq!(setting(&env, &None, WORKSPACE_VARIABLES).as_deref(), Some("later"));
    }
}
