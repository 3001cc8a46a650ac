//! The state of a simulation: the emulator, the disturbances that have not happened yet, and the history that the
//! rules need.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::case::{Case, CaseKind};
use super::cut_overs::CutOvers;
use super::disturbance::{Disturbance, Edit, ListDisturbance, Outage};
use super::edit::edit;
use super::figures::Figures;
use super::lists::{self, PageRequest};
use super::lost_updates::{Author, LostUpdateCheck};
use super::message::{Delivery, SimulatedRequest};
use super::replacement_chains::ReplacementChains;
use super::rules::Rules;
use super::seeded_random::SeededRandom;
use super::world::{
    Rows, add_decoys, add_live_services, add_unowned_services, may_refuse_inactive_names,
    rename_without_check, rows, seeded_world, virtual_clock,
};
use crate::model::Api;
use amigops_emulator::{self as emulator, InProcess, Outcome, Reply, Rule, Schedule, World};

/// The part of a simulation that changes while it runs.
pub(super) struct State {
    schedule: Schedule<Disturbance>,
    random: SeededRandom,
    pub(super) rows: Rows,
    /// The rules. `None` during an undisturbed run, because the rules are made from its states.
    rules: Option<Rules>,
    pub(super) chains: ReplacementChains,
    pub(super) lost_updates: LostUpdateCheck,
    pub(super) cut_overs: CutOvers,
    /// The outage that begins when the next cut-over renames its old service.
    next_outage: Option<Outage>,
    /// The current outage, and the time at which it ends.
    outage: Option<(Instant, Outage)>,
    /// All states so far, beginning with the initial one. They are only recorded if there are no rules yet.
    pub(super) history: Vec<Rows>,
    pub(super) figures: Figures,
    /// The message of the first rule that was broken.
    pub(super) violation: Option<String>,
    /// The lines of the trace. `None` if no trace is wanted.
    trace: Option<Vec<String>>,
}

/// A simulation of one organization or workspace.
pub(super) struct Simulation {
    pub(super) case: Case,
    pub(super) emulator: InProcess,
    /// True if disturbances happen and rules are checked.
    pub(super) disturbed: bool,
    start: Instant,
    state: Mutex<State>,
}

impl Simulation {
    /// Creates the simulation of a case. If `disturbed` is false, the simulation records all states and checks no
    /// rules.
    pub(super) fn new(case: &Case, disturbed: bool, rules: Option<Rules>, traced: bool) -> Arc<Self> {
        let set_up = |world: &mut World| {
            *world = seeded_world();
            add_live_services(case.api, world, &case.live);
            add_unowned_services(case.api, world);
            if case.kind == CaseKind::Lists {
                add_decoys(case.api, world);
            }
        };
        let mut sim = Self::with_world(case, Instant::now(), disturbed, traced, set_up);
        let state = sim.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.rules = rules;
        if disturbed {
            state.schedule = Schedule::new(case.disturbances.clone());
            state.next_outage = case.outage.clone();
        } else {
            state.history = vec![state.rows.clone()];
        }
        Arc::new(sim)
    }

    /// Returns a copy of the simulation with its current services. No disturbances happen in the copy.
    pub(super) fn undisturbed_copy(&self) -> Arc<Self> {
        let world = self.emulator.world();
        let traced = self.state().trace.is_some();
        let sim = Self::with_world(&self.case, self.start, false, traced, |copy| *copy = world);
        Arc::new(sim)
    }

