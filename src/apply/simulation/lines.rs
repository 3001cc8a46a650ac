//! Services that must be in use, as themselves or as those that replace them.

use std::collections::{BTreeMap, BTreeSet};

use super::world::Rows;
use crate::model::{LiveService, Snapshot, TAG_REPLACES};

/// For each service that has been in use: it, and those that were to replace it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    lines: BTreeMap<String, BTreeSet<String>>,
    /// Lines that a plan of this stage takes out of use.
    given_up: BTreeSet<String>,
}

impl Lines {
    /// Begins with another commit: earlier plans take nothing out of use any more.
    pub(super) fn begin_stage(&mut self) {
        self.given_up.clear();
    }

    /// Notes who is in use and who is to replace whom.
    pub(super) fn follow(&mut self, rows: &Rows) {
        for (id, _) in rows.iter().filter(|(_, row)| row.active) {
            self.lines.entry(id.clone()).or_insert_with(|| BTreeSet::from([id.clone()]));
        }
        let links = rows.iter().filter_map(|(id, row)| Some((row.tag("replaces")?.to_owned(), id.clone())));
        self.link(&links.collect::<Vec<_>>());
    }

    fn link(&mut self, links: &[(String, String)]) {
        for line in self.lines.values_mut() {
            loop {
                let is_next = |(old, new): &&(String, String)| line.contains(old) && !line.contains(new);
                let Some((_, new)) = links.iter().find(is_next) else { break };
                line.insert(new.clone());
            }
        }
    }

    /// Notes what a plan takes out of use, given what it saw and what it brings about.
    pub(super) fn planned(&mut self, seen: &Snapshot, outcome: &Snapshot) {
        let mut lines = self.clone();
        let link = |service: &LiveService| {
            let old = service.tags.get(TAG_REPLACES)?.clone()?;
            Some((old, service.id.as_str().to_owned()))
        };
        lines.link(&outcome.services.iter().filter_map(link).collect::<Vec<_>>());
        let active = |snapshot: &Snapshot| -> BTreeSet<String> {
            let active = snapshot.services.iter().filter(|service| service.active);
            active.map(|service| service.id.as_str().to_owned()).collect()
        };
        let (before, after) = (active(seen), active(outcome));
        let ends = lines
            .lines
            .into_iter()
            .filter(|(_, line)| !line.is_disjoint(&before) && line.is_disjoint(&after));
        self.given_up.extend(ends.map(|(first, _)| first));
    }

    /// Errors if a request took a line out of use that no plan takes out of use.
    ///
    /// `is_unseen` tells of a service, and of the one that the request was about, whether somebody else has activated,
    /// deactivated or deleted the first so late that the run could not know it. Between the look of a step and its
    /// write, an operator may deactivate or delete the new service, or activate the old one again: then the write
    /// takes the last one of the line out of use, which docs/reliability.md says.
    pub(super) fn judge(
        &mut self,
        before: &Rows,
        after: &Rows,
        is_unseen: &dyn Fn(&str, &str) -> bool,
    ) -> Result<(), String> {
        self.follow(after);
        let is_in_use = |line: &BTreeSet<String>, rows: &Rows| {
            line.iter().any(|id| rows.get(id).is_some_and(|row| row.active))
        };
        let lost = self
            .lines
            .iter()
            .filter(|(first, _)| !self.given_up.contains(*first))
            .filter(|(_, line)| is_in_use(line, before) && !is_in_use(line, after))
            .find(|(_, line)| {
                let was_active = |id: &&String| before.get(*id).is_some_and(|row| row.active);
                let last: Vec<&String> = line.iter().filter(was_active).collect();
                let comes_late = |target: &String| line.iter().any(|id| is_unseen(id, target));
                !matches!(last.as_slice(), [target] if comes_late(target))
            });
        if let Some((first, line)) = lost {
            return Err(format!("{first} went out of use, which no manifests ask for; its line is {line:?}"));
        }
        self.no_former_comes_back(before, after)
    }

    /// A service that was replaced does not get a name back while one that replaces it is in use.
    fn no_former_comes_back(&self, before: &Rows, after: &Rows) -> Result<(), String> {
        for (id, row) in after {
            let had_given_up = before.get(id).is_some_and(|was| was.name.contains("(replaced "));
            if !had_given_up || row.name.contains("(replaced ") {
                continue;
            }
            let later = self.lines.get(id).into_iter().flatten();
            let is_successor =
                |other: &&String| *other != id && after.get(*other).is_some_and(|row| row.active);
            if let Some(successor) = later.clone().find(is_successor) {
                return Err(format!("{id} is called {:?} again, although {successor} is in use", row.name));
            }
        }
        Ok(())
    }
}

mod tests {
    use std::collections::BTreeMap;

    use super::super::looks::{Author, Looks};
    use super::super::world::{Row, Rows};
    use super::Lines;

    fn row(active: bool, replaces: Option<&str>) -> Row {
        let tags = replaces.map(|old| ("replaces".to_owned(), Some(old.to_owned())));
        Row {
            name: "Coach".to_owned(),
            active,
            description: String::new(),
            agent: String::new(),
            graph: String::new(),
            tags: tags.into_iter().collect(),
            keyterms: Vec::new(),
            sets: BTreeMap::new(),
            blocks: [None, None],
            system: false,
        }
    }

    fn rows(old: bool, new: Option<bool>) -> Rows {
        let new = new.map(|active| ("new".to_owned(), row(active, Some("old"))));
        Rows::from_iter([("old".to_owned(), row(old, None))].into_iter().chain(new))
    }

    /// A retirement takes the old service out of use, and an operator has taken the new one out of use: before the look,
    /// before another write of the run, or just before the retirement.
    #[test]
    fn only_an_edit_between_a_look_and_its_write_is_excused() {
        for edited in [rows(true, Some(false)), rows(true, None)] {
            for (moment, excused) in [(0, false), (1, false), (2, true)] {
                let (both, ids) = (rows(true, Some(true)), vec!["old".to_owned(), "new".to_owned()]);
                let mut looks = Looks::new(true, false);
                let look = |looks: &mut Looks, number| {
                    looks.reads(number, ids.clone());
                    looks.arrived(0, number);
                };
                look(&mut looks, 1);
                looks.planned(0, Vec::new());
                let steps: [&dyn Fn(&mut Looks); 3] = [
                    &|looks| look(looks, 2),
                    &|looks| looks.sends(0, 3, "another write".to_owned()),
                    &|looks| looks.sends(0, 4, "the retirement".to_owned()),
                ];
                for (at, step) in steps.into_iter().enumerate() {
                    if at == moment {
                        looks.note(Author::Operator, &both, &edited);
                    }
                    step(&mut looks);
                }
                let mut lines = Lines::default();
                lines.follow(&both);
                let after = rows(false, edited.get("new").map(|new| new.active));
                let verdict = lines.judge(&edited, &after, &|id, target| looks.is_unseen(4, id, target));
                assert_eq!(verdict.is_ok(), excused, "{moment}: {verdict:?}");
            }
        }
    }
}
