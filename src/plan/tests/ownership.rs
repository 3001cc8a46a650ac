//! Whose services a plan may take over and prune, and plans that are restricted to what a saved one touches.

use super::build::*;
use crate::model::*;
use crate::plan::{Finding, Options, ProblemKind, plan, verify};

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
    // Also where there is nothing to prune today.
    assert!(plan(&desired, &snapshot([live("x", "X", "A1")]), &shared, &prune).is_err());
    // A plan that is only looked at says so where it would retire something.
    let looked = Options { enforce_guardrails: false, ..prune.clone() };
    let shown = plan(&desired, &state, &shared, &looked).expect("a plan to look at");
    assert!(shown.findings.iter().any(Finding::is_refusal), "{:?}", shown.findings);
    let shown =
        plan(&desired, &snapshot([live("x", "X", "A1")]), &shared, &looked).expect("a plan to look at");
    assert!(shown.is_empty() && shown.findings.is_empty());
    // The verifier refuses by itself what the planner should have refused.
    let made = plan(&desired, &state, &own_policy(), &prune).expect("a plan");
    let violations = verify::verify(&desired, &state, &shared, &prune, &made);
    assert!(violations.iter().any(|one| one.contains("a service that must stay")), "{violations:?}");
}

#[test]
fn services_are_taken_over_from_one_owner() {
    let desired = desired([wanted("X", "A1"), wanted("Y", "A1")]);
    let state = snapshot([owned_by("x", "X", "sisters"), owned_by("y", "Y", "cousins")]);
    let take = |owner: &str| Options { take_over: Some(owner.to_owned()), ..options() };
    let error = try_plan(&desired, &state, &take("sisters")).expect_err("refused");
    let names: Vec<_> = error.problems.iter().filter_map(|problem| problem.service.as_ref()).collect();
    assert_eq!(names, [&ServiceName::new("Y")]);
    let only = Options { only: ["X".into()].into(), ..take("sisters") };
    let made = try_plan(&desired, &state, &only).expect("a plan");
    assert_eq!(steps(&made), "1 update x tags=managed_by");
    // The verifier knows whose it may take.
    let other = Options { take_over: Some("cousins".to_owned()), ..only };
    let violations = verify::verify(&desired, &state, &own_policy(), &other, &made);
    assert!(violations.iter().any(|one| one.contains("is not ours")), "{violations:?}");
    assert!(violations.iter().any(|one| one.contains("of another project")), "{violations:?}");
}

#[test]
fn services_that_pass_a_name_on_can_only_be_planned_together() {
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
    let of: Vec<_> = both.steps.iter().map(|step| step.service.as_str()).collect();
    assert_eq!(of, ["Third", "Second"], "{}", steps(&both));
    let error = try_plan(&desired, &state, &touched(&["Second"])).expect_err("the name is not free");
    assert_eq!(error.problems[0].kind, ProblemKind::Ambiguous);
    assert!(try_plan(&desired, &state, &touched(&[])).expect("a plan").is_empty());
}
