//! Tests of `amigops emulator` as a process of its own: the binary connects to it, and its state survives a kill.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::harness::{Run, amigops, run_command};

const SEED: &str = "
organizations:
  acme:
    api_keys: [{id: key-id, key: s3cret, user: user-1}]
    agents: [{name: Greeter, versions: 2}]
    context_graphs: [{name: Onboarding, versions: 3}]
";

/// A running process of `amigops emulator`. It is killed when this value is dropped.
pub(crate) struct Emulator {
    child: Child,
    pub(crate) url: String,
}

impl Emulator {
    /// Kills the emulator, and returns the text that it has written to stderr.
    pub(crate) fn end(&mut self) -> String {
        self.child.kill().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(directory: &Path, more: &[&str]) -> Emulator {
    start_with(directory, more, Stdio::null())
}

/// Starts an emulator in this directory, with additional arguments. Its stderr goes to `stderr`.
pub(crate) fn start_with(directory: &Path, more: &[&str], stderr: Stdio) -> Emulator {
    let mut command = amigops(directory);
    command.args(["emulator", "--port", "0", "--state", "state.redb", "--seed", "seed.yaml"]).args(more);
    let mut child = command.stderr(stderr).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    Emulator { child, url: url.trim().to_owned() }
}

fn run(directory: &Path, url: &str, args: &[&str]) -> Run {
    let mut command = amigops(directory);
    command
        .args(args)
        .env("AMIGO_API_KEY", "s3cret")
        .env("AMIGO_API_KEY_ID", "key-id")
        .env("AMIGO_USER_ID", "user-1");
    command.env("AMIGO_ORGANIZATION_ID", "acme").env("AMIGO_BASE_URL", url);
    run_command(command)
}

pub(crate) fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("seed.yaml", SEED);
    write(
        "amigops.yaml",
        "version: 1\nmanifests: [desk.yaml]\nenvironments: {lab: {api: classic}}\ndefault_environment: lab\n",
    );
    write(
        "desk.yaml",
        "service: Desk\ndescription: The desk\nagent: Greeter\ncontext_graph: Onboarding\nversion_sets: {dev: {agent_version: 1}}\n",
    );
    directory
}

#[test]
fn applied_changes_survive_a_kill_of_the_emulator() {
    let directory = project();
    let emulator = start(directory.path(), &[]);
    run(directory.path(), &emulator.url, &["apply", "--auto-approve"]).expect(0);
    let before = run(directory.path(), &emulator.url, &["ids"]).expect(0).stdout;
    drop(emulator);
    let emulator = start(directory.path(), &[]);
    let plan = run(directory.path(), &emulator.url, &["plan", "--detailed-exitcode"]).expect(0);
    assert!(plan.stdout.contains("Nothing to do"), "{}", plan.stdout);
    assert_eq!(run(directory.path(), &emulator.url, &["ids"]).expect(0).stdout, before);
}

#[test]
fn a_second_emulator_on_the_same_state_is_refused() {
    let directory = project();
    let _first = start(directory.path(), &[]);
    let mut second = amigops(directory.path());
    second.args(["emulator", "--port", "0", "--state", "state.redb"]);
    let refused = run_command(second).expect(1);
    assert!(refused.stderr.contains("in use"), "{}", refused.stderr);
}

#[test]
fn a_broken_seed_and_a_foreign_state_file_are_reported_with_their_location() {
    let directory = project();
    std::fs::write(directory.path().join("seed.yaml"), "organizations:\n  acme:\n    agent: []\n").unwrap();
    let mut command = amigops(directory.path());
    command.args(["emulator", "--port", "0", "--seed", "seed.yaml"]);
    let refused = run_command(command).expect(1);
    assert!(refused.stderr.contains("seed.yaml:3:5"), "{}", refused.stderr);
    std::fs::write(directory.path().join("state.redb"), "not a database").unwrap();
    let mut command = amigops(directory.path());
    command.args(["emulator", "--port", "0", "--state", "state.redb"]);
    let refused = run_command(command).expect(1);
    assert!(refused.stderr.contains("state.redb"), "{}", refused.stderr);
}

#[test]
fn a_refused_connection_is_reported_with_the_address() {
    let directory = project();
    let emulator = start(directory.path(), &[]);
    let url = emulator.url.clone();
    drop(emulator);
    let run = run(directory.path(), &url, &["plan", "--quiet"]).expect(1);
    assert!(run.stderr.contains(&format!("no connection to {url}")), "{}", run.stderr);
}
