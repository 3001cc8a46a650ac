//! Pairs of manifests for tests in which two runs apply them at the same time.

use crate::build::{desired, live, live_set, sets, wanted};
use crate::model::*;

/// Two sets of manifests, and the live services before the two runs.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) name: &'static str,
    pub(super) live: Vec<LiveService>,
    pub(super) manifests: [Desired; 2],
    pub(super) prune: [bool; 2],
    /// The services that neither set of manifests takes out of use, by the names that they have before the runs.
    pub(super) stay_active: Vec<&'static str>,
}

/// The description of each service in all manifests.
const DESCRIPTION: &str = "A service";

/// The names of the services that `three_services` returns.
const NAMES: [&str; 3] = ["Able", "Baker", "Charlie"];

/// Returns all pairs that the tests use.
pub(super) fn pairs() -> Vec<Pair> {
    let mut pairs = equal_manifests();
    pairs.extend(replacements_of_coach());
    pairs.extend(new_names_of_coach());
    pairs.extend(swapped_names());
    pairs.push(orphan());
    for service in pairs.iter_mut().flat_map(|pair| &mut pair.live) {
        service.version_sets.insert("release".into(), live_set(1, 1));
    }
    pairs
}

fn pair(
    name: &'static str,
    live: Vec<LiveService>,
    manifests: [Desired; 2],
    stay_active: &[&'static str],
) -> Pair {
    Pair { name, live, manifests, prune: [false; 2], stay_active: stay_active.to_vec() }
}

fn equal_manifests() -> Vec<Pair> {
    let same = |name, live, manifests: Desired, stay_active| {
        pair(name, live, [manifests.clone(), manifests], stay_active)
    };
    vec![
        same("one replacement twice", only_coach(), replaced_coach("A2"), &["Coach"]),
        same("one chain of names twice", three_services(), chain(), &NAMES),
        same("one swap of names twice", three_services(), swap(), &NAMES),
    ]
}

fn replacements_of_coach() -> Vec<Pair> {
    let replaced_and =
        |name, other, stay_active| pair(name, only_coach(), [replaced_coach("A2"), other], stay_active);
    vec![
        replaced_and("two agents", replaced_coach("A3"), &["Coach"]),
        replaced_and("a replacement and a rename", renamed(&[("Coach", "Trainer", "A1")]), &["Coach"]),
        replaced_and(
            "a replacement and a deactivation",
            coach("A1", |coach| coach.active = Some(false)),
            &[],
        ),
        replaced_and(
            "a replacement and other versions",
            coach("A1", |coach| coach.version_sets = sets(&[("release", 2, 2)])),
            &["Coach"],
        ),
    ]
}

fn new_names_of_coach() -> Vec<Pair> {
    let named = |name| renamed(&[("Coach", name, "A1")]);
    let replaced = |agent| {
        let mut trainer = renamed(&[("Coach", "Trainer", agent)]);
        trainer.services.values_mut().for_each(replace_on_agent_change);
        trainer
    };
    let new_trainer = renamed(&[("Trainer", "Trainer", "A2")]);
    vec![
        pair(
            "two replacements under one new name",
            only_coach(),
            [replaced("A2"), replaced("A3")],
            &["Coach"],
        ),
        pair(
            "a replacement under a new name, and a new service of that name",
            only_coach(),
            [replaced("A2"), new_trainer],
            &["Coach"],
        ),
        pair("two new names", only_coach(), [named("Trainer"), named("Mentor")], &["Coach"]),
    ]
}

fn swapped_names() -> Vec<Pair> {
    let other_names =
        renamed(&[("Able", "Able", "A1"), ("Baker", "Echo", "A2"), ("Charlie", "Charlie", "A3")]);
    let replaced = desired(NAMES.iter().map(|name| {
        let mut wanted = wanted(name, "A4");
        replace_on_agent_change(&mut wanted);
        wanted
    }));
    vec![
        pair("a chain of names and other names", three_services(), [chain(), other_names], &NAMES),
        pair("a chain of names and a swap", three_services(), [chain(), swap()], &NAMES),
        pair("a replacement in a chain of names", three_services(), [chain(), replaced], &NAMES),
    ]
}

fn orphan() -> Pair {
    let declares = |names: &[&str]| desired(names.iter().map(|name| wanted(name, "A1")));
    Pair {
        name: "an orphan for one that the other declares",
        live: vec![live("c", "Coach", "A1"), live("e", "Extra", "A1")],
        manifests: [declares(&["Coach"]), declares(&["Coach", "Extra"])],
        prune: [true, false],
        stay_active: vec!["Coach"],
    }
}

fn only_coach() -> Vec<LiveService> {
    vec![live("c", "Coach", "A1")]
}

fn three_services() -> Vec<LiveService> {
    vec![live("a", "Able", "A1"), live("b", "Baker", "A2"), live("c", "Charlie", "A3")]
}

fn coach(agent: &str, change: impl FnOnce(&mut DesiredService)) -> Desired {
    let mut coach = wanted("Coach", agent);
    coach.description = Some(DESCRIPTION.to_owned());
    replace_on_agent_change(&mut coach);
    change(&mut coach);
    desired([coach])
}

fn replaced_coach(agent: &str) -> Desired {
    coach(agent, |_| {})
}

fn replace_on_agent_change(wanted: &mut DesiredService) {
    wanted.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
}

/// Returns manifests that rename services. Each element has the old name, the new name and the agent.
pub(super) fn renamed(names: &[(&str, &str, &str)]) -> Desired {
    desired(names.iter().map(|(from, to, agent)| {
        let mut wanted = wanted(to, agent);
        wanted.description = Some(DESCRIPTION.to_owned());
        wanted.lifecycle.renamed_from = (from != to).then(|| (*from).into());
        wanted
    }))
}

fn chain() -> Desired {
    renamed(&[("Charlie", "Delta", "A3"), ("Baker", "Charlie", "A2"), ("Able", "Baker", "A1")])
}

fn swap() -> Desired {
    renamed(&[("Able", "Baker", "A1"), ("Baker", "Able", "A2")])
}
