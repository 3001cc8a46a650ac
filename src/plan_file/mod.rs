//! Plan files: plans as versioned JSON documents.
//!
//! * [`document`]: the content of a file, and the conversion from and to a plan;
//! * [`fingerprints`]: the live values that a plan depends on, as they were when it was made;
//! * [`staleness`]: checks, field by field, whether these live values have changed since the plan was made;
//! * [`differences`](fn@differences): compares a saved plan with the plan that is made again before an apply;
//! * [`option_mismatch`]: the options that must be given again to apply a plan.
//!
//! A file records the plan that was approved, but it proves nothing: anyone can edit it and compute its fingerprint
//! again. So an apply makes the plan again from the manifests and the live state. The file only shows whether the new
//! plan equals the approved one.

mod differences;
#[cfg(test)]
mod differences_tests;
mod digest;
mod document;
mod fingerprints;
mod option_mismatch;
mod staleness;
#[cfg(test)]
mod tests;

pub use differences::{Difference, differences};
pub use document::{FORMAT_VERSION, PlanDocument, PlanInputs, ReadError, RecordedOptions, fingerprint_of};
pub use fingerprints::{Fingerprint, Subject, behavior_sets_of};
pub use option_mismatch::OptionMismatch;
pub use staleness::{StaleValue, find_stale_values, repeats_changes};
