//! Tests of properties that the plan for every random state must have. The states include renames, swaps, replacements,
//! removals and unfinished replacements.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::build::*;
use super::generate::{config, final_state, flags, policies, policy, state, states};
use crate::model::*;
use crate::plan::{self, Action, Options, Plan, PlanError, ProblemKind, Step, StepId, verify};

/// Makes and verifies a plan. Returns `None` if no plan can be made.
fn find_verified_plan(desired: &Desired, snapshot: &Snapshot, options: &Options) -> Option<Plan> {
    verified_plan(desired, snapshot, &policy(), options).ok()
}

fn verified_plan(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
) -> Result<Plan, PlanError> {
    let plan = plan::plan(desired, snapshot, policy, options)?;
    let violations = verify::verify(desired, snapshot, policy, options, &plan);
    assert!(violations.is_empty(), "the verifier refuses the plan: {violations:#?}\n{}", steps(&plan));
    Ok(plan)
}

/// Generates random inputs of planning: manifests, a live state, project rules and options.
fn plan_inputs() -> impl Strategy<Value = (Desired, Snapshot, Policy, Options)> {
    states().prop_flat_map(|(api, desired, mut snapshot)| {
        // Some agents have fewer versions than others.
        let limit_versions = |entry: &mut CatalogEntry| entry.latest = LatestVersion::Number(2);
        snapshot.agents.entries.get_mut("a3").into_iter().for_each(limit_versions);
        let options = Options { api, ..options() };
        (Just(desired), Just(snapshot), policies(api), flags(options))
    })
}

/// Returns the options together with every flag that can allow a refused plan.
fn with_all_flags(desired: &Desired, options: &Options) -> Options {
    Options {
        take_over: Some("sisters".to_owned()),
        allow_protected: true,
        max_removals: Some(MaxRemovals::Count(usize::MAX)),
        create: desired.services.keys().cloned().collect(),
        ..options.clone()
    }
}

