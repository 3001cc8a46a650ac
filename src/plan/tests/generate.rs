//! Generates random desired and live states. They use few names and agents, so that manifests and live services often
//! have the same ones.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};

use super::build::*;
use crate::model::*;
use crate::plan::Options;

const NAMES: [&str; 5] = ["Able", "Baker", "Carol", "Delta", "Echo"];
const AGENTS: [&str; 3] = ["A1", "A2", "A3"];
const SETS: [&str; 4] = ["release", "staging", "dev", "personal-kim"];

pub(crate) fn policy() -> Policy {
    Policy {
        unmanaged_version_sets: VersionSetPatterns::new(&["personal-*".to_owned()]).expect("a pattern"),
        ..own_policy()
    }
}

fn max_removals() -> impl Strategy<Value = MaxRemovals> {
    let share = select(vec![0.0, 25.0, 33.4, 50.0, 100.0]).prop_map(MaxRemovals::Percent);
    prop_oneof![(0..4_usize).prop_map(MaxRemovals::Count), share]
}

/// Generates random project rules, which refuse some plans.
pub(crate) fn policies(api: Api) -> impl Strategy<Value = Policy> {
    let retire = match api.deletes_services() {
        true => vec![Retire::Deactivate, Retire::Keep, Retire::Delete],
        false => vec![Retire::Deactivate, Retire::Keep],
    };
    let protected = prop_oneof![2 => Just(Vec::new()), 1 => subsequence(NAMES.to_vec(), 1..=2)];
    let pins = prop::bool::weighted(0.2);
    (prop::option::of(max_removals()), protected, pins, select(retire)).prop_map(
        |(max_removals, protected, pins, retire_orphans)| Policy {
            guardrails: Guardrails {
                max_removals,
                require_pins: pins.then(|| "release".into()).into_iter().collect(),
                protected: protected.into_iter().map(ServiceName::from).collect(),
            },
            retire_orphans,
            ..policy()
        },
    )
}

