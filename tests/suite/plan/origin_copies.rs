//! Copies that another client makes, and renames that other clients make beside them: the right service stays in use, and
//! no second one is created.

use amigops::model::Api;
use amigops_emulator::Service;

use crate::harness::{EMPTY, Lab, Run, origin_tag, service};
use crate::on_both_apis;

/// Creates a lab in which Desk and Shop are live, with different agents.
fn applied(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    declare(&lab, &[desk("Desk"), shop("Shop")]);
    lab.apply().expect(0);
    lab
}

fn declare(lab: &Lab, manifests: &[String]) {
    lab.manifests(&manifests.join("---\n"));
}

/// Returns a manifest with the content of Desk.
fn desk(name: &str) -> String {
    service("Desk", "").replace("service: Desk", &format!("service: {name}"))
}

/// Returns a manifest with the content of Shop.
fn shop(name: &str) -> String {
    service("Shop", "")
        .replace("service: Shop", &format!("service: {name}"))
        .replace("agent: One", "agent: Two")
}

/// Renames a service as another client would.
fn rename(lab: &Lab, id: &str, name: &str) {
    lab.change(id, |service| service.name = name.to_owned());
}

/// Adds a copy of a service with all its tags, as another client would. Returns the id of the copy.
fn copy(lab: &Lab, id: &str, name: &str) -> String {
    lab.add(Service { id: String::new(), name: name.to_owned(), ..lab.service(id) })
}

fn origin(lab: &Lab, id: &str) -> Option<String> {
    lab.service(id).tags.get("origin").cloned().flatten()
}

#[track_caller]
fn expect_words(run: &Run, words: &[&str]) {
    for word in words {
        let found = run.stdout.contains(word) || run.stderr.contains(word);
        assert!(found, "{word}:\n{}\n{}", run.stdout, run.stderr);
    }
}

on_both_apis! {
    fn a_renamed_and_copied_source_of_a_rename_is_an_error_with_both_ids(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        let copied = copy(&lab, &id, "Desk copy");
        rename(&lab, &id, "Front");
        declare(&lab, &[desk("Kiosk") + "lifecycle: {renamed_from: Desk}\n", shop("Shop")]);
        let writes = lab.writes().len();
        for args in [&["plan"][..], &["apply", "--auto-approve"]] {
            let run = lab.run(args).expect(1);
            expect_words(&run, &["2 services were made for the name `Desk`", &id, &copied]);
        }
        assert_eq!(lab.writes().len(), writes);
        // With its name back, the original is renamed.
        rename(&lab, &id, "Desk");
        lab.apply().expect(0);
        assert_eq!(lab.active("Kiosk").id, id);
        lab.expect_converged();
    }

    fn an_accepted_swap_of_names_stays(api: Api) {
        let lab = applied(api);
        let (desk, shop) = (lab.active("Desk").id, lab.active("Shop").id);
        rename(&lab, &desk, "Between");
        rename(&lab, &shop, "Desk");
        rename(&lab, &desk, "Shop");
        lab.run(&["drift", "--accept"]).expect(0);
        lab.run(&["drift"]).expect(0);
        lab.apply().expect(0);
        assert_eq!((lab.active("Shop").id, lab.active("Desk").id), (desk.clone(), shop.clone()));
        assert_eq!((origin(&lab, &desk), origin(&lab, &shop)), (Some(origin_tag("Shop", None)), Some(origin_tag("Desk", None))));
        assert_eq!(lab.services().len(), 2);
        lab.expect_converged();
    }

    fn a_swap_of_names_that_no_manifest_follows_is_undone(api: Api) {
        let lab = applied(api);
        let (desk, shop) = (lab.active("Desk").id, lab.active("Shop").id);
        rename(&lab, &desk, "Between");
        rename(&lab, &shop, "Desk");
        rename(&lab, &desk, "Shop");
        lab.apply().expect(0);
        assert_eq!((lab.active("Desk").id, lab.active("Shop").id), (desk, shop));
        lab.expect_converged();
    }

    fn an_accepted_chain_of_renames_stays(api: Api) {
        let lab = applied(api);
        let (desk, shop) = (lab.active("Desk").id, lab.active("Shop").id);
        rename(&lab, &shop, "Market");
        rename(&lab, &desk, "Shop");
        lab.run(&["drift", "--accept"]).expect(0);
        lab.apply().expect(0);
        assert_eq!((lab.active("Shop").id, lab.active("Market").id), (desk, shop));
        assert_eq!(lab.services().len(), 2);
        lab.expect_converged();
    }

    fn a_manifest_that_comes_back_gets_its_retired_service_and_not_the_copy(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        let copied = copy(&lab, &id, "Desk copy");
        declare(&lab, &[shop("Shop")]);
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert!(!lab.service(&id).is_active && lab.service(&copied).is_active);
        declare(&lab, &[desk("Desk"), shop("Shop")]);
        lab.apply().expect(0);
        assert_eq!((lab.active("Desk").id, lab.active("Desk copy").id), (id, copied));
        lab.expect_converged();
    }

    fn a_new_service_without_room_for_the_tag_is_not_displaced_by_a_copy(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let tags: Vec<_> = (0..api.max_tags() - 2).map(|number| format!("t{number}: x")).collect();
        let manifest = |agent: &str| {
            let more = format!("tags: {{{}}}\nlifecycle: {{on_agent_change: replace}}\n", tags.join(", "));
            service("Desk", &more).replace("agent: One", &format!("agent: {agent}"))
        };
        lab.manifests(&manifest("One"));
        lab.apply().expect(0);
        let copied = copy(&lab, &lab.active("Desk").id, "Desk copy");
        lab.manifests(&manifest("Two"));
        lab.apply().expect(0);
        let new = lab.active("Desk").id;
        assert!(new != copied && origin(&lab, &new).is_none());
        let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(0);
        expect_words(&plan, &[&format!("`Desk copy` ({copied}) is probably a copy of this service")]);
    }

    fn a_name_that_only_looks_like_one_of_the_tool_is_a_users(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        let copied = copy(&lab, &id, "Desk copy");
        rename(&lab, &id, "Desk (replaced by new)");
        declare(&lab, &[shop("Shop")]);
        for args in [&["plan"][..], &["plan", "--prune"]] {
            let plan = lab.run(args).expect(0);
            expect_words(&plan, &["Nothing to do", &id, &copied]);
        }
    }

    fn a_rename_does_not_end_the_protection(api: Api) {
        let lab = applied(api);
        let id = lab.active("Desk").id;
        lab.project("guardrails: {protected: [Desk]}\n");
        rename(&lab, &id, "Front");
        declare(&lab, &[shop("Shop")]);
        let run = lab.run(&["apply", "--auto-approve", "--prune"]).expect(3);
        expect_words(&run, &["`Front` would be retired, but `guardrails.protected` lists it"]);
        assert!(lab.service(&id).is_active);
        lab.run(&["apply", "--auto-approve", "--prune", "--allow-protected"]).expect(0);
        assert!(!lab.service(&id).is_active);
    }
}
