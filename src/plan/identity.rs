//! Which live service embodies which manifest. May import `model` only.
//!
//! There is no state file, so everything follows from names, tags and ids:
//!
//! 1. a half-made replacement: inactive, ours, tagged `replaces: <old id>`, named like the manifest or with
//!    the passing name of one that is to have that name;
//! 2. a service that an earlier run set aside on its way to this name;
//! 3. the active service with the name; else the single inactive one that we own;
//! 4. `renamed_from`, when the name is free, or when its holder is itself on the way to another name.
//!
//! Where a service has the manifest's name and no manifest renames it, that service is the one: a service that 1 or 2 would
//! give the name can't take it (two runs at once, or a manifest that was changed before a run was over).
//!
//! A ring of renames (a swap) shows the same names before and after, so it is told by what the services
//! join: they move if each of them fits its new name and none the one it has. After the move all of them
//! fit, so a swap never happens twice.

use std::collections::{BTreeMap, BTreeSet};

use super::resolve::Joins;
use super::types::{Finding, Problem};
use super::{duplicates, former, names};
use crate::model::{
    Api, Desired, DesiredService, LiveService, Policy, Retire, ServiceId, ServiceName, Snapshot, TAG_REPLACES,
};

/// A manifest and the live services that have to do with it.
#[derive(Clone, Debug)]
pub(super) struct Embodiment<'a> {
    pub(super) wanted: &'a DesiredService,
    pub(super) joins: &'a Joins,
    /// The service that is there now; the old one, where a replacement is under way.
    pub(super) live: Option<&'a LiveService>,
    /// The new service of a replacement that an earlier run began.
    pub(super) half_made: Option<&'a LiveService>,
    /// Services that earlier replacements left and that still have to be retired, the latest first.
    pub(super) former: Vec<&'a LiveService>,
}

impl<'a> Embodiment<'a> {
    /// Every live service that has to do with the manifest.
    pub(super) fn services(&self) -> impl Iterator<Item = &'a LiveService> + use<'a, '_> {
        [self.live, self.half_made].into_iter().flatten().chain(self.former.iter().copied())
    }
}

/// The whole matching.
#[derive(Debug, Default)]
pub(super) struct Identity<'a> {
    pub(super) embodiments: Vec<Embodiment<'a>>,
    /// Half-made replacements that no longer fit, by the manifest whose name they have.
    pub(super) abandoned: Vec<(&'a DesiredService, &'a LiveService)>,
    /// All former services of manifests, and how these retire them.
    pub(super) former: BTreeMap<&'a ServiceId, Retire>,
    pub(super) findings: Vec<Finding>,
}

/// Matches manifests with live services.
pub(super) fn identify<'a>(
    desired: &'a Desired,
    joins: &'a BTreeMap<ServiceName, Joins>,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    api: Api,
    problems: &mut Vec<Problem>,
) -> Identity<'a> {
    let mut displaced = Displaced::default();
    loop {
        let mut found = Vec::new();
        let mut matcher = Matcher::new(desired, joins, snapshot, policy, api);
        matcher.leave_aside(&displaced);
        matcher.half_made();
        matcher.set_aside();
        matcher.free_names();
        matcher.rings();
        matcher.by_name(&mut found);
        // Which services move on is known only when all are matched: then it begins again without those displaced.
        if !duplicates::displace(&matcher, &mut displaced) {
            problems.extend(found);
            problems.extend(duplicates::check(&matcher));
            return matcher.finish();
        }
    }
}

/// Services that unfinished replacements and renames were to give a manifest's name, where another service is active under
/// it that no manifest moves on. Each is with that manifest.
#[derive(Debug, Default)]
pub(super) struct Displaced<'a> {
    /// New services of replacements.
    pub(super) half_made: Vec<(&'a DesiredService, &'a LiveService)>,
    /// Services that an earlier run set aside on their way to the name.
    pub(super) set_aside: Vec<(&'a DesiredService, &'a LiveService)>,
}

/// Whether two services were made to replace the same one.
fn are_twins(one: &LiveService, other: &LiveService) -> bool {
    let old = |service: &LiveService| service.tags.get(TAG_REPLACES).cloned().flatten();
    old(one).is_some() && old(one) == old(other)
}

