//! Finds the live service of each manifest.
//!
//! There is no state file, so names, tags and ids determine which live service matches a manifest. Matching has four
//! steps, each of which looks for one of these services:
//!
//! 1. The old service of an unfinished replacement. The new service of the replacement is owned and inactive, and has
//!    the tag `replaces: <old id>`. Its name is the manifest's name, or a temporary name made from it.
//! 2. A service that an earlier run began to rename to the name of the manifest. It still has a temporary name.
//! 3. The owned service that was made for the name of the manifest, according to its tag `origin`. Otherwise the active
//!    service with the name, or else the only inactive service with this name that the project owns. A manifest with
//!    `active: false` can also match the only inactive service without an owner, and adopts it.
//! 4. The service with the name in `renamed_from`. Either the manifest's own name must be free, or the service with
//!    that name must be renamed, too.
//!
//! The code runs step 4 before step 3, so step 3 gets the manifests that are left.
//!
//! A service that was found in step 1 or 2 may be unable to get the manifest's name: another service already has the
//! name, and no manifest renames that other service. In this case the other service is the match. This happens after
//! two runs at the same time, or if a manifest changes before a run is finished.

use std::collections::{BTreeMap, BTreeSet};

use super::diff;
use super::duplicates::{self, Displaced};
use super::former;
use super::matcher::{Matcher, ServiceMatch};
use super::names;
use super::resolve::ResolvedRefs;
use super::types::{Finding, Problem};
use crate::model::{
    Api, Desired, DesiredService, LiveService, Policy, Retire, ServiceId, ServiceName, Snapshot,
};

/// The result of matching: the matches of all manifests, with the findings and problems of matching.
#[derive(Debug, Default)]
pub(super) struct Identity<'a> {
    pub(super) matches: Vec<ServiceMatch<'a>>,
    /// The new services of unfinished replacements that must be abandoned. Each is paired with the manifest whose name
    /// it has or would get.
    pub(super) abandoned: Vec<(&'a DesiredService, &'a LiveService)>,
    /// The services that were made for a declared name, each with that name.
    pub(super) made_for: BTreeMap<&'a ServiceId, &'a ServiceName>,
    /// All former services of manifests, each with the way in which its manifest retires it.
    pub(super) former: BTreeMap<&'a ServiceId, Retire>,
    pub(super) findings: Vec<Finding>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Identity<'a> {
    /// Returns the ids of all services that belong to a manifest or are abandoned.
    pub(super) fn claimed(&self) -> BTreeSet<&'a ServiceId> {
        let matched = self.matches.iter().flat_map(ServiceMatch::services);
        let abandoned = self.abandoned.iter().map(|(_, new)| *new);
        matched.chain(abandoned).map(|service| &service.id).collect()
    }
}

/// Matches all manifests with live services, and returns the matches.
pub(super) fn match_services<'a>(
    desired: &'a Desired,
    references: &'a BTreeMap<ServiceName, ResolvedRefs>,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    api: Api,
) -> Identity<'a> {
    let mut displaced = Displaced::default();
    loop {
        let mut matcher = Matcher::new(desired, references, snapshot, policy, api);
        exclude_displaced(&mut matcher, &displaced);
        matcher.match_unfinished();
        match_temporary_names(&mut matcher);
        matcher.match_renames_to_free_names();
        matcher.match_rename_circles();
        let mut problems = match_by_name(&mut matcher);
        // Services that can't get the names intended for them are known only after all manifests are matched. If there
        // are such services, matching starts again without them.
        if !duplicates::find_displaced(&matcher, &mut displaced) {
            problems.extend(duplicates::check(&matcher));
            return Identity { problems, ..finish(matcher) };
        }
    }
}

/// Excludes the services that can't get the names that an earlier run intended for them, so that no manifest matches
/// them. The new services of replacements are abandoned. The other services keep their temporary names, and a note says
/// so.
fn exclude_displaced<'a>(matcher: &mut Matcher<'a>, displaced: &Displaced<'a>) {
    for (wanted, new) in &displaced.unfinished {
        matcher.abandon(wanted, new);
    }
    for (wanted, service) in &displaced.renaming {
        matcher.claimed.insert(&service.id);
        let message = format!(
            "service {} keeps its temporary name `{}`: another service has the name `{}`, and no manifest renames that other service",
            service.id, service.name, wanted.name
        );
        matcher.findings.push(Finding::note(wanted.name.clone(), message));
    }
}

/// Step 2 of matching: matches manifests with services to which an earlier run gave a temporary name.
fn match_temporary_names(matcher: &mut Matcher<'_>) {
    let temporary: Vec<(ServiceName, &LiveService)> = matcher
        .by_id
        .values()
        .filter(|service| matcher.owns(service) && !matcher.claimed.contains(&service.id))
        .filter_map(|service| {
            let name = names::renaming_target(service).or_else(|| matcher.pending_name(service))?;
            Some((name, *service))
        })
        .collect();
    for (name, service) in temporary {
        let wanted = matcher.desired.services.get(&name).filter(|wanted| {
            !matcher.matched.contains_key(&wanted.name) && matcher.references.contains_key(&wanted.name)
        });
        if let Some(wanted) = wanted {
            matcher.set_match(wanted, Some(service));
        }
    }
}

