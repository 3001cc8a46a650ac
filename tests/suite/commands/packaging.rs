//! Tests of the commands for packagers, shells and editors: schemas, completions, manual pages and help.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use amigops::schema::SchemaFile;

use crate::harness::{Run, amigops, run_command};

const COMMANDS: &[&str] = &[
    "init",
    "validate",
    "plan",
    "apply",
    "graph",
    "drift",
    "unmanage",
    "import",
    "promote",
    "outdated",
    "ids",
    "emulator",
    "schema",
    "completions",
    "man",
];

fn run(args: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let mut command = amigops(directory.path());
    command.args(args);
    run_command(command)
}

/// Runs a command that must succeed, and returns its stdout.
fn said(args: &[&str]) -> String {
    let run = run(args);
    assert_eq!(run.code, Some(0), "{args:?}: {}{}", run.stdout, run.stderr);
    run.stdout
}

/// Runs a command with `--out`, and returns the names of the files that it writes.
fn written(args: &[&str]) -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("new").join("out");
    said(&[args, &["--out", out.to_str().unwrap()]].concat());
    let files = std::fs::read_dir(out).unwrap().map(Result::unwrap);
    files
        .map(|file| {
            assert!(file.metadata().unwrap().len() > 100, "{:?}", file.path());
            file.file_name().into_string().unwrap()
        })
        .collect()
}

#[test]
fn a_schema_is_printed_or_all_are_written() {
    for file in SchemaFile::ALL {
        assert_eq!(said(&["schema", file.name()]), file.text());
        assert_eq!(written(&["schema", file.name()]), [file.file_name()].into());
    }
    assert_eq!(written(&["schema"]), SchemaFile::ALL.iter().map(|file| file.file_name()).collect());
}

#[test]
fn an_unknown_schema_is_an_error() {
    for args in [["schema"].as_slice(), &["schema", "plans"]] {
        let run = run(args);
        assert_eq!(run.code, Some(1), "{args:?}");
        assert!(run.stderr.contains("service"), "the names are told: {}", run.stderr);
    }
    let run = run(&["schema", "--out", "/dev/null/no"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains("can't write"), "{}", run.stderr);
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} doesn't complete {command}");
        }
        assert!(script.contains("auto-approve") && !script.contains('\u{1b}'), "{shell}");
    }
}

#[test]
fn bash_can_read_its_completions() {
    let mut bash =
        Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let script = said(&["completions", "bash"]);
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_has_a_manual_page() {
    let page = said(&["man"]);
    assert!(page.contains(".TH amigops 1") && page.contains("EXIT") | page.contains("Exit codes"), "{page}");
    let mut expected: BTreeSet<String> =
        COMMANDS.iter().map(|command| format!("amigops-{command}.1")).collect();
    expected.insert("amigops.1".to_owned());
    assert_eq!(written(&["man"]), expected);
}

/// The help of each command must have at most 40 lines, and must describe every flag.
#[test]
fn help_is_short_and_complete() {
    for command in COMMANDS.iter().map(|command| vec![*command, "-h"]).chain([vec!["-h"]]) {
        let help = said(&command);
        assert!(help.lines().count() <= 40, "{command:?}: {} lines", help.lines().count());
        let flags: Vec<&str> = help.lines().filter(|line| line.trim_start().starts_with('-')).collect();
        assert!(flags.len() > 5, "{help}");
        for flag in flags {
            let sentence = flag.trim().split_once("  ").map(|(_, sentence)| sentence.trim());
            assert!(sentence.is_some_and(|sentence| sentence.len() > 5), "{command:?}: {flag}");
        }
    }
    assert_eq!(said(&["--version"]), format!("amigops {}\n", env!("CARGO_PKG_VERSION")));
}
