//! Finds services that can't be distinguished: several services have the same name, and a manifest can mean only one of
//! them.
//!
//! The API keeps the names of active services unique. But concurrent runs or other clients can still create services
//! that can't be distinguished.

use std::collections::BTreeSet;

use super::matcher::Matcher;
use super::names;
use super::types::{Problem, ProblemKind};
use crate::model::{DesiredService, LiveService, ServiceName};

/// The services that can't get the name of a manifest, because another active service has the name and no manifest
/// renames that other service. Each is paired with its manifest.
#[derive(Debug, Default)]
pub(super) struct Displaced<'a> {
    /// The new services of unfinished replacements.
    pub(super) unfinished: Vec<(&'a DesiredService, &'a LiveService)>,
    /// The services to which an earlier run gave a temporary name.
    pub(super) renaming: Vec<(&'a DesiredService, &'a LiveService)>,
}

/// Returns a problem for each manifest whose name, or whose name in `renamed_from`, could mean several services.
pub(super) fn check(matcher: &Matcher<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, live) in &matcher.matched {
        let Some(wanted) = matcher.desired.services.get(*name) else { continue };
        if has_other_candidate(matcher, wanted, *live) {
            let mut found = candidates(matcher, &wanted.name);
            let other = live.filter(|live| found.iter().all(|known| known.id != live.id));
            found.extend(other);
            problems.push(several_problem(matcher, wanted, &wanted.name, &found));
        }
        let from = wanted.lifecycle.renamed_from.as_ref().filter(|from| **from != wanted.name);
        if let Some(from) = from.filter(|from| live.is_some_and(|live| live.name == **from)) {
            let found = active(matcher, from);
            if found.len() > 1 {
                problems.push(several_problem(matcher, wanted, from, &found));
            }
        }
    }
    problems
}

/// Finds the services that can't get the names that their manifests declare, and adds them to `displaced`. Returns true
/// if any service was added. The caller must complete all steps of matching first.
pub(super) fn find_displaced<'a>(matcher: &Matcher<'a>, displaced: &mut Displaced<'a>) -> bool {
    let before = displaced.unfinished.len() + displaced.renaming.len();
    let all_matched = matcher.unmatched().is_empty() && matcher.matched.values().all(Option::is_some);
    for (name, live) in &matcher.matched {
        let (Some(wanted), Some(live)) = (matcher.desired.services.get(*name), *live) else { continue };
        if live.name == wanted.name {
            continue;
        }
        let is_renaming = names::renaming_target(live).as_ref() == Some(&wanted.name);
        // An active service is displaced only by another active service. An inactive service is also displaced by an
        // owned inactive service.
        let is_displaced = match live.active {
            true => find_active_holder(matcher, &wanted.name).is_some(),
            false => matcher.find_holder(&wanted.name).is_ok_and(|holder| holder.is_some()),
        };
        // If another manifest has no service, the service with the temporary name could belong to that manifest. Only
        // the user can decide this.
        if is_renaming && all_matched && is_displaced {
            displaced.renaming.push((wanted, live));
        } else if !find_active_holder(matcher, &wanted.name).is_some_and(|holder| matcher.owns(holder)) {
            // The service that has the name is not owned, so any client may have created it. Here only the user can
            // decide which service the manifest means.
            continue;
        }
        let is_of_live = |new: &LiveService| matcher.predecessor_of(new).is_some_and(|old| old.id == live.id);
        let unfit = matcher.abandoned.iter().filter(|(of, new)| of.name == wanted.name && is_of_live(new));
        let unfinished = unfit.map(|(_, new)| *new).chain(matcher.unfinished.get(*name).copied());
        let known: BTreeSet<_> = displaced.unfinished.iter().map(|(_, new)| &new.id).collect();
        let more: Vec<_> = unfinished.filter(|new| !known.contains(&new.id)).collect();
        displaced.unfinished.extend(more.into_iter().map(|new| (wanted, new)));
    }
    displaced.unfinished.len() + displaced.renaming.len() > before
}

/// Returns the only active service with a name. Returns `None` if there is not exactly one, or if it belongs to a
/// manifest or another project.
fn find_active_holder<'a>(matcher: &Matcher<'a>, name: &ServiceName) -> Option<&'a LiveService> {
    let [holder] = active(matcher, name)[..] else { return None };
    let is_anothers = matcher.policy.ownership.other_owner(&holder.tags).is_some();
    (!matcher.claimed.contains(&holder.id) && !is_anothers).then_some(holder)
}

/// Returns the active services with a name.
fn active<'a>(matcher: &Matcher<'a>, name: &ServiceName) -> Vec<&'a LiveService> {
    let named = matcher.by_name.get(name).into_iter().flatten().copied();
    named.filter(|service| service.active).collect()
}

