//! Tests of `apply` with the real binary: requests, reports, failures, and changes by other clients.

mod concurrent_edits;
mod concurrent_runs;
#[cfg(unix)]
mod confirmation;
mod former_services;
mod hints;
mod interrupts;
mod json_output;
mod kill;
mod lost_answers;
mod ownership;
mod rate_limit_windows;
mod rate_limits;
pub(crate) mod replacement;
mod shutdown;
mod sign_in;
mod summary;
mod timeout;

use amigops::model::Api;

use crate::harness::{EMPTY, Lab, answer, is_create, service, services};
use crate::on_both_apis;

on_both_apis! {
    fn planning_sends_no_write_requests(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.run(&["plan"]).expect(0);
        lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        lab.run(&["apply"]).expect(1);
        lab.run(&["ids"]).expect(0);
        assert_eq!(lab.writes(), []);
    }

    fn a_plan_reads_only_pages_of_lists(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.run(&["plan"]).expect(0);
        let paths: Vec<String> = lab
            .server
            .requests()
            .iter()
            .map(|record| record.path.split('?').next().unwrap().to_owned())
            .collect();
        let sign_in = u64::from(api == Api::Classic);
        assert_eq!(lab.hooks.count(), sign_in + 4, "services, agents, graphs, services again: {paths:?}");
    }

    fn a_failed_step_blocks_only_its_dependents(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(
            &[
                service("First", "version_sets: {dev: {agent_version: 1}}\n"),
                service("Second", "depends_on: [First]\n"),
                service("Third", ""),
            ]
            .join("---\n"),
        );
        lab.before(|request| {
            if is_create(request) && request.body.contains("\"First\"") {
                return answer(400, r#"{"detail":"the model is unknown"}"#);
            }
            None
        });
        let run = lab.apply().expect(4);
        // On Platform, one request creates a service with all of its version sets, so there is one step less.
        let summary = match api {
            Api::Classic => "1 of 4 steps done, 1 failed, 2 not attempted",
            Api::Platform => "1 of 3 steps done, 1 failed, 1 not attempted",
        };
        assert!(run.stderr.contains(summary), "{}", run.stderr);
        let (before, end) = run.stderr.rsplit_once("✗ First: create").unwrap();
        assert!(end.contains("the model is unknown") && end.contains("    → "), "{}", run.stderr);
        let waits = "· Second: create: not attempted (blocked by `First: create`, which failed)";
        assert!(before.contains(waits), "failures come last: {}", run.stderr);
        assert_eq!(lab.services().len(), 1);
        // Without warnings, unfinished steps are still reported.
        let run = lab.run(&["apply", "--auto-approve", "--quiet"]).expect(4);
        assert!(run.stderr.contains("\n✗ First: create: ") && run.stderr.starts_with("· ") && run.stderr.contains(waits), "{}", run.stderr);
        lab.remove_hooks();
        lab.apply().expect(0);
        lab.expect_converged();
    }

    fn an_incomplete_list_is_an_error(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&service("Desk", ""));
        lab.before(move |request| {
            let (path, items) = match api {
                Api::Classic => ("/service/", "services"),
                Api::Platform => ("/services", "items"),
            };
            if request.method == "GET" && request.path.split('?').next().unwrap().ends_with(path) {
                let body = format!(r#"{{"{items}":[],"has_more":true,"continuation_token":null}}"#);
                return answer(200, body);
            }
            None
        });
        let run = lab.run(&["plan"]).expect(1);
        assert!(run.stderr.contains("continuation_token"), "{}", run.stderr);
    }
}

#[test]
fn an_active_service_with_a_deprecated_agent_is_refused_in_the_plan() {
    // Only the Classic API returns whether an agent is deprecated.
    let seed = format!(
        "{EMPTY}    services:
      - {{name: Desk, description: The Desk, agent: Old, context_graph: Flow, active: false, tags: {{managed_by: amigops}}}}
"
    );
    let lab = Lab::new(&seed);
    lab.manifests(&service("Desk", "active: true\n").replace("agent: One", "agent: Old"));
    let run = lab.run(&["plan"]).expect(1);
    assert!(run.stderr.contains("deprecated"), "{}", run.stderr);
}

#[test]
fn a_version_set_used_by_a_unit_test_fails_alone() {
    // Only Classic has simulation unit tests.
    let seed = format!(
        "{EMPTY}    services:
      - name: Desk
        description: The Desk
        agent: One
        context_graph: Flow
        active: true
        tags: {{managed_by: amigops}}
        version_sets: {{dev: {{agent_version: 1, context_graph_version: 1}}}}
    unit_tests: [{{service: Desk, version_set: dev}}]
"
    );
    let lab = Lab::new(&seed);
    lab.manifests(&service("Desk", "version_sets: {staging: {agent_version: 2}}\n"));
    let run = lab.apply().expect(4);
    assert!(run.stderr.contains("unit test"), "{}", run.stderr);
    assert!(lab.active("Desk").version_sets.contains_key("staging"));
}
