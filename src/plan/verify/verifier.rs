//! Simulates a plan and checks it step by step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::types::{Action, Options, Plan, Step, Target};
use super::settings;
use super::state::SimulatedState;
use crate::model::{
    Desired, DesiredService, LiveService, Policy, Retire, ServiceId, ServiceName, Snapshot, TAG_PROTECTED,
    TAG_REPLACES, VersionSet, VersionSetName, same_json,
};

/// Simulates a plan and collects a message for each rule that the plan breaks.
pub(super) struct Verifier<'a> {
    pub(super) desired: &'a Desired,
    pub(super) policy: &'a Policy,
    pub(super) options: &'a Options,
    pub(super) plan: &'a Plan,
    pub(super) snapshot: &'a Snapshot,
    originals: BTreeMap<&'a ServiceId, &'a LiveService>,
    /// The manifest that each service matches before the plan.
    manifests: BTreeMap<&'a ServiceId, &'a DesiredService>,
    /// The names of all manifests, and the names in `renamed_from`.
    declared_names: BTreeSet<&'a ServiceName>,
    /// The maximum number of services that may have a name at the same time. Only names with a maximum above 1 are
    /// listed.
    max_holders: BTreeMap<ServiceName, usize>,
    pub(super) state: SimulatedState,
    pub(super) violations: Vec<String>,
}

