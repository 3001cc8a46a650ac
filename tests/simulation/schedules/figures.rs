//! Counts events in simulations, such as requests and disturbances.

use std::collections::BTreeMap;
use std::time::Duration;

/// The counts of one case, or the sums over many cases.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) requests: usize,
    /// The number of writes that the emulator accepted.
    pub(super) writes: usize,
    /// The number of accepted writes that changed something.
    pub(super) changes: usize,
    /// The number of requests that the emulator refused with 429, because of its rate limits.
    pub(super) refused: usize,
    /// The number of disturbances of each kind.
    pub(super) disturbances: BTreeMap<&'static str, usize>,
    /// The number of requests that created a service after the process that had sent them crashed.
    pub(super) late_creates: usize,
    /// The number of changes by operators.
    pub(super) edits: usize,
    pub(super) runs: usize,
    pub(super) virtual_time: Duration,
    /// The number of cases of each kind.
    pub(super) kinds: BTreeMap<&'static str, usize>,
}

impl Figures {
    /// Adds the counts of another case to these.
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

    /// Returns the number of disturbances of all kinds together.
    pub(super) fn disturbance_count(&self) -> usize {
        self.disturbances.values().sum()
    }
}
