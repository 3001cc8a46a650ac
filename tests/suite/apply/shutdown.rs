//! Tests that a run that is stopped completes the steps that have started, and that a failure that all steps share is
//! reported only once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use amigops::model::Api;
use amigops_emulator::{Fault, Service};

use super::{EMPTY, service, services};
use crate::apply::replacement;
use crate::harness::{
    Lab, ORGANIZATION, answer, answer_with, faults, is_activation, is_create, is_rename, origin_tag,
};
use crate::on_both_apis;

/// A seed with a service of another owner, and with agents for new services.
const TEMPLATE: &str = "
organizations:
  acme:
    agents: [{name: One, versions: 3}]
    context_graphs: [{name: Flow, versions: 3}]
    services: [{name: Template, description: The Desk, agent: One, context_graph: Flow, active: false}]
";

on_both_apis! {
    fn a_started_cut_over_ends_with_an_active_service_under_the_name(api: Api) {
        // The time of the run ends during the rename. Then the activation gets an answer after which the run must sign
        // in again, wait, or undo the rename.
        for (status, times) in [(401, 1), (503, 1), (500, 60)] {
            if status == 401 && api == Api::Platform {
                continue;
            }
            let lab = replacement::lab(api, "Coach Noor", "");
            let old = lab.active("Health Coach");
            let met = AtomicU64::new(0);
            lab.before(move |request| {
                if is_rename(request) {
                    return Some(Fault::Delay { millis: 2_500 });
                }
                if is_activation(request) && met.fetch_add(1, Ordering::SeqCst) < times {
                    return answer_with(status, "retry-after", "1", r#"{"detail":"not now"}"#);
                }
                None
            });
            let run = lab.run(&["apply", "--auto-approve", "--timeout", "2s"]);
            assert!(matches!(run.code, Some(1 | 4)), "{status}: {:?}\n{}", run.code, run.stderr);
            let named = lab.active("Health Coach");
            assert_eq!(named.id == old.id, times > 1, "{status}: {}", run.stderr);
            assert!(!run.stderr.contains("cut over: not attempted"), "{}", run.stderr);
            lab.remove_hooks();
            lab.apply().expect(0);
            lab.expect_converged();
        }
    }

    fn a_started_create_is_reported_as_done(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", "active: false\n"));
        lab.before(|request| is_create(request).then_some(Fault::Delay { millis: 2_500 }));
        // The check for another service with the same name happens after the timeout.
        let run = lab.run(&["apply", "--auto-approve", "--timeout", "2s"]).expect(1);
        assert!(run.stderr.contains("Applied: 1 step · not read back"), "{}", run.stderr);
        lab.remove_hooks();
        lab.expect_converged();
    }

    fn a_create_that_takes_effect_late_is_not_repeated(api: Api) {
        let lab = Arc::new(Lab::on(api, TEMPLATE));
        lab.manifests(&service("Desk", ""));
        let template = lab.services().remove(0);
        let weak = Arc::downgrade(&lab);
        let creates = AtomicU64::new(0);
        lab.before(move |request| {
            if !is_create(request) || creates.fetch_add(1, Ordering::SeqCst) > 0 {
                return None;
            }
            // The gateway answers with an error, but the server continues and completes the create a little later.
            let tags = [("managed_by", "amigops".to_owned()), ("origin", origin_tag("Desk", None))];
            let tags = tags.map(|(key, value)| (key.to_owned(), Some(value))).into();
            let late = Service { id: String::new(), name: "Desk".to_owned(), is_active: true, tags, ..template.clone() };
            let lab = weak.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(700));
                lab.upgrade().map(|lab| lab.add(late))
            });
            answer(504, "<html>Gateway Time-out</html>")
        });
        let run = lab.apply().expect(0);
        assert_eq!(lab.services().len(), 2, "{}", run.stderr);
        lab.remove_hooks();
        lab.expect_converged();
    }
}

#[test]
fn a_retried_create_leaves_another_owners_service_of_that_name_alone() {
    let lab = Arc::new(Lab::on(Api::Classic, TEMPLATE));
    lab.manifests(&service("Desk", "active: false\n"));
    let template = lab.services().remove(0);
    let (weak, met) = (Arc::downgrade(&lab), AtomicU64::new(0));
    lab.before(move |request| {
        if !is_create(request) || met.fetch_add(1, Ordering::SeqCst) > 0 {
            return None;
        }
        let console = Service { id: String::new(), name: "Desk".to_owned(), ..template.clone() };
        weak.upgrade().unwrap().add(console);
        Some(Fault::LoseRequest)
    });
    lab.apply();
    let theirs: Vec<_> = lab.services().into_iter().filter(|service| service.tags.is_empty()).collect();
    assert_eq!(theirs.len(), 2, "{theirs:#?}");
    assert!(theirs.iter().any(|service| service.name == "Desk"), "{theirs:#?}");
}

#[test]
fn a_service_added_to_a_behavior_set_meanwhile_stays_in_it() {
    let lab = Arc::new(replacement::lab(Api::Classic, "Coach Noor", ""));
    let other =
        lab.add(Service { id: String::new(), name: "Other".to_owned(), ..lab.active("Health Coach") });
    let (weak, met, added) = (Arc::downgrade(&lab), AtomicU64::new(0), other.clone());
    lab.before(move |request| {
        let writes = request.method == "POST" && request.path.contains("/dynamic_behavior_set/");
        if !writes || met.fetch_add(1, Ordering::SeqCst) > 0 {
            return None;
        }
        let lab = weak.upgrade().unwrap();
        lab.server
            .edit(|world| {
                let home = world.organization_mut(ORGANIZATION).unwrap();
                let ids: Vec<_> = home.behavior_sets().iter().map(|set| set.id.clone()).collect();
                for id in ids {
                    home.behavior_sets_mut().get_mut(&id).unwrap().applied_to_services.push(added.clone());
                }
            })
            .unwrap();
        answer_with(503, "retry-after", "1", r#"{"detail":"maintenance"}"#)
    });
    lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(0);
    let world = lab.server.world();
    let sets = world.organization(ORGANIZATION).unwrap().behavior_sets();
    assert!(sets.iter().all(|set| set.applied_to_services.contains(&other)));
    lab.remove_hooks();
    lab.expect_converged();
}

#[test]
fn a_permanent_sign_in_failure_is_reported_once_for_all_steps() {
    let lab = Lab::with(EMPTY, |options| {
        options.token_lifetime = Duration::from_secs(2);
        options.faults = faults(
            "{path: signin, nth: 2, times: 1000, fault: answer, status: 500}\n{method: POST, path: /service, nth: 2, times: 1, fault: delay, millis: 2500}",
        );
    });
    lab.manifests(&services(20, ""));
    let began = Instant::now();
    let run = lab.run(&["apply", "--auto-approve", "--parallelism", "1"]).expect(4);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let sign_ins = lab.server.requests().iter().filter(|record| record.path.contains("signin")).count();
    assert!(sign_ins <= 7, "{sign_ins} sign-ins: {}", run.stderr);
    assert!(
        !run.stderr.contains("checking whether the request was applied"),
        "nothing was sent: {}",
        run.stderr
    );
}
