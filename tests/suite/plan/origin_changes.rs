//! The tag `origin` stays right: after renames, retirements, reactivations, copies, and with saved plans.

use amigops::model::Api;
use amigops_emulator::Service;

use crate::harness::{EMPTY, Lab, Run, origin_tag, service};
use crate::on_both_apis;

/// Creates a lab in which Desk and Shop are live.
fn applied(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    declare(&lab, &["Desk", "Shop"]);
    lab.apply().expect(0);
    lab
}

/// Declares services with these names and with the same content.
fn declare(lab: &Lab, names: &[&str]) {
    lab.manifests(&names.iter().map(|name| service(name, "")).collect::<Vec<_>>().join("---\n"));
}

fn origin(lab: &Lab, id: &str) -> Option<String> {
    lab.service(id).tags.get("origin").cloned().flatten()
}

fn tag(name: &str) -> Option<String> {
    Some(origin_tag(name, None))
}

/// Renames a service as another client would.
fn rename(lab: &Lab, id: &str, name: &str) {
    lab.change(id, |service| service.name = name.to_owned());
}

#[track_caller]
fn expect_words(run: &Run, words: &[&str]) {
    for word in words {
        let found = run.stdout.contains(word) || run.stderr.contains(word);
        assert!(found, "{word}:\n{}\n{}", run.stdout, run.stderr);
    }
}

