//! Plays a sequence, and says what went wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::generate::{End, Round, Sequence, commit};
use super::server::{Refusal, Server, resolved};
use crate::model::{
    Desired, LiveService, Policy, Retire, ServiceId, ServiceName, ServiceUpdate, Snapshot, TAG_REPLACES,
};
use crate::plan::tests::build::{options, own_policy, steps};
use crate::plan::{self, Action, Options, Plan, Problem, ProblemKind, Step, StepId, verify};

/// What is wrong with a run.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

fn fault<T>(kind: &'static str, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { kind, message: message.into() })
}

/// How many runs there were, and how they went.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    pub(super) all: usize,
    pub(super) planned: usize,
    /// Runs that were neither cut off nor refused anything.
    pub(super) whole: usize,
    /// Plans that retire a service that was replaced before.
    pub(super) former_retired: usize,
}

/// Plays a whole sequence: every round, and in the end one undisturbed run.
///
/// # Errors
///
/// The first rule that is broken.
pub(super) fn play(sequence: &Sequence, runs: &mut Runs) -> Result<(), Fault> {
    let mut server = Server::new(sequence.api, sequence.inactive_hold_names);
    let mut desired = Desired::default();
    // What was declared when the last run converged, if nothing has happened since.
    let mut settled: Option<Desired> = None;
    for (day, round) in sequence.rounds.iter().enumerate() {
        round.changes.iter().for_each(|change| commit(&mut desired, change));
        round.edits.iter().for_each(|edit| server.edit(edit));
        let settled_now = settled.take().filter(|_| round.edits.is_empty());
        let run = Run::new(&desired, settled_now.as_ref(), day, round, sequence);
        if run.go(&mut server, round, runs)? {
            settled = Some(desired.clone());
        }
    }
    server.banned.clear();
    let last =
        Round { changes: Vec::new(), edits: Vec::new(), prune: false, only: None, end: End::Whole, order: 7 };
    Run::new(&desired, settled.as_ref(), sequence.rounds.len(), &last, sequence).go(
        &mut server,
        &last,
        runs,
    )?;
    Ok(())
}

/// One run of the tool.
struct Run<'a> {
    desired: &'a Desired,
    settled: Option<&'a Desired>,
    policy: Policy,
    options: Options,
}

impl<'a> Run<'a> {
    fn new(
        desired: &'a Desired,
        settled: Option<&'a Desired>,
        day: usize,
        round: &Round,
        sequence: &Sequence,
    ) -> Self {
        let today = format!("2026-11-{:02}", day + 1);
        let names: Vec<&ServiceName> = desired.services.keys().collect();
        let only = round.only.iter().filter(|_| !names.is_empty()).map(|only| (*only.get(&names)).clone());
        let (prune, only) = (round.prune, only.collect());
        let options = Options { api: sequence.api, prune, only, today, ..options() };
        let policy = Policy { retire_orphans: sequence.retire_orphans, ..own_policy() };
        Self { desired, settled, policy, options }
    }

