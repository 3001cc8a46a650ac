//! The state of matching manifests with live services: the matches so far, and functions that search the live services.

use std::collections::{BTreeMap, BTreeSet};

use super::names;
use super::origin_index::{OriginIndex, is_former_of, is_made_for};
use super::resolve::ResolvedRefs;
use super::types::Finding;
use crate::model::{
    Api, Desired, DesiredService, LiveService, Policy, ServiceId, ServiceName, Snapshot, TAG_REPLACES,
};

/// A manifest and the live services that belong to it.
#[derive(Clone, Debug)]
pub(super) struct ServiceMatch<'a> {
    pub(super) wanted: &'a DesiredService,
    pub(super) references: &'a ResolvedRefs,
    /// The live service of the manifest, or `None` if it does not exist yet. During a replacement, this is the old
    /// service.
    pub(super) live: Option<&'a LiveService>,
    /// The new service, if the manifest has an unfinished replacement.
    pub(super) unfinished: Option<&'a LiveService>,
    /// The former services of the manifest that must still be retired. The service that was replaced most recently
    /// comes first.
    pub(super) former: Vec<&'a LiveService>,
}

impl<'a> ServiceMatch<'a> {
    /// Returns all live services that belong to the manifest: its current service, the new service of an unfinished
    /// replacement, and its former services.
    pub(super) fn services(&self) -> impl Iterator<Item = &'a LiveService> + use<'a, '_> {
        [self.live, self.unfinished].into_iter().flatten().chain(self.former.iter().copied())
    }
}

