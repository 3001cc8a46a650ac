//! Tests of `plan` and `apply` without `--base`: the commit in the tag `origin` of each service is its base.

use amigops::model::Api;
use serde_json::Value;

use super::three_way::{desk, set_live};
use crate::harness::{EMPTY, Lab, Run, origin_tag, service};
use crate::on_both_apis;

/// Creates a lab with a repository, whose first commit was applied.
fn committed_lab(api: Api) -> Lab {
    let lab = Lab::on(api, EMPTY);
    lab.manifests(&desk("gold", "care"));
    lab.git(&["init", "-q"]);
    lab.commit();
    lab.apply().expect(0);
    lab
}

/// Creates a lab in which a new commit and another client have changed the same tag.
fn conflicting(api: Api) -> Lab {
    let lab = committed_lab(api);
    lab.manifests(&desk("platinum", "care"));
    lab.commit();
    set_live(&lab, "tier", "silver");
    lab
}

fn document(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap()
}

/// Returns the value of a tag of Desk.
fn tag(lab: &Lab, name: &str) -> Option<String> {
    lab.active("Desk").tags.get(name).cloned().flatten()
}

const CONFLICT: &str =
    "`Desk`: `tags.tier` is `silver` live and `platinum` in the manifest, and both differ from the base";

on_both_apis! {
    fn each_change_has_its_cause(api: Api) {
        let lab = committed_lab(api);
        lab.manifests(&desk("platinum", "care"));
        lab.commit();
        set_live(&lab, "team", "sales");
        let run = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        let drift = "sales → care   drift: the live value differs from the base\n";
        assert!(run.stdout.contains(drift) && run.stdout.contains("gold → platinum\n"), "{}", run.stdout);
        assert_eq!(run.stderr, "");
        let plan = document(&lab.run(&["plan", "--format", "json"]).expect(0));
        let causes = ["tags.team", "tags.tier"].map(|path| {
            let changes = plan["services"][0]["changes"].as_array().unwrap();
            changes.iter().find(|change| change["path"] == path).unwrap()["cause"].clone()
        });
        assert_eq!(causes, ["drift", "manifest"]);
        assert_eq!((&plan["bases"]["Desk"], &plan["base"]), (&lab.git(&["rev-parse", "HEAD~1"]).into(), &Value::Null));
        // Drift alone is corrected.
        lab.apply().expect(0);
        assert_eq!((tag(&lab, "tier").as_deref(), tag(&lab, "team").as_deref()), (Some("platinum"), Some("care")));
        let head = lab.git(&["rev-parse", "HEAD"]);
        assert_eq!(tag(&lab, "origin"), Some(origin_tag("Desk", Some(&head))));
        lab.expect_converged();
    }

    fn a_conflict_is_refused(api: Api) {
        let lab = conflicting(api);
        let writes = lab.writes().len();
        let run = lab.run(&["apply", "--auto-approve"]).expect(3);
        for part in [CONFLICT, "amigops import", "--overwrite-drift", "nothing was sent"] {
            assert!(run.stderr.contains(part), "{part}:\n{}", run.stderr);
        }
        assert_eq!(lab.writes().len(), writes);
        for format in ["human", "json", "markdown", "html"] {
            let run = lab.run(&["plan", "--format", format]).expect(3);
            assert!(run.stderr.contains(CONFLICT), "{}", run.stderr);
            let allowed = lab.run(&["plan", "--format", format, "--allow-conflicts"]).expect(0);
            assert_eq!(allowed.stderr, "", "{format}");
        }
        lab.run(&["plan", "--allow-conflicts", "--detailed-exitcode"]).expect(2);
        lab.run(&["graph"]).expect(0);
        lab.run(&["apply", "--auto-approve", "--overwrite-drift"]).expect(0);
        assert_eq!(tag(&lab, "tier").as_deref(), Some("platinum"));
        lab.expect_converged();
    }

    fn a_saved_plan_is_checked_for_conflicts_when_it_is_applied(api: Api) {
        let lab = conflicting(api);
        lab.run(&["plan", "--out", "plan.json"]).expect(3);
        let writes = lab.writes().len();
        let run = lab.run(&["apply", "plan.json"]).expect(3);
        assert!(run.stderr.contains(CONFLICT), "{}", run.stderr);
        assert_eq!(lab.writes().len(), writes);
        lab.run(&["apply", "plan.json", "--overwrite-drift"]).expect(0);
        // A change that another client makes after the plan was saved makes the plan stale.
        lab.manifests(&desk("bronze", "care"));
        lab.commit();
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        set_live(&lab, "tier", "silver");
        lab.run(&["apply", "plan.json"]).expect(3);
        set_live(&lab, "tier", "platinum");
        lab.run(&["apply", "plan.json"]).expect(0);
        lab.expect_converged();
    }

    fn a_saved_plan_without_bases_can_be_applied(api: Api) {
        let lab = committed_lab(api);
        lab.manifests(&desk("platinum", "care"));
        lab.commit();
        lab.run(&["plan", "--out", "plan.json"]).expect(0);
        // Older versions did not write the key.
        let text = std::fs::read_to_string(lab.path().join("plan.json")).unwrap();
        let mut plan: Value = serde_json::from_str(&text).unwrap();
        assert!(plan.as_object_mut().unwrap().remove("bases").is_some());
        plan["fingerprint"] = amigops::plan_file::fingerprint_of(plan.clone()).into();
        lab.write("plan.json", &plan.to_string());
        lab.run(&["apply", "plan.json"]).expect(0);
        lab.expect_converged();
    }

    fn the_base_option_is_used_instead_of_the_tag(api: Api) {
        let lab = conflicting(api);
        // The new commit is the base, so only the live value has changed since then.
        lab.run(&["plan", "--base", "HEAD"]).expect(0);
        lab.run(&["plan", "--base", "HEAD", "--out", "plan.json"]).expect(0);
        lab.run(&["plan"]).expect(3);
        lab.run(&["apply", "plan.json"]).expect(0);
        lab.expect_converged();
    }

    fn a_service_that_no_apply_has_created_is_no_conflict(api: Api) {
        let lab = Lab::on(api, EMPTY);
        let shop = |more: &str| [desk("gold", "care"), service("Shop", more)].join("---\n");
        lab.manifests(&shop(""));
        lab.git(&["init", "-q"]);
        lab.commit();
        lab.run(&["apply", "--auto-approve", "--only", "Desk"]).expect(0);
        lab.manifests(&shop("keyterms: [tickets]\n"));
        lab.commit();
        lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn manifests_that_cannot_be_read_give_no_causes(api: Api) {
        let lab = conflicting(api);
        // Each of these commits is now the one that was applied last.
        let project = std::fs::read_to_string(lab.path().join("amigops.yaml")).unwrap();
        let applied_at = |commit: &str| {
            let id = lab.active("Desk").id;
            lab.change(&id, |desk| drop(desk.tags.insert("origin".to_owned(), Some(origin_tag("Desk", Some(commit))))));
        };
        let home = if api == Api::Classic { ("acme", "former") } else { ("11111111-", "99999999-") };
        for (changed, text, why) in [
            ("amigops.yaml", project.replace(home.0, home.1), "environment `lab` was a different organization or workspace"),
            ("amigops.yaml", project.replace("lab", "older"), "environment `lab` did not exist"),
            ("services/all.yaml", "service: Desk\nagnet: One\n".to_owned(), "unknown key `agnet`"),
        ] {
            let before = std::fs::read_to_string(lab.path().join(changed)).unwrap();
            lab.write(changed, &text);
            lab.commit();
            applied_at(&lab.git(&["rev-parse", "HEAD"]));
            lab.write(changed, &before);
            lab.commit();
            let run = lab.run(&["plan", "--format", "json"]).expect(0);
            assert!(run.stderr.contains(why) && run.stderr.contains("`Desk`"), "{why}: {}", run.stderr);
            assert_eq!(document(&run)["bases"]["Desk"], Value::Null);
            lab.run(&["drift"]).expect(2);
        }
        // A conflict that can't be detected is not refused.
        let run = lab.apply().expect(0);
        assert_eq!(run.stderr.matches("warning: can't read the manifests").count(), 1, "{}", run.stderr);
        lab.expect_converged();
    }

    fn a_name_that_only_the_base_uses_costs_one_list_request(api: Api) {
        let lab = committed_lab(api);
        let text = |agent: &str| {
            let graph = lab.active("Desk").context_graph_id;
            format!("service: Desk\ndescription: The Desk\nagent: {agent}\ncontext_graph: {{id: {graph}}}\n")
        };
        lab.manifests(&text(&format!("{{id: {}}}", lab.agent_id("Two"))));
        let run = lab.run(&["plan"]).expect(0);
        assert!(!run.stdout.contains("drift") && !run.stdout.contains("conflict"), "{}", run.stdout);
        let with = lab.hooks.count();
        lab.project("ownership: {value: amigops, origin: false}\n");
        lab.run(&["plan"]).expect(0);
        assert_eq!(with, lab.hooks.count() + 1, "the agents' names");
    }
}

/// Git can be slow in a large repository, so it must not run for services that have no base.
#[cfg(unix)]
#[test]
fn git_runs_only_for_services_that_differ_and_have_a_commit() {
    use std::os::unix::fs::PermissionsExt;
    let lab = committed_lab(Api::Classic);
    let log = lab.path().join("calls");
    lab.write("bin/git", &format!("#!/bin/sh\necho \"$*\" >> {}\nexec /usr/bin/git \"$@\"\n", log.display()));
    std::fs::set_permissions(lab.path().join("bin/git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", lab.path().join("bin").display());
    let calls = || {
        let _ = std::fs::remove_file(&log);
        lab.run_with(&["plan", "--allow-conflicts"], &[("PATH", &path)]).expect(0);
        std::fs::read_to_string(&log).unwrap_or_default()
    };
    let reads_commit = |calls: &str| calls.contains("cat-file --batch");
    assert!(!reads_commit(&calls()), "nothing differs");
    set_live(&lab, "tier", "silver");
    assert!(reads_commit(&calls()));
    set_live(&lab, "origin", &origin_tag("Desk", None));
    assert!(!reads_commit(&calls()), "the tag has no commit");
}
