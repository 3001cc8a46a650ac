//! Tests of `unmanage`, which stops managing services without retiring them. With it, services can move to another
//! project.

use amigops::model::Api;

use super::{SEED, desk, orphan};
use crate::harness::{Lab, service};
use crate::on_both_apis;

/// Creates a lab with a declared service, `Desk`, and the orphan `Summer`. `Summer` has all tags that amigops writes,
/// and one more tag.
fn lab(api: Api) -> Lab {
    let tags = ", protected: \"\", replaces: 0123456789abcdef01234567, team: care";
    let lab = Lab::on(api, &format!("{SEED}{}", orphan("Summer", tags)));
    lab.manifests(&desk());
    lab
}

#[track_caller]
fn expect_nothing_to_do(lab: &Lab, directory: &str) {
    for more in [&[][..], &["--prune"]] {
        let run = lab.run(&[&["plan", "--detailed-exitcode", "-C", directory], more].concat()).expect(0);
        assert!(run.stdout.contains("Nothing to do") && !run.stdout.contains("orphan"), "{}", run.stdout);
    }
}

/// Writes a second project of the same organization, with its own ownership value and one service.
fn second_project(lab: &Lab, name: &str) {
    let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
    lab.write("second/amigops.yaml", &project.replace("{value: amigops}", "{value: second_team}"));
    lab.write("second/services/all.yaml", &service(name, ""));
}

on_both_apis! {
    fn only_the_tags_of_the_tool_are_removed(api: Api) {
        let lab = lab(api);
        let before = lab.active("Summer");
        let settings = lab.settings(&before.id);
        // Without a terminal, the command shows the plan and then fails, because it needs `--auto-approve`.
        let run = lab.run(&["unmanage", "Summer"]).expect(1);
        for part in [
            "amigops unmanage · environment lab",
            "~ Summer",
            "tags.managed_by",
            "tags.protected",
            "tags.replaces",
            "it keeps running",
            "1 to change, 0 to replace, 0 to retire",
        ] {
            assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
        }
        assert!(run.stderr.contains("--auto-approve"), "{}", run.stderr);
        assert_eq!(lab.writes(), []);
        // The user names the service on the command line, so guardrails against removals don't apply.
        lab.project("guardrails: {max_removals: 0, protected: [Summer]}\n");
        let run = lab.run(&["unmanage", "Summer", "--auto-approve"]).expect(0);
        assert!(run.stderr.contains("Summer  stop managing"), "{}", run.stderr);
        assert!(run.stderr.contains("Applied: 1 step · read back: converged"), "{}", run.stderr);
        assert_eq!(lab.writes().len(), 1);
        let mut expected = before;
        expected.tags.retain(|key, _| key == "team");
        let after = lab.active("Summer");
        let comparable = |service: &amigops_emulator::Service| {
            (service.id.clone(), service.description.clone(), service.tags.clone(), service.version_sets.clone())
        };
        assert_eq!(comparable(&after), comparable(&expected));
        assert_eq!((after.is_active, lab.settings(&after.id)), (true, settings));
        let run = lab.run(&["unmanage", "Summer", "--auto-approve"]).expect(0);
        assert!(run.stdout.contains("Nothing to do") && run.stderr.contains("no project owns it"), "{}", run.stderr);
        assert_eq!(lab.writes().len(), 1);
        expect_nothing_to_do(&lab, ".");
    }

    fn other_services_are_refused(api: Api) {
        let lab = lab(api);
        let cases: [(&str, i32, &[&str]); 3] = [
            ("Theirs", 3, &["`Theirs`", "belongs to another project", "`sisters`"]),
            ("Desk", 3, &["belongs to the manifest `Desk`", "services/all.yaml:1:10", "remove the manifest first"]),
            ("Sumer", 1, &["no live service is named `Sumer`", "did you mean `Summer`?"]),
        ];
        for (name, code, parts) in cases {
            let run = lab.run(&["unmanage", "--auto-approve", "Summer", name]).expect(code);
            for part in parts.iter().chain(&["nothing was sent"]) {
                assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
            }
        }
        // A manifest that renames a service declares it, too.
        lab.manifests(&service("Front Desk", "lifecycle: {renamed_from: Desk}\n"));
        let run = lab.run(&["unmanage", "--auto-approve", "Desk"]).expect(3);
        assert!(run.stderr.contains("belongs to the manifest `Front Desk`"), "{}", run.stderr);
        assert_eq!(lab.writes(), []);
        lab.run(&["unmanage"]).expect(1);
    }

    fn the_last_service_of_a_project_and_an_inactive_one(api: Api) {
        let lab = lab(api);
        std::fs::remove_file(lab.path().join("services/all.yaml")).unwrap();
        let id = lab.active("Summer").id;
        lab.change(&id, |service| service.is_active = false);
        let run = lab.run(&["unmanage", "Desk", "Summer", "--auto-approve"]).expect(0);
        assert!(run.stdout.contains("it stays inactive"), "{}", run.stdout);
        assert_eq!(lab.active("Desk").tags.get("managed_by"), None);
        let summer = lab.service(&id);
        assert_eq!((summer.is_active, summer.tags.get("managed_by")), (false, None));
    }

    fn a_service_moves_to_another_repository_that_adopts_it(api: Api) {
        let lab = lab(api);
        let id = lab.active("Summer").id;
        second_project(&lab, "Summer");
        lab.run(&["unmanage", "Summer", "--auto-approve"]).expect(0);
        let run = lab.run(&["plan", "-C", "second"]).expect(0);
        assert!(run.stdout.contains("adopted"), "{}", run.stdout);
        lab.run(&["apply", "--auto-approve", "-C", "second"]).expect(0);
        let moved = lab.active("Summer");
        assert_eq!((moved.id, moved.tags["managed_by"].as_deref()), (id, Some("second_team")));
        expect_nothing_to_do(&lab, ".");
        expect_nothing_to_do(&lab, "second");
    }

    fn a_service_moves_to_another_repository_that_takes_it_over(api: Api) {
        let lab = lab(api);
        let id = lab.active("Summer").id;
        second_project(&lab, "Summer");
        lab.run(&["apply", "--auto-approve", "-C", "second"]).expect(3);
        lab.run(&["apply", "--auto-approve", "-C", "second", "--take-over", "amigops"]).expect(0);
        let moved = lab.active("Summer");
        assert_eq!((moved.id, moved.tags["managed_by"].as_deref()), (id, Some("second_team")));
        expect_nothing_to_do(&lab, ".");
        expect_nothing_to_do(&lab, "second");
        // The service no longer belongs to the first project, so that project can't stop managing it again.
        lab.run(&["unmanage", "Summer", "--auto-approve"]).expect(3);
    }
}
