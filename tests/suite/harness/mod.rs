//! A laboratory for the real binary: a project in a temporary directory, an emulator in this process, an
//! observer that watches every request and may kill the child that sends it. On either API: `live` shows
//! both in one way.

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

pub(crate) use live::{RequestPath, is_activation, is_create, is_rename, is_update, services_of};

/// The organization of every laboratory on Classic.
pub(crate) const ORGANIZATION: &str = "acme";
/// The workspace of every laboratory on Platform.
pub(crate) const WORKSPACE: &str = "11111111-2222-4333-8444-555555555555";

/// Commands that look at the live state, or not even that, and change nothing there.
const LOOKS: &[&str] = &["plan", "drift", "graph", "ids", "outdated", "validate", "import"];

/// Makes one test of a function for each of the two APIs.
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

/// What became of a run of the binary.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Checks the exit code, and shows everything if it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

type Before = dyn Fn(&RequestInfo) -> Option<Fault> + Send + Sync;
type After = dyn Fn(&RequestInfo, u16, &World) + Send + Sync;

/// Hands requests to whatever the test has put in.
#[derive(Default)]
pub(crate) struct Hooks {
    before: Mutex<Option<Arc<Before>>>,
    after: Mutex<Option<Arc<After>>>,
    child: Mutex<Option<Child>>,
    /// Requests since the last run began.
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
    /// How many requests the present run has sent.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// SIGKILL to the child, if it still runs.
    pub(crate) fn kill(&self) {
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            child.kill().unwrap();
        }
    }

    /// Another signal to the child.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.lock().unwrap().as_ref().map(Child::id);
        if let Some(id) = id {
            signal(id, name);
        }
    }
}

/// A signal to a process that a test has begun.
pub(crate) fn signal(id: u32, name: &str) {
    Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status().unwrap();
}

/// An answer without headers, instead of the server's.
pub(crate) fn answer(status: u16, body: impl Into<String>) -> Option<Fault> {
    Some(Fault::answer(status, body))
}

/// The same with a header.
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

/// What the first request of a kind meets; all others proceed.
pub(crate) fn first(
    kind: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static,
    fault: Option<Fault>,
) -> impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static {
    let met = AtomicBool::new(false);
    move |request| {
        let is_first = kind(request) && !met.swap(true, Ordering::SeqCst);
        if is_first { fault.clone() } else { None }
    }
}

/// Rules, one a line, as a file of faults has them.
pub(crate) fn faults(rules: &str) -> Vec<Rule> {
    let lines: Vec<_> = rules.lines().map(|rule| format!("  - {rule}\n")).collect();
    let none = if lines.is_empty() { " []" } else { "" };
    Faults::from_yaml(&format!("faults:{none}\n{}", lines.concat())).unwrap().0
}

/// A project, an emulator, and the binary.
pub(crate) struct Lab {
    pub(crate) api: Api,
    directory: tempfile::TempDir,
    pub(crate) server: Arc<Server>,
    pub(crate) hooks: Arc<Hooks>,
}

/// The wall clock, for emulators of tests.
#[allow(clippy::disallowed_methods, reason = "a test's emulator runs in real time")]
pub(crate) fn wall_clock() -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
    Arc::new(SystemTime::now)
}

impl Lab {
    /// A laboratory on Classic whose emulator holds what the seed says, without limits.
    pub(crate) fn new(seed: &str) -> Self {
        Self::on(Api::Classic, seed)
    }

    /// The same on Classic, with other options.
    pub(crate) fn with(seed: &str, change: impl FnOnce(&mut Options)) -> Self {
        Self::on_with(Api::Classic, seed, change)
    }

    /// A laboratory on either API. On Platform, the workspace holds what the seed says of the organization,
    /// if the seed doesn't say it of the workspace itself.
    pub(crate) fn on(api: Api, seed: &str) -> Self {
        Self::on_with(api, seed, |_| {})
    }

    /// The same, with other options.
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

    /// The same, where this goes wrong: rules as a file of faults has them.
    pub(crate) fn faulty(api: Api, seed: &str, rules: &str) -> Self {
        Self::on_with(api, seed, |options| options.faults = faults(rules))
    }

    /// Writes amigops.yaml: one environment on the emulator, what the test adds, and an ownership value unless the
    /// test adds one.
    pub(crate) fn project(&self, more: &str) {
        self.project_at(&self.server.url(), more);
    }

    /// The same, where the emulator is reached at another address.
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

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes the manifests, all in one file.
    pub(crate) fn manifests(&self, text: &str) {
        self.write("services/all.yaml", text);
    }

    /// The project's directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().to_path_buf()
    }

    /// Runs the binary in the project, with nothing of this process's environment. Commands that only look must
    /// send nothing that writes, whatever the test is about.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// The same with more variables.
    #[track_caller]
    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let looks = args.first().is_some_and(|command| LOOKS.contains(command));
        if looks { self.run_looking(args, variables) } else { self.run_unwatched(args, variables) }
    }

    /// The same, of a command that must not write.
    #[track_caller]
    pub(crate) fn run_looking(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let before = self.writes().len();
        let run = self.run_unwatched(args, variables);
        assert_eq!(self.writes()[before..], [], "`{}` has written", args.join(" "));
        run
    }

    /// The binary in the project, with what it needs to get in.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = amigops(&self.path());
        command.args(args).envs([
            ("AMIGO_API_KEY", "s3cret-key"),
            ("AMIGO_API_KEY_ID", "key-id"),
            ("AMIGO_USER_ID", "user-1"),
        ]);
        command
    }

    pub(crate) fn run_unwatched(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        self.hooks.count.store(0, Ordering::SeqCst);
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        *self.hooks.child.lock().unwrap() = Some(child);
        let readers = [drain(stdout), drain(stderr)].map(|thread| thread.join().unwrap());
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

    /// `apply --auto-approve`.
    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "--auto-approve"])
    }

    /// Checks that a plan finds nothing to do.
    #[track_caller]
    pub(crate) fn expect_converged(&self) {
        let run = self.run(&["plan", "--detailed-exitcode"]).expect(0);
        assert!(run.stdout.contains("Nothing to do"), "{}", run.stdout);
    }

    /// What happens before each request.
    pub(crate) fn before(&self, hook: impl Fn(&RequestInfo) -> Option<Fault> + Send + Sync + 'static) {
        *self.hooks.before.lock().unwrap() = Some(Arc::new(hook));
    }

    /// What happens after each request.
    pub(crate) fn after(&self, hook: impl Fn(&RequestInfo, u16, &World) + Send + Sync + 'static) {
        *self.hooks.after.lock().unwrap() = Some(Arc::new(hook));
    }

    /// Takes the hooks out.
    pub(crate) fn unhook(&self) {
        *self.hooks.before.lock().unwrap() = None;
        *self.hooks.after.lock().unwrap() = None;
    }

    /// All requests so far that could change something.
    pub(crate) fn writes(&self) -> Vec<RequestRecord> {
        let is_write =
            |record: &RequestRecord| record.method != "GET" && !record.path.contains("signin_with_api_key");
        self.server.requests().into_iter().filter(is_write).collect()
    }
}

/// The binary, in a directory, with an empty environment and captured output.
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

/// Runs a prepared command to its end.
pub(crate) fn finish(mut command: Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// Copies a directory of the repository's examples.
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
