//! Tests of the emulator over real HTTP. Each test covers one rule of the emulated API.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do; clippy knows tests only")]
#![allow(clippy::needless_pass_by_value, reason = "helpers take `json!` literals")]

mod behavior_sets;
mod catalog;
mod conversations;
mod crash;
mod harness;
mod hostile;
mod limits;
mod observer;
mod platform;
mod service_list;
mod service_writes;
mod sign_in;
mod state;
mod version_sets;
