//! Plan files: a plan as a versioned JSON document, complete enough to apply from. May import `plan` and `model`.
//!
//! * [`document`]: what the file holds, and how a plan becomes one and is read back;
//! * [`touched`]: what a plan's steps touch of the live state, and what was there when the plan was made;
//! * [`fit`]: whether a plan read from a file still fits the live state, field by field.
//!
//! A file is bound to its environment and to the manifests it was made from, and says so. Its fingerprint
//! covers everything that counts: one that was edited is not a plan any more.

mod digest;
mod document;
mod fit;
#[cfg(test)]
mod tests;
mod touched;

pub use digest::of_manifests;
pub use document::{Chosen, Document, FORMAT_VERSION, NotAPlan};
pub use fit::{Moved, does_again, moved};
pub use touched::{Fingerprint, Subject, behavior_sets_of};