/// Returns the completed steps for each point at which a run can be interrupted. A run can be interrupted before,
/// between and after steps, and inside each cut-over, between the rename and the activation.
pub(super) fn interruptions(plan: &Plan) -> Vec<Vec<Step>> {
    let mut interruptions = Vec::new();
    for done in 0..=plan.steps.len() {
        interruptions.push(plan.steps[..done].to_vec());
        if let Some(Step { action: Action::HandOver { old, rename: Some(rename), .. }, service, .. }) =
            plan.steps.get(done)
        {
            let mut inside = plan.steps[..done].to_vec();
            inside.push(Step {
                id: StepId(done + 1),
                service: service.clone(),
                action: Action::Update { id: old.clone(), update: rename.clone() },
                depends_on: BTreeSet::new(),
                risk: plan::Risk::Safe,
                changes: plan::ServiceChanges::default(),
                reason: None,
            });
            interruptions.push(inside);
        }
    }
    interruptions
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_reaches_the_desired_state_and_the_second_plan_is_empty(
        (api, desired, snapshot) in states(), prune: bool,
    ) {
        let options = Options { api, prune, ..options() };
        let Some(plan) = find_verified_plan(&desired, &snapshot, &options) else { return Ok(()) };
        let after = verify::outcome(&snapshot, &plan.steps, api);
        let again = find_verified_plan(&desired, &after, &options).expect("a plan can be made again");
        prop_assert!(again.is_empty(), "the second plan is not empty:\n{}\nafter:\n{}", steps(&again), steps(&plan));
    }

    #[test]
    fn no_plan_breaks_a_rule_and_the_second_plan_is_empty((desired, snapshot, policy, options) in plan_inputs()) {
        let Ok(plan) = verified_plan(&desired, &snapshot, &policy, &options) else { return Ok(()) };
        let after = verify::outcome(&snapshot, &plan.steps, options.api);
        let again = verified_plan(&desired, &after, &policy, &options).expect("a plan can be made again");
        prop_assert!(again.is_empty(), "the second plan is not empty:\n{}\nafter:\n{}", steps(&again), steps(&plan));
    }

    /// If a guardrail refuses a plan and a flag can allow it, planning must succeed with all flags. The verifier must
    /// accept that plan with the flags, and must refuse it without them.
    #[test]
    fn flags_allow_refused_plans_and_the_verifier_knows_the_rules((desired, snapshot, policy, options) in plan_inputs()) {
        let Err(refused) = verified_plan(&desired, &snapshot, &policy, &options) else { return Ok(()) };
        let by_a_flag = |problem: &plan::Problem| {
            problem.kind == ProblemKind::Refused && problem.help.iter().any(|help| help.contains("--"))
        };
        if !refused.problems.iter().all(by_a_flag) {
            return Ok(());
        }
        let allowed = match verified_plan(&desired, &snapshot, &policy, &with_all_flags(&desired, &options)) {
            Ok(allowed) => allowed,
            // With the flags, planning goes on and can find problems of other kinds. But no other flag may be
            // necessary.
            Err(error) => {
                prop_assert!(!error.problems.iter().any(by_a_flag), "{error:#?}");
                return Ok(());
            }
        };
        let violations = verify::verify(&desired, &snapshot, &policy, &options, &allowed);
        prop_assert!(!violations.is_empty(), "{refused:#?}\nis not refused by the verifier in\n{}", steps(&allowed));
    }

    #[test]
    fn a_run_that_is_interrupted_anywhere_is_continued_to_the_same_state((api, desired, snapshot) in states()) {
        let options = Options { api, ..options() };
        let Some(plan) = find_verified_plan(&desired, &snapshot, &options) else { return Ok(()) };
        let expected = verify::outcome(&snapshot, &plan.steps, api);
        for done in interruptions(&plan) {
            let interrupted = verify::outcome(&snapshot, &done, api);
            let rest = find_verified_plan(&desired, &interrupted, &options);
            let Some(rest) = rest else {
                let error = plan::plan(&desired, &interrupted, &policy(), &options);
                panic!("after {} of\n{}\nno plan: {error:#?}", done.len(), steps(&plan));
            };
            let resumed = verify::outcome(&interrupted, &rest.steps, api);
            prop_assert_eq!(
                final_state(&desired, &expected), final_state(&desired, &resumed),
                "after {} of\n{}\nthe rest was\n{}", done.len(), steps(&plan), steps(&rest)
            );
            prop_assert_eq!(expected.services.len(), resumed.services.len(), "a duplicate after {} of\n{}\nthe rest was\n{}", done.len(), steps(&plan), steps(&rest));
            let again = find_verified_plan(&desired, &resumed, &options).expect("a plan can be made again");
            prop_assert!(again.is_empty(), "the second plan is not empty:\n{}\nafter:\n{}", steps(&again), steps(&rest));
        }
    }

    /// If guardrails are not enforced, each refusal must become a finding. If no guardrail refuses a plan, the plan
    /// must be the same with and without enforcement.
    #[test]
    fn unenforced_guardrails_hide_nothing(
        (api, desired, mut snapshot) in states(), prune: bool, strict: bool, foreign in 0_usize..8,
    ) {
        if foreign > 0 && let Some(anothers) = snapshot.services.get_mut(foreign - 1) {
            anothers.tags.insert("managed_by".to_owned(), Some("sisters".to_owned()));
        }
        let mut policy = policy();
        if strict {
            policy.guardrails.max_removals = Some(MaxRemovals::Count(0));
            policy.guardrails.protected = desired.services.keys().cloned().collect();
        }
        let enforced = Options { api, prune, ..options() };
        let unenforced = Options { enforce_guardrails: false, ..enforced.clone() };
        let report = plan::plan(&desired, &snapshot, &policy, &unenforced);
        if let Ok(plan) = &report {
            let violations = verify::verify(&desired, &snapshot, &policy, &unenforced, plan);
            prop_assert!(violations.is_empty(), "the verifier refuses the plan: {violations:#?}\n{}", steps(plan));
        }
        match (plan::plan(&desired, &snapshot, &policy, &enforced), report) {
            (Ok(plan), report) => prop_assert_eq!(Ok(plan), report),
            (Err(error), Ok(plan)) => {
                let mut refused = error.problems.iter().filter(|one| one.kind == plan::ProblemKind::Refused);
                // Without enforcement, the plan also changes services of other projects. So the number of removals in
                // the message may differ.
                let is_finding = |problem: &plan::Problem| {
                    let words =
                        if problem.service.is_none() { "`guardrails.max_removals` allows 0" } else { &problem.message };
                    plan.findings.iter().any(|finding| finding.message.contains(words))
                };
                prop_assert!(refused.all(is_finding), "{:#?}\n{:#?}", error, plan.findings);
            }
            (Err(_), Err(error)) => prop_assert!(!error.is_refusal(), "{:#?}", error),
        }
    }

    #[test]
    fn the_order_of_the_listed_services_does_not_matter((api, desired, snapshot) in states(), seed: u64) {
        let options = Options { api, ..options() };
        let mut shuffled = snapshot.clone();
        let len = shuffled.services.len().max(1);
        shuffled.services.rotate_left(seed as usize % len);
        prop_assert_eq!(
            plan::plan(&desired, &snapshot, &policy(), &options),
            plan::plan(&desired, &shuffled, &policy(), &options)
        );
    }
}

