//! Tests of the emulated Platform API over real HTTP. Each test covers one rule of the API.

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
