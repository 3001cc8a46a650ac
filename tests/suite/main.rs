//! The integration tests. They are one test binary with one harness, and have one folder for each feature.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do; clippy knows tests only")]

mod apply;
mod commands;
mod drift;
mod edit;
mod examples;
mod faults;
mod guardrails;
mod harness;
mod hostile_server;
mod house;
mod list_consistency;
mod manifest;
mod plan;
mod platform;
mod saved_plan;
mod schema;
mod security;
mod validate;
