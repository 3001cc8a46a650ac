//! The case that a seed stands for: manifests, a live state, and everything that is to go wrong. May import
//! `plan`, `model` and `emulator`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::dice::Dice;
use super::manifests;
use super::trouble::{self, Outage, Trouble};
use crate::model::*;
use crate::plan::tests::generate::state;
use amigops_emulator::{Limits, Rule};

/// The question that a case asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Faults of requests, deaths, a second run of the same manifests.
    Faults,
    /// Lists that don't show what is there.
    Lists,
    /// An operator changes services in mid-apply.
    Edits,
    /// The server fails for long in the middle of a hand-over.
    Deadlines,
    /// Several commits, each run possibly cut off.
    Commits,
    /// Two runs of different manifests at once.
    Pairs,
}

impl Kind {
    /// The kinds of ten seeds in a row.
    const PATTERN: [Self; 10] = [
        Self::Faults,
        Self::Commits,
        Self::Edits,
        Self::Faults,
        Self::Lists,
        Self::Pairs,
        Self::Faults,
        Self::Commits,
        Self::Deadlines,
        Self::Pairs,
    ];

    /// The kind of a seed.
    pub(super) fn of(seed: u64) -> Self {
        Self::PATTERN[(seed % 10) as usize]
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Lists => "lists",
            Self::Edits => "edits",
            Self::Deadlines => "deadlines",
            Self::Commits => "commits",
            Self::Pairs => "pairs",
        }
    }
}

/// One commit, or two that are applied at once.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) manifests: Vec<Desired>,
    pub(super) troubles: Vec<Rule<Trouble>>,
}

/// A simulation to be run.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) api: Api,
    pub(super) seed: u64,
    pub(super) kind: Kind,
    pub(super) desired: Desired,
    pub(super) live: Snapshot,
    pub(super) prune: bool,
    pub(super) limits: Limits,
    pub(super) token_lifetime: Duration,
    pub(super) parallelism: usize,
    /// The longest way of a request or an answer, in milliseconds.
    pub(super) latency: u64,
    /// When a second run begins beside the first one.
    pub(super) second: Option<Duration>,
    /// How long the first run is given.
    pub(super) timeout: Option<Duration>,
    pub(super) troubles: Vec<Rule<Trouble>>,
    /// The most services that the server puts on a page, whatever is asked for; none: as many as asked for.
    pub(super) page: Option<usize>,
    /// Whether lists begin with the service that was created last.
    pub(super) newest_first: bool,
    /// Whether the server lets an active service take the name of another one: Classic's documents forbid only the
    /// activation.
    pub(super) lax_renames: bool,
    /// The failure that begins when the first hand-over has renamed the old service.
    pub(super) outage: Option<Outage>,
    /// The commits, where there are several: the last of them is the one to end with.
    pub(super) stages: Vec<Stage>,
}

