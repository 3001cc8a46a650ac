//! Searches for a smaller case that fails like a given case.

use std::collections::BTreeSet;

use super::case::Case;
use super::case_outcome::CaseOutcome;
use super::run::run_case;
use crate::model::ServiceName;

/// The maximum number of smaller cases that are tried.
const MAX_ATTEMPTS: usize = 600;

/// Returns the smallest failing case that it finds. It removes disturbances, manifests and live services one by one,
/// as long as the case still fails.
pub(super) fn shrink(case: &Case) -> Case {
    let mut smallest = case.clone();
    let mut attempts = 0;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            attempts += 1;
            attempts <= MAX_ATTEMPTS && matches!(run_case(candidate, false), CaseOutcome::Failed { .. })
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Returns all cases that differ from this one in one point and are smaller.
fn candidates(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    for index in 0..case.disturbances.len() {
        let mut smaller = case.clone();
        smaller.disturbances.remove(index);
        found.push(smaller);
        if case.disturbances[index].times > 1 {
            let mut smaller = case.clone();
            smaller.disturbances[index].times -= 1;
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
        Case { second_run: None, ..case.clone() },
        Case { timeout: None, ..case.clone() },
        Case { latency: 0, ..case.clone() },
        Case { parallelism: 1, ..case.clone() },
        Case { limits: amigops_emulator::Limits::Off, ..case.clone() },
        Case { token_lifetime: std::time::Duration::from_secs(3600), ..case.clone() },
        Case { outage: None, ..case.clone() },
        Case { max_page_size: None, ..case.clone() },
        Case { newest_first: false, ..case.clone() },
        Case { accepts_duplicate_names: false, ..case.clone() },
        Case { prune: false, ..case.clone() },
    ];
    found.extend(simpler.into_iter().filter(|other| conditions(other) != conditions(case)));
    found
}

/// Returns the settings of a case, such as timeouts and limits, as a text that can be compared.
fn conditions(case: &Case) -> String {
    let Case { second_run, timeout, latency, parallelism, limits, token_lifetime, .. } = case;
    let Case { outage, max_page_size, newest_first, accepts_duplicate_names, prune, .. } = case;
    format!(
        "{:?}",
        (
            (second_run, timeout, latency, parallelism, limits, token_lifetime),
            (outage, max_page_size, newest_first, accepts_duplicate_names, prune)
        )
    )
}

/// Returns smaller cases. Each leaves out one commit, or one disturbance of one commit.
fn fewer_stages(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    for index in 0..case.stages.len() {
        if index + 1 < case.stages.len() {
            let mut smaller = case.clone();
            smaller.stages.remove(index);
            found.push(smaller);
        }
        for disturbance in 0..case.stages[index].disturbances.len() {
            let mut smaller = case.clone();
            smaller.stages[index].disturbances.remove(disturbance);
            found.push(smaller);
        }
    }
    found
}
