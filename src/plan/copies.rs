//! Finds copies: services that another client has copied with all their tags. A copy is neither an orphan nor retired,
//! because its tag `origin` says that it was made for another service's name.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::matcher::ServiceMatch;
use super::names;
use super::types::Finding;
use crate::model::{LiveService, NameHash, OriginTag, ServiceId, ServiceName};

/// The copies in a live state, and the services without a manifest that they are copies of.
pub(super) struct Copies<'a> {
    pub(super) copies: BTreeSet<&'a ServiceId>,
    /// The originals that no manifest declares. Without them, a later run could not recognize their copies.
    pub(super) originals: BTreeSet<&'a ServiceId>,
}

/// Finds all copies, which the plan leaves as they are, and adds a note for each active copy. `matched` are the ids of
/// the services that belong to a manifest.
pub(super) fn leave_copies<'a>(
    draft: &mut Draft<'a>,
    matches: &[ServiceMatch<'_>],
    matched: &BTreeSet<&ServiceId>,
) -> Copies<'a> {
    let copies = copies_of_declared(draft, matches, matched);
    let mut found = Copies { copies, originals: BTreeSet::new() };
    if draft.policy.ownership.origin {
        find_copies_of_undeclared(draft, &mut found, matched);
    }
    found
}

/// Returns the services that were made for a declared name, but are not the service of that manifest.
fn copies_of_declared<'a>(
    draft: &mut Draft<'a>,
    matches: &[ServiceMatch<'_>],
    matched: &BTreeSet<&ServiceId>,
) -> BTreeSet<&'a ServiceId> {
    let planned: BTreeSet<&ServiceName> = matches.iter().map(|matched| &matched.wanted.name).collect();
    let made_for = std::mem::take(&mut draft.made_for);
    let copies: Vec<_> = made_for.into_iter().filter(|(id, _)| !matched.contains(*id)).collect();
    for (id, name) in copies.iter().filter(|(_, name)| planned.contains(name) && draft.options.plans(name)) {
        if let Some(copy) = draft.live(id).filter(|copy| copy.active) {
            note(draft, name, "this service", copy);
        }
    }
    copies.into_iter().map(|(id, _)| id).collect()
}

/// Finds the services that were made for a name that neither they nor any manifest have, if the name belongs to another
/// service, or another service was made for it, too.
///
/// A service that was made for the name alone is not a copy: another client has renamed it. Services with a manifest
/// don't count, because they have the names of their manifests after the plan.
fn find_copies_of_undeclared<'a>(
    draft: &mut Draft<'a>,
    found: &mut Copies<'a>,
    matched: &BTreeSet<&ServiceId>,
) {
    let is_free =
        |service: &LiveService| !matched.contains(&service.id) && !found.copies.contains(&service.id);
    let mut by_hash: BTreeMap<NameHash, Vec<&'a LiveService>> = BTreeMap::new();
    for service in draft.snapshot.services.iter().filter(|service| is_free(service)) {
        let is_usable =
            draft.policy.ownership.owns(&service.tags) && !service.system && !names::has_tool_name(service);
        let origin = OriginTag::of(&service.tags).filter(|origin| is_usable && !origin.is_former);
        if let Some(origin) = origin.filter(|origin| origin.name != NameHash::of(&service.name)) {
            by_hash.entry(origin.name).or_default().push(service);
        }
    }
    if by_hash.is_empty() {
        return;
    }
    let mut originals: BTreeMap<NameHash, &'a LiveService> = BTreeMap::new();
    for service in draft.snapshot.services.iter().filter(|service| is_free(service)) {
        let hash = NameHash::of(&service.name);
        if by_hash.contains_key(&hash) {
            found.originals.insert(&service.id);
            originals.insert(hash, service);
        }
    }
    for (hash, copies) in by_hash {
        let original = originals.get(&hash).map(|original| format!("`{}`", original.name));
        if original.is_none() && copies.len() == 1 {
            continue;
        }
        let of = original.unwrap_or("another service".to_owned());
        for copy in copies {
            found.copies.insert(&copy.id);
            if copy.active && draft.options.plans(&copy.name) {
                note(draft, &copy.name, &of, copy);
            }
        }
    }
}

/// Adds the note that `copy` is a copy of the service that `of` describes.
fn note(draft: &mut Draft<'_>, name: &ServiceName, of: &str, copy: &LiveService) {
    let message = format!(
        "`{}` ({}) is probably a copy of {of} that another client made with all its tags; it is left as it is. Remove its \
         tag `{}` to end this note, or its tag `origin` to make it an orphan",
        copy.name, copy.id, draft.policy.ownership.tag
    );
    draft.findings.push(Finding::note(name.clone(), message));
}