impl Case {
    /// The case of a seed.
    pub(super) fn of(api: Api, seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(2).wrapping_add(u64::from(api == Api::Platform)));
        let mut bytes = [0; 16];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.next().to_le_bytes()));
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let (desired, live) = state(api).new_tree(&mut runner).expect("a value").current();
        let kind = Kind::of(seed);
        let mut case = Self {
            api,
            seed,
            kind,
            desired,
            live,
            prune: dice.percent(50),
            limits: if dice.percent(50) { Limits::PER_MINUTE } else { Limits::Off },
            token_lifetime: Duration::from_secs(*dice.pick(&[3, 20, 3600])),
            parallelism: *dice.pick(&[1, 2, 4, 10]),
            latency: *dice.pick(&[0, 40, 400]),
            second: None,
            timeout: dice.percent(20).then(|| {
                Duration::from_millis(100 + dice.below(*dice.clone().pick(&[1_000, 10_000, 120_000])))
            }),
            troubles: Vec::new(),
            page: None,
            newest_first: false,
            lax_renames: false,
            outage: None,
            stages: Vec::new(),
        };
        match kind {
            Kind::Faults => case.with_faults(&mut dice),
            Kind::Lists => case.with_lists(&mut dice),
            Kind::Edits => case.with_edits(&mut dice),
            Kind::Deadlines => case.with_outage(&mut dice),
            Kind::Commits => case.with_commits(&mut dice),
            Kind::Pairs => case.with_pair(&mut dice),
        }
        case
    }

    /// Two runs and nothing else, or one and something that goes wrong, or both.
    fn with_faults(&mut self, dice: &mut Dice) {
        let quiet = dice.percent(3);
        self.second = (quiet || dice.percent(15)).then(|| Duration::from_millis(dice.below(2_000)));
        let count = if quiet { 0 } else { 1 + dice.below(5) };
        self.troubles = (0..count).map(|_| trouble::any(dice)).collect();
        if self.second.is_some() && count > 0 {
            self.desired.services.values_mut().for_each(in_use);
        }
    }

    fn with_lists(&mut self, dice: &mut Dice) {
        self.page = Some(1 + dice.below(4) as usize);
        self.newest_first = dice.percent(70);
        self.troubles = trouble::lists(self.api, dice);
        if dice.percent(25) {
            self.troubles.push(trouble::any(dice));
        }
    }

    fn with_edits(&mut self, dice: &mut Dice) {
        if dice.percent(60) {
            self.parallelism = 1;
        }
        self.timeout = None;
        self.troubles = (0..1 + dice.below(2)).map(|_| trouble::edited(self.api, dice)).collect();
        if dice.percent(25) {
            self.troubles.push(trouble::any(dice));
        }
    }

    fn with_outage(&mut self, dice: &mut Dice) {
        if self.api == Api::Platform {
            let replace = |service: &mut DesiredService| {
                service.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
            };
            self.desired.services.values_mut().for_each(replace);
        }
        if dice.percent(75) {
            self.outage = Some(trouble::outage(dice));
        } else {
            let nth = 1 + dice.below(15);
            let what = Trouble::Outage(trouble::outage(dice));
            self.troubles.push(Rule { method: None, path: None, nth, times: 1, what });
        }
        if dice.percent(40) {
            self.troubles.push(trouble::any(dice));
        }
    }

    fn with_commits(&mut self, dice: &mut Dice) {
        self.begin(dice);
        let count = 2 + dice.below(3);
        for number in 1..=count {
            let troubles = if number < count && dice.percent(80) { 1 + dice.below(2) } else { 0 };
            let troubles = (0..troubles).map(|_| trouble::cut(self.api, dice)).collect();
            self.stages.push(Stage { manifests: vec![self.desired.clone()], troubles });
            if number < count {
                self.desired = manifests::next_commit(self.api, &self.desired, dice);
            }
        }
    }

    fn with_pair(&mut self, dice: &mut Dice) {
        self.begin(dice);
        self.desired.services.values_mut().for_each(in_use);
        self.timeout = None;
        self.second = Some(Duration::from_millis(dice.below(*dice.clone().pick(&[50, 500, 3_000]))));
        self.lax_renames = self.api == Api::Classic && dice.percent(50);
        if dice.percent(50) {
            let troubles = vec![trouble::cut(self.api, dice)];
            self.stages.push(Stage { manifests: vec![self.desired.clone()], troubles });
            self.desired = manifests::next_commit(self.api, &self.desired, dice);
        }
        let mut other = match dice.percent(80) {
            true => manifests::next_commit(self.api, &self.desired, dice),
            false => self.desired.clone(),
        };
        // Now and then both replace a service under another name: nobody has the old name then, although it has a
        // successor. Dice of their own, so that other seeds stay as they are.
        let mut own = dice.clone();
        if own.percent(20) {
            self.desired = manifests::replaced_and_renamed(&self.desired, &mut own);
            other = self.desired.clone();
        }
        let mut manifests = vec![self.desired.clone(), other];
        if dice.percent(50) {
            manifests.reverse();
        }
        let troubles = if dice.percent(40) { 1 } else { 0 };
        let troubles = (0..troubles).map(|_| trouble::any(dice)).collect();
        self.stages.push(Stage { manifests, troubles });
    }

    /// Begins with nothing now and then: what is there then was made by earlier commits.
    fn begin(&mut self, dice: &mut Dice) {
        if dice.percent(40) {
            self.live.services.clear();
            self.live.behavior_sets.clear();
        }
    }

    /// The command that runs it again.
    pub(super) fn replay(&self) -> String {
        let (api, seed) = (self.api.as_str(), self.seed);
        format!("AMIGOPS_SEED={api}:{seed} cargo test --lib simulation::seeds::replay -- --nocapture")
    }
}

