//! Finds lost updates: writes that undo another client's change, although the run had read that change or could have
//! read it.
//!
//! The simulation knows the order of all requests. If a write changes a value that another client has changed since
//! the plan was made, this module checks that the run could not know the change:
//!
//! * Steps that run one at a time: the run could know the change if it had read it, or if it had sent another write
//!   since the change. For an activation, two other writes are needed, because a cut-over reads the services before its
//!   rename. Reads of other services don't count.
//! * Steps that run at the same time: the run could know the change if it came before the step started.
//!
//! A step can't see a change between its read and its write, so such a change is allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Row, Rows};

/// A value of a service for which lost updates are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Name,
    Active,
    Description,
    ReleasedAgent,
    ReleasedGraph,
    Owner,
    Replaces,
    Tags,
}

const FIELDS: [Field; 8] = [
    Field::Name,
    Field::Active,
    Field::Description,
    Field::ReleasedAgent,
    Field::ReleasedGraph,
    Field::Owner,
    Field::Replaces,
    Field::Tags,
];

/// The author of a change: an operator or a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    Operator,
    Run(usize),
}

fn value(row: &Row, field: Field) -> String {
    match field {
        Field::Name => row.name.clone(),
        Field::Active => row.active.to_string(),
        Field::Description => row.description.clone(),
        // The two pins of `release` are separate fields, because a write of one pin keeps the other pin as it is.
        Field::ReleasedAgent => format!("{:?}", row.sets.get("release").map(|set| set.agent_version)),
        Field::ReleasedGraph => format!("{:?}", row.sets.get("release").map(|set| set.context_graph_version)),
        Field::Owner => format!("{:?}", row.tag("managed_by")),
        Field::Replaces => format!("{:?}", row.tag("replaces")),
        // Only the tag `console` is compared: operators write this tag, and runs write other tags.
        Field::Tags => format!("{:?}", row.tags.get("console")),
    }
}

/// A write that a run has sent.
#[derive(Clone, Debug)]
struct SentWrite {
    at: u64,
    run: usize,
    /// The method, the target and the body of the request. Retries of the same write have the same content.
    content: String,
    /// For each service, the time of the last read whose answer had arrived before this write was sent.
    read: BTreeMap<String, u64>,
}

/// The reads, writes and changes so far. A time is the position of an event in the order of all events.
#[derive(Clone, Debug, Default)]
pub(super) struct LostUpdateCheck {
    now: u64,
    /// True if each run executes one step at a time.
    sequential: bool,
    /// True if two runs with different manifests work at the same time. Then only the activity and the names of
    /// services are checked.
    pair: bool,
    /// The reads whose answers have not arrived yet, by the number of the request: the time of the read, and the ids
    /// of the services.
    reads_in_flight: BTreeMap<usize, (u64, Vec<String>)>,
    /// The time of the last read of a service by a run. The key is the run and the service.
    read: BTreeMap<(usize, String), u64>,
    /// For each run, the times of the reads that its plan was made from, by the id of the service that was read.
    plan_reads: BTreeMap<usize, BTreeMap<String, u64>>,
    /// The names that the plans give to services: the run, the service and the name. Another run may give the same
    /// name first.
    given_names: BTreeSet<(usize, String, String)>,
    /// The start time of the last step of a run that acts on a service. The key is the run and the service.
    step_started: BTreeMap<(usize, String), u64>,
    sent: BTreeMap<usize, SentWrite>,
    /// The time and the author of the last change, for each field of each service.
    last_changes: BTreeMap<(String, Field), (u64, Author)>,
    /// For each new service of a replacement: the id of the service that it replaces.
    replaces: BTreeMap<String, String>,
}

impl LostUpdateCheck {
    pub(super) fn new(sequential: bool, pair: bool) -> Self {
        Self { sequential, pair, ..Self::default() }
    }

