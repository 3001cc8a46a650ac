//! Tests of taking over and pruning services, and of plans that are limited to the services of a saved plan.

use super::build::*;
use crate::model::*;
use crate::plan::{Options, ProblemKind, plan, verify};

fn owned_by(id: &str, name: &str, owner: &str) -> LiveService {
    let mut service = live(id, name, "A1");
    service.tags.insert("managed_by".to_owned(), Some(owner.to_owned()));
    service
}

#[test]
fn pruning_needs_a_written_ownership_value() {
    let (desired, state) =
        (desired([wanted("X", "A1")]), snapshot([live("x", "X", "A1"), live("y", "Y", "A1")]));
    let prune = Options { prune: true, ..options() };
    let shared = Policy::default();
    let error = plan(&desired, &state, &shared, &prune).expect_err("refused");
    assert!(error.is_refusal() && error.problems[0].message.contains("needs `ownership.value`"), "{error:?}");
    // `--prune` is refused even if there is nothing to prune.
    assert!(plan(&desired, &snapshot([live("x", "X", "A1")]), &shared, &prune).is_err());
    // If guardrails are not enforced, the refusal is a finding, and only if the plan would retire something.
    let unenforced = Options { enforce_guardrails: false, ..prune.clone() };
    let report = plan(&desired, &state, &shared, &unenforced).expect("a plan");
    assert!(report.findings.iter().any(|finding| finding.is_refusal()), "{:?}", report.findings);
    let report = plan(&desired, &snapshot([live("x", "X", "A1")]), &shared, &unenforced).expect("a plan");
    assert!(report.is_empty() && report.findings.is_empty());
    // The verifier refuses a plan with pruning, too, if the ownership value is not set.
    let made_plan = plan(&desired, &state, &own_policy(), &prune).expect("a plan");
    let violations = verify::verify(&desired, &state, &shared, &prune, &made_plan);
    assert!(violations.iter().any(|one| one.contains("a service that must stay")), "{violations:?}");
}

#[test]
fn services_are_taken_over_from_one_owner() {
    let desired = desired([wanted("X", "A1"), wanted("Y", "A1")]);
    let state = snapshot([owned_by("x", "X", "sisters"), owned_by("y", "Y", "cousins")]);
    let take_over_from = |owner: &str| Options { take_over: Some(owner.to_owned()), ..options() };
    let error = try_plan(&desired, &state, &take_over_from("sisters")).expect_err("refused");
    let names: Vec<_> = error.problems.iter().filter_map(|problem| problem.service.as_ref()).collect();
    assert_eq!(names, [&ServiceName::new("Y")]);
    let only = Options { only: ["X".into()].into(), ..take_over_from("sisters") };
    let made_plan = try_plan(&desired, &state, &only).expect("a plan");
    assert_eq!(steps(&made_plan), "1 update x tags=managed_by,origin");
    // The verifier refuses the plan if the options take over services from a different project.
    let other = Options { take_over: Some("cousins".to_owned()), ..only };
    let violations = verify::verify(&desired, &state, &own_policy(), &other, &made_plan);
    assert!(violations.iter().any(|one| one.contains("does not own")), "{violations:?}");
    assert!(violations.iter().any(|one| one.contains("of another project")), "{violations:?}");
}

#[test]
fn services_in_a_chain_of_renames_can_only_be_planned_together() {
    let renamed = |from: &str, name: &str| {
        let mut service = wanted(name, "A1");
        service.lifecycle.renamed_from = Some(from.into());
        service
    };
    let desired = desired([renamed("First", "Second"), renamed("Second", "Third"), wanted("Other", "A1")]);
    let state = snapshot([live("x", "First", "A1"), live("y", "Second", "A1"), live("z", "Other", "A2")]);
    let touched =
        |names: &[&str]| Options { touched: Some(names.iter().map(ServiceName::new).collect()), ..options() };
    let both = try_plan(&desired, &state, &touched(&["Second", "Third"])).expect("a plan");
    let services: Vec<_> = both.steps.iter().map(|step| step.service.as_str()).collect();
    assert_eq!(services, ["Third", "Second"], "{}", steps(&both));
    let error = try_plan(&desired, &state, &touched(&["Second"])).expect_err("the name is not free");
    assert_eq!(error.problems[0].kind, ProblemKind::Ambiguous);
    assert!(try_plan(&desired, &state, &touched(&[])).expect("a plan").is_empty());
}
