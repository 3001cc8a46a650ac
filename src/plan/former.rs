//! Finds the former services of manifests, and retires them.
//!
//! The tag `replaces` of each new service refers to its old service. So the former services of a manifest are a chain
//! that begins at the live service.
//!
//! A former service may still be active because a run was interrupted before it retired the service, because the API
//! refused to retire it, or because an operator activated the service again. One plan retires all of them.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::matcher::{Matcher, ServiceMatch};
use super::{diff, names, steps};
use crate::model::{DesiredService, LiveService, Retire, ServiceId, ServiceName};

/// Returns the owned former services of each manifest. The service that was replaced most recently comes first.
pub(super) fn find_chains<'a>(matcher: &Matcher<'a>) -> BTreeMap<&'a ServiceName, Vec<&'a LiveService>> {
    let matched = matcher.matched.iter();
    let mut former: BTreeMap<_, _> =
        matched.filter_map(|(name, live)| Some((*name, find_chain(matcher, (*live)?)))).collect();
    former.retain(|_, chain| !chain.is_empty());
    let mut times: BTreeMap<&ServiceId, usize> = BTreeMap::new();
    for service in former.values().flatten() {
        *times.entry(&service.id).or_default() += 1;
    }
    for (name, chain) in &mut former {
        // If tags were edited, the chains of two manifests can lead to the same service. The name of the service shows
        // to which manifest it belongs.
        let is_its_own = |former: &LiveService| {
            times.get(&former.id).is_some_and(|times| *times < 2)
                || names::base_name(&former.name) == name.as_str()
        };
        chain.retain(|former| {
            let is_former = matcher.owns(former) && names::has_replaced_name(former);
            is_former && is_its_own(former)
        });
    }
    former
}

/// Returns true if the former service of a manifest must be retired: if it is still active, or if the manifest has
/// `retire: delete`. An active former service stays as it is if `lifecycle.ignore` keeps the live service inactive.
pub(super) fn must_retire(wanted: &DesiredService, live: &LiveService, former: &LiveService) -> bool {
    let deletes = wanted.lifecycle.retire == Retire::Delete;
    // If `lifecycle.ignore` keeps the live service inactive, an operator may be using a former service again.
    match diff::is_active(wanted, Some(live)) || diff::wants_inactive(wanted) {
        true => former.active || deletes,
        false => !former.active && deletes,
    }
}

/// Returns the services that `live` has replaced, directly or through a chain of replacements. The list stops before a
/// service that belongs to a manifest.
fn find_chain<'a>(matcher: &Matcher<'a>, live: &'a LiveService) -> Vec<&'a LiveService> {
    let mut chain: Vec<&LiveService> = Vec::new();
    let mut latest = live;
    while let Some(former) = matcher.predecessor_of(latest) {
        let seen = |known: &&LiveService| known.id == former.id;
        if former.id == live.id || chain.iter().any(seen) || matcher.claimed.contains(&former.id) {
            break;
        }
        chain.push(former);
        latest = former;
    }
    chain
}

/// Adds the steps that retire the former services of a manifest. The steps run after the step `activation`, if there is
/// one.
///
/// If the services are deleted, the oldest is deleted first. The tag of each service refers to the service that it
/// replaced, and deleting the newer service first would lose this tag. `retirement` is the step that retires the old
/// service, if this plan replaces the service.
pub(super) fn retire_all(
    draft: &mut Draft<'_>,
    matched: &ServiceMatch<'_>,
    retirement: Option<usize>,
    activation: Option<usize>,
) {
    let wanted = matched.wanted;
    let mut later = retirement;
    for former in &matched.former {
        let step = retire_one(draft, wanted, former, activation);
        if let Some(later) = later.filter(|_| wanted.lifecycle.retire == Retire::Delete) {
            draft.steps[later].after.insert(step);
        }
        later = Some(step);
    }
}

/// Adds the step that retires a former service. The new step runs after the step `after`, if there is one. Returns the
/// index of the new step.
pub(super) fn retire_one(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    former: &LiveService,
    after: Option<usize>,
) -> usize {
    let mut step = steps::retire(draft, &wanted.name, former, wanted.lifecycle.retire);
    step.after.extend(after);
    // The cut-over has already released the name of the former service.
    step.releases_name = None;
    step.reason = Some(format!("a new service replaces `{}`", wanted.name));
    draft.push(step)
}
