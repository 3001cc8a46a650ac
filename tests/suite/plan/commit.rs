//! Tests of the commit that a plan names. The commit has no `+` only if it contains every byte that was read.

use serde_json::Value;

use crate::harness::{EMPTY, Lab, run_git, service};
use crate::on_both_apis;

/// Returns true if the plan's commit has a `+`, which means that the files that were read differ from the commit.
#[track_caller]
fn is_marked(lab: &Lab) -> bool {
    let plan: Value = serde_json::from_str(&lab.run(&["plan", "--format", "json"]).expect(0).stdout).unwrap();
    let marked = plan["commit"].as_str().unwrap().ends_with('+');
    let markdown = lab.run(&["plan", "--format", "markdown"]).expect(0).stdout;
    assert_eq!(markdown.contains("uncommitted changes"), marked, "{markdown}");
    marked
}

fn json(name: &str) -> String {
    format!(r#"{{"service": "{name}", "description": "A service", "agent": "One", "context_graph": "Flow"}}"#)
}

on_both_apis! {
    fn manifests_that_git_ignores_or_that_are_json_count(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        let project = project.replace("[services/*.yaml]", "[services/*.yaml, services/*.json]");
        lab.write("amigops.yaml", &project);
        lab.manifests(&service("Desk", ""));
        lab.write("services/other.json", &json("Other"));
        lab.write(".gitignore", "*.local.yaml\n");
        let git = |args: &[&str]| run_git(&lab.path(), args);
        git(&["init", "-q"]);
        git(&["add", "-A"]);
        git(&["commit", "-qm", "Start"]);
        assert!(!is_marked(&lab));
        lab.write("services/new.local.yaml", &service("Local", ""));
        assert!(is_marked(&lab), "ignored");
        std::fs::remove_file(lab.path().join("services/new.local.yaml")).unwrap();
        lab.write("services/other.json", &json("Others"));
        assert!(is_marked(&lab), "an edited JSON manifest");
        git(&["checkout", "-q", "."]);
        lab.write("services/new.json", &json("New"));
        assert!(is_marked(&lab), "a new JSON manifest");
        std::fs::remove_file(lab.path().join("services/new.json")).unwrap();
        std::fs::remove_file(lab.path().join("services/other.json")).unwrap();
        assert!(is_marked(&lab), "a deleted JSON manifest");
        git(&["checkout", "-q", "."]);
        assert!(!is_marked(&lab));
    }
}
