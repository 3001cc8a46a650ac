//! Tests that integers that a floating-point number can't represent are compared and sent exactly, or not written at
//! all.

use amigops::model::Api;

use super::server::Request;
use super::{json, lists_services, page, service, start_hostile_proxy};
use crate::harness::{self, EMPTY, Lab};
use crate::on_both_apis;

/// Returns the manifest of a service whose model preference has the parameter `seed` with this value.
fn manifest(seed: &str) -> String {
    let preferences = format!("{{EngageUser: {{llm_name: gpt, params: {{seed: {seed}}}}}}}");
    let sets = format!(
        "version_sets: {{release: {{agent_version: 1, context_graph_version: 1, llm_model_preferences: {preferences}}}}}\n"
    );
    harness::service("Desk", &sets)
}

on_both_apis! {
    fn integers_beyond_2_to_the_53_are_compared_and_sent_exactly(api: Api) {
        let lab = Lab::on(api, EMPTY);
        for seed in ["9007199254740992", "9007199254740993", "18446744073709551615", "-9223372036854775808"] {
            lab.manifests(&manifest(seed));
            let run = lab.run(&["plan", "--detailed-exitcode", "--format", "json"]).expect(2);
            assert!(run.stdout.contains(seed), "{}", run.stdout);
            lab.apply().expect(0);
            lab.run(&["plan", "--detailed-exitcode"]).expect(0);
            lab.run(&["drift"]).expect(0);
            std::fs::remove_file(lab.path().join("services/all.yaml")).unwrap();
            lab.run(&["import", "--all", "--out", "services"]).expect(0);
            let file = std::fs::read_dir(lab.path().join("services")).unwrap().next().unwrap().unwrap().path();
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::remove_file(file).unwrap();
            assert!(text.contains(&format!("seed: {seed}")), "{text}");
        }
    }

    fn longer_live_integers_are_shown_and_never_written_back(api: Api) {
        let lab = Lab::on(api, EMPTY);
        lab.manifests(&harness::service("Desk", "version_sets: {release: {agent_version: 2}}\n"));
        start_hostile_proxy(&lab, move |request: &Request| {
            let desk = service(1, "Desk", "Helps", "123456789012345678901234");
            let desk = match api {
                Api::Classic => desk,
                Api::Platform => desk.replace("000000000000000000000001", "00000000-0000-4000-8000-000000000001"),
            };
            match request.method.as_str() {
                "GET" if lists_services(request) => page(api, &desk, None),
                "GET" if request.target.contains("/services/0000") => json(desk),
                _ => None,
            }
        });
        let run = lab.run(&["apply", "--auto-approve"]).expect(4);
        assert!(run.stderr.contains("has an integer of more than 64 bits"), "{}", run.stderr);
        assert_eq!(lab.writes(), [], "nothing reached the server");
    }
}