    fn with_world(
        case: &Case,
        start: Instant,
        disturbed: bool,
        traced: bool,
        set_up: impl FnOnce(&mut World),
    ) -> Self {
        let mut options = emulator::Options::new(virtual_clock(start));
        options.limits = case.limits;
        options.token_lifetime = case.token_lifetime;
        options.platform.inactive_names_taken = may_refuse_inactive_names(&case.live);
        let emulator = InProcess::open(options).expect("the emulator starts");
        emulator.edit(set_up).expect("the state can be edited");
        let rows = rows(case.api, &emulator.world());
        let mut chains = ReplacementChains::default();
        chains.record_state(&rows);
        let state = State {
            schedule: Schedule::new([]),
            random: SeededRandom::new(case.seed ^ 0x5eed),
            history: Vec::new(),
            rows,
            rules: None,
            chains,
            lost_updates: LostUpdateCheck::new(case.parallelism == 1, case.kind == CaseKind::Pairs),
            cut_overs: CutOvers::default(),
            next_outage: None,
            outage: None,
            figures: Figures::default(),
            violation: None,
            trace: traced.then(Vec::new),
        };
        Self { case: case.clone(), emulator, disturbed, start, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clock(&self) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
        virtual_clock(self.start)
    }

    /// Starts the next stage, in which these disturbances happen.
    pub(super) fn start_stage(&self, disturbances: &[Rule<Disturbance>]) {
        let mut state = self.state();
        state.schedule = Schedule::new(disturbances.to_vec());
        state.chains.start_stage();
    }

    /// Starts another run of the same manifests. From now on, earlier plans no longer allow any service to go out of
    /// use.
    pub(super) fn start_run(&self) {
        self.state().chains.start_stage();
    }

    /// Records that a run has been stopped by its timeout.
    pub(super) fn record_timeout(&self) {
        self.note(|| "timeout".to_owned());
        *self.state().figures.disturbances.entry("timeout").or_default() += 1;
    }

    /// Returns the time until the current outage ends.
    pub(super) fn remaining_outage(&self) -> Duration {
        let state = self.state();
        let until = state.outage.as_ref().map(|(until, _)| *until);
        until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    /// Adds a line to the trace, if a trace is wanted.
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        let at = self.start.elapsed().as_secs_f64();
        if let Some(trace) = &mut self.state().trace {
            trace.push(format!("{at:>9.3}s {}", line()));
        }
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.state().trace.clone().unwrap_or_default()
    }

    /// Records that a request has created a service after the process that had sent it crashed.
    ///
    /// The next run may have read the list of services before that, and created the same service. No run can prevent
    /// that, so the rules allow one more service.
    pub(super) fn record_late_create(&self) {
        let mut state = self.state();
        state.figures.late_creates += 1;
        state.rules.iter_mut().for_each(Rules::allow_one_more);
    }

    /// Records that a rule was broken. Only the first broken rule is kept.
    pub(super) fn fail(&self, why: impl FnOnce() -> String) {
        let why = why();
        self.note(|| format!("BROKEN RULE: {why}"));
        self.state().violation.get_or_insert(why);
    }

    /// Returns true if lost updates are checked. They can happen if an operator edits services, or if two runs work
    /// at the same time.
    pub(super) fn checks_lost_updates(&self) -> bool {
        self.disturbed && matches!(self.case.kind, CaseKind::Edits | CaseKind::Pairs | CaseKind::Commits)
    }

    /// Records that a run has sent a request, and decides how the request is delivered.
    pub(super) fn send(&self, run_number: usize, request: &SimulatedRequest) -> Delivery {
        let mut state = self.state();
        let mut disturbance = state.schedule.next(&request.method, &request.target);
        state.figures.requests += 1;
        if let Some(disturbance) = &disturbance {
            *state.figures.disturbances.entry(disturbance.kind()).or_default() += 1;
        }
        let number = state.figures.requests;
        let latency = self.case.latency + 1;
        let (request_delay, answer_delay) = (state.random.below(latency), state.random.below(latency));
        if let Some(Disturbance::Outage(outage)) = &disturbance {
            state.outage = Some((Instant::now() + outage.length, outage.clone()));
        }
        drop(state);
        match &disturbance {
            Some(Disturbance::Edit(edit) | Disturbance::List(ListDisturbance::Shift(edit))) => {
                self.edit(edit)
            }
            None | Some(Disturbance::Outage(_)) => disturbance = self.outage_fault(request).or(disturbance),
            _ => {}
        }
        self.note(|| {
            let body: String = String::from_utf8_lossy(&request.body).chars().take(300).collect();
            let shown = disturbance.as_ref().map(|disturbance| format!("  !! {disturbance:?}"));
            let (method, target) = (&request.method, &request.target);
            format!("#{number} run {run_number}: {method} {target} {body}{}", shown.unwrap_or_default())
        });
        if self.checks_lost_updates() && !request.is_read() {
            let body = String::from_utf8_lossy(&request.body);
            let content = format!("{} {} {body}", request.method, request.target);
            self.state().lost_updates.send_write(run_number, number, content);
        }
        Delivery {
            number,
            request_delay: Duration::from_millis(request_delay),
            answer_delay: Duration::from_millis(answer_delay),
            disturbance,
        }
    }

    /// Returns the fault that a request gets because of the current outage. Returns `None` if there is no outage, or
    /// if it does not affect the request.
    fn outage_fault(&self, request: &SimulatedRequest) -> Option<Disturbance> {
        let mut state = self.state();
        let (until, outage) = state.outage.clone()?;
        let fails = Instant::now() < until && (request.method == "GET" || !outage.reads_only);
        if !fails {
            return None;
        }
        *state.figures.disturbances.entry("request during an outage").or_default() += 1;
        Some(Disturbance::Fault(outage.fault))
    }

    /// Processes a request that has reached the server, and checks what it has changed.
    pub(super) fn process(
        &self,
        number: usize,
        request: &SimulatedRequest,
        disturbance: Option<&Disturbance>,
    ) -> Outcome {
        let process = || self.answer(number, request, disturbance);
        let outcome = match disturbance {
            Some(Disturbance::Fault(fault)) => fault.inject((self.clock())(), process),
            Some(Disturbance::Crash { processed: false }) => Outcome::Lost,
            _ => Outcome::Answered(process()),
        };
        if let (Some(Disturbance::Fault(_)), false) = (disturbance, matches!(outcome, Outcome::Answered(_))) {
            self.note(|| format!("#{number} no answer"));
        }
        outcome
    }

    fn answer(&self, number: usize, request: &SimulatedRequest, disturbance: Option<&Disturbance>) -> Reply {
        let is_read = request.is_read();
        let reply = match self.page(request, disturbance) {
            Some(page) => page,
            None => self.emulated_answer(request),
        };
        self.note(|| {
            let body = String::from_utf8_lossy(&reply.body);
            let body: String = body.chars().take(if is_read { 0 } else { 200 }).collect();
            format!("#{number} processed: {} {body}", reply.status)
        });
        let mut state = self.state();
        state.figures.refused += usize::from(reply.status == 429);
        state.figures.writes += usize::from(!is_read && reply.status < 300);
        drop(state);
        if !is_read {
            self.check_write(number, &request.target);
        } else if self.checks_lost_updates() && reply.status < 300 && request.target.contains("/service") {
            self.state().lost_updates.process_read(number, lists::ids(&reply));
        }
        reply
    }

    fn emulated_answer(&self, request: &SimulatedRequest) -> Reply {
        let SimulatedRequest { method, target, headers, body } = request.clone();
        let reply = self.emulator.answer(&method, &target, headers, body);
        let is_accepted = self.case.accepts_duplicate_names && reply.status == 409;
        if is_accepted && rename_without_check(&self.emulator, request) {
            return Reply { status: 200, body: b"null".to_vec(), ..reply };
        }
        reply
    }

    /// Returns the page that a request asks for, if the case has short or wrong pages. Returns `None` if the emulator
    /// should answer the request.
    fn page(&self, request: &SimulatedRequest, disturbance: Option<&Disturbance>) -> Option<Reply> {
        let size = self.case.max_page_size?;
        let page_request = PageRequest::parse(&request.method, &request.target)?;
        let max = if self.case.api == Api::Classic { 20 } else { 100 };
        if self.state().rows.len() > max {
            return None;
        }
        let target = PageRequest::target_for_all(&request.target, max);
        let all = self.emulated_answer(&SimulatedRequest { target, ..request.clone() });
        let disturbance = match disturbance {
            Some(Disturbance::List(disturbance)) => Some(disturbance),
            _ => None,
        };
        if all.status != 200 {
            return Some(all);
        }
        Some(lists::page(&all, &page_request, size, self.case.newest_first, disturbance))
    }

    /// Records that the answer to a request has reached the run.
    pub(super) fn receive(&self, run_number: usize, number: usize) {
        if self.checks_lost_updates() {
            self.state().lost_updates.receive_answer(run_number, number);
        }
    }

    /// Checks what a write has changed.
    fn check_write(&self, number: usize, target: &str) {
        let after = rows(self.case.api, &self.emulator.world());
        let mut guard = self.state();
        let state = &mut *guard;
        if after == state.rows {
            return;
        }
        state.figures.changes += 1;
        let before = std::mem::replace(&mut state.rows, after);
        let mut result = self.check_rules(state, number, &before);
        if self.disturbed {
            let is_rename = state.cut_overs.record_change(&before, &state.rows, Instant::now());
            if is_rename == Ok(true)
                && let Some(outage) = state.next_outage.take()
            {
                *state.figures.disturbances.entry("outage during a cut-over").or_default() += 1;
                state.outage = Some((Instant::now() + outage.length, outage));
            }
            result = result.and(is_rename.map(|_| ()));
            if self.checks_lost_updates() {
                let no_lost_update = state.lost_updates.check_write(number, &before, &state.rows);
                result = result.and(no_lost_update);
            }
        }
        drop(guard);
        if let Err(violation) = result {
            self.fail(|| format!("{violation} (by the request to {target})"));
        }
    }

    /// Checks a change by the rules and the replacement chains. If there are no rules yet, records the state instead.
    fn check_rules(&self, state: &mut State, number: usize, before: &Rows) -> Result<(), String> {
        let State { rules, chains, lost_updates, rows, history, .. } = state;
        let is_unseen = |id: &str, target: &str| lost_updates.is_unseen(number, id, target);
        if let Some(rules) = rules {
            let result = rules.check(before, rows);
            return match self.case.kind {
                CaseKind::Edits => result.and(chains.check(before, rows, &is_unseen)),
                _ => result,
            };
        }
        if self.case.stages.is_empty() {
            history.push(rows.clone());
            return Ok(());
        }
        let may_be_unseen =
            |id: &str, target: &str| self.case.kind == CaseKind::Commits && is_unseen(id, target);
        chains.check(before, rows, &may_be_unseen)
    }

    /// Makes an operator's edit to a service of the emulator.
    fn edit(&self, change: &Edit) {
        let api = self.case.api;
        self.emulator.edit(|world| edit(api, world, change)).expect("the state can be edited");
        let mut guard = self.state();
        let state = &mut *guard;
        let before = std::mem::replace(&mut state.rows, rows(api, &self.emulator.world()));
        state.figures.edits += 1;
        state.chains.record_state(&state.rows);
        state.lost_updates.record_change(Author::Operator, &before, &state.rows);
        if let Some(rules) = &mut state.rules {
            rules.record_edit(&before, &state.rows);
        }
        let edited: Vec<_> = state.rows.iter().filter(|(id, row)| before.get(*id) != Some(*row)).collect();
        let deleted: Vec<_> = before.keys().filter(|id| !state.rows.contains_key(*id)).collect();
        let line = format!("an operator: {change:?}: {edited:?} {deleted:?}");
        drop(guard);
        self.note(|| line);
    }

    pub(super) fn figures(&self) -> Figures {
        let mut figures = self.state().figures.clone();
        figures.virtual_time = self.start.elapsed();
        figures
    }
}
