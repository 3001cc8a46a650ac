//! Plays a random sequence against a simulated server, and checks every run.

use std::collections::{BTreeMap, BTreeSet};

use super::generate::{End, Round, Sequence, commit};
use super::server::{Refusal, Server, with_created_ids};
use crate::model::{
    Desired, LiveService, Policy, Retire, ServiceId, ServiceName, ServiceUpdate, Snapshot, TAG_REPLACES,
};
use crate::plan::tests::build::{options, own_policy, steps};
use crate::plan::{self, Action, Options, Plan, Problem, ProblemKind, Step, StepId, verify};

/// A rule that was broken while a sequence was played.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

fn fail<T>(kind: &'static str, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { kind, message: message.into() })
}

/// The numbers of runs and plans, by result.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) runs: usize,
    pub(super) planned: usize,
    /// The number of runs whose steps were all completed: the run was not killed, and the server refused no step.
    pub(super) complete: usize,
    /// The number of plans that retire a former service.
    pub(super) former_retired: usize,
}

/// Plays every round of a sequence, and one uninterrupted run at the end.
///
/// # Errors
///
/// Errors if a rule is broken. The error describes the first broken rule.
pub(super) fn play(sequence: &Sequence, counts: &mut Counts) -> Result<(), Failure> {
    let mut server = Server::new(sequence.api, sequence.inactive_hold_names);
    let mut desired = Desired::default();
    // The manifests of the last run, if it converged and no operator has edited a live service since.
    let mut converged: Option<Desired> = None;
    for (day, round) in sequence.rounds.iter().enumerate() {
        round.changes.iter().for_each(|change| commit(&mut desired, change));
        round.edits.iter().for_each(|edit| server.edit(edit));
        let converged_now = converged.take().filter(|_| round.edits.is_empty());
        let run = Run::new(&desired, converged_now.as_ref(), day, round, sequence);
        if run.execute(&mut server, round, counts)? {
            converged = Some(desired.clone());
        }
    }
    server.used_in_tests.clear();
    let last =
        Round { changes: Vec::new(), edits: Vec::new(), prune: false, only: None, end: End::Whole, order: 7 };
    Run::new(&desired, converged.as_ref(), sequence.rounds.len(), &last, sequence).execute(
        &mut server,
        &last,
        counts,
    )?;
    Ok(())
}

/// The inputs of one run of the tool.
struct Run<'a> {
    desired: &'a Desired,
    converged: Option<&'a Desired>,
    policy: Policy,
    options: Options,
}

impl<'a> Run<'a> {
    fn new(
        desired: &'a Desired,
        converged: Option<&'a Desired>,
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
        Self { desired, converged, policy, options }
    }

