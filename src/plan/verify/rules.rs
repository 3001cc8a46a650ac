//! The project's rules, judged by what a plan leaves behind. May import `model` and the plan's types only.

use std::collections::{BTreeMap, BTreeSet};

use super::super::types::{Action, Options, Plan};
use super::world::World;
use crate::model::{
    LiveService, MaxRemovals, Pin, Policy, Retire, ServiceId, ServiceName, Snapshot, TAG_PROTECTED,
    TAG_REPLACES, VersionSetName,
};

/// The two ends of a plan, and what it was made by.
pub(super) struct Ends<'a> {
    policy: &'a Policy,
    options: &'a Options,
    plan: &'a Plan,
    before: &'a Snapshot,
    after: &'a World,
    /// Which service embodied which manifest at first.
    embodied: BTreeMap<&'a ServiceId, &'a ServiceName>,
    /// Services that have a successor which embodies a manifest: the latest one, through any number of others.
    succeeded: BTreeSet<&'a str>,
    /// The services of ours by the names that they have in the end; of several with one name, an active one.
    holders: BTreeMap<&'a ServiceName, &'a LiveService>,
}

impl<'a> Ends<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        options: &'a Options,
        plan: &'a Plan,
        before: &'a Snapshot,
        after: &'a World,
    ) -> Self {
        let embodied: BTreeMap<_, _> = plan.ids.iter().map(|(name, id)| (id, name)).collect();
        let succeeded = succeeded(before, &embodied);
        let owned = |service: &&LiveService| policy.ownership.owns(&service.tags);
        let mut ours: Vec<&LiveService> = after.services.values().filter(owned).collect();
        // Later ones stay.
        ours.sort_by_key(|service| service.active);
        let holders = ours.into_iter().map(|service| (&service.name, service)).collect();
        Self { policy, options, plan, before, after, embodied, succeeded, holders }
    }

    /// Every rule that the plan breaks.
    pub(super) fn violations(&self) -> Vec<String> {
        if !self.options.enforce_guardrails {
            // A plan that is only looked at keeps no rules: it says which ones an apply would break.
            return Vec::new();
        }
        let mut violations: Vec<String> =
            self.before.services.iter().flat_map(|service| self.of_one(service)).collect();
        let rule = self.options.max_removals.or(self.policy.guardrails.max_removals);
        let removed = self.services_removed() + self.version_sets_lost();
        let allowed = rule.map_or(usize::MAX, |rule| self.allowed(rule));
        if removed > allowed {
            violations.push(format!("removes {removed}, and {allowed} are allowed"));
        }
        violations.extend(self.born_unpinned());
        violations
    }

    /// Services that the plan makes and whose required pins follow the latest, where those of the service that
    /// they replace did not.
    fn born_unpinned(&self) -> Vec<String> {
        let required = self.policy.guardrails.require_pins.iter().filter(|name| !name.is_edge());
        let required: Vec<&VersionSetName> = required.collect();
        if required.is_empty() {
            return Vec::new();
        }
        let originals: BTreeMap<&str, &LiveService> =
            self.before.services.iter().map(|service| (service.id.as_str(), service)).collect();
        let makes = self.plan.steps.iter().filter(|step| matches!(step.action, Action::Create(_)));
        let made = makes.filter_map(|step| self.after.services.get(self.after.created.get(&step.id)?));
        let mut violations = Vec::new();
        for new in made {
            let old = new.tags.get(TAG_REPLACES).and_then(Option::as_deref).and_then(|id| originals.get(id));
            for name in &required {
                let was = old.and_then(|old| unpinned(old, name)).unwrap_or_default();
                // Without `release`, users talk to the latest.
                let is = unpinned(new, name).unwrap_or([name.is_release(); 2]);
                if (is[0] && !was[0]) || (is[1] && !was[1]) {
                    violations.push(format!("makes `{}` with version set `{name}` at latest", new.name));
                }
            }
        }
        violations
    }

    fn owned(&self, service: &LiveService) -> bool {
        self.policy.ownership.owns(&service.tags)
    }

    fn allowed(&self, rule: MaxRemovals) -> usize {
        let ours =
            self.before.services.iter().filter(|service| service.active && self.owned(service)).count();
        match rule {
            MaxRemovals::Count(count) => count,
            MaxRemovals::Percent(percent) => {
                (0..=ours).rev().find(|n| *n as f64 * 100.0 <= ours as f64 * percent + 1e-6).unwrap_or(0)
            }
        }
    }

    /// Whether a service was in use and ours, and is one of the two no more.
    fn is_lost(&self, service: &LiveService) -> bool {
        let still = |now: &LiveService| now.active && self.owned(now);
        service.active && self.owned(service) && !self.after.services.get(&service.id).is_some_and(still)
    }

    /// Services that no manifest embodies and that are lost, but for those whose successor is there; and those
    /// that were out of use and are gone for good.
    fn services_removed(&self) -> usize {
        let removed = |service: &&LiveService| {
            let gone = !service.active && !self.after.services.contains_key(&service.id);
            let succeeded = self.succeeded.contains(service.id.as_str());
            !self.embodied.contains_key(&service.id) && (gone || (self.is_lost(service) && !succeeded))
        };
        self.before.services.iter().filter(removed).count()
    }

    /// Version sets that a declared service had and that the one in its place hasn't.
    fn version_sets_lost(&self) -> usize {
        let declared = self
            .before
            .services
            .iter()
            .filter_map(|service| Some((service, *self.embodied.get(&service.id)?)));
        declared
            .filter_map(|(service, name)| {
                let after = self.holders.get(name).copied().filter(|_| self.is_chosen(name))?;
                let lost = service.version_sets.keys().filter(|set| !after.version_sets.contains_key(*set));
                Some(lost.count())
            })
            .sum()
    }

    fn is_chosen(&self, name: &ServiceName) -> bool {
        let touched = self.options.touched.as_ref().is_none_or(|touched| touched.contains(name));
        touched && (self.options.only.is_empty() || self.options.only.contains(name))
    }

    /// What may not become of one service.
    fn of_one(&self, service: &LiveService) -> Vec<String> {
        let id = &service.id;
        let now = self.after.services.get(id);
        let embodies = self.embodied.get(id).copied();
        let orphan = embodies.is_none() && !self.succeeded.contains(id.as_str());
        let mut violations = Vec::new();
        let names = |name: &ServiceName| self.policy.guardrails.protected.contains(name);
        let ruled = names(&service.name) || embodies.is_some_and(names);
        let tagged = service.tags.contains_key(TAG_PROTECTED);
        if !self.options.allow_protected {
            // Switched off by its own manifest is changed, not removed.
            if (ruled || tagged) && orphan && self.is_lost(service) {
                violations.push(format!("takes the protected service {id} out of use"));
            }
            let moved =
                embodies.filter(|name| self.is_chosen(name)).and_then(|name| self.holders.get(name).copied());
            if ruled && moved.is_some_and(|holder| &holder.id != id) {
                violations.push(format!("replaces the protected service {id}"));
            }
        }
        let owner = self.policy.ownership.other_owner(&service.tags);
        let foreign = owner.is_some() && owner != self.options.take_over.as_deref();
        if foreign && now != Some(service) {
            violations.push(format!("changes service {id} of another project"));
        }
        if orphan && self.is_lost(service) && !self.is_retired_as(now, self.policy.retire_orphans) {
            violations.push(format!("retires service {id} in another way than the defaults say"));
        }
        violations
    }

    /// Whether a service that was active and ours has become what this way of retiring makes of it.
    fn is_retired_as(&self, now: Option<&LiveService>, how: Retire) -> bool {
        match (how, now) {
            (Retire::Delete, now) => now.is_none() && self.options.api.deletes_services(),
            (Retire::Deactivate, Some(now)) => !now.active && self.owned(now),
            (Retire::Keep, Some(now)) => now.active && !self.owned(now),
            (_, None) => false,
        }
    }
}

/// The ids of the services that embodied ones have replaced, directly or through others that embody none.
fn succeeded<'a>(
    before: &'a Snapshot,
    embodied: &BTreeMap<&'a ServiceId, &'a ServiceName>,
) -> BTreeSet<&'a str> {
    let replaced: BTreeMap<&str, &str> = before
        .services
        .iter()
        .filter_map(|service| Some((service.id.as_str(), service.tags.get(TAG_REPLACES)?.as_deref()?)))
        .collect();
    let embodied: BTreeSet<&str> = embodied.keys().map(|id| id.as_str()).collect();
    let mut succeeded = BTreeSet::new();
    for id in &embodied {
        let mut at = *id;
        while let Some(old) = replaced.get(at).copied() {
            at = old;
            if embodied.contains(old) || !succeeded.insert(old) {
                break;
            }
        }
    }
    succeeded
}

/// Whether a version set follows the latest agent, and the latest context graph; none where there is no such set.
fn unpinned(service: &LiveService, name: &VersionSetName) -> Option<[bool; 2]> {
    let set = service.version_sets.get(name)?;
    Some([set.agent_version == Pin::Latest, set.context_graph_version == Pin::Latest])
}
