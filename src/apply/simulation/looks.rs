//! Each step looks before it acts: no write undoes a change that its run had seen, or could have seen by reading just
//! before.
//!
//! The simulation knows the order of all requests. For a write that changes what somebody else has changed since the
//! plan's own reading, it asks whether the run could know that when it sent the write:
//!
//! * Steps one by one: it had read the change, or has sent another write since the change (two for an activation, since
//!   a hand-over reads before the rename). Reads in between don't count.
//! * Steps at once: the change came before the step began.
//!
//! A change between a step's reading and its write can't be seen, and is excused.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Row, Rows};

/// One thing that can change of a service.
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

/// The author of a change.
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
        // Two fields: a write of the one pin carries the other along as an operator has left it.
        Field::ReleasedAgent => format!("{:?}", row.sets.get("release").map(|set| set.agent_version)),
        Field::ReleasedGraph => format!("{:?}", row.sets.get("release").map(|set| set.context_graph_version)),
        Field::Owner => format!("{:?}", row.tag("managed_by")),
        Field::Replaces => format!("{:?}", row.tag("replaces")),
        // The tag that operators write: others are written beside it.
        Field::Tags => format!("{:?}", row.tags.get("console")),
    }
}

#[derive(Clone, Debug)]
struct Sent {
    at: u64,
    run: usize,
    /// The method, the address and the body: what is sent again is the same.
    what: String,
    /// When the run had last read each service, of those reads whose answers had arrived.
    read: BTreeMap<String, u64>,
}

/// All reads, writes and changes so far, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    now: u64,
    sequential: bool,
    /// Two runs at once: only what takes out of use, revives or renames counts.
    pair: bool,
    /// By the request's number.
    reading: BTreeMap<usize, (u64, Vec<String>)>,
    read: BTreeMap<(usize, String), u64>,
    planned: BTreeMap<usize, BTreeMap<String, u64>>,
    /// The names that a run's plan gives: another run may have given them first.
    given: BTreeSet<(usize, String, String)>,
    started: BTreeMap<(usize, String), u64>,
    sent: BTreeMap<usize, Sent>,
    changed: BTreeMap<(String, Field), (u64, Author)>,
    /// The service that each one was to replace.
    replaces: BTreeMap<String, String>,
}

