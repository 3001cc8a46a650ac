//! Checks a plan against the project's rules, by comparing the live state before the plan with the simulated state
//! after it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::types::{Action, Options, Plan};
use super::state::SimulatedState;
use crate::model::{
    LiveService, MaxRemovals, NameHash, OriginTag, Pin, Policy, Retire, ServiceId, ServiceName, Snapshot,
    TAG_PROTECTED, TAG_REPLACES, VersionSetName,
};

/// Checks a plan against the project's rules. Contains the states before and after the plan, and the options that the
/// plan was made with.
pub(super) struct RuleChecker<'a> {
    policy: &'a Policy,
    options: &'a Options,
    plan: &'a Plan,
    before: &'a Snapshot,
    after: &'a SimulatedState,
    /// The name of the manifest that each service matches before the plan.
    manifests: BTreeMap<&'a ServiceId, &'a ServiceName>,
    /// The ids of the former services of manifests.
    former: BTreeSet<&'a str>,
    /// The owned services by the names that they have after the plan. If several have the same name, an active one is
    /// listed.
    holders: BTreeMap<&'a ServiceName, &'a LiveService>,
}

impl<'a> RuleChecker<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        options: &'a Options,
        plan: &'a Plan,
        before: &'a Snapshot,
        after: &'a SimulatedState,
    ) -> Self {
        let manifests: BTreeMap<_, _> = plan.ids.iter().map(|(name, id)| (id, name)).collect();
        let former = former_services(before, &manifests);
        let is_owned = |service: &&LiveService| policy.ownership.owns(&service.tags);
        let mut owned: Vec<&LiveService> = after.services.values().filter(is_owned).collect();
        // Active services come last, so that they overwrite inactive services with the same name.
        owned.sort_by_key(|service| service.active);
        let holders = owned.into_iter().map(|service| (&service.name, service)).collect();
        Self { policy, options, plan, before, after, manifests, former, holders }
    }

    /// Returns a message for each rule that the plan breaks.
    pub(super) fn violations(&self) -> Vec<String> {
        if !self.options.enforce_guardrails {
            // A plan for a drift report need not follow the rules. Its findings say which rules an apply would break.
            return Vec::new();
        }
        let mut violations: Vec<String> =
            self.before.services.iter().flat_map(|service| self.check_service(service)).collect();
        let rule = self.options.max_removals.or(self.policy.guardrails.max_removals);
        let removed = self.services_removed() + self.version_sets_lost();
        let allowed = rule.map_or(usize::MAX, |rule| self.allowed(rule));
        if removed > allowed {
            violations.push(format!("the plan has {removed} removals, but only {allowed} are allowed"));
        }
        violations.extend(self.check_new_sets_pinned());
        violations
    }

    /// Checks that new services have the pins that `guardrails.require_pins` requires. A pin may be missing if the
    /// replaced service did not have it, either. Returns the violations.
    fn check_new_sets_pinned(&self) -> Vec<String> {
        let required = self.policy.guardrails.require_pins.iter().filter(|name| !name.is_edge());
        let required: Vec<&VersionSetName> = required.collect();
        if required.is_empty() {
            return Vec::new();
        }
        let originals: BTreeMap<&str, &LiveService> =
            self.before.services.iter().map(|service| (service.id.as_str(), service)).collect();
        let creates = self.plan.steps.iter().filter(|step| matches!(step.action, Action::Create(_)));
        let created = creates.filter_map(|step| self.after.services.get(self.after.created.get(&step.id)?));
        let mut violations = Vec::new();
        for new in created {
            let old = new.tags.get(TAG_REPLACES).and_then(Option::as_deref).and_then(|id| originals.get(id));
            for name in &required {
                let before = old.and_then(|old| is_unpinned(old, name)).unwrap_or_default();
                // Without `release`, users get the latest versions.
                let after = is_unpinned(new, name).unwrap_or([name.is_release(); 2]);
                if (after[0] && !before[0]) || (after[1] && !before[1]) {
                    violations.push(format!("creates `{}` with the unpinned version set `{name}`", new.name));
                }
            }
        }
        violations
    }

    fn is_owned(&self, service: &LiveService) -> bool {
        self.policy.ownership.owns(&service.tags)
    }

    /// Returns the number of removals that `max_removals` allows.
    fn allowed(&self, rule: MaxRemovals) -> usize {
        let owned =
            self.before.services.iter().filter(|service| service.active && self.is_owned(service)).count();
        match rule {
            MaxRemovals::Count(count) => count,
            MaxRemovals::Percent(percent) => {
                (0..=owned).rev().find(|n| *n as f64 * 100.0 <= owned as f64 * percent + 1e-6).unwrap_or(0)
            }
        }
    }

    /// Returns true if a service was active and owned before the plan, and is inactive, not owned or deleted after it.
    fn is_lost(&self, service: &LiveService) -> bool {
        let is_kept = |now: &LiveService| now.active && self.is_owned(now);
        service.active && self.is_owned(service) && !self.after.services.get(&service.id).is_some_and(is_kept)
    }

    /// Counts the orphans that the plan takes out of use, and the inactive services that it deletes.
    fn services_removed(&self) -> usize {
        let is_removed = |service: &&LiveService| {
            let is_deleted = !service.active && !self.after.services.contains_key(&service.id);
            let is_former = self.former.contains(service.id.as_str());
            !self.manifests.contains_key(&service.id) && (is_deleted || (self.is_lost(service) && !is_former))
        };
        self.before.services.iter().filter(is_removed).count()
    }

    /// Counts the version sets of declared services that no longer exist after the plan.
    fn version_sets_lost(&self) -> usize {
        let declared = self
            .before
            .services
            .iter()
            .filter_map(|service| Some((service, *self.manifests.get(&service.id)?)));
        declared
            .filter_map(|(service, name)| {
                let after = self.holders.get(name).copied().filter(|_| self.is_chosen(name))?;
                let lost = service.version_sets.keys().filter(|set| !after.version_sets.contains_key(*set));
                Some(lost.count())
            })
            .sum()
    }

    /// Returns true if the plan's options include the declared service with this name.
    fn is_chosen(&self, name: &ServiceName) -> bool {
        let touched = self.options.touched.as_ref().is_none_or(|touched| touched.contains(name));
        touched && (self.options.only.is_empty() || self.options.only.contains(name))
    }

    /// Checks that the plan does not remove, replace or change one service against the rules. Returns the violations.
    fn check_service(&self, service: &LiveService) -> Vec<String> {
        let id = &service.id;
        let now = self.after.services.get(id);
        let manifest = self.manifests.get(id).copied();
        let is_orphan = manifest.is_none() && !self.former.contains(id.as_str());
        let mut violations = Vec::new();
        let is_protected = |name: &ServiceName| self.policy.guardrails.protected.contains(name);
        let origin =
            OriginTag::of(&service.tags).filter(|tag| self.policy.ownership.origin && !tag.is_former);
        let mut hashes = self.policy.guardrails.protected.iter().map(NameHash::of);
        let is_made_for_protected = origin.is_some_and(|origin| hashes.any(|hash| hash == origin.name));
        let is_named =
            is_protected(&service.name) || manifest.is_some_and(is_protected) || is_made_for_protected;
        let is_tagged = service.tags.contains_key(TAG_PROTECTED);
        if !self.options.allow_protected {
            // If a manifest deactivates its own service, this counts as a change, and not as a removal.
            if (is_named || is_tagged) && is_orphan && self.is_lost(service) {
                violations.push(format!("takes the protected service {id} out of use"));
            }
            let chosen = manifest.filter(|name| self.is_chosen(name));
            let holder = chosen.and_then(|name| self.holders.get(name).copied());
            if is_named && holder.is_some_and(|holder| &holder.id != id) {
                violations.push(format!("replaces the protected service {id}"));
            }
        }
        let owner = self.policy.ownership.other_owner(&service.tags);
        let is_anothers = owner.is_some() && owner != self.options.take_over.as_deref();
        if is_anothers && now != Some(service) {
            violations.push(format!("changes service {id} of another project"));
        }
        if is_orphan && self.is_lost(service) && !self.is_retired_as(now, self.policy.retire_orphans) {
            violations.push(format!("retires service {id} in a way other than `defaults.lifecycle.retire`"));
        }
        violations
    }

    /// Returns true if an orphan was retired as `how` says. `now` is the state of the orphan after the plan, or `None`
    /// if it no longer exists. Before the plan, the orphan was active and owned.
    fn is_retired_as(&self, now: Option<&LiveService>, how: Retire) -> bool {
        match (how, now) {
            (Retire::Delete, now) => now.is_none() && self.options.api.deletes_services(),
            (Retire::Deactivate, Some(now)) => !now.active && self.is_owned(now),
            (Retire::Keep, Some(now)) => now.active && !self.is_owned(now),
            (_, None) => false,
        }
    }
}

