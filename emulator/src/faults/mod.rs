//! Faults: the rules that select requests for them, the files that define them, and their effect on answers.

mod fault;
mod file;
mod inject;
mod kinds;
mod schema;

pub use fault::{Fault, RetryAfter, Rule, Schedule};
pub use file::Faults;
pub use inject::Outcome;
