//! Finds copies: services that another client has copied with all their tags. A copy is neither an orphan nor retired,
//! because its tag `origin` says that it was made for another service's name.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::matcher::ServiceMatch;
use super::names;
use super::types::Finding;
use crate::model::{LiveService, NameHash, OriginTag, ServiceId, ServiceName};

/// Returns the ids of all copies, which the plan leaves as they are, and adds a note for each active copy. `matched` are
/// the ids of the services that belong to a manifest.
pub(super) fn leave_copies<'a>(
    draft: &mut Draft<'a>,
    matches: &[ServiceMatch<'_>],
    matched: &BTreeSet<&ServiceId>,
) -> BTreeSet<&'a ServiceId> {
    let mut copies = copies_of_declared(draft, matches, matched);
    if draft.policy.ownership.origin {
        copies.extend(copies_of_undeclared(draft, &copies, matched));
    }
    copies
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

/// Returns the services that were made for a name that neither they nor any manifest have, if another service without a
/// manifest was made for that name, too. If the other service has the name, it is the original. If it has another name,
/// the original is not known.
///
/// A service that was made for the name alone is not a copy: another client has renamed it. Services with a manifest
/// don't count, because their tags store the names of their manifests after the plan.
fn copies_of_undeclared<'a>(
    draft: &mut Draft<'a>,
    known: &BTreeSet<&ServiceId>,
    matched: &BTreeSet<&ServiceId>,
) -> BTreeSet<&'a ServiceId> {
    let mut by_hash: BTreeMap<NameHash, Vec<(&'a LiveService, bool)>> = BTreeMap::new();
    let is_free = |service: &&LiveService| {
        let is_known = matched.contains(&service.id) || known.contains(&service.id);
        draft.policy.ownership.owns(&service.tags) && !service.system && !is_known
    };
    for service in draft.snapshot.services.iter().filter(is_free) {
        let Some(origin) = OriginTag::of(&service.tags) else { continue };
        let has_name = origin.name == NameHash::of(&service.name);
        // A service that amigops has retired counts only as the original.
        if has_name || !(origin.is_former || names::has_tool_name(service)) {
            by_hash.entry(origin.name).or_default().push((service, has_name));
        }
    }
    let mut copies = BTreeSet::new();
    for group in by_hash.values().filter(|group| group.len() > 1) {
        let original = group.iter().find(|(_, has_name)| *has_name).map(|(original, _)| &original.name);
        let of = original.map_or("another service".to_owned(), |name| format!("`{name}`"));
        for (copy, _) in group.iter().filter(|(_, has_name)| !has_name) {
            copies.insert(&copy.id);
            if copy.active && draft.options.plans(&copy.name) {
                note(draft, &copy.name, &of, copy);
            }
        }
    }
    copies
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
