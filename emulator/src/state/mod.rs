//! The state of the emulator: organizations, workspaces, the rows in them, and the state file.

mod ids;
mod organization;
mod rows;
mod store;
mod table;
mod workspace;
mod world;

pub use organization::{ApiKey, BehaviorSet, Conversation, Organization, Permission, Service, UnitTest};
pub use rows::{AgentSettings, CannedReply, CatalogItem, Replies, ReplyError, VersionSet};
pub use store::StoreError;
pub use table::{Row, Table};
pub use workspace::{
    PlatformService, SANDBOX_WORKSPACE, ServiceTag, Workspace, WorkspaceKey, WorkspacePermission,
};
pub use world::World;

pub(crate) use store::Store;
