//! The state file, a database of the library redb. Each change of the state is one transaction. The change is safely on
//! disk when `save` returns.
//!
//! Rows are stored as JSON. The key of a row consists of the organization or workspace, the kind of row, and the id.
//! Copies of the state share their unchanged rows, so only rows with a different pointer are written.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::organization::Organization;
use super::rows::AgentSettings;
use super::table::{Row, RowChange, Table};
use super::workspace::Workspace;
use super::world::World;

const META: TableDefinition<&str, u64> = TableDefinition::new("amigops_emulator_meta");
const ROWS: TableDefinition<(&str, &str, &str), &[u8]> = TableDefinition::new("amigops_emulator_rows");
/// The table of the workspaces' rows. A state file from an older version of the emulator can lack this table. The file
/// is then read as if it had no workspaces.
const WORKSPACE_ROWS: TableDefinition<(&str, &str, &str), &[u8]> =
    TableDefinition::new("amigops_emulator_workspace_rows");
const FORMAT: u64 = 1;
const SETTINGS: &str = "settings";

type RowTable<'t> = redb::Table<'t, (&'static str, &'static str, &'static str), &'static [u8]>;

/// An error that occurred when the state file was opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file open.
    #[error("state file {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file is not a state file.
    #[error("{} is not a state file of the emulator: {reason}", path.display())]
    Foreign {
        /// The path of the file.
        path: PathBuf,
        /// The reason why the file is not a state file.
        reason: String,
    },
    /// The file is a state file, but its contents can't be read.
    #[error("state file {} is damaged: {reason}", path.display())]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// The reason why the contents can't be read.
        reason: String,
    },
    /// The file has the format of a different version of the emulator.
    #[error("state file {} has format {found}, this version reads format {FORMAT}", path.display())]
    Format {
        /// The path of the file.
        path: PathBuf,
        /// The number of the file's format.
        found: u64,
    },
    /// The file can't be read or written.
    #[error("state file {}: {reason}", path.display())]
    Failed {
        /// The path of the file.
        path: PathBuf,
        /// The error from the operating system or from the database.
        reason: String,
    },
}

/// The place where the emulator's state is stored: in memory, or in a file.
pub(crate) enum Store {
    Memory,
    File { path: PathBuf, database: Box<Database> },
}

impl Store {
    /// Opens or creates the state file, and reads the state from it. If the caller has already opened the file, uses
    /// `opened` instead of opening `path`.
    pub(crate) fn open(path: Option<&Path>, opened: Option<File>) -> Result<(Self, World), StoreError> {
        let Some(path) = path else { return Ok((Self::Memory, World::default())) };
        // In debug builds, redb panics on some kinds of damage. In this case, the error must still name the damaged
        // file.
        std::panic::catch_unwind(|| Self::open_file(path, opened)).unwrap_or_else(|_| {
            let reason = "the database library panicked".to_owned();
            Err(StoreError::Damaged { path: path.to_owned(), reason })
        })
    }

    fn open_file(path: &Path, opened: Option<File>) -> Result<(Self, World), StoreError> {
        let failed = |error: &dyn std::fmt::Display| StoreError::Failed {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let database = match opened {
            Some(file) => {
                FileBackend::new(file).and_then(|file| Database::builder().create_with_backend(file))
            }
            None => {
                if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    std::fs::create_dir_all(parent).map_err(|error| failed(&error))?;
                }
                Database::create(path)
            }
        };
        let database = database.map_err(|error| open_error(path, error))?;
        let fresh = is_fresh(&database).map_err(|error| failed(&error))?;
        let store = Self::File { path: path.to_owned(), database: Box::new(database) };
        if fresh {
            store.save(&World::default(), &World::default())?;
        }
        let world = store.load()?;
        Ok((store, world))
    }

    /// Stores the differences between the states `before` and `after`. When this function returns, the differences are
    /// safely on disk.
    pub(crate) fn save(&self, before: &World, after: &World) -> Result<(), StoreError> {
        let Self::File { path, database } = self else { return Ok(()) };
        write(database, before, after)
            .map_err(|reason| StoreError::Failed { path: path.clone(), reason: reason.to_string() })
    }