    fn plan(&self, state: &Snapshot) -> Result<Result<Plan, Vec<Problem>>, Failure> {
        let plan = match plan::plan(self.desired, state, &self.policy, &self.options) {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(error.problems)),
        };
        let violations = verify::verify(self.desired, state, &self.policy, &self.options, &plan);
        if violations.is_empty() {
            return Ok(Ok(plan));
        }
        fail("the verifier refuses the plan", format!("{violations:#?}\n{}\n{}", steps(&plan), show(state)))
    }

    /// Makes a plan, applies it, and checks the result. Returns true if the live state of all services has converged.
    fn execute(&self, server: &mut Server, round: &Round, counts: &mut Counts) -> Result<bool, Failure> {
        counts.runs += 1;
        let before = server.state.clone();
        let plan = match self.plan(&before)? {
            Ok(plan) => plan,
            Err(problems) => {
                problems.iter().try_for_each(|problem| check_problem(problem, &before))?;
                return Ok(false);
            }
        };
        counts.planned += 1;
        let is_former =
            |id: &ServiceId| server.service(id).is_some_and(|live| live.name.as_str().contains("(replaced"));
        counts.former_retired += usize::from(
            plan.steps.iter().any(|step| matches!(&step.action, Action::Retire { id, .. } if is_former(id))),
        );
        let mut apply = Apply::new(server, self, &plan);
        let describe = |message: &str| format!("{message}\n{}\n{}", steps(&plan), show(&before));
        let refusals =
            apply.run(round).map_err(|failure| Failure { message: describe(&failure.message), ..failure })?;
        self.check_others_unchanged(&before, &server.state, &plan)
            .map_err(|failure| Failure { message: describe(&failure.message), ..failure })?;
        let may_be_in_use = plan.findings.iter().any(|finding| finding.message.contains("has the name"));
        if let Some(refusal) = refusals.iter().find(|refusal| matches!(refusal, Refusal::NameHeld(_)))
            && !may_be_in_use
        {
            return fail("a name is in use", describe(&format!("{refusal:?}")));
        }
        if !refusals.is_empty() {
            return Ok(false);
        }
        counts.complete += 1;
        let after = || format!("{}\nafterwards\n{}", describe(""), show(&server.state));
        match self.plan(&server.state)? {
            Ok(again) if again.is_empty() => {}
            Ok(again) => {
                return fail("one run is not enough", format!("{}\nthen\n{}", after(), steps(&again)));
            }
            Err(problems) => return fail("a problem after the run", format!("{}\n{problems:#?}", after())),
        }
        self.check_former_retired(&server.state)
            .map_err(|failure| Failure { message: failure.message + &after(), ..failure })?;
        Ok(self.options.only.is_empty())
    }

    /// Checks that the former services of each manifest are retired as `lifecycle.retire` says, if the service of the
    /// manifest is active.
    fn check_former_retired(&self, state: &Snapshot) -> Result<(), Failure> {
        let is_owned = |service: &LiveService| self.policy.ownership.owns(&service.tags);
        let is_declared = |id: &str| {
            state.services.iter().any(|s| s.id.as_str() == id && self.desired.services.contains_key(&s.name))
        };
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for service in state.services.iter().filter(|service| is_declared(service.id.as_str())) {
            predecessors(state, service).into_iter().for_each(|id| *times.entry(id).or_default() += 1);
        }
        let chosen = |name: &ServiceName| self.options.only.is_empty() || self.options.only.contains(name);
        for wanted in self.desired.services.values().filter(|wanted| chosen(&wanted.name)) {
            let holder = state.services.iter().find(|s| s.active && is_owned(s) && s.name == wanted.name);
            let Some(holder) = holder else { continue };
            let mut former = predecessors(state, holder);
            former.truncate(former.iter().position(|id| is_declared(id)).unwrap_or(former.len()));
            // A tag that an operator edited may lead to a former service of another manifest. Such a service is not
            // checked.
            former.retain(|id| times.get(id) == Some(&1));
            for former in state.services.iter().filter(|service| former.contains(&service.id.as_str())) {
                if !is_owned(former) || !former.name.as_str().contains(" (replaced ") {
                    continue;
                }
                let retired = match wanted.lifecycle.retire {
                    Retire::Deactivate | Retire::Keep => !former.active,
                    Retire::Delete => false,
                };
                if !retired {
                    return fail("a former service is not retired", format!("{} {}", former.id, former.name));
                }
            }
        }
        Ok(())
    }

    /// Checks that a run did not change services that are neither owned nor declared, and activated only declared
    /// services.
    fn check_others_unchanged(
        &self,
        before: &Snapshot,
        after: &Snapshot,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let names: BTreeSet<&ServiceName> = self
            .desired
            .services
            .values()
            .flat_map(|wanted| [Some(&wanted.name), wanted.lifecycle.renamed_from.as_ref()])
            .flatten()
            .collect();
        for service in &before.services {
            let ownership = &self.policy.ownership;
            let is_anothers = ownership.other_owner(&service.tags).is_some();
            let is_unrelated = !ownership.owns(&service.tags) && !names.contains(&service.name);
            if (is_anothers || is_unrelated) && !after.services.contains(service) {
                return fail("a service of others is changed", format!("{} {}", service.id, service.name));
            }
        }
        let was_active =
            |id: &ServiceId| before.services.iter().any(|service| &service.id == id && service.active);
        for service in after.services.iter().filter(|service| service.active && !was_active(&service.id)) {
            if !self.desired.services.contains_key(&service.name) {
                return fail(
                    "an undeclared service is activated",
                    format!("{} {} {:?}", service.id, service.name, plan.ids),
                );
            }
        }
        Ok(())
    }
}

/// Checks that a problem contains advice. If the kind of the problem is `Ambiguous`, also checks that its message
/// contains the id of a live service.
fn check_problem(problem: &Problem, state: &Snapshot) -> Result<(), Failure> {
    let ids = state.services.iter().filter(|service| problem.message.contains(service.id.as_str())).count();
    let names_services = problem.kind != ProblemKind::Ambiguous || ids > 0;
    if problem.help.is_empty() || !names_services {
        return fail("a problem without advice", format!("{problem:#?}\n{}", show(state)));
    }
    Ok(())
}

