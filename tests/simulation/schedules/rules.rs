//! The rules that the services must obey after every request that the server has processed.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, CaseKind};
use super::world::{Row, Rows};

/// The rules of one case, and the data from earlier states that they need.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The names of all services that the manifests declare or rename. Runs may adopt services with these names.
    declared_names: BTreeSet<String>,
    /// The ids of the services that the project has owned at some time. A run that has read an older state may still
    /// change them.
    ever_owned: BTreeSet<String>,
    /// A replacement chain for each service that was active at the start: the ids of the service itself and of its
    /// replacements. The key is the service's id.
    chains: BTreeMap<String, BTreeSet<String>>,
    /// The chains that are in use after an undisturbed run. One service of each chain must be active at
    /// all times.
    always_in_use: BTreeSet<String>,
    /// True if changes of version sets are checked. They are not checked if two runs work at the same time and the
    /// server writes all version sets at once, because then one run overwrites the sets of the other.
    checks_version_sets: bool,
    /// The maximum number of services that may exist.
    max_services: usize,
    /// True if an operator may change the owner of a service while a request is on its way.
    owners_change: bool,
}

impl Rules {
    /// Creates the rules of a case. `history` has all states of an undisturbed run, beginning with the initial state.
    pub(super) fn new(case: &Case, history: &[Rows]) -> Self {
        let declared = case.desired.services.values();
        let declared_names = declared
            .flat_map(|service| [Some(&service.name), service.lifecycle.renamed_from.as_ref()])
            .flatten()
            .map(|name| name.as_str().to_owned())
            .collect();
        let start = history.first().into_iter().flatten();
        let active = start.filter(|(_, row)| row.active);
        let chains = active.map(|(id, _)| (id.clone(), BTreeSet::from([id.clone()]))).collect();
        let checks_version_sets = case.second_run.is_none() || !case.api.updates_version_sets();
        let mut rules = Self {
            declared_names,
            ever_owned: BTreeSet::new(),
            chains,
            always_in_use: BTreeSet::new(),
            checks_version_sets,
            max_services: 0,
            owners_change: case.kind == CaseKind::Edits,
        };
        let at_start = rules.clone();
        history.iter().for_each(|rows| rules.extend_chains(rows));
        let end = history.last().expect("the history has a first state");
        let in_use = rules.chains.iter().filter(|(_, chain)| is_in_use(chain, end));
        let mut always_in_use: BTreeSet<String> = in_use.map(|(id, _)| id.clone()).collect();
        if case.kind == CaseKind::Edits {
            // After an edit, the next plan may be a different one, so chains are checked plan by plan instead.
            always_in_use.clear();
        }
        // Services may be deleted later than in the undisturbed run. In the worst case, all services exist at the same
        // time.
        let ever: BTreeSet<&String> = history.iter().flat_map(Rows::keys).collect();
        // Two runs at the same time may create the same services. Then one or both are abandoned.
        let created = ever.len() - history.first().map_or(0, Rows::len);
        let max_services = ever.len() + if case.second_run.is_some() { 2 * created } else { 0 };
        Self { always_in_use, max_services, ..at_start }
    }

    /// Changes the rules after an operator's edit: more services may exist, and a chain that the edit took out of use
    /// may stay out of use.
    pub(super) fn record_edit(&mut self, before: &Rows, after: &Rows) {
        self.record_owned(before);
        // If a service lost its name or its owner, the next run may create it again, and replace it.
        self.max_services += 2;
        self.always_in_use.retain(|old| is_in_use(&self.chains[old], after));
    }

    /// Raises the maximum number of services by one.
    pub(super) fn allow_one_more(&mut self) {
        self.max_services += 1;
    }

    fn record_owned(&mut self, rows: &Rows) {
        // An operator may rename a service while the request that adopts it is in flight.
        let is_adopted = |row: &Row| {
            self.owners_change && row.tag("managed_by").is_none() && self.declared_names.contains(&row.name)
        };
        let owned = rows.iter().filter(|(_, row)| row.is_owned() || is_adopted(row));
        let owned: Vec<String> = owned.map(|(id, _)| id.clone()).collect();
        self.ever_owned.extend(owned);
    }

    fn extend_chains(&mut self, rows: &Rows) {
        for chain in self.chains.values_mut() {
            for (id, row) in rows {
                if row.tag("replaces").is_some_and(|old| chain.contains(old)) {
                    chain.insert(id.clone());
                }
            }
        }
    }

    /// Checks the differences that one request has caused.
    ///
    /// # Errors
    ///
    /// Errors with the rule that the request broke.
    pub(super) fn check(&mut self, before: &Rows, after: &Rows) -> Result<(), String> {
        self.extend_chains(after);
        self.record_owned(before);
        let mut names = BTreeSet::new();
        if let Some((_, row)) = after.iter().find(|(_, row)| row.active && !names.insert(&row.name)) {
            return Err(format!("two active services have the name {:?}", row.name));
        }
        if let Some(old) = self.always_in_use.iter().find(|old| !is_in_use(&self.chains[*old], after)) {
            let chain = &self.chains[old];
            return Err(format!("neither {old} nor a successor is active; its chain is {chain:?}"));
        }
        if after.len() > self.max_services {
            return Err(format!(
                "{} services, but the plan needs at most {}",
                after.len(),
                self.max_services
            ));
        }
        for (id, row) in before {
            self.check_service(id, row, after.get(id))?;
        }
        match after.iter().find(|(id, row)| !before.contains_key(*id) && !row.is_owned()) {
            Some((id, _)) => Err(format!("{id} is new and does not have the ownership tag")),
            None => Ok(()),
        }
    }

    fn check_service(&self, id: &str, before: &Row, after: Option<&Row>) -> Result<(), String> {
        let Some(after) = after else {
            let was_owned = self.owners_change && self.ever_owned.contains(id);
            let owned = (before.is_owned() || was_owned) && !before.system;
            return if owned {
                Ok(())
            } else {
                Err(format!("{id} was deleted, but the project does not own it"))
            };
        };
        if before == after {
            return Ok(());
        }
        let may_be_adopted = before.tag("managed_by").is_none()
            && (self.declared_names.contains(&before.name) || self.ever_owned.contains(id));
        let was_owned = self.owners_change && self.ever_owned.contains(id);
        if before.system || !(before.is_owned() || may_be_adopted || was_owned) {
            return Err(format!("{id} ({:?}) was changed, but the project does not own it", before.name));
        }
        for (name, set) in before.sets.iter().filter(|_| self.checks_version_sets) {
            let Some(now) = after.sets.get(name) else {
                let must_stay = name == "release" || name == "edge" || name.starts_with("personal-");
                if must_stay {
                    return Err(format!("version set {name} of {id} was deleted"));
                }
                continue;
            };
            if now.extra != set.extra || now.llm_model_preferences != set.llm_model_preferences {
                return Err(format!("a value of version set {name} of {id} that no manifest names was lost"));
            }
        }
        Ok(())
    }
}

fn is_in_use(chain: &BTreeSet<String>, rows: &Rows) -> bool {
    chain.iter().any(|id| rows.get(id).is_some_and(|row| row.active))
}
