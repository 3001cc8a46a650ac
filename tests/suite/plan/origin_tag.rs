//! The tag `origin`: a service is recognized after another client has renamed it, and has the commit that was written
//! last.

use amigops::model::Api;
use amigops_emulator::Service;
use serde_json::Value;

use crate::harness::{EMPTY, Lab, Run, origin_tag, service};
use crate::on_both_apis;

/// A project that writes no tag `origin`.
const WITHOUT_TAG: &str = "ownership: {value: amigops, origin: false}\n";

/// Creates a lab in which Desk and Shop are live. `project` is added to `amigops.yaml`.
fn applied(api: Api, project: &str) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.project(project);
    lab.manifests(&[service("Desk", ""), service("Shop", "")].join("---\n"));
    lab.apply().expect(0);
    lab
}

/// Returns the tag `origin` of a service.
fn origin(lab: &Lab, id: &str) -> Option<String> {
    lab.service(id).tags.get("origin").cloned().flatten()
}

/// Renames a service as another client would.
fn rename(lab: &Lab, id: &str, name: &str) {
    lab.change(id, |service| service.name = name.to_owned());
}

/// Adds a copy of a service with all its tags, as another client would. Returns the id of the copy.
fn copy(lab: &Lab, id: &str, name: &str) -> String {
    lab.add(Service { id: String::new(), name: name.to_owned(), ..lab.service(id) })
}

