//! An emulator of the Classic API and the Platform API.
//!
//! It stands in for the vendor in the embedded sandbox, in rehearsals and in tests. It implements the
//! contract independently of the client, so that the emulator refuses what the client misreads. It depends on
//! no other package of this workspace.
//!
//! ```text
//!  TCP ─ server ─▶ observer.before ─┬▶ classic (limits, sign-in, rules) ─┬▶ store ─▶ observer.after ─▶ answer
//!                                   └▶ platform (limits, keys, rules) ───┘    ▲
//!                                        │                                    │
//!                                        └─── a changed copy of the world ────┘
//! ```
//!
//! * [`World`]: all organizations and workspaces. A copy costs a few pointers. A request works on a copy, and
//!   rows that differ by pointer are its changes.
//! * `store`: the state file. Each changed world is one transaction, durable before the answer is sent.
//! * `classic`: paths, limits, sign-in and rules of the Classic API.
//! * `platform`: the same for the Platform API. The shape of a path tells the APIs apart.
//! * `problems`, `refusal`, `query`, `routing`, `replies`: shared by both APIs.
//! * [`Seed`]: the initial organizations and workspaces.
//! * [`Observer`]: is called for every request and can inject faults.
//! * [`Faults`]: the fault rules of a file.
//! * `core`: the world, its store and both APIs' rules. [`Server`] puts sockets in front of it; [`InProcess`]
//!   calls it directly.
//! * [`Fault`], [`Schedule`]: faults and the requests that they apply to. `fault_response` carries them out on
//!   a socket.

mod access;
mod classic;
mod connection;
mod core;
mod exchange;
mod fault_file;
mod fault_kinds;
mod fault_response;
mod faults;
mod file_error;
mod in_process;
mod limits;
mod observer;
mod platform;
mod problems;
mod query;
mod refusal;
mod replies;
mod routing;
mod seed;
mod seed_apply;
mod seed_workspaces;
mod seed_workspaces_apply;
mod server;
mod store;
mod table;
mod workspace;
mod world;

pub use fault_file::Faults;
pub use faults::{Fault, RetryAfter, Rule, Schedule};
pub use file_error::FileError;
pub use in_process::{InProcess, Outcome, Reply};
pub use limits::{Limits, WindowEnd};
pub use observer::{Observer, RequestInfo, RequestRecord};
pub use platform::PlatformOptions;
pub use seed::Seed;
pub use server::{Options, Server, StartError};
pub use store::StoreError;
pub use table::{Row, Table};
pub use workspace::{
    PlatformService, SANDBOX_WORKSPACE, ServiceTag, Workspace, WorkspaceKey, WorkspacePermission,
};
pub use world::{
    ApiKey, BehaviorSet, CannedReply, CatalogItem, Conversation, Organization, Permission, Replies,
    ReplyError, Service, Settings, UnitTest, VersionSet, World,
};
