//! Checks that services stay in use. A service is in use if it is active, or if a replacement of it is active.

use std::collections::{BTreeMap, BTreeSet};

use super::world::Rows;
use crate::model::{LiveService, Snapshot, TAG_REPLACES};

/// The replacement chains. A chain has a service that was active at some time, the service that replaces it, the
/// service that replaces that one, and so on.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplacementChains {
    /// The members of each chain. The key is the id of its first service.
    chains: BTreeMap<String, BTreeSet<String>>,
    /// The chains that a plan in the current stage takes out of use. They are named by their first service.
    retired: BTreeSet<String>,
}

impl ReplacementChains {
    /// Starts the next stage. From now on, plans of earlier stages no longer allow any chain to go out of use.
    pub(super) fn start_stage(&mut self) {
        self.retired.clear();
    }

    /// Records which services are active, and which services replace others.
    pub(super) fn record_state(&mut self, rows: &Rows) {
        for (id, _) in rows.iter().filter(|(_, row)| row.active) {
            self.chains.entry(id.clone()).or_insert_with(|| BTreeSet::from([id.clone()]));
        }
        let links = rows.iter().filter_map(|(id, row)| Some((row.tag("replaces")?.to_owned(), id.clone())));
        self.add_links(&links.collect::<Vec<_>>());
    }

    /// Adds replacements to the chains. Each link is an old service and the service that replaces it.
    fn add_links(&mut self, links: &[(String, String)]) {
        for chain in self.chains.values_mut() {
            loop {
                let is_next = |(old, new): &&(String, String)| chain.contains(old) && !chain.contains(new);
                let Some((_, new)) = links.iter().find(is_next) else { break };
                chain.insert(new.clone());
            }
        }
    }

    /// Records the chains that a plan takes out of use. `before` is the state that the plan was made from, and
    /// `after` is the planned state.
    pub(super) fn record_plan(&mut self, before: &Snapshot, after: &Snapshot) {
        let mut planned = self.clone();
        let link = |service: &LiveService| {
            let old = service.tags.get(TAG_REPLACES)?.clone()?;
            Some((old, service.id.as_str().to_owned()))
        };
        planned.add_links(&after.services.iter().filter_map(link).collect::<Vec<_>>());
        let active = |snapshot: &Snapshot| -> BTreeSet<String> {
            let active = snapshot.services.iter().filter(|service| service.active);
            active.map(|service| service.id.as_str().to_owned()).collect()
        };
        let (before, after) = (active(before), active(after));
        let retired = planned
            .chains
            .into_iter()
            .filter(|(_, chain)| !chain.is_disjoint(&before) && chain.is_disjoint(&after));
        self.retired.extend(retired.map(|(first, _)| first));
    }

    /// Checks that a request took no chain out of use, unless a plan does that.
    ///
    /// `is_unseen(id, target)` returns true if another client activated, deactivated or deleted the service `id`, and
    /// the run could not know that when it wrote to `target`.
    ///
    /// An operator may change a service between a step's read and its write: deactivate or delete the new service, or
    /// activate the old one again. The write may then take the last service of the chain out of use.
    /// `docs/reliability.md` documents that.
    ///
    /// # Errors
    ///
    /// Errors with the rule that the request broke.
    pub(super) fn check(
        &mut self,
        before: &Rows,
        after: &Rows,
        is_unseen: &dyn Fn(&str, &str) -> bool,
    ) -> Result<(), String> {
        self.record_state(after);
        let is_in_use = |chain: &BTreeSet<String>, rows: &Rows| {
            chain.iter().any(|id| rows.get(id).is_some_and(|row| row.active))
        };
        let lost = self
            .chains
            .iter()
            .filter(|(first, _)| !self.retired.contains(*first))
            .filter(|(_, chain)| is_in_use(chain, before) && !is_in_use(chain, after))
            .find(|(_, chain)| {
                let was_active = |id: &&String| before.get(*id).is_some_and(|row| row.active);
                let last: Vec<&String> = chain.iter().filter(was_active).collect();
                let changed_too_late = |target: &String| chain.iter().any(|id| is_unseen(id, target));
                !matches!(last.as_slice(), [target] if changed_too_late(target))
            });
        if let Some((first, chain)) = lost {
            return Err(format!(
                "{first} went out of use, and no manifests ask for that; its chain is {chain:?}"
            ));
        }
        self.check_former_names(before, after)
    }

    /// Checks that no former service gets its name back while a service of its chain that replaces it is active.
    fn check_former_names(&self, before: &Rows, after: &Rows) -> Result<(), String> {
        for (id, row) in after {
            let was_former = before.get(id).is_some_and(|was| was.name.contains("(replaced "));
            if !was_former || row.name.contains("(replaced ") {
                continue;
            }
            let chain = self.chains.get(id).into_iter().flatten();
            let is_successor =
                |other: &&String| *other != id && after.get(*other).is_some_and(|row| row.active);
            if let Some(successor) = chain.clone().find(is_successor) {
                return Err(format!(
                    "{id} has the name {:?} again, although {successor} is in use",
                    row.name
                ));
            }
        }
        Ok(())
    }
}

mod tests {
    use std::collections::BTreeMap;

    use super::super::lost_updates::{Author, LostUpdateCheck};
    use super::super::world::{Row, Rows};
    use super::ReplacementChains;

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

    /// A step retires the old service. An operator takes the new service out of use before the step's read, before
    /// another write of the run, or just before the retirement. Only the last edit is excused, because the step can't
    /// see it.
    #[test]
    fn only_an_edit_between_a_read_and_its_write_is_excused() {
        for edited in [rows(true, Some(false)), rows(true, None)] {
            for (moment, excused) in [(0, false), (1, false), (2, true)] {
                let (both, ids) = (rows(true, Some(true)), vec!["old".to_owned(), "new".to_owned()]);
                let mut lost_updates = LostUpdateCheck::new(true, false);
                let read = |lost_updates: &mut LostUpdateCheck, number| {
                    lost_updates.process_read(number, ids.clone());
                    lost_updates.receive_answer(0, number);
                };
                read(&mut lost_updates, 1);
                lost_updates.record_plan(0, Vec::new());
                let steps: [&dyn Fn(&mut LostUpdateCheck); 3] = [
                    &|lost_updates| read(lost_updates, 2),
                    &|lost_updates| lost_updates.send_write(0, 3, "another write".to_owned()),
                    &|lost_updates| lost_updates.send_write(0, 4, "the retirement".to_owned()),
                ];
                for (at, step) in steps.into_iter().enumerate() {
                    if at == moment {
                        lost_updates.record_change(Author::Operator, &both, &edited);
                    }
                    step(&mut lost_updates);
                }
                let mut chains = ReplacementChains::default();
                chains.record_state(&both);
                let after = rows(false, edited.get("new").map(|new| new.active));
                let result =
                    chains.check(&edited, &after, &|id, target| lost_updates.is_unseen(4, id, target));
                assert_eq!(result.is_ok(), excused, "{moment}: {result:?}");
            }
        }
    }
}
