//! Tests of the planner, the apply engine and the client together. They run against the emulator, in one process and
//! in virtual time. Some simulate thousands of runs with random disturbances, others test single situations.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do; clippy knows tests only")]

// The helpers of the planner's tests name these modules from the root of their crate.
use amigops::{apply, model, plan, remote};

#[allow(dead_code, reason = "the planner's tests use more of it")]
#[path = "../../src/plan/tests/build.rs"]
mod build;
#[allow(dead_code, reason = "the planner's tests use more of it")]
#[path = "../../src/plan/tests/generate.rs"]
mod generate;
mod schedules;
mod situations;
