//! `amigops emulator --faults FILE`: a rehearsal with the command alone, and files that are refused.

use std::path::Path;
use std::process::Stdio;

use crate::emulator_command::{project, run, start_with};
use crate::harness::{amigops, finish};

/// What the emulator says of a file of faults when it is started with it.
#[track_caller]
fn refused(text: Option<&str>) -> String {
    let directory = tempfile::tempdir().unwrap();
    if let Some(text) = text {
        std::fs::write(directory.path().join("faults.yaml"), text).unwrap();
    }
    let mut command = amigops(directory.path());
    command.args(["emulator", "--port", "0", "--faults", "faults.yaml"]);
    let run = finish(command).expect(1);
    assert_eq!(run.stdout, "", "nothing is served");
    run.stderr
}

const HELP: &str =
    "   = help: `amigops schema faults` prints what such a file may say; docs/emulator.md explains it\n";

#[test]
fn a_file_that_is_not_there_or_says_nothing() {
    insta::assert_snapshot!(refused(None), @"error: the faults can't be read: faults.yaml: No such file or directory (os error 2)");
    let empty = "error: faults.yaml:1:1: the file is empty: `faults:` and a list of rules are expected\n";
    for text in ["", "\n\n", "# nothing yet\n"] {
        assert_eq!(refused(Some(text)), format!("{empty}{HELP}"));
    }
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let text = "faults:
  - {fault: lose_anwser}
  - {fault: delay}
  - {nth: 0, fault: answer, status: 99, milis: 5}
  - fault: refuse
    millis: 5
    method: Put
";
    insta::assert_snapshot!(refused(Some(text)), @"");
}

#[test]
fn a_rehearsal_ends_well_and_tells_each_fault() {
    let directory = project();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/faults.yaml");
    let mut emulator = start_with(directory.path(), &["--faults", example.to_str().unwrap()], Stdio::piped());
    let applied = run(directory.path(), &emulator.url, &["apply", "--auto-approve"]).expect(0);
    assert!(applied.stderr.contains("read back: converged"), "{}", applied.stderr);
    let plan = run(directory.path(), &emulator.url, &["plan", "--detailed-exitcode"]).expect(0);
    assert!(plan.stdout.contains("Nothing to do"), "{}", plan.stdout);
    insta::assert_snapshot!(emulator.end(), @"");
}

#[test]
fn what_is_told_of_a_request_commands_no_terminal() {
    let directory = project();
    std::fs::write(directory.path().join("faults.yaml"), "faults: [{fault: lose_request}]").unwrap();
    let mut emulator = start_with(directory.path(), &["--faults", "faults.yaml"], Stdio::piped());
    let address = emulator.url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, "GET /\u{9b}31m HTTP/1.1\r\nhost: a\r\n\r\n".as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert_eq!(answer, b"", "the connection died");
    insta::assert_snapshot!(emulator.end(), @"");
}