pub(super) struct Matcher<'a> {
    pub(super) api: Api,
    pub(super) desired: &'a Desired,
    joins: &'a BTreeMap<ServiceName, Joins>,
    pub(super) policy: &'a Policy,
    pub(super) by_id: BTreeMap<&'a ServiceId, &'a LiveService>,
    pub(super) by_name: BTreeMap<&'a ServiceName, Vec<&'a LiveService>>,
    /// New services of replacements under a passing name, by the name that they are to have.
    pub(super) replacing_for: BTreeMap<ServiceName, Vec<&'a LiveService>>,
    /// Services that an earlier run set aside, by the name that they are to have.
    pub(super) passing_to: BTreeMap<ServiceName, Vec<&'a LiveService>>,
    pub(super) claimed: BTreeSet<&'a ServiceId>,
    pub(super) matched: BTreeMap<&'a ServiceName, Option<&'a LiveService>>,
    pub(super) half_made: BTreeMap<&'a ServiceName, &'a LiveService>,
    /// Manifests whose replacement is under way.
    pub(super) replacing: BTreeSet<&'a ServiceName>,
    pub(super) abandoned: Vec<(&'a DesiredService, &'a LiveService)>,
    findings: Vec<Finding>,
}

impl<'a> Matcher<'a> {
    fn new(
        desired: &'a Desired,
        joins: &'a BTreeMap<ServiceName, Joins>,
        snapshot: &'a Snapshot,
        policy: &'a Policy,
        api: Api,
    ) -> Self {
        let mut by_name: BTreeMap<&ServiceName, Vec<&LiveService>> = BTreeMap::new();
        let mut replacing_for: BTreeMap<ServiceName, Vec<&LiveService>> = BTreeMap::new();
        let mut passing_to: BTreeMap<ServiceName, Vec<&LiveService>> = BTreeMap::new();
        for service in &snapshot.services {
            by_name.entry(&service.name).or_default().push(service);
            if let Some(name) = names::passing_to(service) {
                passing_to.entry(name).or_default().push(service);
            }
            if let Some(name) = names::replacing_for(service) {
                replacing_for.entry(name).or_default().push(service);
            }
        }
        for services in replacing_for.values_mut().chain(passing_to.values_mut()) {
            services.sort_by(|a, b| a.id.cmp(&b.id));
        }
        for services in by_name.values_mut() {
            services.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Self {
            api,
            desired,
            joins,
            policy,
            by_id: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
            by_name,
            replacing_for,
            passing_to,
            claimed: BTreeSet::new(),
            matched: BTreeMap::new(),
            half_made: BTreeMap::new(),
            replacing: BTreeSet::new(),
            abandoned: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Leaves services out of the matching that can't take the name that they were meant to have.
    fn leave_aside(&mut self, displaced: &Displaced<'a>) {
        for (wanted, new) in &displaced.half_made {
            self.give_up(wanted, new);
        }
        for (wanted, service) in &displaced.set_aside {
            self.claimed.insert(&service.id);
            let message = format!(
                "service {} keeps its temporary name `{}`: another service has the name `{}`, and no manifest renames it",
                service.id, service.name, wanted.name
            );
            self.findings.push(Finding::note(wanted.name.clone(), message));
        }
    }

    /// The declared services whose references could be resolved and that have no match yet.
    pub(super) fn open(&self) -> Vec<(&'a DesiredService, &'a Joins)> {
        self.desired
            .services
            .values()
            .filter(|wanted| !self.matched.contains_key(&wanted.name))
            .filter_map(|wanted| Some((wanted, self.joins.get(&wanted.name)?)))
            .collect()
    }

    pub(super) fn owns(&self, service: &LiveService) -> bool {
        self.policy.ownership.owns(&service.tags)
    }

    pub(super) fn claim(&mut self, wanted: &'a DesiredService, live: Option<&'a LiveService>) {
        if let Some(live) = live {
            self.claimed.insert(&live.id);
            for other in self.twins(live).into_iter().chain(self.unfinished_namesakes(wanted, live)) {
                self.give_up(wanted, other);
            }
        }
        self.matched.insert(&wanted.name, live);
    }

    /// The others that runs at once have made for the same purpose as an inactive service of ours.
    fn twins(&self, service: &LiveService) -> Vec<&'a LiveService> {
        let named = self.by_name.get(&service.name).into_iter().flatten().copied();
        let is_free = |other: &LiveService| {
            !other.active
                && self.owns(other)
                && !self.claimed.contains(&other.id)
                && are_twins(service, other)
        };
        named.filter(|other| !service.active && is_free(other)).collect()
    }

    /// The service that a tag `replaces` names; none where it names the tagged service itself.
    pub(super) fn replaced_by(&self, service: &LiveService) -> Option<&'a LiveService> {
        let old = service.tags.get(TAG_REPLACES)?.as_deref()?;
        self.by_id.get(&ServiceId::new(old)).copied().filter(|old| old.id != service.id)
    }

    /// Step 2: services that an earlier run set aside.
    fn set_aside(&mut self) {
        let aside: Vec<(ServiceName, &LiveService)> = self
            .by_id
            .values()
            .filter(|service| self.owns(service) && !self.claimed.contains(&service.id))
            .filter_map(|service| {
                let name = names::passing_to(service).or_else(|| self.left_for(service))?;
                Some((name, *service))
            })
            .collect();
        for (name, service) in aside {
            let wanted = self.desired.services.get(&name).filter(|wanted| {
                !self.matched.contains_key(&wanted.name) && self.joins.contains_key(&wanted.name)
            });
            if let Some(wanted) = wanted {
                self.claim(wanted, Some(service));
            }
        }
    }

    /// The service that has this name: the active one, else the single inactive one that we own.
    ///
    /// # Errors
    ///
    /// The candidates, where there are several.
    pub(super) fn holder(&self, name: &ServiceName) -> Result<Option<&'a LiveService>, Vec<&'a LiveService>> {
        let named: Vec<&LiveService> = self.by_name.get(name).into_iter().flatten().copied().collect();
        let free = |service: &LiveService| !self.claimed.contains(&service.id);
        // The active one has the name, even if it is another manifest's business: a run that was cut off
        // must not find a namesake instead.
        if let Some(active) = named.iter().find(|service| service.active) {
            return Ok(Some(*active).filter(|service| free(service)));
        }
        let owned: Vec<&LiveService> =
            named.into_iter().filter(|service| self.owns(service) && free(service)).collect();
        match owned.as_slice() {
            [] => Ok(None),
            // Several runs at once may each have made a new service for the same old one: they are twins, and
            // the first stands for all.
            [one, others @ ..] if others.iter().all(|other| are_twins(one, other)) => Ok(Some(one)),
            // The new service of a replacement that no manifest continues is never the one that is meant.
            several => {
                match several.iter().filter(|service| !self.is_unfinished(service)).collect::<Vec<_>>()[..] {
                    [one] => Ok(Some(one)),
                    _ => Err(owned),
                }
            }
        }
    }

    fn holder_or_none(&self, name: &ServiceName) -> Option<&'a LiveService> {
        self.holder(name).ok().flatten()
    }

