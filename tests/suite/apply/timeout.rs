//! Tests of `--timeout`: a run ends in time and reports which steps are done, and a later run continues.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amigops_emulator::{Fault, Limits, RequestInfo};
use serde_json::{Value, json};

use super::{EMPTY, service, services};
use crate::harness::{Lab, Run, answer_with, is_create};
use crate::on_both_apis;

const LATE: Duration = Duration::from_secs(3);

fn late_answer() -> Fault {
    Fault::Delay { millis: LATE.as_millis() as u64 }
}

/// Returns a fault for each read request. It delays the answer for longer than the run's timeout.
fn delay_reads(request: &RequestInfo) -> Option<Fault> {
    (request.method == "GET").then(late_answer)
}

fn last_event(run: &Run) -> Value {
    serde_json::from_str(run.stdout.lines().last().expect("a line")).expect("JSON")
}

on_both_apis! {
    fn steps_done_before_the_timeout_are_kept_and_reported(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&services(6, ""));
        let slow_third = || {
            let creates = AtomicU64::new(0);
            move |request: &RequestInfo| {
                let third = is_create(request) && creates.fetch_add(1, Ordering::SeqCst) == 2;
                third.then(late_answer)
            }
        };
        lab.before(slow_third());
        let args = ["apply", "--auto-approve", "--parallelism", "1", "--timeout", "2s"];
        let run = lab.run(&[&args[..], &["--summary", "summary.md"]].concat()).expect(4);
        let summary = std::fs::read_to_string(lab.path().join("summary.md")).expect("a summary");
        assert!(summary.contains("> **Timed out.** Exit code 4: finished steps are kept"), "{summary}");
        assert!(summary.contains("- `Desk 003: create`: the run reached the limit of --timeout\n"), "{summary}");
        assert!(run.stderr.contains(": finishing the requests in flight"), "{}", run.stderr);
        let words = "Timed out: 3 of 6 steps done, 0 failed, 3 not attempted · not read back";
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(run.stderr.contains("not attempted (the run reached the limit of --timeout)"), "{}", run.stderr);
        assert_eq!(lab.services().len(), 3);
        lab.before(slow_third());
        // The third step is the last one now. So all steps are done, but the state is not read back.
        let run = lab.run(&[&args[..], &["--format", "json"]].concat()).expect(1);
        let last = last_event(&run);
        assert_eq!((&last["done"], &last["not_attempted"], &last["exit_code"]), (&json!(3), &json!(0), &json!(1)), "{}", run.stdout);
        assert_eq!((&last["timed_out"], &last["interrupted"]), (&json!(true), &json!(false)), "{last}");
        lab.remove_hooks();
        lab.expect_converged();
    }

    fn a_wait_for_a_limit_ends_at_the_timeout(api: Api) {
        let lab = Lab::on_with(api, EMPTY, |options| {
            options.limits = Limits::Documented { window: Duration::from_secs(60) };
        });
        lab.manifests(&services(70, ""));
        let began = Instant::now();
        let run = lab.run(&["apply", "--auto-approve", "--timeout", "4s", "--format", "json"]).expect(4);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(run.stderr.contains(" s: run `amigops apply` again for the steps that are not done in time"), "{}", run.stderr);
        let last = last_event(&run);
        assert_eq!((&last["timed_out"], &last["failed"], &last["interrupted"]), (&json!(true), &json!(0), &json!(false)));
        let done = last["done"].as_u64().expect("a number");
        assert!((20..70).contains(&done), "{last}");
        assert_eq!(lab.services().len() as u64, done);
        assert!(lab.server.requests().iter().all(|request| request.status != Some(429)));
    }

    fn no_step_starts_after_the_timeout(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.before(delay_reads);
        for args in [&["plan"][..], &["drift"], &["ids"], &["apply", "--auto-approve"]] {
            let began = Instant::now();
            let run = lab.run(&[args, &["--timeout", "700ms"]].concat()).expect(1);
            assert!(began.elapsed() < LATE, "{args:?}: {:?}", began.elapsed());
            assert!(run.stderr.contains("error: the run did not finish within --timeout (0.7 s)"), "{}", run.stderr);
        }
        assert_eq!(lab.writes(), []);
        lab.remove_hooks();
        lab.apply().expect(0);
    }

    fn a_drift_that_times_out_keeps_its_metrics(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.before(delay_reads);
        let metrics = lab.path().join("drift.prom");
        let file = metrics.to_str().expect("a path");
        let run = lab.run(&["drift", "--timeout", "700ms", "--metrics", file]).expect(1);
        assert!(run.stderr.contains("within --timeout"), "{}", run.stderr);
        let text = std::fs::read_to_string(&metrics).expect("figures");
        assert!(text.contains("amigops_drift_success") && text.contains("} 0"), "{text}");
    }

    fn a_read_back_that_times_out_is_not_a_failed_step(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let created = AtomicBool::new(false);
        lab.before(move |request| {
            if is_create(request) {
                created.store(true, Ordering::SeqCst);
            }
            if created.load(Ordering::SeqCst) { delay_reads(request) } else { None }
        });
        let args = ["apply", "--auto-approve", "--timeout", "1500ms", "--format", "json", "--summary", "summary.md"];
        let run = lab.run(&args).expect(1);
        let last = last_event(&run);
        assert_eq!((&last["done"], &last["timed_out"], &last["converged"]), (&json!(1), &json!(true), &Value::Null));
        let summary = std::fs::read_to_string(lab.path().join("summary.md")).expect("a summary");
        let words = "> **Applied, but timed out.** Exit code 1: every step is done, but no time was left to";
        assert!(summary.contains(words), "{summary}");
        assert!(run.stderr.contains("Applied: 1 step · not read back"), "{}", run.stderr);
        assert!(run.stderr.contains("within --timeout"), "{}", run.stderr);
        lab.remove_hooks();
        lab.expect_converged();
    }

    fn a_retry_after_beyond_the_timeout_is_not_waited_for(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.before(|request| match is_create(request) {
            true => answer_with(503, "retry-after", "3600", "{\"detail\":\"maintenance\"}"),
            false => None,
        });
        for (timeout, words) in [
            (&["--timeout", "30m"][..], "the server asks clients to wait 60 minutes, but --timeout ends before"),
            (&[], "run the command again after that, or with `--timeout 65m`"),
        ] {
            let began = Instant::now();
            let run = lab.run(&[&["apply", "--auto-approve"], timeout].concat()).expect(4);
            assert!(run.stderr.contains(words), "{}", run.stderr);
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        }
    }
}

#[test]
fn invalid_timeouts_are_refused() {
    let lab = Lab::new(EMPTY);
    for time in ["soon", "0s", "-5s", "", "9223372036854775807s"] {
        let run = lab.run(&["plan", &format!("--timeout={time}")]).expect(1);
        assert!(run.stderr.contains("a time such as 90s, 10m or 1h 30m"), "{time}: {}", run.stderr);
    }
}
