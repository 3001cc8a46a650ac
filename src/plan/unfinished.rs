//! Step 1 of matching: finds replacements that an earlier run began. For each manifest, at most one replacement is
//! continued, and the others are abandoned.
//!
//! A manifest can have several unfinished replacements, from concurrent runs or because manifests have changed. A
//! replacement is continued if its old service must still be replaced, and its new service has the agent and context
//! graph that the manifest declares. All other replacements are abandoned, so that a later run does not mistake their
//! new services for services in use.

use super::matcher::Matcher;
use super::names;
use crate::model::{DesiredService, LiveService, ServiceName, TAG_REPLACES};

/// The new service and the old service of a replacement, in this order.
type Replacement<'a> = (&'a LiveService, &'a LiveService);

impl<'a> Matcher<'a> {
    /// Matches manifests with the old services of unfinished replacements, and abandons the replacements that can't be
    /// continued.
    pub(super) fn match_unfinished(&mut self) {
        for (wanted, references) in self.unmatched() {
            self.abandon_overtaken(wanted);
            let candidates = self.find_replacements(wanted);
            let mut candidates = self.without_finished(wanted, candidates);
            self.abandon_displaced(wanted, &candidates);
            candidates.retain(|(new, old)| {
                !self.claimed.contains(&new.id) && self.is_in_progress(wanted, new, old)
            });
            // If concurrent runs began several replacements, a replacement whose old service is already renamed has
            // progressed furthest, so it is chosen. Its old service can't be found by the name of the manifest.
            let Some(&(_, old)) = candidates.iter().max_by_key(|(_, old)| names::has_replaced_name(old))
            else {
                continue;
            };
            let old_fits = references.fit(old) && self.stands_for(old, &wanted.name);
            let chosen = candidates
                .iter()
                .find(|(new, its_old)| its_old.id == old.id && references.fit(new) && !old_fits)
                .map(|(new, _)| *new);
            for (new, _) in &candidates {
                if chosen.is_some_and(|chosen| chosen.id == new.id) {
                    self.claimed.insert(&new.id);
                } else {
                    self.abandon(wanted, new);
                }
            }
            if let Some(chosen) = chosen {
                self.unfinished.insert(&wanted.name, chosen);
            }
            if chosen.is_some() || (names::has_replaced_name(old) && old.active) {
                self.replacing.insert(&wanted.name);
                self.set_match(wanted, Some(old));
            }
        }
    }

