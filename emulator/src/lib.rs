//! An emulator of the Classic API and the Platform API.
//!
//! The emulator replaces the vendor's servers in the embedded sandbox, in rehearsals of failures, and in tests. It
//! implements the contract of the vendor's APIs independently of the client code of `amigops`, and depends on no other
//! package of this Cargo workspace. So if the client code misunderstands the contract, the emulator refuses its
//! requests.
//!
//! ```text
//!  TCP ─ server ─▶ observer.before ─┬▶ classic (limits, sign-in, rules) ─┬▶ store ─▶ observer.after ─▶ answer
//!                                   └▶ platform (limits, keys, rules) ───┘    ▲
//!                                        │                                    │
//!                                        └─── a changed copy of the world ────┘
//! ```
//!
//! | module | job |
//! |---|---|
//! | `state` | [`World`]: all organizations and workspaces, and the state file. A request works on a cheap copy of the state, and the changes of the request are committed in one durable transaction. |
//! | `api` | shared by both APIs: requests and answers, routing, query parameters, validation errors, rate limits |
//! | `classic` | paths, limits, sign-in and rules of the Classic API |
//! | `platform` | paths, limits, keys and rules of the Platform API; the form of a path shows the API of a request |
//! | `seed` | [`Seed`]: the initial organizations and workspaces |
//! | `faults` | [`Fault`], [`Schedule`], [`Faults`]: faults, the requests that they apply to, and fault files |
//! | `core` | the state and the rules of both APIs, without sockets |
//! | `http` | [`Server`]: sockets in front of `core` |
//! | `in_process` | [`InProcess`]: calls `core` directly |
//! | `observer` | [`Observer`]: a hook for each request, which can inject faults |
//! | `options` | [`Options`]: the settings of an emulator |

mod api;
mod classic;
mod core;
mod faults;
mod file_error;
mod http;
mod in_process;
mod observer;
mod options;
mod platform;
mod seed;
mod state;

pub use api::exchange::Reply;
pub use api::limits::{Limits, WindowEnd};
pub use faults::{Fault, Faults, Outcome, RetryAfter, Rule, Schedule};
pub use file_error::FileError;
pub use http::{Server, StartError};
pub use in_process::InProcess;
pub use observer::{Observer, RequestInfo, RequestRecord};
pub use options::Options;
pub use platform::PlatformOptions;
pub use seed::Seed;
pub use state::{
    AgentSettings, ApiKey, BehaviorSet, CannedReply, CatalogItem, Conversation, Organization, Permission,
    PlatformService, Replies, ReplyError, Row, SANDBOX_WORKSPACE, Service, ServiceTag, StoreError, Table,
    UnitTest, VersionSet, Workspace, WorkspaceKey, WorkspacePermission, World,
};