impl<'a> Verifier<'a> {
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
            manifests: plan
                .ids
                .iter()
                .filter_map(|(name, id)| Some((id, desired.services.get(name)?)))
                .collect(),
            declared_names: names
                .flat_map(|wanted| [Some(&wanted.name), wanted.lifecycle.renamed_from.as_ref()])
                .flatten()
                .collect(),
            max_holders: max_holders(snapshot, plan, options),
            state: SimulatedState::new(snapshot, options.api),
            violations: Vec::new(),
        }
    }

    fn report(&mut self, step: &Step, message: &str) {
        self.violations.push(format!("step {} ({}): {message}", step.id, step.service));
    }

    /// Simulates the steps in this order, and checks the state before and after each one.
    pub(super) fn play(&mut self, order: &[&Step]) {
        for step in order {
            self.check_before(step);
            self.state.apply(step);
            self.check_names_unique(step);
            self.check_service_stays_active(step);
        }
        if order.len() != self.plan.steps.len() {
            self.violations.push("steps depend on each other in a cycle".to_owned());
        }
    }

    /// Checks that a step is allowed before it is simulated.
    fn check_before(&mut self, step: &Step) {
        match &step.action {
            Action::Create(new) => {
                if new.description.trim().is_empty() && self.options.api.wants_description() {
                    self.report(step, "creates a service without a description");
                }
                if !self.policy.ownership.owns(&new.tags) {
                    self.report(step, "creates a service without the ownership tag");
                }
            }
            Action::Update { id, update }
            | Action::RenameTemporarily { id, update }
            | Action::Abandon { id, update } => {
                self.check_may_change(step, id);
                if update.is_empty() {
                    self.report(step, "changes nothing");
                }
                for (name, content) in &update.version_sets {
                    self.check_may_write(step, &Target::Live(id.clone()), name, content);
                }
                self.check_settings_declared(step, id, &update.settings);
            }
            Action::Retire { id, how, .. } => {
                self.check_may_change(step, id);
                self.check_may_retire(step, id, *how);
            }
            Action::HandOver { old, new, .. } => {
                self.check_may_change(step, old);
                let new = self.state.id(new);
                self.check_new_is_complete(step, old, &new);
            }
            Action::WriteVersionSet { target, name, content, .. } => {
                self.check_may_write(step, target, name, content)
            }
            Action::DeleteVersionSet { id, name } => {
                self.check_may_change(step, id);
                let declared =
                    self.desired.services.get(&step.service).and_then(|wanted| wanted.version_sets.as_ref());
                let is_declared = declared.is_none_or(|sets| sets.contains_key(name));
                if name.is_edge() || name.is_release() || is_declared || self.policy.is_unmanaged(name) {
                    self.report(step, &format!("deletes version set `{name}`, which must stay"));
                }
            }
            Action::ApplyBehaviorSet { .. } | Action::Smoke { .. } => {}
        }
    }

    /// Returns the service with this id as it was before the plan, or `None` if it did not exist.
    pub(super) fn original(&self, id: &ServiceId) -> Option<&'a LiveService> {
        self.originals.get(id).copied()
    }

    /// Checks that a step may change a service: the project owns it, or a manifest has its name. The service must not
    /// belong to another project or to the platform itself.
    fn check_may_change(&mut self, step: &Step, id: &ServiceId) {
        let Some(live) = self.original(id) else {
            return self.report(step, "changes a service that does not exist");
        };
        let is_named = self.declared_names.contains(&live.name);
        let is_owned = self.policy.ownership.owns(&live.tags);
        if live.system {
            self.report(step, "changes a service of the platform itself");
        }
        let owner = self.policy.ownership.other_owner(&live.tags);
        let is_taken_over = owner == self.options.take_over.as_deref() || !self.options.enforce_guardrails;
        let is_anothers = owner.is_some() && !is_taken_over;
        if is_anothers || !(is_named || is_owned) {
            self.report(step, &format!("changes service {id}, which this project does not own"));
        }
    }

    /// Checks that a service may be retired: either the service that replaces it is active, or it is an orphan that
    /// `--prune` may retire.
    fn check_may_retire(&mut self, step: &Step, id: &ServiceId, how: Retire) {
        let Some(live) = self.original(id).cloned() else { return };
        let successors = self.state.successors_of(id);
        let successor = successors.into_iter().max_by_key(|service| service.active);
        let is_wanted_inactive =
            self.desired.services.get(&step.service).is_some_and(|wanted| wanted.active == Some(false));
        let is_declared = self.desired.services.contains_key(&step.service);
        match successor.filter(|_| is_declared) {
            Some(new) if new.active || is_wanted_inactive || !live.active => {}
            Some(_) => self.report(step, "retires the old service before the new one is active"),
            None => {
                let is_declared = self.desired.services.contains_key(&live.name);
                let may_retire_protected = self.options.allow_protected || !self.options.enforce_guardrails;
                let is_protected = live.tags.contains_key(TAG_PROTECTED) && !may_retire_protected;
                let is_shared = !self.policy.ownership.is_written && self.options.enforce_guardrails;
                let is_owned = self.policy.ownership.owns(&live.tags) && !is_shared;
                if !self.options.prune || is_declared || is_protected || !is_owned {
                    self.report(step, &format!("retires ({}) a service that must stay", how.as_str()));
                }
                let inactive = self.state.successors_of(id).into_iter().filter(|new| !new.active);
                if live.active && inactive.into_iter().any(|new| self.activates(&new.id)) {
                    self.report(step, "retires a service before its successor is active");
                }
            }
        }
    }

    /// Returns true if a step of the plan activates the service with this id without a cut-over.
    fn activates(&self, id: &ServiceId) -> bool {
        let is_activation = |action: &Action| matches!(action, Action::Update { id: other, update } if other == id && update.active == Some(true));
        self.plan.steps.iter().any(|step| is_activation(&step.action))
    }

    /// Checks that the new service has all version sets and behavior sets that it needs before the cut-over.
    fn check_new_is_complete(&mut self, step: &Step, old: &ServiceId, new: &ServiceId) {
        let (Some(old_service), Some(new_service)) =
            (self.original(old).cloned(), self.state.services.get(new).cloned())
        else {
            return self.report(step, "activates a new service that does not exist");
        };
        let declared =
            self.desired.services.get(&step.service).and_then(|wanted| wanted.version_sets.as_ref());
        for name in old_service.version_sets.keys() {
            let stays = declared.is_none_or(|sets| sets.contains_key(name)) || self.policy.is_unmanaged(name);
            if stays && !new_service.version_sets.contains_key(name) {
                self.report(step, &format!("cuts over before the new service has version set `{name}`"));
            }
        }
        for name in declared.into_iter().flat_map(|sets| sets.keys()) {
            if !new_service.version_sets.contains_key(name) {
                self.report(step, &format!("cuts over before the new service has version set `{name}`"));
            }
        }
        let missing = self.state.behaviors.iter().any(|(set, service)| {
            service == old && !self.state.behaviors.contains(&(set.clone(), new.clone()))
        });
        if missing {
            self.report(step, "cuts over before all behavior sets are applied");
        }
    }

    /// Checks a step that writes a version set. The step must change the version set, and must keep the fields that
    /// manifests can't declare.
    fn check_may_write(&mut self, step: &Step, target: &Target, name: &VersionSetName, content: &VersionSet) {
        if name.is_edge() && self.options.api.makes_version_sets() {
            self.report(step, "writes `edge`");
        }
        let Target::Live(id) = target else { return };
        self.check_may_change(step, id);
        let Some(before) = self.original(id).and_then(|live| live.version_sets.get(name)).cloned() else {
            return;
        };
        // During a replacement, the step may also write the value that the field has in the old service.
        let replaced =
            self.original(id).and_then(|live| live.tags.get(TAG_REPLACES)?.as_deref()).map(ServiceId::new);
        let old_set = replaced.and_then(|old| self.original(&old)?.version_sets.get(name));
        for (key, value) in &before.carried {
            let old_value = old_set.and_then(|set| set.carried.get(key));
            let is_kept = |written: &Value| {
                same_json(written, value) || old_value.is_some_and(|old_value| same_json(written, old_value))
            };
            if !content.carried.get(key).is_some_and(is_kept) {
                self.report(step, &format!("loses `{key}` of version set `{name}`"));
            }
        }
        if *content == before {
            self.report(step, &format!("writes version set `{name}`, although nothing in it changes"));
        }
    }

    /// Returns the services that a step may rename, activate, deactivate or create. A service that the plan creates is
    /// included once the step that creates it has been simulated.
    fn changed_services(&self, step: &Step) -> Vec<ServiceId> {
        let created = match &step.action {
            Action::Create(_) => self.state.created.get(&step.id).cloned(),
            Action::HandOver { new: new @ Target::Created(_), .. } => Some(self.state.id(new)),
            _ => None,
        };
        changed_live_services(&step.action).into_iter().cloned().chain(created).collect()
    }

    /// Checks the settings that a step writes. The manifest must declare each value, or the replaced service must have
    /// it. A whole setting must not be null, because the API ignores such a null.
    fn check_settings_declared(&mut self, step: &Step, id: &ServiceId, written: &Map<String, Value>) {
        let replaced = self.original(id).and_then(|live| live.tags.get(TAG_REPLACES)?.as_deref());
        let replaced = replaced.map(ServiceId::new);
        let manifest = self.manifests.get(id).or_else(|| self.manifests.get(replaced.as_ref()?));
        let declared = manifest.map(|wanted| Value::Object(wanted.settings.clone()));
        let old = replaced.and_then(|old| Some(Value::Object(self.original(&old)?.settings.clone())));
        for (name, value) in written {
            if value.is_null() {
                self.report(step, &format!("writes null to `{name}`, which changes nothing"));
            }
        }
        let written = Value::Object(written.clone());
        if let Some(path) = settings::undeclared("", &written, declared.as_ref(), old.as_ref()) {
            self.report(step, &format!("changes `{path}`, which no manifest names"));
        }
    }

    /// Checks that after a step no name belongs to more services than the API allows. Most names may belong to only one
    /// active service.
    fn check_names_unique(&mut self, step: &Step) {
        for id in self.changed_services(step) {
            let Some(name) = self.state.services.get(&id).map(|service| service.name.clone()) else {
                continue;
            };
            let max = self.max_holders.get(&name).copied().unwrap_or(1);
            if self.state.holders.get(&name).is_some_and(|count| *count > max) {
                self.report(step, &format!("leaves two services with the name `{name}`"));
            }
        }
    }

    /// Checks that the service of a manifest stays active: after a step, the service itself or a service that replaces
    /// it must be active. A service is not checked if it was inactive before the plan, or if its manifest makes it
    /// inactive.
    fn check_service_stays_active(&mut self, step: &Step) {
        for id in self.changed_services(step) {
            let Some(wanted) = self.manifests.get(&id) else { continue };
            let was_active = self.original(&id).is_some_and(|live| live.active);
            if !was_active || wanted.active == Some(false) {
                continue;
            }
            let old = self.state.services.get(&id).is_some_and(|service| service.active);
            if !old && !self.state.replacements_of(&id).any(|service| service.active) {
                let message = format!("leaves neither the old nor the new `{}` active", wanted.name);
                self.report(step, &message);
            }
        }
    }
}

