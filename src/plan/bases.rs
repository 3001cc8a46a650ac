//! The commits with which a plan is compared to find the causes of its changes.
//!
//! With `--base`, all services have the same base. Otherwise the base of a service is the commit in its tag `origin`,
//! because the manifests at that commit say what was applied.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Plan, ServiceKind, ServicePlan};
use crate::model::{Desired, LiveService, OriginTag, Policy, ServiceId, ServiceName, Snapshot};

/// The manifests of one commit, with the project's rules at that commit.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The services that the commit's manifests declare.
    pub desired: &'a Desired,
    /// The project's rules at that commit.
    pub policy: &'a Policy,
}

/// The commits that a plan is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Bases<'a> {
    /// The last commit that this branch and the base branch share, or the commit that was applied.
    pub base: Side<'a>,
    /// The newest commit of the base branch, if it is newer than the shared commit.
    pub upstream: Option<Side<'a>>,
}

/// The base of each service of a plan.
#[derive(Clone, Debug)]
pub enum BaseOf<'a> {
    /// All services have the same base, because `--base` is given.
    Every(Bases<'a>),
    /// Each service has the commit in its tag `origin` as its base.
    Origin(OriginBases<'a>),
}

/// The manifests of the commits that the tags `origin` name.
#[derive(Clone, Debug, Default)]
pub struct OriginBases<'a> {
    /// The manifests by commit. If the manifests of a commit can't be read, it is not included.
    pub commits: BTreeMap<String, Side<'a>>,
    /// The newest of the applied commits that HEAD contains, if it is known. It is the base of services that are
    /// created, because these have no tag.
    pub newest: Option<String>,
}

impl OriginBases<'_> {
    /// Returns the base of a service, or `None` if it is unknown.
    pub(super) fn commit_of(
        &self,
        shown: &ServicePlan,
        live: Option<&LiveService>,
        policy: &Policy,
    ) -> Option<&str> {
        let commit = match live {
            Some(live) => applied_commit(live, policy),
            None if shown.kind == ServiceKind::Create => self.newest.clone(),
            None => None,
        };
        let (commit, _) = self.commits.get_key_value(&commit?)?;
        Some(commit)
    }
}

/// The commits in the tags `origin` that the bases of a plan's services depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginCommits {
    /// The commits of the services that the plan changes, with the names of these services.
    pub of_changed: BTreeMap<String, Vec<ServiceName>>,
    /// The names of the services that the plan creates.
    pub created: Vec<ServiceName>,
    /// The commits of all owned services. Empty if the plan creates no service, because they are not needed then.
    pub applied: BTreeSet<String>,
}

/// Returns the commits in the tags `origin` that are needed to find the bases of a plan's services.
pub fn origin_commits(plan: &Plan, snapshot: &Snapshot, policy: &Policy) -> OriginCommits {
    let mut commits = OriginCommits::default();
    if !policy.ownership.origin {
        return commits;
    }
    let live = live_by_id(snapshot);
    for shown in &plan.services {
        match shown.id.as_ref().and_then(|id| live.get(id)) {
            Some(live) => {
                if let Some(commit) = applied_commit(live, policy) {
                    commits.of_changed.entry(commit).or_default().push(shown.name.clone());
                }
            }
            None if shown.kind == ServiceKind::Create => commits.created.push(shown.name.clone()),
            None => {}
        }
    }
    if !commits.created.is_empty() {
        let owned = snapshot.services.iter().filter(|live| policy.ownership.owns(&live.tags));
        commits.applied = owned.filter_map(|live| applied_commit(live, policy)).collect();
    }
    commits
}

/// Returns the services of a snapshot by id.
pub(super) fn live_by_id(snapshot: &Snapshot) -> BTreeMap<&ServiceId, &LiveService> {
    snapshot.services.iter().map(|service| (&service.id, service)).collect()
}

/// Returns the commit whose manifest was written last to a live service, or `None` if its tag `origin` does not say.
fn applied_commit(live: &LiveService, policy: &Policy) -> Option<String> {
    // The tag of another project's service names a commit of another repository.
    if !policy.ownership.origin || policy.ownership.other_owner(&live.tags).is_some() {
        return None;
    }
    OriginTag::of(&live.tags)?.commit
}
