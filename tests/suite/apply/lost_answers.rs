//! Tests of responses that never arrive: no service is created twice, and requests that can be repeated safely are
//! retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use amigops_emulator::Fault;

use super::{EMPTY, service, services};
use crate::apply::replacement;
use crate::harness::{Lab, answer, answer_with, is_create};
use crate::on_both_apis;

on_both_apis! {
    fn a_create_whose_answer_is_lost_is_not_repeated(api: Api) {
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

    fn an_outage_during_an_apply_is_retried(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&services(6, ""));
        let drops = AtomicU64::new(0);
        lab.before(move |request| {
            // Requests of every kind, such as reads and creates, get no answer.
            if request.number > 6 && drops.fetch_add(1, Ordering::SeqCst) < 3 {
                Some(Fault::LoseRequest)
            } else {
                None
            }
        });
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 6);
    }

    fn an_html_page_does_not_count_as_success_of_a_write(api: Api) {
        // The fault happens as often as one request is tried (3 times), or only once.
        for (most, code) in [(3, 4), (1, 0)] {
            let lab = replacement::lab(api, "Coach Noor", "");
            let old = lab.active("Health Coach");
            let pages = AtomicU64::new(0);
            lab.before(move |request| {
                if !request.body.contains(r#""is_active":true"#) || pages.fetch_add(1, Ordering::SeqCst) >= most {
                    return None;
                }
                answer_with(200, "content-type", "text/html", "<html>Sign in to the guest network</html>")
            });
            let run = lab.apply().expect(code);
            assert!(run.stderr.contains("can't be read: the answer is not JSON"), "{}", run.stderr);
            let is_old = lab.active("Health Coach").id == old.id;
            assert_eq!(is_old, code == 4, "one of the two is in use, under its name");
            lab.remove_hooks();
            lab.apply().expect(0);
            lab.expect_converged();
        }
    }

    fn a_rename_whose_answer_is_lost_is_checked(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        let renames = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&renames);
        lab.before(move |request| {
            let renames = request.body.contains("(replaced ");
            (renames && counted.fetch_add(1, Ordering::SeqCst) == 0).then_some(Fault::LoseAnswer)
        });
        let run = lab.apply().expect(0);
        assert!(run.stderr.contains("; checking whether the request was applied"), "{}", run.stderr);
        assert_eq!(renames.load(Ordering::SeqCst), 1, "it was done, and is not sent again");
        lab.remove_hooks();
        lab.expect_converged();
    }

    fn a_rename_with_unknown_outcome_is_read_before_it_is_undone(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        let unknown = AtomicBool::new(false);
        lab.before(move |request| {
            if request.body.contains("(replaced ") {
                unknown.store(true, Ordering::SeqCst);
                return Some(Fault::LoseAnswer);
            }
            let looks = request.method == "GET" && unknown.load(Ordering::SeqCst);
            if looks { answer(403, r#"{"detail":"no"}"#) } else { None }
        });
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("no service has the name `Health Coach`"), "{}", run.stderr);
        let renamed = |service: &amigops_emulator::Service| service.name.contains("(replaced ");
        assert!(lab.services().iter().any(renamed), "another service could have taken the name");
        lab.remove_hooks();
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 2, "no second copy");
        lab.expect_converged();
    }
}
