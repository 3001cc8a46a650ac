//! Random desired and live states: renames, swaps, replacements, removals, half-made things.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::build::*;
use super::generate::{config, essence, flags, policies, policy, state, states};
use crate::model::*;
use crate::plan::{self, Action, Options, Plan, PlanError, ProblemKind, Step, StepId, verify};

/// Plans and has the plan judged; none where no plan can be made.
fn judged(desired: &Desired, snapshot: &Snapshot, options: &Options) -> Option<Plan> {
    judged_by(desired, snapshot, &policy(), options).ok()
}

fn judged_by(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
) -> Result<Plan, PlanError> {
    let plan = plan::plan(desired, snapshot, policy, options)?;
    let violations = verify::verify(desired, snapshot, policy, options, &plan);
    assert!(violations.is_empty(), "the verifier refuses: {violations:#?}\n{}", steps(&plan));
    Ok(plan)
}

/// A state, rules, and how to plan.
fn runs() -> impl Strategy<Value = (Desired, Snapshot, Policy, Options)> {
    states().prop_flat_map(|(api, desired, mut snapshot)| {
        // Not every version that one agent has is there of another.
        let few = |entry: &mut CatalogEntry| entry.latest = LatestVersion::Number(2);
        snapshot.agents.entries.get_mut("a3").into_iter().for_each(few);
        let options = Options { api, ..options() };
        (Just(desired), Just(snapshot), policies(api), flags(options))
    })
}

/// The same run with every flag that answers a refusal.
fn with_all_flags(options: &Options) -> Options {
    let max_removals = Some(MaxRemovals::Count(usize::MAX));
    Options { take_over: Some("sisters".to_owned()), allow_protected: true, max_removals, ..options.clone() }
}

