//! Faults that are injected into requests: the rules that select the requests, the files that define the rules, and the
//! effect of each fault.

mod fault;
mod file;
mod inject;
mod kinds;
mod schema;

pub use fault::{Fault, RetryAfter, Rule, Schedule};
pub use file::Faults;
pub use inject::Outcome;
