//! One simulated organization: the emulator, what is to happen to which request, and what has happened. May import
//! `plan`, `model` and `emulator`.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::case::{Case, Kind};
use super::dice::Dice;
use super::edit::edit;
use super::figures::Figures;
use super::hand_overs::HandOvers;
use super::lines::Lines;
use super::lists::{self, PageRequest};
use super::looks::{Author, Looks};
use super::parcel::{Parcel, Way};
use super::rules::Rules;
use super::trouble::{Edit, ListTrouble, Outage, Trouble};
use super::world::{Rows, add_decoys, add_strangers, beginning, fill, rename_anyway, rows, seeded};
use crate::model::{Api, Policy, ServiceName, Snapshot};
use crate::plan::tests::generate;
use amigops_emulator::{self as emulator, InProcess, Outcome, Reply, Rule, Schedule, World};

pub(super) struct State {
    schedule: Schedule<Trouble>,
    dice: Dice,
    pub(super) rows: Rows,
    rules: Option<Rules>,
    pub(super) lines: Lines,
    pub(super) looks: Looks,
    pub(super) hand_overs: HandOvers,
    /// The failure that begins with the next rename of a hand-over.
    awaited_outage: Option<Outage>,
    outage: Option<(Instant, Outage)>,
    /// Every state so far, where no rules are known yet.
    pub(super) history: Vec<Rows>,
    pub(super) figures: Figures,
    pub(super) broken: Option<String>,
    trace: Option<Vec<String>>,
}

pub(super) struct Sim {
    pub(super) case: Case,
    pub(super) emulator: InProcess,
    /// Whether troubles come and rules are held.
    pub(super) disturbed: bool,
    start: Instant,
    state: Mutex<State>,
}

/// What time it is: the runtime's.
pub(super) fn clock(start: Instant) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
    Arc::new(move || beginning() + start.elapsed())
}

impl Sim {
    /// An organization at its start. Undisturbed, no trouble comes, and states are remembered.
    pub(super) fn new(case: &Case, disturbed: bool, rules: Option<Rules>, traced: bool) -> Arc<Self> {
        let put = |world: &mut World| {
            *world = seeded();
            fill(case.api, world, &case.live);
            add_strangers(case.api, world);
            if case.kind == Kind::Lists {
                add_decoys(case.api, world);
            }
        };
        let mut sim = Self::with_world(case, Instant::now(), disturbed, traced, put);
        let state = sim.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.rules = rules;
        if disturbed {
            state.schedule = Schedule::new(case.troubles.clone());
            state.awaited_outage = case.outage.clone();
        } else {
            state.history = vec![state.rows.clone()];
        }
        Arc::new(sim)
    }

    /// The same organization as it is now, undisturbed from now on.
    pub(super) fn resumed(&self) -> Arc<Self> {
        let world = self.emulator.world();
        let traced = self.state().trace.is_some();
        let sim = Self::with_world(&self.case, self.start, false, traced, |put| *put = world);
        Arc::new(sim)
    }

