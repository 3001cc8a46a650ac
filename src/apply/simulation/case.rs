//! What a seed stands for: two states, and everything that is to go wrong. May import `plan`, `model` and
//! `emulator`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::dice::Dice;
use crate::emulator::{Fault, Limits, Rule};
use crate::model::*;
use crate::plan::tests::generate::state;

/// A simulation to be run.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) api: Api,
    pub(super) seed: u64,
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
}

/// What happens besides the plain course.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    /// To a request.
    Fault(Fault),
    /// The process dies with this request, before or after it is processed.
    Death { processed: bool },
    /// Ctrl-C.
    Interrupt,
    /// An operator changes something just then.
    Edit(Edit),
}

/// What an operator changes past the tool; numbers choose among what is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    Description(u64),
    Tag(u64),
    Pin(u64),
    /// A service that isn't ours goes out of use.
    Deactivate,
    /// Somebody makes a service that is none of our business.
    Create,
}

impl Trouble {
    /// Its kind, for counting.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.kind(),
            Self::Death { processed: false } => "death before a request",
            Self::Death { processed: true } => "death after a request",
            Self::Interrupt => "Ctrl-C",
            Self::Edit(_) => "operator's edit",
        }
    }
}

impl Case {
    /// The case of a seed.
    pub(super) fn of(api: Api, seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(2).wrapping_add(u64::from(api == Api::Platform)));
        let mut bytes = [0; 16];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&dice.next().to_le_bytes()));
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let (mut desired, live) = state(api).new_tree(&mut runner).expect("a value").current();
        let quiet = dice.percent(3);
        let second = (quiet || dice.percent(15)).then(|| Duration::from_millis(dice.below(2_000)));
        // Two runs and nothing else, or one and something that goes wrong, or both.
        let count = if quiet { 0 } else { 1 + dice.below(5) };
        if second.is_some() && count > 0 {
            // A run that is cut off before it has looked around may leave an inactive service that the other one
            // has made, too: a plan after that is refused until somebody says which one is meant.
            desired
                .services
                .values_mut()
                .for_each(|service| service.active = service.active.filter(|active| *active));
        }
        Self {
            api,
            seed,
            desired,
            live,
            prune: dice.percent(50),
            limits: if dice.percent(50) { Limits::PER_MINUTE } else { Limits::Off },
            token_lifetime: Duration::from_secs(*dice.pick(&[3, 20, 3600])),
            parallelism: *dice.pick(&[1, 2, 4, 10]),
            latency: *dice.pick(&[0, 40, 400]),
            second,
            timeout: dice.percent(20).then(|| {
                Duration::from_millis(100 + dice.below(*dice.clone().pick(&[1_000, 10_000, 120_000])))
            }),
            troubles: (0..count).map(|_| trouble(&mut dice)).collect(),
        }
    }

    /// The command that runs it again.
    pub(super) fn replay(&self) -> String {
        let (api, seed) = (self.api.as_str(), self.seed);
        format!("AMIGOPS_SEED={api}:{seed} cargo test --lib simulation::seeds::replay -- --nocapture")
    }
}

/// Something, somewhere: at the nth request of all, or of those that write.
fn trouble(dice: &mut Dice) -> Rule<Trouble> {
    let (method, nth) = match dice.below(5) {
        0 => (Some("POST"), 1 + dice.below(8)),
        1 => (Some("PUT"), 1 + dice.below(8)),
        _ => (None, 1 + dice.below(40)),
    };
    let what = match dice.below(10) {
        0 => Trouble::Death { processed: dice.percent(50) },
        1 => Trouble::Edit(edit(dice)),
        2 if dice.percent(50) => Trouble::Interrupt,
        _ => Trouble::Fault(fault(dice)),
    };
    let lasts = matches!(what, Trouble::Fault(_)) && dice.percent(25);
    let times = if lasts { 2 + dice.below(8) } else { 1 };
    Rule { method: method.map(str::to_owned), path: None, nth, times, what }
}

fn edit(dice: &mut Dice) -> Edit {
    match dice.below(5) {
        0 => Edit::Description(dice.next()),
        1 => Edit::Tag(dice.next()),
        2 => Edit::Pin(dice.next()),
        3 => Edit::Deactivate,
        _ => Edit::Create,
    }
}

fn fault(dice: &mut Dice) -> Fault {
    let answer = |status, processed, headers: &[(&str, &str)], body: &str| Fault::Answer {
        status,
        processed,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        retry_after: None,
        body: body.to_owned(),
    };
    let detail = r#"{"detail":"simulated"}"#;
    let page = "<html><body>Bad Gateway</body></html>";
    match dice.below(18) {
        0 => Fault::Refuse,
        1 | 2 => Fault::LoseRequest,
        3..=5 => Fault::LoseAnswer,
        6 => Fault::CutAnswer,
        7 => Fault::Garble,
        8 => Fault::Delay { millis: dice.below(50_000) },
        9 => answer(429, false, &[], detail),
        10 => answer(429, false, &[("retry-after", "3")], detail),
        11 => answer(503, false, &[("retry-after", "5")], detail),
        12 => answer(401, false, &[], detail),
        13 => answer(200, dice.percent(50), &[("content-type", "text/html")], page),
        14 => answer(*dice.pick(&[500, 502, 504]), true, &[], page),
        15 => Fault::Dribble { millis: dice.below(50_000) },
        16 => Fault::Close,
        _ => answer(*dice.pick(&[408, 500, 502, 503, 504]), false, &[], detail),
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, prune, limits, parallelism, latency, second, timeout, token_lifetime, .. } = self;
        writeln!(
            f,
            "{} prune={prune} limits={limits:?} parallelism={parallelism} latency={latency}ms second={second:?} timeout={timeout:?} tokens={token_lifetime:?}",
            api.as_str()
        )?;
        for service in self.desired.services.values() {
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
        for Rule { method, nth, times, what, .. } in &self.troubles {
            let method = method.as_deref().unwrap_or("request");
            writeln!(f, "  trouble from {method} {nth} on, {times} times: {what:?}")?;
        }
        Ok(())
    }
}
