//! Tests of services that a run must not change: system services, and inactive services that have the name of a
//! manifest.

use amigops::model::Api;
use amigops_emulator::PlatformService;

use crate::harness::{EMPTY, Lab, WORKSPACE, service};

/// Adds a service directly to the emulator's state, and returns its id.
fn add(lab: &Lab, name: &str, change: impl FnOnce(&mut PlatformService)) -> String {
    let mut id = None;
    let edit = |world: &mut amigops_emulator::World| {
        let home = world.workspace(WORKSPACE).unwrap();
        let (agent, graph) =
            (home.agent("One").unwrap().id.clone(), home.context_graph("Flow").unwrap().id.clone());
        let mut service = PlatformService::new(name, &agent, &graph);
        change(&mut service);
        id = world.add_platform_service(WORKSPACE, service);
    };
    lab.server.edit(edit).unwrap();
    id.unwrap()
}

#[test]
fn a_system_service_is_neither_changed_nor_listed() {
    let lab = Lab::on(Api::Platform, EMPTY);
    // A system service is not owned, even if it has the project's ownership tag.
    let id = add(&lab, "Front Door", |service| {
        service.is_system = true;
        service.tags = vec![amigops_emulator::ServiceTag {
            key: "managed_by".to_owned(),
            value: Some("amigops".to_owned()),
        }];
    });
    let system = lab.service(&id);
    lab.manifests(&service("Desk", ""));
    for args in [&["plan", "--prune"][..], &["apply", "--auto-approve", "--prune"], &["plan"]] {
        let run = lab.run(args).expect(0);
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains("Front Door") && !text.contains(&id), "{args:?}: {text}");
        }
    }
    assert_eq!(lab.service(&id), system);
    assert!(lab.writes().iter().all(|write| !write.path.contains(&id)));

    let before = lab.writes().len();
    lab.manifests(&service("Front Door", ""));
    let run = lab.apply().expect(1);
    assert!(run.stderr.contains("belongs to the platform itself and can't be managed"), "{}", run.stderr);
    assert!(run.stderr.contains("services/all.yaml:1:"), "{}", run.stderr);
    assert_eq!(lab.writes().len(), before);
}

#[test]
fn a_name_held_by_an_inactive_unowned_service_is_reported_and_explained() {
    let lab = Lab::on(Api::Platform, EMPTY);
    let stranger = add(&lab, "Desk", |service| service.is_active = false);
    let before = lab.service(&stranger);
    lab.manifests(&[service("Desk", ""), service("Shop", "")].join("---\n"));
    let plan = lab.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains("inactive service") && plan.stdout.contains(&stranger), "{}", plan.stdout);
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("409"), "{}", run.stderr);
    assert!(run.stderr.contains("It may be inactive"), "{}", run.stderr);
    assert!(run.stderr.contains("request id req_"), "{}", run.stderr);
    assert_eq!(lab.service(&stranger), before);
    lab.active("Shop");
    assert_eq!(lab.services().len(), 2);
}

#[test]
fn a_name_held_by_an_inactive_service_is_free_on_servers_that_allow_it() {
    let lab = Lab::on_with(Api::Platform, EMPTY, |options| options.platform.inactive_names_taken = false);
    let stranger = add(&lab, "Desk", |service| service.is_active = false);
    let before = lab.service(&stranger);
    lab.manifests(&service("Desk", ""));
    lab.apply().expect(0);
    assert_ne!(lab.active("Desk").id, stranger);
    assert_eq!(lab.service(&stranger), before);
    lab.expect_converged();
}