/// The manifests and services that are matched so far, and all live services by id and by name.
pub(super) struct Matcher<'a> {
    pub(super) api: Api,
    pub(super) desired: &'a Desired,
    pub(super) references: &'a BTreeMap<ServiceName, ResolvedRefs>,
    pub(super) policy: &'a Policy,
    pub(super) by_id: BTreeMap<&'a ServiceId, &'a LiveService>,
    pub(super) by_name: BTreeMap<&'a ServiceName, Vec<&'a LiveService>>,
    /// The new services of replacements that have the temporary name `… (replacing …)`, grouped by their final name.
    pub(super) by_replacing_target: BTreeMap<ServiceName, Vec<&'a LiveService>>,
    /// The services that have the temporary name `… (renaming …)`, grouped by their final name.
    pub(super) by_renaming_target: BTreeMap<ServiceName, Vec<&'a LiveService>>,
    /// The services that their tag `origin` identifies.
    pub(super) origins: OriginIndex<'a>,
    /// The ids of the services that belong to a manifest or are abandoned. No other manifest can match these services.
    pub(super) claimed: BTreeSet<&'a ServiceId>,
    /// The live service of each matched manifest, by the name of the manifest. `None` means that the service must be
    /// created.
    pub(super) matched: BTreeMap<&'a ServiceName, Option<&'a LiveService>>,
    /// The new service of each unfinished replacement, by the name of its manifest.
    pub(super) unfinished: BTreeMap<&'a ServiceName, &'a LiveService>,
    /// The names of the manifests for which an earlier run began a replacement: it created the new service, or has
    /// already renamed the old service.
    pub(super) replacing: BTreeSet<&'a ServiceName>,
    /// The new services of replacements that must be abandoned, each with its manifest.
    pub(super) abandoned: Vec<(&'a DesiredService, &'a LiveService)>,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(
        desired: &'a Desired,
        references: &'a BTreeMap<ServiceName, ResolvedRefs>,
        snapshot: &'a Snapshot,
        policy: &'a Policy,
        api: Api,
    ) -> Self {
        let mut by_name: BTreeMap<&ServiceName, Vec<&LiveService>> = BTreeMap::new();
        let mut by_replacing_target: BTreeMap<ServiceName, Vec<&LiveService>> = BTreeMap::new();
        let mut by_renaming_target: BTreeMap<ServiceName, Vec<&LiveService>> = BTreeMap::new();
        for service in &snapshot.services {
            by_name.entry(&service.name).or_default().push(service);
            if let Some(name) = names::renaming_target(service) {
                by_renaming_target.entry(name).or_default().push(service);
            }
            if let Some(name) = names::replacing_target(service) {
                by_replacing_target.entry(name).or_default().push(service);
            }
        }
        for services in by_replacing_target.values_mut().chain(by_renaming_target.values_mut()) {
            services.sort_by(|a, b| a.id.cmp(&b.id));
        }
        for services in by_name.values_mut() {
            services.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Self {
            api,
            desired,
            references,
            policy,
            by_id: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
            by_name,
            by_replacing_target,
            by_renaming_target,
            origins: OriginIndex::new(desired, snapshot, policy),
            claimed: BTreeSet::new(),
            matched: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            replacing: BTreeSet::new(),
            abandoned: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Returns the declared services that have no match yet, with the ids of their agents and context graphs. A service
    /// is not included if one of these references can't be resolved.
    pub(super) fn unmatched(&self) -> Vec<(&'a DesiredService, &'a ResolvedRefs)> {
        self.desired
            .services
            .values()
            .filter(|wanted| !self.matched.contains_key(&wanted.name))
            .filter_map(|wanted| Some((wanted, self.references.get(&wanted.name)?)))
            .collect()
    }

    pub(super) fn owns(&self, service: &LiveService) -> bool {
        self.policy.ownership.owns(&service.tags)
    }

    /// Returns true if a service is inactive and owned, and so far neither matched with a manifest nor abandoned.
    pub(super) fn is_free(&self, service: &LiveService) -> bool {
        !service.active && self.owns(service) && !self.claimed.contains(&service.id)
    }

    /// Matches a manifest with a live service, or with `None` if its service must be created. If the live service is
    /// inactive, also abandons its duplicates and the new services of unfinished replacements that have its name.
    /// Concurrent or earlier runs may have left such services.
    pub(super) fn set_match(&mut self, wanted: &'a DesiredService, live: Option<&'a LiveService>) {
        if let Some(live) = live {
            self.claimed.insert(&live.id);
            for other in self.duplicates_of(live).into_iter().chain(self.unfinished_namesakes(wanted, live)) {
                self.abandon(wanted, other);
            }
        }
        self.matched.insert(&wanted.name, live);
    }

    /// Marks the new service of a replacement as abandoned, so that no manifest matches it.
    pub(super) fn abandon(&mut self, wanted: &'a DesiredService, new: &'a LiveService) {
        self.claimed.insert(&new.id);
        self.abandoned.push((wanted, new));
    }

    /// Returns the duplicates of an inactive service: other owned inactive services with the same name that replace the
    /// same old service. Concurrent runs can create them. An active service has no duplicates.
    fn duplicates_of(&self, service: &LiveService) -> Vec<&'a LiveService> {
        let named = self.by_name.get(&service.name).into_iter().flatten().copied();
        named
            .filter(|other| !service.active && self.is_free(other) && replace_the_same(service, other))
            .collect()
    }

    /// Returns the old service of a replacement, given the new one: the live service whose id is in the new service's
    /// tag `replaces`. Returns `None` if there is no such tag or no such service, or if the tag has the new service's
    /// own id.
    pub(super) fn predecessor_of(&self, service: &LiveService) -> Option<&'a LiveService> {
        let old = service.tags.get(TAG_REPLACES)?.as_deref()?;
        self.by_id.get(&ServiceId::new(old)).copied().filter(|old| old.id != service.id)
    }

    /// Returns the service that a name stands for: the owned one that was made for this name, or else the active one
    /// with the name, or else the only inactive one that the project owns. Returns `None` if there is no such service,
    /// or if it already belongs to another manifest.
    ///
    /// # Errors
    ///
    /// Errors if the name could mean several owned services. The error contains these services.
    pub(super) fn find_holder(
        &self,
        name: &ServiceName,
    ) -> Result<Option<&'a LiveService>, Vec<&'a LiveService>> {
        match self.find_made_for(name) {
            Ok(None) => self.find_named(name),
            found => found,
        }
    }

    /// Returns the owned service that was made for this name, according to its tag `origin`. Of several, it is the one
    /// that has the name: the others are copies.
    ///
    /// # Errors
    ///
    /// Errors if several services were made for the name and none of them has it. The error contains them.
    fn find_made_for(&self, name: &ServiceName) -> Result<Option<&'a LiveService>, Vec<&'a LiveService>> {
        // A name that is not declared can only be a former name. It must mean the same service before and after other
        // manifests are matched.
        let is_declared = self.desired.services.contains_key(name);
        let is_free = |service: &&LiveService| !self.claimed.contains(&service.id);
        let made = self.origins.made_for(name).iter().filter(|service| !self.is_unfinished(service)).copied();
        let made: Vec<&LiveService> = made.filter(|service| !is_declared || is_free(service)).collect();
        let named: Vec<&LiveService> = made.iter().filter(|service| service.name == *name).copied().collect();
        match (made.as_slice(), named.as_slice()) {
            ([], _) => Ok(None),
            (made, []) if let Some(holder) = self.find_better_holder(name, made) => {
                Ok(Some(holder).filter(is_free))
            }
            ([one], _) | (_, [one]) => Ok(Some(*one).filter(is_free)),
            (_, []) => Err(made),
            // The state of the services and their tag `replaces` show which one is meant.
            _ => Ok(None),
        }
    }

    /// Returns the owned service that has this name and is meant by it, although the services in `made` were made for the
    /// name. Those are copies, or have got other manifests. Returns `None` if there is no such service. It is one of these:
    ///
    /// * an active service that was made for no other declared name;
    /// * a service that amigops has retired under this name;
    /// * an active service that was made for another declared name, if only this service has the agent and context graph
    ///   of the manifest. Then the manifests have followed a swap of names by another client.
    fn find_better_holder(&self, name: &ServiceName, made: &[&'a LiveService]) -> Option<&'a LiveService> {
        let owned =
            self.by_name.get(name).into_iter().flatten().copied().filter(|service| self.owns(service));
        let (active, inactive): (Vec<_>, Vec<_>) = owned.partition(|service| service.active);
        if let [holder] = active[..] {
            let references = self.references.get(name);
            let is_followed = references.is_some_and(|references| {
                references.fit(holder) && !made.iter().any(|other| references.fit(other))
            });
            return (!self.belongs_to_another(holder, name) || is_followed).then_some(holder);
        }
        let is_retired = |service: &&&LiveService| is_former_of(&service.tags, name);
        let mut retired = inactive.iter().filter(is_retired);
        retired.next().filter(|_| active.is_empty() && retired.next().is_none()).copied()
    }

    /// Returns the active service with this name, or else the only inactive one that the project owns. Services that
    /// were made for another declared name don't count. Returns `None` if there is no such service, or if it already
    /// belongs to another manifest.
    ///
    /// # Errors
    ///
    /// Errors if the name could mean several owned inactive services. The error contains these services.
    fn find_named(&self, name: &ServiceName) -> Result<Option<&'a LiveService>, Vec<&'a LiveService>> {
        let named = self.by_name.get(name).into_iter().flatten().copied();
        let named: Vec<&LiveService> =
            named.filter(|service| !self.belongs_to_another(service, name)).collect();
        self.choose_by_state(named)
    }

    /// Of the services with one name, returns the active one, or else the only inactive one that the project owns. Returns
    /// `None` if there is no such service, or if it already belongs to another manifest.
    ///
    /// # Errors
    ///
    /// Errors if several owned inactive services could be meant. The error contains these services.
    fn choose_by_state(
        &self,
        named: Vec<&'a LiveService>,
    ) -> Result<Option<&'a LiveService>, Vec<&'a LiveService>> {
        let is_unclaimed = |service: &LiveService| !self.claimed.contains(&service.id);
        // If the active service belongs to another manifest, no service is returned. Otherwise a run that follows an
        // interrupted run could match an inactive service with the same name instead.
        if let Some(active) = named.iter().find(|service| service.active) {
            return Ok(Some(*active).filter(|service| is_unclaimed(service)));
        }
        let owned: Vec<&LiveService> =
            named.into_iter().filter(|service| self.owns(service) && is_unclaimed(service)).collect();
        match owned.as_slice() {
            [] => Ok(None),
            // Concurrent runs may each have created a new service for the same old service. The new service with the
            // lowest id is used.
            [one, others @ ..] if others.iter().all(|other| replace_the_same(one, other)) => Ok(Some(one)),
            // Here no manifest continues the replacements that are still unfinished. So the name never means one of
            // their new services.
            several => {
                match several.iter().filter(|service| !self.is_unfinished(service)).collect::<Vec<_>>()[..] {
                    [one] => Ok(Some(one)),
                    _ => Err(owned),
                }
            }
        }
    }

    /// Returns the owned service with this name that was made for another declared name, although another service matches
    /// the manifest of that other name. Returns `None` if there is no such service. Another client has copied or renamed
    /// the service, or concurrent runs did.
    ///
    /// # Errors
    ///
    /// Errors if the name could mean several inactive services. The error contains these services.
    pub(super) fn find_copy(
        &self,
        name: &ServiceName,
    ) -> Result<Option<&'a LiveService>, Vec<&'a LiveService>> {
        let named = self.by_name.get(name).into_iter().flatten().copied();
        self.choose_by_state(named.filter(|service| self.owns(service)).collect())
    }

    /// Returns true if the tag `origin` of a service says that it was made for a declared name other than `name`. Then the
    /// service will get that name.
    pub(super) fn belongs_to_another(&self, service: &LiveService, name: &ServiceName) -> bool {
        self.origins.declared_name(service).is_some_and(|declared| declared != name)
    }

    /// Returns the manifest that a service belongs to according to its tag `origin`, or else according to its name.
    /// Returns `None` if no manifest declares the name.
    pub(super) fn manifest_of(&self, service: &LiveService) -> Option<&'a DesiredService> {
        let name = self.origins.declared_name(service).unwrap_or(&service.name);
        self.desired.services.get(name)
    }

    /// Returns true if a service has this name, or was made for it and renamed by another client.
    pub(super) fn stands_for(&self, service: &LiveService, name: &ServiceName) -> bool {
        service.name == *name || self.origins.made_for(name).iter().any(|made| made.id == service.id)
    }

    /// Returns the inactive services with this name that have no owner and belong to no manifest. Services that belong
    /// to the platform itself are not included.
    pub(super) fn inactive_without_owner(&self, name: &ServiceName) -> Vec<&'a LiveService> {
        let named = self.by_name.get(name).into_iter().flatten().copied();
        named
            .filter(|service| !service.active && !service.system && !self.claimed.contains(&service.id))
            .filter(|service| self.policy.ownership.is_free(&service.tags))
            .collect()
    }

    /// Returns the service with this name, unless it already belongs to another manifest. Returns `None` if no service
    /// has the name, or if the name could mean several services.
    pub(super) fn find_clear_holder(&self, name: &ServiceName) -> Option<&'a LiveService> {
        self.find_holder(name).ok().flatten()
    }

    /// Returns true if a service is the owned, inactive new service of a replacement, and the old service is still
    /// active and has not been renamed by a cut-over.
    pub(super) fn is_unfinished(&self, service: &LiveService) -> bool {
        let has_its_name = |old: &LiveService| old.active && !names::has_replaced_name(old);
        !service.active && self.owns(service) && self.predecessor_of(service).is_some_and(has_its_name)
    }

    /// Returns the new services of unfinished replacements that have the same name as `service`, the match of `wanted`.
    /// Returns nothing if `service` is active or is such a new service itself, or if another manifest declares the
    /// name.
    fn unfinished_namesakes(&self, wanted: &DesiredService, service: &LiveService) -> Vec<&'a LiveService> {
        let named = self.by_name.get(&service.name).into_iter().flatten().copied();
        let is_anothers = service.name != wanted.name && self.desired.services.contains_key(&service.name);
        let is_meant = !service.active && !is_anothers && !self.is_unfinished(service);
        named
            .filter(|other| is_meant && other.id != service.id)
            .filter(|other| !self.claimed.contains(&other.id) && self.is_unfinished(other))
            .collect()
    }

    /// Returns true if the old service of a replacement is owned and still active, although a cut-over has already
    /// renamed it.
    pub(super) fn has_released_name(&self, old: &LiveService) -> bool {
        names::has_replaced_name(old) && old.active && self.owns(old)
    }

    /// Returns true if the manifest with this name is matched with an active old service that a cut-over has already
    /// renamed.
    pub(super) fn match_has_released_name(&self, name: &ServiceName) -> bool {
        self.matched.get(name).copied().flatten().is_some_and(|old| self.has_released_name(old))
    }

    /// Returns the final name of an inactive new service that still has its temporary name, although its old service is
    /// already retired or deleted. Returns `None` for any other service. Also returns `None` if another service has
    /// replaced the old service, or already has the final name.
    pub(super) fn pending_name(&self, new: &LiveService) -> Option<ServiceName> {
        let name = names::replacing_target(new).filter(|_| !new.active)?;
        let is_gone = self
            .predecessor_of(new)
            .is_none_or(|old| !old.active && names::has_replaced_name(old) && self.owns(old));
        let is_free = match self.find_holder(&name) {
            Ok(None) => true,
            // The tag `origin` distinguishes the new service from an inactive one that has only the name, and from a copy
            // that has only the tag.
            Ok(Some(holder)) => {
                let blocks = holder.name == name && (holder.active || is_made_for(&holder.tags, &name));
                is_made_for(&new.tags, &name) && !blocks
            }
            Err(_) => false,
        };
        (is_gone && !self.was_overtaken(new) && is_free).then_some(name)
    }

    /// Returns true if another owned service has already replaced the old service of `new`. An inactive service with a
    /// temporary name doesn't count, and neither does an abandoned service.
    pub(super) fn was_overtaken(&self, new: &LiveService) -> bool {
        let old = new.tags.get(TAG_REPLACES);
        self.by_id.values().any(|other| {
            other.id != new.id
                && other.tags.get(TAG_REPLACES) == old
                && (other.active || names::replacing_target(other).is_none())
                && !names::has_abandoned_name(other)
                && self.owns(other)
        })
    }
}

/// Returns true if two services were created to replace the same service.
fn replace_the_same(one: &LiveService, other: &LiveService) -> bool {
    let old = |service: &LiveService| service.tags.get(TAG_REPLACES).cloned().flatten();
    old(one).is_some() && old(one) == old(other)
}
