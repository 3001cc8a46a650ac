//! Signals: what is under way is brought to its end, what is left is said, and a later run goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amigops::emulator::Fault;

use super::{EMPTY, service, services};
use crate::harness::{Lab, is_create};
use crate::on_both_apis;

/// Two signals while a create waits for its answer.
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
    fn an_interrupted_apply_ends_its_requests_says_what_is_left_and_goes_on_later(api: Api) {
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
            lab.unhook();
            lab.apply().expect(0);
            assert_eq!(lab.services().len(), 12);
        }
    }

    fn a_second_interrupt_ends_at_once(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        interrupt_twice(&lab);
        let began = Instant::now();
        let run = lab.apply().expect(130);
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        assert!(run.stderr.contains("interrupted again"), "{}", run.stderr);
        // What was under way is neither done nor left: nobody knows.
        let summary = "Interrupted: 0 of 1 step done, 0 failed, 0 not attempted, 1 unknown · not read back";
        assert!(run.stderr.contains(summary), "{}", run.stderr);
        let why = "? Desk: create: unknown: it was under way when the run was stopped, and may have been carried out";
        assert!(run.stderr.contains(why), "{}", run.stderr);
        lab.unhook();
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 1);
    }
}
