//! Services that can't be told apart: several with one name, of which a manifest can mean only one.
//!
//! The API keeps the names of active services unique, but another client, or two runs at once, can get around that.

use std::collections::BTreeSet;

use super::identity::{Displaced, Matcher};
use super::names;
use super::types::{Problem, ProblemKind};
use crate::model::{DesiredService, LiveService, ServiceName};

/// Reports the manifests of which several active services have the name, or that take one of several active services
/// with their former name.
pub(super) fn check(matcher: &Matcher<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, live) in &matcher.matched {
        let Some(wanted) = matcher.desired.services.get(*name) else { continue };
        if has_rival(matcher, wanted, *live) {
            let mut found = candidates(matcher, &wanted.name);
            let other = live.filter(|live| found.iter().all(|known| known.id != live.id));
            found.extend(other);
            problems.push(several(wanted, &wanted.name, &found));
        }
        let from = wanted.lifecycle.renamed_from.as_ref().filter(|from| **from != wanted.name);
        if let Some(from) = from.filter(|from| live.is_some_and(|live| live.name == **from)) {
            let found = active(matcher, from);
            if found.len() > 1 {
                problems.push(several(wanted, from, &found));
            }
        }
    }
    problems
}

/// Adds the services that another one, active under a manifest's name, keeps from it; false where there are none.
pub(super) fn displace<'a>(matcher: &Matcher<'a>, displaced: &mut Displaced<'a>) -> bool {
    let before = displaced.half_made.len() + displaced.set_aside.len();
    let all_matched = matcher.open().is_empty() && matcher.matched.values().all(Option::is_some);
    for (name, live) in &matcher.matched {
        let (Some(wanted), Some(live)) = (matcher.desired.services.get(*name), *live) else { continue };
        if live.name == wanted.name {
            continue;
        }
        let is_aside = names::passing_to(live).as_ref() == Some(&wanted.name);
        // Where a manifest has no service, it may be the one that the service was set aside for: a person must say so.
        if is_aside && all_matched && matcher.holder(&wanted.name).is_ok_and(|holder| holder.is_some()) {
            displaced.set_aside.push((wanted, live));
        } else if !is_held(matcher, &wanted.name) {
            continue;
        }
        let is_of_live = |new: &LiveService| matcher.replaced_by(new).is_some_and(|old| old.id == live.id);
        let unfit = matcher.abandoned.iter().filter(|(of, new)| of.name == wanted.name && is_of_live(new));
        let half_made = unfit.map(|(_, new)| *new).chain(matcher.half_made.get(*name).copied());
        let known: BTreeSet<_> = displaced.half_made.iter().map(|(_, new)| &new.id).collect();
        let more: Vec<_> = half_made.filter(|new| !known.contains(&new.id)).collect();
        displaced.half_made.extend(more.into_iter().map(|new| (wanted, new)));
    }
    displaced.half_made.len() + displaced.set_aside.len() > before
}

/// Whether exactly one service is active under a name, no manifest moves it on, and it belongs to nobody else.
fn is_held(matcher: &Matcher<'_>, name: &ServiceName) -> bool {
    let [holder] = active(matcher, name)[..] else { return false };
    !matcher.claimed.contains(&holder.id) && matcher.policy.ownership.other_owner(&holder.tags).is_none()
}

/// The active services with a name.
fn active<'a>(matcher: &Matcher<'a>, name: &ServiceName) -> Vec<&'a LiveService> {
    let named = matcher.by_name.get(name).into_iter().flatten().copied();
    named.filter(|service| service.active).collect()
}

/// The active services with a name, and services of ours that an earlier run set aside for it.
fn candidates<'a>(matcher: &Matcher<'a>, name: &ServiceName) -> Vec<&'a LiveService> {
    let aside = matcher.passing_to.get(name).into_iter().flatten().copied();
    let mut found = active(matcher, name);
    found.extend(aside.filter(|service| matcher.owns(service)));
    found
}

/// Whether a service may be meant by a manifest's name that neither this nor another manifest has.
fn has_rival(matcher: &Matcher<'_>, wanted: &DesiredService, live: Option<&LiveService>) -> bool {
    let half_made = matcher.half_made.get(&wanted.name);
    let is_known = |service: &LiveService| {
        live.is_some_and(|live| live.id == service.id)
            || half_made.is_some_and(|new| new.id == service.id)
            || matcher.claimed.contains(&service.id)
    };
    candidates(matcher, &wanted.name).into_iter().any(|service| !is_known(service))
}

fn several(wanted: &DesiredService, name: &ServiceName, found: &[&LiveService]) -> Problem {
    if found.iter().all(|service| service.active && service.name == *name) {
        let help = "deactivate or rename all but one of them, so that it is clear which is meant";
        return problem(wanted, name, "active services are named", found, help);
    }
    let aside = found.iter().find(|service| names::passing_to(service).is_some());
    let help = match aside {
        // Only the manifests of the run that was cut off say where the other service goes.
        Some(aside) => format!(
            "a run that renames services was cut off and left `{}`: write `renamed_from` as it was until a run has \
             finished, or rename the service that is not meant",
            aside.name
        ),
        None => "rename the one that is not meant".to_owned(),
    };
    problem(wanted, name, "services may be the one named", found, &help)
}

/// The problem that several inactive services of ours have a manifest's name.
pub(super) fn inactive(wanted: &DesiredService, found: &[&LiveService]) -> Problem {
    let help = "activate or rename one of them, so that it is clear which is meant";
    problem(wanted, &wanted.name, "inactive services of ours are named", found, help)
}

fn problem(
    wanted: &DesiredService,
    name: &ServiceName,
    what: &str,
    found: &[&LiveService],
    help: &str,
) -> Problem {
    let mut ids: Vec<&str> = found.iter().map(|service| service.id.as_str()).collect();
    ids.sort_unstable();
    Problem {
        kind: ProblemKind::Ambiguous,
        service: Some(wanted.name.clone()),
        place: Some(wanted.place.clone()),
        message: format!("{} {what} `{name}`: {}", ids.len(), ids.join(", ")),
        help: vec![help.to_owned()],
    }
}
