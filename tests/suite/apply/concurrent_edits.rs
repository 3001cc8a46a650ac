//! Tests that a run never silently overwrites an edit that an operator makes between the plan and a step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use amigops_emulator::{RequestInfo, Service};

use super::{EMPTY, service};
use crate::apply::replacement;
use crate::harness::{Lab, is_create};
use crate::on_both_apis;

/// Returns true if a request reads services by id.
fn is_read_before_write(request: &RequestInfo) -> bool {
    let by_id = request.path.split("/services/").nth(1).is_some_and(|rest| !rest.is_empty());
    request.method == "GET" && (request.path.contains("/service/?id=") || by_id)
}

/// Calls `edit` just before the first read of services by id that follows a request for which `since` returns true.
fn edit_before_read(
    lab: &Arc<Lab>,
    since: impl Fn(&RequestInfo) -> bool + Send + Sync + 'static,
    edit: impl Fn(&Lab) + Send + Sync + 'static,
) {
    let weak: Weak<Lab> = Arc::downgrade(lab);
    let (begun, done) = (AtomicBool::new(false), AtomicBool::new(false));
    lab.before(move |request| {
        if since(request) {
            begun.store(true, Ordering::SeqCst);
        }
        if begun.load(Ordering::SeqCst) && is_read_before_write(request) && !done.swap(true, Ordering::SeqCst)
        {
            edit(&weak.upgrade().unwrap());
        }
        None
    });
}

/// Changes the active service with this name directly in the emulator.
fn change(lab: &Lab, name: &str, change: impl FnOnce(&mut Service)) {
    lab.change(&lab.active(name).id, change);
}

on_both_apis! {
    fn a_deactivation_during_a_replacement_is_kept(api: Api) {
        let lab = Arc::new(replacement::lab(api, "Coach Noor", ""));
        let old = lab.active("Health Coach");
        edit_before_read(&lab, is_create, |lab| change(lab, "Health Coach", |old| old.is_active = false));
        let run = lab.apply().expect(4);
        lab.remove_hooks();
        let words = "changed since the plan was made: `active` of `Health Coach`";
        assert!(run.stderr.contains(words) && run.stderr.contains("was true when the plan was made, and is false now"), "{}", run.stderr);
        assert!(lab.services().iter().all(|service| !service.is_active), "nobody is in use: {:#?}", lab.services());
        assert_eq!(lab.service(&old.id).name, "Health Coach");
    }

    fn a_rollback_of_release_during_a_replacement_is_kept(api: Api) {
        let lab = Arc::new(replacement::lab(api, "Coach Noor", ""));
        let old = lab.active("Health Coach");
        edit_before_read(&lab, is_create, |lab| {
            change(lab, "Health Coach", |old| {
                old.version_sets.get_mut("release").unwrap().agent_version = Some(1);
            });
        });
        let run = lab.apply().expect(4);
        lab.remove_hooks();
        assert!(run.stderr.contains("`version_sets.release.agent_version` of `Health Coach`"), "{}", run.stderr);
        assert_eq!(lab.active("Health Coach").id, old.id);
        assert_eq!(lab.active("Health Coach").version_sets["release"].agent_version, Some(1));
        // The next run plans with the edited values and completes the change.
        lab.apply().expect(0);
        assert_eq!(lab.services().len(), 2, "no second copy");
        lab.expect_converged();
    }

    fn an_undeclared_description_is_copied_to_the_new_service(api: Api) {
        let lab = Arc::new(replacement::lab(api, "Coach Noor", ""));
        let manifest = replacement::manifest("Coach Noor", "lifecycle: {on_agent_change: replace}\n");
        lab.manifests(&manifest.replace("description: Coaches members\n", ""));
        edit_before_read(&lab, is_create, |lab| {
            change(lab, "Health Coach", |old| old.description = "Edited".to_owned());
        });
        lab.apply().expect(0);
        lab.remove_hooks();
        assert_eq!(lab.active("Health Coach").description, "Edited");
        lab.expect_converged();
    }

    fn a_service_that_becomes_protected_is_not_retired(api: Api) {
        let lab = Arc::new(Lab::on(api, EMPTY));
        lab.manifests(&[service("Desk", ""), service("Extra", "")].join("---\n"));
        lab.apply().expect(0);
        lab.manifests(&service("Desk", ""));
        edit_before_read(&lab, |_| true, |lab| {
            change(lab, "Extra", |extra| {
                extra.tags.insert("protected".to_owned(), Some("true".to_owned()));
            });
        });
        let run = lab.run(&["apply", "--auto-approve", "--prune"]).expect(4);
        lab.remove_hooks();
        assert!(run.stderr.contains("`tags.protected` of `Extra`"), "{}", run.stderr);
        assert!(lab.active("Extra").is_active);
    }

    fn a_version_set_that_an_operator_changed_is_not_overwritten(api: Api) {
        let lab = Arc::new(Lab::on(api, EMPTY));
        let pins = |version: u32| {
            service("Desk", &format!("version_sets: {{release: {{agent_version: {version}, context_graph_version: 1}}}}\n"))
        };
        lab.manifests(&pins(1));
        lab.apply().expect(0);
        lab.manifests(&pins(2));
        edit_before_read(&lab, |_| true, |lab| {
            change(lab, "Desk", |desk| desk.version_sets.get_mut("release").unwrap().agent_version = Some(3));
        });
        let run = lab.apply().expect(4);
        lab.remove_hooks();
        assert!(run.stderr.contains("was 1 when the plan was made, and is 3 now"), "{}", run.stderr);
        assert_eq!(lab.active("Desk").version_sets["release"].agent_version, Some(3));
        lab.apply().expect(0);
        lab.expect_converged();
    }
}
