//! Step 4 of matching: matches manifests that have `renamed_from`.
//!
//! A circle of renames, such as a swap, has the same names before and after, so names can't show if it was done
//! already. Agents and context graphs can.
//!
//! The services are renamed if each one has the agent and context graph of its new name, and none has those of its
//! present name. After the renames, each service has those of its present name, so a swap never happens twice.

use super::matcher::Matcher;
use super::resolve::ResolvedRefs;
use super::types::Finding;
use crate::model::{DesiredService, LiveService, ServiceName};

/// A manifest, and the live service that it renames.
type Move<'a> = (&'a DesiredService, &'a LiveService);

impl<'a> Matcher<'a> {
    /// Returns the live service with the name in a manifest's `renamed_from`, or `None` if there is none or it is not
    /// clear.
    pub(super) fn find_rename_source(&self, wanted: &DesiredService) -> Option<&'a LiveService> {
        let from = wanted.lifecycle.renamed_from.as_ref()?;
        let source = self.find_clear_holder(from)?;
        // During a cut-over, no active service may have the name. Then an inactive namesake is not meant, unless new
        // services have a temporary name, so that it can't be one of them, and the old service still has its own.
        let is_distinct =
            source.active || (self.api.inactive_services_hold_names() && !self.match_has_released_name(from));
        (is_distinct || !self.replacing.contains(from)).then_some(source)
    }

    /// Matches manifests whose name is free with the services in their `renamed_from`.
    ///
    /// If another manifest declares the present name of such a service, that manifest must match another service in
    /// turn. If that is not possible, the other manifest keeps its service, and the first manifest gets a new one. This
    /// also applies after an interrupted run.
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
    /// Errors if a manifest declares one of the names and can't match another service. The error contains this
    /// manifest.
    fn find_moves(&self, head: &'a DesiredService) -> Result<Vec<Move<'a>>, &'a DesiredService> {
        let mut moves: Vec<Move<'_>> = Vec::new();
        let mut wanted = head;
        while let Some(source) = self.find_rename_source(wanted) {
            // A manifest whose name is in use takes only an active service. An inactive namesake of a service that was
            // renamed long ago is not a reason to rename anything.
            if !source.active && wanted.name != head.name {
                return Err(wanted);
            }
            if moves.iter().any(|(_, taken)| taken.id == source.id) {
                return Err(wanted);
            }
            moves.push((wanted, source));
            let owner = self.desired.services.get(&source.name).filter(|owner| {
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

    /// Matches the manifests of circles of renames, by their agents and context graphs.
    pub(super) fn match_rename_circles(&mut self) {
        for (start, _) in self.unmatched() {
            if start.lifecycle.renamed_from.is_none() || self.matched.contains_key(&start.name) {
                continue;
            }
            let Some(circle) = self.find_rename_circle(start) else { continue };
            // A service that an interrupted run created has the agent of its present name, so it never moves.
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

    /// Returns the circle of manifests that begins with `start`, in which each one has the next one's name in
    /// `renamed_from`. Returns `None` if there is no circle, or if one of its names has no live service.
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
            // This leads into a circle that the first manifest is not part of.
            if circle.iter().any(|(seen, _)| &seen.name == from) {
                return None;
            }
            at = self.desired.services.get(from).filter(|wanted| !self.matched.contains_key(&wanted.name))?;
        }
    }
}
