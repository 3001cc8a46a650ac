//! The test lab for the real binary. It has a project in a temporary directory, an emulator in this process, and
//! hooks that see every request and can kill the binary.
//!
//! `live` has functions that hide the differences between the APIs.

mod fixtures;
mod live;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use amigops::model::Api;
use amigops_emulator::{
    Fault, Faults, Limits, Observer, Options, RequestInfo, RequestRecord, Rule, Seed, Server, World,
};

pub(crate) use fixtures::{EMPTY, origin_tag, run_git, service, services};
pub(crate) use live::{RequestPath, is_activation, is_create, is_rename, is_update, services_of};

/// The organization that labs on Classic use.
pub(crate) const ORGANIZATION: &str = "acme";
/// The workspace that labs on Platform use.
pub(crate) const WORKSPACE: &str = "11111111-2222-4333-8444-555555555555";

/// The commands that never change the live state.
const READ_ONLY_COMMANDS: &[&str] = &["plan", "drift", "graph", "ids", "outdated", "validate", "import"];

/// Defines two tests for each function: one on Classic and one on Platform.
#[macro_export]
macro_rules! on_both_apis {
    ($($(#[$meta:meta])* fn $name:ident($api:ident: Api) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "one test needs more of them than another")]
            use super::*;

            fn run($api: amigops::model::Api) $body

            #[test]
            fn on_classic() {
                run(amigops::model::Api::Classic);
            }

            #[test]
            fn on_platform() {
                run(amigops::model::Api::Platform);
            }
        }
    )+};
}

/// The exit code and the output of the binary after it has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Checks the exit code. Panics with the output if the exit code is wrong. Returns the run.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

type Before = dyn Fn(&RequestInfo) -> Option<Fault> + Send + Sync;
type After = dyn Fn(&RequestInfo, u16, &World) + Send + Sync;

/// The hooks of a test, which are called before and after each request.
#[derive(Default)]
pub(crate) struct Hooks {
    before: Mutex<Option<Arc<Before>>>,
    after: Mutex<Option<Arc<After>>>,
    child: Mutex<Option<Child>>,
    /// The number of requests since the binary was last started.
    count: AtomicU64,
}

impl Observer for Hooks {
    fn before(&self, request: &RequestInfo) -> Option<Fault> {
        self.count.fetch_add(1, Ordering::SeqCst);
        let hook = self.before.lock().unwrap().clone();
        hook.and_then(|hook| hook(request))
    }

    fn after(&self, request: &RequestInfo, status: u16, world: &World) {
        let hook = self.after.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook(request, status, world);
        }
    }
}

impl Hooks {
    /// Returns the number of requests that the current run of the binary has sent.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Kills the binary with SIGKILL if it is still running.
    pub(crate) fn kill(&self) {
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            child.kill().unwrap();
        }
    }

    /// Sends the signal with this name to the binary, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.lock().unwrap().as_ref().map(Child::id);
        if let Some(id) = id {
            signal(id, name);
        }
    }
}

/// Sends the signal with this name to the process with this id.
pub(crate) fn signal(id: u32, name: &str) {
    Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status().unwrap();
}

/// Returns a fault that replaces the server's answer by one with this status and body, without headers.
pub(crate) fn answer(status: u16, body: impl Into<String>) -> Option<Fault> {
    Some(Fault::answer(status, body))
}

/// Like [`answer`], but the answer also has one header.
pub(crate) fn answer_with(
    status: u16,
    name: &str,
    value: impl Into<String>,
    body: impl Into<String>,
) -> Option<Fault> {
    let mut fault = Fault::answer(status, body);
    if let Fault::Answer { headers, .. } = &mut fault {
        headers.insert(name.to_owned(), value.into());
    }
    Some(fault)
}

