//! A failing case made smaller, as long as it fails. May import `model`.

use std::collections::BTreeSet;

use super::case::Case;
use super::run::{End, play};
use crate::model::ServiceName;

/// The most cases that are tried.
const MOST_TRIES: usize = 600;

/// A smaller case that fails, too: troubles, manifests and live services are left out one by one.
pub(super) fn shrink(case: &Case) -> Case {
    let mut smallest = case.clone();
    let mut tries = 0;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            tries += 1;
            tries <= MOST_TRIES && matches!(play(candidate, false), End::Broken { .. })
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Every case that is one thing smaller.
fn candidates(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    for index in 0..case.troubles.len() {
        let mut smaller = case.clone();
        smaller.troubles.remove(index);
        found.push(smaller);
        if case.troubles[index].times > 1 {
            let mut smaller = case.clone();
            smaller.troubles[index].times -= 1;
            found.push(smaller);
        }
    }
    found.extend(fewer_stages(case));
    let all = case.stages.iter().flat_map(|stage| &stage.manifests).chain([&case.desired]);
    let names: BTreeSet<ServiceName> = all.flat_map(|desired| desired.services.keys().cloned()).collect();
    for name in &names {
        let mut smaller = case.clone();
        let manifests = smaller.stages.iter_mut().flat_map(|stage| &mut stage.manifests);
        let manifests: Vec<_> = manifests.chain([&mut smaller.desired]).collect();
        let mut empty = false;
        for desired in manifests {
            desired.services.remove(name);
            for service in desired.services.values_mut() {
                service.depends_on.remove(name);
            }
            empty |= desired.services.is_empty();
        }
        if !empty {
            found.push(smaller);
        }
    }
    for index in 0..case.live.services.len() {
        let mut smaller = case.clone();
        let gone = smaller.live.services.remove(index);
        smaller.live.behavior_sets.remove(&gone.id);
        found.push(smaller);
    }
    let simpler = [
        Case { second: None, ..case.clone() },
        Case { timeout: None, ..case.clone() },
        Case { latency: 0, ..case.clone() },
        Case { parallelism: 1, ..case.clone() },
        Case { limits: amigops_emulator::Limits::Off, ..case.clone() },
        Case { token_lifetime: std::time::Duration::from_secs(3600), ..case.clone() },
        Case { outage: None, ..case.clone() },
        Case { page: None, ..case.clone() },
        Case { newest_first: false, ..case.clone() },
        Case { lax_renames: false, ..case.clone() },
        Case { prune: false, ..case.clone() },
    ];
    found.extend(simpler.into_iter().filter(|other| conditions(other) != conditions(case)));
    found
}

/// The conditions of a case, as words that can be compared.
fn conditions(case: &Case) -> String {
    let Case { second, timeout, latency, parallelism, limits, token_lifetime, .. } = case;
    let Case { outage, page, newest_first, lax_renames, prune, .. } = case;
    format!(
        "{:?}",
        (
            (second, timeout, latency, parallelism, limits, token_lifetime),
            (outage, page, newest_first, lax_renames, prune)
        )
    )
}

/// The same with a commit less, or a trouble of a commit less.
fn fewer_stages(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    for index in 0..case.stages.len() {
        if index + 1 < case.stages.len() {
            let mut smaller = case.clone();
            smaller.stages.remove(index);
            found.push(smaller);
        }
        for trouble in 0..case.stages[index].troubles.len() {
            let mut smaller = case.clone();
            smaller.stages[index].troubles.remove(trouble);
            found.push(smaller);
        }
    }
    found
}
