//! What is right and wrong in a plan, step by step and at its end. May import `model` and the plan's types
//! only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::types::{Action, Options, Plan, Step, Target};
use super::settings;
use super::world::World;
use crate::model::{
    self, Catalog, Desired, DesiredService, LiveService, Pin, Policy, Reference, Retire, ServiceId,
    ServiceName, Snapshot, TAG_PROTECTED, TAG_REPLACES, VersionSet, VersionSetName, is_same_name, same_json,
};

/// Plays a plan and notes what is wrong with it.
pub(super) struct Judge<'a> {
    desired: &'a Desired,
    policy: &'a Policy,
    options: &'a Options,
    plan: &'a Plan,
    snapshot: &'a Snapshot,
    originals: BTreeMap<&'a ServiceId, &'a LiveService>,
    /// The manifests by the service that embodied them at first.
    embodied: BTreeMap<&'a ServiceId, &'a DesiredService>,
    /// Every name that a manifest has or had.
    declared_names: BTreeSet<&'a ServiceName>,
    /// How many services may hold a name, where that is more than one.
    most_holders: BTreeMap<ServiceName, usize>,
    pub(super) world: World,
    pub(super) violations: Vec<String>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        desired: &'a Desired,
        snapshot: &'a Snapshot,
        policy: &'a Policy,
        options: &'a Options,
        plan: &'a Plan,
    ) -> Self {
        let names = desired.services.values();
        Self {
            desired,
            policy,
            options,
            plan,
            snapshot,
            originals: snapshot.services.iter().map(|service| (&service.id, service)).collect(),
            embodied: plan
                .ids
                .iter()
                .filter_map(|(name, id)| Some((id, desired.services.get(name)?)))
                .collect(),
            declared_names: names
                .flat_map(|wanted| [Some(&wanted.name), wanted.lifecycle.renamed_from.as_ref()])
                .flatten()
                .collect(),
            most_holders: most_holders(snapshot, plan, options),
            world: World::new(snapshot, options.api),
            violations: Vec::new(),
        }
    }

    fn say(&mut self, step: &Step, message: &str) {
        self.violations.push(format!("step {} ({}): {message}", step.id, step.service));
    }

    pub(super) fn play(&mut self, order: &[&Step]) {
        for step in order {
            self.before(step);
            self.world.apply(step);
            self.names_unique(step);
            self.somebody_is_there(step);
        }
        if order.len() != self.plan.steps.len() {
            self.violations.push("steps wait for each other in a circle".to_owned());
        }
    }

    /// What a step may do at all.
    fn before(&mut self, step: &Step) {
        match &step.action {
            Action::Create(new) => {
                if new.description.trim().is_empty() && self.options.api.wants_description() {
                    self.say(step, "creates a service without a description");
                }
                if !self.policy.ownership.owns(&new.tags) {
                    self.say(step, "creates a service without the ownership tag");
                }
            }
            Action::Update { id, update }
            | Action::SetAside { id, update }
            | Action::Discard { id, update } => {
                self.may_touch(step, id);
                if update.is_empty() {
                    self.say(step, "changes nothing");
                }
                for (name, content) in &update.version_sets {
                    self.may_write(step, &Target::Live(id.clone()), name, content);
                }
                self.keeps_settings(step, id, &update.settings);
            }
            Action::Retire { id, how, .. } => {
                self.may_touch(step, id);
                self.may_retire(step, id, *how);
            }
            Action::HandOver { old, new, .. } => {
                self.may_touch(step, old);
                let new = self.world.id(new);
                self.is_complete(step, old, &new);
            }
            Action::WriteVersionSet { target, name, content, .. } => {
                self.may_write(step, target, name, content)
            }
            Action::DeleteVersionSet { id, name } => {
                self.may_touch(step, id);
                let declared =
                    self.desired.services.get(&step.service).and_then(|wanted| wanted.version_sets.as_ref());
                let kept = declared.is_none_or(|sets| sets.contains_key(name));
                if name.is_edge() || name.is_release() || kept || self.policy.is_unmanaged(name) {
                    self.say(step, &format!("deletes version set `{name}`, which must stay"));
                }
            }
            Action::ApplyBehaviorSet { .. } | Action::Smoke { .. } => {}
        }
    }

    fn original(&self, id: &ServiceId) -> Option<&'a LiveService> {
        self.originals.get(id).copied()
    }

    /// Nothing is touched that is neither ours nor named by a manifest.
    fn may_touch(&mut self, step: &Step, id: &ServiceId) {
        let Some(live) = self.original(id) else {
            return self.say(step, "touches a service that does not exist");
        };
        let named = self.declared_names.contains(&live.name);
        let owned = self.policy.ownership.owns(&live.tags);
        if live.system {
            self.say(step, "touches a service of the platform itself");
        }
        let owner = self.policy.ownership.other_owner(&live.tags);
        let taken_over = owner == self.options.take_over.as_deref() || !self.options.enforce_guardrails;
        let foreign = owner.is_some() && !taken_over;
        if foreign || !(named || owned) {
            self.say(step, &format!("touches service {id}, which is not ours"));
        }
    }

    fn may_retire(&mut self, step: &Step, id: &ServiceId, how: Retire) {
        let Some(live) = self.original(id).cloned() else { return };
        let successors = self.world.successors_of(id);
        let replaced_by = successors.into_iter().max_by_key(|service| service.active);
        let wanted_inactive =
            self.desired.services.get(&step.service).is_some_and(|wanted| wanted.active == Some(false));
        let declared = self.desired.services.contains_key(&step.service);
        match replaced_by.filter(|_| declared) {
            Some(new) if new.active || wanted_inactive || !live.active => {}
            Some(_) => self.say(step, "retires the old service before the new one is active"),
            None => {
                let declared = self.desired.services.contains_key(&live.name);
                let allowed = self.options.allow_protected || !self.options.enforce_guardrails;
                let protected = live.tags.contains_key(TAG_PROTECTED) && !allowed;
                let shared = !self.policy.ownership.is_written && self.options.enforce_guardrails;
                let ours = self.policy.ownership.owns(&live.tags) && !shared;
                if !self.options.prune || declared || protected || !ours {
                    self.say(step, &format!("retires ({}) a service that must stay", how.as_str()));
                }
                let waiting = self.world.successors_of(id).into_iter().filter(|new| !new.active);
                if live.active && waiting.into_iter().any(|new| self.activates(&new.id)) {
                    self.say(step, "retires a service before its successor is active");
                }
            }
        }
    }

    /// Returns true if the plan brings this service into use where it is.
    fn activates(&self, id: &ServiceId) -> bool {
        let is_activation = |action: &Action| matches!(action, Action::Update { id: other, update } if other == id && update.active == Some(true));
        self.plan.steps.iter().any(|step| is_activation(&step.action))
    }

    /// Before a hand-over the new service has all version sets and behavior sets of the old one that stay.
    fn is_complete(&mut self, step: &Step, old: &ServiceId, new: &ServiceId) {
        let (Some(old_service), Some(new_service)) =
            (self.original(old).cloned(), self.world.services.get(new).cloned())
        else {
            return self.say(step, "hands over to a service that does not exist");
        };
        let declared =
            self.desired.services.get(&step.service).and_then(|wanted| wanted.version_sets.as_ref());
        for name in old_service.version_sets.keys() {
            let stays = declared.is_none_or(|sets| sets.contains_key(name)) || self.policy.is_unmanaged(name);
            if stays && !new_service.version_sets.contains_key(name) {
                self.say(step, &format!("hands over before version set `{name}` is there"));
            }
        }
        for name in declared.into_iter().flat_map(|sets| sets.keys()) {
            if !new_service.version_sets.contains_key(name) {
                self.say(step, &format!("hands over before version set `{name}` is there"));
            }
        }
        let missing = self.world.behaviors.iter().any(|(set, service)| {
            service == old && !self.world.behaviors.contains(&(set.clone(), new.clone()))
        });
        if missing {
            self.say(step, "hands over before all behavior sets are applied");
        }
    }

    fn may_write(&mut self, step: &Step, target: &Target, name: &VersionSetName, content: &VersionSet) {
        if name.is_edge() && self.options.api.makes_version_sets() {
            self.say(step, "writes `edge`");
        }
        let Target::Live(id) = target else { return };
        self.may_touch(step, id);
        let Some(before) = self.original(id).and_then(|live| live.version_sets.get(name)).cloned() else {
            return;
        };
        // In a half-made replacement, what the old service says counts as well.
        let replaced =
            self.original(id).and_then(|live| live.tags.get(TAG_REPLACES)?.as_deref()).map(ServiceId::new);
        let old_set = replaced.and_then(|old| self.original(&old)?.version_sets.get(name));
        for (key, value) in &before.carried {
            let old_value = old_set.and_then(|set| set.carried.get(key));
            let kept = |kept: &serde_json::Value| {
                same_json(kept, value) || old_value.is_some_and(|old_value| same_json(kept, old_value))
            };
            if !content.carried.get(key).is_some_and(kept) {
                self.say(step, &format!("destroys `{key}` of version set `{name}`"));
            }
        }
        if *content == before {
            self.say(step, &format!("writes version set `{name}` as it is"));
        }
    }

    /// The services whose name or activity a step may change.
    fn touched(&self, step: &Step) -> Vec<ServiceId> {
        let created = match &step.action {
            Action::Create(_) => self.world.created.get(&step.id).cloned(),
            Action::HandOver { new: new @ Target::Created(_), .. } => Some(self.world.id(new)),
            _ => None,
        };
        subjects(&step.action).into_iter().cloned().chain(created).collect()
    }

    /// Settings that are written are named by a manifest, or come from the service that this one replaces; and
    /// they ask for nothing that the API can't do.
    fn keeps_settings(&mut self, step: &Step, id: &ServiceId, written: &Map<String, Value>) {
        let replaced = self.original(id).and_then(|live| live.tags.get(TAG_REPLACES)?.as_deref());
        let replaced = replaced.map(ServiceId::new);
        let manifest = self.embodied.get(id).or_else(|| self.embodied.get(replaced.as_ref()?));
        let declared = manifest.map(|wanted| Value::Object(wanted.settings.clone()));
        let old = replaced.and_then(|old| Some(Value::Object(self.original(&old)?.settings.clone())));
        for (name, value) in written {
            if value.is_null() {
                self.say(step, &format!("writes null to `{name}`, which changes nothing"));
            }
        }
        let written = Value::Object(written.clone());
        if let Some(path) = settings::undeclared("", &written, declared.as_ref(), old.as_ref()) {
            self.say(step, &format!("changes `{path}`, which no manifest names"));
        }
    }

    /// No two active services have one name, at any moment.
    fn names_unique(&mut self, step: &Step) {
        for id in self.touched(step) {
            let Some(name) = self.world.services.get(&id).map(|service| service.name.clone()) else {
                continue;
            };
            let most = self.most_holders.get(&name).copied().unwrap_or(1);
            if self.world.holders.get(&name).is_some_and(|count| *count > most) {
                self.say(step, &format!("leaves two services that hold the name `{name}`"));
            }
        }
    }

    /// A service that was active and is to stay so is active at every moment, as the old or the new one.
    fn somebody_is_there(&mut self, step: &Step) {
        for id in self.touched(step) {
            let Some(wanted) = self.embodied.get(&id) else { continue };
            let was_active = self.original(&id).is_some_and(|live| live.active);
            if !was_active || wanted.active == Some(false) {
                continue;
            }
            let old = self.world.services.get(&id).is_some_and(|service| service.active);
            if !old && !self.world.replacers_of(&id).any(|service| service.active) {
                let message = format!("leaves neither the old nor the new `{}` active", wanted.name);
                self.say(step, &message);
            }
        }
    }

    pub(super) fn final_state(&mut self) {
        let touched = |name: &ServiceName| self.options.touched.as_ref().is_none_or(|all| all.contains(name));
        let chosen = |name: &ServiceName| {
            touched(name) && (self.options.only.is_empty() || self.options.only.contains(name))
        };
        let mut violations = Vec::new();
        let mut ours: BTreeMap<(&ServiceName, bool), Vec<&LiveService>> = BTreeMap::new();
        for service in
            self.world.services.values().filter(|service| self.policy.ownership.owns(&service.tags))
        {
            ours.entry((&service.name, service.active)).or_default().push(service);
        }
        for wanted in self.desired.services.values().filter(|wanted| chosen(&wanted.name)) {
            let before = self.plan.ids.get(&wanted.name).and_then(|id| self.original(id));
            violations.extend(self.ends_as_wanted(wanted, before, &ours));
        }
        if self.options.prune && self.options.only.is_empty() {
            for service in self.world.services.values() {
                let ours = self.policy.ownership.owns(&service.tags);
                if ours
                    && !service.system
                    && service.active
                    && touched(&service.name)
                    && !self.desired.services.contains_key(&service.name)
                {
                    violations.push(format!("`{}` is ours, in no manifest, and still active", service.name));
                }
            }
        }
        self.violations.extend(violations);
    }

    fn ends_as_wanted(
        &self,
        wanted: &DesiredService,
        before: Option<&LiveService>,
        ours: &BTreeMap<(&ServiceName, bool), Vec<&LiveService>>,
    ) -> Vec<String> {
        let name = &wanted.name;
        let ignored: BTreeSet<&str> = wanted.lifecycle.ignore.iter().map(|path| path.0[0].as_str()).collect();
        let ignored = |field: &str| before.is_some() && ignored.contains(field);
        // Who was to take over from a service that is gone was never in use: it begins as a new one would.
        let begins = before.is_none_or(|live| self.inherits(name, live));
        let active = if ignored("active") && !begins { None } else { wanted.active };
        let active = active.unwrap_or_else(|| begins || before.is_some_and(|live| live.active));
        let holders = ours.get(&(name, active)).map(Vec::as_slice).unwrap_or_default();
        let [service] = holders else {
            return vec![format!(
                "at the end {} services of ours are named `{name}` (active: {active})",
                holders.len()
            )];
        };
        let mut wrong = Vec::new();
        let mut expect = |what: &str, holds: bool| {
            if !holds && !ignored(what) {
                wrong.push(format!("`{name}` ends with another {what} than its manifest's"));
            }
        };
        expect(
            "description",
            wanted.description.as_ref().is_none_or(|text| text.trim() == service.description.trim()),
        );
        let set = |terms: &[String]| terms.iter().cloned().collect::<BTreeSet<_>>();
        expect("keyterms", wanted.keyterms.as_ref().is_none_or(|terms| set(terms) == set(&service.keyterms)));
        expect(
            "tags",
            wanted.tags.as_ref().is_none_or(|tags| {
                let mut live = service.tags.clone();
                live.retain(|key, _| !self.policy.ownership.is_own_tag(key));
                &live == tags
            }),
        );
        expect("version_sets", self.sets_as_wanted(wanted, service));
        expect("agent", names_it(&wanted.agent, &service.agent, &self.snapshot.agents));
        expect(
            "context_graph",
            names_it(&wanted.context_graph, &service.context_graph, &self.snapshot.context_graphs),
        );
        for (name, value) in &wanted.settings {
            let one = Map::from_iter([(name.clone(), value.clone())]);
            expect(name, settings::hold(model::settings::SERVICE, &one, &service.settings));
        }
        expect("active", service.active == active);
        wrong
    }

    /// Whether a service waits under a passing name for the place of one that does not exist.
    fn inherits(&self, name: &ServiceName, live: &LiveService) -> bool {
        let old = live.tags.get(TAG_REPLACES).and_then(Option::as_deref);
        let waits = live.name.as_str().starts_with(&format!("{name} (replacing "));
        !live.active && waits && old.is_some_and(|old| self.original(&ServiceId::new(old)).is_none())
    }

    fn sets_as_wanted(&self, wanted: &DesiredService, service: &LiveService) -> bool {
        let Some(declared) = &wanted.version_sets else { return true };
        let all_there = declared.iter().all(|(name, set)| {
            service.version_sets.get(name).is_some_and(|live| {
                let pin = |wanted: Option<Pin>, live: Pin| wanted.is_none_or(|wanted| wanted == live);
                let models = set.llm_model_preferences.as_ref().is_none_or(|wanted| {
                    wanted.len() == live.llm_model_preferences.len()
                        && wanted.iter().all(|(key, one)| {
                            live.llm_model_preferences.get(key).is_some_and(|there| {
                                one.llm_name == there.llm_name
                                    && settings::params_hold(one, there)
                                    && settings::controls_hold(one, there)
                            })
                        })
                });
                pin(set.agent_version, live.agent_version)
                    && pin(set.context_graph_version, live.context_graph_version)
                    && models
            })
        });
        let no_other = service
            .version_sets
            .keys()
            .all(|name| declared.contains_key(name) || name.is_release() || self.policy.is_unmanaged(name));
        all_there && no_other
    }
}