/// Returns a hook that applies a fault to the first request for which `kind` returns true.
pub(crate) fn on_first(
    kind: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static,
    fault: Option<Fault>,
) -> impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static {
    let met = AtomicBool::new(false);
    move |request| {
        let is_first = kind(request) && !met.swap(true, Ordering::SeqCst);
        if is_first { fault.clone() } else { None }
    }
}

/// Reads fault rules in the format of fault files. Each line has one rule.
pub(crate) fn faults(rules: &str) -> Vec<Rule> {
    let lines: Vec<_> = rules.lines().map(|rule| format!("  - {rule}\n")).collect();
    let none = if lines.is_empty() { " []" } else { "" };
    Faults::from_yaml(&format!("faults:{none}\n{}", lines.concat())).unwrap().0
}

/// A project in a temporary directory, an emulator, and the binary, which runs in the project.
pub(crate) struct Lab {
    pub(crate) api: Api,
    directory: tempfile::TempDir,
    pub(crate) server: Arc<Server>,
    pub(crate) hooks: Arc<Hooks>,
}

/// Returns a clock with the real time, for the emulators of tests.
#[allow(clippy::disallowed_methods, reason = "a test's emulator runs in real time")]
pub(crate) fn wall_clock() -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
    Arc::new(SystemTime::now)
}

impl Lab {
    /// Creates a lab on Classic with this seed. It has no rate limits.
    pub(crate) fn new(seed: &str) -> Self {
        Self::on(Api::Classic, seed)
    }

    /// Creates a lab on Classic with this seed. `change` changes the options of the emulator.
    pub(crate) fn with(seed: &str, change: impl FnOnce(&mut Options)) -> Self {
        Self::on_with(Api::Classic, seed, change)
    }

    /// Creates a lab on this API. On Platform, the organization of the seed is copied to the workspace, unless the
    /// seed defines the workspace itself.
    pub(crate) fn on(api: Api, seed: &str) -> Self {
        Self::on_with(api, seed, |_| {})
    }

    /// Like [`Lab::on`], but `change` changes the options of the emulator.
    pub(crate) fn on_with(api: Api, seed: &str, change: impl FnOnce(&mut Options)) -> Self {
        let hooks = Arc::new(Hooks::default());
        let mut seed = Seed::from_yaml(seed).unwrap();
        match api {
            Api::Classic => seed.ensure_api_key(ORGANIZATION, "key-id", "s3cret-key", "user-1"),
            Api::Platform => {
                seed.mirror_organization(ORGANIZATION, WORKSPACE);
                seed.ensure_workspace_key(WORKSPACE, "s3cret-key");
            }
        }
        let mut options = Options::new(wall_clock());
        options.seed = Some(seed);
        options.limits = Limits::Off;
        options.observer = Some(Arc::clone(&hooks) as Arc<dyn Observer>);
        change(&mut options);
        let lab = Self {
            api,
            directory: tempfile::tempdir().unwrap(),
            server: Arc::new(Server::start(options).unwrap()),
            hooks,
        };
        lab.project("");
        lab
    }

    /// Like [`Lab::on`], but the emulator injects faults by these rules. Each line has one rule.
    pub(crate) fn with_faults(api: Api, seed: &str, rules: &str) -> Self {
        Self::on_with(api, seed, |options| options.faults = faults(rules))
    }

    /// Writes `amigops.yaml` with one environment, whose address is the emulator's, and with the lines in `more`.
    /// Adds an ownership value if `more` has none.
    pub(crate) fn project(&self, more: &str) {
        self.project_at(&self.server.url(), more);
    }

    /// Like [`Lab::project`], but the environment has the address `url`.
    pub(crate) fn project_at(&self, url: &str, more: &str) {
        let home = match self.api {
            Api::Classic => format!("api: classic, organization: {ORGANIZATION}"),
            Api::Platform => format!("api: platform, workspace: {WORKSPACE}"),
        };
        let ownership = if more.contains("ownership:") { "" } else { "ownership: {value: amigops}\n" };
        self.write(
            "amigops.yaml",
            &format!(
                "version: 1\nmanifests: [services/*.yaml]\nenvironments:\n  lab: {{{home}, base_url: \"{url}\"}}\ndefault_environment: lab\n{more}{ownership}"
            ),
        );
    }

