//! Tests of `amigops emulator --faults FILE`: the documented example, and fault files that are refused.

use std::path::Path;
use std::process::Stdio;

use crate::commands::emulator::{project, start_with};
use crate::harness::{amigops, run_command};

/// Starts an emulator with this fault file, which must be refused, and returns the error. `None` means that the file
/// does not exist.
#[track_caller]
fn refused(text: Option<&str>) -> String {
    let directory = tempfile::tempdir().unwrap();
    if let Some(text) = text {
        std::fs::write(directory.path().join("faults.yaml"), text).unwrap();
    }
    let mut command = amigops(directory.path());
    command.args(["emulator", "--port", "0", "--faults", "faults.yaml"]);
    let run = run_command(command).expect(1);
    assert_eq!(run.stdout, "", "nothing is served");
    run.stderr
}

const HELP: &str =
    "   = help: `amigops schema faults` prints the schema of a fault file; docs/faults.md explains it\n";

#[test]
fn a_missing_or_empty_fault_file_is_refused() {
    insta::assert_snapshot!(refused(None), @"error: can't read the fault file `faults.yaml`: No such file or directory (os error 2)");
    let empty = "error: faults.yaml:1:1: the file is empty: expected `faults:` with a list of rules\n";
    for text in ["", "\n\n", "# nothing yet\n"] {
        assert_eq!(refused(Some(text)), format!("{empty}{HELP}"));
    }
}

#[test]
fn every_problem_is_reported_with_its_location() {
    let text = "faults:
  - {fault: lose_anwser}
  - {fault: delay}
  - {nth: 0, fault: answer, status: 99, milis: 5}
  - fault: refuse
    millis: 5
    method: Put
";
    let told = refused(Some(text));
    let (problems, help) = told.split_once("   = help").unwrap();
    assert!(HELP.ends_with(help), "{help}");
    insta::assert_snapshot!(problems, @r#"
    error: faults.yaml:2:13: there is no fault "lose_anwser": did you mean `lose_answer`?
    error: faults.yaml:3:5: `delay` needs the key `millis`
    error: faults.yaml:4:11: `nth`: expected a whole number of at least 1, but found 0
    error: faults.yaml:4:37: `status`: expected a whole number from 200 to 599, but found 99
    error: faults.yaml:4:41: there is no key "milis": did you mean `millis`?
    error: faults.yaml:6:5: `millis` belongs to `delay` and `dribble`, not to `refuse`
    error: faults.yaml:7:13: there is no method "Put": did you mean `PUT`?
    "#);
}

/// Returns the lines about faults in the emulator's log.
fn faults_logged(said: &str) -> String {
    said.split_inclusive('\n').filter(|line| line.starts_with("request ")).collect()
}

/// Runs the example of docs/faults.md with the files from that page.
#[test]
fn the_documented_example_succeeds_and_logs_each_fault() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let (_, page) = page.split_once("## An example from start to end").unwrap();
    let blocks: Vec<_> =
        page.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap().1).collect();
    let [seed, project, desks, commands, told, ..] = blocks[..] else { panic!("{blocks:#?}") };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("seed.yaml", seed);
    write("desks.yaml", desks);
    let example = root.join("examples/faults.yaml");
    let more = ["--limits", "off", "--faults", example.to_str().unwrap()];
    let mut emulator = start_with(directory.path(), &more, Stdio::piped());
    assert!(project.contains("http://127.0.0.1:8787"));
    write("amigops.yaml", &project.replace("http://127.0.0.1:8787", &emulator.url));
    for line in commands.lines() {
        let Some(arguments) = line.strip_prefix("amigops ") else { continue };
        let arguments: Vec<_> = arguments.split_whitespace().take_while(|word| *word != "#").collect();
        let mut command = amigops(directory.path());
        let credentials =
            [("AMIGO_API_KEY", "secret"), ("AMIGO_API_KEY_ID", "key-id"), ("AMIGO_USER_ID", "user-1")];
        command.args(arguments).envs(credentials);
        run_command(command).expect(0);
    }
    assert_eq!(faults_logged(&emulator.end()), told, "the log in docs/faults.md");
}

#[test]
fn logged_requests_have_control_characters_escaped() {
    let directory = project();
    std::fs::write(directory.path().join("faults.yaml"), "faults: [{fault: lose_request}]").unwrap();
    let mut emulator = start_with(directory.path(), &["--faults", "faults.yaml"], Stdio::piped());
    let address = emulator.url.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, "GET /\u{9b}31m HTTP/1.1\r\nhost: a\r\n\r\n".as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert_eq!(answer, b"", "the connection died");
    assert_eq!(faults_logged(&emulator.end()), "request 1, GET /\u{fffd}31m: request lost\n");
}