/// Returns the actions of the steps that `plan` shows with these arguments.
#[track_caller]
fn actions(lab: &Lab, args: &[&str]) -> Vec<String> {
    let run = lab.run(&[&["plan", "--format", "json"], args].concat()).expect(0);
    let plan: Value = serde_json::from_str(&run.stdout).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    steps.iter().map(|step| step["action"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn expect_words(run: &Run, words: &[&str]) {
    for word in words {
        assert!(
            run.stdout.contains(word) || run.stderr.contains(word),
            "{word}:\n{}\n{}",
            run.stdout,
            run.stderr
        );
    }
}

/// Returns this number of declared tags.
fn tags(count: usize) -> String {
    let tags: Vec<_> = (0..count).map(|number| format!("t{number}: x")).collect();
    format!("tags: {{{}}}\n", tags.join(", "))
}

const NOTE: &str = "its tag `origin` is not written: ";

on_both_apis! {
    fn a_service_renamed_by_another_client_gets_its_name_back(api: Api) {
        let lab = applied(api, "");
        let id = lab.active("Desk").id;
        assert_eq!(origin(&lab, &id), Some(origin_tag("Desk", None)));
        rename(&lab, &id, "Front Desk");
        let drift = lab.run(&["drift"]).expect(2);
        expect_words(&drift, &["drift: 1 differs", "~ Desk", "live name                Front Desk"]);
        assert!(!drift.stdout.contains("orphan") && !drift.stdout.contains("missing"), "{}", drift.stdout);
        assert_eq!(actions(&lab, &["--prune"]), ["update"]);
        lab.apply().expect(0);
        assert_eq!((lab.services().len(), lab.active("Desk").id), (2, id));
        lab.run(&["drift"]).expect(0);
        lab.expect_converged();
    }

    fn a_copy_is_noted_and_not_pruned(api: Api) {
        let lab = applied(api, "");
        let id = lab.active("Desk").id;
        let copied = copy(&lab, &id, "Desk copy");
        let plan = lab.run(&["plan", "--prune", "--detailed-exitcode"]).expect(0);
        let note = format!("`Desk copy` ({copied}) is probably a copy of this service");
        expect_words(&plan, &[&note, "Nothing to do"]);
        assert!(!plan.stdout.contains("1 orphan"), "{}", plan.stdout);
        let writes = lab.writes().len();
        lab.run(&["apply", "--prune", "--auto-approve"]).expect(0);
        assert_eq!(lab.writes().len(), writes);
        // A change of the service does not reach the copy.
        lab.manifests(&[service("Desk", "keyterms: [metformin]\n"), service("Shop", "")].join("---\n"));
        lab.run(&["apply", "--prune", "--auto-approve"]).expect(0);
        assert_eq!(lab.active("Desk").id, id);
        assert_eq!(lab.active("Desk copy").keyterms, Vec::<String>::new());
        lab.run(&["plan", "--prune", "--detailed-exitcode"]).expect(0);
    }

    fn two_copies_without_the_name_are_an_error_with_both_ids(api: Api) {
        let lab = applied(api, "");
        let id = lab.active("Desk").id;
        let copied = copy(&lab, &id, "Desk copy");
        rename(&lab, &id, "Front Desk");
        let writes = lab.writes().len();
        for args in [&["plan"][..], &["plan", "--prune"], &["apply", "--auto-approve"], &["drift"]] {
            let run = lab.run(args).expect(1);
            let words = ["2 services were made for the name `Desk`, and none of them has it now", "`Desk copy`, owned", &id, &copied];
            assert!(words.iter().all(|word| run.stderr.contains(word)), "{args:?}: {}", run.stderr);
        }
        assert_eq!(lab.writes().len(), writes);
        rename(&lab, &id, "Desk");
        lab.expect_converged();
    }

    fn the_tag_is_left_out_where_undeclared_tags_leave_no_room(api: Api) {
        let lab = applied(api, WITHOUT_TAG);
        let id = lab.active("Desk").id;
        let most = api.max_tags();
        lab.change(&id, |desk| {
            // The ownership tag is the last one that the API allows.
            desk.tags.extend((1..most).map(|number| (format!("t{number}"), Some("x".to_owned()))));
        });
        lab.project("");
        lab.expect_converged();
        lab.manifests(&[service("Desk", "keyterms: [metformin]\n"), service("Shop", "")].join("---\n"));
        let reason = format!("{NOTE}the API allows {most} tags");
        let plan = lab.run(&["plan"]).expect(0);
        assert!(plan.stdout.contains(&reason), "{}", plan.stdout);
        lab.apply().expect(0);
        let desk = lab.service(&id);
        assert_eq!((desk.tags.len(), desk.tags.contains_key("origin")), (most, false));
        assert_eq!(desk.keyterms, ["metformin"]);
        lab.expect_converged();
    }

    fn the_tag_stays_at_the_limit_until_a_replacement_needs_the_room(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let most = api.max_tags();
        let declared = |agent: &str, more: &str| {
            let more = format!("{}lifecycle: {{on_agent_change: replace}}\n{more}", tags(most - 2));
            lab.manifests(&service("Desk", &more).replace("agent: One", &format!("agent: {agent}")));
        };
        declared("One", "");
        lab.apply().expect(0);
        let id = lab.active("Desk").id;
        assert_eq!(lab.service(&id).tags.len(), most);
        declared("One", "keyterms: [metformin]\n");
        let plan = lab.run(&["plan"]).expect(0);
        assert!(!plan.stdout.contains(NOTE), "{}", plan.stdout);
        lab.apply().expect(0);
        assert_eq!(origin(&lab, &id), Some(origin_tag("Desk", None)));
        lab.expect_converged();
        // The new service also needs the tag `replaces`.
        declared("Two", "keyterms: [metformin]\n");
        let plan = lab.run(&["plan"]).expect(0);
        assert!(plan.stdout.contains(NOTE), "{}", plan.stdout);
        lab.apply().expect(0);
        let new = lab.active("Desk");
        assert!(new.id != id && !new.tags.contains_key("origin"), "{new:?}");
        assert_eq!(origin(&lab, &id), Some(format!("{} former", origin_tag("Desk", None))));
        lab.expect_converged();
    }

    fn a_users_own_tag_of_that_name_is_left_alone(api: Api) {
        let lab = applied(api, WITHOUT_TAG);
        lab.project("");
        let id = lab.active("Desk").id;
        lab.change(&id, |desk| drop(desk.tags.insert("origin".to_owned(), Some("eu west".to_owned()))));
        // A live one, with and without declared tags, and then a declared one on a new service.
        for more in ["keyterms: [metformin]\n", "tags: {tier: gold}\n", "tags: {tier: silver, origin: eu west}\n"] {
            lab.manifests(&[service("Desk", more), service("Shop", "")].join("---\n"));
            let plan = lab.run(&["plan"]).expect(0);
            expect_words(&plan, &[NOTE, "a user has set it to another value"]);
            lab.apply().expect(0);
            assert_eq!(origin(&lab, &id).as_deref(), Some("eu west"), "{more}");
            lab.expect_converged();
        }
        let desk = service("Desk", "tags: {tier: silver, origin: eu west}\n");
        let kiosk = service("Kiosk", "tags: {origin: eu west}\n");
        lab.manifests(&[desk, service("Shop", ""), kiosk].join("---\n"));
        expect_words(&lab.run(&["plan"]).expect(0), &[NOTE]);
        lab.apply().expect(0);
        assert_eq!(lab.active("Kiosk").tags["origin"].as_deref(), Some("eu west"));
        lab.expect_converged();
        // A value that amigops could have written is refused.
        lab.manifests(&service("Desk", &format!("tags: {{origin: {}}}\n", origin_tag("Desk", None))));
        expect_words(&lab.run(&["validate"]).expect(1), &["services/all.yaml", "origin"]);
    }

    fn a_service_without_the_tag_under_another_name_is_not_created_again(api: Api) {
        let lab = applied(api, WITHOUT_TAG);
        let id = lab.active("Desk").id;
        assert_eq!(origin(&lab, &id), None);
        rename(&lab, &id, "Front Desk");
        lab.project("");
        let writes = lab.writes().len();
        for args in [&["plan"][..], &["plan", "--prune"], &["apply", "--auto-approve"]] {
            let run = lab.run(args).expect(3);
            let problem = format!("`Desk` would be created, but `Front Desk` ({id}) has the same agent and context graph");
            let ways = ["lifecycle: {renamed_from: Front Desk}", "--create Desk", "nothing was sent"];
            for words in ways.into_iter().chain([problem.as_str()]) {
                assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
            }
        }
        assert_eq!(lab.writes().len(), writes);
        let desk = service("Desk", "lifecycle: {renamed_from: Front Desk}\n");
        lab.manifests(&[desk, service("Shop", "")].join("---\n"));
        assert_eq!(actions(&lab, &[]), ["update"]);
        lab.apply().expect(0);
        assert_eq!((lab.services().len(), lab.active("Desk").id), (2, id.clone()));
        assert_eq!(origin(&lab, &id), Some(origin_tag("Desk", None)));
        lab.expect_converged();
    }

    fn create_allows_a_second_service_and_a_saved_plan_needs_it_again(api: Api) {
        let lab = applied(api, WITHOUT_TAG);
        let id = lab.active("Desk").id;
        rename(&lab, &id, "Front Desk");
        lab.project("");
        lab.run(&["plan", "--create", "Shop"]).expect(3);
        assert_eq!(actions(&lab, &["--create", "Desk", "--out", "plan.json"]), ["create"]);
        let writes = lab.writes().len();
        for more in [&[][..], &["--create", "Shop"]] {
            let run = lab.run(&[&["apply", "plan.json"], more].concat()).expect(3);
            assert!(run.stderr.contains("--create"), "{}", run.stderr);
        }
        assert!(lab.run(&["apply", "plan.json"]).expect(3).stderr.contains("--create Desk"));
        assert_eq!(lab.writes().len(), writes);
        lab.run(&["apply", "plan.json", "--create", "Desk"]).expect(0);
        let second = lab.active("Desk").id;
        assert!(second != id && lab.active("Front Desk").id == id);
        assert_eq!(origin(&lab, &second), Some(origin_tag("Desk", None)));
        lab.expect_converged();
        // Without a saved plan, the option works as well.
        let lab = applied(api, WITHOUT_TAG);
        rename(&lab, &lab.active("Desk").id, "Front Desk");
        lab.run(&["apply", "--auto-approve", "--create", "Desk"]).expect(0);
        assert_eq!(lab.services().len(), 3);
        lab.expect_converged();
    }

    fn the_tag_has_the_commit_that_was_written_last(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let declare = |keyterm: &str, version: u32| {
            let set = format!("{{agent_version: {version}, context_graph_version: 1}}");
            lab.manifests(&service("Desk", &format!("keyterms: [{keyterm}]\nversion_sets: {{release: {set}}}\n")));
        };
        declare("sugar", 1);
        lab.apply().expect(0);
        let id = lab.active("Desk").id;
        let tag = |commit: Option<&str>| Some(origin_tag("Desk", commit));
        assert_eq!(origin(&lab, &id), tag(None), "outside of git");
        lab.git(&["init", "-q"]);
        lab.commit();
        lab.expect_converged();
        declare("insulin", 1);
        lab.commit();
        lab.apply().expect(0);
        let first = lab.git(&["rev-parse", "HEAD"]);
        assert_eq!(origin(&lab, &id), tag(Some(&first)));
        // A new commit alone changes nothing.
        lab.git(&["commit", "-q", "--allow-empty", "-m", "Change"]);
        let writes = lab.writes().len();
        lab.run(&["drift"]).expect(0);
        lab.apply().expect(0);
        assert_eq!((lab.writes().len(), origin(&lab, &id)), (writes, tag(Some(&first))));
        lab.expect_converged();
        // Version sets have no tags, so one more request follows.
        declare("insulin", 2);
        lab.commit();
        assert_eq!(actions(&lab, &[]), ["write_version_set", "update"]);
        lab.apply().expect(0);
        assert_eq!(lab.writes().len(), writes + 2, "{:#?}", lab.writes());
        let second = lab.git(&["rev-parse", "HEAD"]);
        assert_eq!(origin(&lab, &id), tag(Some(&second)));
        lab.expect_converged();
        // Manifests that are not committed have no commit.
        declare("metformin", 2);
        lab.apply().expect(0);
        assert_eq!(origin(&lab, &id), tag(None), "uncommitted changes");
        lab.expect_converged();
    }

    fn the_tag_is_not_shown_as_a_change(api: Api) {
        let lab = applied(api, "");
        lab.git(&["init", "-q"]);
        let set = "version_sets: {release: {agent_version: 2, context_graph_version: 1}}\n";
        lab.manifests(&[service("Desk", set), service("Shop", "keyterms: [sugar]\n")].join("---\n"));
        lab.commit();
        for format in ["human", "markdown", "html"] {
            let plan = lab.run(&["plan", "--format", format]).expect(0);
            assert!(!plan.stdout.contains("tags.origin"), "{format}: {}", plan.stdout);
        }
        let plan = lab.run(&["plan", "--format", "json"]).expect(0).stdout;
        let plan: Value = serde_json::from_str(&plan).unwrap();
        for step in plan["steps"].as_array().unwrap() {
            let changes = step["changes"].as_array().unwrap();
            assert!(changes.iter().all(|change| change["path"] != "tags.origin"), "{step:#}");
        }
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn a_retired_service_is_former_until_its_manifest_comes_back(api: Api) {
        let lab = applied(api, "");
        let id = lab.active("Shop").id;
        lab.manifests(&service("Desk", ""));
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert!(!lab.service(&id).is_active);
        assert_eq!(origin(&lab, &id), Some(format!("{} former", origin_tag("Shop", None))));
        lab.expect_converged();
        lab.manifests(&[service("Desk", ""), service("Shop", "")].join("---\n"));
        expect_words(&lab.run(&["plan"]).expect(0), &["1 to reactivate"]);
        lab.apply().expect(0);
        assert_eq!(lab.active("Shop").id, id);
        assert_eq!(origin(&lab, &id), Some(origin_tag("Shop", None)));
        lab.expect_converged();
    }

    fn projects_with_different_owners_do_not_match_each_others_services(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.apply().expect(0);
        let id = lab.active("Desk").id;
        rename(&lab, &id, "Front Desk");
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        lab.write("second/amigops.yaml", &project.replace("value: amigops", "value: sisters"));
        lab.write("second/services/all.yaml", &service("Desk", ""));
        // The second project creates its own service, and leaves the first one's alone.
        assert_eq!(actions(&lab, &["--prune", "-C", "second"]), ["create"]);
        lab.run(&["apply", "--auto-approve", "-C", "second"]).expect(0);
        let second = lab.active("Desk").id;
        assert!(second != id && lab.active("Front Desk").id == id);
        assert_eq!((origin(&lab, &id), origin(&lab, &second)), (Some(origin_tag("Desk", None)), Some(origin_tag("Desk", None))));
        lab.run(&["plan", "--prune", "--detailed-exitcode", "-C", "second"]).expect(0);
        // The first project still finds its own. The name is taken until the second project gives it up.
        let writes = lab.writes().len();
        let run = lab.apply().expect(1);
        for words in ["2 services match the name `Desk`", &id, &second, "nothing was sent"] {
            assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        }
        assert_eq!(lab.writes().len(), writes);
        lab.write("second/services/all.yaml", &service("Kiosk", "lifecycle: {renamed_from: Desk}\n"));
        lab.run(&["apply", "--auto-approve", "-C", "second"]).expect(0);
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert_eq!((lab.active("Desk").id, lab.active("Kiosk").id), (id, second));
        lab.run(&["plan", "--prune", "--detailed-exitcode", "-C", "second"]).expect(0);
        lab.expect_converged();
    }
}
