//! The two APIs as a server of our own: state, rules and wire types. Imports nothing of ours.
//!
//! The emulator stands in for the vendor in the embedded sandbox, in rehearsals and in tests. It
//! reads the contract on its own, so that a misreading in the client shows up here as a refusal.
//!
//! ```text
//!  TCP ─ server ─▶ observer.before ─┬▶ classic (limits, sign-in, rules) ─┬▶ store ─▶ observer.after ─▶ answer
//!                                   └▶ platform (limits, keys, rules) ───┘    ▲
//!                                        │                                    │
//!                                        └─── a changed copy of the world ────┘
//! ```
//!
//! * [`world`](World): everything that exists. A copy costs a few pointers, so a request works on
//!   a copy, and what it changed is what differs by pointer.
//! * `store`: one transaction a changed world, durable before the answer.
//! * `classic`: the Classic API's paths, limits, sign-in and rules.
//! * `platform`: the Platform API's, told from it by the shape of a path.
//! * `problems`, `refusal`, `query`, `routing`, `replies`: what both need and neither owns.
//! * [`Seed`]: what exists before anybody wrote anything.
//! * [`Observer`]: sees every request, and may break it.
//! * [`Faults`]: what goes wrong with which request, as a file says it.
//! * `core`: the world, its store and both APIs' rules; behind the server's sockets, or called directly
//!   ([`InProcess`]).
//! * [`Fault`], [`Schedule`]: what goes wrong with which request; over sockets, what `breakage` makes of it.

mod access;
mod breakage;
mod classic;
mod connection;
mod core;
mod exchange;
mod fault_file;
mod fault_kinds;
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
