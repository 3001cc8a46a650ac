//! Tests of the confirmation before an apply, on a pseudo-terminal: which answers confirm, and which events end the
//! question.

use std::fs::File;
use std::io::{Read, Write};
use std::process::ChildStderr;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::interrupts::check_ended;
use super::{EMPTY, service};
use crate::harness::{Lab, Run, signal};
use crate::on_both_apis;

/// Opens a pseudo-terminal. Returns the end of the test and the end of the binary.
fn terminal() -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("granted");
    unlockpt(&ours).expect("unlocked");
    let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("UTF-8");
    (ours.into(), File::options().read(true).write(true).open(name).expect("its other end"))
}

fn read_question(stderr: &mut ChildStderr) -> String {
    let mut words = Vec::new();
    while !words.ends_with(b"accepted: ") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).expect("a question");
        words.extend(byte);
    }
    String::from_utf8(words).expect("UTF-8")
}

/// Runs `apply` on a pseudo-terminal, and calls `on_question` when the confirmation question appears. Returns the exit
/// code and the output.
fn apply(lab: &Lab, more: &[&str], on_question: impl FnOnce(&mut File, u32)) -> Run {
    lab.write("summary.md", "");
    let (mut ours, theirs) = terminal();
    let args = [&["apply", "--format", "json", "--summary", "summary.md"], more].concat();
    let mut child = lab.command(&args).stdin(theirs).spawn().expect("begun");
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let mut stderr = read_question(&mut err);
    on_question(&mut ours, child.id());
    let mut stdout = String::new();
    err.read_to_string(&mut stderr).expect("read");
    out.read_to_string(&mut stdout).expect("read");
    Run { code: child.wait().expect("ended").code(), stdout, stderr }
}

on_both_apis! {
    fn only_yes_confirms(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        for answer in ["y\n", "\n", "\u{4}"] {
            let run = apply(&lab, &[], |terminal, _| terminal.write_all(answer.as_bytes()).expect("typed"));
            assert!(run.expect(1).stderr.contains("Nothing was changed."));
        }
        assert_eq!(lab.writes(), []);
        apply(&lab, &[], |terminal, _| terminal.write_all(b"yes\n").expect("typed")).expect(0);
        lab.expect_converged();
    }

    fn a_signal_ends_the_question(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        for name in ["INT", "TERM"] {
            let run = apply(&lab, &[], |_, id| signal(id, name)).expect(130);
            assert!(run.stderr.ends_with("accepted: \ninterrupted: nothing was changed\n"), "{}", run.stderr);
            check_ended(&lab, &run, 130);
        }
        assert_eq!(lab.writes(), []);
    }

    fn the_timeout_ends_the_question(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let began = Instant::now();
        let run = apply(&lab, &["--timeout", "2s"], |_, _| {}).expect(1);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert!(run.stderr.contains("accepted: \nerror: the run did not finish within --timeout (2 s)"), "{}", run.stderr);
        check_ended(&lab, &run, 1);
        assert_eq!(lab.writes(), []);
    }
}
