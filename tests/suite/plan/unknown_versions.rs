//! Tests of servers whose lists of agents lack the latest versions. The latest version is read only for agents whose
//! version is pinned.

use amigops::model::Api;
use amigops_emulator::RequestInfo;
use serde_json::json;

use crate::harness::Lab;
use crate::on_both_apis;

const SEED: &str = "
organizations:
  acme:
    agents: [{name: Coach Maya, versions: 3}, {name: Coach Noor, versions: 2}]
    context_graphs: [{name: Flow, versions: 3}]
";

fn manifest(version: u32) -> String {
    format!(
        "service: Desk\ndescription: The desk\nagent: Coach Maya\ncontext_graph: Flow\n\
         version_sets: {{release: {{agent_version: {version}}}}}\n"
    )
}

/// Sets a hook that answers requests for the list of agents without the latest versions, as some servers do.
fn omit_versions(lab: &Lab) {
    let agents: Vec<_> =
        ["Coach Maya", "Coach Noor"].map(|name| json!({"id": lab.agent_id(name), "name": name})).into();
    let list = match lab.api {
        Api::Classic => json!({"agents": agents, "has_more": false, "continuation_token": null}),
        Api::Platform => json!({"items": agents, "has_more": false}),
    };
    lab.before(move |request: &RequestInfo| {
        let path = request.path.split('?').next().unwrap_or_default();
        if path.ends_with("/agent") || path.ends_with("/agents") {
            return crate::harness::answer(200, list.to_string());
        }
        None
    });
}

fn versions_read(lab: &Lab) -> usize {
    lab.server.requests().iter().filter(|record| record.path.contains("/version")).count()
}

on_both_apis! {
    fn a_pin_is_checked_by_one_extra_request(api: Api) {
        let lab = Lab::on(api, SEED);
        omit_versions(&lab);
        lab.manifests(&manifest(4));
        let run = lab.run(&["plan"]).expect(1);
        assert!(run.stderr.contains("the latest version is 3"), "{}", run.stderr);
        assert_eq!(versions_read(&lab), 1, "one request for the one agent that is pinned");
        lab.manifests(&manifest(3));
        lab.apply().expect(0);
        let read = versions_read(&lab);
        lab.expect_converged();
        assert_eq!(versions_read(&lab), read, "what does not change is not looked up");
    }
}