    fn load(&self) -> Result<World, StoreError> {
        let Self::File { path, database } = self else { return Ok(World::default()) };
        let damaged = |error: &dyn std::fmt::Display| StoreError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        };
        let read = database.begin_read().map_err(|error| damaged(&error))?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => {
                let reason = "a database of another program".to_owned();
                return Err(StoreError::Foreign { path: path.clone(), reason });
            }
            Err(error) => return Err(damaged(&error)),
        };
        let number = |key: &str| meta.get(key).map(|found| found.map_or(0, |value| value.value()));
        let format = number("format").map_err(|error| damaged(&error))?;
        if format != FORMAT {
            return Err(StoreError::Format { path: path.clone(), found: format });
        }
        let counter = number("counter").map_err(|error| damaged(&error))?;
        let rows = read.open_table(ROWS).map_err(|error| damaged(&error))?;
        let organizations = read_homes(&rows).map_err(|error| damaged(&error))?;
        let workspaces = match read.open_table(WORKSPACE_ROWS) {
            Ok(rows) => read_homes(&rows).map_err(|error| damaged(&error))?,
            Err(TableError::TableDoesNotExist(_)) => BTreeMap::new(),
            Err(error) => return Err(damaged(&error)),
        };
        Ok(World { organizations, workspaces, counter })
    }
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path),
        DatabaseError::UpgradeRequired(_) | DatabaseError::LockProtocolMismatch => {
            StoreError::Foreign { path, reason: error.to_string() }
        }
        DatabaseError::Storage(redb::StorageError::Io(io))
            if matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::Foreign { path, reason: "not a database".to_owned() }
        }
        DatabaseError::Storage(redb::StorageError::Corrupted(reason)) => StoreError::Damaged { path, reason },
        other => StoreError::Failed { path, reason: other.to_string() },
    }
}

fn is_fresh(database: &Database) -> Result<bool, Failure> {
    Ok(database.begin_read()?.list_tables()?.next().is_none())
}

fn write(database: &Database, before: &World, after: &World) -> Result<(), Failure> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("counter", after.counter)?;
        let mut rows = transaction.open_table(ROWS)?;
        write_homes(&mut rows, &before.organizations, &after.organizations)?;
        let mut rows = transaction.open_table(WORKSPACE_ROWS)?;
        write_homes(&mut rows, &before.workspaces, &after.workspaces)?;
    }
    transaction.commit()?;
    Ok(())
}

type Failure = Box<dyn std::error::Error>;

/// An organization or a workspace. The common trait lets the same code store both.
trait Home: Default {
    fn settings(&self) -> &Arc<AgentSettings>;
    fn write(rows: &mut RowTable<'_>, name: &str, old: &Self, new: &Self) -> Result<(), Failure>;
    fn read(name: &str, settings: AgentSettings, rows: &mut RowsByKind) -> Result<Self, serde_json::Error>;
}

impl Home for Organization {
    fn settings(&self) -> &Arc<AgentSettings> {
        &self.settings
    }

    fn write(rows: &mut RowTable<'_>, name: &str, old: &Self, new: &Self) -> Result<(), Failure> {
        write_table(rows, name, "api_key", &old.api_keys, &new.api_keys)?;
        write_table(rows, name, "agent", &old.agents, &new.agents)?;
        write_table(rows, name, "context_graph", &old.context_graphs, &new.context_graphs)?;
        write_table(rows, name, "service", &old.services, &new.services)?;
        write_table(rows, name, "behavior_set", &old.behavior_sets, &new.behavior_sets)?;
        write_table(rows, name, "unit_test", &old.unit_tests, &new.unit_tests)?;
        write_table(rows, name, "conversation", &old.conversations, &new.conversations)
    }

    fn read(name: &str, settings: AgentSettings, rows: &mut RowsByKind) -> Result<Self, serde_json::Error> {
        Ok(Self {
            name: name.to_owned(),
            settings: Arc::new(settings),
            api_keys: rows.table("api_key")?,
            agents: rows.table("agent")?,
            context_graphs: rows.table("context_graph")?,
            services: rows.table("service")?,
            behavior_sets: rows.table("behavior_set")?,
            unit_tests: rows.table("unit_test")?,
            conversations: rows.table("conversation")?,
        })
    }
}

impl Home for Workspace {
    fn settings(&self) -> &Arc<AgentSettings> {
        &self.settings
    }

