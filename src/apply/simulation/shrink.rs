//! A failing case made smaller, as long as it fails. May import `model`.

use super::case::Case;
use super::run::{End, play};

/// The most cases that are tried.
const MOST_TRIES: usize = 400;

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
    for name in case.desired.services.keys() {
        let mut smaller = case.clone();
        smaller.desired.services.remove(name);
        for service in smaller.desired.services.values_mut() {
            service.depends_on.remove(name);
        }
        if !smaller.desired.services.is_empty() {
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
        Case { limits: crate::emulator::Limits::Off, ..case.clone() },
        Case { token_lifetime: std::time::Duration::from_secs(3600), ..case.clone() },
    ];
    let differs = |other: &Case| {
        (other.second, other.timeout, other.latency, other.parallelism, other.limits, other.token_lifetime)
            != (case.second, case.timeout, case.latency, case.parallelism, case.limits, case.token_lifetime)
    };
    found.extend(simpler.into_iter().filter(differs));
    found
}
