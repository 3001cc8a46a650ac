//! Tests that error messages and plans of the real binary tell the user how to continue.

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, amigops, run_command, service};
use crate::on_both_apis;

on_both_apis! {
    fn a_renamed_manifest_gets_a_hint_about_renamed_from(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Old", ""));
        lab.apply().expect(0);
        let id = lab.active("Old").id;
        lab.manifests(&service("New", ""));
        let run = lab.run(&["plan"]).expect(0);
        let hint = "if this is `Old` under a new name, write `lifecycle: {renamed_from: Old}` to keep its id";
        assert!(run.stdout.contains(&format!("⚠ New: {hint}")), "{}", run.stdout);
        let run = lab.run(&["plan", "--prune"]).expect(0);
        assert!(run.stdout.contains("⚠ New: if this is `Old`, which this plan retires,"), "{}", run.stdout);
        lab.manifests(&service("New", "lifecycle: {renamed_from: Old}\n"));
        lab.run(&["apply", "--auto-approve", "--prune"]).expect(0);
        assert_eq!(lab.active("New").id, id);
    }

    fn a_misspelled_only_gets_a_suggestion(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Health Coach", ""));
        let run = lab.run(&["plan", "--only", "Helth Coach"]).expect(1);
        assert!(run.stderr.contains("did you mean `Health Coach`?"), "{}", run.stderr);
    }

    fn a_failed_connection_says_which_address_settings_to_check(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        // No server listens on this port: it was free a moment ago.
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        lab.write("amigops.yaml", &project.replace(&lab.server.url(), &format!("http://{unused}")));
        let run = lab.run(&["plan"]).expect(1);
        let variables = match api {
            Api::Classic => "AMIGO_BASE_URL",
            Api::Platform => "PLATFORM_API_URL or AMIGO_BASE_URL",
        };
        let hint = format!("check `base_url` in amigops.yaml, {variables}, and the network");
        assert!(run.stderr.contains("no connection to") && run.stderr.contains(&hint), "{}", run.stderr);
    }

    fn a_directory_that_does_not_exist_is_named(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        let table = [
            (["plan", "--out", "/nonexistent/p.json"], "the directory `/nonexistent` does not exist"),
            (["drift", "--metrics", "/nonexistent/m.prom"], "the directory `/nonexistent` does not exist"),
            (["plan", "--out", "services/all.yaml/p.json"], "`services/all.yaml` is not a directory"),
        ];
        for (args, words) in table {
            let run = lab.run(&args).expect(1);
            let all = run.stderr.contains(words) && run.stderr.contains(args[2]);
            assert!(all && !run.stderr.contains(".amigops-"), "{}", run.stderr);
        }
    }
}

#[test]
fn a_missing_project_gets_a_hint_about_init() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = amigops(empty.path());
    command.arg("plan");
    let run = run_command(command).expect(1);
    assert!(run.stderr.contains("`amigops init DIR` to create a project"), "{}", run.stderr);
}
