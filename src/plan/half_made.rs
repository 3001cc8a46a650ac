//! Replacements that an earlier run began: which of them go on, and which are given up. May import `model` only.
//!
//! There may be several: runs at once, manifests that were renamed or changed since. One that goes on must
//! be of an old service whose replacement is under way, and fit what the manifest wants; every other one is
//! given up, so that none is ever taken for a service in use.

use std::collections::BTreeSet;

use super::build::Draft;
use super::identity::{Embodiment, Matcher};
use super::types::Action;
use super::{names, replacement};
use crate::model::{Desired, DesiredService, LiveService, ServiceId, ServiceName, TAG_REPLACES};

/// Gives up unfinished replacements whose old service this plan replaces or deletes for another manifest: only the next
/// run would see that they came too late.
pub(super) fn give_up_overtaken(draft: &mut Draft<'_>, desired: &Desired, embodiments: &[Embodiment<'_>]) {
    let mut known: BTreeSet<&ServiceId> =
        embodiments.iter().flat_map(Embodiment::services).map(|service| &service.id).collect();
    let mut replaced: BTreeSet<ServiceId> = BTreeSet::new();
    let mut given_up: BTreeSet<ServiceId> = BTreeSet::new();
    for step in &draft.steps {
        match &step.action {
            Action::HandOver { old: id, .. } | Action::Retire { id, update: None, .. } => {
                replaced.insert(id.clone());
            }
            Action::Discard { id, .. } => {
                given_up.insert(id.clone());
            }
            _ => {}
        }
    }
    known.extend(&given_up);
    let is_left = |service: &&LiveService| {
        let old = service.tags.get(TAG_REPLACES).and_then(Option::as_deref).map(ServiceId::new);
        !service.active
            && !known.contains(&service.id)
            && draft.policy.ownership.owns(&service.tags)
            && old.is_some_and(|old| replaced.contains(&old))
    };
    let mut left: Vec<&LiveService> = draft.snapshot.services.iter().filter(is_left).collect();
    left.sort_by(|a, b| a.id.cmp(&b.id));
    for service in left {
        let wanted = names::replacing_for(service).and_then(|name| desired.services.get(&name));
        let only = &draft.options.only;
        if let Some(wanted) = wanted.filter(|wanted| only.is_empty() || only.contains(&wanted.name)) {
            replacement::discard(draft, wanted, service);
        }
    }
}

impl<'a> Matcher<'a> {
    /// Step 1 of the matching.
    pub(super) fn half_made(&mut self) {
        for (wanted, joins) in self.open() {
            self.too_late(wanted);
            let candidates = self.candidates(wanted);
            let mut candidates = self.without_finished(wanted, candidates);
            self.give_up_displaced(wanted, &candidates);
            candidates
                .retain(|(new, old)| !self.claimed.contains(&new.id) && self.is_under_way(wanted, new, old));
            // Where several were begun (two runs at once), the one whose old service has already given
            // its name up is the furthest; its old service has no name to be found by but this.
            let Some(&(_, old)) = candidates.iter().max_by_key(|(_, old)| names::is_replaced(old)) else {
                continue;
            };
            let fits =
                |new: &LiveService| new.agent == joins.agent && new.context_graph == joins.context_graph;
            let in_place = fits(old) && old.name == wanted.name;
            let chosen = candidates
                .iter()
                .find(|(new, its_old)| its_old.id == old.id && fits(new) && !in_place)
                .map(|(new, _)| *new);
            for (new, _) in &candidates {
                if chosen.is_some_and(|chosen| chosen.id == new.id) {
                    self.claimed.insert(&new.id);
                } else {
                    self.give_up(wanted, new);
                }
            }
            if let Some(chosen) = chosen {
                self.half_made.insert(&wanted.name, chosen);
            }
            if chosen.is_some() || (names::is_replaced(old) && old.active) {
                self.replacing.insert(&wanted.name);
                self.claim(wanted, Some(old));
            }
        }
    }