    /// Returns the unfinished replacements whose new service was created for a manifest.
    fn find_replacements(&self, wanted: &'a DesiredService) -> Vec<Replacement<'a>> {
        // The manifest may have got another name since the replacement began. So the name in `renamed_from` counts,
        // too, unless another manifest declares that name now.
        let from = wanted.lifecycle.renamed_from.as_ref();
        let from = from.filter(|from| !self.desired.services.contains_key(*from));
        let names = [Some(&wanted.name), from].into_iter().flatten();
        // On an API where new services get temporary names, an inactive service with the final name is not a new
        // service: it was activated before, and deactivated later.
        let own_name = !self.api.inactive_services_hold_names();
        let old_has_released_name =
            |new: &LiveService| self.predecessor_of(new).is_some_and(|old| self.has_released_name(old));
        names
            .flat_map(|name| {
                let named = self.by_name.get(name).filter(|_| own_name);
                // A service with the temporary name `… (renaming …)` counts as the new service of a replacement only if
                // its old service has already released its name.
                let renaming = self.by_renaming_target.get(name).into_iter().flatten();
                let renaming = renaming.filter(|new| old_has_released_name(new));
                named.into_iter().chain(self.by_replacing_target.get(name)).flatten().chain(renaming)
            })
            .filter(|new| self.is_free(new))
            .filter_map(|new| Some((*new, self.predecessor_of(new)?)))
            .filter(|(_, old)| !self.claimed.contains(&old.id))
            .collect()
    }

    /// Abandons the new services that can no longer replace their old service. Either another service has replaced the
    /// old service, or the old service no longer exists and an active service already has the manifest's name.
    fn abandon_overtaken(&mut self, wanted: &'a DesiredService) {
        let is_held = self.has_active_holder(&wanted.name);
        let targeting = self.by_replacing_target.get(&wanted.name).into_iter().flatten().copied();
        let late = targeting.filter(|new| {
            let is_gone = self.predecessor_of(new).is_none();
            self.is_free(new) && ((is_held && is_gone) || self.was_overtaken(new))
        });
        for new in late.collect::<Vec<_>>() {
            self.abandon(wanted, new);
        }
    }

    /// Abandons the replacements of an old service that a concurrent run has already replaced. Returns the other
    /// replacements.
    fn without_finished(
        &mut self,
        wanted: &'a DesiredService,
        candidates: Vec<Replacement<'a>>,
    ) -> Vec<Replacement<'a>> {
        let holder =
            self.by_name.get(&wanted.name).into_iter().flatten().find(|service| service.active).copied();
        let replaced = holder.and_then(|holder| self.predecessor_of(holder)).map(|old| &old.id);
        let (late, rest): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|(_, old)| replaced.is_some_and(|replaced| replaced == &old.id));
        for (new, _) in late {
            self.abandon(wanted, new);
        }
        rest
    }

    /// Abandons unfinished replacements of a service that has the manifest's former name, if the new service can never
    /// get the manifest's name. This happens if a concurrent run has given the manifest's name to another service, or
    /// has begun to rename another service to it.
    fn abandon_displaced(&mut self, wanted: &'a DesiredService, candidates: &[Replacement<'a>]) {
        let is_in_use = self.has_active_holder(&wanted.name);
        let renaming: Vec<&LiveService> =
            self.by_renaming_target.get(&wanted.name).cloned().unwrap_or_default();
        for (new, old) in candidates {
            let is_renamed = Some(&old.name) == wanted.lifecycle.renamed_from.as_ref();
            let is_promised =
                renaming.iter().any(|other| self.owns(other) && other.id != old.id && other.id != new.id);
            let is_held = is_in_use && self.is_name_blocked(&wanted.name, new);
            if (is_held || is_promised) && is_renamed && names::is_meant_for(new, &wanted.name) {
                self.abandon(wanted, new);
            }
        }
    }

    /// Returns true if the replacement of `old` by `new` is not finished and can be continued.
    fn is_in_progress(&self, wanted: &DesiredService, new: &LiveService, old: &LiveService) -> bool {
        // The old service may itself be the new service of an earlier replacement, and may not have its final name yet.
        let has_pending_name = self.pending_name(old).as_ref() == Some(&wanted.name) && self.owns(old);
        let is_renaming = names::renaming_target(old).as_ref() == Some(&wanted.name) && self.owns(old);
        let former_name = wanted.lifecycle.renamed_from.as_ref();
        let has_its_name =
            self.stands_for(old, &wanted.name) || former_name.is_some_and(|name| self.stands_for(old, name));
        let is_renamed = former_name.is_some_and(|from| *from == old.name || names::is_meant_for(new, from));
        if is_renamed && self.is_name_blocked(&wanted.name, new) {
            return false;
        }
        // An inactive service of another project never belonged to this manifest.
        let may_be_ours = old.active || self.policy.ownership.other_owner(&old.tags).is_none();
        self.has_released_name(old) || has_pending_name || is_renaming || (has_its_name && may_be_ours)
    }

    /// Returns true if `new` can't get a name, because another service has it and no manifest renames that service. An
    /// inactive service counts only if the project owns it. It doesn't count if it is the new service of an unfinished
    /// replacement, or replaces the same service as `new`.
    fn is_name_blocked(&self, name: &ServiceName, new: &LiveService) -> bool {
        let is_other = |live: &LiveService| live.tags.get(TAG_REPLACES) != new.tags.get(TAG_REPLACES);
        let holds = |live: &LiveService| self.owns(live) && !self.is_unfinished(live) && is_other(live);
        let mut named = self.by_name.get(name).into_iter().flatten();
        let is_held = named.any(|live| !self.belongs_to_another(live, name) && (live.active || holds(live)));
        let moves_on = |wanted: &DesiredService| {
            wanted.name != *name && wanted.lifecycle.renamed_from.as_ref() == Some(name)
        };
        is_held && !self.desired.services.values().any(moves_on)
    }

    fn has_active_holder(&self, name: &ServiceName) -> bool {
        let mut named = self.by_name.get(name).into_iter().flatten();
        named.any(|service| service.active && !self.belongs_to_another(service, name))
    }
}
