//! Random desired and live states: renames, swaps, replacements, removals, half-made things.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::build::*;
use crate::model::*;
use crate::plan::{self, Action, Options, Plan, Step, StepId, verify};

const NAMES: [&str; 5] = ["Able", "Baker", "Carol", "Delta", "Echo"];
const AGENTS: [&str; 3] = ["A1", "A2", "A3"];
const SETS: [&str; 4] = ["release", "staging", "dev", "personal-kim"];

fn policy() -> Policy {
    Policy {
        unmanaged_version_sets: VersionSetPatterns::new(&["personal-*".to_owned()]).expect("a pattern"),
        ..Policy::default()
    }
}

fn version_sets() -> impl Strategy<Value = Option<BTreeMap<VersionSetName, DesiredVersionSet>>> {
    let pins = subsequence(&SETS[..3], 0..=3).prop_flat_map(|names| {
        names.into_iter().map(|name| (Just(name), 0..4_u32, 0..4_u32)).collect::<Vec<_>>()
    });
    prop_oneof![Just(None), pins.prop_map(|pins| sets(&pins))]
}

fn tags() -> impl Strategy<Value = Option<BTreeMap<String, Option<String>>>> {
    let tag = (select(vec!["tier", "team"]), prop::option::of(select(vec!["gold", "silver"])));
    let tags = prop::collection::btree_map(
        tag.0.prop_map(str::to_owned),
        tag.1.prop_map(|v| v.map(str::to_owned)),
        0..3,
    );
    prop::option::of(tags)
}

fn lifecycle() -> impl Strategy<Value = Lifecycle> {
    let from = prop::option::weighted(0.4, select(NAMES.to_vec()).prop_map(ServiceName::from));
    let keep = prop::bool::weighted(0.2);
    let in_place = prop::bool::weighted(0.2);
    (from, keep, in_place, prop::bool::weighted(0.1)).prop_map(
        |(renamed_from, keep, in_place, prevent_removal)| Lifecycle {
            renamed_from,
            on_agent_change: in_place.then_some(OnAgentChange::Update),
            retire: if keep { Retire::Keep } else { Retire::Deactivate },
            prevent_removal,
            ignore: BTreeSet::new(),
        },
    )
}

fn one_wanted(name: &'static str) -> impl Strategy<Value = DesiredService> {
    let active = prop_oneof![3 => Just(None), 2 => Just(Some(true)), 1 => Just(Some(false))];
    let depends = prop::option::weighted(0.2, select(NAMES.to_vec()));
    (select(AGENTS.to_vec()), version_sets(), tags(), lifecycle(), active, depends).prop_map(
        move |(agent, version_sets, tags, lifecycle, active, depends)| DesiredService {
            version_sets,
            tags,
            lifecycle,
            active,
            // Only backwards in the alphabet, as the loader refuses circles.
            depends_on: depends.filter(|other| *other < name).into_iter().map(ServiceName::from).collect(),
            ..wanted(name, agent)
        },
    )
}

fn all_wanted() -> impl Strategy<Value = Desired> {
    subsequence(NAMES.to_vec(), 1..=NAMES.len())
        .prop_flat_map(|names| names.into_iter().map(|name| one_wanted(name).boxed()).collect::<Vec<_>>())
        .prop_map(|services| {
            // What the loader promises: no name is renamed from twice, none from itself, and
            // dependencies are declared.
            let names: BTreeSet<ServiceName> = services.iter().map(|service| service.name.clone()).collect();
            let mut used = BTreeSet::new();
            desired(services.into_iter().map(|mut service| {
                let from = service.lifecycle.renamed_from.take();
                service.lifecycle.renamed_from =
                    from.filter(|from| from != &service.name && used.insert(from.clone()));
                service.depends_on.retain(|other| names.contains(other));
                service
            }))
        })
}

fn one_live(name: &'static str, index: usize) -> impl Strategy<Value = LiveService> {
    let flags = (prop::bool::weighted(0.8), prop::bool::weighted(0.7));
    let sets = subsequence(SETS.to_vec(), 0..=4).prop_flat_map(|names| {
        names.into_iter().map(|name| (Just(name), 0..4_u32, 0..4_u32)).collect::<Vec<_>>()
    });
    (select(AGENTS.to_vec()), flags, sets, tags()).prop_map(move |(agent, (active, owned), sets, tags)| {
        let mut service = live(&format!("65f0c1{index:018x}"), name, agent);
        service.active = active;
        if !owned {
            service.tags.clear();
        }
        service.tags.extend(tags.unwrap_or_default());
        service
            .version_sets
            .extend(sets.into_iter().map(|(name, agent, graph)| (name.into(), live_set(agent, graph))));
        service
    })
}

fn all_live() -> impl Strategy<Value = Snapshot> {
    prop::collection::vec(select(NAMES.to_vec()), 0..=6)
        .prop_flat_map(|names| {
            names
                .into_iter()
                .enumerate()
                .map(|(index, name)| one_live(name, index).boxed())
                .collect::<Vec<_>>()
        })
        .prop_map(|mut services| {
            // What the server promises: one active service a name.
            let mut active = BTreeSet::new();
            for service in &mut services {
                service.active = service.active && active.insert(service.name.clone());
            }
            let mut snapshot = snapshot(services);
            let set = BehaviorSet {
                id: "b1".into(),
                name: "Escalate".to_owned(),
                applied_to: snapshot.services.iter().step_by(2).map(|service| service.id.clone()).collect(),
            };
            for service in &snapshot.services {
                let sets = if set.applied_to.contains(&service.id) { vec![set.clone()] } else { Vec::new() };
                snapshot.behavior_sets.insert(service.id.clone(), sets);
            }
            snapshot
        })
}

