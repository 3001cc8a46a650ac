//! The integration suite: one binary, a harness, cases by capability.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do; clippy knows tests only")]

mod allowed_hosts;
mod apply;
mod bad_input;
mod bounds;
mod checkout;
mod drift;
mod edit;
mod edited_plan;
mod emulator_command;
mod examples;
mod faults;
mod former_services;
mod guardrails;
mod harness;
mod house;
mod html;
mod import;
mod kill;
mod manifest;
mod masking;
mod names;
mod next_steps;
mod outdated;
mod packaging;
mod plan_anew;
mod platform;
mod platform_client;
mod platform_fields;
mod promote;
mod pull_request;
mod quickstart;
mod replacement;
mod saved_plan;
mod schema;
mod shifted_lists;
mod three_way;
mod two_runs;
mod untold_versions;
mod untrusted_checkout;
mod validate;
