//! Connects to an environment: reads its credentials, chooses its address, and starts the embedded emulator.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::allowlist;
use super::context::Context;
use super::credentials::{self, Login};
use super::{network, user_file};
use crate::checkout;
use crate::error::Failure;
use crate::manifest::{Environment, EnvironmentTarget, Loaded};
use crate::model::{Api, Endpoint};
use crate::remote::{
    Access, AnyApi, ApiError, Classic, ConnectionVariables, Credentials, Platform, ReadApi, RequestObserver,
    WriteApi,
};
use crate::ui::Ui;
use amigops_emulator::{Limits, Options, SANDBOX_WORKSPACE, Seed, Server, StartError, StoreError};

/// The name of the sandbox's organization on the Classic API, and the value of all its credentials. These credentials
/// need not be secret, because the sandbox listens on a loopback port of this process.
const SANDBOX: &str = "sandbox";

/// A connection to an environment. If its server is the embedded emulator, also keeps the emulator running.
pub(super) struct Connection {
    api: AnyApi,
    /// The name of the organization, or the id of the workspace.
    pub(super) organization: String,
    /// The address of the server, or `embedded` for a sandbox, because a sandbox has a new port in each run.
    pub(super) server: String,
    requests: RequestCount,
    _emulator: Option<Server>,
}

/// The counter of the requests that were sent. Clones share one counter.
type RequestCount = Arc<AtomicU64>;

/// Shows notifications about requests on the terminal, and counts the requests.
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
    /// Returns the read operations of the API, for commands that only plan.
    pub(super) fn read(&self) -> &impl ReadApi {
        &self.api
    }

    /// Returns the read and write operations of the API, for `apply`.
    pub(super) fn write(&self) -> &impl WriteApi {
        &self.api
    }

    /// Returns the number of requests sent so far, including sign-ins and retries.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Returns which of the two APIs the connection uses.
    pub(super) fn kind(&self) -> Api {
        self.api.kind()
    }
}

/// Connects to the loaded environment. All connections are made here, so that no credential is read before the
/// allowlist has been checked.
pub(super) fn connect(context: &Context<'_>, loaded: &Loaded) -> Result<Connection, Failure> {
    let allowlist = allowlist::check(context, loaded)?;
    let Environment { name, target, .. } = &loaded.environment;
    let address = |base_url: &Option<String>| match base_url {
        Some(base_url) => base_url.clone(),
        None => allowlist.default_address(target.api()).to_owned(),
    };
    match target {
        EnvironmentTarget::Embedded { dialect, state, seed, limits, smoke_phone_number } => {
            let number = smoke_phone_number.clone();
            let files = SandboxFiles { root: &loaded.project.root, state, seed: seed.as_deref() };
            start_sandbox(context, *dialect, &files, *limits, number)
        }
        EnvironmentTarget::Classic { organization, base_url, headers, credentials } => {
            let base_url = address(base_url);
            let login = credentials::read_classic(context, name, organization.as_ref(), credentials)?;
            let organization = login.organization.clone();
            let (access, requests) = access(context, &base_url, login, headers.clone())?;
            let api = AnyApi::Classic(Classic::new(access)?);
            Ok(Connection { api, organization, server: base_url, requests, _emulator: None })
        }
        EnvironmentTarget::Platform { workspace, base_url, headers, credentials, smoke_phone_number } => {
            let base_url = address(base_url);
            let login = credentials::read_platform(context, name, workspace.as_ref(), credentials)?;
            let workspace = login.organization.clone();
            let (access, requests) = access(context, &base_url, login, headers.clone())?;
            let api = AnyApi::Platform(Platform::new(access, smoke_phone_number.clone())?);
            Ok(Connection { api, organization: workspace, server: base_url, requests, _emulator: None })
        }
    }
}

fn access(
    context: &Context<'_>,
    base_url: &str,
    Login { organization, credentials, variables }: Login,
    headers: BTreeMap<String, String>,
) -> Result<(Access, RequestCount), Failure> {
    let requests = RequestCount::default();
    let watch = CountingObserver { ui: context.ui.clone(), requests: Arc::clone(&requests) };
    let (now, random) = (context.env.clone(), context.env.clone());
    let access = Access {
        base_url: base_url.trim_end_matches('/').to_owned(),
        organization,
        headers,
        credentials,
        variables: ConnectionVariables {
            credentials: variables,
            ..network::read_variables(context.env, base_url)?
        },
        now: Arc::new(move || now.now()),
        random: Arc::new(move || random.random()),
        observer: Arc::new(watch),
        stop: context.stop.clone(),
        deadline: context.deadline,
        budgets: context.budgets.clone(),
    };
    Ok((access, requests))
}

/// The files of a sandbox, which are inside the project.
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
            Failure::other(format!("can't open the sandbox's state file `{name}`: {error}"))
                .hint("`state:` in the environment must name a regular file inside the project")
        })
    }

    fn read_seed(&self) -> Result<Seed, Failure> {
        let Some(path) = self.seed else { return Ok(Seed::default()) };
        let text = checkout::read_text(self.root, path, MAX_SEED_BYTES).map_err(|error| {
            Failure::other(format!("can't read the seed file `{}`: {error}", self.name(path)))
        })?;
        parse_seed(path, &text)
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }
}

/// The maximum size of a seed file, in bytes.
const MAX_SEED_BYTES: u64 = 64 << 20;

/// Starts the emulator in this process on a free loopback port, and connects to it. If the sandbox uses the Platform
/// API and the seed has no workspace `sandbox`, creates the workspace from the seed's organization `sandbox`.
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
    let login = Login { organization: home.to_owned(), credentials, variables: Vec::new() };
    let (access, requests) = access(context, &server.url(), login, BTreeMap::new())?;
    let api = match dialect {
        Api::Classic => AnyApi::Classic(Classic::new(access)?),
        Api::Platform => AnyApi::Platform(Platform::new(access, smoke_phone_number)?),
    };
    let (organization, address) = (home.to_owned(), "embedded".to_owned());
    Ok(Connection { api, organization, server: address, requests, _emulator: Some(server) })
}

/// Starts an emulator. If that fails, the error message includes all causes of the error.
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
                failure.hint("wait until that process ends, or stop that process")
            }
            _ => failure,
        }
    })
}

/// Reads a seed file that the user names on the command line.
pub(super) fn read_seed(file: &Path) -> Result<Seed, Failure> {
    let text = user_file::read_text(file, MAX_SEED_BYTES)
        .map_err(|error| Failure::other(format!("can't read the seed file `{}`: {error}", file.display())))?;
    parse_seed(file, &text)
}

fn parse_seed(file: &Path, text: &str) -> Result<Seed, Failure> {
    Seed::from_yaml(text).map_err(|error| {
        Failure::other(format!("{}:{}:{}: {}", file.display(), error.line, error.column, error.message))
    })
}
