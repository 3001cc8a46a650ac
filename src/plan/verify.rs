//! An independent judge of plans. May import `model` and the plan's types only.
//!
//! It plays a plan on the snapshot, under the API's rules, in two different orders that the graph allows,
//! and says what is wrong. It shares no code with the planner: what it knows of a correct plan it states
//! here again, in its own way. It runs in every planning test and before anything is sent.

use std::collections::{BTreeMap, BTreeSet};

use super::types::{Action, Options, Plan, Step, StepId, Target};
use crate::model::{
    BehaviorSet, BehaviorSetId, Desired, DesiredService, LiveService, NewService, Pin, Policy, Retire,
    ServiceId, ServiceName, ServiceUpdate, Snapshot, TAG_PROTECTED, TAG_REPLACES, VersionSet, VersionSetName,
    same_json,
};

/// Judges a plan; an empty answer is approval.
///
/// `desired`, `snapshot`, `policy` and `options` are what the plan was made from.
pub fn verify(
    desired: &Desired,
    snapshot: &Snapshot,
    policy: &Policy,
    options: &Options,
    plan: &Plan,
) -> Vec<String> {
    let mut violations = structure(plan);
    if !violations.is_empty() {
        return violations;
    }
    let (first, last) = (first_ready(plan, false), first_ready(plan, true));
    let orders = if first == last { vec![first] } else { vec![first, last] };
    for order in orders {
        let mut judge = Judge::new(desired, snapshot, policy, options, plan);
        judge.play(&order);
        judge.final_state();
        violations.extend(judge.violations);
    }
    violations.sort();
    violations.dedup();
    violations
}

/// The live state after some steps of a plan, taken in their order, as the judge imagines it: for tests
/// that plan again, after a whole plan or after a run that was cut off.
pub fn outcome(snapshot: &Snapshot, steps: &[Step]) -> Snapshot {
    let mut world = World::new(snapshot);
    for step in steps {
        world.apply(step);
    }
    let mut behavior_sets: BTreeMap<ServiceId, Vec<BehaviorSet>> =
        world.services.keys().map(|id| (id.clone(), Vec::new())).collect();
    for set in snapshot.behavior_sets.values().flatten() {
        let applied =
            world.behaviors.iter().filter(|(id, _)| id == &set.id).map(|(_, service)| service.clone());
        let applied: BTreeSet<ServiceId> = applied.collect();
        for id in &applied {
            let sets = behavior_sets.entry(id.clone()).or_default();
            if sets.iter().all(|known| known.id != set.id) {
                sets.push(BehaviorSet { applied_to: applied.clone(), ..set.clone() });
            }
        }
    }
    Snapshot { services: world.services.into_values().collect(), behavior_sets, ..snapshot.clone() }
}

/// Numbers run from 1, and every step waits only for earlier ones.
fn structure(plan: &Plan) -> Vec<String> {
    let mut violations = Vec::new();
    for (position, step) in plan.steps.iter().enumerate() {
        if step.id != StepId(position + 1) {
            violations.push(format!("step {} stands in place {}", step.id, position + 1));
        }
        if step.depends_on.iter().any(|before| *before >= step.id || before.0 == 0) {
            violations.push(format!("step {} waits for a step that is not before it", step.id));
        }
        if let Some(Target::Created(creator)) = target(&step.action) {
            let creates = plan.step(*creator).is_some_and(|step| matches!(step.action, Action::Create(_)));
            if !creates || !reaches(plan, step, *creator) {
                violations.push(format!(
                    "step {} is about a service that step {creator} does not create before it",
                    step.id
                ));
            }
        }
    }
    violations
}

fn target(action: &Action) -> Option<&Target> {
    match action {
        Action::WriteVersionSet { target, .. }
        | Action::ApplyBehaviorSet { target, .. }
        | Action::Smoke { target, .. }
        | Action::HandOver { new: target, .. } => Some(target),
        _ => None,
    }
}

fn reaches(plan: &Plan, step: &Step, wanted: StepId) -> bool {
    let mut open: Vec<StepId> = step.depends_on.iter().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if id == wanted {
            return true;
        }
        if seen.insert(id)
            && let Some(step) = plan.step(id)
        {
            open.extend(&step.depends_on);
        }
    }
    false
}

/// An order that the graph allows: always the first ready step, or always the last.
fn first_ready(plan: &Plan, last: bool) -> Vec<&Step> {
    let mut waiting: BTreeMap<StepId, usize> =
        plan.steps.iter().map(|step| (step.id, step.depends_on.len())).collect();
    let mut followers: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
    for step in &plan.steps {
        for before in &step.depends_on {
            followers.entry(*before).or_default().push(step.id);
        }
    }
    let mut ready: BTreeSet<StepId> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut order = Vec::new();
    while let Some(id) = if last { ready.pop_last() } else { ready.pop_first() } {
        order.extend(plan.step(id));
        for next in followers.get(&id).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(*next);
                }
            }
        }
    }
    order
}

