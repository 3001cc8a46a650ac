//! Tests of read-only commands if one reading of the list hides a service, and of which commands read the list twice.

use std::sync::atomic::{AtomicUsize, Ordering};

use amigops::model::Api;
use amigops_emulator::Fault;

use super::{is_list, pages_read, reads_by_id, seed, seeded};
use crate::harness::{Lab, service};
use crate::on_both_apis;

/// Creates a lab with two services and their manifests.
fn lab_with_two_services(api: Api) -> Lab {
    let lab = Lab::on(api, &seed(&[seeded("First", ""), seeded("Second", "")]));
    lab.manifests(&[service("First", ""), service("Second", "")].join("---\n"));
    lab
}

/// Hides a service in the reading of the list with this number, counted from 1.
fn hide(lab: &Lab, service: &'static str, reading: usize) {
    let readings = AtomicUsize::new(0);
    lab.before(move |request| {
        let is_hidden = is_list(request) && readings.fetch_add(1, Ordering::SeqCst) + 1 == reading;
        is_hidden.then(|| Fault::Hide { service: service.to_owned() })
    });
}

on_both_apis! {
    fn drift_ids_and_import_do_not_report_a_hidden_service_as_missing(api: Api) {
        for args in [&["drift"][..], &["ids"], &["import", "--out", "services"], &["plan", "--detailed-exitcode"]] {
            let whole = lab_with_two_services(api).run(args).expect(0);
            let lab = lab_with_two_services(api);
            hide(&lab, "Second", 1);
            let run = lab.run(args).expect(0);
            assert_eq!((run.stdout.lines().count(), run.stderr), (whole.stdout.lines().count(), whole.stderr), "{args:?}: {}", run.stdout);
            assert_eq!((pages_read(&lab), reads_by_id(&lab)), (2, 0), "{args:?}: the second reading has it");
        }
    }

    fn an_import_includes_services_found_by_only_one_reading(api: Api) {
        for reading in [1, 2] {
            let lab = lab_with_two_services(api);
            lab.manifests(&service("First", ""));
            hide(&lab, "Second", reading);
            let run = lab.run(&["import", "--out", "services"]).expect(0);
            assert!(run.stdout.contains("second.yaml"), "{}", run.stdout);
            assert_eq!((pages_read(&lab), reads_by_id(&lab)), (2, reading - 1), "what only the first has is read by id");
        }
    }

    fn an_import_of_one_hidden_service_finds_it(api: Api) {
        let lab = lab_with_two_services(api);
        lab.manifests(&service("First", ""));
        hide(&lab, "Second", 1);
        let run = lab.run(&["import", "--out", "services", "--only", "Second"]).expect(0);
        assert!(run.stdout.contains("second.yaml"), "{}", run.stdout);
    }

    fn only_creates_replacements_and_retirements_need_a_second_reading(api: Api) {
        let orphan = seed(&[seeded("First", ""), seeded("Orphan", "")]);
        let first = service("First", "");
        let cases = [
            ("nothing to do, and an orphan stays", first.clone(), &["plan"][..], 1),
            ("a change in place", service("First", "keyterms: [new]\n"), &["plan"], 1),
            ("a version set", service("First", "version_sets: {dev: {agent_version: 1}}\n"), &["plan"], 1),
            ("a create", [first.clone(), service("New", "")].join("---\n"), &["plan"], 2),
            ("a rename", service("New", "lifecycle: {renamed_from: First}\n"), &["plan"], 2),
            ("a retirement", first.clone(), &["plan", "--prune"], 2),
            ("drift that an orphan is", first.clone(), &["drift", "--prune"], 2),
            ("all ids", first.clone(), &["ids"], 1),
            ("an id that is missing", [first, service("New", "")].join("---\n"), &["ids"], 2),
        ];
        for (what, manifests, args, readings) in cases {
            let lab = Lab::on(api, &orphan);
            lab.manifests(&manifests);
            lab.run(args);
            assert_eq!((pages_read(&lab), reads_by_id(&lab)), (readings, 0), "{what}");
        }
    }
}