/// Plans and has the plan judged; none where no plan can be made.
fn judged(desired: &Desired, snapshot: &Snapshot, options: &Options) -> Option<Plan> {
    let plan = plan::plan(desired, snapshot, &policy(), options).ok()?;
    let violations = verify::verify(desired, snapshot, &policy(), options, &plan);
    assert!(violations.is_empty(), "the verifier refuses: {violations:#?}\n{}", steps(&plan));
    Some(plan)
}

/// Every state in which a run can be cut off: between steps, and inside each hand-over.
fn cuts(plan: &Plan) -> Vec<Vec<Step>> {
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
                changes: Vec::new(),
                reason: None,
            });
            cuts.push(half);
        }
    }
    cuts
}

/// What counts of a final state: who is there under which name, and with what.
fn essence(
    desired: &Desired,
    snapshot: &Snapshot,
) -> Vec<(ServiceName, bool, AgentId, usize, Vec<VersionSetName>)> {
    let mut essence: Vec<_> = snapshot
        .services
        .iter()
        .filter(|service| desired.services.contains_key(&service.name))
        .map(|service| {
            let sets = service.version_sets.keys().cloned().collect();
            (service.name.clone(), service.active, service.agent.clone(), service.tags.len(), sets)
        })
        .collect();
    essence.sort();
    essence
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_brings_the_desired_state_about_and_planning_again_gives_nothing(
        desired in all_wanted(), snapshot in all_live(), prune: bool,
    ) {
        let options = Options { prune, ..options() };
        let Some(plan) = judged(&desired, &snapshot, &options) else { return Ok(()) };
        let after = verify::outcome(&snapshot, &plan.steps);
        let again = judged(&desired, &after, &options).expect("a plan can be made again");
        prop_assert!(again.is_empty(), "planning again gives:\n{}\nafter:\n{}", steps(&again), steps(&plan));
    }

    #[test]
    fn a_run_that_is_cut_off_anywhere_is_continued_to_the_same_end(desired in all_wanted(), snapshot in all_live()) {
        let options = options();
        let Some(plan) = judged(&desired, &snapshot, &options) else { return Ok(()) };
        let end = verify::outcome(&snapshot, &plan.steps);
        for done in cuts(&plan) {
            let cut = verify::outcome(&snapshot, &done);
            let rest = judged(&desired, &cut, &options);
            let Some(rest) = rest else {
                let error = plan::plan(&desired, &cut, &policy(), &options);
                panic!("after {} of\n{}\nno plan: {error:#?}", done.len(), steps(&plan));
            };
            let resumed = verify::outcome(&cut, &rest.steps);
            prop_assert_eq!(
                essence(&desired, &end), essence(&desired, &resumed),
                "after {} of\n{}\nthe rest was\n{}", done.len(), steps(&plan), steps(&rest)
            );
            prop_assert_eq!(end.services.len(), resumed.services.len(), "a duplicate after {} of\n{}\nthe rest was\n{}", done.len(), steps(&plan), steps(&rest));
            let again = judged(&desired, &resumed, &options).expect("a plan can be made again");
            prop_assert!(again.is_empty(), "planning again gives:\n{}\nafter:\n{}", steps(&again), steps(&rest));
        }
    }

    #[test]
    fn the_order_of_the_answer_does_not_matter(desired in all_wanted(), snapshot in all_live(), seed: u64) {
        let mut shuffled = snapshot.clone();
        let len = shuffled.services.len().max(1);
        shuffled.services.rotate_left(seed as usize % len);
        prop_assert_eq!(
            plan::plan(&desired, &snapshot, &policy(), &options()),
            plan::plan(&desired, &shuffled, &policy(), &options())
        );
    }
}

/// The generators are worth something: most random states have a plan, and every kind of step occurs.
#[test]
fn the_generators_reach_every_kind_of_step() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut plans, mut kinds) = (0, BTreeMap::<&str, usize>::new());
    for _ in 0..600 {
        let desired = all_wanted().new_tree(&mut runner).expect("a value").current();
        let snapshot = all_live().new_tree(&mut runner).expect("a value").current();
        let Some(plan) = judged(&desired, &snapshot, &Options { prune: true, ..options() }) else { continue };
        plans += 1;
        for step in &plan.steps {
            let kind = match &step.action {
                Action::Create(_) => "create",
                Action::Update { .. } => "update",
                Action::SetAside { .. } => "set aside",
                Action::WriteVersionSet { .. } => "write",
                Action::DeleteVersionSet { .. } => "delete",
                Action::ApplyBehaviorSet { .. } => "behavior",
                Action::Smoke { .. } => "smoke",
                Action::HandOver { .. } => "hand over",
                Action::Retire { .. } => "retire",
                Action::Discard { .. } => "discard",
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    assert!(plans > 300, "only {plans} of 600 have a plan");
    let missing: Vec<_> =
        ["create", "update", "set aside", "write", "delete", "behavior", "hand over", "retire"]
            .into_iter()
            .filter(|kind| !kinds.contains_key(kind))
            .collect();
    assert!(missing.is_empty(), "never seen: {missing:?}; seen: {kinds:?}");
}
