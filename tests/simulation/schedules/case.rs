//! A case is everything that a seed decides about a simulation: the manifests, the live state and all disturbances.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::disturbance::{self, Disturbance, Outage};
use super::manifests;
use super::seeded_random::SeededRandom;
use crate::generate::{state, without_renamed_services};
use crate::model::*;
use amigops_emulator::{Limits, Rule};

/// The kind of a case: which disturbances it simulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CaseKind {
    /// Requests fail, processes crash, or a second run applies the same manifests at the same time.
    Faults,
    /// The server returns wrong lists of services.
    Lists,
    /// An operator changes services while a run applies a plan.
    Edits,
    /// The server fails for a long time during a cut-over.
    Deadlines,
    /// Several commits are applied one after the other. Their runs may end early.
    Commits,
    /// Two runs apply different manifests at the same time.
    Pairs,
}

impl CaseKind {
    /// The kinds of cases, by the last decimal digit of the seed.
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

    /// Returns the kind of the case of a seed.
    pub(super) fn of_seed(seed: u64) -> Self {
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

/// A stage of a case with several commits: one commit, or two commits that are applied at the same time.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) manifests: Vec<Desired>,
    pub(super) disturbances: Vec<Rule<Disturbance>>,
}

/// Everything that a simulation needs: the manifests, the live state, and the disturbances.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) api: Api,
    pub(super) seed: u64,
    pub(super) kind: CaseKind,
    pub(super) desired: Desired,
    pub(super) live: Snapshot,
    pub(super) prune: bool,
    pub(super) limits: Limits,
    pub(super) token_lifetime: Duration,
    pub(super) parallelism: usize,
    /// The maximum delay of each request and of each answer, in milliseconds.
    pub(super) latency: u64,
    /// The time between the start of the first run and that of the second run. `None` if there is no second run.
    pub(super) second_run: Option<Duration>,
    /// The timeout of the first run. `None` if it has none.
    pub(super) timeout: Option<Duration>,
    pub(super) disturbances: Vec<Rule<Disturbance>>,
    /// The maximum number of services that the server returns on a page, even if a request asks for more. `None` if
    /// there is no such maximum.
    pub(super) max_page_size: Option<usize>,
    /// True if the server lists the newest service first.
    pub(super) newest_first: bool,
    /// True if the server accepts a rename of an active service to a name that another active service has. The
    /// documentation of Classic forbids that only for activations.
    pub(super) accepts_duplicate_names: bool,
    /// A long failure of the server, which begins after the first cut-over has renamed the old service.
    pub(super) outage: Option<Outage>,
    /// The stages, if there are several commits. At the end, the live state must be as the last stage declares.
    pub(super) stages: Vec<Stage>,
}

