//! One simulated organization: the emulator, what is to happen to whom, and what has happened. May import `model`
//! and `emulator`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::case::{Case, Edit, Trouble};
use super::dice::Dice;
use super::edit::edit;
use super::rules::Rules;
use super::world::{Rows, add_strangers, beginning, fill, rows, seeded};
use crate::emulator::{self, InProcess, Outcome, Reply, Schedule, World};
use crate::model::{Policy, ServiceName, Snapshot};
use crate::plan::tests::generate;

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) method: String,
    /// The path with its query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is decided of a request when it leaves.
pub(super) struct Way {
    pub(super) number: usize,
    pub(super) there: Duration,
    pub(super) back: Duration,
    pub(super) trouble: Option<Trouble>,
}

/// What has happened, in figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) requests: usize,
    /// Writes that the rules took.
    pub(super) writes: usize,
    /// Those of them that changed something.
    pub(super) changes: usize,
    /// Answers of 429 by the rules' own limits.
    pub(super) refused: usize,
    pub(super) troubles: BTreeMap<&'static str, usize>,
    pub(super) runs: usize,
    pub(super) virtual_time: Duration,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.writes += other.writes;
        self.changes += other.changes;
        self.refused += other.refused;
        self.runs += other.runs;
        self.virtual_time += other.virtual_time;
        for (kind, count) in &other.troubles {
            *self.troubles.entry(kind).or_default() += count;
        }
    }

    pub(super) fn fired(&self) -> usize {
        self.troubles.values().sum()
    }
}

pub(super) struct State {
    schedule: Schedule<Trouble>,
    dice: Dice,
    rows: Rows,
    rules: Option<Rules>,
    /// Every state so far, where no rules are known yet.
    pub(super) history: Vec<Rows>,
    pub(super) figures: Figures,
    pub(super) broken: Option<String>,
    trace: Option<Vec<String>>,
}

pub(super) struct Sim {
    pub(super) case: Case,
    pub(super) emulator: InProcess,
    start: Instant,
    state: Mutex<State>,
}

/// What time it is: the runtime's.
pub(super) fn clock(start: Instant) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
    Arc::new(move || beginning() + start.elapsed())
}

impl Sim {
    /// An organization at its start. Without rules, no trouble comes, and states are remembered.
    pub(super) fn new(case: &Case, rules: Option<Rules>, traced: bool) -> Arc<Self> {
        let start = Instant::now();
        let mut options = emulator::Options::new(clock(start));
        options.limits = case.limits;
        options.token_lifetime = case.token_lifetime;
        options.platform.inactive_names_taken = names_are_free(&case.live);
        let emulator = InProcess::open(options).expect("an emulator");
        let put = |world: &mut World| {
            *world = seeded();
            fill(case.api, world, &case.live);
            add_strangers(case.api, world);
        };
        emulator.edit(put).expect("a state");
        let rows = rows(case.api, &emulator.world());
        let troubles = if rules.is_some() { case.troubles.clone() } else { Vec::new() };
        let state = State {
            schedule: Schedule::new(troubles),
            dice: Dice::new(case.seed ^ 0x5eed),
            history: if rules.is_none() { vec![rows.clone()] } else { Vec::new() },
            rows,
            rules,
            figures: Figures::default(),
            broken: None,
            trace: traced.then(Vec::new),
        };
        Arc::new(Self { case: case.clone(), emulator, start, state: Mutex::new(state) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn clock(&self) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
        clock(self.start)
    }

    /// Whether troubles may come.
    pub(super) fn is_disturbed(&self) -> bool {
        self.state().rules.is_some()
    }

    /// The time of a run is over.
    pub(super) fn out_of_time(&self) {
        self.note(|| "out of time".to_owned());
        *self.state().figures.troubles.entry("out of time").or_default() += 1;
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

    /// Notes the first thing that went wrong.
    pub(super) fn fail(&self, why: impl FnOnce() -> String) {
        let why = why();
        self.note(|| format!("BROKEN: {why}"));
        self.state().broken.get_or_insert(why);
    }

    /// A request leaves: its way is decided.
    pub(super) fn admit(&self, who: usize, parcel: &Parcel) -> Way {
        let mut state = self.state();
        let trouble = state.schedule.next(&parcel.method, &parcel.target);
        state.figures.requests += 1;
        if let Some(trouble) = &trouble {
            *state.figures.troubles.entry(trouble.kind()).or_default() += 1;
        }
        let number = state.figures.requests;
        let mut way = || Duration::from_millis(state.dice.below(self.case.latency + 1));
        let (there, back) = (way(), way());
        drop(state);
        self.note(|| {
            let body: String = String::from_utf8_lossy(&parcel.body).chars().take(300).collect();
            let trouble = trouble.as_ref().map(|trouble| format!("  !! {trouble:?}")).unwrap_or_default();
            format!("#{number} run {who}: {} {} {body}{trouble}", parcel.method, parcel.target)
        });
        if let Some(Trouble::Edit(edit)) = &trouble {
            self.edit(edit);
        }
        Way { number, there, back, trouble }
    }

    /// The request is there: the rules run, and their effect is judged.
    pub(super) fn process(&self, number: usize, parcel: Parcel, trouble: Option<&Trouble>) -> Outcome {
        let process = || self.answer(number, parcel);
        let outcome = match trouble {
            Some(Trouble::Fault(fault)) => fault.strike((self.clock())(), process),
            Some(Trouble::Death { processed: false }) => Outcome::Lost,
            _ => Outcome::Answered(process()),
        };
        if let (Some(Trouble::Fault(_)), false) = (trouble, matches!(outcome, Outcome::Answered(_))) {
            self.note(|| format!("#{number} no answer"));
        }
        outcome
    }

    fn answer(&self, number: usize, parcel: Parcel) -> Reply {
        let is_read = parcel.method == "GET";
        let reply = self.emulator.answer(&parcel.method, &parcel.target, parcel.headers, parcel.body);
        self.note(|| {
            let body = String::from_utf8_lossy(&reply.body);
            let body: String = body.chars().take(if is_read { 0 } else { 200 }).collect();
            format!("#{number} processed: {} {body}", reply.status)
        });
        let signs_in = parcel.target.ends_with("signin_with_api_key");
        let mut state = self.state();
        state.figures.refused += usize::from(reply.status == 429);
        state.figures.writes += usize::from(!is_read && !signs_in && reply.status < 300);
        drop(state);
        if !is_read && !signs_in {
            self.judge(&parcel.target);
        }
        reply
    }

    fn judge(&self, target: &str) {
        let after = rows(self.case.api, &self.emulator.world());
        let mut guard = self.state();
        let state = &mut *guard;
        if after == state.rows {
            return;
        }
        state.figures.changes += 1;
        let before = std::mem::replace(&mut state.rows, after);
        let verdict = match &mut state.rules {
            Some(rules) => rules.judge(&before, &state.rows),
            None => {
                state.history.push(state.rows.clone());
                Ok(())
            }
        };
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
        if let Some(rules) = &mut state.rules {
            rules.edited(&before, &state.rows);
        }
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