/// The live side as steps change it, with the indices that the rules ask for.
#[derive(Default)]
struct World {
    services: BTreeMap<ServiceId, LiveService>,
    created: BTreeMap<StepId, ServiceId>,
    behaviors: BTreeSet<(BehaviorSetId, ServiceId)>,
    /// How many active services have a name.
    active_names: BTreeMap<ServiceName, usize>,
    /// Services by the id in their tag `replaces`.
    replacers: BTreeMap<String, BTreeSet<ServiceId>>,
}

impl World {
    fn new(snapshot: &Snapshot) -> Self {
        let sets = snapshot.behavior_sets.values().flatten();
        let behaviors =
            sets.flat_map(|set| set.applied_to.iter().map(|id| (set.id.clone(), id.clone()))).collect();
        let mut world = Self { behaviors, ..Self::default() };
        for service in &snapshot.services {
            world.put(service.clone());
        }
        world
    }

    /// Adds or changes a service, and keeps the indices true.
    fn put(&mut self, service: LiveService) {
        if let Some(before) = self.services.get(&service.id)
            && before.active
            && let Some(count) = self.active_names.get_mut(&before.name)
        {
            *count -= 1;
        }
        if service.active {
            *self.active_names.entry(service.name.clone()).or_default() += 1;
        }
        if let Some(Some(old)) = service.tags.get(TAG_REPLACES) {
            self.replacers.entry(old.clone()).or_default().insert(service.id.clone());
        }
        self.services.insert(service.id.clone(), service);
    }

    /// Services tagged as replacing this one.
    fn replacers_of<'a>(&'a self, old: &ServiceId) -> impl Iterator<Item = &'a LiveService> {
        let old = old.as_str().to_owned();
        let ids = self.replacers.get(&old).into_iter().flatten();
        ids.filter_map(|id| self.services.get(id)).filter(move |service| {
            service.tags.get(TAG_REPLACES).and_then(Option::as_deref) == Some(old.as_str())
        })
    }

    fn id(&self, target: &Target) -> ServiceId {
        match target {
            Target::Live(id) => id.clone(),
            Target::Created(step) => {
                self.created.get(step).cloned().unwrap_or_else(|| ServiceId::new("nobody"))
            }
        }
    }

    fn apply(&mut self, step: &Step) {
        match &step.action {
            Action::Create(new) => {
                // Ids of one length, unlike any that a test uses, and unique within a run of plans.
                let id =
                    ServiceId::new(format!("{:024x}", 0xcafe_0000_0000_u64 + self.services.len() as u64));
                self.put(born(&id, new));
                self.created.insert(step.id, id);
            }
            Action::Update { id, update }
            | Action::SetAside { id, update }
            | Action::Retire { id, update, .. }
            | Action::Discard { id, update } => self.update(id, update),
            Action::WriteVersionSet { target, name, content, .. } => {
                let id = self.id(target);
                if let Some(service) = self.services.get_mut(&id) {
                    service.version_sets.insert(name.clone(), (**content).clone());
                }
            }
            Action::DeleteVersionSet { id, name } => {
                if let Some(service) = self.services.get_mut(id) {
                    service.version_sets.remove(name);
                }
            }
            Action::ApplyBehaviorSet { behavior_set, target, .. } => {
                let id = self.id(target);
                self.behaviors.insert((behavior_set.clone(), id));
            }
            Action::Smoke { .. } => {}
            Action::HandOver { old, rename, new, .. } => {
                if let Some(rename) = rename {
                    self.update(old, rename);
                }
                let new = self.id(new);
                self.update(&new, &ServiceUpdate { active: Some(true), ..ServiceUpdate::default() });
            }
        }
    }

    fn update(&mut self, id: &ServiceId, update: &ServiceUpdate) {
        let Some(mut service) = self.services.get(id).cloned() else { return };
        let ServiceUpdate { name, description, active, tags, keyterms, agent, context_graph } =
            update.clone();
        service.name = name.unwrap_or_else(|| service.name.clone());
        service.description = description.unwrap_or_else(|| service.description.clone());
        service.active = active.unwrap_or(service.active);
        service.tags = tags.unwrap_or_else(|| service.tags.clone());
        service.keyterms = keyterms.unwrap_or_else(|| service.keyterms.clone());
        service.agent = agent.unwrap_or_else(|| service.agent.clone());
        service.context_graph = context_graph.unwrap_or_else(|| service.context_graph.clone());
        self.put(service);
    }
}

