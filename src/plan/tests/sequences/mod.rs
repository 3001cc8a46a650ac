//! Tests with random sequences of commits, interrupted runs and operators' edits. After each sequence, a correct plan
//! can be made, and one uninterrupted run is enough to converge.

mod generate;
mod play;
mod server;

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use crate::model::Api;
use generate::sequences;
use play::Failure;

/// Plays random sequences and panics if one of them fails. The number of sequences is four times the value of
/// `PROPTEST_CASES`, which is 256 by default. The message contains the first failure of each kind, reduced to a small
/// sequence.
#[allow(clippy::disallowed_macros, reason = "test output is only shown with --nocapture")]
fn play_all(api: Api) {
    let count = 4 * Config::default().cases;
    let mut runner = TestRunner::deterministic();
    let strategy = sequences(api);
    let mut counts = play::Counts::default();
    // For each kind of failure: the number of failures, and the text of the first one.
    let mut failures: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    for _ in 0..count {
        let mut tree = strategy.new_tree(&mut runner).expect("a sequence");
        let Err(failure) = play::play(&tree.current(), &mut counts) else { continue };
        let (times, _) = failures.entry(failure.kind).or_insert_with(|| (0, shrink(&mut tree, failure)));
        *times += 1;
    }
    let line = |(kind, (times, first)): (&&str, &(usize, String))| format!("{times} times: {kind}\n{first}");
    let messages: Vec<String> = failures.iter().map(line).collect();
    let failing: usize = failures.values().map(|(times, _)| times).sum();
    assert!(
        failures.is_empty(),
        "{failing} of {count} sequences on {api:?} fail ({counts:?})\n{}",
        messages.join("\n\n")
    );
    println!("{count} sequences on {api:?}: {counts:?}");
    assert!(counts.planned * 10 > counts.runs * 8, "too few runs have a plan: {counts:?}");
}

/// Looks for a smaller sequence that fails in the same way. Returns the smallest sequence that was found, and its
/// failure, as text.
fn shrink(tree: &mut impl ValueTree<Value = generate::Sequence>, failure: Failure) -> String {
    let (mut sequence, mut failure) = (tree.current(), failure);
    let mut can_shrink = tree.simplify();
    for _ in 0..3_000 {
        if !can_shrink {
            break;
        }
        match play::play(&tree.current(), &mut play::Counts::default()) {
            Err(same) if same.kind == failure.kind => {
                (sequence, failure) = (tree.current(), same);
                can_shrink = tree.simplify();
            }
            _ => can_shrink = tree.complicate(),
        }
    }
    format!("{sequence:?}\n{}", failure.message)
}

#[test]
fn classic_sequences_plan_and_converge() {
    play_all(Api::Classic);
}

#[test]
fn platform_sequences_plan_and_converge() {
    play_all(Api::Platform);
}
