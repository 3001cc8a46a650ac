//! Notes about smoke tests that a plan does not run, with the real binary on both APIs.

use amigops::model::Api;

use crate::apply::replacement::{SEED, manifest};
use crate::harness::Lab;
use crate::on_both_apis;

const SMOKE: &str = "smoke:\n  - {say: Hello}\n  - {say: Goodbye}\n";

fn lab(api: Api) -> Lab {
    let lab = Lab::on(api, SEED);
    lab.manifests(&manifest("Coach Maya", SMOKE));
    lab.apply().expect(0);
    lab
}

on_both_apis! {
    fn a_plan_names_smoke_tests_that_it_does_not_run(api: Api) {
        let lab = lab(api);
        let plan = |agent: &str, from: &str, to: &str, more: &str| {
            lab.manifests(&manifest(agent, &format!("{SMOKE}{more}")).replace(from, to));
            lab.run(&["plan"]).expect(0).stdout
        };
        let note = "its smoke test on `release` is not run: this plan changes";
        let pins = plan("Coach Maya", "agent_version: 3", "agent_version: 2", "");
        assert_eq!(pins.matches(note).count(), 1, "one note for two tests: {pins}");
        assert!(pins.contains(&format!("{note} this version set in place")), "{pins}");
        let other_set = plan("Coach Maya", "context_graph_version: 6", "context_graph_version: 4", "");
        assert!(!other_set.contains("is not run"), "{other_set}");
        let tags = plan("Coach Maya", "tier: gold", "tier: silver", "");
        assert!(!tags.contains("is not run"), "{tags}");
        let in_place = plan("Coach Noor", "", "", "lifecycle: {on_agent_change: update}\n");
        assert!(in_place.contains(&format!("{note} the agent in place")), "{in_place}");
        let replaced = plan("Coach Noor", "", "", "lifecycle: {on_agent_change: replace}\n");
        assert!(!replaced.contains("is not run"), "{replaced}");
    }
}

#[test]
fn a_note_names_another_version_set() {
    let lab = lab(Api::Classic);
    let smoke = "smoke: [{version_set: staging, say: Hello}]\n";
    let text = manifest("Coach Maya", smoke).replace("context_graph_version: 6", "context_graph_version: 4");
    lab.manifests(&text);
    let plan = lab.run(&["plan"]).expect(0);
    let note = "its smoke test on `staging` is not run: this plan changes this version set in place";
    assert!(plan.stdout.contains(note), "{}", plan.stdout);
}