/// Returns the names that several services may have at the same time, each with the maximum number of services. The
/// maximum is the number of services that had the name before the plan. If inactive services may block names, the
/// maximum is at least one more than the number of inactive services with the name that the plan does not change. Only
/// the API knows which of them block the name.
fn max_holders(snapshot: &Snapshot, plan: &Plan, options: &Options) -> BTreeMap<ServiceName, usize> {
    let mut max = SimulatedState::new(snapshot, options.api).holders;
    if options.api.inactive_services_hold_names() {
        let changed: BTreeSet<&ServiceId> =
            plan.steps.iter().flat_map(|step| changed_live_services(&step.action)).collect();
        let mut unchanged: BTreeMap<&ServiceName, usize> = BTreeMap::new();
        for service in snapshot.services.iter().filter(|service| !service.active) {
            *unchanged.entry(&service.name).or_default() += usize::from(!changed.contains(&service.id));
        }
        for (name, count) in unchanged {
            let held = max.entry(name.clone()).or_default();
            *held = (*held).max(1 + count);
        }
    }
    max.retain(|_, count| *count > 1);
    max
}

/// Returns the live services that a step may rename, activate or deactivate.
fn changed_live_services(action: &Action) -> Vec<&ServiceId> {
    match action {
        Action::Update { id, .. }
        | Action::RenameTemporarily { id, .. }
        | Action::Retire { id, .. }
        | Action::Abandon { id, .. } => vec![id],
        Action::HandOver { old, new: Target::Live(new), .. } => vec![old, new],
        Action::HandOver { old, new: Target::Created(_), .. } => vec![old],
        Action::Create(_)
        | Action::WriteVersionSet { .. }
        | Action::DeleteVersionSet { .. }
        | Action::ApplyBehaviorSet { .. }
        | Action::Smoke { .. } => Vec::new(),
    }
}