    /// Writes a file in the project. Creates its directory if that does not exist.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes all manifests of the project to one file.
    pub(crate) fn manifests(&self, text: &str) {
        self.write("services/all.yaml", text);
    }

    /// Returns the path of the project's directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_path_buf()
    }

    /// Runs the binary in the project, without the environment variables of this process. If the command is
    /// read-only, checks that it sends no write request.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// Like [`Lab::run`], but with these additional environment variables.
    #[track_caller]
    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let looks = args.first().is_some_and(|command| READ_ONLY_COMMANDS.contains(command));
        if looks { self.run_read_only(args, variables) } else { self.run_unchecked(args, variables) }
    }

    /// Runs a command, and checks that it sends no write request.
    #[track_caller]
    pub(crate) fn run_read_only(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let before = self.writes().len();
        let run = self.run_unchecked(args, variables);
        assert_eq!(self.writes()[before..], [], "`{}` has written", args.join(" "));
        run
    }

    /// Returns a command that runs the binary in the project, with credentials in its environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = amigops(&self.path());
        command.args(args).envs([
            ("AMIGO_API_KEY", "s3cret-key"),
            ("AMIGO_API_KEY_ID", "key-id"),
            ("AMIGO_USER_ID", "user-1"),
        ]);
        command
    }

    pub(crate) fn run_unchecked(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        self.hooks.count.store(0, Ordering::SeqCst);
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        *self.hooks.child.lock().unwrap() = Some(child);
        let readers =
            [read_in_background(stdout), read_in_background(stderr)].map(|thread| thread.join().unwrap());
        // The pipes are closed, so the child is about to end; the hooks may still want to kill it.
        let status = loop {
            if let Some(status) = self.hooks.child.lock().unwrap().as_mut().unwrap().try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        *self.hooks.child.lock().unwrap() = None;
        let [stdout, stderr] = readers;
        Run { code: status.code(), stdout, stderr }
    }

    /// Runs `amigops apply --auto-approve`.
    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "--auto-approve"])
    }

    /// Checks that `amigops plan` finds nothing to change.
    #[track_caller]
    pub(crate) fn expect_converged(&self) {
        let run = self.run(&["plan", "--detailed-exitcode"]).expect(0);
        assert!(run.stdout.contains("Nothing to do"), "{}", run.stdout);
    }

    /// Sets the hook that is called before each request.
    pub(crate) fn before(&self, hook: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static) {
        *self.hooks.before.lock().unwrap() = Some(Arc::new(hook));
    }

    /// Sets the hook that is called after each request.
    pub(crate) fn after(&self, hook: impl Fn(&RequestInfo, u16, &World) + Send + Sync + 'static) {
        *self.hooks.after.lock().unwrap() = Some(Arc::new(hook));
    }

    /// Removes the hooks that are called before and after each request.
    pub(crate) fn remove_hooks(&self) {
        *self.hooks.before.lock().unwrap() = None;
        *self.hooks.after.lock().unwrap() = None;
    }

    /// Returns all write requests that the server has received so far.
    pub(crate) fn writes(&self) -> Vec<RequestRecord> {
        let is_write =
            |record: &RequestRecord| record.method != "GET" && !record.path.contains("signin_with_api_key");
        self.server.requests().into_iter().filter(is_write).collect()
    }
}

/// Returns a command that runs the binary in this directory. The environment is empty except for `HOME`, and the
/// output is captured.
pub(crate) fn amigops(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amigops"));
    command
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command until it ends. Returns its exit code and output.
pub(crate) fn run_command(mut command: Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn read_in_background(mut pipe: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// Copies an example to a temporary directory. Returns that directory.
pub(crate) fn copy_example(name: &str) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name), target.path());
    target
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == ".amigops" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
