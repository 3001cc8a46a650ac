//! Tests that `apply --summary` appends the outcome of a run to a file, in whatever way the run ends, and that it keeps
//! the file's earlier content.

use std::sync::Arc;

use amigops_emulator::Fault;

use super::interrupts::interrupt_twice;
use super::{EMPTY, service, services};
use crate::apply::replacement;
use crate::harness::{Lab, Run, answer, is_create};
use crate::on_both_apis;

/// Runs `apply` with a summary file that already has content. Returns the run and the text that it added. That text
/// must begin with the heading.
#[track_caller]
fn apply_with_summary(lab: &Lab, more: &[&str], code: i32) -> (Run, String) {
    let others = "# Of another step\n\nno newline";
    lab.write("summary.md", others);
    let mut args = vec!["apply", "--summary", "summary.md"];
    args.extend(more);
    let run = lab.run(&args).expect(code);
    let text = std::fs::read_to_string(lab.path().join("summary.md")).unwrap();
    let added = text.strip_prefix(&format!("{others}\n\n")).unwrap_or_else(|| panic!("{text}")).to_owned();
    assert!(added.starts_with("## amigops apply"), "{added}");
    assert!(added.contains(&format!("Exit code {code}: ")), "{added}");
    (run, added)
}

on_both_apis! {
    fn a_completed_run_and_one_with_nothing_to_do(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let (_, text) = apply_with_summary(&lab, &["--auto-approve"], 0);
        let sent = lab.hooks.count();
        assert!(text.contains("**Applied.** Exit code 0: every step is done."), "{text}");
        assert!(text.contains(&format!("Read back: **converged** · {sent} requests · ")), "{text}");
        assert!(text.contains("| finished | 1 | 0 | 0 | 0 |") && text.contains("1 of 1 step done"), "{text}");
        assert!(text.contains(&format!("### Created: 1\n\n- `Desk`: `{}`", lab.active("Desk").id)), "{text}");
        let (_, text) = apply_with_summary(&lab, &["--auto-approve"], 0);
        assert!(text.contains("**Nothing to do.**") && !text.contains("###"), "{text}");
    }

    fn a_replacement_and_a_removal_with_their_ids(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach").id;
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        let (_, text) = apply_with_summary(&lab, &["plan.json"], 0);
        let new = lab.active("Health Coach").id;
        assert!(text.contains("### Replaced: 1\n\n"), "{text}");
        assert!(text.contains(&format!("- `Health Coach`: `{old}` → `{new}`\n")), "{text}");
        lab.manifests(&service("Desk", "").replace("One", "Coach Maya").replace("Flow", "Coaching Flow"));
        let (_, text) = apply_with_summary(&lab, &["--auto-approve", "--prune"], 0);
        assert!(text.contains(&format!("### Removed: 1\n\n- `Health Coach`, `{new}`, ")), "{text}");
    }

    fn a_partly_failed_run(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&[service("First", ""), service("Second", "depends_on: [First]\n"), service("Third", "")].join("---\n"));
        lab.before(|request| {
            if is_create(request) && request.body.contains("\"First\"") {
                return answer(400, r#"{"detail":"the <b>model</b> is unknown"}"#);
            }
            None
        });
        let (_, text) = apply_with_summary(&lab, &["--auto-approve"], 4);
        assert!(text.starts_with("## amigops apply · `lab`\n\n"), "{text}");
        assert!(text.contains("**Partly applied.**") && text.contains("Read back: **not converged**"), "{text}");
        assert!(text.contains("1 of 3 steps done, 1 failed, 1 not attempted."), "{text}");
        let failed = "### Failed: 1\n\n- `First: create`: `POST ";
        assert!(text.contains(failed) && text.contains("400 the <b>model</b> is unknown`\n  - "), "{text}");
        let waits = "- `Second: create`: blocked by `First: create`, which failed\n";
        assert!(text.contains("### Not attempted: 1") && text.contains(waits), "{text}");
    }

    fn interrupts_of_both_kinds(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&services(3, ""));
        let hooks = Arc::clone(&lab.hooks);
        lab.before(move |request| {
            if is_create(request) {
                hooks.signal("INT");
                return Some(Fault::Delay { millis: 300 });
            }
            None
        });
        let (_, text) = apply_with_summary(&lab, &["--auto-approve", "--parallelism", "1"], 130);
        assert!(text.contains("1 of 3 steps done, 0 failed, 2 not attempted."), "{text}");
        assert!(text.contains("- `Desk 001: create`: the run was interrupted\n"), "{text}");
        assert!(text.contains("**Interrupted.**") && text.contains("Not read back"), "{text}");
        interrupt_twice(&lab);
        let (_, text) = apply_with_summary(&lab, &["--auto-approve", "--parallelism", "1"], 130);
        assert!(text.contains("### Unknown: 1") && text.contains("### Not attempted: 1"), "{text}");
    }

    fn a_refused_plan_and_one_that_is_not_approved(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        let (_, text) = apply_with_summary(&lab, &[], 1);
        assert!(text.contains("**Failed.** Exit code 1: nothing was changed.") && text.contains("can't ask for confirmation"), "{text}");
        lab.run(&["apply", "plan.json"]).expect(0);
        let (run, text) = apply_with_summary(&lab, &["plan.json"], 3);
        assert!(text.contains("**Refused.**") && text.contains("can be applied only once"), "{text}");
        assert!(run.stderr.contains("can be applied only once"), "{}", run.stderr);
    }

    fn an_error_before_the_first_request(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let args = ["apply", "--auto-approve", "--summary", "summary.md"];
        lab.run_with(&args, &[("AMIGO_API_KEY", "")]).expect(1);
        assert_eq!(lab.hooks.count(), 0);
        let text = std::fs::read_to_string(lab.path().join("summary.md")).unwrap();
        assert!(text.starts_with("## amigops apply\n\n> [!CAUTION]\n> **Failed.** Exit code 1"), "{text}");
        assert!(text.contains("no API key") && text.contains("0 requests"), "{text}");
    }
}

