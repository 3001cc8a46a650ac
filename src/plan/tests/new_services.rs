//! New services: pins that rules want of them from the start, and names that may be an orphan's new one.

use insta::assert_snapshot;
use serde_json::json;

use super::build::*;
use super::platform::{platform, there};
use crate::model::*;
use crate::plan::{self, Action, Options, Plan, PlanError, ProblemKind, verify};

fn pinned() -> Policy {
    let require_pins = ["release".into(), "edge".into(), "dev".into()].into();
    Policy { guardrails: Guardrails { require_pins, ..Guardrails::default() }, ..own_policy() }
}

/// Plans where pins are required, and has the plan judged.
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

const BORN: &str = "\
Coach.yaml:1:1: version set `release` of `Coach` would be created unpinned, but `guardrails.require_pins` names it
  declare `version_sets: {release: {agent_version: …, context_graph_version: …}}` with versions that exist; no flag allows it";

#[test]
fn a_service_is_not_born_at_latest_where_pins_are_required() {
    for options in [options(), platform()] {
        let mut coach = wanted("Coach", "A1");
        for declared in [None, sets(&[]), sets(&[("staging", 0, 0)])] {
            coach.version_sets = declared;
            let told = refusal(plan_pinned(&coach, &snapshot([]), &options));
            assert_eq!(told, BORN);
        }
        coach.version_sets = sets(&[("release", 3, 5)]);
        plan_pinned(&coach, &snapshot([]), &options).expect("pinned, and without a set `dev`");
        // With one pin of two left to the latest, the loader would have stopped it already.
        coach.version_sets = sets(&[("release", 3, 5), ("dev", 3, 0)]);
        assert!(refusal(plan_pinned(&coach, &snapshot([]), &options)).contains("version set `dev`"));
    }
}

#[test]
fn what_is_there_stays_unmanaged_and_is_carried_as_it_is() {
    let coach = wanted("Coach", "A1");
    let mut other = live("1", "Coach", "A1");
    other.description = "another".to_owned();
    plan_pinned(&coach, &snapshot([other]), &options()).expect("it follows the latest as before");
    let moved = wanted("Coach", "A2");
    plan_pinned(&moved, &snapshot([live("1", "Coach", "A1")]), &options()).expect("carried over");
}

#[test]
fn a_replacement_of_a_service_without_the_set_has_nothing_to_carry() {
    let mut moved = wanted("Coach", "A2");
    moved.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
    let mut old = there("65f0c1aa-0000-4000-8000-000000000001", "Coach", "A1", json!({}));
    old.version_sets.clear();
    assert!(refusal(plan_pinned(&moved, &snapshot([old.clone()]), &platform())).contains("created unpinned"));
    moved.version_sets = sets(&[("release", 3, 5)]);
    plan_pinned(&moved, &snapshot([old]), &platform()).expect("declared");
}

#[test]
fn the_judge_finds_a_birth_at_latest_and_looking_tells_of_it() {
    let (desired, there, policy) = (desired([wanted("Coach", "A1")]), snapshot([]), pinned());
    for options in [options(), platform()] {
        let looks = Options { enforce_guardrails: false, ..options.clone() };
        let plan = plan::plan(&desired, &there, &policy, &looks).expect("looked at only");
        assert!(plan.findings[0].text().starts_with("an apply would be refused: version set `release` of"));
        assert_eq!(verify::verify(&desired, &there, &policy, &looks, &plan), Vec::<String>::new());
        let told = verify::verify(&desired, &there, &policy, &options, &plan);
        assert_eq!(told, ["makes `Coach` with version set `release` at latest"]);
    }
}

#[test]
fn the_judge_finds_a_pin_that_a_replacement_loses() {
    let mut coach = wanted("Coach", "A2");
    coach.version_sets = sets(&[("release", 3, 5)]);
    let mut old = live("1", "Coach", "A1");
    old.version_sets.insert("release".into(), live_set(2, 0));
    let there = snapshot([old]);
    let mut plan = plan_pinned(&coach, &there, &options()).expect("a plan");
    let Action::Create(new) = &mut plan.steps[0].action else { panic!("{}", steps(&plan)) };
    new.version_sets.insert("release".into(), live_set(0, 0));
    let told = verify::verify(&desired([coach]), &there, &pinned(), &options(), &plan);
    assert!(told.contains(&"makes `Coach` with version set `release` at latest".to_owned()), "{told:?}");
}

/// What a plan says of services that may have been renamed.
fn renames(services: &[DesiredService], there: &Snapshot, options: &Options) -> String {
    let plan = plan_and_judge(&desired(services.to_vec()), there, options);
    let told = plan.findings.iter().filter(|finding| finding.message.contains("renamed_from"));
    told.map(|finding| format!("{}: {}", finding.service, finding.message)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_new_service_that_may_be_an_orphan_under_another_name_is_told_of() {
    let there = snapshot([live("1", "Old", "A1"), live("2", "Winter", "A2")]);
    let prune = Options { prune: true, ..options() };
    let new = [wanted("New", "A1")];
    assert_snapshot!(renames(&new, &there, &options()), @"New: if this is `Old` under a new name, say `lifecycle: {renamed_from: Old}`: it keeps its id");
    assert_snapshot!(renames(&new, &there, &prune), @"New: if this is `Old`, which this plan retires, under a new name, say `lifecycle: {renamed_from: Old}`: it keeps its id");
    let mut said = new.clone();
    said[0].lifecycle.renamed_from = Some("Old".into());
    assert_eq!(renames(&said, &there, &prune), "");
    assert_eq!(renames(&[wanted("New", "A3")], &there, &prune), "", "it joins another agent");
    let mut other = wanted("New", "A1");
    other.context_graph = Reference::Name("G2".to_owned());
    assert_eq!(renames(&[other], &there, &prune), "", "it joins another context graph");
    let odd = snapshot([live("1", "Old: one", "A1")]);
    assert!(renames(&new, &odd, &options()).contains(r#"{renamed_from: "Old: one"}"#));
}

#[test]
fn what_is_not_the_one_orphan_is_no_guess() {
    let new = [wanted("New", "A1"), wanted("Kept", "A1")];
    let with = |old: Vec<LiveService>| {
        let there = snapshot(old.into_iter().chain([live("9", "Kept", "A1")]));
        renames(&new, &there, &options())
    };
    assert!(with(vec![live("1", "Old", "A1")]).contains("renamed_from: Old"), "a declared one is no orphan");
    assert_eq!(with(vec![live("1", "Old", "A1"), live("2", "Older", "A1")]), "", "which of two?");
    let mut idle = live("1", "Old", "A1");
    idle.active = false;
    assert_eq!(with(vec![idle]), "", "it is out of use");
    let mut stranger = live("1", "Old", "A1");
    stranger.tags.clear();
    assert_eq!(with(vec![stranger]), "", "it is nobody's");
}

#[test]
fn only_names_what_was_meant() {
    let only = Options { only: ["Helth Coach".into(), "Nobody".into()].into(), ..options() };
    let error =
        try_plan(&desired([wanted("Health Coach", "A1")]), &snapshot([]), &only).expect_err("not declared");
    assert!(error.problems.iter().all(|problem| problem.kind == ProblemKind::Missing));
    let told: Vec<String> =
        error.problems.iter().map(|p| format!("{} | {}", p.message, p.help.join(" "))).collect();
    assert_snapshot!(told.join("\n"), @r"
    --only names `Helth Coach`, which no manifest declares | did you mean `Health Coach`?
    --only names `Nobody`, which no manifest declares |
    ");
}