/// Generates variants of `options` with random flags.
pub(crate) fn flags(options: Options) -> impl Strategy<Value = Options> {
    let max_removals = prop::option::weighted(0.3, max_removals());
    let owner = prop::option::of(select(vec!["sisters", "cousins"]).prop_map(str::to_owned));
    (any::<bool>(), owner, any::<bool>(), max_removals).prop_map(
        move |(prune, take_over, allow_protected, max_removals)| Options {
            prune,
            take_over,
            allow_protected,
            max_removals,
            ..options.clone()
        },
    )
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

/// Generates settings as Platform manifests declare them, including nulls.
fn wanted_settings() -> impl Strategy<Value = Map<String, Value>> {
    let number = prop_oneof![Just(Value::Null), (1..4).prop_map(|number| json!(number))];
    let voice = (prop::option::of(number), prop::option::of(select(vec!["+12025550100", "+12025550101"])))
        .prop_map(|(words, to)| {
            let mut voice = Map::new();
            voice.extend(words.map(|words| ("max_response_words".to_owned(), words)));
            voice.extend(to.map(|to| ("forwarding".to_owned(), json!({"forward_to": to}))));
            Value::Object(voice)
        });
    let voice = prop::option::of(prop_oneof![12 => voice, 1 => Just(Value::Null)]);
    let policy = prop::option::weighted(0.3, select(vec!["operator", "hangup"]));
    (voice, policy, prop::option::of(1..4)).prop_map(|(voice, policy, capacity)| {
        let mut settings = Map::new();
        settings.extend(voice.map(|voice| ("voice_config".to_owned(), voice)));
        settings.extend(
            policy.map(|what| ("escalation_policy".to_owned(), json!({"risk_scorer": {"type": what}}))),
        );
        settings.extend(capacity.map(|capacity| ("tool_capacity".to_owned(), json!(capacity))));
        settings
    })
}

/// Generates settings as Platform returns them.
fn live_settings() -> impl Strategy<Value = Map<String, Value>> {
    wanted_settings().prop_map(|settings| {
        let mut live = settings::without_nulls(&settings);
        live.entry("tool_capacity").or_insert(json!(3));
        if let Some(voice) = live.get_mut("voice_config").and_then(Value::as_object_mut) {
            voice.insert("filler_style".to_owned(), json!("phrase"));
            voice.insert("unheard_of".to_owned(), json!([1]));
        }
        live
    })
}

fn only_on(
    api: Api,
    settings: impl Strategy<Value = Map<String, Value>>,
) -> impl Strategy<Value = Map<String, Value>> {
    settings.prop_map(move |settings| if api == Api::Platform { settings } else { Map::new() })
}

fn lifecycle(api: Api) -> impl Strategy<Value = Lifecycle> {
    let from = prop::option::weighted(0.4, select(NAMES.to_vec()).prop_map(ServiceName::from));
    let retire =
        prop_oneof![3 => Just(Retire::Deactivate), 1 => Just(Retire::Keep), 1 => Just(Retire::Delete)];
    let on_agent_change_values = prop_oneof![1 => Just(None), 1 => Just(Some(OnAgentChange::Update)), 2 => Just(Some(OnAgentChange::Replace))];
    (from, retire, on_agent_change_values, prop::bool::weighted(0.1)).prop_map(
        move |(renamed_from, retire, on_agent_change, prevent_removal)| Lifecycle {
            renamed_from,
            on_agent_change,
            retire: if retire == Retire::Delete && !api.deletes_services() {
                Retire::Deactivate
            } else {
                retire
            },
            prevent_removal,
            ignore: BTreeSet::new(),
        },
    )
}

fn one_wanted(api: Api, name: &'static str) -> impl Strategy<Value = DesiredService> {
    let active = prop_oneof![3 => Just(None), 2 => Just(Some(true)), 1 => Just(Some(false))];
    let depends = prop::option::weighted(0.2, select(NAMES.to_vec()));
    let settings = only_on(api, wanted_settings());
    (select(AGENTS.to_vec()), version_sets(), tags(), lifecycle(api), active, depends, settings).prop_map(
        move |(agent, version_sets, tags, lifecycle, active, depends, settings)| DesiredService {
            settings,
            version_sets,
            tags,
            lifecycle,
            active,
            // A service depends only on a service whose name comes earlier in the alphabet, because the loader refuses
            // cycles.
            depends_on: depends.filter(|other| *other < name).into_iter().map(ServiceName::from).collect(),
            ..wanted(name, agent)
        },
    )
}

fn all_wanted(api: Api) -> impl Strategy<Value = Desired> {
    subsequence(NAMES.to_vec(), 1..=NAMES.len())
        .prop_flat_map(move |names| {
            names.into_iter().map(|name| one_wanted(api, name).boxed()).collect::<Vec<_>>()
        })
        .prop_map(|services| {
            // As the loader guarantees, no two manifests have the same `renamed_from`, no manifest has its own name in
            // `renamed_from`, and each name in `depends_on` is declared.
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

/// Generates the tag `origin` of a live service. A service that is older than the tag has none. Otherwise, the tag has
/// the service's own name, another name if another client renamed or copied the service, or a value that a user has
/// set.
fn origin(name: &'static str) -> impl Strategy<Value = Option<String>> {
    let names = prop_oneof![3 => Just(name), 1 => select(NAMES.to_vec())];
    let commit = prop::option::of(Just("0a1b2c3d4e5f60718293a4b5c6d7e8f901234567".to_owned()));
    let ours = (names, commit, prop::bool::weighted(0.15)).prop_map(|(name, commit, is_former)| {
        Some(OriginTag { name: NameHash::of(&name.into()), commit, is_former }.to_string())
    });
    prop_oneof![8 => Just(None), 11 => ours, 1 => Just(Some("web form".to_owned()))]
}

fn one_live(api: Api, name: &'static str, index: usize) -> impl Strategy<Value = LiveService> {
    let owner = prop_oneof![14 => Just(Some("amigops")), 5 => Just(None), 1 => Just(Some("sisters"))];
    let flags = (prop::bool::weighted(0.8), owner, prop::bool::weighted(0.1), origin(name));
    let sets = subsequence(SETS.to_vec(), 0..=4).prop_flat_map(|names| {
        names.into_iter().map(|name| (Just(name), 0..4_u32, 0..4_u32)).collect::<Vec<_>>()
    });
    let settings = only_on(api, live_settings());
    (select(AGENTS.to_vec()), flags, sets, tags(), settings).prop_map(
        move |(agent, (active, owner, protected, origin), sets, tags, settings)| {
            let mut service = live(&format!("65f0c1{index:018x}"), name, agent);
            service.active = active;
            service.settings = settings;
            if !api.makes_version_sets() {
                service.version_sets.clear();
            }
            service.tags.clear();
            service.tags.extend(owner.map(|owner| ("managed_by".to_owned(), Some(owner.to_owned()))));
            service.tags.extend(protected.then(|| (TAG_PROTECTED.to_owned(), Some("true".to_owned()))));
            service.tags.extend(origin.map(|origin| (TAG_ORIGIN.to_owned(), Some(origin))));
            service.tags.extend(tags.unwrap_or_default());
            service
                .version_sets
                .extend(sets.into_iter().map(|(name, agent, graph)| (name.into(), live_set(agent, graph))));
            service
        },
    )
}

fn all_live(api: Api) -> impl Strategy<Value = Snapshot> {
    prop::collection::vec(select(NAMES.to_vec()), 0..=6)
        .prop_flat_map(move |names| {
            names
                .into_iter()
                .enumerate()
                .map(|(index, name)| one_live(api, name, index).boxed())
                .collect::<Vec<_>>()
        })
        .prop_map(move |mut services| {
            // As the server guarantees, no two active services have the same name.
            let mut active = BTreeSet::new();
            for service in &mut services {
                service.active = service.active && active.insert(service.name.clone());
            }
            let mut snapshot = snapshot(services);
            if !api.has_behavior_sets() {
                return snapshot;
            }
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

/// Generates a desired and a live state for an API. In some cases, the desired state swaps the names of two services,
/// because random names would hardly ever form a swap.
pub(crate) fn state(api: Api) -> impl Strategy<Value = (Desired, Snapshot)> {
    (all_wanted(api), all_live(api), prop::bool::weighted(0.15)).prop_map(|(mut desired, snapshot, swap)| {
        if swap {
            swap_names(&mut desired, &snapshot);
        }
        (desired, snapshot)
    })
}

/// Removes each tag `origin` that has another name than its service. Such tags exist only after another client has
/// renamed or copied a service.
pub(crate) fn without_renamed_services(mut snapshot: Snapshot) -> Snapshot {
    for service in &mut snapshot.services {
        let name = NameHash::of(&service.name);
        if OriginTag::of(&service.tags).is_some_and(|origin| origin.name != name) {
            service.tags.remove(TAG_ORIGIN);
        }
    }
    snapshot
}

fn swap_names(desired: &mut Desired, snapshot: &Snapshot) {
    let is_swappable =
        |service: &&LiveService| service.active && desired.services.contains_key(&service.name);
    let [one, other, ..] = snapshot.services.iter().filter(is_swappable).collect::<Vec<_>>()[..] else {
        return;
    };
    let names = [&one.name, &other.name];
    for service in desired.services.values_mut() {
        let from = &service.lifecycle.renamed_from;
        service.lifecycle.renamed_from = from.clone().filter(|from| !names.contains(&from));
    }
    for (to, from) in [(one, other), (other, one)] {
        if let Some(wanted) = desired.services.get_mut(&to.name) {
            wanted.lifecycle.renamed_from = Some(from.name.clone());
            wanted.agent = Reference::Name(from.agent.as_str().to_uppercase());
        }
    }
}

/// Generates an API, a desired state and a live state.
pub(crate) fn states() -> impl Strategy<Value = (Api, Desired, Snapshot)> {
    select(vec![Api::Classic, Api::Platform])
        .prop_flat_map(|api| (Just(api), state(api)))
        .prop_map(|(api, (desired, snapshot))| (api, desired, snapshot))
}

/// Returns the properties of the declared services that tests compare in final states: the name, whether the service is
/// active, the agent, the number of tags, and the names of the version sets.
pub(crate) fn final_state(
    desired: &Desired,
    snapshot: &Snapshot,
) -> Vec<(ServiceName, bool, AgentId, usize, Vec<VersionSetName>)> {
    let mut final_state: Vec<_> = snapshot
        .services
        .iter()
        .filter(|service| desired.services.contains_key(&service.name))
        .map(|service| {
            let sets = service.version_sets.keys().cloned().collect();
            (
                service.name.clone(),
                service.active,
                service.agent.clone(),
                without_origin(&service.tags).count(),
                sets,
            )
        })
        .collect();
    final_state.sort();
    final_state
}

/// Returns a configuration with a fixed seed, so that every run tests the same cases. To test more cases, set their
/// number in the environment variable `PROPTEST_CASES`, for example to 20000.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(20_261_122),
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
