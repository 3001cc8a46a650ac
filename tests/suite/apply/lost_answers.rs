//! Answers that never come: nothing is made twice, and what can be repeated is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amigops::emulator::Verdict;

use super::{EMPTY, service, services};
use crate::harness::{Lab, is_create};
use crate::on_both_apis;

on_both_apis! {
    fn the_answer_to_a_create_is_lost_and_no_second_service_is_made(api: Api) {
        for lost_before in [false, true] {
            let lab = Lab::on(api, EMPTY);
            lab.manifests(&service("Desk", ""));
            let creates = Arc::new(AtomicU64::new(0));
            let seen = Arc::clone(&creates);
            lab.before(move |request| {
                let first = is_create(request) && seen.fetch_add(1, Ordering::SeqCst) == 0;
                match (first, lost_before) {
                    (true, true) => Verdict::Drop,
                    (true, false) => Verdict::ProcessThenDrop,
                    _ => Verdict::Proceed,
                }
            });
            lab.apply().expect(0);
            assert_eq!(lab.services().len(), 1);
            assert_eq!(creates.load(Ordering::SeqCst), if lost_before { 2 } else { 1 });
        }
    }

    fn an_outage_in_mid_apply_is_waited_for(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&services(6, ""));
        let drops = AtomicU64::new(0);
        lab.before(move |request| {
            // Reads and creates alike: answers that never come.
            if request.number > 6 && drops.fetch_add(1, Ordering::SeqCst) < 3 {
                Verdict::Drop
            } else {
                Verdict::Proceed
            }
        });
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 6);
    }
}
