//! Tests of `outdated` with the real binary, on both APIs.

use amigops::model::Api;
use serde_json::{Value, json};

use crate::harness::Lab;
use crate::on_both_apis;

const SEED: &str = "
organizations:
  acme:
    agents: [{name: Coach Maya, versions: 5}, {name: Coach Noor, versions: 2}]
    context_graphs: [{name: Flow, versions: 3}]
";
const MANIFESTS: &str = "# Two desks.
service: Desk
description: The desk
agent: Coach Maya
context_graph: Flow
version_sets:
  release: {agent_version: 3,   context_graph_version: 3}   # users
  dev: {agent_version: latest, context_graph_version: 1}
environments:
  lab:
    version_sets: {release: {agent_version: 4}} # one ahead
---
service: Night Desk
description: The desk at night
agent: Coach Noor
context_graph: Flow
version_sets: {release: {agent_version: 2, context_graph_version: 2}}
";

fn lab(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.manifests(MANIFESTS);
    lab
}

fn manifests(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap()
}

on_both_apis! {
    fn outdated_pins_are_shown_and_nothing_is_written(api: Api) {
        let lab = lab(api);
        let run = lab.run(&["outdated"]).expect(0);
        assert_eq!(
            run.stdout,
            "service     version set  what                pin  latest  behind by\n\
             Desk        dev          context graph Flow  1    3       2\n\
             Desk        release      agent Coach Maya    4    5       1\n\
             Night Desk  release      context graph Flow  2    3       1\n\n3 pins outdated\n"
        );
        assert!(run.stderr.contains("--write"), "{}", run.stderr);
        lab.run(&["outdated", "--detailed-exitcode"]).expect(2);
        assert_eq!(manifests(&lab), MANIFESTS);
        assert!(lab.writes().is_empty());
        let read = lab.server.requests();
        let is_service = |path: &str| path.contains("/service/") || path.contains("/services");
        assert!(read.iter().all(|request| !is_service(&request.path)), "services are not read: {read:?}");
    }

    fn a_plan_after_write_contains_only_the_raised_pins(api: Api) {
        let lab = lab(api);
        lab.apply().expect(0);
        lab.expect_converged();
        let writes = lab.writes().len();
        let run = lab.run(&["outdated", "--write"]).expect(0);
        assert!(run.stdout.contains("4 → 5   (environments.lab)"), "{}", run.stdout);
        assert!(run.stdout.ends_with("3 values changed in 1 file\n"), "{}", run.stdout);
        let expected = MANIFESTS
            .replace("{agent_version: latest, context_graph_version: 1}", "{agent_version: latest, context_graph_version: 3}")
            .replace("{release: {agent_version: 4}} #", "{release: {agent_version: 5}} #")
            .replace("{agent_version: 2, context_graph_version: 2}", "{agent_version: 2, context_graph_version: 3}");
        assert_eq!(manifests(&lab), expected);
        assert_eq!(lab.writes().len(), writes, "nothing is written to the API");
        let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        let arrows: Vec<&str> = plan.stdout.lines().filter(|line| line.contains('→')).collect();
        assert_eq!(arrows.len(), 3, "{}", plan.stdout);
        for change in ["1 → 3", "4 → 5", "2 → 3"] {
            assert!(arrows.iter().any(|line| line.contains(change)), "{change}: {}", plan.stdout);
        }
        lab.apply().expect(0);
        lab.expect_converged();
        let run = lab.run(&["outdated", "--detailed-exitcode"]).expect(0);
        assert!(run.stdout.starts_with("Nothing to do"), "{}", run.stdout);
    }

    fn sets_and_services_can_be_selected(api: Api) {
        let lab = lab(api);
        let run = lab.run(&["outdated", "--set", "dev", "--format", "json"]).expect(0);
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(
            found,
            json!({
                "format_version": 1,
                "environment": "lab",
                "outdated": [{
                    "service": "Desk", "version_set": "dev", "field": "context_graph_version", "name": "Flow",
                    "pin": 1, "latest": 3, "behind": 2, "file": "services/all.yaml", "overlay": null
                }],
                "written": false
            })
        );
        let run = lab.run(&["outdated", "Night Desk", "--write"]).expect(0);
        assert!(run.stdout.contains("1 pin outdated"), "{}", run.stdout);
        assert_eq!(
            manifests(&lab),
            MANIFESTS.replace("{agent_version: 2, context_graph_version: 2}", "{agent_version: 2, context_graph_version: 3}")
        );
        let run = lab.run(&["outdated", "Nite Desk"]).expect(1);
        assert!(run.stderr.contains("did you mean `Night Desk`?"), "{}", run.stderr);
        let run = lab.run(&["outdated", "--set", "relaese"]).expect(1);
        assert!(run.stderr.contains("error: no service has a version set `relaese`\n"), "{}", run.stderr);
        assert!(run.stderr.contains("did you mean `release`?"), "{}", run.stderr);
    }

    fn references_by_id_are_resolved(api: Api) {
        let lab = Lab::on(api, SEED);
        let id = lab.agent_id("Coach Maya");
        lab.manifests(&format!(
            "service: Desk\ndescription: D\nagent: {{id: {id}}}\ncontext_graph: Flow\nversion_sets: {{release: {{agent_version: 1}}}}\n"
        ));
        let run = lab.run(&["outdated"]).expect(0);
        assert!(run.stdout.contains("agent Coach Maya"), "{}", run.stdout);
        lab.manifests("service: Desk\ndescription: D\nagent: Coach Mya\ncontext_graph: Flow\nversion_sets: {release: {agent_version: 1}}\n");
        let run = lab.run(&["outdated"]).expect(1);
        assert!(run.stderr.contains("did you mean `Coach Maya`?"), "{}", run.stderr);
    }
}