/// A run that is cut off before it has looked around may leave an inactive service that another run has made, too: a
/// plan after that is refused until somebody says which one is meant. So no service is wanted inactive.
fn in_use(service: &mut DesiredService) {
    service.active = service.active.filter(|active| *active);
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, prune, limits, parallelism, latency, second, timeout, token_lifetime, .. } = self;
        writeln!(
            f,
            "{} {} prune={prune} limits={limits:?} parallelism={parallelism} latency={latency}ms second={second:?} timeout={timeout:?} tokens={token_lifetime:?}",
            api.as_str(),
            self.kind.as_str(),
        )?;
        if self.stages.is_empty() {
            show_manifests(f, &self.desired)?;
        }
        for service in &self.live.services {
            let sets: BTreeMap<_, _> = service
                .version_sets
                .iter()
                .map(|(name, set)| (name.as_str(), (set.agent_version, set.context_graph_version)))
                .collect();
            writeln!(
                f,
                "  live {}: agent {} active {} tags {:?} sets {sets:?} settings {:?}",
                service.name, service.agent, service.active, service.tags, service.settings
            )?;
        }
        show_troubles(f, &self.troubles)?;
        if let Some(outage) = &self.outage {
            writeln!(f, "  after the first rename of a hand-over: {outage:?}")?;
        }
        if self.page.is_some() || self.newest_first || self.lax_renames {
            let Self { page, newest_first, lax_renames, .. } = self;
            writeln!(f, "  page={page:?} newest_first={newest_first} lax_renames={lax_renames}")?;
        }
        for (number, stage) in self.stages.iter().enumerate() {
            writeln!(f, " stage {number}:")?;
            for manifests in &stage.manifests {
                show_manifests(f, manifests)?;
                writeln!(f, "  --")?;
            }
            show_troubles(f, &stage.troubles)?;
        }
        Ok(())
    }
}

fn show_manifests(f: &mut fmt::Formatter<'_>, desired: &Desired) -> fmt::Result {
    for service in desired.services.values() {
        let sets: Option<BTreeMap<_, _>> = service.version_sets.as_ref().map(|sets| {
            sets.iter()
                .map(|(name, set)| (name.as_str(), (set.agent_version, set.context_graph_version)))
                .collect()
        });
        writeln!(
            f,
            "  wanted {}: agent {:?} active {:?} tags {:?} sets {sets:?} settings {:?} depends on {:?} {:?}",
            service.name,
            service.agent,
            service.active,
            service.tags,
            service.settings,
            service.depends_on,
            service.lifecycle
        )?;
    }
    Ok(())
}

fn show_troubles(f: &mut fmt::Formatter<'_>, troubles: &[Rule<Trouble>]) -> fmt::Result {
    for Rule { method, path, nth, times, what } in troubles {
        let method = method.as_deref().unwrap_or("request");
        let path = path.as_deref().unwrap_or_default();
        writeln!(f, "  trouble from {method} {path} {nth} on, {times} times: {what:?}")?;
    }
    Ok(())
}
