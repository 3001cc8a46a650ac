//! Step 4 of matching: matches manifests that have `renamed_from`.
//!
//! A cycle of renames, such as a swap, leads to the same set of names. So names can't show whether the renames were
//! already done, but agents and context graphs can.
//!
//! The services are renamed only if each of them fits the manifest of its new name and none fits the manifest of its
//! present name. A service fits a manifest if it has the declared agent and context graph. After the renames, each
//! service fits the manifest of its present name, so a swap never happens twice.

use super::matcher::Matcher;
use super::resolve::ResolvedRefs;
use super::types::Finding;
use crate::model::{DesiredService, LiveService, ServiceName};

/// A manifest, and the live service that it renames.
type Move<'a> = (&'a DesiredService, &'a LiveService);

impl<'a> Matcher<'a> {
    /// Returns the live service with the name in a manifest's `renamed_from`. Returns `None` if no service has this
    /// name, or if it is not clear which service is meant.
    pub(super) fn find_rename_source(&self, wanted: &DesiredService) -> Option<&'a LiveService> {
        let from = wanted.lifecycle.renamed_from.as_ref()?;
        let source = self.find_clear_holder(from)?;
        // If another manifest gets the name `from`, the tag `origin` of its service will store that name. From then on,
        // only the live name shows which of the two services is meant.
        if source.name != *from && self.desired.services.contains_key(from) {
            return None;
        }
        // During a cut-over, it is possible that no active service has the name. Then an inactive service with the name
        // could be the new service of the replacement, instead of the service to rename. That is impossible if new
        // services have temporary names and the old service still has its own name.
        let is_distinct =
            source.active || (self.api.inactive_services_hold_names() && !self.match_has_released_name(from));
        (is_distinct || !self.replacing.contains(from)).then_some(source)
    }

    /// For each unmatched manifest whose name is free, matches the service that `renamed_from` names.
    ///
    /// If another manifest declares the present name of that service, the other manifest must in turn match a different
    /// service. If no other service fits, the other manifest keeps its service, and a new service is created for the
    /// first manifest. This also applies after an interrupted run.
    pub(super) fn match_renames_to_free_names(&mut self) {
        let heads: Vec<_> = self
            .unmatched()
            .into_iter()
            .map(|(wanted, _)| wanted)
            .filter(|wanted| {
                matches!(self.find_holder(&wanted.name), Ok(None))
                    && self.find_rename_source(wanted).is_some()
            })
            .collect();
        for head in heads {
            match self.find_moves(head) {
                Ok(moves) => {
                    for (wanted, source) in moves {
                        self.set_match(wanted, Some(source));
                    }
                }
                Err(other) => self.findings.push(Finding::note(
                    head.name.clone(),
                    format!(
                        "`renamed_from: {}` is ignored, and a new service is created: {} still declares `{}`",
                        head.lifecycle.renamed_from.as_ref().map_or("", ServiceName::as_str),
                        other.place,
                        other.name
                    ),
                )),
            }
        }
    }

    /// Returns the chain of renames that begins with the manifest `head`. It ends at a live service whose name no other
    /// unmatched manifest declares.
    ///
    /// # Errors
    ///
    /// Errors if a manifest in the chain needs its present service, because it can't match another one. The error
    /// contains this manifest.
    fn find_moves(&self, head: &'a DesiredService) -> Result<Vec<Move<'a>>, &'a DesiredService> {
        let mut moves: Vec<Move<'_>> = Vec::new();
        let mut wanted = head;
        while let Some(source) = self.find_rename_source(wanted) {
            // A manifest whose own name is in use can only match an active service. An inactive service that still has
            // the name in `renamed_from` long after a rename is not a reason to rename anything.
            if !source.active && wanted.name != head.name {
                return Err(wanted);
            }
            if moves.iter().any(|(_, taken)| taken.id == source.id) {
                return Err(wanted);
            }
            moves.push((wanted, source));
            let owner = self.manifest_of(source).filter(|owner| {
                owner.name != wanted.name
                    && !self.matched.contains_key(&owner.name)
                    && self.references.contains_key(&owner.name)
            });
            match owner {
                None => return Ok(moves),
                Some(owner) => wanted = owner,
            }
        }
        Err(wanted)
    }

    /// Matches the manifests whose `renamed_from` form a cycle, such as a swap. Their agents and context graphs show
    /// whether the renames were already done.
    pub(super) fn match_rename_circles(&mut self) {
        for (start, _) in self.unmatched() {
            if start.lifecycle.renamed_from.is_none() || self.matched.contains_key(&start.name) {
                continue;
            }
            let Some(circle) = self.find_rename_circle(start) else { continue };
            // A service that an interrupted run created has the agent and context graph that the manifest of its
            // present name declares. So it is never renamed.
            let moves = circle.iter().all(|(wanted, references)| {
                let source = self.find_rename_source(wanted).filter(|source| source.active);
                source.is_some_and(|live| references.fit(live))
                    && !self.find_clear_holder(&wanted.name).is_some_and(|live| references.fit(live))
            });
            let targets: Vec<_> = circle
                .iter()
                .map(|(wanted, _)| {
                    let live = if moves {
                        self.find_rename_source(wanted)
                    } else {
                        self.find_clear_holder(&wanted.name)
                    };
                    (*wanted, live)
                })
                .collect();
            for (wanted, live) in targets {
                self.set_match(wanted, live);
            }
        }
    }

    /// Returns the cycle of manifests that begins with `start`. The `renamed_from` of each manifest is the name of the
    /// next one. Returns `None` if there is no cycle, or if one of the names has no live service.
    fn find_rename_circle(
        &self,
        start: &'a DesiredService,
    ) -> Option<Vec<(&'a DesiredService, &'a ResolvedRefs)>> {
        let mut circle = Vec::new();
        let mut at = start;
        loop {
            circle.push((at, self.references.get(&at.name)?));
            self.find_clear_holder(&at.name)?;
            let from = at.lifecycle.renamed_from.as_ref()?;
            if from == &start.name {
                return Some(circle);
            }
            // The `renamed_from` keys lead into a cycle that does not include the first manifest.
            if circle.iter().any(|(seen, _)| &seen.name == from) {
                return None;
            }
            at = self.desired.services.get(from).filter(|wanted| !self.matched.contains_key(&wanted.name))?;
        }
    }
}