    fn plan(&self, state: &Snapshot) -> Result<Result<Plan, Vec<Problem>>, Fault> {
        let plan = match plan::plan(self.desired, state, &self.policy, &self.options) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(error.problems)),
        };
        let violations = verify::verify(self.desired, state, &self.policy, &self.options, &plan);
        if violations.is_empty() {
            return Ok(Ok(plan));
        }
        fault("the verifier refuses", format!("{violations:#?}\n{}\n{}", steps(&plan), show(state)))
    }

    /// Runs once; gives whether the live state is now as declared.
    fn go(&self, server: &mut Server, round: &Round, runs: &mut Runs) -> Result<bool, Fault> {
        runs.all += 1;
        let before = server.state.clone();
        let plan = match self.plan(&before)? {
            Ok(plan) => plan,
            Err(problems) => {
                problems.iter().try_for_each(|problem| can_act_on(problem, &before))?;
                return Ok(false);
            }
        };
        runs.planned += 1;
        let is_former =
            |id: &ServiceId| server.service(id).is_some_and(|live| live.name.as_str().contains("(replaced"));
        runs.former_retired += usize::from(
            plan.steps.iter().any(|step| matches!(&step.action, Action::Retire { id, .. } if is_former(id))),
        );
        let mut apply = Apply::new(server, self, &plan);
        let told = |message: &str| format!("{message}\n{}\n{}", steps(&plan), show(&before));
        let refusals = apply.run(round).map_err(|fault| Fault { message: told(&fault.message), ..fault })?;
        self.leaves_others_alone(&before, &server.state, &plan)
            .map_err(|fault| Fault { message: told(&fault.message), ..fault })?;
        let may_be_held = plan.findings.iter().any(|finding| finding.message.contains("has the name"));
        if let Some(held) = refusals.iter().find(|refusal| matches!(refusal, Refusal::NameHeld(_)))
            && !may_be_held
        {
            return fault("a name is held", told(&format!("{held:?}")));
        }
        if !refusals.is_empty() {
            return Ok(false);
        }
        runs.whole += 1;
        let after = || format!("{}\nafterwards\n{}", told(""), show(&server.state));
        match self.plan(&server.state)? {
            Ok(again) if again.is_empty() => {}
            Ok(again) => {
                return fault("one run is not enough", format!("{}\nthen\n{}", after(), steps(&again)));
            }
            Err(problems) => return fault("a problem after the run", format!("{}\n{problems:#?}", after())),
        }
        self.former_are_retired(&server.state)
            .map_err(|fault| Fault { message: fault.message + &after(), ..fault })?;
        Ok(self.options.only.is_empty())
    }

    /// Former services end as `retire` says, where the one in their place is in use.
    fn former_are_retired(&self, state: &Snapshot) -> Result<(), Fault> {
        let owned = |service: &LiveService| self.policy.ownership.owns(&service.tags);
        let declared = |id: &str| {
            state.services.iter().any(|s| s.id.as_str() == id && self.desired.services.contains_key(&s.name))
        };
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for service in state.services.iter().filter(|service| declared(service.id.as_str())) {
            predecessors(state, service).into_iter().for_each(|id| *times.entry(id).or_default() += 1);
        }
        let chosen = |name: &ServiceName| self.options.only.is_empty() || self.options.only.contains(name);
        for wanted in self.desired.services.values().filter(|wanted| chosen(&wanted.name)) {
            let holder = state.services.iter().find(|s| s.active && owned(s) && s.name == wanted.name);
            let Some(holder) = holder else { continue };
            let mut former = predecessors(state, holder);
            former.truncate(former.iter().position(|id| declared(id)).unwrap_or(former.len()));
            // Tags that an operator edited may lead to another manifest's.
            former.retain(|id| times.get(id) == Some(&1));
            for former in state.services.iter().filter(|service| former.contains(&service.id.as_str())) {
                if !owned(former) || !former.name.as_str().contains(" (replaced ") {
                    continue;
                }
                let retired = match wanted.lifecycle.retire {
                    Retire::Deactivate | Retire::Keep => !former.active,
                    Retire::Delete => false,
                };
                if !retired {
                    return fault("a former service stays", format!("{} {}", former.id, former.name));
                }
            }
        }
        Ok(())
    }

    /// What is neither ours nor named by a manifest is as it was, and nothing comes into use that no manifest names.
    fn leaves_others_alone(&self, before: &Snapshot, after: &Snapshot, plan: &Plan) -> Result<(), Fault> {
        let names: BTreeSet<&ServiceName> = self
            .desired
            .services
            .values()
            .flat_map(|wanted| [Some(&wanted.name), wanted.lifecycle.renamed_from.as_ref()])
            .flatten()
            .collect();
        for service in &before.services {
            let ownership = &self.policy.ownership;
            let foreign = ownership.other_owner(&service.tags).is_some();
            let unrelated = !ownership.owns(&service.tags) && !names.contains(&service.name);
            if (foreign || unrelated) && !after.services.contains(service) {
                return fault("touches others", format!("{} {}", service.id, service.name));
            }
        }
        let was_active =
            |id: &ServiceId| before.services.iter().any(|service| &service.id == id && service.active);
        for service in after.services.iter().filter(|service| service.active && !was_active(&service.id)) {
            if !self.desired.services.contains_key(&service.name) {
                return fault("revives", format!("{} {} {:?}", service.id, service.name, plan.ids));
            }
        }
        Ok(())
    }
}

/// A problem says what to do, and names the services that can't be told apart.
fn can_act_on(problem: &Problem, state: &Snapshot) -> Result<(), Fault> {
    let ids = state.services.iter().filter(|service| problem.message.contains(service.id.as_str())).count();
    let enough = problem.kind != ProblemKind::Ambiguous || ids > 0;
    if problem.help.is_empty() || !enough {
        return fault("a problem without a way out", format!("{problem:#?}\n{}", show(state)));
    }
    Ok(())
}

/// The ids of the services that this one replaced, directly or through others, the latest first.
fn predecessors<'s>(state: &'s Snapshot, service: &'s LiveService) -> Vec<&'s str> {
    let mut found: Vec<&str> = vec![service.id.as_str()];
    let mut at = Some(service);
    while let Some(id) = at.and_then(|service| service.tags.get(TAG_REPLACES)?.as_deref()) {
        if found.contains(&id) {
            break;
        }
        found.push(id);
        at = state.services.iter().find(|service| service.id.as_str() == id);
    }
    found.split_off(1)
}

/// A plan that is being applied.
struct Apply<'a> {
    server: &'a mut Server,
    plan: &'a Plan,
    created: BTreeMap<StepId, ServiceId>,
    /// Services in use that must stay so, themselves or their successors.
    watched: Vec<(ServiceName, ServiceId)>,
    namesakes: BTreeMap<ServiceName, usize>,
}

