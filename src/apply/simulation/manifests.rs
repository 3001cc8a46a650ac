//! Manifests of a later commit: a few changes of those of an earlier one.

use std::collections::BTreeMap;

use super::dice::Dice;
use crate::model::*;
use crate::plan::tests::build::{desired, sets, wanted};

const NAMES: [&str; 7] = ["Able", "Baker", "Carol", "Delta", "Echo", "Foxtrot", "Golf"];
const AGENTS: [&str; 3] = ["A1", "A2", "A3"];

/// The manifests of the next commit.
pub(super) fn next_commit(api: Api, before: &Desired, dice: &mut Dice) -> Desired {
    let mut services = before.services.clone();
    // A commit that follows a rename usually drops `renamed_from`.
    if dice.percent(50) {
        services.values_mut().for_each(|service| service.lifecycle.renamed_from = None);
    }
    for _ in 0..1 + dice.below(3) {
        change(api, &mut services, dice);
    }
    settle(&mut services);
    desired(services.into_values())
}

/// The manifests in which one service gets another name and a new service.
pub(super) fn replaced_and_renamed(before: &Desired, dice: &mut Dice) -> Desired {
    let mut services = before.services.clone();
    let names: Vec<ServiceName> = services.keys().cloned().collect();
    let free: Vec<&str> =
        NAMES.into_iter().filter(|name| !names.contains(&ServiceName::from(*name))).collect();
    if !names.is_empty() && !free.is_empty() {
        let name = dice.pick(&names).clone();
        let mut one = services.remove(&name).expect("it is there");
        one.name = ServiceName::from(*dice.pick(&free));
        one.place.file = format!("{}.yaml", one.name);
        one.agent = Reference::Name((*dice.pick(&AGENTS)).to_owned());
        one.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
        one.lifecycle.renamed_from = Some(name);
        services.insert(one.name.clone(), one);
    }
    settle(&mut services);
    desired(services.into_values())
}

/// Keeps what the loader promises: dependencies are declared and lead backwards, and no name is renamed from twice.
fn settle(services: &mut BTreeMap<ServiceName, DesiredService>) {
    let names: Vec<ServiceName> = services.keys().cloned().collect();
    let mut used: Vec<ServiceName> = Vec::new();
    for service in services.values_mut() {
        service.depends_on.retain(|other| names.contains(other) && *other < service.name);
        let from = service.lifecycle.renamed_from.take();
        service.lifecycle.renamed_from = from.filter(|from| *from != service.name && !used.contains(from));
        used.extend(service.lifecycle.renamed_from.clone());
    }
}

fn change(api: Api, services: &mut BTreeMap<ServiceName, DesiredService>, dice: &mut Dice) {
    let names: Vec<ServiceName> = services.keys().cloned().collect();
    let name = dice.pick(&names).clone();
    let free: Vec<&str> =
        NAMES.into_iter().filter(|name| !names.contains(&ServiceName::from(*name))).collect();
    let one = services.get_mut(&name).expect("it was just listed");
    match dice.below(12) {
        0..=4 => one.agent = Reference::Name((*dice.pick(&AGENTS)).to_owned()),
        5 if !free.is_empty() => {
            let mut renamed = services.remove(&name).expect("it is there");
            renamed.name = ServiceName::from(*dice.pick(&free));
            renamed.place.file = format!("{}.yaml", renamed.name);
            renamed.lifecycle.renamed_from = Some(name);
            services.insert(renamed.name.clone(), renamed);
        }
        6 => {
            let pins = [("release", dice.below(4) as u32, 1), ("staging", dice.below(4) as u32, 2)];
            one.version_sets = sets(&pins[..1 + dice.below(2) as usize]);
        }
        7 if names.len() > 1 => {
            services.remove(&name);
        }
        8 if !free.is_empty() => {
            let (name, agent) = (*dice.pick(&free), *dice.pick(&AGENTS));
            let new = wanted(name, agent);
            services.insert(new.name.clone(), new);
        }
        9 => {
            let ways = [Retire::Deactivate, Retire::Keep, Retire::Delete];
            let most = if api.deletes_services() { 3 } else { 2 };
            one.lifecycle.retire = *dice.pick(&ways[..most]);
        }
        10 => {
            let ways = [None, Some(OnAgentChange::Update), Some(OnAgentChange::Replace)];
            one.lifecycle.on_agent_change = *dice.pick(&ways);
        }
        _ => one.description = Some(format!("The service {name}, commit {}", dice.below(100))),
    }
}