/// Tests the generators of random states: many states have a plan, and every kind of step occurs on both APIs.
#[test]
fn the_generators_reach_every_kind_of_step() {
    let common = ["create", "update", "rename early", "write", "delete", "hand over", "retire"];
    check_every_kind_is_reached(Api::Classic, &[&common[..], &["behavior"]].concat());
    check_every_kind_is_reached(
        Api::Platform,
        &[&common[..], &["delete service", "update with sets", "settings"]].concat(),
    );
}

fn check_every_kind_is_reached(api: Api, expected: &[&str]) {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut plans, mut kinds) = (0, BTreeMap::<&str, usize>::new());
    for _ in 0..600 {
        let (desired, snapshot) = state(api).new_tree(&mut runner).expect("a value").current();
        let options = Options { api, prune: true, ..options() };
        let Some(plan) = find_verified_plan(&desired, &snapshot, &options) else { continue };
        plans += 1;
        for step in &plan.steps {
            let kind = match &step.action {
                Action::Create(_) => "create",
                Action::Update { update, .. } if !update.version_sets.is_empty() => "update with sets",
                Action::Update { update, .. } if !update.settings.is_empty() => "settings",
                Action::Update { .. } => "update",
                Action::RenameTemporarily { .. } => "rename early",
                Action::WriteVersionSet { .. } => "write",
                Action::DeleteVersionSet { .. } => "delete",
                Action::ApplyBehaviorSet { .. } => "behavior",
                Action::Smoke { .. } => "smoke",
                Action::HandOver { .. } => "hand over",
                Action::Retire { update: None, .. } => "delete service",
                Action::Retire { .. } => "retire",
                Action::Abandon { .. } => "abandon",
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    assert!(plans > 200, "{api:?}: only {plans} of 600 have a plan");
    let missing: Vec<_> = expected.iter().filter(|kind| !kinds.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "{api:?}: missing: {missing:?}; found: {kinds:?}");
}

/// Tests the generators of random states: each guardrail refuses some states, and many states pass all of them.
#[test]
fn the_generators_reach_every_rule() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let rules = [
        "`guardrails.max_removals` allows",
        "`--max-removals` allows",
        "retired, but `guardrails.protected`",
        "replaced, but `guardrails.protected`",
        "the tag `protected`",
        "belongs to another project",
        "`guardrails.require_pins` lists it",
    ];
    let (mut plans, mut missing) = (0, Vec::from(rules));
    for _ in 0..3_000 {
        let (desired, snapshot, policy, options) =
            plan_inputs().new_tree(&mut runner).expect("a value").current();
        match plan::plan(&desired, &snapshot, &policy, &options) {
            Ok(plan) => plans += usize::from(!plan.is_empty()),
            Err(error) => {
                missing.retain(|rule| !error.problems.iter().any(|problem| problem.message.contains(rule)))
            }
        }
    }
    assert!(plans > 1_000, "only {plans} of 3000 have a plan");
    assert!(missing.is_empty(), "never refused: {missing:?}");
}
