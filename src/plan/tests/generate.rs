//! Random desired and live states, small enough to collide in every way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::build::*;
use crate::model::*;

const NAMES: [&str; 5] = ["Able", "Baker", "Carol", "Delta", "Echo"];
const AGENTS: [&str; 3] = ["A1", "A2", "A3"];
const SETS: [&str; 4] = ["release", "staging", "dev", "personal-kim"];

pub(crate) fn policy() -> Policy {
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

pub(crate) fn all_wanted() -> impl Strategy<Value = Desired> {
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

pub(crate) fn all_live() -> impl Strategy<Value = Snapshot> {
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

/// What counts of a final state: who is there under which name, and with what.
pub(crate) fn essence(
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
