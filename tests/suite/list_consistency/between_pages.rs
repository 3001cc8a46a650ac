//! Tests of a list of services that changes while the binary reads its pages, over real HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use amigops::model::Api;
use amigops_emulator::Fault;

use super::{is_list, pages_read, reads_by_id, seed, seeded};
use crate::harness::{Lab, WORKSPACE, is_create, service};

/// The number of services on a page.
const PAGE: u32 = 20;

/// Returns `count` services for a seed, and the manifests of all services except the first one.
fn desks(count: usize) -> (Vec<String>, Vec<String>) {
    let name = |number| format!("Desk {number:02}");
    let services = (0..count).map(|number| seeded(&name(number), "")).collect();
    (services, (1..count).map(|number| service(&name(number), "")).collect())
}

fn lab(services: &[String], manifests: &[String]) -> Lab {
    let lab = Lab::on_with(Api::Platform, &seed(services), |options| {
        options.platform.services_page_max = PAGE;
    });
    lab.manifests(&manifests.join("---\n"));
    lab
}

/// Deletes a service just before the server answers the first request for the second page of the list.
fn delete_before_the_second_page(lab: &Lab, name: &'static str) {
    let (server, done) = (Arc::downgrade(&lab.server), AtomicBool::new(false));
    lab.before(move |request| {
        let is_second = is_list(request) && request.path.contains("continuation_token=");
        if is_second && !done.swap(true, Ordering::SeqCst) {
            let server = server.upgrade().unwrap();
            server
                .edit(|world| {
                    let home = world.workspace_mut(WORKSPACE).unwrap();
                    let id = home.service(name).unwrap().id.clone();
                    home.services_mut().remove(&id);
                })
                .unwrap();
        }
        None
    });
}

#[test]
fn a_deletion_between_pages_does_not_hide_the_service_to_rename() {
    let (services, mut manifests) = desks(25);
    // Desk 20 is the first service on the second page.
    let old = service("Desk 20", "");
    manifests.retain(|manifest| manifest != &old);
    manifests.push(service("Front Desk", "lifecycle: {renamed_from: Desk 20}\n"));
    let lab = lab(&services, &manifests);
    let id = lab.active("Desk 20").id;
    delete_before_the_second_page(&lab, "Desk 00");
    lab.apply().expect(0);
    lab.remove_hooks();
    assert_eq!(lab.services().len(), 24, "{:#?}", lab.services());
    assert_eq!(lab.active("Front Desk").id, id, "it keeps its id");
    lab.expect_converged();
}

#[test]
fn a_deletion_between_pages_does_not_duplicate_a_declared_service() {
    let (services, manifests) = desks(25);
    let lab = lab(&services, &manifests);
    delete_before_the_second_page(&lab, "Desk 00");
    let run = lab.run(&["plan", "--detailed-exitcode"]);
    lab.remove_hooks();
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    // The answer to one refused request shows the maximum page size. The list that has changed is read again.
    assert_eq!((pages_read(&lab), reads_by_id(&lab)), (1 + 2 + 2, 1), "{:#?}", lab.server.requests());
}

#[test]
fn a_retried_create_is_not_repeated_when_the_list_shifts() {
    let (services, mut manifests) = desks(25);
    manifests.push(service("New Desk", ""));
    let lab = lab(&services, &manifests);
    let (is_lost, hidden) = (AtomicBool::new(false), AtomicUsize::new(0));
    lab.before(move |request| {
        if is_create(request) && !is_lost.swap(true, Ordering::SeqCst) {
            return Some(Fault::Answer {
                status: 500,
                processed: true,
                headers: Default::default(),
                retry_after: None,
                body: "{\"detail\": \"it is done, and nobody hears of it\"}".to_owned(),
            });
        }
        // After the create, the run checks twice whether it was applied. Each check begins with a list whose second
        // page lacks the new service, so that its total differs from that of the first page.
        let is_second = is_list(request) && request.path.contains("continuation_token=");
        let hides = is_lost.load(Ordering::SeqCst) && is_second && hidden.fetch_add(1, Ordering::SeqCst) < 2;
        hides.then(|| Fault::Hide { service: "New Desk".to_owned() })
    });
    // `Desk 00` has no manifest, so the new service could be the same one.
    lab.run(&["apply", "--auto-approve", "--create", "New Desk"]).expect(0);
    lab.remove_hooks();
    let creates = lab.writes().iter().filter(|record| record.method == "POST").count();
    assert_eq!((creates, lab.services().len()), (1, 26));
    lab.expect_converged();
}

#[test]
fn a_short_page_on_classic_shows_that_the_list_shifted() {
    let (services, manifests) = desks(25);
    let lab = Lab::on(Api::Classic, &seed(&services));
    lab.manifests(&manifests.join("---\n"));
    let is_hidden = AtomicBool::new(false);
    lab.before(move |request| {
        let hides = is_list(request) && !is_hidden.swap(true, Ordering::SeqCst);
        hides.then(|| Fault::Hide { service: "Desk 07".to_owned() })
    });
    let run = lab.run(&["plan", "--detailed-exitcode"]).expect(0);
    lab.remove_hooks();
    assert!(run.stdout.contains("Nothing to do"), "{}", run.stdout);
    assert_eq!((pages_read(&lab), reads_by_id(&lab)), (2 + 2, 0), "{:#?}", lab.server.requests());
}
