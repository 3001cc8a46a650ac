//! Checks that the live state after a plan has everything that the manifests declare.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use super::renames;
use super::settings;
use super::verifier::Verifier;
use crate::model::{
    self, Catalog, DesiredService, LiveService, NameHash, OriginTag, Pin, Reference, ServiceId, ServiceName,
    TAG_ORIGIN, TAG_REPLACES, is_same_name,
};

impl Verifier<'_> {
    /// Checks the state that all steps together produce, and adds a violation for each way in which it differs from the
    /// manifests.
    pub(super) fn check_final_state(&mut self) {
        let is_touched =
            |name: &ServiceName| self.options.touched.as_ref().is_none_or(|all| all.contains(name));
        let is_chosen = |name: &ServiceName| {
            is_touched(name) && (self.options.only.is_empty() || self.options.only.contains(name))
        };
        let mut violations = Vec::new();
        let mut owned: BTreeMap<(&ServiceName, bool), Vec<&LiveService>> = BTreeMap::new();
        for service in
            self.state.services.values().filter(|service| self.policy.ownership.owns(&service.tags))
        {
            owned.entry((&service.name, service.active)).or_default().push(service);
        }
        for wanted in self.desired.services.values().filter(|wanted| is_chosen(&wanted.name)) {
            let before = self.plan.ids.get(&wanted.name).and_then(|id| self.original(id));
            violations.extend(self.check_declared_service(wanted, before, &owned));
        }
        // A service that its tag `origin` assigns to a declared service is not an orphan, but a copy.
        let declared: BTreeSet<NameHash> = match self.policy.ownership.origin {
            true => self.desired.services.keys().map(NameHash::of).collect(),
            false => BTreeSet::new(),
        };
        let is_copy = |service: &LiveService| {
            let origin = OriginTag::of(&service.tags).filter(|origin| !origin.is_former);
            origin.is_some_and(|origin| {
                declared.contains(&origin.name) || self.is_copy_of_undeclared(service, &origin.name)
            })
        };
        if self.options.prune && self.options.only.is_empty() {
            for service in self.state.services.values() {
                let is_owned = self.policy.ownership.owns(&service.tags);
                if is_owned
                    && !service.system
                    && service.active
                    && is_touched(&service.name)
                    && !self.desired.services.contains_key(&service.name)
                    && !is_copy(service)
                {
                    violations.push(format!(
                        "`{}` is owned by this project, not declared in a manifest, and still active",
                        service.name
                    ));
                }
            }
        }
        self.violations.extend(violations);
    }

    /// Returns true if a service was made for a name that it does not have, and another service without a manifest has
    /// this name, or was made for it, too. `hash` is the hash of that name.
    fn is_copy_of_undeclared(&self, service: &LiveService, hash: &NameHash) -> bool {
        let is_made_for = |other: &LiveService| {
            self.policy.ownership.owns(&other.tags)
                && !renames::has_tool_suffix(other)
                && OriginTag::of(&other.tags).is_some_and(|origin| origin.name == *hash && !origin.is_former)
        };
        let is_other = |other: &&LiveService| {
            other.id != service.id
                && !self.plan.ids.values().any(|id| *id == other.id)
                && (NameHash::of(&other.name) == *hash || is_made_for(other))
        };
        self.policy.ownership.origin
            && NameHash::of(&service.name) != *hash
            && self.snapshot.services.iter().any(|other| is_other(&other))
    }

    /// Checks that exactly one service has the name of a manifest, and that this service has the declared values.
    /// Returns the violations. `before` is the live service before the plan. `owned` contains the project's services
    /// after the plan, grouped by their name and by whether they are active.
    fn check_declared_service(
        &self,
        wanted: &DesiredService,
        before: Option<&LiveService>,
        owned: &BTreeMap<(&ServiceName, bool), Vec<&LiveService>>,
    ) -> Vec<String> {
        let name = &wanted.name;
        let ignored: BTreeSet<&str> = wanted.lifecycle.ignore.iter().map(|path| path.0[0].as_str()).collect();
        let is_ignored = |field: &str| before.is_some() && ignored.contains(field);
        // If the old service of an unfinished replacement was deleted, the new service was never in use. So it is
        // activated like a newly created service.
        let is_new = before.is_none_or(|live| self.has_lost_predecessor(name, live));
        // A declared service is active, unless its manifest says otherwise.
        let active = match before {
            Some(live) if is_ignored("active") && !is_new => live.active,
            _ => wanted.active.unwrap_or(true),
        };
        let holders = owned.get(&(name, active)).map(Vec::as_slice).unwrap_or_default();
        let [service] = holders else {
            return vec![format!(
                "after the plan, {} services of this project are named `{name}` (active: {active})",
                holders.len()
            )];
        };
        let mut violations = Vec::new();
        let mut check = |field: &str, is_right: bool| {
            if !is_right && !is_ignored(field) {
                violations.push(format!("after the plan, `{name}` does not have the declared `{field}`"));
            }
        };
        check(
            "description",
            wanted.description.as_ref().is_none_or(|text| text.trim() == service.description.trim()),
        );
        let set = |terms: &[String]| terms.iter().cloned().collect::<BTreeSet<_>>();
        check("keyterms", wanted.keyterms.as_ref().is_none_or(|terms| set(terms) == set(&service.keyterms)));
        check(
            "tags",
            wanted.tags.as_ref().is_none_or(|tags| {
                let mut live = service.tags.clone();
                // A tag `origin` that amigops has written stays if the project no longer uses such tags.
                let is_own_origin = OriginTag::of(&live).is_some();
                let is_own =
                    |key: &str| self.policy.ownership.is_own_tag(key) || (is_own_origin && key == TAG_ORIGIN);
                live.retain(|key, _| !is_own(key) || tags.contains_key(key));
                &live == tags
            }),
        );
        check("version_sets", self.has_declared_version_sets(wanted, service));
        check("agent", refers_to(&wanted.agent, &service.agent, &self.snapshot.agents));
        check(
            "context_graph",
            refers_to(&wanted.context_graph, &service.context_graph, &self.snapshot.context_graphs),
        );
        for (name, value) in &wanted.settings {
            let setting = Map::from_iter([(name.clone(), value.clone())]);
            let fields = model::settings::SERVICE;
            check(name, settings::have_wanted_values(fields, &setting, &service.settings));
        }
        check("active", service.active == active);
        violations
    }

    /// Returns true if a service is the inactive new service of a replacement whose old service no longer exists. Such
    /// a service still has the temporary name `… (replacing …)`.
    fn has_lost_predecessor(&self, name: &ServiceName, live: &LiveService) -> bool {
        let old = live.tags.get(TAG_REPLACES).and_then(Option::as_deref);
        let is_temporary = live.name.as_str().starts_with(&format!("{name} (replacing "));
        !live.active && is_temporary && old.is_some_and(|old| self.original(&ServiceId::new(old)).is_none())
    }

    /// Returns true if a service has all declared version sets, and no others except `release` and unmanaged ones. Also
    /// returns true if the manifest has no `version_sets`.
    fn has_declared_version_sets(&self, wanted: &DesiredService, service: &LiveService) -> bool {
        let Some(declared) = &wanted.version_sets else { return true };
        let has_all = declared.iter().all(|(name, set)| {
            service.version_sets.get(name).is_some_and(|live| {
                let is_pinned = |wanted: Option<Pin>, live: Pin| wanted.is_none_or(|wanted| wanted == live);
                let has_models = set.llm_model_preferences.as_ref().is_none_or(|wanted| {
                    wanted.len() == live.llm_model_preferences.len()
                        && wanted.iter().all(|(key, one)| {
                            live.llm_model_preferences.get(key).is_some_and(|live| {
                                one.llm_name == live.llm_name
                                    && settings::has_wanted_params(one, live)
                                    && settings::has_wanted_controls(one, live)
                            })
                        })
                });
                is_pinned(set.agent_version, live.agent_version)
                    && is_pinned(set.context_graph_version, live.context_graph_version)
                    && has_models
            })
        });
        let has_no_other = service
            .version_sets
            .keys()
            .all(|name| declared.contains_key(name) || name.is_release() || self.policy.is_unmanaged(name));
        has_all && has_no_other
    }
}

/// Returns true if a reference in a manifest stands for the agent or context graph with this id. Also returns true if
/// the reference is a name and the name of the agent or context graph is not known.
fn refers_to<Id: Ord + AsRef<str>>(reference: &Reference, id: &Id, catalog: &Catalog<Id>) -> bool {
    match reference {
        Reference::Id(text) => text.as_str() == id.as_ref(),
        Reference::Name(name) => catalog.name_of(id).is_none_or(|known| is_same_name(known, name)),
    }
}