    /// The service that a manifest was renamed from.
    fn source(&self, wanted: &DesiredService) -> Option<&'a LiveService> {
        let from = wanted.lifecycle.renamed_from.as_ref()?;
        let source = self.holder_or_none(from)?;
        // While a name is handed over, nobody active may have it. An inactive namesake is not meant, unless new
        // services have a passing name, so that it can't be one of them, and the old service still has its own.
        let told_apart =
            source.active || (self.api.inactive_services_hold_names() && !self.has_lost_name(from));
        (told_apart || !self.replacing.contains(from)).then_some(source)
    }

    /// Step 4, first half: manifests whose name is free take the service they were renamed from; if that
    /// one's name is declared too, its manifest must move on in turn. Where it can't, the declared name
    /// keeps its service, and the other manifest gets a new one: that holds after a run that was cut off
    /// between the two, as well.
    fn free_names(&mut self) {
        let heads: Vec<_> = self
            .open()
            .into_iter()
            .map(|(wanted, _)| wanted)
            .filter(|wanted| matches!(self.holder(&wanted.name), Ok(None)) && self.source(wanted).is_some())
            .collect();
        for head in heads {
            match self.chain(head) {
                Ok(moves) => {
                    for (mover, source) in moves {
                        self.claim(mover, Some(source));
                    }
                }
                Err(other) => self.findings.push(Finding::note(
                    head.name.clone(),
                    format!(
                        "`renamed_from: {}` is left aside: {} still declares `{}`, so that this is a new service",
                        head.lifecycle.renamed_from.as_ref().map_or("", ServiceName::as_str),
                        other.place,
                        other.name
                    ),
                )),
            }
        }
    }

    /// Who takes which service when `head` takes the one it was renamed from, down to a name that no
    /// manifest declares.
    ///
    /// # Errors
    ///
    /// The manifest that declares a name on the way and has nowhere to move on to.
    fn chain(
        &self,
        head: &'a DesiredService,
    ) -> Result<Vec<(&'a DesiredService, &'a LiveService)>, &'a DesiredService> {
        let mut moves: Vec<(&DesiredService, &LiveService)> = Vec::new();
        let mut mover = head;
        while let Some(source) = self.source(mover) {
            // A service whose name has a holder moves on only from an active one: an inactive namesake of
            // something that was renamed long ago is no reason to.
            if !source.active && mover.name != head.name {
                return Err(mover);
            }
            if moves.iter().any(|(_, taken)| taken.id == source.id) {
                return Err(mover);
            }
            moves.push((mover, source));
            let owner = self.desired.services.get(&source.name).filter(|owner| {
                owner.name != mover.name
                    && !self.matched.contains_key(&owner.name)
                    && self.joins.contains_key(&owner.name)
            });
            match owner {
                None => return Ok(moves),
                Some(owner) => mover = owner,
            }
        }
        Err(mover)
    }

    /// Step 4, second half: rings of renames, read by content.
    fn rings(&mut self) {
        for (start, _) in self.open() {
            if start.lifecycle.renamed_from.is_none() || self.matched.contains_key(&start.name) {
                continue;
            }
            let Some(ring) = self.ring(start) else { continue };
            let fits = |joins: &Joins, live: Option<&LiveService>| {
                live.is_some_and(|live| {
                    live.agent == joins.agent && live.context_graph == joins.context_graph
                })
            };
            // A service that a run created before it was cut off fits the name it has: it is never taken for
            // one that is to move on.
            let moves = ring.iter().all(|(wanted, joins)| {
                let source = self.source(wanted).filter(|source| source.active);
                fits(joins, source) && !fits(joins, self.holder_or_none(&wanted.name))
            });
            let targets: Vec<_> = ring
                .iter()
                .map(|(wanted, _)| {
                    let live = if moves { self.source(wanted) } else { self.holder_or_none(&wanted.name) };
                    (*wanted, live)
                })
                .collect();
            for (wanted, live) in targets {
                self.claim(wanted, live);
            }
        }
    }

    /// The ring of `renamed_from` in which every name is held, starting here; none if there is none.
    fn ring(&self, start: &'a DesiredService) -> Option<Vec<(&'a DesiredService, &'a Joins)>> {
        let mut ring = Vec::new();
        let mut at = start;
        loop {
            ring.push((at, self.joins.get(&at.name)?));
            self.holder_or_none(&at.name)?;
            let from = at.lifecycle.renamed_from.as_ref()?;
            if from == &start.name {
                return Some(ring);
            }
            // Into a ring that the start is no part of.
            if ring.iter().any(|(seen, _)| &seen.name == from) {
                return None;
            }
            at = self.desired.services.get(from).filter(|wanted| !self.matched.contains_key(&wanted.name))?;
        }
    }

    /// Step 3: everything else by its name, or new.
    fn by_name(&mut self, problems: &mut Vec<Problem>) {
        for (wanted, _) in self.open() {
            match self.holder(&wanted.name) {
                Ok(live) => {
                    if let (Some(_), Some(source)) = (live, self.source(wanted))
                        && !self.desired.services.contains_key(&source.name)
                    {
                        self.findings.push(Finding::note(
                            wanted.name.clone(),
                            format!(
                                "`renamed_from: {}` is left aside: services with both names exist ({} has the old name)",
                                source.name, source.id
                            ),
                        ));
                    }
                    self.claim(wanted, live);
                }
                Err(candidates) => problems.push(duplicates::inactive(wanted, &candidates)),
            }
        }
    }

    fn finish(mut self) -> Identity<'a> {
        let (abandoned, findings) = (std::mem::take(&mut self.abandoned), std::mem::take(&mut self.findings));
        let mut former = former::chains(&self, &self.matched);
        let mut identity = Identity { abandoned, findings, ..Identity::default() };
        for wanted in self.desired.services.values() {
            let (Some(joins), Some(live)) =
                (self.joins.get(&wanted.name), self.matched.get(&wanted.name).copied())
            else {
                continue;
            };
            let half_made = self.half_made.get(&wanted.name).copied();
            let mut former = former.remove(&wanted.name).unwrap_or_default();
            identity.former.extend(former.iter().map(|former| (&former.id, wanted.lifecycle.retire)));
            former.retain(|former| live.is_some_and(|live| former::has_to_go(wanted, live, former)));
            identity.embodiments.push(Embodiment { wanted, joins, live, half_made, former });
        }
        identity
    }
}
