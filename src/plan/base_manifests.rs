//! The manifests of the base commits, indexed for the comparison with the live services of a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::bases::{BaseOf, OriginBases, Side};
use super::origin_index::is_made_for;
use super::types::ServicePlan;
use super::{identity, resolve};
use crate::model::{Api, Desired, DesiredService, LiveService, Policy, ServiceId, ServiceName, Snapshot};

/// The indexed manifests with which one service is compared.
pub(super) struct KnownManifests<'a> {
    pub(super) base: CommitManifests<'a>,
    pub(super) upstream: Option<CommitManifests<'a>>,
    /// The base, if it is the commit in a tag `origin`.
    pub(super) commit: Option<&'a str>,
}

/// The indexed manifests of all bases of a plan.
pub(super) enum BaseManifests<'a> {
    Every(Box<KnownManifests<'a>>),
    Origin(&'a OriginBases<'a>, BTreeMap<&'a str, KnownManifests<'a>>),
}

impl<'a> BaseManifests<'a> {
    pub(super) fn new(bases: &'a BaseOf<'a>, snapshot: &'a Snapshot, api: Api) -> Self {
        let indexed = |side| CommitManifests::new(side, snapshot, api);
        match bases {
            BaseOf::Every(bases) => Self::Every(Box::new(KnownManifests {
                base: indexed(bases.base),
                upstream: bases.upstream.map(indexed),
                commit: None,
            })),
            BaseOf::Origin(bases) => {
                let known = bases.commits.iter().map(|(commit, side)| {
                    let commit = commit.as_str();
                    let base = indexed(*side);
                    (commit, KnownManifests { base, upstream: None, commit: Some(commit) })
                });
                Self::Origin(bases, known.collect())
            }
        }
    }

    /// Returns the manifests with which a service is compared, or `None` if its base is unknown.
    pub(super) fn of(
        &self,
        shown: &ServicePlan,
        live: Option<&LiveService>,
        policy: &Policy,
    ) -> Option<&KnownManifests<'a>> {
        match self {
            Self::Every(known) => Some(known),
            Self::Origin(bases, known) => known.get(bases.commit_of(shown, live, policy)?),
        }
    }
}

/// The manifests of a commit, indexed by the live services that they match and by former names.
pub(super) struct CommitManifests<'a> {
    pub(super) side: Side<'a>,
    /// The name of the commit's manifest for each live service. The manifests are matched with the present live state.
    pub(super) by_live: BTreeMap<ServiceId, ServiceName>,
    by_former: BTreeMap<&'a ServiceName, &'a DesiredService>,
    /// The services that were made for a name that this commit declares, but that belong to no manifest of the commit. The
    /// plan leaves them as they are.
    pub(super) copies: BTreeSet<ServiceId>,
    /// The names of all live services.
    taken: BTreeSet<&'a ServiceName>,
}

impl<'a> CommitManifests<'a> {
    pub(super) fn new(side: Side<'a>, snapshot: &'a Snapshot, api: Api) -> Self {
        let resolved = resolve::resolve_all(side.desired, snapshot);
        let identity =
            identity::match_services(side.desired, &resolved.references, snapshot, side.policy, api);
        let matched = identity
            .matches
            .iter()
            .filter_map(|matched| Some((matched.live?.id.clone(), matched.wanted.name.clone())));
        let former = |service: &'a DesiredService| Some((service.lifecycle.renamed_from.as_ref()?, service));
        let claimed = identity.claimed();
        let copies = identity.made_for.keys().filter(|id| !claimed.contains(**id));
        Self {
            side,
            copies: copies.map(|id| (*id).clone()).collect(),
            by_live: matched.collect(),
            by_former: side.desired.services.values().filter_map(former).collect(),
            taken: snapshot.services.iter().map(|service| &service.name).collect(),
        }
    }

    /// Returns the name that the commit declares for a service that another client has renamed, or `None` if no client has
    /// renamed it.
    pub(super) fn name_before_rename(&self, live: &LiveService) -> Option<&ServiceName> {
        let declared = self.by_live.get(&live.id)?;
        (*declared != live.name && is_made_for(&live.tags, declared)).then_some(declared)
    }

    pub(super) fn named(&self, name: &ServiceName) -> Option<&'a DesiredService> {
        self.side.desired.services.get(name)
    }

    /// Returns the commit's manifest of a service, or `None` if the commit does not declare the service. The service
    /// may have another name in that commit. `ours` is the manifest that this branch has for the service.
    pub(super) fn manifest(&self, ours: &DesiredService, live: &LiveService) -> Option<&'a DesiredService> {
        if let Some(matched) = self.by_live.get(&live.id) {
            return self.named(matched);
        }
        let from = ours.lifecycle.renamed_from.as_ref();
        let same = self.named(&ours.name);
        if let Some(same) = same
            && same.lifecycle.renamed_from.as_ref() == from
        {
            return Some(same);
        }
        // A service that is being renamed still belongs to the manifest of its former name.
        let moves = Some(live).filter(|live| live.name != ours.name && from == Some(&live.name));
        // If a live service has the manifest's own name, the manifest belongs to that service.
        let free = |theirs: &&DesiredService| !self.taken.contains(&theirs.name);
        moves
            .and_then(|live| self.named(&live.name))
            .or(same.filter(|same| live.name == same.name || free(same)))
            .or_else(|| from.and_then(|from| self.named(from)).filter(free))
            .or_else(|| self.by_former.get(&live.name).copied().filter(free))
    }

    /// Returns true if a manifest of the commit has this name, or has it in `renamed_from`. `renamed_from` is ignored if
    /// this branch has a manifest of the same name as the one with `renamed_from`.
    pub(super) fn declares(&self, name: &ServiceName, ours: &Desired) -> bool {
        let former = self.by_former.get(name);
        self.named(name).is_some() || former.is_some_and(|former| !ours.services.contains_key(&former.name))
    }
}