impl Case {
    /// Creates the case of a seed. The same seed always gives the same case.
    pub(super) fn from_seed(api: Api, seed: u64) -> Self {
        let mut random =
            SeededRandom::new(seed.wrapping_mul(2).wrapping_add(u64::from(api == Api::Platform)));
        let mut bytes = [0; 16];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()));
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let (desired, live) = state(api).new_tree(&mut runner).expect("a value").current();
        // Renames by other clients are among the disturbances of a schedule.
        let live = without_renamed_services(live);
        let kind = CaseKind::of_seed(seed);
        let mut case = Self {
            api,
            seed,
            kind,
            desired,
            live,
            prune: random.chance(50),
            limits: if random.chance(50) { Limits::PER_MINUTE } else { Limits::Off },
            token_lifetime: Duration::from_secs(*random.pick(&[3, 20, 3600])),
            parallelism: *random.pick(&[1, 2, 4, 10]),
            latency: *random.pick(&[0, 40, 400]),
            second_run: None,
            timeout: random.chance(20).then(|| {
                Duration::from_millis(100 + random.below(*random.clone().pick(&[1_000, 10_000, 120_000])))
            }),
            disturbances: Vec::new(),
            max_page_size: None,
            newest_first: false,
            accepts_duplicate_names: false,
            outage: None,
            stages: Vec::new(),
        };
        match kind {
            CaseKind::Faults => case.add_faults(&mut random),
            CaseKind::Lists => case.add_wrong_lists(&mut random),
            CaseKind::Edits => case.add_edits(&mut random),
            CaseKind::Deadlines => case.add_outage(&mut random),
            CaseKind::Commits => case.add_commits(&mut random),
            CaseKind::Pairs => case.add_pair(&mut random),
        }
        case
    }

    /// Adds a second run, or disturbances, or both to the case.
    fn add_faults(&mut self, random: &mut SeededRandom) {
        let only_second_run = random.chance(3);
        self.second_run =
            (only_second_run || random.chance(15)).then(|| Duration::from_millis(random.below(2_000)));
        let count = if only_second_run { 0 } else { 1 + random.below(5) };
        self.disturbances = (0..count).map(|_| disturbance::any(random)).collect();
        if self.second_run.is_some() && count > 0 {
            self.desired.services.values_mut().for_each(never_inactive);
        }
    }

    fn add_wrong_lists(&mut self, random: &mut SeededRandom) {
        self.max_page_size = Some(1 + random.below(4) as usize);
        self.newest_first = random.chance(70);
        self.disturbances = disturbance::wrong_lists(self.api, random);
        if random.chance(25) {
            self.disturbances.push(disturbance::any(random));
        }
    }

    fn add_edits(&mut self, random: &mut SeededRandom) {
        if random.chance(60) {
            self.parallelism = 1;
        }
        self.timeout = None;
        self.disturbances =
            (0..1 + random.below(2)).map(|_| disturbance::operator_edit(self.api, random)).collect();
        if random.chance(25) {
            self.disturbances.push(disturbance::any(random));
        }
    }

    fn add_outage(&mut self, random: &mut SeededRandom) {
        if self.api == Api::Platform {
            let replace = |service: &mut DesiredService| {
                service.lifecycle.on_agent_change = Some(OnAgentChange::Replace);
            };
            self.desired.services.values_mut().for_each(replace);
        }
        if random.chance(75) {
            self.outage = Some(disturbance::outage(random));
        } else {
            let nth = 1 + random.below(15);
            let what = Disturbance::Outage(disturbance::outage(random));
            self.disturbances.push(Rule { method: None, path: None, nth, times: 1, what });
        }
        if random.chance(40) {
            self.disturbances.push(disturbance::any(random));
        }
    }

    fn add_commits(&mut self, random: &mut SeededRandom) {
        self.remove_live_services_sometimes(random);
        let count = 2 + random.below(3);
        for number in 1..=count {
            let disturbances = if number < count && random.chance(80) { 1 + random.below(2) } else { 0 };
            let disturbances =
                (0..disturbances).map(|_| disturbance::interruption(self.api, random)).collect();
            self.stages.push(Stage { manifests: vec![self.desired.clone()], disturbances });
            if number < count {
                self.desired = manifests::next_commit(self.api, &self.desired, random);
            }
        }
    }

    fn add_pair(&mut self, random: &mut SeededRandom) {
        self.remove_live_services_sometimes(random);
        self.desired.services.values_mut().for_each(never_inactive);
        self.timeout = None;
        self.second_run = Some(Duration::from_millis(random.below(*random.clone().pick(&[50, 500, 3_000]))));
        self.accepts_duplicate_names = self.api == Api::Classic && random.chance(50);
        if random.chance(50) {
            let disturbances = vec![disturbance::interruption(self.api, random)];
            self.stages.push(Stage { manifests: vec![self.desired.clone()], disturbances });
            self.desired = manifests::next_commit(self.api, &self.desired, random);
        }
        let mut other = match random.chance(80) {
            true => manifests::next_commit(self.api, &self.desired, random),
            false => self.desired.clone(),
        };
        // In some cases, both runs rename a service and replace it at the same time. After that, no service has the old
        // name, although the old service has a successor. This choice uses its own random numbers, so that the cases of
        // other seeds stay the same.
        let mut own_random = random.clone();
        if own_random.chance(20) {
            self.desired = manifests::replace_and_rename(&self.desired, &mut own_random);
            other = self.desired.clone();
        }
        let mut manifests = vec![self.desired.clone(), other];
        if random.chance(50) {
            manifests.reverse();
        }
        let disturbances = if random.chance(40) { 1 } else { 0 };
        let disturbances = (0..disturbances).map(|_| disturbance::any(random)).collect();
        self.stages.push(Stage { manifests, disturbances });
    }

    /// Removes all live services in some of the cases. In such a case, every live service was created by an earlier
    /// commit.
    fn remove_live_services_sometimes(&mut self, random: &mut SeededRandom) {
        if random.chance(40) {
            self.live.services.clear();
            self.live.behavior_sets.clear();
        }
    }

    /// Returns the shell command that simulates this case again.
    pub(super) fn replay_command(&self) -> String {
        let (api, seed) = (self.api.as_str(), self.seed);
        format!("AMIGOPS_SEED={api}:{seed} cargo test --test simulation seeds::replay -- --nocapture")
    }
}

/// Removes `active: false` from a manifest.
///
/// If a run ends before its check for duplicates, it may leave an inactive service, although another run has created a
/// service for the same manifest. Then later plans are refused until a person chooses one of the two services.
fn never_inactive(service: &mut DesiredService) {
    service.active = service.active.filter(|active| *active);
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, prune, limits, parallelism, latency, second_run, timeout, token_lifetime, .. } = self;
        writeln!(
            f,
            "{} {} prune={prune} limits={limits:?} parallelism={parallelism} latency={latency}ms second={second_run:?} timeout={timeout:?} tokens={token_lifetime:?}",
            api.as_str(),
            self.kind.as_str(),
        )?;
        if self.stages.is_empty() {
            write_manifests(f, &self.desired)?;
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
        write_disturbances(f, &self.disturbances)?;
        if let Some(outage) = &self.outage {
            writeln!(f, "  after the first rename of a cut-over: {outage:?}")?;
        }
        if self.max_page_size.is_some() || self.newest_first || self.accepts_duplicate_names {
            let Self { max_page_size, newest_first, accepts_duplicate_names, .. } = self;
            writeln!(
                f,
                "  page={max_page_size:?} newest_first={newest_first} accepts_duplicate_names={accepts_duplicate_names}"
            )?;
        }
        for (number, stage) in self.stages.iter().enumerate() {
            writeln!(f, " stage {number}:")?;
            for manifests in &stage.manifests {
                write_manifests(f, manifests)?;
                writeln!(f, "  --")?;
            }
            write_disturbances(f, &stage.disturbances)?;
        }
        Ok(())
    }
}

fn write_manifests(f: &mut fmt::Formatter<'_>, desired: &Desired) -> fmt::Result {
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

fn write_disturbances(f: &mut fmt::Formatter<'_>, disturbances: &[Rule<Disturbance>]) -> fmt::Result {
    for Rule { method, path, nth, times, what } in disturbances {
        let method = method.as_deref().unwrap_or("request");
        let path = path.as_deref().unwrap_or_default();
        writeln!(f, "  disturbance from {method} {path} {nth}, {times} times: {what:?}")?;
    }
    Ok(())
}