/// Every state in which a run can be cut off: between steps, and inside each hand-over.
pub(super) fn cuts(plan: &Plan) -> Vec<Vec<Step>> {
    let mut cuts = Vec::new();
    for done in 0..=plan.steps.len() {
        cuts.push(plan.steps[..done].to_vec());
        if let Some(Step { action: Action::HandOver { old, rename: Some(rename), .. }, service, .. }) =
            plan.steps.get(done)
        {
            let mut half = plan.steps[..done].to_vec();
            half.push(Step {
                id: StepId(done + 1),
                service: service.clone(),
                action: Action::Update { id: old.clone(), update: rename.clone() },
                depends_on: BTreeSet::new(),
                risk: plan::Risk::Safe,
                changes: plan::ServiceChanges::default(),
                reason: None,
            });
            cuts.push(half);
        }
    }
    cuts
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_plan_brings_the_desired_state_about_and_planning_again_gives_nothing(
        (api, desired, snapshot) in states(), prune: bool,
    ) {
        let options = Options { api, prune, ..options() };
        let Some(plan) = judged(&desired, &snapshot, &options) else { return Ok(()) };
        let after = verify::outcome(&snapshot, &plan.steps, api);
        let again = judged(&desired, &after, &options).expect("a plan can be made again");
        prop_assert!(again.is_empty(), "planning again gives:\n{}\nafter:\n{}", steps(&again), steps(&plan));
    }

    #[test]
    fn no_plan_breaks_a_rule_and_planning_again_gives_nothing((desired, snapshot, policy, options) in runs()) {
        let Ok(plan) = judged_by(&desired, &snapshot, &policy, &options) else { return Ok(()) };
        let after = verify::outcome(&snapshot, &plan.steps, options.api);
        let again = judged_by(&desired, &after, &policy, &options).expect("a plan can be made again");
        prop_assert!(again.is_empty(), "planning again gives:\n{}\nafter:\n{}", steps(&again), steps(&plan));
    }

    /// What the planner refuses by a rule, the judge refuses, too; and the flags that the refusal names allow it.
    #[test]
    fn flags_answer_refusals_and_the_judge_knows_the_rules((desired, snapshot, policy, options) in runs()) {
        let Err(refused) = judged_by(&desired, &snapshot, &policy, &options) else { return Ok(()) };
        let by_a_flag = |problem: &plan::Problem| {
            problem.kind == ProblemKind::Refused && problem.help.iter().any(|help| help.contains("--"))
        };
        if !refused.problems.iter().all(by_a_flag) {
            return Ok(());
        }
        let allowed = match judged_by(&desired, &snapshot, &policy, &with_all_flags(&options)) {
            Ok(allowed) => allowed,
            // What is looked at only once a service may be touched can be wrong, too; but no flag is asked for.
            Err(error) => {
                prop_assert!(!error.problems.iter().any(by_a_flag), "{error:#?}");
                return Ok(());
            }
        };
        let violations = verify::verify(&desired, &snapshot, &policy, &options, &allowed);
        prop_assert!(!violations.is_empty(), "{refused:#?}\nis nothing to the judge of\n{}", steps(&allowed));
    }

    #[test]
    fn a_run_that_is_cut_off_anywhere_is_continued_to_the_same_end((api, desired, snapshot) in states()) {
        let options = Options { api, ..options() };
        let Some(plan) = judged(&desired, &snapshot, &options) else { return Ok(()) };
        let end = verify::outcome(&snapshot, &plan.steps, api);
        for done in cuts(&plan) {
            let cut = verify::outcome(&snapshot, &done, api);
            let rest = judged(&desired, &cut, &options);
            let Some(rest) = rest else {
                let error = plan::plan(&desired, &cut, &policy(), &options);
                panic!("after {} of\n{}\nno plan: {error:#?}", done.len(), steps(&plan));
            };
            let resumed = verify::outcome(&cut, &rest.steps, api);
            prop_assert_eq!(
                essence(&desired, &end), essence(&desired, &resumed),
                "after {} of\n{}\nthe rest was\n{}", done.len(), steps(&plan), steps(&rest)
            );
            prop_assert_eq!(end.services.len(), resumed.services.len(), "a duplicate after {} of\n{}\nthe rest was\n{}", done.len(), steps(&plan), steps(&rest));
            let again = judged(&desired, &resumed, &options).expect("a plan can be made again");
            prop_assert!(again.is_empty(), "planning again gives:\n{}\nafter:\n{}", steps(&again), steps(&rest));
        }
    }

    /// Where a plan is only looked at, rules and other owners hide nothing of it, and change nothing of a plan
    /// that they don't stand against.
    #[test]
    fn no_rule_stands_against_looking(
        (api, desired, mut snapshot) in states(), prune: bool, strict: bool, foreign in 0_usize..8,
    ) {
        if foreign > 0 && let Some(taken) = snapshot.services.get_mut(foreign - 1) {
            taken.tags.insert("managed_by".to_owned(), Some("sisters".to_owned()));
        }
        let mut policy = policy();
        if strict {
            policy.guardrails.max_removals = Some(MaxRemovals::Count(0));
            policy.guardrails.protected = desired.services.keys().cloned().collect();
        }
        let enforced = Options { api, prune, ..options() };
        let looked = Options { enforce_guardrails: false, ..enforced.clone() };
        let seen = plan::plan(&desired, &snapshot, &policy, &looked);
        if let Ok(plan) = &seen {
            let violations = verify::verify(&desired, &snapshot, &policy, &looked, plan);
            prop_assert!(violations.is_empty(), "the verifier refuses: {violations:#?}\n{}", steps(plan));
        }
        match (plan::plan(&desired, &snapshot, &policy, &enforced), seen) {
            (Ok(plan), seen) => prop_assert_eq!(Ok(plan), seen),
            (Err(error), Ok(plan)) => {
                let mut refused = error.problems.iter().filter(|one| one.kind == plan::ProblemKind::Refused);
                // What is taken over counts, too: the number of removals may be another one.
                let told = |problem: &plan::Problem| {
                    let words =
                        if problem.service.is_none() { "`guardrails.max_removals` allows 0" } else { &problem.message };
                    plan.findings.iter().any(|finding| finding.message.contains(words))
                };
                prop_assert!(refused.all(told), "{:#?}\n{:#?}", error, plan.findings);
            }
            (Err(_), Err(error)) => prop_assert!(!error.is_refusal(), "{:#?}", error),
        }
    }

    #[test]
    fn the_order_of_the_answer_does_not_matter((api, desired, snapshot) in states(), seed: u64) {
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

/// The generators are worth something: most random states have a plan, and every kind of step occurs, on
/// both APIs.
#[test]
fn the_generators_reach_every_kind_of_step() {
    let common = ["create", "update", "set aside", "write", "delete", "hand over", "retire"];
    reach_every_kind(Api::Classic, &[&common[..], &["behavior"]].concat());
    reach_every_kind(
        Api::Platform,
        &[&common[..], &["delete service", "update with sets", "settings"]].concat(),
    );
}

fn reach_every_kind(api: Api, expected: &[&str]) {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut plans, mut kinds) = (0, BTreeMap::<&str, usize>::new());
    for _ in 0..600 {
        let (desired, snapshot) = state(api).new_tree(&mut runner).expect("a value").current();
        let options = Options { api, prune: true, ..options() };
        let Some(plan) = judged(&desired, &snapshot, &options) else { continue };
        plans += 1;
        for step in &plan.steps {
            let kind = match &step.action {
                Action::Create(_) => "create",
                Action::Update { update, .. } if !update.version_sets.is_empty() => "update with sets",
                Action::Update { update, .. } if !update.settings.is_empty() => "settings",
                Action::Update { .. } => "update",
                Action::SetAside { .. } => "set aside",
                Action::WriteVersionSet { .. } => "write",
                Action::DeleteVersionSet { .. } => "delete",
                Action::ApplyBehaviorSet { .. } => "behavior",
                Action::Smoke { .. } => "smoke",
                Action::HandOver { .. } => "hand over",
                Action::Retire { update: None, .. } => "delete service",
                Action::Retire { .. } => "retire",
                Action::Discard { .. } => "discard",
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    assert!(plans > 200, "{api:?}: only {plans} of 600 have a plan");
    let missing: Vec<_> = expected.iter().filter(|kind| !kinds.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "{api:?}: never seen: {missing:?}; seen: {kinds:?}");
}

/// So do they with the rules: each refuses some states, and many states pass all of them.
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
        "its tag `protected`",
        "belongs to another project",
        "`guardrails.require_pins` names it",
    ];
    let (mut plans, mut missing) = (0, Vec::from(rules));
    for _ in 0..3_000 {
        let (desired, snapshot, policy, options) = runs().new_tree(&mut runner).expect("a value").current();
        match plan::plan(&desired, &snapshot, &policy, &options) {
            Ok(plan) => plans += usize::from(!plan.is_empty()),
            Err(error) => {
                missing.retain(|rule| !error.problems.iter().any(|problem| problem.message.contains(rule)))
            }
        }
    }
    assert!(plans > 1_000, "only {plans} of 3000 have a plan");
    assert!(missing.is_empty(), "never broken: {missing:?}");
}