    fn next_time(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// Records that a run has sent a write.
    pub(super) fn send_write(&mut self, run: usize, number: usize, content: String) {
        let at = self.next_time();
        let of_run = self.read.iter().filter(|((reader, _), _)| *reader == run);
        let read = of_run.map(|((_, id), at)| (id.clone(), *at)).collect();
        self.sent.insert(number, SentWrite { at, run, content, read });
    }

    /// Records that the server has read services in order to answer a request.
    pub(super) fn process_read(&mut self, number: usize, ids: Vec<String>) {
        let at = self.next_time();
        self.reads_in_flight.insert(number, (at, ids));
    }

    /// Records that the answer to a request has reached the run.
    pub(super) fn receive_answer(&mut self, run: usize, number: usize) {
        let Some((at, ids)) = self.reads_in_flight.remove(&number) else { return };
        for id in ids {
            let last = self.read.entry((run, id)).or_default();
            *last = at.max(*last);
        }
    }

    /// Records that a run has made a plan from what it has read so far. `names` are the names that the plan gives to
    /// services.
    pub(super) fn record_plan(&mut self, run: usize, names: Vec<(String, String)>) {
        self.given_names.extend(names.into_iter().map(|(id, name)| (run, id, name)));
        let of_run = self.read.iter().filter(|((reader, _), _)| *reader == run);
        let read = of_run.map(|((_, id), at)| (id.clone(), *at)).collect();
        self.plan_reads.insert(run, read);
    }

    /// Records that a run has started a step that acts on these services.
    pub(super) fn start_step(&mut self, run: usize, ids: &[String]) {
        let at = self.next_time();
        for id in ids {
            self.step_started.insert((run, id.clone()), at);
        }
    }

    /// Records the differences between two states, and their author.
    pub(super) fn record_change(&mut self, author: Author, before: &Rows, after: &Rows) {
        let at = self.next_time();
        for (id, row) in after {
            if let Some(old) = row.tag("replaces") {
                self.replaces.insert(id.clone(), old.to_owned());
            }
            let Some(was) = before.get(id) else { continue };
            for field in FIELDS.into_iter().filter(|field| value(was, *field) != value(row, *field)) {
                self.last_changes.insert((id.clone(), field), (at, author));
            }
        }
        for id in before.keys().filter(|id| !after.contains_key(*id)) {
            self.last_changes.insert((id.clone(), Field::Active), (at, author));
        }
    }

    /// Returns true if another client has activated, deactivated or deleted a service since the plan, and the run
    /// could not know that when it sent its write to `target`.
    pub(super) fn is_unseen(&self, number: usize, id: &str, target: &str) -> bool {
        let changed = self.last_changes.get(&(id.to_owned(), Field::Active));
        let (Some(sent), Some((at, author))) = (self.sent.get(&number), changed) else { return false };
        let planned =
            self.plan_reads.get(&sent.run).and_then(|read| read.get(id)).copied().unwrap_or_default();
        let is_new = *author != Author::Run(sent.run) && *at > planned;
        is_new && self.check_change_unseen(sent, (id, Field::Active), target, 0).is_ok()
    }

    /// Checks that a write of a run undid no change that the run could know, and records what the write changed.
    ///
    /// # Errors
    ///
    /// Errors if the write undid such a change.
    pub(super) fn check_write(&mut self, number: usize, before: &Rows, after: &Rows) -> Result<(), String> {
        let Some(sent) = self.sent.remove(&number) else { return Ok(()) };
        let mut result = Ok(());
        for (id, was) in before {
            let is = after.get(id);
            if is == Some(was) {
                continue;
            }
            result = result.and_then(|()| self.check_service(&sent, id, before, after));
        }
        self.record_change(Author::Run(sent.run), before, after);
        // Keeps the write, because `writes_between` counts it.
        self.sent.insert(number, sent);
        result
    }

    fn check_service(&self, sent: &SentWrite, id: &str, before: &Rows, after: &Rows) -> Result<(), String> {
        let Some(was) = before.get(id) else { return Ok(()) };
        let is = after.get(id);
        let changes = |field| is.is_none_or(|is| value(was, field) != value(is, field));
        let activates = is.is_some_and(|is| is.active && !was.active);
        let acts = is.is_none() || changes(Field::Active) || changes(Field::Name);
        let has_planned_name = self.given_names.contains(&(sent.run, id.to_owned(), was.name.clone()));
        let was_planned = self.plan_reads.get(&sent.run).is_some_and(|read| read.contains_key(id));
        for field in FIELDS {
            let is_relevant = match field {
                Field::Active => is.is_some() && changes(field),
                // Two runs may both rename a service temporarily, and either may give it the final name: both plans give
                // it the same temporary name. Any other changed name is relevant.
                Field::Name if has_planned_name && was.name.contains(" (renaming ") => false,
                Field::Name => (is.is_some() && changes(field)) || (acts && !has_planned_name),
                Field::Owner => acts || was_planned || changes(field),
                Field::Replaces => activates,
                Field::Description | Field::ReleasedAgent | Field::ReleasedGraph | Field::Tags => {
                    is.is_some() && changes(field)
                }
            };
            let is_checked_in_pairs = matches!(field, Field::Active | Field::Name);
            if is_relevant && (!self.pair || is_checked_in_pairs) {
                self.check_change_unseen(sent, (id, field), id, u64::from(activates))?;
            }
        }
        let old = self.replaces.get(id).filter(|_| activates && !self.pair);
        let Some((old, old_row)) = old.and_then(|old| Some((old, before.get(old)?))) else { return Ok(()) };
        let new = is.unwrap_or(was);
        let copied =
            [Field::Active, Field::Description, Field::ReleasedAgent, Field::ReleasedGraph, Field::Owner];
        for field in copied {
            if value(old_row, field) != value(new, field) {
                self.check_change_unseen(sent, (old, field), id, 1)?;
            }
        }
        Ok(())
    }

    /// Errors if another client has changed this field since the plan, and the run could know that when it sent a
    /// write to `target`. `allowed_writes` is the number of writes that may come between the change and this write.
    fn check_change_unseen(
        &self,
        sent: &SentWrite,
        (id, field): (&str, Field),
        target: &str,
        allowed_writes: u64,
    ) -> Result<(), String> {
        let Some((at, author)) = self.last_changes.get(&(id.to_owned(), field)) else { return Ok(()) };
        let planned =
            self.plan_reads.get(&sent.run).and_then(|read| read.get(id)).copied().unwrap_or_default();
        if *author == Author::Run(sent.run) || *at <= planned || *at > sent.at {
            return Ok(());
        }
        let read = sent.read.get(id).copied().unwrap_or_default();
        let why = if self.sequential && *at < read {
            "it had read that"
        } else if self.sequential && self.writes_between(sent, *at) > allowed_writes {
            "it did not read it just before"
        } else if !self.sequential
            && self.step_started.get(&(sent.run, target.to_owned())).is_some_and(|start| at < start)
        {
            "its step started later"
        } else {
            return Ok(());
        };
        Err(format!(
            "run {} writes to {target} although {author:?} changed {field:?} of {id} after its plan: {why}",
            sent.run
        ))
    }

    /// Returns the number of other writes that the same run has sent between the time `since` and this write.
    fn writes_between(&self, sent: &SentWrite, since: u64) -> u64 {
        let others = self.sent.values().filter(|other| {
            other.run == sent.run && other.at > since && other.at < sent.at && other.content != sent.content
        });
        others.map(|other| &other.content).collect::<BTreeSet<_>>().len() as u64
    }
}