    pub(super) fn give_up(&mut self, wanted: &'a DesiredService, new: &'a LiveService) {
        self.claimed.insert(&new.id);
        self.abandoned.push((wanted, new));
    }

    /// Inactive services of ours that were to take over as this manifest's, each with its old service.
    fn candidates(&self, wanted: &'a DesiredService) -> Vec<(&'a LiveService, &'a LiveService)> {
        // A manifest may have been renamed since; the name it had may by now be another one's.
        let from = wanted.lifecycle.renamed_from.as_ref();
        let from = from.filter(|from| !self.desired.services.contains_key(*from));
        let names = [Some(&wanted.name), from].into_iter().flatten();
        // Under a passing name only, where new services have one: whoever has the name itself has had it
        // with its activation, and was deactivated since.
        let own_name = !self.api.inactive_services_hold_names();
        let gave_name_up =
            |new: &LiveService| self.replaced_by(new).is_some_and(|old| self.gave_name_up(old));
        names
            .flat_map(|name| {
                let named = self.by_name.get(name).filter(|_| own_name);
                // A service that is set aside is another one, unless the one before it waits for it.
                let aside = self.passing_to.get(name).into_iter().flatten().filter(|new| gave_name_up(new));
                named.into_iter().chain(self.replacing_for.get(name)).flatten().chain(aside)
            })
            .filter(|new| !new.active && self.owns(new) && !self.claimed.contains(&new.id))
            .filter_map(|new| Some((*new, self.replaced_by(new)?)))
            .filter(|(_, old)| !self.claimed.contains(&old.id))
            .collect()
    }

    /// Gives up half-made services that came too late: their old one is gone and another is in its place, or
    /// another has replaced it.
    fn too_late(&mut self, wanted: &'a DesiredService) {
        let named = self.by_name.get(&wanted.name);
        let is_held = named.into_iter().flatten().any(|service| service.active);
        let late = self.replacing_for.get(&wanted.name).into_iter().flatten().copied().filter(|new| {
            let is_free = !new.active && self.owns(new) && !self.claimed.contains(&new.id);
            let is_gone = self.replaced_by(new).is_none();
            is_free && ((is_held && is_gone) || self.was_overtaken(new))
        });
        for new in late.collect::<Vec<_>>() {
            self.give_up(wanted, new);
        }
    }

    /// Whether another service has taken the place of the old one already, under whatever name.
    fn was_overtaken(&self, new: &LiveService) -> bool {
        let old = new.tags.get(TAG_REPLACES);
        self.by_id.values().any(|other| {
            other.id != new.id
                && other.tags.get(TAG_REPLACES) == old
                && (other.active || names::replacing_for(other).is_none())
                && !names::is_given_up(other)
                && self.owns(other)
        })
    }

