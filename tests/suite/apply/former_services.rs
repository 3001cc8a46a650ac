//! Tests of services that were replaced more than once. In whatever state the former services are, the next replacement
//! keeps one service active and retires all former services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use amigops::model::Api;
use amigops_emulator::{RequestInfo, Service};

use crate::apply::replacement::{SEED, manifest};
use crate::harness::{Lab, answer, is_activation, is_create, is_rename, is_update, services_of};
use crate::on_both_apis;

const REPLACE: &str = "lifecycle: {on_agent_change: replace}\n";

/// A function that returns true for the requests of one kind.
type Kind = fn(&RequestInfo) -> bool;

/// Creates a lab whose service was replaced once. Its manifest now names Coach Noor.
fn replaced_once(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.project("unmanaged_version_sets: [\"personal-*\"]\n");
    lab.manifests(&manifest("Coach Noor", REPLACE));
    lab.apply().expect(0);
    lab
}

/// Returns the only former service. Panics if there is more than one.
fn former(lab: &Lab) -> Service {
    let mut former = lab.services();
    former.retain(|service| service.name.contains("(replaced 20"));
    assert_eq!(former.len(), 1, "{former:?}");
    former.remove(0)
}

/// Returns a counter of wrong states: requests after which no service of the manifest is active, or two services with
/// its name are.
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

/// Replaces the service again, with this agent, and checks that one run completes the replacement.
#[track_caller]
fn replace_again_and_check(lab: &Lab, api: Api, agent: &str) {
    lab.manifests(&manifest(agent, REPLACE));
    let wrong = watch(lab, api);
    lab.apply().expect(0);
    lab.remove_hooks();
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
        replace_again_and_check(&lab, api, "Coach Maya");
    }

    fn several_active_former_services_are_retired_by_one_run(api: Api) {
        let lab = replaced_once(api);
        lab.manifests(&manifest("Coach Maya", REPLACE));
        lab.apply().expect(0);
        for service in lab.services().into_iter().filter(|service| service.name.contains("(replaced 20")) {
            lab.change(&service.id, |former| former.is_active = true);
        }
        assert_eq!(lab.services().iter().filter(|service| service.is_active).count(), 3);
        replace_again_and_check(&lab, api, "Coach Noor");
    }

    fn an_interrupted_retirement_does_not_block_later_replacements(api: Api) {
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
        lab.remove_hooks();
        assert!(former(&lab).is_active, "its retirement was cut off");
        replace_again_and_check(&lab, api, "Coach Maya");
    }

    fn an_unfinished_replacement_is_completed_with_its_former_service(api: Api) {
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
        lab.remove_hooks();
        replace_again_and_check(&lab, api, "Coach Maya");
        assert_eq!(lab.services().len(), 3, "no second copy");
    }

    fn two_active_services_of_one_name_are_a_problem_that_names_both(api: Api) {
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
fn a_refused_retirement_does_not_block_later_replacements() {
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
    lab.remove_hooks();
    lab.apply().expect(0);
    assert!(!lab.service(&first).is_active);
    lab.expect_converged();
}

#[test]
fn retire_delete_deletes_all_former_services() {
    let lab = replaced_once(Api::Platform);
    let delete = "lifecycle: {on_agent_change: replace, retire: delete}\n";
    lab.manifests(&manifest("Coach Maya", delete));
    lab.apply().expect(0);
    let services = lab.services();
    let [new] = &services[..] else { panic!("one service is left: {services:?}") };
    assert_eq!((new.name.as_str(), new.is_active), ("Health Coach", true));
    lab.expect_converged();
}

/// An operator has activated the new service of an unfinished replacement under its temporary name. `--prune`
/// deactivates that service. With that alone, the service would look like an unfinished replacement again, so the same
/// run must also rename it.
#[test]
fn one_run_completes_an_unfinished_replacement_that_was_activated() {
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
    lab.remove_hooks();
    let begun = lab.services().into_iter().find(|service| service.name.contains("(replacing ")).unwrap();
    lab.change(&begun.id, |begun| begun.is_active = true);
    let run = lab.run(&["apply", "--auto-approve", "--prune"]);
    run.expect(0);
    let begun = lab.service(&begun.id);
    assert!(!begun.is_active && begun.name.contains("(abandoned 20"), "{begun:?}");
    lab.expect_converged();
}

/// The first run is killed between its two renames. The second run, for another agent, is killed after its create. The
/// third run must complete both replacements.
#[test]
fn one_run_completes_a_replacement_of_a_service_without_its_final_name() {
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
        lab.remove_hooks();
    }
    lab.apply().expect(0);
    let services = lab.services();
    assert_eq!(services.len(), 3, "no second copy: {services:?}");
    let named: Vec<_> = services.iter().filter(|service| service.name == "Health Coach").collect();
    let [new] = &named[..] else { panic!("one service has the name: {services:?}") };
    assert_eq!(new.agent_id, lab.agent_id("Coach Maya"));
    lab.expect_converged();
}
