//! Counts of what happened in simulations.

use std::collections::BTreeMap;
use std::time::Duration;

/// The figures of one case, or of many.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) requests: usize,
    /// Writes that the emulator accepted.
    pub(super) writes: usize,
    /// Accepted writes that changed something.
    pub(super) changes: usize,
    /// Answers of 429 from the emulator's rate limits.
    pub(super) refused: usize,
    /// Disturbances by kind.
    pub(super) disturbances: BTreeMap<&'static str, usize>,
    /// Creates that were processed after the process that sent them had crashed.
    pub(super) late_creates: usize,
    /// Changes by operators.
    pub(super) edits: usize,
    pub(super) runs: usize,
    pub(super) virtual_time: Duration,
    /// Cases by kind.
    pub(super) kinds: BTreeMap<&'static str, usize>,
}

impl Figures {
    /// Adds the figures of another case.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.writes += other.writes;
        self.changes += other.changes;
        self.refused += other.refused;
        self.late_creates += other.late_creates;
        self.edits += other.edits;
        self.runs += other.runs;
        self.virtual_time += other.virtual_time;
        for (kind, count) in &other.disturbances {
            *self.disturbances.entry(kind).or_default() += count;
        }
        for (kind, count) in &other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
    }

    /// Returns the number of disturbances.
    pub(super) fn disturbance_count(&self) -> usize {
        self.disturbances.values().sum()
    }
}
