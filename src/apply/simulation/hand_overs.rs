//! How long a name is free in a hand-over, in virtual time.

use std::time::Duration;

use tokio::time::Instant;

use super::world::Rows;
use crate::plan::{Action, Step, StepId};

/// The longest time from the rename to the activation, the completed undo, or the end of the step.
const LONGEST: Duration = Duration::from_secs(180);

/// A hand-over that a run is at.
#[derive(Clone, Debug)]
struct Open {
    run: usize,
    step: StepId,
    old: String,
    name: String,
    renamed: Option<Instant>,
}

/// The hand-overs of all runs.
#[derive(Clone, Debug, Default)]
pub(super) struct HandOvers(Vec<Open>);

impl HandOvers {
    pub(super) fn begin(&mut self, run: usize, step: &Step) {
        let Action::HandOver { old, old_name, rename: Some(rename), activation, .. } = &step.action else {
            return;
        };
        if rename.name.is_none() || activation.active != Some(true) {
            return;
        }
        let (old, name) = (old.as_str().to_owned(), old_name.as_str().to_owned());
        self.0.push(Open { run, step: step.id, old, name, renamed: None });
    }

    /// Follows a change; returns whether it was the rename of a hand-over.
    ///
    /// # Errors
    ///
    /// A name that was free for too long.
    pub(super) fn follow(&mut self, before: &Rows, after: &Rows, now: Instant) -> Result<bool, String> {
        let name_of = |rows: &Rows, id: &str| rows.get(id).map(|row| row.name.clone());
        let mut begins = false;
        for open in &mut self.0 {
            let had = name_of(before, &open.old).as_deref() == Some(&open.name);
            if open.renamed.is_none() && had && name_of(after, &open.old).as_deref() != Some(&open.name) {
                open.renamed = Some(now);
                begins = true;
            }
            // An undo is complete when the old service has its name, which it may have had out of use.
            let has_it_back = name_of(after, &open.old).as_deref() == Some(&open.name);
            let is_held = has_it_back || after.values().any(|row| row.active && row.name == open.name);
            if let (Some(since), true) = (open.renamed, is_held) {
                within(&open.name, now - since)?;
                open.renamed = None;
            }
        }
        Ok(begins)
    }

    /// Errors if the step ends too late after its rename.
    pub(super) fn end(&mut self, run: usize, step: StepId, now: Instant) -> Result<(), String> {
        let Some(index) = self.0.iter().position(|open| (open.run, open.step) == (run, step)) else {
            return Ok(());
        };
        let open = self.0.swap_remove(index);
        open.renamed.map_or(Ok(()), |since| within(&open.name, now - since))
    }

    /// Forgets the hand-overs of a process that died.
    pub(super) fn died(&mut self, run: usize) {
        self.0.retain(|open| open.run != run);
    }
}

fn within(name: &str, time: Duration) -> Result<(), String> {
    if time <= LONGEST {
        return Ok(());
    }
    Err(format!("the name {name:?} was free for {:.1} s in a hand-over", time.as_secs_f64()))
}
