//! What is known of agents or context graphs: names, ids, latest versions.

use std::collections::{BTreeMap, BTreeSet};

/// The newest version of an agent or context graph, as far as the server told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatestVersion {
    /// The answer did not say.
    Unknown,
    /// It exists, but has no version yet: no service can use it.
    None,
    /// Versions 1 to this one exist.
    Number(u32),
}

/// One agent or context graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// Its name; not guaranteed to be unique.
    pub name: String,
    /// Its newest version.
    pub latest: LatestVersion,
    /// Deprecated ones can't be used by a service that is to be activated.
    pub deprecated: bool,
}

/// Agents or context graphs by id: all of them, or only those that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog<Id: Ord> {
    /// Whether every one of the organization is here, so that a missing name is really missing.
    pub complete: bool,
    /// What is known, by id.
    pub entries: BTreeMap<Id, CatalogEntry>,
    /// Ids that were looked up and don't exist.
    pub missing: BTreeSet<Id>,
}

impl<Id: Ord> Default for Catalog<Id> {
    fn default() -> Self {
        Self { complete: false, entries: BTreeMap::new(), missing: BTreeSet::new() }
    }
}

impl<Id: Ord> Catalog<Id> {
    /// The entries with this name: those in use if there are any, else the deprecated ones.
    pub fn named<'a>(&'a self, name: &str) -> Vec<(&'a Id, &'a CatalogEntry)> {
        let all: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.name.trim() == name).collect();
        let in_use: Vec<_> = all.iter().copied().filter(|(_, entry)| !entry.deprecated).collect();
        if in_use.is_empty() { all } else { in_use }
    }

    /// An id's name, for people; none when it was never looked up.
    pub fn name_of(&self, id: &Id) -> Option<&str> {
        self.entries.get(id).map(|entry| entry.name.as_str())
    }
}
