//! Counts of what happened in simulations.

use std::collections::BTreeMap;
use std::time::Duration;

/// The figures of one case, or of many.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) requests: usize,
    /// Writes that the API's rules took.
    pub(super) writes: usize,
    /// Those of them that changed something.
    pub(super) changes: usize,
    /// Answers of 429 by the API's own limits.
    pub(super) refused: usize,
    pub(super) troubles: BTreeMap<&'static str, usize>,
    /// Creates that were carried out after the process that had sent them was dead.
    pub(super) late_creates: usize,
    /// Changes by operators.
    pub(super) edits: usize,
    pub(super) runs: usize,
    pub(super) virtual_time: Duration,
    /// Cases by their kind.
    pub(super) kinds: BTreeMap<&'static str, usize>,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.writes += other.writes;
        self.changes += other.changes;
        self.refused += other.refused;
        self.late_creates += other.late_creates;
        self.edits += other.edits;
        self.runs += other.runs;
        self.virtual_time += other.virtual_time;
        for (kind, count) in &other.troubles {
            *self.troubles.entry(kind).or_default() += count;
        }
        for (kind, count) in &other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
    }

    pub(super) fn fired(&self) -> usize {
        self.troubles.values().sum()
    }
}
