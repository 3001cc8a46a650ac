//! Former services: those that replacements left, and how they are retired.
//!
//! Each new service says in its tag `replaces` which one it replaced, so that the former services of a manifest are a
//! chain that begins at the live one. Any of them may still be active: its retirement was cut off or refused, or an
//! operator activated it again. All of them are retired in one plan.

use std::collections::BTreeMap;

use super::build::Draft;
use super::identity::{Embodiment, Matcher};
use super::{diff, names, services};
use crate::model::{DesiredService, LiveService, Retire, ServiceId, ServiceName};

/// The former services that are ours, by the manifest of their successor, the latest first.
pub(super) fn chains<'a>(
    matcher: &Matcher<'a>,
    live: &BTreeMap<&'a ServiceName, Option<&'a LiveService>>,
) -> BTreeMap<&'a ServiceName, Vec<&'a LiveService>> {
    let mut former: BTreeMap<_, _> =
        live.iter().filter_map(|(name, live)| Some((*name, chain(matcher, (*live)?)))).collect();
    former.retain(|_, chain| !chain.is_empty());
    let mut times: BTreeMap<&ServiceId, usize> = BTreeMap::new();
    for service in former.values().flatten() {
        *times.entry(&service.id).or_default() += 1;
    }
    for (name, chain) in &mut former {
        // Tags that were edited can lead from two manifests to one service: its name tells whose it was.
        let is_its_own = |former: &LiveService| {
            times.get(&former.id).is_some_and(|times| *times < 2)
                || names::base(&former.name) == name.as_str()
        };
        chain.retain(|former| {
            let is_former = matcher.owns(former) && names::is_replaced(former);
            is_former && is_its_own(former)
        });
    }
    former
}

/// Whether a former service has to be retired, given the manifest and the live service.
pub(super) fn has_to_go(wanted: &DesiredService, live: &LiveService, former: &LiveService) -> bool {
    let deletes = wanted.lifecycle.retire == Retire::Delete;
    // Where the manifest leaves an inactive service inactive, an operator may have gone back to a former one.
    match diff::is_active(wanted, Some(live)) || diff::wants_inactive(wanted) {
        true => former.active || deletes,
        false => !former.active && deletes,
    }
}

/// The services that this one replaced, directly or through others, up to one that another manifest has.
fn chain<'a>(matcher: &Matcher<'a>, live: &'a LiveService) -> Vec<&'a LiveService> {
    let mut chain: Vec<&LiveService> = Vec::new();
    let mut latest = live;
    while let Some(former) = matcher.replaced_by(latest) {
        let seen = |known: &&LiveService| known.id == former.id;
        if former.id == live.id || chain.iter().any(seen) || matcher.claimed.contains(&former.id) {
            break;
        }
        chain.push(former);
        latest = former;
    }
    chain
}

/// Retires the former services of a manifest: after the step `activation`, if one of theirs is to come into use first.
///
/// A deleted service takes its tag along, and with it the way to those before it: they are retired before it. That
/// holds for the service that this plan replaces, too, which the step `retirement` retires.
pub(super) fn retire(
    draft: &mut Draft<'_>,
    embodiment: &Embodiment<'_>,
    retirement: Option<usize>,
    activation: Option<usize>,
) {
    let wanted = embodiment.wanted;
    let mut later = retirement;
    for former in &embodiment.former {
        let step = retire_one(draft, wanted, former, activation);
        if let Some(later) = later.filter(|_| wanted.lifecycle.retire == Retire::Delete) {
            draft.steps[later].after.insert(step);
        }
        later = Some(step);
    }
}

/// Adds the step that takes one service out of use that has a successor, after the step `after`; gives its index.
pub(super) fn retire_one(
    draft: &mut Draft<'_>,
    wanted: &DesiredService,
    former: &LiveService,
    after: Option<usize>,
) -> usize {
    let mut step = services::retirement(draft, &wanted.name, former, wanted.lifecycle.retire);
    step.after.extend(after);
    // A hand-over has freed the name before.
    step.frees = None;
    step.reason = Some(format!("`{}` has a new service", wanted.name));
    draft.push(step)
}