impl<'a> Apply<'a> {
    fn new(server: &'a mut Server, run: &Run<'_>, plan: &'a Plan) -> Self {
        let in_use = |wanted: &&crate::model::DesiredService| wanted.active != Some(false);
        let active = |id: &ServiceId| server.service(id).is_some_and(|service| service.active);
        let mut watched: Vec<(ServiceName, ServiceId)> = run
            .desired
            .services
            .values()
            .filter(in_use)
            .filter_map(|wanted| Some((wanted.name.clone(), plan.ids.get(&wanted.name)?.clone())))
            .filter(|(_, id)| active(id))
            .collect();
        // After a run that converged, whoever has the name has it, whatever this plan takes for the service.
        let moves = |name: &ServiceName| {
            let from =
                |wanted: &crate::model::DesiredService| wanted.lifecycle.renamed_from.as_ref() == Some(name);
            run.desired.services.values().any(from)
        };
        for name in run.settled.into_iter().flat_map(|settled| settled.services.keys()) {
            let wanted = run.desired.services.get(name).filter(in_use);
            let keeps = wanted.is_some_and(|wanted| wanted.lifecycle.renamed_from.is_none()) && !moves(name);
            let holder = server.state.services.iter().find(|service| service.active && &service.name == name);
            watched.extend(holder.filter(|_| keeps).map(|holder| (name.clone(), holder.id.clone())));
        }
        let namesakes = server.namesakes();
        Self { server, plan, created: BTreeMap::new(), watched, namesakes }
    }

    /// Runs the steps in an order that the plan allows; gives what was refused.
    fn run(&mut self, round: &Round) -> Result<Vec<Refusal>, Fault> {
        let order = order(self.plan, round.order);
        let (last, inside) = match &round.end {
            End::Cut(at, inside) => (at.index(order.len() + 1), *inside),
            End::Whole | End::NoActivation => (order.len(), false),
        };
        let mut failed: BTreeSet<StepId> = BTreeSet::new();
        let mut refusals = Vec::new();
        for step in &order[..last] {
            if step.depends_on.iter().any(|before| failed.contains(before)) {
                failed.insert(step.id);
                continue;
            }
            let activates = !matches!(round.end, End::NoActivation);
            if let Err(refusal) = self.step(step, activates)? {
                failed.insert(step.id);
                refusals.push(refusal);
            }
        }
        if let Some(Step { action: Action::HandOver { old, rename: Some(rename), .. }, depends_on, .. }) =
            order.get(last).filter(|_| inside)
            && depends_on.iter().all(|before| !failed.contains(before))
        {
            self.server.update(old, rename).ok();
            self.moment()?;
        }
        if last < order.len() {
            refusals.push(Refusal::Killed);
        }
        Ok(refusals)
    }

    fn step(&mut self, step: &Step, activates: bool) -> Result<Result<(), Refusal>, Fault> {
        let action = resolved(&step.action, &self.created);
        if let Action::HandOver { old, old_name, rename, new: plan::Target::Live(new), activation } = &action
        {
            if let Some(rename) = rename
                && let Err(refusal) = self.server.update(old, rename)
            {
                return Ok(Err(refusal));
            }
            self.moment()?;
            let activated =
                if activates { self.server.update(new, activation) } else { Err(Refusal::NoActivation) };
            if activated.is_err() && rename.is_some() {
                let undo = ServiceUpdate { name: Some(old_name.clone()), ..ServiceUpdate::default() };
                self.server.update(old, &undo).ok();
            }
            self.moment()?;
            return Ok(activated);
        }
        match self.server.run(&action) {
            Ok(made) => {
                self.created.extend(made.map(|id| (step.id, id)));
                self.moment()?;
                Ok(Ok(()))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// What holds at every moment.
    fn moment(&self) -> Result<(), Fault> {
        for (name, count) in self.server.namesakes() {
            if count > self.namesakes.get(&name).copied().unwrap_or(1) {
                return fault("two active services with one name", format!("{name}"));
            }
        }
        for (name, id) in &self.watched {
            let mut active = self.server.state.services.iter().filter(|service| service.active);
            let serves = |service: &LiveService| {
                &service.id == id || predecessors(&self.server.state, service).contains(&id.as_str())
            };
            if !active.any(serves) {
                return fault("neither old nor new is active", format!("{name} {id}"));
            }
        }
        Ok(())
    }
}

/// One of the orders that the plan allows.
fn order(plan: &Plan, seed: u64) -> Vec<&Step> {
    let mut open: Vec<&Step> = plan.steps.iter().collect();
    let mut done: BTreeSet<StepId> = BTreeSet::new();
    let mut order = Vec::new();
    let mut random = seed;
    while !open.is_empty() {
        let ready: Vec<usize> =
            (0..open.len()).filter(|&index| open[index].depends_on.is_subset(&done)).collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let Some(&index) = ready.get((random >> 33) as usize % ready.len().max(1)) else { break };
        let step = open.remove(index);
        done.insert(step.id);
        order.push(step);
    }
    order
}

/// The live services, a line each.
fn show(state: &Snapshot) -> String {
    let line = |service: &LiveService| {
        let tags: Vec<String> = service
            .tags
            .iter()
            .map(|(key, value)| format!("{key}:{}", value.as_deref().unwrap_or("-")))
            .collect();
        let active = if service.active { "active" } else { "inactive" };
        format!("  {} `{}` {active} agent={} {}", service.id, service.name, service.agent, tags.join(" "))
    };
    state.services.iter().map(line).collect::<Vec<_>>().join("\n")
}
