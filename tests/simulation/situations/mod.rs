//! Tests that apply plans to the emulator: random plans over HTTP, and single situations in virtual time.

mod abandoned;
mod concurrent_runs;
mod cut_over_deadline;
mod manifest_pairs;
mod operator;
mod operator_edits;
mod organization;
mod random_plans;
mod request_counts;
mod whole_writes;