    /// Drops half-made services whose old one has been replaced by another already: of two runs at once,
    /// one was faster.
    fn without_finished(
        &mut self,
        wanted: &'a DesiredService,
        candidates: Vec<(&'a LiveService, &'a LiveService)>,
    ) -> Vec<(&'a LiveService, &'a LiveService)> {
        let holder =
            self.by_name.get(&wanted.name).into_iter().flatten().find(|service| service.active).copied();
        let replaced = holder.and_then(|holder| self.replaced_by(holder)).map(|old| &old.id);
        let (late, rest): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|(_, old)| replaced.is_some_and(|replaced| replaced == &old.id));
        for (new, _) in late {
            self.give_up(wanted, new);
        }
        rest
    }

    /// Gives up the unfinished replacements of a service with the former name that were to have the manifest's name, where
    /// another service is active under it or on its way to it: runs at the same time have done that, and the replacement
    /// can never take the name.
    fn give_up_displaced(
        &mut self,
        wanted: &'a DesiredService,
        candidates: &[(&'a LiveService, &'a LiveService)],
    ) {
        let is_held = self.by_name.get(&wanted.name).into_iter().flatten().any(|service| service.active)
            && self.stays_held(&wanted.name);
        let aside: Vec<&LiveService> = self.passing_to.get(&wanted.name).cloned().unwrap_or_default();
        for (new, old) in candidates {
            let is_renamed = Some(&old.name) == wanted.lifecycle.renamed_from.as_ref();
            let is_awaited =
                aside.iter().any(|aside| self.owns(aside) && aside.id != old.id && aside.id != new.id);
            if (is_held || is_awaited) && is_renamed && names::is_meant_for(new, &wanted.name) {
                self.give_up(wanted, new);
            }
        }
    }

    /// Whether the old service is one whose replacement has not been finished.
    fn is_under_way(&self, wanted: &DesiredService, new: &LiveService, old: &LiveService) -> bool {
        // The old one may be a new one itself that has not taken its name yet.
        let waits_for_it = self.left_for(old).as_ref() == Some(&wanted.name) && self.owns(old);
        let is_set_aside = names::passing_to(old).as_ref() == Some(&wanted.name) && self.owns(old);
        let former_name = wanted.lifecycle.renamed_from.as_ref();
        let has_its_name = old.name == wanted.name || Some(&old.name) == former_name;
        let is_renamed = former_name.is_some_and(|from| *from == old.name || names::is_meant_for(new, from));
        if is_renamed && self.stays_held(&wanted.name) {
            return false;
        }
        // An inactive one of another project was never this manifest's.
        let may_be_ours = old.active || self.policy.ownership.other_owner(&old.tags).is_none();
        self.gave_name_up(old) || waits_for_it || is_set_aside || (has_its_name && may_be_ours)
    }

    /// Returns true if a service has this name and no manifest renames it, so that no other can take the name.
    /// New services of unfinished replacements don't count.
    fn stays_held(&self, name: &ServiceName) -> bool {
        let mut named = self.by_name.get(name).into_iter().flatten();
        let is_held = named.any(|live| live.active || (self.owns(live) && !self.is_unfinished(live)));
        let moves_on = |wanted: &DesiredService| {
            wanted.name != *name && wanted.lifecycle.renamed_from.as_ref() == Some(name)
        };
        is_held && !self.desired.services.values().any(moves_on)
    }

    /// Returns true if this is the new service of a replacement whose old service has not given its name up.
    pub(super) fn is_unfinished(&self, service: &LiveService) -> bool {
        let waits = |old: &LiveService| old.active && !names::is_replaced(old);
        !service.active && self.owns(service) && self.replaced_by(service).is_some_and(waits)
    }

    /// The new services of unfinished replacements that have the name of an inactive service of ours.
    pub(super) fn unfinished_namesakes(&self, service: &LiveService) -> Vec<&'a LiveService> {
        let named = self.by_name.get(&service.name).into_iter().flatten().copied();
        let is_meant = !service.active && !self.is_unfinished(service);
        named
            .filter(|other| is_meant && other.id != service.id)
            .filter(|other| !self.claimed.contains(&other.id) && self.is_unfinished(other))
            .collect()
    }

    /// Whether a hand-over has renamed an old service that is still in use.
    fn gave_name_up(&self, old: &LiveService) -> bool {
        names::is_replaced(old) && old.active && self.owns(old)
    }

    /// Whether a hand-over has renamed the service that a manifest has.
    pub(super) fn has_lost_name(&self, name: &ServiceName) -> bool {
        self.matched.get(name).copied().flatten().is_some_and(|old| self.gave_name_up(old))
    }

    /// The name that the new service of a replacement has yet to take, where its old service has gone out of
    /// use already, nobody has overtaken it, and nobody else has the name.
    pub(super) fn left_for(&self, new: &LiveService) -> Option<ServiceName> {
        let name = names::replacing_for(new).filter(|_| !new.active)?;
        let gone =
            self.replaced_by(new).is_none_or(|old| !old.active && names::is_replaced(old) && self.owns(old));
        (gone && !self.was_overtaken(new) && matches!(self.holder(&name), Ok(None))).then_some(name)
    }
}
