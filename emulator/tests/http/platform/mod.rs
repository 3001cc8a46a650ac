//! The Platform API, over real HTTP: one test a rule.

mod auth;
mod catalog;
mod create;
mod harness;
mod hostile;
mod limits;
mod list;
mod pins;
mod state;
mod turns;
mod update;
mod version_sets;