fn born(id: &ServiceId, new: &NewService) -> LiveService {
    let NewService { name, description, active, agent, context_graph, tags, keyterms, release } = new.clone();
    let sets = [
        (VersionSetName::new(VersionSetName::EDGE), VersionSet::latest()),
        (VersionSetName::new(VersionSetName::RELEASE), release.unwrap_or_else(VersionSet::latest)),
    ];
    LiveService {
        id: id.clone(),
        name,
        description,
        active,
        agent,
        context_graph,
        tags,
        keyterms,
        version_sets: sets.into(),
        updated_by: None,
    }
}

struct Judge<'a> {
    desired: &'a Desired,
    policy: &'a Policy,
    options: &'a Options,
    plan: &'a Plan,
    originals: BTreeMap<&'a ServiceId, &'a LiveService>,
    /// The manifests by the service that embodied them at first.
    embodied: BTreeMap<&'a ServiceId, &'a DesiredService>,
    /// Every name that a manifest has or had.
    declared_names: BTreeSet<&'a ServiceName>,
    world: World,
    violations: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(
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
            world: World::new(snapshot),
            violations: Vec::new(),
        }
    }

    fn say(&mut self, step: &Step, message: &str) {
        self.violations.push(format!("step {} ({}): {message}", step.id, step.service));
    }

    fn play(&mut self, order: &[&Step]) {
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
                if new.description.trim().is_empty() {
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
        let foreign = self.policy.ownership.other_owner(&live.tags).is_some() && !self.options.take_over;
        if foreign || !(named || owned) {
            self.say(step, &format!("touches service {id}, which is not ours"));
        }
    }

    fn may_retire(&mut self, step: &Step, id: &ServiceId, how: Retire) {
        let Some(live) = self.original(id).cloned() else { return };
        let replaced_by = self.world.replacers_of(id).max_by_key(|service| service.active);
        let wanted_inactive =
            self.desired.services.get(&step.service).is_some_and(|wanted| wanted.active == Some(false));
        let declared = self.desired.services.contains_key(&step.service);
        match replaced_by.filter(|_| declared) {
            Some(new) if new.active || wanted_inactive || !live.active => {}
            Some(_) => self.say(step, "retires the old service before the new one is active"),
            None => {
                let declared = self.desired.services.contains_key(&live.name);
                let protected = live.tags.contains_key(TAG_PROTECTED) && !self.options.allow_protected;
                if !self.options.prune || declared || protected || !self.policy.ownership.owns(&live.tags) {
                    self.say(step, &format!("retires ({}) a service that must stay", how.as_str()));
                }
            }
        }
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
        if name.is_edge() {
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
        match &step.action {
            Action::Create(_) => self.world.created.get(&step.id).cloned().into_iter().collect(),
            Action::Update { id, .. }
            | Action::SetAside { id, .. }
            | Action::Retire { id, .. }
            | Action::Discard { id, .. } => vec![id.clone()],
            Action::HandOver { old, new, .. } => vec![old.clone(), self.world.id(new)],
            Action::WriteVersionSet { .. }
            | Action::DeleteVersionSet { .. }
            | Action::ApplyBehaviorSet { .. }
            | Action::Smoke { .. } => Vec::new(),
        }
    }

    /// No two active services have one name, at any moment.
    fn names_unique(&mut self, step: &Step) {
        for id in self.touched(step) {
            let Some(name) = self.world.services.get(&id).map(|service| service.name.clone()) else {
                continue;
            };
            if self.world.active_names.get(&name).is_some_and(|count| *count > 1) {
                self.say(step, &format!("leaves two active services named `{name}`"));
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

    fn final_state(&mut self) {
        let chosen = |name: &ServiceName| self.options.only.is_empty() || self.options.only.contains(name);
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
                if ours && service.active && !self.desired.services.contains_key(&service.name) {
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
        let active = if ignored("active") { None } else { wanted.active };
        let active = active.unwrap_or_else(|| before.is_none_or(|live| live.active));
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
        expect("active", service.active == active);
        wrong
    }

    fn sets_as_wanted(&self, wanted: &DesiredService, service: &LiveService) -> bool {
        let Some(declared) = &wanted.version_sets else { return true };
        let all_there = declared.iter().all(|(name, set)| {
            service.version_sets.get(name).is_some_and(|live| {
                let pin = |wanted: Option<Pin>, live: Pin| wanted.is_none_or(|wanted| wanted == live);
                let models = set.llm_model_preferences.as_ref().is_none_or(|wanted| {
                    wanted.len() == live.llm_model_preferences.len()
                        && wanted.iter().all(|(key, one)| {
                            live.llm_model_preferences
                                .get(key)
                                .is_some_and(|there| one.llm_name == there.llm_name)
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
