//! Finds services by their tag `origin`, which survives a rename by another client.

use std::collections::{BTreeMap, BTreeSet};

use super::names;
use crate::model::{Desired, LiveService, NameHash, OriginTag, Policy, ServiceId, ServiceName, Snapshot};

/// The owned services that their tag `origin` identifies.
///
/// Services with a name that the tool gave are not included, because other rules identify these. Neither are former
/// services, unless they are active under the name that they were made for: then a user has put them back into service.
#[derive(Debug)]
pub(super) struct OriginIndex<'a> {
    /// The services by the name that they were made for, ordered by id.
    services: BTreeMap<NameHash, Vec<&'a LiveService>>,
    hashes: BTreeMap<&'a ServiceId, NameHash>,
    /// The declared names by their hashes. A hash of two names is not included, because it identifies neither.
    declared: BTreeMap<NameHash, &'a ServiceName>,
    ambiguous: BTreeSet<NameHash>,
}

impl<'a> OriginIndex<'a> {
    pub(super) fn new(desired: &'a Desired, snapshot: &'a Snapshot, policy: &Policy) -> Self {
        let mut index = Self {
            services: BTreeMap::new(),
            hashes: BTreeMap::new(),
            declared: BTreeMap::new(),
            ambiguous: BTreeSet::new(),
        };
        if !policy.ownership.origin {
            return index;
        }
        let is_usable = |service: &&LiveService| {
            policy.ownership.owns(&service.tags) && !service.system && !names::has_tool_name(service)
        };
        for service in snapshot.services.iter().filter(is_usable) {
            let Some(origin) = OriginTag::of(&service.tags) else { continue };
            if !origin.is_former || (service.active && origin.name == NameHash::of(&service.name)) {
                index.hashes.insert(&service.id, origin.name.clone());
                index.services.entry(origin.name).or_default().push(service);
            }
        }
        // Without such services, no declared name has to be hashed.
        if index.hashes.is_empty() {
            return index;
        }
        for services in index.services.values_mut() {
            services.sort_by(|a, b| a.id.cmp(&b.id));
        }
        for name in desired.services.keys() {
            let hash = NameHash::of(name);
            if index.declared.insert(hash.clone(), name).is_some() {
                index.ambiguous.insert(hash);
            }
        }
        index.declared.retain(|hash, _| !index.ambiguous.contains(hash));
        index
    }

    /// Returns the services that were made for this name.
    pub(super) fn made_for(&self, name: &ServiceName) -> &[&'a LiveService] {
        if self.hashes.is_empty() {
            return &[];
        }
        let hash = NameHash::of(name);
        let services = self.services.get(&hash).filter(|_| !self.ambiguous.contains(&hash));
        services.map_or(&[], Vec::as_slice)
    }

    /// Returns the declared name that a service was made for, or `None` if its tag `origin` names none.
    pub(super) fn declared_name(&self, service: &LiveService) -> Option<&'a ServiceName> {
        self.declared.get(self.hashes.get(&service.id)?).copied()
    }

    /// Returns all services that were made for a declared name, each with that name.
    pub(super) fn of_declared(&self) -> BTreeMap<&'a ServiceId, &'a ServiceName> {
        let declared = |(id, hash): (&&'a ServiceId, &NameHash)| Some((*id, *self.declared.get(hash)?));
        self.hashes.iter().filter_map(declared).collect()
    }
}

/// Returns true if the tag `origin` says that a service was made for this name and is not a former service.
pub(super) fn is_made_for(tags: &BTreeMap<String, Option<String>>, name: &ServiceName) -> bool {
    OriginTag::of(tags).is_some_and(|origin| !origin.is_former && origin.name == NameHash::of(name))
}

/// Returns true if the tag `origin` says that amigops has taken a service of this name out of use.
pub(super) fn is_former_of(tags: &BTreeMap<String, Option<String>>, name: &ServiceName) -> bool {
    OriginTag::of(tags).is_some_and(|origin| origin.is_former && origin.name == NameHash::of(name))
}
