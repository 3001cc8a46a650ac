//! Tests of plans for which guardrails are not enforced, as in drift reports. Refusals become findings, and the plans
//! still contain all changes.

use insta::assert_snapshot;

use super::build::*;
use crate::model::*;
use crate::plan::{LastChange, Options, Plan, PlanError, ProblemKind, plan, verify};

/// Makes and verifies a plan without enforcing guardrails. The policy allows no removals and protects Coach, so
/// enforced guardrails would refuse most plans.
fn plan_unenforced(desired: &Desired, snapshot: &Snapshot, prune: bool) -> Result<Plan, PlanError> {
    let options = Options { prune, enforce_guardrails: false, ..options() };
    let guardrails = Guardrails {
        max_removals: Some(MaxRemovals::Count(0)),
        protected: ["Coach".into()].into(),
        ..Guardrails::default()
    };
    let policy = Policy { guardrails, ..own_policy() };
    let plan = plan(desired, snapshot, &policy, &options)?;
    assert_eq!(verify::verify(desired, snapshot, &policy, &options, &plan), Vec::<String>::new());
    Ok(plan)
}

fn findings(plan: &Plan) -> String {
    let line = |finding: &crate::plan::Finding| format!("{}: {}", finding.service, finding.text());
    plan.findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn refusals_are_findings_beside_all_changes() {
    let mut tagged = live("2", "Summer", "A1");
    tagged.tags.insert(TAG_PROTECTED.to_owned(), Some("true".to_owned()));
    let mut anothers = live("4", "Desk", "A1");
    anothers.tags.insert("managed_by".to_owned(), Some("sisters".to_owned()));
    anothers.description = "theirs".to_owned();
    let state = snapshot([live("1", "Coach", "A1"), tagged, live("3", "Winter", "A1"), anothers]);
    let wanted = desired([wanted("Coach", "A2"), wanted("Desk", "A1")]);
    let plan = plan_unenforced(&wanted, &state, true).expect("a plan");
    assert_snapshot!(findings(&plan), @r"
    Coach: an apply would be refused: `Coach` would be replaced, but `guardrails.protected` lists it
    Desk: an apply would be refused: `Desk` (4) belongs to another project: its tag `managed_by` has the value `sisters`
    Summer: an apply would be refused: `Summer` would be retired, but the tag `protected` of this service forbids that
    Summer: an apply would be refused: the number of removals in the plan is 2, but `guardrails.max_removals` allows 0: 2 services retired (`Summer`, `Winter`)
    ");
    let summary = &plan.summary;
    assert_eq!((summary.update, summary.replace, summary.retire, summary.adopt), (1, 1, 2, 0));
    assert_eq!(summary.unchanged, 0, "the service of another project differs from its manifest");
}

#[test]
fn a_project_without_services_and_a_missing_agent_are_still_errors() {
    for prune in [false, true] {
        let state = snapshot([live("1", "Coach", "A1")]);
        let error = plan_unenforced(&desired([]), &state, prune).expect_err("no services");
        assert_eq!(error.problems[0].kind, ProblemKind::Impossible, "{error:#?}");
    }
    let error =
        plan_unenforced(&desired([wanted("Coach", "A9")]), &snapshot([]), false).expect_err("no agent");
    assert_eq!(error.problems[0].kind, ProblemKind::Missing);
}

#[test]
fn the_last_change_of_each_changed_service_is_in_the_plan() {
    let changed_by_maya = |mut service: LiveService| {
        service.updated_by = Some("maya".to_owned());
        service.updated_at = Some("2026-11-22T09:57:12Z".to_owned());
        service
    };
    let state = snapshot([
        changed_by_maya(live("1", "Coach", "A1")),
        changed_by_maya(LiveService { description: "old".to_owned(), ..live("2", "Desk", "A1") }),
        LiveService { description: "old".to_owned(), ..live("3", "Shop", "A1") },
        changed_by_maya(live("4", "Summer", "A1")),
    ]);
    let names = ["Coach", "Desk", "Shop", "New"];
    let agents = ["A2", "A1", "A1", "A1"];
    let wanted = desired(names.iter().zip(agents).map(|(name, agent)| wanted(name, agent)));
    let plan = plan_unenforced(&wanted, &state, true).expect("a plan");
    let maya = LastChange { by: Some("maya".to_owned()), at: Some("2026-11-22T09:57:12Z".to_owned()) };
    let last_changes: Vec<_> =
        plan.services.iter().map(|one| (one.name.as_str(), one.last_change.clone())).collect();
    let expected = [
        ("Coach", Some(maya.clone())),
        ("Desk", Some(maya.clone())),
        ("New", None),
        ("Shop", None),
        ("Summer", Some(maya)),
    ];
    assert_eq!(last_changes, expected);
}