/// Returns the ids of the services that the matched services have replaced, directly or through a chain of
/// replacements. The search stops at a service that itself matches a manifest.
fn former_services<'a>(
    before: &'a Snapshot,
    manifests: &BTreeMap<&'a ServiceId, &'a ServiceName>,
) -> BTreeSet<&'a str> {
    let replaced: BTreeMap<&str, &str> = before
        .services
        .iter()
        .filter_map(|service| Some((service.id.as_str(), service.tags.get(TAG_REPLACES)?.as_deref()?)))
        .collect();
    let matched: BTreeSet<&str> = manifests.keys().map(|id| id.as_str()).collect();
    let mut former = BTreeSet::new();
    for id in &matched {
        let mut at = *id;
        while let Some(old) = replaced.get(at).copied() {
            at = old;
            if matched.contains(old) || !former.insert(old) {
                break;
            }
        }
    }
    former
}

/// Returns two values for a version set. The first is true if the version of the agent is unpinned, and the second if
/// the version of the context graph is unpinned. Returns `None` if the service does not have the version set.
fn is_unpinned(service: &LiveService, name: &VersionSetName) -> Option<[bool; 2]> {
    let set = service.version_sets.get(name)?;
    Some([set.agent_version == Pin::Latest, set.context_graph_version == Pin::Latest])
}