/// Returns the ids of the services that a service has replaced, directly or through a chain of replacements. The
/// service that was replaced most recently comes first.
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
    /// The services that were active before the run and must stay in use, each with the name of its manifest. At every
    /// moment, the service itself or a service that replaces it must be active.
    watched: Vec<(ServiceName, ServiceId)>,
    namesakes: BTreeMap<ServiceName, usize>,
}

impl<'a> Apply<'a> {
    fn new(server: &'a mut Server, run: &Run<'_>, plan: &'a Plan) -> Self {
        let is_wanted_active = |wanted: &&crate::model::DesiredService| wanted.active != Some(false);
        let active = |id: &ServiceId| server.service(id).is_some_and(|service| service.active);
        let mut watched: Vec<(ServiceName, ServiceId)> = run
            .desired
            .services
            .values()
            .filter(is_wanted_active)
            .filter_map(|wanted| Some((wanted.name.clone(), plan.ids.get(&wanted.name)?.clone())))
            .filter(|(_, id)| active(id))
            .collect();
        // After a run that converged, the active service with the manifest's name is the correct match. It must stay
        // active even if this plan wrongly matches another service.
        let is_renamed = |name: &ServiceName| {
            let from =
                |wanted: &crate::model::DesiredService| wanted.lifecycle.renamed_from.as_ref() == Some(name);
            run.desired.services.values().any(from)
        };
        for name in run.converged.into_iter().flat_map(|converged| converged.services.keys()) {
            let wanted = run.desired.services.get(name).filter(is_wanted_active);
            let keeps_name =
                wanted.is_some_and(|wanted| wanted.lifecycle.renamed_from.is_none()) && !is_renamed(name);
            let holder = server.state.services.iter().find(|service| service.active && &service.name == name);
            watched.extend(holder.filter(|_| keeps_name).map(|holder| (name.clone(), holder.id.clone())));
        }
        let namesakes = server.namesakes();
        Self { server, plan, created: BTreeMap::new(), watched, namesakes }
    }

    /// Runs the steps in an order that their dependencies allow, until the point at which the round kills the run.
    /// Returns the refusals of the server.
    fn run(&mut self, round: &Round) -> Result<Vec<Refusal>, Failure> {
        let order = order(self.plan, round.order);
        let (last, inside) = match &round.end {
            End::Killed(at, inside) => (at.index(order.len() + 1), *inside),
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
            self.check_invariants()?;
        }
        if last < order.len() {
            refusals.push(Refusal::Killed);
        }
        Ok(refusals)
    }

    fn step(&mut self, step: &Step, activates: bool) -> Result<Result<(), Refusal>, Failure> {
        let action = with_created_ids(&step.action, &self.created);
        if let Action::HandOver { old, old_name, rename, new: plan::Target::Live(new), activation } = &action
        {
            if let Some(rename) = rename
                && let Err(refusal) = self.server.update(old, rename)
            {
                return Ok(Err(refusal));
            }
            self.check_invariants()?;
            let activated =
                if activates { self.server.update(new, activation) } else { Err(Refusal::NoActivation) };
            if activated.is_err() && rename.is_some() {
                let undo = ServiceUpdate { name: Some(old_name.clone()), ..ServiceUpdate::default() };
                self.server.update(old, &undo).ok();
            }
            self.check_invariants()?;
            return Ok(activated);
        }
        match self.server.run(&action) {
            Ok(created_id) => {
                self.created.extend(created_id.map(|id| (step.id, id)));
                self.check_invariants()?;
                Ok(Ok(()))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Checks the rules that must be true at every moment of a run.
    fn check_invariants(&self) -> Result<(), Failure> {
        for (name, count) in self.server.namesakes() {
            if count > self.namesakes.get(&name).copied().unwrap_or(1) {
                return fail("two active services with one name", format!("{name}"));
            }
        }
        for (name, id) in &self.watched {
            let mut active = self.server.state.services.iter().filter(|service| service.active);
            let is_service_or_successor = |service: &LiveService| {
                &service.id == id || predecessors(&self.server.state, service).contains(&id.as_str())
            };
            if !active.any(is_service_or_successor) {
                return fail("neither old nor new is active", format!("{name} {id}"));
            }
        }
        Ok(())
    }
}

/// Returns the steps in one of the orders that their dependencies allow. `seed` selects the order.
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

/// Returns the live services as text, one per line.
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
