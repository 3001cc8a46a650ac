//! Tests of new services: pins that guardrails require, notes about orphans that may be the same service under another
//! name, and unknown names in `--only`.

use insta::assert_snapshot;
use serde_json::json;

use super::build::*;
use super::platform::{platform, platform_live};
use crate::model::*;
use crate::plan::{self, Action, Options, Plan, PlanError, ProblemKind, verify};

fn pinned() -> Policy {
    let require_pins = ["release".into(), "edge".into(), "dev".into()].into();
    Policy { guardrails: Guardrails { require_pins, ..Guardrails::default() }, ..own_policy() }
}

/// Makes and verifies a plan with a guardrail that requires pins. Returns the error if the plan is refused.
fn plan_pinned(wanted: &DesiredService, snapshot: &Snapshot, options: &Options) -> Result<Plan, PlanError> {
    let (desired, policy) = (desired([wanted.clone()]), pinned());
    let plan = plan::plan(&desired, snapshot, &policy, options)?;
    assert_eq!(verify::verify(&desired, snapshot, &policy, options, &plan), Vec::<String>::new());
    Ok(plan)
}

fn refusal(planned: Result<Plan, PlanError>) -> String {
    let error = planned.expect_err("refused");
    assert!(error.is_refusal(), "{error:?}");
    let line = |problem: &plan::Problem| {
        let place = problem.place.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{place}: {}\n  {}", problem.message, problem.help.join("\n  "))
    };
    error.problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

const UNPINNED: &str = "\
Coach.yaml:1:1: version set `release` of `Coach` would be created unpinned, but `guardrails.require_pins` lists it
  declare `version_sets: {release: {agent_version: …, context_graph_version: …}}` with versions that exist; no flag overrides this guardrail";

#[test]
fn a_new_service_must_be_pinned_where_pins_are_required() {
    for options in [options(), platform()] {
        let mut coach = wanted("Coach", "A1");
        for declared in [None, sets(&[]), sets(&[("staging", 0, 0)])] {
            coach.version_sets = declared;
            let messages = refusal(plan_pinned(&coach, &snapshot([]), &options));
            assert_eq!(messages, UNPINNED);
        }
        coach.version_sets = sets(&[("release", 3, 5)]);
        plan_pinned(&coach, &snapshot([]), &options).expect("it is pinned, and has no version set `dev`");
        // The loader refuses a version set that has only one of the two pins. The planner refuses it, too.
        coach.version_sets = sets(&[("release", 3, 5), ("dev", 3, 0)]);
        assert!(refusal(plan_pinned(&coach, &snapshot([]), &options)).contains("version set `dev`"));
    }
}

#[test]
fn undeclared_version_sets_stay_unpinned_and_are_copied_unpinned() {
    let coach = wanted("Coach", "A1");
    let mut other = live("1", "Coach", "A1");
    other.description = "another".to_owned();
    plan_pinned(&coach, &snapshot([other]), &options()).expect("it is unpinned as before");
    let moved = wanted("Coach", "A2");
    plan_pinned(&moved, &snapshot([live("1", "Coach", "A1")]), &options()).expect("it is copied unpinned");
}

#[test]
fn a_replacement_of_a_service_without_the_version_set_must_be_pinned() {
    let mut moved = wanted("Coach", "A2");
    moved.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let mut old = platform_live("65f0c1aa-0000-4000-8000-000000000001", "Coach", "A1", json!({}));
    old.version_sets.clear();
    assert!(refusal(plan_pinned(&moved, &snapshot([old.clone()]), &platform())).contains("created unpinned"));
    moved.version_sets = sets(&[("release", 3, 5)]);
    plan_pinned(&moved, &snapshot([old]), &platform()).expect("it is pinned");
}

#[test]
fn the_verifier_finds_an_unpinned_new_service_and_a_report_notes_it() {
    let (desired, state, policy) = (desired([wanted("Coach", "A1")]), snapshot([]), pinned());
    for options in [options(), platform()] {
        let unenforced = Options { enforce_guardrails: false, ..options.clone() };
        let plan = plan::plan(&desired, &state, &policy, &unenforced).expect("a plan");
        assert!(plan.findings[0].text().starts_with("an apply would be refused: version set `release` of"));
        assert_eq!(verify::verify(&desired, &state, &policy, &unenforced, &plan), Vec::<String>::new());
        let messages = verify::verify(&desired, &state, &policy, &options, &plan);
        assert_eq!(messages, ["creates `Coach` with the unpinned version set `release`"]);
    }
}

#[test]
fn the_verifier_finds_a_pin_that_a_replacement_loses() {
    let mut coach = wanted("Coach", "A2");
    coach.version_sets = sets(&[("release", 3, 5)]);
    let mut old = live("1", "Coach", "A1");
    old.version_sets.insert("release".into(), live_set(2, 0));
    let state = snapshot([old]);
    let mut plan = plan_pinned(&coach, &state, &options()).expect("a plan");
    let Action::Create(new) = &mut plan.steps[0].action else { panic!("{}", steps(&plan)) };
    new.version_sets.insert("release".into(), live_set(0, 0));
    let messages = verify::verify(&desired([coach]), &state, &pinned(), &options(), &plan);
    assert!(
        messages.contains(&"creates `Coach` with the unpinned version set `release`".to_owned()),
        "{messages:?}"
    );
}

/// Returns the notes of a plan about services that may have been renamed.
fn rename_notes(services: &[DesiredService], state: &Snapshot, options: &Options) -> String {
    let plan = plan_and_verify(&desired(services.to_vec()), state, options);
    let messages = plan.findings.iter().filter(|finding| finding.message.contains("renamed_from"));
    messages.map(|finding| format!("{}: {}", finding.service, finding.message)).collect::<Vec<_>>().join("\n")
}

/// Without a tag `origin`, nothing shows whether another client renamed the service. So the plan is refused.
#[test]
fn a_new_service_that_may_be_an_orphan_under_another_name_is_refused() {
    let state = snapshot([live("1", "Old", "A1"), live("2", "Winter", "A2")]);
    let prune = Options { prune: true, ..options() };
    let new = [wanted("New", "A1")];
    let refused = |services: &[DesiredService], state: &Snapshot, options: &Options| {
        refusal(try_plan(&desired(services.to_vec()), state, options))
    };
    let message = refused(&new, &state, &options());
    assert_snapshot!(message, @"
    New.yaml:1:1: `New` would be created, but `Old` (1) has the same agent and context graph and is in no manifest, so it may be the same service under another name
      if it is, write `lifecycle: {renamed_from: Old}` to keep its id
      if it is not, use `--create New` to create a second service
    ");
    assert_eq!(refused(&new, &state, &prune), message);
    let create = Options { create: ["New".into()].into(), ..prune.clone() };
    assert_snapshot!(rename_notes(&new, &state, &create), @"New: if this is `Old`, which this plan retires, under a new name, write `lifecycle: {renamed_from: Old}` to keep its id");
    let unenforced = Options { enforce_guardrails: false, ..options() };
    let plan = try_plan(&desired(new.to_vec()), &state, &unenforced).expect("a plan");
    assert!(
        plan.findings.iter().any(|finding| finding.text().starts_with("an apply would be refused: `New`"))
    );
    let violations = verify::verify(&desired(new.to_vec()), &state, &own_policy(), &options(), &plan);
    assert_eq!(violations, ["creates `New`, although it may be `Old` under another name"]);
    let mut declared = new.clone();
    declared[0].lifecycle.renamed_from = Some("Old".into());
    assert_eq!(rename_notes(&declared, &state, &prune), "");
    assert_eq!(rename_notes(&[wanted("New", "A3")], &state, &prune), "", "it has another agent");
    let mut other = wanted("New", "A1");
    other.context_graph = Reference::Name("G2".to_owned());
    assert_eq!(rename_notes(&[other], &state, &prune), "", "it has another context graph");
    let quoted = snapshot([live("1", "Old: one", "A1")]);
    assert!(refused(&new, &quoted, &options()).contains(r#"{renamed_from: "Old: one"}"#));
}

/// The tag `origin` of the orphan shows that it was made for another manifest, which is gone.
#[test]
fn a_new_service_that_may_be_an_orphan_with_a_tag_origin_is_noted() {
    let state = snapshot([made_for("Old", live("1", "Old", "A1"))]);
    let new = [wanted("New", "A1")];
    assert_snapshot!(rename_notes(&new, &state, &options()), @"New: if this is `Old` under a new name, write `lifecycle: {renamed_from: Old}` to keep its id");
    assert_snapshot!(rename_notes(&new, &state, &Options { prune: true, ..options() }), @"New: if this is `Old`, which this plan retires, under a new name, write `lifecycle: {renamed_from: Old}` to keep its id");
}

#[test]
fn a_rename_is_only_suspected_for_exactly_one_orphan() {
    let new = [wanted("New", "A1"), wanted("Kept", "A1")];
    let with = |old: Vec<LiveService>| {
        let state = snapshot(old.into_iter().chain([live("9", "Kept", "A1")]));
        match try_plan(&desired(new.to_vec()), &state, &options()) {
            Ok(_) => rename_notes(&new, &state, &options()),
            refused => refusal(refused),
        }
    };
    assert!(
        with(vec![live("1", "Old", "A1")]).contains("renamed_from: Old"),
        "a declared service is not an orphan"
    );
    assert_eq!(
        with(vec![live("1", "Old", "A1"), live("2", "Older", "A1")]),
        "",
        "two orphans could be meant"
    );
    let mut inactive = live("1", "Old", "A1");
    inactive.active = false;
    assert_eq!(with(vec![inactive]), "", "it is inactive");
    let mut unowned = live("1", "Old", "A1");
    unowned.tags.clear();
    assert_eq!(with(vec![unowned]), "", "no project owns it");
}

#[test]
fn an_unknown_name_in_an_option_is_reported_with_a_similar_one() {
    let only = ["Helth Coach".into(), "Zed".into()].into();
    let only = Options { only, create: ["Heath Coach".into()].into(), ..options() };
    let error =
        try_plan(&desired([wanted("Health Coach", "A1")]), &snapshot([]), &only).expect_err("not declared");
    assert!(error.problems.iter().all(|problem| problem.kind == ProblemKind::Missing));
    let messages: Vec<String> =
        error.problems.iter().map(|p| format!("{} | {}", p.message, p.help.join(" "))).collect();
    assert_snapshot!(messages.join("\n"), @r"
    --create names `Heath Coach`, which no manifest declares | did you mean `Health Coach`?
    --only names `Helth Coach`, which no manifest declares | did you mean `Health Coach`?
    --only names `Zed`, which no manifest declares |
    ");
}