on_both_apis! {
    fn a_rename_that_the_manifest_follows_is_recorded(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        rename(&lab, &id, "Front Desk");
        // Only the name changes, not the description.
        lab.manifests(&[service("Desk", "").replace("service: Desk", "service: Front Desk"), service("Shop", "")].join("---\n"));
        lab.run(&["drift"]).expect(0);
        let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        expect_words(&plan, &["~ Front Desk", "tags.origin"]);
        lab.apply().expect(0);
        assert_eq!((origin(&lab, &id), lab.active("Front Desk").id), (tag("Front Desk"), id.clone()));
        lab.expect_converged();
        // The old name is free for another service.
        declare(&lab, &["Front Desk", "Shop", "Desk"]);
        lab.apply().expect(0);
        assert_eq!(lab.active("Front Desk").id, id);
        assert_ne!(lab.active("Desk").id, id);
        lab.expect_converged();
    }

    fn an_accepted_rename_is_recorded(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        rename(&lab, &id, "Front Desk");
        lab.run(&["drift", "--accept"]).expect(0);
        lab.run(&["drift"]).expect(0);
        lab.apply().expect(0);
        assert_eq!((origin(&lab, &id), lab.services().len()), (tag("Front Desk"), 2));
        lab.expect_converged();
    }

    fn the_old_name_in_the_same_plan_is_the_renamed_service_and_a_note_says_so(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        rename(&lab, &id, "Front Desk");
        declare(&lab, &["Front Desk", "Shop", "Desk"]);
        let note = format!("the service that has this name now ({id}) becomes `Desk` again");
        expect_words(&lab.run(&["plan"]).expect(0), &[&note, "1 to create"]);
        lab.apply().expect(0);
        assert_eq!(lab.active("Desk").id, id);
        lab.expect_converged();
    }

    fn a_saved_plan_fits_after_a_commit_that_changes_nothing_it_touches(api: Api) {
        let lab = applied(api);
        lab.git(&["init", "-q"]);
        let set = |version: u32| format!("version_sets: {{release: {{agent_version: {version}, context_graph_version: 1}}}}\n");
        let write = |version: u32, keyterm: &str| {
            lab.manifests(&[service("Desk", &set(version)), service("Shop", &format!("keyterms: [{keyterm}]\n"))].join("---\n"));
            lab.commit();
        };
        write(1, "sugar");
        lab.apply().expect(0);
        write(2, "insulin");
        // The plan is made with the commit that is live already, and applied from others.
        lab.run(&["plan", "--out", "same.json"]).expect(0);
        lab.git(&["commit", "-q", "--allow-empty", "-m", "Change"]);
        lab.write("notes.md", "A file without manifests.");
        lab.commit();
        lab.run(&["apply", "same.json"]).expect(0);
        let head = lab.git(&["rev-parse", "HEAD"]);
        for name in ["Desk", "Shop"] {
            let id = lab.active(name).id;
            assert_eq!(origin(&lab, &id), Some(origin_tag(name, Some(&head))), "{name}");
        }
        lab.expect_converged();
        // The live tags already have the commit of the second plan. Only the first plan's commit is newer.
        let changed = lab.active("Shop").id;
        lab.change(&lab.active("Desk").id, |service| {
            service.version_sets.get_mut("release").unwrap().agent_version = Some(1);
        });
        lab.change(&changed, |service| service.keyterms = vec!["other".to_owned()]);
        lab.run(&["plan", "--out", "drift.json"]).expect(0);
        lab.git(&["commit", "-q", "--allow-empty", "-m", "Change"]);
        lab.run(&["apply", "drift.json"]).expect(0);
        lab.expect_converged();
    }

    fn a_reactivated_service_is_no_longer_former(api: Api) {
        let lab = applied(api);
        let id = lab.active("Shop").id;
        declare(&lab, &["Desk"]);
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        // An operator activates the service, and then its manifest comes back.
        lab.change(&id, |service| service.is_active = true);
        assert_eq!(origin(&lab, &id), Some(format!("{} former", origin_tag("Shop", None))));
        declare(&lab, &["Desk", "Shop"]);
        expect_words(&lab.run(&["plan", "--detailed-exitcode"]).expect(2), &["tags.origin"]);
        lab.apply().expect(0);
        assert_eq!(origin(&lab, &id), tag("Shop"));
        lab.expect_converged();
        // So a later rename by another client is recognized.
        rename(&lab, &id, "Store");
        lab.apply().expect(0);
        assert_eq!((lab.active("Shop").id, lab.services().len()), (id, 2));
    }

    fn a_renamed_service_is_not_created_again_if_its_tag_has_another_name(api: Api) {
        let lab = applied(api);
        let id = lab.active("Shop").id;
        let own = origin(&lab, &id).unwrap();
        for (name, value) in [("Store", own.clone()), ("Shop", format!("{own} former"))] {
            lab.change(&id, |service| {
                service.name = name.to_owned();
                service.tags.insert("origin".to_owned(), Some(value.clone()));
            });
            declare(&lab, &["Desk", "Market"]);
            let writes = lab.writes().len();
            for args in [&["plan"][..], &["apply", "--auto-approve"]] {
                let run = lab.run(args).expect(3);
                expect_words(&run, &["`Market` would be created", &id, "renamed_from"]);
            }
            assert_eq!(lab.writes().len(), writes);
        }
    }

    fn a_project_that_stops_writing_the_tag_leaves_no_wrong_one(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        lab.project("ownership: {value: amigops, origin: false}\n");
        lab.expect_converged();
        lab.manifests(&[service("Kiosk", "lifecycle: {renamed_from: Desk}\n"), service("Shop", "")].join("---\n"));
        lab.apply().expect(0);
        assert_eq!((lab.active("Kiosk").id, origin(&lab, &id)), (id.clone(), None));
        // Another service gets the old name, and then the project writes the tag again.
        declare(&lab, &["Kiosk", "Shop", "Desk"]);
        lab.apply().expect(0);
        let second = lab.active("Desk").id;
        lab.project("");
        lab.expect_converged();
        assert_eq!((lab.active("Kiosk").id, lab.active("Desk").id), (id, second));
    }

    fn a_copy_stays_when_its_original_is_pruned(api: Api) {
        let lab = applied(api);
        let id = lab.active("Shop").id;
        let copy = lab.add(Service { id: String::new(), name: "Shop copy".to_owned(), ..lab.service(&id) });
        declare(&lab, &["Desk"]);
        let plan = lab.run(&["plan", "--prune"]).expect(0);
        expect_words(&plan, &["1 to retire", &format!("`Shop copy` ({copy}) is probably a copy of `Shop`")]);
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert!(!lab.service(&id).is_active && lab.service(&copy).is_active);
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert!(lab.service(&copy).is_active);
        lab.expect_converged();
    }

    fn an_error_about_a_taken_name_describes_both_services(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        rename(&lab, &id, "Front Desk");
        let other = lab.add(Service { id: String::new(), tags: Default::default(), name: "Desk".to_owned(), ..lab.service(&id) });
        let run = lab.run(&["plan"]).expect(1);
        expect_words(&run, &[
            &format!("{id} (`Front Desk`, owned by this project)"),
            &format!("{other} (`Desk`, not owned)"),
            &format!("now `Desk` ({other}) has its name: rename or deactivate that one"),
        ]);
    }
}
