//! The clients of the two APIs over HTTP: reading, writing, sign-in, rate limits and retries.
//!
//! A command that only plans gets a [`ReadApi`], which can't write. Only `apply` gets a [`WriteApi`].
//!
//! Each layer uses only the layers below it:
//!
//! ```text
//! any                      one type for both APIs
//! classic, platform        the requests of each API, and their JSON (`wire`)
//! snapshot, pages          several requests: the whole live state, lists in pages
//! client                   one request with a token and retries
//! token                    the sign-in
//! retry_loop               waits between attempts; `retry_policy` decides
//! send                     one attempt: rate limits, deadline, masked secrets
//! limits, transport, body  request budgets, connections, answers of limited size
//! ```

mod access;
mod any;
mod api;
mod body;
mod bounds;
mod call;
mod classic;
mod client;
mod failure;
mod headers;
mod limits;
mod list_bounds;
mod long_integers;
mod mask;
mod pages;
mod platform;
mod retry_loop;
mod retry_policy;
mod send;
mod service_list;
mod snapshot;
mod token;
mod transport;
mod variables;
mod wire;

pub use access::{Access, Credentials, RequestObserver, Stop, StopReason};
pub use any::AnyApi;
pub use api::{ReadApi, WriteApi, read_services_again};
pub use classic::Classic;
pub use failure::{ApiError, FailureCause};
pub use limits::{Budgets, Reservation};
pub use platform::Platform;
pub use service_list::{Listing, ServiceList};
pub use snapshot::{complete_snapshot, read_snapshot};
#[cfg(any(test, feature = "test-support"))]
pub use transport::{TransportError, TransportErrorKind, simulated::RequestHandler};
pub use variables::{ConnectionVariables, ProxyVariable, contains_certificate};