    fn write(rows: &mut RowTable<'_>, id: &str, old: &Self, new: &Self) -> Result<(), Failure> {
        write_table(rows, id, "api_key", &old.api_keys, &new.api_keys)?;
        write_table(rows, id, "agent", &old.agents, &new.agents)?;
        write_table(rows, id, "context_graph", &old.context_graphs, &new.context_graphs)?;
        write_table(rows, id, "service", &old.services, &new.services)
    }

    fn read(id: &str, settings: AgentSettings, rows: &mut RowsByKind) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: id.to_owned(),
            settings: Arc::new(settings),
            api_keys: rows.table("api_key")?,
            agents: rows.table("agent")?,
            context_graphs: rows.table("context_graph")?,
            services: rows.table("service")?,
        })
    }
}

fn write_homes<T: Home>(
    rows: &mut RowTable<'_>,
    before: &BTreeMap<String, Arc<T>>,
    after: &BTreeMap<String, Arc<T>>,
) -> Result<(), Failure> {
    let nothing = T::default();
    for (name, new) in after {
        let old = before.get(name);
        if old.is_some_and(|old| Arc::ptr_eq(old, new)) {
            continue;
        }
        if old.is_none_or(|old| !Arc::ptr_eq(old.settings(), new.settings())) {
            put(rows, (name, SETTINGS, ""), new.settings().as_ref())?;
        }
        T::write(rows, name, old.map_or(&nothing, AsRef::as_ref), new)?;
    }
    for (name, gone) in before {
        if !after.contains_key(name) {
            rows.remove((name.as_str(), SETTINGS, ""))?;
            T::write(rows, name, gone, &nothing)?;
        }
    }
    Ok(())
}

fn write_table<T: Row>(
    rows: &mut RowTable<'_>,
    organization: &str,
    kind: &str,
    old: &Table<T>,
    new: &Table<T>,
) -> Result<(), Failure> {
    let mut changes = new.changes_since(old);
    // Removals come first, because a new row may have the id of a removed row.
    changes.sort_by_key(|change| matches!(change, RowChange::Put(_)));
    for change in changes {
        match change {
            RowChange::Put(row) => put(rows, (organization, kind, row.id()), row)?,
            RowChange::Remove(row) => {
                rows.remove((organization, kind, row.id()))?;
            }
        }
    }
    Ok(())
}

fn put(rows: &mut RowTable<'_>, key: (&str, &str, &str), row: &impl Serialize) -> Result<(), Failure> {
    rows.insert(key, serde_json::to_vec(row)?.as_slice())?;
    Ok(())
}

/// The stored rows of one organization or workspace, as JSON. The key is the kind of the rows.
#[derive(Default)]
struct RowsByKind(BTreeMap<String, Vec<Vec<u8>>>);

impl RowsByKind {
    fn table<T: Row>(&mut self, kind: &str) -> Result<Table<T>, serde_json::Error> {
        let rows = self.0.remove(kind).unwrap_or_default();
        let parsed: Result<Vec<T>, _> = rows.iter().map(|row| parse(row)).collect();
        Ok(Table::from_rows(parsed?))
    }
}

fn parse<T: DeserializeOwned>(row: &[u8]) -> Result<T, serde_json::Error> {
    // A stored row has a few more levels of nesting than the request it came from. The limit on the nesting of requests
    // leaves room for these levels.
    serde_json::from_slice(row)
}

fn read_homes<T: Home>(
    table: &impl ReadableTable<(&'static str, &'static str, &'static str), &'static [u8]>,
) -> Result<BTreeMap<String, Arc<T>>, Failure> {
    let mut gathered: BTreeMap<String, RowsByKind> = BTreeMap::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        let (home, kind, _) = key.value();
        let kinds = &mut gathered.entry(home.to_owned()).or_default().0;
        kinds.entry(kind.to_owned()).or_default().push(value.value().to_vec());
    }
    let mut homes = BTreeMap::new();
    for (name, mut rows) in gathered {
        let settings = rows.0.remove(SETTINGS).unwrap_or_default();
        let settings = settings.first().map(|row| parse(row)).transpose()?.unwrap_or_default();
        let home = T::read(&name, settings, &mut rows)?;
        homes.insert(name, Arc::new(home));
    }
    Ok(homes)
}
