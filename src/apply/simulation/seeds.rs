//! Many seeds, a long run of them, and the replay of one. May import `model`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::case::{Case, Kind};
use super::figures::Figures;
use super::run::{End, play};
use super::shrink::shrink;
use super::trouble;
use crate::model::Api;

/// Schedules that each API's test runs: both together take about a minute on two processors.
const SEEDS: usize = 5_000;

/// The kinds of cases.
const KINDS: usize = 6;

/// Reads a variable: `AMIGOPS_SEEDS`, the number of schedules; `AMIGOPS_SEED`, the one to replay; `AMIGOPS_SIMULATION`, the
/// kinds of cases instead of all, with commas between them; `AMIGOPS_SURVEY`, to go on after a failure and to count
/// failures by cause.
#[allow(clippy::disallowed_methods, reason = "a test has no `Env`; PROPTEST_CASES is read in the same way")]
fn asked(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// The schedules that were played.
#[derive(Default)]
struct Played {
    figures: Figures,
    /// Seeds that broke a rule, and how.
    broken: BTreeMap<u64, String>,
}

/// Plays seeds of these kinds on all processors until so many had a plan, or one fails.
fn play_many(api: Api, wanted: usize, kinds: Option<&str>, goes_on: bool) -> Played {
    let (next, held) = (AtomicU64::new(0), AtomicUsize::new(0));
    let all: Mutex<Played> = Mutex::default();
    let is_asked_for =
        |kind: Kind| kinds.is_none_or(|kinds| kinds.split(',').any(|one| one == kind.as_str()));
    let work = || {
        let mut played = Played::default();
        while held.load(Ordering::Relaxed) < wanted {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !is_asked_for(Kind::of(seed)) {
                continue;
            }
            match play(&Case::of(api, seed), false) {
                End::Unplannable => {}
                End::Held(one) => {
                    held.fetch_add(1, Ordering::Relaxed);
                    played.figures.add(&one);
                    *played.figures.kinds.entry(Kind::of(seed).as_str()).or_default() += 1;
                }
                End::Broken { why, .. } => {
                    held.fetch_add(if goes_on { 1 } else { wanted }, Ordering::Relaxed);
                    played.broken.insert(seed, why);
                }
            }
        }
        let mut all = all.lock().expect("no panic");
        all.figures.add(&played.figures);
        all.broken.append(&mut played.broken);
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    all.into_inner().expect("no panic")
}

/// What a failing seed is told with.
fn tell(case: &Case) -> String {
    let small = shrink(case);
    let End::Broken { why, trace } = play(&small, true) else {
        return format!("seed {} fails, and not when it is played again: it is not deterministic", case.seed);
    };
    format!("{why}\n\n{small}\n{}\n\n{why}\nagain: {}\n", trace.join("\n"), case.replay())
}

/// Failures by their cause: the words of the rule without ids, names and numbers, how often, and some of the seeds.
fn survey(broken: &BTreeMap<u64, String>) -> String {
    let mut causes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (seed, why) in broken {
        let is_word = |word: &&str| !word.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
        let words: Vec<&str> = why.split_whitespace().filter(is_word).take(16).collect();
        let cause = format!("{}: {}", Kind::of(*seed).as_str(), words.join(" "));
        causes.entry(cause).or_default().push(*seed);
    }
    let mut lines: Vec<_> = causes.into_iter().collect();
    lines.sort_by_key(|(_, seeds)| std::cmp::Reverse(seeds.len()));
    let line = |(cause, seeds): &(String, Vec<u64>)| {
        format!("{:>5} {cause}\n      seeds {:?}", seeds.len(), &seeds[..seeds.len().min(8)])
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn many(api: Api) {
    let wanted = asked("AMIGOPS_SEEDS").and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let (chosen, goes_on) = (asked("AMIGOPS_SIMULATION"), asked("AMIGOPS_SURVEY").is_some());
    let began = Instant::now();
    let Played { figures, broken } = play_many(api, wanted, chosen.as_deref(), goes_on);
    show(&format!("{}: {wanted} schedules, {:.1?}", api.as_str(), began.elapsed()), &figures);
    assert!(!goes_on || broken.is_empty(), "{} of {wanted} fail:\n{}", broken.len(), survey(&broken));
    if let Some(seed) = broken.keys().next() {
        panic!("seed {seed}: {}", tell(&Case::of(api, *seed)));
    }
    if chosen.is_none() && wanted >= SEEDS {
        let expected = trouble::kinds(api).into_iter();
        let missing: Vec<_> = expected.filter(|kind| !figures.troubles.contains_key(kind)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
        assert_eq!(figures.kinds.len(), KINDS, "{:?}", figures.kinds);
    }
    assert!(figures.fired() > wanted, "{} troubles in {wanted} schedules prove little", figures.fired());
}

#[allow(clippy::disallowed_macros, reason = "what a test prints is shown with --nocapture only")]
fn show(title: &str, figures: &Figures) {
    let Figures { requests, writes, runs, virtual_time, .. } = figures;
    println!(
        "{title}: {runs} runs, {requests} requests, {writes} writes, {} h of virtual time, {} troubles",
        virtual_time.as_secs() / 3600,
        figures.fired()
    );
    for (kind, count) in figures.kinds.iter().chain(&figures.troubles) {
        println!("  {count:>7} {kind}");
    }
}

#[test]
fn no_schedule_of_faults_breaks_a_rule_on_classic() {
    many(Api::Classic);
}

#[test]
fn no_schedule_of_faults_breaks_a_rule_on_platform() {
    many(Api::Platform);
}

/// The seed that `AMIGOPS_SEED=classic:1234` names; without it, one, twice: the same seed takes the same course.
#[test]
fn replay() {
    let named = asked("AMIGOPS_SEED");
    let (api, seed) = named.as_deref().unwrap_or("platform:6").split_once(':').expect("classic:1234");
    let api = if api == "classic" { Api::Classic } else { Api::Platform };
    let case = Case::of(api, seed.parse().expect("a number"));
    let figures = |end| match end {
        End::Held(figures) => format!("{figures:?}"),
        End::Unplannable => {
            assert_eq!(named, None, "no plan can be made of this seed");
            "no plan".to_owned()
        }
        End::Broken { .. } => panic!("{}", tell(&case)),
    };
    assert_eq!(figures(play(&case, true)), figures(play(&case, false)));
}