#[test]
fn a_summary_that_cannot_be_opened_is_an_error_before_the_first_request() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    let run = lab.run(&["apply", "--auto-approve", "--summary", "nowhere/summary.md"]).expect(1);
    assert!(run.stderr.contains("can't write the summary `nowhere/summary.md`"), "{}", run.stderr);
    assert_eq!(lab.hooks.count(), 0);
    let run = lab.run(&["apply", "--format", "json", "--auto-approve", "--summary", "."]).expect(1);
    let last: serde_json::Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((last["type"].as_str(), last["exit_code"].as_i64()), (Some("result"), Some(1)));
}

/// The summary is written to `/dev/full`, a device of Linux on which every write fails.
#[cfg(target_os = "linux")]
#[test]
fn a_summary_that_cannot_be_written_fails_only_a_successful_run() {
    let full = ["apply", "--auto-approve", "--format", "json", "--summary", "/dev/full"];
    let lab = Lab::new(EMPTY);
    lab.manifests(&services(2, ""));
    lab.before(|request| {
        let fails = is_create(request) && request.body.contains("Desk 001");
        if fails { answer(400, r#"{"detail":"no"}"#) } else { None }
    });
    let run = lab.run(&full).expect(4);
    assert!(run.stderr.contains("can't write the summary `/dev/full`"), "{}", run.stderr);
    lab.remove_hooks();
    let run = lab.run(&full).expect(1);
    assert!(run.stderr.contains("can't write the summary `/dev/full`"), "{}", run.stderr);
    assert!(run.stdout.lines().last().unwrap().contains(r#""exit_code":1"#), "{}", run.stdout);
    assert_eq!(lab.services().len(), 2);
}

/// The server answers an update with success, but does not carry it out. The summary must say that the state has not
/// converged.
#[test]
fn a_run_that_does_not_converge() {
    let lab = Lab::new(EMPTY);
    lab.manifests(&service("Desk", ""));
    lab.run(&["apply", "--auto-approve"]).expect(0);
    lab.manifests(&service("Desk", "").replace("The Desk", "The new one"));
    let id = lab.active("Desk").id;
    lab.before(|request| {
        // The update gets a successful answer, but the server does not carry it out.
        if request.method == "POST" && request.path.contains("/service/") && !is_create(request) {
            return answer(200, "{}");
        }
        None
    });
    let (run, text) = apply_with_summary(&lab, &["--auto-approve"], 1);
    assert!(run.stderr.contains("the live state still differs"), "{}", run.stderr);
    assert!(text.contains("**Applied, but not converged.**"), "{text}");
    assert!(text.contains("### Still different: 1") && text.contains("- `Desk`\n"), "{text}");
    assert_eq!(lab.service(&id).description, "The Desk");
}