/// Whether a reference means this id.
fn names_it<Id: Ord + AsRef<str>>(reference: &Reference, id: &Id, catalog: &Catalog<Id>) -> bool {
    match reference {
        Reference::Id(text) => text.as_str() == id.as_ref(),
        Reference::Name(name) => catalog.name_of(id).is_none_or(|known| is_same_name(known, name)),
    }
}

/// How many services may hold a name: one; as many as at first, since the API allowed that; and those
/// beside it that are inactive and that the plan leaves alone: only the API can tell whether they count.
fn most_holders(snapshot: &Snapshot, plan: &Plan, options: &Options) -> BTreeMap<ServiceName, usize> {
    let mut most = World::new(snapshot, options.api).holders;
    if options.api.inactive_services_hold_names() {
        let touched: BTreeSet<&ServiceId> =
            plan.steps.iter().flat_map(|step| subjects(&step.action)).collect();
        let mut bystanders: BTreeMap<&ServiceName, usize> = BTreeMap::new();
        for service in snapshot.services.iter().filter(|service| !service.active) {
            *bystanders.entry(&service.name).or_default() += usize::from(!touched.contains(&service.id));
        }
        for (name, count) in bystanders {
            let held = most.entry(name.clone()).or_default();
            *held = (*held).max(1 + count);
        }
    }
    most.retain(|_, count| *count > 1);
    most
}

/// The live services whose name or activity a step may change.
fn subjects(action: &Action) -> Vec<&ServiceId> {
    match action {
        Action::Update { id, .. }
        | Action::SetAside { id, .. }
        | Action::Retire { id, .. }
        | Action::Discard { id, .. } => vec![id],
        Action::HandOver { old, new: Target::Live(new), .. } => vec![old, new],
        Action::HandOver { old, new: Target::Created(_), .. } => vec![old],
        Action::Create(_)
        | Action::WriteVersionSet { .. }
        | Action::DeleteVersionSet { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. } => Vec::new(),
    }
}