/// Step 3 of matching: matches the remaining manifests by name. A manifest without a live service is matched with
/// `None`, so that its service is created. Returns a problem for each name that could mean several services.
fn match_by_name(matcher: &mut Matcher<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut without_holder = Vec::new();
    for (wanted, _) in matcher.unmatched() {
        match matcher.find_holder(&wanted.name) {
            Ok(Some(live)) => {
                note_ignored_rename(matcher, wanted);
                matcher.set_match(wanted, Some(live));
            }
            Ok(None) => without_holder.push(wanted),
            Err(candidates) => {
                problems.push(duplicates::owned_problem(matcher, wanted, &wanted.name, &candidates))
            }
        }
    }
    // Only after all other manifests are matched is it known which services are copies.
    for wanted in without_holder {
        let found = match matcher.find_copy(&wanted.name) {
            Ok(None) => match find_copied_source(matcher, wanted) {
                Some(problem) => Err(problem),
                None => find_inactive_to_adopt(matcher, wanted),
            },
            Ok(copy) => Ok(copy),
            Err(candidates) => Err(duplicates::owned_problem(matcher, wanted, &wanted.name, &candidates)),
        };
        match found {
            Ok(live) => {
                if live.is_none() {
                    note_name_of_another(matcher, wanted);
                }
                matcher.set_match(wanted, live);
            }
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

/// Returns the problem that the service in a manifest's `renamed_from` was copied and has another name now, so that it
/// can't be told from its copies. Otherwise a second service would be created.
fn find_copied_source(matcher: &Matcher<'_>, wanted: &DesiredService) -> Option<Problem> {
    let from = wanted.lifecycle.renamed_from.as_ref()?;
    let candidates = matcher.find_holder(from).err()?;
    let is_renamed =
        !matcher.desired.services.contains_key(from) && candidates.iter().all(|one| one.name != *from);
    is_renamed.then(|| duplicates::owned_problem(matcher, wanted, from, &candidates))
}

/// Adds a note if the service of a manifest is created although an active service has the name. According to its tag
/// `origin`, that service belongs to another manifest, which gives it its former name back.
fn note_name_of_another(matcher: &mut Matcher<'_>, wanted: &DesiredService) {
    let named = matcher.by_name.get(&wanted.name).into_iter().flatten();
    let holder =
        named.copied().find(|service| service.active && matcher.belongs_to_another(service, &wanted.name));
    let Some((holder, owner)) = holder.and_then(|holder| Some((holder, matcher.manifest_of(holder)?))) else {
        return;
    };
    let message = format!(
        "a new service is created, and the service that has this name now ({}) becomes `{owner}` again, because it was \
         made for that name; if it is this service, apply this manifest before you declare `{owner}`",
        holder.id,
        owner = owner.name
    );
    matcher.findings.push(Finding::note(wanted.name.clone(), message));
}

/// Adds a note if a live service has the name of a manifest, but the manifest's `renamed_from` names another live
/// service. Then `renamed_from` is ignored.
fn note_ignored_rename(matcher: &mut Matcher<'_>, wanted: &DesiredService) {
    let Some(source) = matcher.find_rename_source(wanted) else { return };
    if matcher.manifest_of(source).is_none() {
        let message = format!(
            "`renamed_from: {}` is ignored: services with both names exist ({} has the old name)",
            source.name, source.id
        );
        matcher.findings.push(Finding::note(wanted.name.clone(), message));
    }
}

/// Returns the inactive service without an owner that a manifest with `active: false` adopts, or `None` if there is
/// none.
///
/// Adoption never activates a service. So if the manifest asks for an active service, a note says that the inactive
/// service stays as it is, and `None` is returned.
///
/// # Errors
///
/// Errors if the manifest could adopt several inactive services.
fn find_inactive_to_adopt<'a>(
    matcher: &mut Matcher<'a>,
    wanted: &DesiredService,
) -> Result<Option<&'a LiveService>, Problem> {
    let unowned = matcher.inactive_without_owner(&wanted.name);
    let Some(first) = unowned.first() else { return Ok(None) };
    // In an API in which inactive services may block names, another part of planning adds a note about the blocked
    // name. That note makes the note below unnecessary.
    if !diff::wants_inactive(wanted) && matcher.api.inactive_services_hold_names() {
        return Ok(None);
    }
    if !diff::wants_inactive(wanted) {
        let message = format!(
            "a new service is created, although an inactive service without an owner has this name ({}); to manage \
             that one, write `active: false`, and activate it with a later change",
            first.id
        );
        matcher.findings.push(Finding::note(wanted.name.clone(), message));
        return Ok(None);
    }
    match unowned[..] {
        [only] => Ok(Some(only)),
        _ => Err(duplicates::unowned_inactive_problem(wanted, &unowned)),
    }
}

/// Builds the result of matching: each match with the former services that must still be retired.
fn finish(mut matcher: Matcher<'_>) -> Identity<'_> {
    let abandoned = std::mem::take(&mut matcher.abandoned);
    let findings = std::mem::take(&mut matcher.findings);
    let mut former = former::find_chains(&matcher);
    let made_for = matcher.origins.of_declared();
    let mut identity = Identity { abandoned, findings, made_for, ..Identity::default() };
    for wanted in matcher.desired.services.values() {
        let (Some(references), Some(live)) =
            (matcher.references.get(&wanted.name), matcher.matched.get(&wanted.name).copied())
        else {
            continue;
        };
        let unfinished = matcher.unfinished.get(&wanted.name).copied();
        let mut former = former.remove(&wanted.name).unwrap_or_default();
        identity.former.extend(former.iter().map(|former| (&former.id, wanted.lifecycle.retire)));
        former.retain(|former| live.is_some_and(|live| former::must_retire(wanted, live, former)));
        identity.matches.push(ServiceMatch { wanted, references, live, unfinished, former });
    }
    identity
}
