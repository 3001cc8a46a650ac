//! What must hold after every request that was processed. May import `model` and `emulator`.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, Kind};
use super::world::{Row, Rows};

/// The rules of one case, and what they remember.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Names that manifests speak of: services with these may be adopted.
    claimed: BTreeSet<String>,
    /// Services that were ours at some time: a run that knows an older state may still change them.
    once_ours: BTreeSet<String>,
    /// For each service that was active at the start: itself and those that were to replace it.
    lines: BTreeMap<String, BTreeSet<String>>,
    /// The lines that an undisturbed run keeps in use to its end: they are never out of use.
    in_use: BTreeSet<String>,
    /// Whether version sets are looked at: where all sets are written as one, the last of two runs wins.
    guards_sets: bool,
    /// The most services that there may be, others' apart.
    most: usize,
    /// Whether an operator may change an owner while a request is on its way.
    owners_change: bool,
}

impl Rules {
    /// The rules, given every state that an undisturbed run goes through, the first included.
    pub(super) fn new(case: &Case, history: &[Rows]) -> Self {
        let wanted = case.desired.services.values();
        let claimed = wanted
            .flat_map(|service| [Some(&service.name), service.lifecycle.renamed_from.as_ref()])
            .flatten()
            .map(|name| name.as_str().to_owned())
            .collect();
        let start = history.first().into_iter().flatten();
        let active = start.filter(|(_, row)| row.active);
        let lines = active.map(|(id, _)| (id.clone(), BTreeSet::from([id.clone()]))).collect();
        let guards_sets = case.second.is_none() || !case.api.updates_version_sets();
        let mut rules = Self {
            claimed,
            once_ours: BTreeSet::new(),
            lines,
            in_use: BTreeSet::new(),
            guards_sets,
            most: 0,
            owners_change: case.kind == Kind::Edits,
        };
        let at_start = rules.clone();
        history.iter().for_each(|rows| rules.follow(rows));
        let end = history.last().expect("there is a start");
        let in_use = rules.lines.iter().filter(|(_, line)| is_in_use(line, end));
        let mut in_use: BTreeSet<String> = in_use.map(|(id, _)| id.clone()).collect();
        if case.kind == Kind::Edits {
            // After an edit, the next plan may rightly be another one: lines are followed plan by plan.
            in_use.clear();
        }
        // What is deleted may be deleted later than in the undisturbed run, after all creates.
        let ever: BTreeSet<&String> = history.iter().flat_map(Rows::keys).collect();
        // Of two runs at once, each may make the same: one of the two is set aside, or both.
        let made = ever.len() - history.first().map_or(0, Rows::len);
        let most = ever.len() + if case.second.is_some() { 2 * made } else { 0 };
        Self { in_use, most, ..at_start }
    }

    /// Takes note of what others have done: one more service, perhaps, and one that they took out of use.
    pub(super) fn edited(&mut self, before: &Rows, after: &Rows) {
        self.note_ours(before);
        // A service that lost its name or its owner may be made once more by the next run, and replaced.
        self.most += 2;
        self.in_use.retain(|old| is_in_use(&self.lines[old], after));
    }

    /// One more service may be there than the plan needs.
    pub(super) fn allow_one_more(&mut self) {
        self.most += 1;
    }

    fn note_ours(&mut self, rows: &Rows) {
        // A service that manifests may adopt loses its name to an operator while the adoption is on its way.
        let is_adopted = |row: &Row| {
            self.owners_change && row.tag("managed_by").is_none() && self.claimed.contains(&row.name)
        };
        let is_ours = |row: &Row| row.is_ours() || is_adopted(row);
        let ours: Vec<_> = rows.iter().filter(|(_, row)| is_ours(row)).map(|(id, _)| id.clone()).collect();
        self.once_ours.extend(ours);
    }

    fn follow(&mut self, rows: &Rows) {
        for line in self.lines.values_mut() {
            for (id, row) in rows {
                if row.tag("replaces").is_some_and(|old| line.contains(old)) {
                    line.insert(id.clone());
                }
            }
        }
    }

    /// Judges what one request has done.
    ///
    /// # Errors
    ///
    /// The rule that it broke.
    pub(super) fn judge(&mut self, before: &Rows, after: &Rows) -> Result<(), String> {
        self.follow(after);
        self.note_ours(before);
        let mut names = BTreeSet::new();
        if let Some((_, row)) = after.iter().find(|(_, row)| row.active && !names.insert(&row.name)) {
            return Err(format!("two active services are called {:?}", row.name));
        }
        if let Some(old) = self.in_use.iter().find(|old| !is_in_use(&self.lines[*old], after)) {
            let line = &self.lines[old];
            return Err(format!("neither {old} nor a successor is active; its line is {line:?}"));
        }
        if after.len() > self.most {
            return Err(format!("{} services, and the plan needs {} at most", after.len(), self.most));
        }
        for (id, row) in before {
            self.judge_one(id, row, after.get(id))?;
        }
        match after.iter().find(|(id, row)| !before.contains_key(*id) && !row.is_ours()) {
            Some((id, _)) => Err(format!("{id} is new and does not carry our tag")),
            None => Ok(()),
        }
    }

    fn judge_one(&self, id: &str, before: &Row, after: Option<&Row>) -> Result<(), String> {
        let Some(after) = after else {
            let was_ours = self.owners_change && self.once_ours.contains(id);
            let ours = (before.is_ours() || was_ours) && !before.system;
            return if ours { Ok(()) } else { Err(format!("{id} was deleted, and it isn't ours")) };
        };
        if before == after {
            return Ok(());
        }
        let adopted = before.tag("managed_by").is_none()
            && (self.claimed.contains(&before.name) || self.once_ours.contains(id));
        let was_ours = self.owners_change && self.once_ours.contains(id);
        if before.system || !(before.is_ours() || adopted || was_ours) {
            return Err(format!("{id} ({:?}) was changed, and it isn't ours", before.name));
        }
        for (name, set) in before.sets.iter().filter(|_| self.guards_sets) {
            let Some(now) = after.sets.get(name) else {
                let kept = name == "release" || name == "edge" || name.starts_with("personal-");
                if kept {
                    return Err(format!("version set {name} of {id} was deleted"));
                }
                continue;
            };
            if now.extra != set.extra || now.llm_model_preferences != set.llm_model_preferences {
                return Err(format!("what nobody names in version set {name} of {id} was lost"));
            }
        }
        Ok(())
    }
}

fn is_in_use(line: &BTreeSet<String>, rows: &Rows) -> bool {
    line.iter().any(|id| rows.get(id).is_some_and(|row| row.active))
}
