//! Makes the manifests of a commit from those of the commit before it, by a few random changes.

use std::collections::BTreeMap;

use super::seeded_random::SeededRandom;
use crate::build::{desired, sets, wanted};
use crate::model::*;

const NAMES: [&str; 7] = ["Able", "Baker", "Carol", "Delta", "Echo", "Foxtrot", "Golf"];
const AGENTS: [&str; 3] = ["A1", "A2", "A3"];

/// Returns the manifests of the next commit, which differ from `before` in a few random changes.
pub(super) fn next_commit(api: Api, before: &Desired, random: &mut SeededRandom) -> Desired {
    let mut services = before.services.clone();
    // The commit after a rename usually removes `renamed_from`.
    if random.chance(50) {
        services.values_mut().for_each(|service| service.lifecycle.renamed_from = None);
    }
    for _ in 0..1 + random.below(3) {
        change(api, &mut services, random);
    }
    restore_guarantees(&mut services);
    desired(services.into_values())
}

/// Returns manifests that rename one service and also replace it.
pub(super) fn replace_and_rename(before: &Desired, random: &mut SeededRandom) -> Desired {
    let mut services = before.services.clone();
    let names: Vec<ServiceName> = services.keys().cloned().collect();
    let free: Vec<&str> =
        NAMES.into_iter().filter(|name| !names.contains(&ServiceName::from(*name))).collect();
    if !names.is_empty() && !free.is_empty() {
        let name = random.pick(&names).clone();
        let mut one = services.remove(&name).expect("it is there");
        one.name = ServiceName::from(*random.pick(&free));
        one.place.file = format!("{}.yaml", one.name);
        one.agent = Reference::Name((*random.pick(&AGENTS)).to_owned());
        one.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
        one.lifecycle.renamed_from = Some(name);
        services.insert(one.name.clone(), one);
    }
    restore_guarantees(&mut services);
    desired(services.into_values())
}

/// Restores the properties that manifests have after loading: dependencies are declared and have no circles, and no
/// name is renamed twice.
fn restore_guarantees(services: &mut BTreeMap<ServiceName, DesiredService>) {
    let names: Vec<ServiceName> = services.keys().cloned().collect();
    let mut renamed: Vec<ServiceName> = Vec::new();
    for service in services.values_mut() {
        service.depends_on.retain(|other| names.contains(other) && *other < service.name);
        let from = service.lifecycle.renamed_from.take();
        service.lifecycle.renamed_from = from.filter(|from| *from != service.name && !renamed.contains(from));
        renamed.extend(service.lifecycle.renamed_from.clone());
    }
}

fn change(api: Api, services: &mut BTreeMap<ServiceName, DesiredService>, random: &mut SeededRandom) {
    let names: Vec<ServiceName> = services.keys().cloned().collect();
    let name = random.pick(&names).clone();
    let free: Vec<&str> =
        NAMES.into_iter().filter(|name| !names.contains(&ServiceName::from(*name))).collect();
    let one = services.get_mut(&name).expect("it was just listed");
    match random.below(12) {
        0..=4 => one.agent = Reference::Name((*random.pick(&AGENTS)).to_owned()),
        5 if !free.is_empty() => {
            let mut renamed = services.remove(&name).expect("it is there");
            renamed.name = ServiceName::from(*random.pick(&free));
            renamed.place.file = format!("{}.yaml", renamed.name);
            renamed.lifecycle.renamed_from = Some(name);
            services.insert(renamed.name.clone(), renamed);
        }
        6 => {
            let pins = [("release", random.below(4) as u32, 1), ("staging", random.below(4) as u32, 2)];
            one.version_sets = sets(&pins[..1 + random.below(2) as usize]);
        }
        7 if names.len() > 1 => {
            services.remove(&name);
        }
        8 if !free.is_empty() => {
            let (name, agent) = (*random.pick(&free), *random.pick(&AGENTS));
            let new = wanted(name, agent);
            services.insert(new.name.clone(), new);
        }
        9 => {
            let values = [Retire::Deactivate, Retire::Keep, Retire::Delete];
            let count = if api.deletes_services() { 3 } else { 2 };
            one.lifecycle.retire = *random.pick(&values[..count]);
        }
        10 => {
            let values = [None, Some(OnAgentChange::Update), Some(OnAgentChange::Replace)];
            one.lifecycle.on_agent_change = *random.pick(&values);
        }
        _ => one.description = Some(format!("The service {name}, commit {}", random.below(100))),
    }
}
