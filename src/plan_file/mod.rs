//! Plan files: a plan as a versioned JSON document, complete enough to apply from. May import `plan` and `model`.
//!
//! * [`document`]: what the file holds, and how a plan becomes one and is read back;
//! * [`touched`]: what a plan's steps touch of the live state, and what was there when the plan was made;
//! * [`fit`]: whether a plan read from a file still fits the live state, field by field;
//! * [`differences`](fn@differences): what sets a plan that was read from a file apart from the same plan made again;
//! * [`given_again`]: the options that a plan's file may not grant.
//!
//! A file is a record of what was approved, never an authority: anyone can edit it and compute its fingerprint again.
//! So the plan is made again when it is applied, from the manifests and the live state, and the file only says
//! whether that is what was approved.

#[cfg(test)]
mod anew_tests;
mod differences;
mod digest;
mod document;
mod fit;
mod given_again;
#[cfg(test)]
mod tests;
mod touched;

pub use differences::{Difference, differences};
pub use document::{Chosen, Document, FORMAT_VERSION, NotAPlan, fingerprint_of};
pub use fit::{Moved, does_again, moved};
pub use given_again::GivenAgain;
pub use touched::{Fingerprint, Subject, behavior_sets_of};
