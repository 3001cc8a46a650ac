//! Many seeds, a long run of them, and the replay of one. May import `model`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::case::Case;
use super::run::{End, play};
use super::shrink::shrink;
use super::sim::Figures;
use crate::model::Api;

/// Schedules that each API's test runs: both together take about a minute on two processors.
const SEEDS: usize = 5_000;

/// `AMIGOPS_SEEDS`, how many to run instead; `AMIGOPS_SEED`, the one to replay.
#[allow(clippy::disallowed_methods, reason = "a test has no `Env`; PROPTEST_CASES is read in the same way")]
fn asked(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// Plays seeds on all processors until so many had a plan; gives the figures, or the first seed that fails.
fn play_many(api: Api, wanted: usize) -> Result<Figures, u64> {
    let (next, held) = (AtomicU64::new(0), AtomicUsize::new(0));
    let found: Mutex<(Figures, Option<u64>)> = Mutex::default();
    let work = || {
        let mut figures = Figures::default();
        while held.load(Ordering::Relaxed) < wanted {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            match play(&Case::of(api, seed), false) {
                End::Unplannable => {}
                End::Held(one) => {
                    held.fetch_add(1, Ordering::Relaxed);
                    figures.add(&one);
                }
                End::Broken { .. } => {
                    held.store(wanted, Ordering::Relaxed);
                    let mut found = found.lock().expect("no panic");
                    found.1 = Some(found.1.map_or(seed, |other| other.min(seed)));
                }
            }
        }
        found.lock().expect("no panic").0.add(&figures);
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let (figures, failed) = found.into_inner().expect("no panic");
    failed.map_or(Ok(figures), Err)
}

/// What a failing seed is told with.
fn tell(case: &Case) -> String {
    let small = shrink(case);
    let End::Broken { why, trace } = play(&small, true) else {
        return format!("seed {} fails, and not when it is played again: it is not deterministic", case.seed);
    };
    format!("{why}\n\n{small}\n{}\n\n{why}\nagain: {}\n", trace.join("\n"), case.replay())
}

fn many(api: Api) {
    let wanted = asked("AMIGOPS_SEEDS").and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let began = Instant::now();
    let figures = match play_many(api, wanted) {
        Ok(figures) => figures,
        Err(seed) => panic!("seed {seed}: {}", tell(&Case::of(api, seed))),
    };
    show(&format!("{}: {wanted} schedules, {:.1?}", api.as_str(), began.elapsed()), &figures);
    let kinds = figures.troubles.len();
    assert!(kinds >= 15, "only {kinds} kinds of trouble ever happened: {:?}", figures.troubles);
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
    for (kind, count) in &figures.troubles {
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
    let (api, seed) = named.as_deref().unwrap_or("platform:7").split_once(':').expect("classic:1234");
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