impl Looks {
    pub(super) fn new(sequential: bool, pair: bool) -> Self {
        Self { sequential, pair, ..Self::default() }
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// A run sends a write.
    pub(super) fn sends(&mut self, run: usize, number: usize, what: String) {
        let at = self.tick();
        let of_run = self.read.iter().filter(|((reader, _), _)| *reader == run);
        let read = of_run.map(|((_, id), at)| (id.clone(), *at)).collect();
        self.sent.insert(number, Sent { at, run, what, read });
    }

    /// The server has read these services for a request.
    pub(super) fn reads(&mut self, number: usize, ids: Vec<String>) {
        let at = self.tick();
        self.reading.insert(number, (at, ids));
    }

    /// An answer has arrived.
    pub(super) fn arrived(&mut self, run: usize, number: usize) {
        let Some((at, ids)) = self.reading.remove(&number) else { return };
        for id in ids {
            let last = self.read.entry((run, id)).or_default();
            *last = at.max(*last);
        }
    }

    /// A run has made its plan, which gives services these names: it rests on what was read so far.
    pub(super) fn planned(&mut self, run: usize, given: Vec<(String, String)>) {
        self.given.extend(given.into_iter().map(|(id, name)| (run, id, name)));
        let of_run = self.read.iter().filter(|((reader, _), _)| *reader == run);
        let read = of_run.map(|((_, id), at)| (id.clone(), *at)).collect();
        self.planned.insert(run, read);
    }

    /// A step begins that is about these services.
    pub(super) fn step_begins(&mut self, run: usize, ids: &[String]) {
        let at = self.tick();
        for id in ids {
            self.started.insert((run, id.clone()), at);
        }
    }

    /// Notes what somebody has changed.
    pub(super) fn note(&mut self, author: Author, before: &Rows, after: &Rows) {
        let at = self.tick();
        for (id, row) in after {
            if let Some(old) = row.tag("replaces") {
                self.replaces.insert(id.clone(), old.to_owned());
            }
            let Some(was) = before.get(id) else { continue };
            for field in FIELDS.into_iter().filter(|field| value(was, *field) != value(row, *field)) {
                self.changed.insert((id.clone(), field), (at, author));
            }
        }
        for id in before.keys().filter(|id| !after.contains_key(*id)) {
            self.changed.insert((id.clone(), Field::Active), (at, author));
        }
    }

    /// Whether somebody else has activated, deactivated or deleted a service since the plan, and so late that the run
    /// could not know it when it sent this write to `target`.
    pub(super) fn is_unseen(&self, number: usize, id: &str, target: &str) -> bool {
        let changed = self.changed.get(&(id.to_owned(), Field::Active));
        let (Some(sent), Some((at, author))) = (self.sent.get(&number), changed) else { return false };
        let planned = self.planned.get(&sent.run).and_then(|read| read.get(id)).copied().unwrap_or_default();
        let is_news = *author != Author::Run(sent.run) && *at > planned;
        is_news && self.no_unseen_change(sent, id, target, Field::Active, 0).is_ok()
    }

    /// Judges the effect of a write, and notes it.
    ///
    /// # Errors
    ///
    /// A change that it undoes although the run could know it.
    pub(super) fn judge(&mut self, number: usize, before: &Rows, after: &Rows) -> Result<(), String> {
        let Some(sent) = self.sent.remove(&number) else { return Ok(()) };
        let mut verdict = Ok(());
        for (id, was) in before {
            let is = after.get(id);
            if is == Some(was) {
                continue;
            }
            verdict = verdict.and_then(|()| self.judge_one(&sent, id, was, is, before));
        }
        self.note(Author::Run(sent.run), before, after);
        // What was sent stays known: writes in between are counted.
        self.sent.insert(number, sent);
        verdict
    }

    fn judge_one(
        &self,
        sent: &Sent,
        id: &str,
        was: &Row,
        is: Option<&Row>,
        rows: &Rows,
    ) -> Result<(), String> {
        let changes = |field| is.is_none_or(|is| value(was, field) != value(is, field));
        let activates = is.is_some_and(|is| is.active && !was.active);
        let acts = is.is_none() || changes(Field::Active) || changes(Field::Name);
        let is_as_given = self.given.contains(&(sent.run, id.to_owned(), was.name.clone()));
        let was_there = self.planned.get(&sent.run).is_some_and(|read| read.contains_key(id));
        for field in FIELDS {
            let counts = match field {
                Field::Active => is.is_some() && changes(field),
                // Of two runs that set a service aside on its way, either may take it to its end: the name that it has
                // then is the one that both have given it. Any other name that was changed counts.
                Field::Name if is_as_given && was.name.contains(" (renaming ") => false,
                Field::Name => (is.is_some() && changes(field)) || (acts && !is_as_given),
                Field::Owner => acts || was_there || changes(field),
                Field::Replaces => activates,
                Field::Description | Field::ReleasedAgent | Field::ReleasedGraph | Field::Tags => {
                    is.is_some() && changes(field)
                }
            };
            let in_pairs = matches!(field, Field::Active | Field::Name);
            if counts && (!self.pair || in_pairs) {
                self.no_unseen_change(sent, id, id, field, u64::from(activates))?;
            }
        }
        let old = self.replaces.get(id).filter(|_| activates && !self.pair);
        let Some((old, there)) = old.and_then(|old| Some((old, rows.get(old)?))) else { return Ok(()) };
        let new = is.unwrap_or(was);
        let carried =
            [Field::Active, Field::Description, Field::ReleasedAgent, Field::ReleasedGraph, Field::Owner];
        for field in carried {
            if value(there, field) != value(new, field) {
                self.no_unseen_change(sent, old, id, field, 1)?;
            }
        }
        Ok(())
    }

    /// Errors if somebody else has changed this field of a service since the plan, and the run could know it when
    /// it sent a write to `target`, with so many writes between its reading and this one.
    fn no_unseen_change(
        &self,
        sent: &Sent,
        id: &str,
        target: &str,
        field: Field,
        between: u64,
    ) -> Result<(), String> {
        let Some((at, author)) = self.changed.get(&(id.to_owned(), field)) else { return Ok(()) };
        let planned = self.planned.get(&sent.run).and_then(|read| read.get(id)).copied().unwrap_or_default();
        if *author == Author::Run(sent.run) || *at <= planned || *at > sent.at {
            return Ok(());
        }
        let read = sent.read.get(id).copied().unwrap_or_default();
        let why = if self.sequential && *at < read {
            "it had read that"
        } else if self.sequential && self.writes_between(sent, *at) > between {
            "it did not look just before"
        } else if !self.sequential
            && self.started.get(&(sent.run, target.to_owned())).is_some_and(|start| at < start)
        {
            "its step began later"
        } else {
            return Ok(());
        };
        Err(format!(
            "run {} writes to {target} although {author:?} has changed {field:?} of {id} since its plan: {why}",
            sent.run
        ))
    }

    /// How many other writes a run has sent since a moment.
    fn writes_between(&self, sent: &Sent, since: u64) -> u64 {
        let others = self.sent.values().filter(|other| {
            other.run == sent.run && other.at > since && other.at < sent.at && other.what != sent.what
        });
        others.map(|other| &other.what).collect::<BTreeSet<_>>().len() as u64
    }
}
