//! Services that were replaced more than once: whatever became of the former ones, the next replacement plans, keeps a
//! service in use at every moment, and retires all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use amigops::model::Api;
use amigops_emulator::{RequestInfo, Service};

use crate::harness::{Lab, answer, is_activation, is_create, is_rename, is_update, services_of};
use crate::on_both_apis;
use crate::replacement::{SEED, manifest};

const REPLACE: &str = "lifecycle: {on_agent_change: replace}\n";

/// A kind of request.
type Kind = fn(&RequestInfo) -> bool;

/// A laboratory where the service was replaced once: its manifest names Coach Noor now.
fn replaced_once(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
    lab.manifests(&manifest("Coach Noor", REPLACE));
    lab.apply().expect(0);
    lab
}

/// The service that was replaced first.
fn former(lab: &Lab) -> Service {
    let mut former = lab.services();
    former.retain(|service| service.name.contains("(replaced 20"));
    assert_eq!(former.len(), 1, "{former:?}");
    former.remove(0)
}

/// Counts the moments at which no service of the manifest, or two services with its name, are active.
fn watch(lab: &Lab, api: Api) -> Arc<AtomicUsize> {
    let wrong = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&wrong);
    lab.after(move |_, _, world| {
        let services = services_of(api, world);
        let active: Vec<_> = services.iter().filter(|service| service.is_active).collect();
        let named = active.iter().filter(|service| service.name == "Health Coach").count();
        seen.fetch_add(usize::from(active.is_empty() || named > 1), Ordering::SeqCst);
    });
    wrong
}

/// Replaces the service again, and expects that one run does all.
#[track_caller]
fn expect_replaced_again(lab: &Lab, api: Api, agent: &str) {
    lab.manifests(&manifest(agent, REPLACE));
    let wrong = watch(lab, api);
    lab.apply().expect(0);
    lab.unhook();
    assert_eq!(wrong.load(Ordering::SeqCst), 0, "moments without a service, or with two of one name");
    let active: Vec<_> = lab.services().into_iter().filter(|service| service.is_active).collect();
    let [new] = &active[..] else { panic!("one active service: {active:?}") };
    assert_eq!((new.name.as_str(), &new.agent_id), ("Health Coach", &lab.agent_id(agent)));
    lab.expect_converged();
}

on_both_apis! {
    fn a_former_service_that_an_operator_activated_is_retired_by_the_next_replacement(api: Api) {
        let lab = replaced_once(api);
        lab.change(&former(&lab).id, |former| former.is_active = true);
        expect_replaced_again(&lab, api, "Coach Maya");
    }

    fn several_former_services_in_use_are_retired_by_one_run(api: Api) {
        let lab = replaced_once(api);
        lab.manifests(&manifest("Coach Maya", REPLACE));
        lab.apply().expect(0);
        for service in lab.services().into_iter().filter(|service| service.name.contains("(replaced 20")) {
            lab.change(&service.id, |former| former.is_active = true);
        }
        assert_eq!(lab.services().iter().filter(|service| service.is_active).count(), 3);
        expect_replaced_again(&lab, api, "Coach Noor");
    }

    fn a_retirement_that_was_cut_off_stops_no_later_replacement(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
        lab.manifests(&manifest("Coach Noor", REPLACE));
        let hooks = Arc::clone(&lab.hooks);
        lab.after(move |request, status, _| {
            if is_activation(request) && status < 300 {
                hooks.kill();
            }
        });
        assert_eq!(lab.apply().code, None, "killed");
        lab.unhook();
        assert!(former(&lab).is_active, "its retirement was cut off");
        expect_replaced_again(&lab, api, "Coach Maya");
    }

    fn a_replaced_service_whose_replacement_was_begun_is_finished_with_its_former_one(api: Api) {
        let lab = replaced_once(api);
        lab.change(&former(&lab).id, |former| former.is_active = true);
        lab.manifests(&manifest("Coach Maya", REPLACE));
        let hooks = Arc::clone(&lab.hooks);
        lab.after(move |request, status, _| {
            if is_create(request) && status == 201 {
                hooks.kill();
            }
        });
        assert_eq!(lab.apply().code, None, "killed");
        lab.unhook();
        expect_replaced_again(&lab, api, "Coach Maya");
        assert_eq!(lab.services().len(), 3, "no second copy");
    }

    fn two_live_namesakes_are_a_problem_that_names_both(api: Api) {
        let lab = replaced_once(api);
        let one = lab.active("Health Coach");
        let mut other = Service::new("Health Coach", &one.agent_id, &one.context_graph_id);
        other.description = one.description.clone();
        other.is_active = true;
        let other = lab.add(other);
        for agent in ["Coach Noor", "Coach Maya"] {
            lab.manifests(&manifest(agent, REPLACE));
            let run = lab.apply().expect(1);
            let told = &run.stderr;
            assert!(told.contains("2 active services are named `Health Coach`"), "{told}");
            assert!(told.contains(&one.id) && told.contains(&other), "{told}");
            assert!(told.contains("deactivate or rename all but one of them"), "{told}");
        }
        lab.change(&other, |other| other.is_active = false);
        lab.manifests(&manifest("Coach Noor", REPLACE));
        lab.apply().expect(0);
        assert_eq!(lab.active("Health Coach").id, one.id);
    }
}

