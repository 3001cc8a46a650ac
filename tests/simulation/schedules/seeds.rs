//! Simulates the cases of many seeds, or replays the case of one seed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::case::{Case, CaseKind};
use super::case_outcome::CaseOutcome;
use super::disturbance;
use super::figures::Figures;
use super::run::run_case;
use super::shrink::shrink;
use crate::model::Api;

/// The number of seeds in the test of each API. The tests of both APIs together take about a minute on two
/// processors.
const SEEDS: usize = 5_000;

/// The number of kinds of cases (see [`CaseKind`]).
const KINDS: usize = 6;

/// Reads one of these environment variables:
///
/// * `AMIGOPS_SEEDS`: the number of seeds to simulate;
/// * `AMIGOPS_SEED`: the seed to replay;
/// * `AMIGOPS_SIMULATION`: the kinds of cases to simulate, separated by commas;
/// * `AMIGOPS_SURVEY`: if set, the test continues after a failure, and counts failures by cause.
#[allow(
    clippy::disallowed_methods,
    reason = "a test has no `Env`; proptest reads PROPTEST_CASES in the same way"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The results of the simulated seeds.
#[derive(Default)]
struct Results {
    figures: Figures,
    /// The seeds whose case broke a rule, each with that rule.
    failed: BTreeMap<u64, String>,
}

/// Simulates seeds of these kinds on all processors, until `count` of them had a plan. Stops at the first failure,
/// unless `continues_after_failure` is true.
fn run_seeds(api: Api, count: usize, kinds: Option<&str>, continues_after_failure: bool) -> Results {
    let (next, done) = (AtomicU64::new(0), AtomicUsize::new(0));
    let all: Mutex<Results> = Mutex::default();
    let is_requested =
        |kind: CaseKind| kinds.is_none_or(|kinds| kinds.split(',').any(|one| one == kind.as_str()));
    let work = || {
        let mut results = Results::default();
        while done.load(Ordering::Relaxed) < count {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !is_requested(CaseKind::of_seed(seed)) {
                continue;
            }
            match run_case(&Case::from_seed(api, seed), false) {
                CaseOutcome::Unplannable => {}
                CaseOutcome::Passed(figures) => {
                    done.fetch_add(1, Ordering::Relaxed);
                    results.figures.add(&figures);
                    *results.figures.kinds.entry(CaseKind::of_seed(seed).as_str()).or_default() += 1;
                }
                CaseOutcome::Failed { why, .. } => {
                    done.fetch_add(if continues_after_failure { 1 } else { count }, Ordering::Relaxed);
                    results.failed.insert(seed, why);
                }
            }
        }
        let mut all = all.lock().expect("no panic");
        all.figures.add(&results.figures);
        all.failed.append(&mut results.failed);
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    all.into_inner().expect("no panic")
}

/// Describes a failed seed: the broken rule, the smallest case that fails, and the trace of its requests.
fn describe_failure(case: &Case) -> String {
    let small = shrink(case);
    let CaseOutcome::Failed { why, trace } = run_case(&small, true) else {
        return format!(
            "seed {} failed, but passed when it ran again: the simulation is not deterministic",
            case.seed
        );
    };
    format!("{why}\n\n{small}\n{}\n\n{why}\nto run it again: {}\n", trace.join("\n"), case.replay_command())
}

/// Counts failures by cause, and lists some seeds for each cause. The cause is the message of the rule without ids,
/// names and numbers.
fn count_causes(failed: &BTreeMap<u64, String>) -> String {
    let mut causes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (seed, why) in failed {
        let is_word = |word: &&str| !word.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
        let words: Vec<&str> = why.split_whitespace().filter(is_word).take(16).collect();
        let cause = format!("{}: {}", CaseKind::of_seed(*seed).as_str(), words.join(" "));
        causes.entry(cause).or_default().push(*seed);
    }
    let mut lines: Vec<_> = causes.into_iter().collect();
    lines.sort_by_key(|(_, seeds)| std::cmp::Reverse(seeds.len()));
    let line = |(cause, seeds): &(String, Vec<u64>)| {
        format!("{:>5} {cause}\n      seeds {:?}", seeds.len(), &seeds[..seeds.len().min(8)])
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn run_schedules(api: Api) {
    let count = variable("AMIGOPS_SEEDS").and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let (kinds, continues_after_failure) =
        (variable("AMIGOPS_SIMULATION"), variable("AMIGOPS_SURVEY").is_some());
    let start = Instant::now();
    let Results { figures, failed } = run_seeds(api, count, kinds.as_deref(), continues_after_failure);
    print_figures(&format!("{}: {count} schedules, {:.1?}", api.as_str(), start.elapsed()), &figures);
    let is_survey_clean = !continues_after_failure || failed.is_empty();
    assert!(is_survey_clean, "{} of {count} fail:\n{}", failed.len(), count_causes(&failed));
    if let Some(seed) = failed.keys().next() {
        panic!("seed {seed}: {}", describe_failure(&Case::from_seed(api, *seed)));
    }
    if kinds.is_none() && count >= SEEDS {
        let expected = disturbance::kinds(api).into_iter();
        let missing: Vec<_> = expected.filter(|kind| !figures.disturbances.contains_key(kind)).collect();
        assert!(missing.is_empty(), "these disturbances never happened: {missing:?}");
        assert_eq!(figures.kinds.len(), KINDS, "{:?}", figures.kinds);
    }
    let disturbances = figures.disturbance_count();
    assert!(disturbances > count, "{disturbances} disturbances in {count} schedules prove little");
}

#[allow(clippy::disallowed_macros, reason = "a test may print figures")]
fn print_figures(title: &str, figures: &Figures) {
    let Figures { requests, writes, runs, virtual_time, .. } = figures;
    println!(
        "{title}: {runs} runs, {requests} requests, {writes} writes, {} h of virtual time, {} disturbances",
        virtual_time.as_secs() / 3600,
        figures.disturbance_count()
    );
    for (kind, count) in figures.kinds.iter().chain(&figures.disturbances) {
        println!("  {count:>7} {kind}");
    }
}

#[test]
fn no_schedule_of_faults_breaks_a_rule_on_classic() {
    run_schedules(Api::Classic);
}

#[test]
fn no_schedule_of_faults_breaks_a_rule_on_platform() {
    run_schedules(Api::Platform);
}

/// Simulates one seed twice, and checks that both results are the same. `AMIGOPS_SEED=classic:1234` selects the seed.
#[test]
fn replay() {
    let requested = variable("AMIGOPS_SEED");
    let (api, seed) = requested.as_deref().unwrap_or("platform:6").split_once(':').expect("classic:1234");
    let api = if api == "classic" { Api::Classic } else { Api::Platform };
    let case = Case::from_seed(api, seed.parse().expect("a number"));
    let figures = |outcome| match outcome {
        CaseOutcome::Passed(figures) => format!("{figures:?}"),
        CaseOutcome::Unplannable => {
            assert_eq!(requested, None, "this seed has no plan");
            "no plan".to_owned()
        }
        CaseOutcome::Failed { .. } => panic!("{}", describe_failure(&case)),
    };
    assert_eq!(figures(run_case(&case, true)), figures(run_case(&case, false)));
}
