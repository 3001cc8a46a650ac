//! Tests of the files of saved plans: links, pipes, and files that other programs have rewritten.

use std::path::PathBuf;
use std::process::Command;

use amigops::model::Api;
use amigops_emulator::RequestInfo;
use serde_json::Value;

use super::{MANIFESTS, SEED, document, saved};
use crate::harness::Lab;
use crate::on_both_apis;

fn text(lab: &Lab, file: &str) -> String {
    std::fs::read_to_string(lab.path().join(file)).unwrap()
}

fn is_applied(lab: &Lab, file: &str) -> bool {
    let plan: Value = serde_json::from_str(&text(lab, file)).unwrap();
    !plan["applied_at"].is_null()
}

#[cfg(unix)]
fn link(lab: &Lab, target: &str, name: &str) {
    std::os::unix::fs::symlink(target, lab.path().join(name)).unwrap();
}

#[cfg(unix)]
fn is_link(lab: &Lab, name: &str) -> bool {
    lab.path().join(name).symlink_metadata().unwrap().is_symlink()
}

#[cfg(unix)]
fn pipe(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.path().join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// A function that changes the layout of a plan's text, but not its content.
type Layout = fn(&str) -> String;

/// Creates a lab with [`MANIFESTS`], which change services. No plan is saved yet.
fn unsaved(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.manifests(MANIFESTS);
    lab
}

#[cfg(unix)]
on_both_apis! {
    fn a_plan_is_written_and_marked_through_a_link(api: Api) {
        let lab = unsaved(api);
        std::fs::create_dir(lab.path().join("out")).unwrap();
        link(&lab, "out/real.json", "plan.json");
        // The target of the link does not have to exist. In the second round, an old plan in the target is replaced.
        for _ in 0..2 {
            lab.run(&["plan", "--out", "plan.json"]).expect(0);
            assert!(is_link(&lab, "plan.json") && !is_link(&lab, "out/real.json"));
            assert!(!is_applied(&lab, "out/real.json"));
        }
        lab.run(&["apply", "plan.json"]).expect(0);
        assert!(is_link(&lab, "plan.json") && is_applied(&lab, "out/real.json"));
        for name in ["plan.json", "out/real.json"] {
            let again = lab.run(&["apply", name]).expect(3);
            assert!(again.stderr.contains("can be applied only once"), "{}", again.stderr);
        }
        let left: Vec<_> = std::fs::read_dir(lab.path().join("out")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_does_not_hide_the_file_that_would_be_overwritten() {
    let lab = unsaved(Api::Classic);
    lab.write("notes.txt", "Call Kim.");
    link(&lab, "notes.txt", "notes.json");
    link(&lab, "services/new.yaml", "new.json");
    link(&lab, "round.json", "round.json");
    for (name, words) in [
        ("notes.json", "exists and is not a plan"),
        ("new.json", "it would be read as a manifest"),
        ("round.json", "can't save the plan as `round.json`"),
    ] {
        let run = lab.run(&["plan", "--out", name]).expect(1);
        assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
        assert!(is_link(&lab, name));
    }
    assert_eq!(text(&lab, "notes.txt"), "Call Kim.");
    assert_eq!(lab.server.requests(), [], "the file is checked before anything is read");
}

#[cfg(unix)]
#[test]
fn a_plan_is_not_written_to_a_pipe_or_a_device() {
    let lab = unsaved(Api::Classic);
    let path = pipe(&lab, "pipe");
    link(&lab, "pipe", "to-pipe");
    for name in ["pipe", "to-pipe", "/dev/null"] {
        let run = lab.run(&["plan", "--out", name]).expect(1);
        assert!(
            run.stderr.contains(&format!("can't save the plan as `{name}`: the path is not a regular file")),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("--format json"), "{}", run.stderr);
    }
    use std::os::unix::fs::FileTypeExt;
    assert!(path.symlink_metadata().unwrap().file_type().is_fifo());
}

#[cfg(unix)]
#[test]
fn pipes_are_refused_at_once_wherever_a_file_is_read() {
    let lab = unsaved(Api::Classic);
    pipe(&lab, "pipe");
    for args in [
        &["apply", "pipe"][..],
        &["emulator", "--port", "0", "--seed", "pipe"],
        &["emulator", "--port", "0", "--faults", "pipe"],
        &["emulator", "--port", "0", "--state", "pipe"],
        &["drift", "--metrics", "pipe"],
        &["schema", "--docs", "pipe"],
    ] {
        let run = lab.run_unchecked(args, &[]).expect(1);
        assert!(run.stderr.contains("the path is not a regular file"), "{args:?}: {}", run.stderr);
    }
    let run = lab.run_unchecked(&["apply", "--auto-approve", "--summary", "pipe"], &[]).expect(1);
    assert!(run.stderr.contains("a pipe that no process reads"), "{}", run.stderr);
    let key = [("AMIGO_API_KEY", ""), ("AMIGO_API_KEY_FILE", "pipe")];
    let run = lab.run_with(&["plan"], &key).expect(1);
    assert!(
        run.stderr.contains("`pipe`, which AMIGO_API_KEY_FILE names: the path is not a regular file"),
        "{}",
        run.stderr
    );
    assert_eq!(lab.writes(), []);
}

on_both_apis! {
    fn a_plan_that_another_program_has_laid_out_anew_is_applied_and_marked(api: Api) {
        let layouts: [(&str, Layout); 4] = [
            ("compact", |text| serde_json::from_str::<Value>(text).unwrap().to_string()),
            ("CRLF", |text| text.replace('\n', "\r\n")),
            ("a byte-order mark", |text| format!("\u{feff}{text}")),
            ("blanks", |text| format!("\n\n  {text}\n\n")),
        ];
        for (layout, change) in layouts {
            let lab = saved(api);
            lab.write("plan.json", &change(&text(&lab, "plan.json")));
            // The rewritten file is still recognized as a plan, so a new plan may replace it.
            lab.run(&["plan", "--out", "plan.json"]).expect(0);
            lab.write("plan.json", &change(&text(&lab, "plan.json")));
            let run = lab.run(&["apply", "plan.json"]);
            assert_eq!(run.code, Some(0), "{layout}: {}", run.stderr);
            assert!(!document(&lab)["applied_at"].is_null(), "{layout}");
            let again = lab.run(&["apply", "plan.json"]).expect(3);
            assert!(again.stderr.contains("can be applied only once"), "{layout}: {}", again.stderr);
        }
    }

    fn a_plan_file_that_is_replaced_meanwhile_is_not_overwritten(api: Api) {
        let lab = saved(api);
        let path = lab.path().join("plan.json");
        let other = "{\"format_version\": 1, \"another\": \"plan\"}";
        lab.before(move |_: &RequestInfo| {
            std::fs::write(&path, other).unwrap();
            None
        });
        let run = lab.run(&["apply", "plan.json"]).expect(3);
        assert!(run.stderr.contains("was changed while it was being applied; nothing was sent"), "{}", run.stderr);
        assert_eq!(text(&lab, "plan.json"), other);
        assert_eq!(lab.writes(), []);
    }
}
