//! Random sequences of commits, runs that are cut off, and operators' edits: whatever came before, a plan can be made
//! and is right, and one undisturbed run is enough.

mod generate;
mod play;
mod server;

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use crate::model::Api;
use generate::sequences;
use play::Fault;

/// Plays four times as many sequences as `PROPTEST_CASES` says (256, if it says nothing); of each kind of fault the first
/// is shown, made smaller.
#[allow(clippy::disallowed_macros, reason = "what a test prints is shown with --nocapture only")]
fn play_all(api: Api) {
    let count = 4 * Config::default().cases;
    let mut runner = TestRunner::deterministic();
    let strategy = sequences(api);
    let mut runs = play::Runs::default();
    // Of each kind of fault, how often it was found and the first, made smaller.
    let mut faults: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for _ in 0..count {
        let mut tree = strategy.new_tree(&mut runner).expect("a sequence");
        let Err(fault) = play::play(&tree.current(), &mut runs) else { continue };
        let (times, _) = faults.entry(fault.kind).or_insert_with(|| (0, smallest(&mut tree, fault)));
        *times += 1;
    }
    let told = |(kind, (times, first)): (&&str, &(usize, String))| format!("{times} times: {kind}\n{first}");
    let told: Vec<String> = faults.iter().map(told).collect();
    let failing: usize = faults.values().map(|(times, _)| times).sum();
    assert!(
        faults.is_empty(),
        "{failing} of {count} sequences on {api:?} fail ({runs:?})\n{}",
        told.join("\n\n")
    );
    println!("{count} sequences on {api:?}: {runs:?}");
    assert!(runs.planned * 10 > runs.all * 8, "most runs have a plan: {runs:?}");
}

/// The smallest sequence that fails in the same way, and how it fails.
fn smallest(tree: &mut impl ValueTree<Value = generate::Sequence>, fault: Fault) -> String {
    let (mut sequence, mut fault) = (tree.current(), fault);
    let mut going = tree.simplify();
    for _ in 0..3_000 {
        if !going {
            break;
        }
        match play::play(&tree.current(), &mut play::Runs::default()) {
            Err(same) if same.kind == fault.kind => {
                (sequence, fault) = (tree.current(), same);
                going = tree.simplify();
            }
            _ => going = tree.complicate(),
        }
    }
    format!("{sequence:?}\n{}", fault.message)
}

#[test]
fn classic_sequences_plan_and_converge() {
    play_all(Api::Classic);
}

#[test]
fn platform_sequences_plan_and_converge() {
    play_all(Api::Platform);
}
