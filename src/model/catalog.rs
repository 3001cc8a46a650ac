//! Catalogs, which list the names, ids and latest versions of agents or of context graphs.

use std::collections::{BTreeMap, BTreeSet};

use super::characters::is_same_name;

/// The newest version of an agent or context graph, if known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatestVersion {
    /// The response did not contain the newest version.
    Unknown,
    /// The agent or context graph has no version yet, so no service can use it.
    None,
    /// The number of the newest version. All versions from 1 to this number exist.
    Number(u32),
}

/// An entry of a catalog: one agent or context graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The name of the agent or context graph. Several entries can have the same name.
    pub name: String,
    /// The newest version of the agent or context graph.
    pub latest: LatestVersion,
    /// True if the agent or context graph is deprecated. A service that uses it can't be activated.
    pub deprecated: bool,
}

/// Agents or context graphs by id: all of them, or only those that were requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog<Id: Ord> {
    /// True if the catalog contains all entries. In that case, a name that is not in the catalog does not exist.
    pub complete: bool,
    /// The entries, by the id of the agent or context graph.
    pub entries: BTreeMap<Id, CatalogEntry>,
    /// The ids that were requested but don't exist on the server.
    pub missing: BTreeSet<Id>,
}

impl<Id: Ord> Default for Catalog<Id> {
    fn default() -> Self {
        Self { complete: false, entries: BTreeMap::new(), missing: BTreeSet::new() }
    }
}

impl<Id: Ord> Catalog<Id> {
    /// Returns the entries with this name. Returns deprecated entries only if no other entry has the name.
    pub fn named<'a>(&'a self, name: &str) -> Vec<(&'a Id, &'a CatalogEntry)> {
        let all: Vec<_> = self.entries.iter().filter(|(_, entry)| is_same_name(&entry.name, name)).collect();
        let in_use: Vec<_> = all.iter().copied().filter(|(_, entry)| !entry.deprecated).collect();
        if in_use.is_empty() { all } else { in_use }
    }

    /// Returns the name of the entry with this id, or `None` if the catalog does not have the id.
    pub fn name_of(&self, id: &Id) -> Option<&str> {
        self.entries.get(id).map(|entry| entry.name.as_str())
    }
}
