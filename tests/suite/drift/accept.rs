//! `drift --accept` with the real binary on both APIs: the manifests get the live values.

use amigops::model::Api;

use super::{applied_lab, declared, edit};
use crate::harness::{EMPTY, Lab, WORKSPACE};
use crate::on_both_apis;

fn manifests(lab: &Lab) -> String {
    std::fs::read_to_string(lab.path().join("services/all.yaml")).unwrap()
}

/// Creates a lab whose two services have other descriptions than their manifests, which have comments.
fn drifted_lab(api: Api) -> (Lab, String) {
    let lab = applied_lab(api);
    let commented = format!("# Our services.\n{}", declared());
    lab.manifests(&commented);
    for name in ["Desk", "Shop"] {
        let id = lab.active(name).id;
        lab.change(&id, |service| service.description = format!("Live {name}"));
    }
    lab.run(&["drift"]).expect(2);
    (lab, commented)
}

on_both_apis! {
    fn all_drift_is_accepted(api: Api) {
        let (lab, before) = drifted_lab(api);
        let state = lab.comparable_state();
        let shown = lab.run(&["drift", "--accept", "--dry-run"]).expect(0);
        assert!(shown.stdout.contains("+description: Live Desk"), "{}", shown.stdout);
        assert_eq!(manifests(&lab), before);
        lab.run(&["drift", "--accept"]).expect(0);
        let accepted = before.replace("description: The Desk", "description: Live Desk");
        assert_eq!(manifests(&lab), accepted.replace("description: The Shop", "description: Live Shop"));
        assert_eq!(lab.comparable_state(), state, "nothing is sent");
        lab.run(&["drift"]).expect(0);
        lab.run(&["plan", "--detailed-exitcode"]).expect(0);
        lab.run(&["drift", "--accept"]).expect(0);
    }

    fn only_the_named_drift_is_accepted(api: Api) {
        let (lab, before) = drifted_lab(api);
        lab.run(&["drift", "--accept", "Shop"]).expect(0);
        assert_eq!(manifests(&lab), before.replace("description: The Shop", "description: Live Shop"));
        lab.run(&["drift", "--only", "Shop"]).expect(0);
        lab.run(&["drift"]).expect(2);
        let unknown = lab.run(&["drift", "--accept", "Desk", "Nobody"]).expect(1);
        assert!(unknown.stderr.contains("no manifest declares `Nobody`"), "{}", unknown.stderr);
    }

    fn a_rename_and_a_deactivation_are_accepted(api: Api) {
        let lab = applied_lab(api);
        let (desk, shop) = (lab.active("Desk").id, lab.active("Shop").id);
        lab.change(&desk, |service| service.name = "Front Desk".to_owned());
        lab.change(&shop, |service| service.is_active = false);
        lab.run(&["drift"]).expect(2);
        lab.run(&["drift", "--accept"]).expect(0);
        assert!(manifests(&lab).contains("service: Front Desk\n"), "{}", manifests(&lab));
        assert!(manifests(&lab).contains("active: false\n"), "{}", manifests(&lab));
        lab.run(&["drift"]).expect(0);
        // Only the tag `origin` does not know the new name yet.
        let plan = lab.run(&["plan", "--detailed-exitcode"]).expect(2);
        assert!(plan.stdout.contains("tags.origin") && plan.stdout.contains("1 to change"), "{}", plan.stdout);
        lab.apply().expect(0);
        lab.expect_converged();
        assert_eq!(lab.active("Front Desk").id, desk);
    }
}

#[test]
fn a_service_that_was_deleted_is_noted() {
    let lab = Lab::on(Api::Platform, EMPTY);
    lab.manifests(&declared());
    lab.apply().expect(0);
    let id = lab.active("Shop").id;
    edit(&lab, |world| assert!(world.workspace_mut(WORKSPACE).unwrap().services_mut().remove(&id)));
    let accepted = lab.run(&["drift", "--accept"]).expect(0);
    assert!(accepted.stderr.contains("`Shop`: no live service matches its manifest"), "{}", accepted.stderr);
    assert_eq!(manifests(&lab), declared());
}
