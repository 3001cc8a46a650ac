//! Answers that never come: nothing is made twice, and what can be repeated is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amigops::emulator::Fault;

use super::{EMPTY, service, services};
use crate::harness::{Lab, answer_with, is_create};
use crate::{on_both_apis, replacement};

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
                    (true, true) => Some(Fault::LoseRequest),
                    (true, false) => Some(Fault::LoseAnswer),
                    _ => None,
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
                Some(Fault::LoseRequest)
            } else {
                None
            }
        });
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 6);
    }

    fn a_page_instead_of_an_answer_is_no_word_that_a_write_was_done(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach");
        let pages = AtomicU64::new(0);
        lab.before(move |request| {
            let first = request.body.contains(r#""is_active":true"#) && pages.fetch_add(1, Ordering::SeqCst) == 0;
            if !first {
                return None;
            }
            answer_with(200, "content-type", "text/html", "<html>Sign in to the guest network</html>")
        });
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("can't be read") || run.stderr.contains("kept"), "{}", run.stderr);
        assert_eq!(lab.active("Health Coach").id, old.id, "the old one is in use, under its name");
        lab.unhook();
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn a_rename_whose_answers_are_lost_does_not_leave_the_name_free(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        let old = lab.active("Health Coach");
        let losses = AtomicU64::new(0);
        lab.before(move |request| {
            let renames = request.body.contains("(replaced ");
            // As often as one request is tried.
            if renames && losses.fetch_add(1, Ordering::SeqCst) < 6 {
                Some(Fault::LoseAnswer)
            } else {
                None
            }
        });
        lab.apply().expect(4);
        assert_eq!(lab.active("Health Coach").id, old.id, "it has its name back");
        lab.unhook();
        lab.apply().expect(0);
        lab.expect_converged();
    }
}