    fn with_world(
        case: &Case,
        start: Instant,
        disturbed: bool,
        traced: bool,
        put: impl FnOnce(&mut World),
    ) -> Self {
        let mut options = emulator::Options::new(clock(start));
        options.limits = case.limits;
        options.token_lifetime = case.token_lifetime;
        options.platform.inactive_names_taken = names_are_free(&case.live);
        let emulator = InProcess::open(options).expect("an emulator");
        emulator.edit(put).expect("a state");
        let rows = rows(case.api, &emulator.world());
        let mut lines = Lines::default();
        lines.follow(&rows);
        let state = State {
            schedule: Schedule::new([]),
            dice: Dice::new(case.seed ^ 0x5eed),
            history: Vec::new(),
            rows,
            rules: None,
            lines,
            looks: Looks::new(case.parallelism == 1, case.kind == Kind::Pairs),
            hand_overs: HandOvers::default(),
            awaited_outage: None,
            outage: None,
            figures: Figures::default(),
            broken: None,
            trace: traced.then(Vec::new),
        };
        Self { case: case.clone(), emulator, disturbed, start, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clock(&self) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
        clock(self.start)
    }

    /// Begins with the next commit and its troubles.
    pub(super) fn begin_stage(&self, troubles: &[Rule<Trouble>]) {
        let mut state = self.state();
        state.schedule = Schedule::new(troubles.to_vec());
        state.lines.begin_stage();
    }

    /// Begins with another run of the same manifests: earlier plans take nothing out of use any more.
    pub(super) fn begin_run(&self) {
        self.state().lines.begin_stage();
    }

    /// The time of a run is over.
    pub(super) fn out_of_time(&self) {
        self.note(|| "out of time".to_owned());
        *self.state().figures.troubles.entry("out of time").or_default() += 1;
    }

    /// How long the server goes on to fail.
    pub(super) fn rest_of_outage(&self) -> Duration {
        let state = self.state();
        let until = state.outage.as_ref().map(|(until, _)| *until);
        until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    /// A line of the trace.
    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        let at = self.start.elapsed().as_secs_f64();
        if let Some(trace) = &mut self.state().trace {
            trace.push(format!("{at:>9.3}s {}", line()));
        }
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.state().trace.clone().unwrap_or_default()
    }

    /// A create is carried out whose process has died since: the next run has read the lists before, and has created
    /// the same. Nothing tells the two apart before both are there, so that one more may be there for a while.
    pub(super) fn creates_late(&self) {
        let mut state = self.state();
        state.figures.late_creates += 1;
        state.rules.iter_mut().for_each(Rules::allow_one_more);
    }

    /// Notes the first thing that went wrong.
    pub(super) fn fail(&self, why: impl FnOnce() -> String) {
        let why = why();
        self.note(|| format!("BROKEN: {why}"));
        self.state().broken.get_or_insert(why);
    }

    /// Returns true if the reads of each run are recorded: another user edits services, or two runs do.
    pub(super) fn follows_looks(&self) -> bool {
        self.disturbed && matches!(self.case.kind, Kind::Edits | Kind::Pairs | Kind::Commits)
    }

    /// A request leaves: its way is decided.
    pub(super) fn admit(&self, who: usize, parcel: &Parcel) -> Way {
        let mut state = self.state();
        let mut trouble = state.schedule.next(&parcel.method, &parcel.target);
        state.figures.requests += 1;
        if let Some(trouble) = &trouble {
            *state.figures.troubles.entry(trouble.kind()).or_default() += 1;
        }
        let number = state.figures.requests;
        let latency = self.case.latency + 1;
        let (there, back) = (state.dice.below(latency), state.dice.below(latency));
        if let Some(Trouble::Outage(outage)) = &trouble {
            state.outage = Some((Instant::now() + outage.length, outage.clone()));
        }
        drop(state);
        match &trouble {
            Some(Trouble::Edit(edit) | Trouble::List(ListTrouble::Shift(edit))) => self.edit(edit),
            None | Some(Trouble::Outage(_)) => trouble = self.outage_of(parcel).or(trouble),
            _ => {}
        }
        self.note(|| {
            let body: String = String::from_utf8_lossy(&parcel.body).chars().take(300).collect();
            let trouble = trouble.as_ref().map(|trouble| format!("  !! {trouble:?}")).unwrap_or_default();
            format!("#{number} run {who}: {} {} {body}{trouble}", parcel.method, parcel.target)
        });
        if self.follows_looks() && !parcel.is_read() {
            let body = String::from_utf8_lossy(&parcel.body);
            self.state().looks.sends(who, number, format!("{} {} {body}", parcel.method, parcel.target));
        }
        Way { number, there: Duration::from_millis(there), back: Duration::from_millis(back), trouble }
    }

    /// What happens to a request while the server fails.
    fn outage_of(&self, parcel: &Parcel) -> Option<Trouble> {
        let mut state = self.state();
        let (until, outage) = state.outage.clone()?;
        let strikes = Instant::now() < until && (parcel.method == "GET" || !outage.reads_only);
        if !strikes {
            return None;
        }
        *state.figures.troubles.entry("request in an outage").or_default() += 1;
        Some(Trouble::Fault(outage.fault))
    }

    /// The request is there: the API's rules run, and their effect is judged.
    pub(super) fn process(&self, number: usize, parcel: &Parcel, trouble: Option<&Trouble>) -> Outcome {
        let process = || self.answer(number, parcel, trouble);
        let outcome = match trouble {
            Some(Trouble::Fault(fault)) => fault.inject((self.clock())(), process),
            Some(Trouble::Death { processed: false }) => Outcome::Lost,
            _ => Outcome::Answered(process()),
        };
        if let (Some(Trouble::Fault(_)), false) = (trouble, matches!(outcome, Outcome::Answered(_))) {
            self.note(|| format!("#{number} no answer"));
        }
        outcome
    }

    fn answer(&self, number: usize, parcel: &Parcel, trouble: Option<&Trouble>) -> Reply {
        let is_read = parcel.is_read();
        let reply = match self.page(parcel, trouble) {
            Some(page) => page,
            None => self.emulated(parcel),
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
            self.judge(number, &parcel.target);
        } else if self.follows_looks() && reply.status < 300 && parcel.target.contains("/service") {
            self.state().looks.reads(number, lists::ids(&reply));
        }
        reply
    }

    fn emulated(&self, parcel: &Parcel) -> Reply {
        let Parcel { method, target, headers, body } = parcel.clone();
        let reply = self.emulator.answer(&method, &target, headers, body);
        if reply.status == 409 && self.case.lax_renames && rename_anyway(&self.emulator, parcel) {
            return Reply { status: 200, body: b"null".to_vec(), ..reply };
        }
        reply
    }

    /// The page of a list of all services, where the server has its own way with them.
    fn page(&self, parcel: &Parcel, trouble: Option<&Trouble>) -> Option<Reply> {
        let size = self.case.page?;
        let request = PageRequest::read(&parcel.method, &parcel.target)?;
        let most = if self.case.api == Api::Classic { 20 } else { 100 };
        if self.state().rows.len() > most {
            return None;
        }
        let all = Parcel { target: PageRequest::for_all(&parcel.target, most), ..parcel.clone() };
        let all = self.emulated(&all);
        let trouble = match trouble {
            Some(Trouble::List(trouble)) => Some(trouble),
            _ => None,
        };
        if all.status != 200 {
            return Some(all);
        }
        Some(lists::page(&all, &request, size, self.case.newest_first, trouble))
    }

    /// An answer has reached the run.
    pub(super) fn arrived(&self, who: usize, number: usize) {
        if self.follows_looks() {
            self.state().looks.arrived(who, number);
        }
    }

    fn judge(&self, number: usize, target: &str) {
        let after = rows(self.case.api, &self.emulator.world());
        let mut guard = self.state();
        let state = &mut *guard;
        if after == state.rows {
            return;
        }
        state.figures.changes += 1;
        let before = std::mem::replace(&mut state.rows, after);
        let mut verdict = Ok(());
        if let Some(rules) = &mut state.rules {
            verdict = rules.judge(&before, &state.rows);
            if self.case.kind == Kind::Edits {
                let is_unseen = |id: &str, target: &str| state.looks.is_unseen(number, id, target);
                verdict = verdict.and(state.lines.judge(&before, &state.rows, &is_unseen));
            }
        } else if self.case.stages.is_empty() {
            state.history.push(state.rows.clone());
        } else {
            let is_unseen = |id: &str, target: &str| {
                self.case.kind == Kind::Commits && state.looks.is_unseen(number, id, target)
            };
            verdict = state.lines.judge(&before, &state.rows, &is_unseen);
        }
        if self.disturbed {
            let begins = state.hand_overs.follow(&before, &state.rows, Instant::now());
            if begins == Ok(true)
                && let Some(outage) = state.awaited_outage.take()
            {
                *state.figures.troubles.entry("outage in a hand-over").or_default() += 1;
                state.outage = Some((Instant::now() + outage.length, outage));
            }
            verdict = verdict.and(begins.map(|_| ()));
            if self.follows_looks() {
                let looked = state.looks.judge(number, &before, &state.rows);
                verdict = verdict.and(looked);
            }
        }
        drop(guard);
        if let Err(broken) = verdict {
            self.fail(|| format!("{broken} (by the request to {target})"));
        }
    }

    fn edit(&self, what: &Edit) {
        let api = self.case.api;
        self.emulator.edit(|world| edit(api, world, what)).expect("an edit");
        let mut guard = self.state();
        let state = &mut *guard;
        let before = std::mem::replace(&mut state.rows, rows(api, &self.emulator.world()));
        state.figures.edits += 1;
        state.lines.follow(&state.rows);
        state.looks.note(Author::Operator, &before, &state.rows);
        if let Some(rules) = &mut state.rules {
            rules.edited(&before, &state.rows);
        }
        let edited: Vec<_> = state.rows.iter().filter(|(id, row)| before.get(*id) != Some(*row)).collect();
        let gone: Vec<_> = before.keys().filter(|id| !state.rows.contains_key(*id)).collect();
        let line = format!("an operator: {what:?}: {edited:?} {gone:?}");
        drop(guard);
        self.note(|| line);
    }

    pub(super) fn finish(&self) -> Figures {
        let mut figures = self.state().figures.clone();
        figures.virtual_time = self.start.elapsed();
        figures
    }
}

/// The policy of all cases; its patterns take a while to make.
pub(super) fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(generate::policy)
}

/// Where somebody else's inactive service has a name, only a server that does not mind gives it to ours.
pub(in crate::apply) fn names_are_free(live: &Snapshot) -> bool {
    let names: std::collections::BTreeSet<&ServiceName> =
        live.services.iter().map(|service| &service.name).collect();
    let strangers =
        live.services.iter().any(|service| !service.active && !policy().ownership.owns(&service.tags));
    names.len() == live.services.len() && !strangers
}