#[test]
fn a_retirement_that_the_api_refuses_stops_no_later_replacement() {
    let lab = replaced_once(Api::Classic);
    let first = former(&lab).id;
    lab.change(&first, |former| former.is_active = true);
    let refused = Arc::new(AtomicBool::new(false));
    let (seen, id) = (Arc::clone(&refused), first.clone());
    lab.before(move |request| {
        let deactivates = is_update(request) && request.path.contains(&id) && request.body.contains("false");
        if !deactivates {
            return None;
        }
        seen.store(true, Ordering::SeqCst);
        answer(400, r#"{"detail":"a simulation unit test uses the service"}"#)
    });
    for agent in ["Coach Maya", "Coach Noor"] {
        lab.manifests(&manifest(agent, REPLACE));
        let run = lab.apply().expect(4);
        assert!(refused.swap(false, Ordering::SeqCst), "{}", run.stderr);
        assert!(run.stderr.contains("a simulation unit test uses the service"), "{}", run.stderr);
        assert_eq!(lab.active("Health Coach").agent_id, lab.agent_id(agent), "the replacement is done");
    }
    lab.unhook();
    lab.apply().expect(0);
    assert!(!lab.service(&first).is_active);
    lab.expect_converged();
}

#[test]
fn a_manifest_that_deletes_what_it_replaces_deletes_the_whole_chain() {
    let lab = replaced_once(Api::Platform);
    let delete = "lifecycle: {on_agent_change: replace, retire: delete}\n";
    lab.manifests(&manifest("Coach Maya", delete));
    lab.apply().expect(0);
    let services = lab.services();
    let [new] = &services[..] else { panic!("one service is left: {services:?}") };
    assert_eq!((new.name.as_str(), new.is_active), ("Health Coach", true));
    lab.expect_converged();
}

/// An operator has activated an unfinished replacement under its passing name. `--prune` takes it out of use, and only
/// thereby it would look like one that goes on: the same run renames it.
#[test]
fn one_run_is_enough_for_an_unfinished_replacement_that_was_activated() {
    let lab = Lab::on(Api::Platform, SEED);
    lab.project("unmanaged_version_sets: [\"personal-*\"]\nownership: {tag: managed_by, value: amigops}\n");
    lab.manifests(&manifest("Coach Noor", REPLACE));
    let hooks = Arc::clone(&lab.hooks);
    lab.after(move |request, status, _| {
        if is_create(request) && status == 201 {
            hooks.kill();
        }
    });
    assert_eq!(lab.apply().code, None, "killed");
    lab.unhook();
    let begun = lab.services().into_iter().find(|service| service.name.contains("(replacing ")).unwrap();
    lab.change(&begun.id, |begun| begun.is_active = true);
    let run = lab.run(&["apply", "--auto-approve", "--prune"]);
    run.expect(0);
    let begun = lab.service(&begun.id);
    assert!(!begun.is_active && begun.name.contains("(abandoned 20"), "{begun:?}");
    lab.expect_converged();
}

/// A run dies between the rename of the old service and the new one's, and the next one, for another agent, after its
/// create. The third run, undisturbed, finishes what both began.
#[test]
fn one_run_is_enough_for_a_replacement_of_a_service_that_had_not_taken_its_name() {
    let lab = Lab::on(Api::Platform, SEED);
    lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
    let first = lab.active("Health Coach").id;
    lab.change(&first, |first| first.is_active = false);
    let inactive = "active: false\nlifecycle: {on_agent_change: replace}\n";
    let kills: [(&str, Kind); 2] = [("Coach Noor", is_rename), ("Coach Maya", is_create)];
    for (agent, at) in kills {
        lab.manifests(&manifest(agent, inactive));
        let hooks = Arc::clone(&lab.hooks);
        lab.after(move |request, status, _| {
            if at(request) && status < 300 {
                hooks.kill();
            }
        });
        assert_eq!(lab.apply().code, None, "killed");
        lab.unhook();
    }
    lab.apply().expect(0);
    let services = lab.services();
    assert_eq!(services.len(), 3, "no second copy: {services:?}");
    let named: Vec<_> = services.iter().filter(|service| service.name == "Health Coach").collect();
    let [new] = &named[..] else { panic!("one service has the name: {services:?}") };
    assert_eq!(new.agent_id, lab.agent_id("Coach Maya"));
    lab.expect_converged();
}
