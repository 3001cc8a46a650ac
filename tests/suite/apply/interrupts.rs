//! Tests of signals: a run completes its current requests and reports the remaining steps, and a later run continues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amigops_emulator::Fault;
use serde_json::{Value, json};

use super::{EMPTY, service, services};
use crate::harness::{Lab, Run, is_create};
use crate::on_both_apis;

/// Sets a hook that sends two signals to the binary while a create waits for its answer.
pub(super) fn interrupt_twice(lab: &Lab) {
    let hooks = Arc::clone(&lab.hooks);
    lab.before(move |request| {
        if !is_create(request) {
            return None;
        }
        let hooks = Arc::clone(&hooks);
        std::thread::spawn(move || {
            for _ in 0..2 {
                hooks.signal("INT");
                std::thread::sleep(Duration::from_millis(400));
            }
        });
        Some(Fault::Delay { millis: 8_000 })
    });
}

on_both_apis! {
    fn an_interrupted_apply_completes_its_requests_and_can_be_resumed(api: Api) {
        for signal in ["INT", "TERM"] {
            let lab = Lab::on(api, EMPTY);
            lab.manifests(&services(12, ""));
            let hooks = Arc::clone(&lab.hooks);
            let creates = AtomicU64::new(0);
            lab.before(move |request| {
                if is_create(request) && creates.fetch_add(1, Ordering::SeqCst) == 3 {
                    hooks.signal(signal);
                    return Some(Fault::Delay { millis: 300 });
                }
                None
            });
            let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(130);
            assert!(
                run.stderr.contains("Interrupted: 4 of 12 steps done, 0 failed, 8 not attempted"),
                "{}",
                run.stderr
            );
            assert_eq!(lab.services().len(), 4);
            lab.remove_hooks();
            lab.apply().expect(0);
            assert_eq!(lab.services().len(), 12);
        }
    }

    fn a_second_interrupt_ends_the_run_at_once(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        interrupt_twice(&lab);
        let began = Instant::now();
        let run = lab.apply().expect(130);
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        assert!(run.stderr.contains("interrupted again"), "{}", run.stderr);
        // The step whose request got no answer counts neither as done nor as not attempted: its outcome is unknown.
        let summary = "Interrupted: 0 of 1 step done, 0 failed, 0 not attempted, 1 unknown · not read back";
        assert!(run.stderr.contains(summary), "{}", run.stderr);
        let why = "? Desk: create: outcome unknown (this step was in progress when the run stopped, so it may have been applied)";
        assert!(run.stderr.contains(why), "{}", run.stderr);
        lab.remove_hooks();
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 1);
    }

    fn a_signal_while_the_live_state_is_read_ends_the_run_and_is_reported(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        // A saved plan of which no step was started is not marked as applied. So the same plan can be applied three
        // times here.
        for signal in ["INT", "TERM"] {
            let hooks = Arc::clone(&lab.hooks);
            lab.before(move |request| {
                let is_read = request.method == "GET";
                is_read.then(|| {
                    hooks.signal(signal);
                    late_answer()
                })
            });
            for what in [&["--auto-approve"][..], &["plan.json"]] {
                let began = Instant::now();
                let run = ended_early(&lab, what, 130);
                assert!(began.elapsed() < LATE, "{:?}", began.elapsed());
                assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
                assert!(run.stderr.contains("interrupted: nothing was changed"), "{}", run.stderr);
                assert!(!run.stderr.contains("in flight"), "{}", run.stderr);
            }
        }
        assert_eq!(lab.writes(), []);
        lab.remove_hooks();
        lab.run(&["apply", "plan.json"]).expect(0);
    }

    fn a_signal_during_the_read_back_is_in_every_report(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let hooks = Arc::clone(&lab.hooks);
        let created = AtomicBool::new(false);
        lab.before(move |request| {
            created.fetch_or(is_create(request), Ordering::SeqCst);
            let is_read_back = created.load(Ordering::SeqCst) && request.method == "GET";
            is_read_back.then(|| {
                hooks.signal("INT");
                late_answer()
            })
        });
        let began = Instant::now();
        let run = lab.run(&["apply", "--auto-approve", "--format", "json"]).expect(130);
        assert!(began.elapsed() < LATE, "{:?}", began.elapsed());
        let last = last_event(&run);
        let told = (&last["done"], &last["interrupted"], &last["timed_out"], &last["converged"]);
        assert_eq!(told, (&json!(1), &json!(true), &json!(false), &Value::Null), "{last}");
        assert!(run.stderr.contains("Applied: 1 step · not read back"), "{}", run.stderr);
        assert!(!run.stderr.contains("in flight"), "{}", run.stderr);
    }

    fn a_first_signal_after_the_timeout_ends_the_run_but_counts_as_the_first(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let hooks = Arc::clone(&lab.hooks);
        lab.before(move |request| {
            if !is_create(request) {
                return None;
            }
            let hooks = Arc::clone(&hooks);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(2_500));
                hooks.signal("TERM");
            });
            Some(Fault::Delay { millis: 10_000 })
        });
        let run = lab.run(&["apply", "--auto-approve", "--format", "json", "--timeout", "1500ms"]).expect(130);
        assert!(run.stderr.contains("interrupted: stopped immediately; requests in flight may"), "{}", run.stderr);
        let last = last_event(&run);
        assert_eq!((&last["interrupted"], &last["timed_out"]), (&json!(true), &json!(true)), "{last}");
    }
}

const LATE: Duration = Duration::from_secs(4);

fn late_answer() -> Fault {
    Fault::Delay { millis: LATE.as_millis() as u64 }
}

fn last_event(run: &Run) -> Value {
    serde_json::from_str(run.stdout.lines().last().expect("a line")).expect("JSON")
}

/// Runs an apply that must end with this exit code before its first step. Checks its JSON output and its summary.
#[track_caller]
fn ended_early(lab: &Lab, what: &[&str], code: i32) -> Run {
    lab.write("summary.md", "");
    let run =
        lab.run(&[&["apply", "--format", "json", "--summary", "summary.md"], what].concat()).expect(code);
    check_ended(lab, &run, code);
    run
}

/// Checks that the JSON output and the summary report this exit code and no step.
#[track_caller]
pub(super) fn check_ended(lab: &Lab, run: &Run, code: i32) {
    let last = last_event(run);
    assert_eq!(
        (&last["type"], &last["exit_code"], &last["done"]),
        (&json!("result"), &json!(code), &json!(0))
    );
    assert_eq!(
        (&last["interrupted"], &last["timed_out"]),
        (&json!(code == 130), &json!(code != 130)),
        "{last}"
    );
    let summary = std::fs::read_to_string(lab.path().join("summary.md")).expect("a summary");
    let word = if code == 130 { "Interrupted" } else { "Timed out" };
    assert!(summary.contains(&format!("**{word}.** Exit code {code}: nothing was changed.")), "{summary}");
}
