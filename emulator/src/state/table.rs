//! Tables of rows in the order of their creation. Copies of a table share the rows that have not changed since the copy
//! was made.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row of a table. The state file stores each row as one entry.
pub trait Row: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Returns the id of the row. It is unique among the rows of the same kind in an organization or workspace.
    fn id(&self) -> &str;

    /// Returns the number of the row in the order of creation. No number is used twice.
    fn sequence(&self) -> u64;
}

/// All rows of one kind in an organization or workspace. Copies of the table share their rows. A row has the same
/// pointer in two copies until the row is changed in one of the copies.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T> {
    rows: Arc<Vec<Arc<T>>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Arc::default() }
    }
}

impl<'a, T> IntoIterator for &'a Table<T> {
    type Item = &'a T;
    type IntoIter = std::iter::Map<std::slice::Iter<'a, Arc<T>>, fn(&'a Arc<T>) -> &'a T>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter().map(AsRef::as_ref)
    }
}

/// A difference between two copies of a table: a row that is new or changed, or a row that was removed.
pub(crate) enum RowChange<'a, T> {
    Put(&'a T),
    Remove(&'a T),
}

impl<T: Row> Table<T> {
    /// Creates a table from rows in any order, and sorts them by their sequence numbers.
    pub(crate) fn from_rows(mut rows: Vec<T>) -> Self {
        rows.sort_by_key(Row::sequence);
        Self { rows: Arc::new(rows.into_iter().map(Arc::new).collect()) }
    }

    /// Returns the rows, from the oldest to the newest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.rows.iter().map(AsRef::as_ref)
    }

    /// Returns the number of rows in the table.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true if the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the row with this id.
    pub fn get(&self, id: &str) -> Option<&T> {
        self.iter().find(|row| row.id() == id)
    }

    /// Returns a mutable reference to the row with this id.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let place = self.rows.iter().position(|row| row.id() == id)?;
        Arc::make_mut(&mut self.rows).get_mut(place).map(Arc::make_mut)
    }

    /// Adds a row at the end of the table. The row's sequence number must be higher than the numbers of all other rows.
    pub(crate) fn push(&mut self, row: T) {
        Arc::make_mut(&mut self.rows).push(Arc::new(row));
    }

    /// Removes the row with this id. Returns true if the row existed.
    pub fn remove(&mut self, id: &str) -> bool {
        match self.rows.iter().position(|row| row.id() == id) {
            Some(place) => {
                Arc::make_mut(&mut self.rows).remove(place);
                true
            }
            None => false,
        }
    }

    /// Returns the differences between `before` and this table. One pass over both tables is enough, because their rows
    /// are in the order of creation.
    pub(crate) fn changes_since<'a>(&'a self, before: &'a Self) -> Vec<RowChange<'a, T>> {
        if Arc::ptr_eq(&self.rows, &before.rows) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        let mut old = before.rows.iter().peekable();
        for row in self.rows.iter() {
            // Most rows are unchanged, and have the same pointer. So their contents need not be compared.
            if old.next_if(|same| Arc::ptr_eq(same, row)).is_some() {
                continue;
            }
            while let Some(gone) = old.next_if(|other| other.sequence() < row.sequence()) {
                changes.push(RowChange::Remove(gone.as_ref()));
            }
            match old.next_if(|other| other.sequence() == row.sequence()) {
                Some(other) if other.id() != row.id() => {
                    changes.extend([RowChange::Remove(other.as_ref()), RowChange::Put(row.as_ref())]);
                }
                _ => changes.push(RowChange::Put(row)),
            }
        }
        changes.extend(old.map(|gone| RowChange::Remove(gone.as_ref())));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Thing(String, u64);

    impl Row for Thing {
        fn id(&self) -> &str {
            &self.0
        }
        fn sequence(&self) -> u64 {
            self.1
        }
    }

    fn shown(changes: &[RowChange<'_, Thing>]) -> Vec<String> {
        let show = |change: &RowChange<'_, Thing>| match change {
            RowChange::Put(thing) => format!("+{}", thing.0),
            RowChange::Remove(thing) => format!("-{}", thing.0),
        };
        changes.iter().map(show).collect()
    }

    #[test]
    fn only_changed_rows_are_changes() {
        let before = Table::from_rows(vec![
            Thing("b".into(), 2),
            Thing("a".into(), 1),
            Thing("c".into(), 3),
            Thing("d".into(), 4),
        ]);
        let mut after = before.clone();
        assert!(shown(&after.changes_since(&before)).is_empty());
        after.get_mut("b").unwrap().1 = 2;
        assert!(after.remove("a"));
        assert!(after.remove("d"));
        assert!(!after.remove("d"));
        after.push(Thing("e".into(), 5));
        assert_eq!(shown(&after.changes_since(&before)), ["-a", "+b", "-d", "+e"]);
        assert_eq!(before.len(), 4, "the old copy keeps what it had");
    }
}
