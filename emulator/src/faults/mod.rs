//! Faults: the rules that select requests, fault files, and the effect of a fault on an answer.

mod fault;
mod file;
mod inject;
mod kinds;
mod schema;

pub use fault::{Fault, RetryAfter, Rule, Schedule};
pub use file::Faults;
pub use inject::Outcome;
