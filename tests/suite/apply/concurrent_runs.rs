//! Tests of two applies of the same manifests at the same time: nothing is created twice or lost, and the losing run
//! reports the conflict.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use amigops_emulator::{Fault, Service};

use crate::apply::replacement;
use crate::harness::{EMPTY, Lab, Run, amigops, run_command, service, services, services_of};
use crate::on_both_apis;

/// Runs two applies of the same manifests at the same time. Neither run writes until both have made their plans.
fn run_both(lab: &Lab) -> [Run; 2] {
    run_both_in(lab, [".", "."])
}

/// Like [`run_both`], but the two runs apply the projects in two directories.
fn run_both_in(lab: &Lab, directories: [&'static str; 2]) -> [Run; 2] {
    let reads = |lab: &Lab| {
        let requests = lab.server.requests();
        requests.iter().filter(|record| record.method == "GET").count() as u64
    };
    let before = reads(lab);
    lab.run(&["plan"]);
    let of_a_plan = reads(lab) - before;
    let (read, written) = (AtomicU64::new(0), AtomicU64::new(0));
    lab.before(move |request| {
        if request.method == "GET" {
            read.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        let writes = !request.path.contains("signin_with_api_key");
        let early = writes
            && written.fetch_add(1, Ordering::SeqCst) == 0
            && read.load(Ordering::SeqCst) < 2 * of_a_plan;
        early.then_some(Fault::Delay { millis: 1_200 })
    });
    let run = |directory: &'static str| {
        let mut command = amigops(&lab.path());
        command.args(["-C", directory, "apply", "--auto-approve"]).envs([
            ("AMIGO_API_KEY", "s3cret-key"),
            ("AMIGO_API_KEY_ID", "key-id"),
            ("AMIGO_USER_ID", "user-1"),
        ]);
        std::thread::spawn(move || run_command(command))
    };
    let runs = directories.map(run);
    let runs = runs.map(|run| run.join().unwrap());
    lab.remove_hooks();
    for run in &runs {
        // The read-back of one run may see changes that the other run has not finished yet.
        let sees_the_other = run.code == Some(1) && run.stderr.contains("read back: not converged");
        assert!(matches!(run.code, Some(0 | 4)) || sees_the_other, "{:?}\n{}", run.code, run.stderr);
    }
    runs
}

/// Returns a list to which the state of all services is added after each write request.
fn watch(lab: &Lab) -> Arc<Mutex<Vec<Vec<Service>>>> {
    let seen: Arc<Mutex<Vec<Vec<Service>>>> = Arc::default();
    let (kept, api) = (Arc::clone(&seen), lab.api);
    lab.after(move |request, _, world| {
        if request.method != "GET" {
            kept.lock().unwrap().push(services_of(api, world));
        }
    });
    seen
}

fn active(services: &[Service], name: &str) -> usize {
    services.iter().filter(|service| service.is_active && service.name == name).count()
}

/// Checks that each run that exited with 4 says that a concurrent run was the reason.
#[track_caller]
fn expect_losing_run_to_say_so(runs: &[Run]) {
    for run in runs.iter().filter(|run| run.code == Some(4)) {
        let words = [
            "another active service has this name",
            "another service has this name",
            "another run",
            "another run created the same service",
            "changed since the plan was made",
        ];
        assert!(words.iter().any(|words| run.stderr.contains(words)), "{}", run.stderr);
        let next =
            ["plan and apply again to continue", "nothing is left to do: the failed steps took effect"];
        assert!(next.iter().any(|words| run.stderr.contains(words)), "{}", run.stderr);
    }
}

/// Writes a second project, in the directory `other`, with the same environment and owner but these manifests.
fn other_project(lab: &Lab, manifests: &str) {
    let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
    lab.write("other/amigops.yaml", &project);
    lab.write("other/services/all.yaml", manifests);
}

on_both_apis! {
    fn runs_with_different_manifests_keep_shared_services_active(api: Api) {
        let others = [
            replacement::manifest("Coach Maya", "active: true\n").replace("agent_version: 3", "agent_version: 2"),
            replacement::manifest("Coach Maya", "lifecycle: {renamed_from: Health Coach}\n")
                .replace("service: Health Coach", "service: Trainer"),
        ];
        for other in others {
            let lab = Lab::on(api, replacement::SEED);
            lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
            lab.manifests(&replacement::manifest("Coach Noor", "lifecycle: {on_agent_change: replace}\n"));
            other_project(&lab, &other);
            let seen = watch(&lab);
            run_both_in(&lab, [".", "other"]);
            for services in seen.lock().unwrap().iter() {
                let in_use: Vec<_> = services.iter().filter(|service| service.is_active).collect();
                let mut names: Vec<_> = in_use.iter().map(|service| &service.name).collect();
                names.dedup();
                assert!(!in_use.is_empty() && names.len() == in_use.len(), "{services:#?}");
            }
            lab.run(&["-C", "other", "apply", "--auto-approve"]).expect(0);
            lab.run(&["-C", "other", "plan", "--detailed-exitcode"]).expect(0);
        }
    }

    fn each_service_is_created_once(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&services(5, ""));
        let runs = run_both(&lab);
        expect_losing_run_to_say_so(&runs);
        assert_eq!(lab.services().len(), 5);
        lab.expect_converged();
    }

    fn inactive_services_are_not_left_duplicated(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", "active: false\n"));
        let runs = run_both(&lab);
        expect_losing_run_to_say_so(&runs);
        let named = |lab: &Lab| lab.services().iter().filter(|service| service.name == "Desk").count();
        assert!(named(&lab) <= 1, "{:#?}", lab.services());
        lab.apply().expect(0);
        assert_eq!(named(&lab), 1, "{:#?}", lab.services());
        lab.expect_converged();
    }

    fn a_service_is_replaced_once(api: Api) {
        let lab = Lab::on(api, replacement::SEED);
        lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
        lab.manifests(&replacement::manifest("Coach Noor", "lifecycle: {on_agent_change: replace}\n"));
        let old = lab.active("Health Coach");
        let seen = watch(&lab);
        let runs = run_both(&lab);
        expect_losing_run_to_say_so(&runs);
        for services in seen.lock().unwrap().iter() {
            let in_use = services.iter().filter(|service| service.is_active).count();
            assert!(active(services, "Health Coach") <= 1 && in_use >= 1, "{services:#?}");
        }
        // The losing run has abandoned its new service. The next run makes the remaining changes, if there are any.
        lab.apply().expect(0);
        let services = lab.services();
        assert_eq!(active(&services, "Health Coach"), 1, "{services:#?}");
        assert_eq!(services.iter().filter(|service| service.is_active).count(), 1, "{services:#?}");
        assert_eq!(services.iter().filter(|service| service.name == "Health Coach").count(), 1, "{services:#?}");
        assert_ne!(lab.active("Health Coach").id, old.id);
        assert!(services.iter().any(|service| service.id == old.id), "the old one is there, out of use");
        lab.expect_converged();
    }

    fn the_losing_run_abandons_its_new_service(api: Api) {
        let lab = replacement::lab(api, "Coach Noor", "");
        // Another run is faster: it activates its new service just before this run activates its own.
        let (rival, done) = (Arc::new(Mutex::new(None)), AtomicU64::new(0));
        let lab = Arc::new(lab);
        let (weak, found) = (Arc::downgrade(&lab), Arc::clone(&rival));
        lab.before(move |request| {
            if crate::harness::is_activation(request) && done.fetch_add(1, Ordering::SeqCst) == 0 {
                let lab = weak.upgrade().unwrap();
                let template = lab.services().into_iter().find(|service| !service.is_active).unwrap();
                let twin = Service { id: String::new(), name: "Health Coach".to_owned(), is_active: true, ..template };
                *found.lock().unwrap() = Some(lab.add(twin));
            }
            None
        });
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("has taken the name in the meantime, perhaps because of another run"), "{}", run.stderr);
        lab.remove_hooks();
        let services = lab.services();
        let aside: Vec<_> = services.iter().filter(|service| service.name.contains("(abandoned ")).collect();
        assert_eq!(aside.len(), 1, "{services:#?}");
        assert!(!aside[0].is_active && !aside[0].tags.contains_key("replaces"), "{aside:#?}");
        assert_eq!(&lab.active("Health Coach").id, rival.lock().unwrap().as_ref().unwrap());
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn a_name_that_another_run_moved_to_its_new_service_stays_there(api: Api) {
        let lab = Lab::on(api, replacement::SEED);
        lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
        let lifecycle = "lifecycle: {on_agent_change: replace, renamed_from: Health Coach}\n";
        let manifest = replacement::manifest("Coach Noor", lifecycle);
        lab.manifests(&manifest.replace("service: Health Coach", "service: Trainer"));
        // The manifests of the other run declare a new service Trainer. It is created just before this run takes the
        // name.
        let (holder, done) = (Arc::new(Mutex::new(None)), AtomicU64::new(0));
        let lab = Arc::new(lab);
        let (weak, made) = (Arc::downgrade(&lab), Arc::clone(&holder));
        lab.before(move |request| {
            if crate::harness::is_activation(request) && done.fetch_add(1, Ordering::SeqCst) == 0 {
                let lab = weak.upgrade().unwrap();
                let mut new = lab.services().into_iter().find(|service| !service.is_active).unwrap();
                new.tags.remove("replaces");
                new = Service { id: String::new(), name: "Trainer".to_owned(), is_active: true, ..new };
                *made.lock().unwrap() = Some(lab.add(new));
            }
            None
        });
        let run = lab.apply().expect(4);
        assert!(run.stderr.contains("the old service has its name back"), "{}", run.stderr);
        lab.remove_hooks();
        lab.apply().expect(0);
        assert_eq!(&lab.active("Trainer").id, holder.lock().unwrap().as_ref().unwrap());
        assert!(lab.active("Health Coach").is_active, "no manifest asks to take it out of use");
        let services = lab.services();
        let abandoned: Vec<_> = services.iter().filter(|service| service.name.contains("(abandoned ")).collect();
        assert_eq!(abandoned.len(), 1, "{services:#?}");
        lab.expect_converged();
    }
}