/// Returns the active services with a name, and the owned services that an earlier run began to rename to that name.
fn candidates<'a>(matcher: &Matcher<'a>, name: &ServiceName) -> Vec<&'a LiveService> {
    let renaming = matcher.by_renaming_target.get(name).into_iter().flatten().copied();
    let mut found = active(matcher, name);
    found.extend(renaming.filter(|service| matcher.owns(service)));
    found
}

/// Returns true if a manifest could mean another service besides its match, and this other service belongs to no
/// manifest.
fn has_other_candidate(matcher: &Matcher<'_>, wanted: &DesiredService, live: Option<&LiveService>) -> bool {
    let unfinished = matcher.unfinished.get(&wanted.name);
    let is_known = |service: &LiveService| {
        live.is_some_and(|live| live.id == service.id)
            || unfinished.is_some_and(|new| new.id == service.id)
            || matcher.claimed.contains(&service.id)
    };
    candidates(matcher, &wanted.name).into_iter().any(|service| !is_known(service))
}

/// Returns the problem that a manifest could mean several services.
fn several_problem(
    matcher: &Matcher<'_>,
    wanted: &DesiredService,
    name: &ServiceName,
    found: &[&LiveService],
) -> Problem {
    if found.iter().all(|service| service.active && service.name == *name) {
        let help =
            "deactivate or rename all but one of them, so that it is clear which one the manifest means";
        return problem(wanted, named(name, "active services are named", found), help);
    }
    let renaming = found.iter().find(|service| names::renaming_target(service).is_some());
    let help = match renaming {
        // Only the manifests of the interrupted run say which name the other service must get.
        Some(renaming) => format!(
            "an interrupted run left the temporary name `{}`: put `renamed_from` back into the manifest until a run has \
             finished, or rename the service that the manifest does not mean",
            renaming.name
        ),
        None => match found.iter().find(|service| service.name == *name) {
            Some(holder) if found.len() == 2 => format!(
                "another client has renamed the service of this manifest, and now `{}` ({}) has its name: rename or \
                 deactivate that one, or remove the tag `origin` from the service that the manifest does not mean",
                holder.name, holder.id
            ),
            _ => "rename the service that the manifest does not mean".to_owned(),
        },
    };
    let message = format!("{} services match the name `{name}`: {}", found.len(), describe(matcher, found));
    problem(wanted, message, &help)
}

/// Describes services: the id of each, its name, its owner, and if it is inactive.
fn describe(matcher: &Matcher<'_>, services: &[&LiveService]) -> String {
    let mut described: Vec<String> = services.iter().map(|service| describe_one(matcher, service)).collect();
    described.sort_unstable();
    described.join(", ")
}

fn describe_one(matcher: &Matcher<'_>, service: &LiveService) -> String {
    let owner = match (matcher.owns(service), matcher.policy.ownership.other_owner(&service.tags)) {
        (true, _) => "owned by this project".to_owned(),
        (false, Some(other)) => format!("owned by `{other}`"),
        (false, None) => "not owned".to_owned(),
    };
    let state = if service.active { "" } else { ", inactive" };
    format!("{} (`{}`, {owner}{state})", service.id, service.name)
}

/// Returns the problem that the name of a manifest, or the name in its `renamed_from`, could mean several owned services:
/// inactive services with the name, or services that were made for the name and have other names now.
pub(super) fn owned_problem(
    matcher: &Matcher<'_>,
    wanted: &DesiredService,
    name: &ServiceName,
    found: &[&LiveService],
) -> Problem {
    if found.iter().any(|service| service.name == *name) {
        let message = named(name, "inactive services of this project are named", found);
        return problem(
            wanted,
            message,
            "activate or rename one of them, so that it is clear which one the manifest means",
        );
    }
    let message = format!(
        "{} services were made for the name `{name}`, and none of them has it now: {}",
        found.len(),
        describe(matcher, found)
    );
    let help = format!(
        "give the original the name `{name}` again, or remove the tag `origin` from the copies that another client made"
    );
    problem(wanted, message, &help)
}

/// Returns the problem that a manifest with `active: false` could adopt several inactive services.
pub(super) fn unowned_inactive_problem(wanted: &DesiredService, found: &[&LiveService]) -> Problem {
    let help = "rename all but one of them, so that it is clear which one is adopted";
    problem(wanted, named(&wanted.name, "inactive services without an owner are named", found), help)
}

/// Returns a message that counts the services with a name and lists their ids. `what` says what they are.
fn named(name: &ServiceName, what: &str, found: &[&LiveService]) -> String {
    let mut ids: Vec<&str> = found.iter().map(|service| service.id.as_str()).collect();
    ids.sort_unstable();
    format!("{} {what} `{name}`: {}", ids.len(), ids.join(", "))
}

fn problem(wanted: &DesiredService, message: String, help: &str) -> Problem {
    Problem {
        kind: ProblemKind::Ambiguous,
        service: Some(wanted.name.clone()),
        place: Some(wanted.place.clone()),
        message,
        help: vec![help.to_owned()],
    }
}
