//! The deterministic simulation: the real planner, engine and client against the emulator's real rules, under
//! virtual time, with seeded schedules of faults. May import `plan`, `remote`, `model` and `emulator`.
//!
//! ```text
//!  seed ─▶ case (two states, limits, latency, troubles) ─▶ undisturbed run ─▶ rules ◀─ each request processed
//!                                                      └─▶ runs under troubles, until one has nothing to do
//! ```
//!
//! A failing seed is made smaller and printed with a trace of its requests. `docs/reliability.md` says how to
//! run more seeds than the tests do, and how to replay one.

mod case;
mod dice;
mod edit;
mod limits;
mod rules;
mod run;
mod seeds;
mod shrink;
pub(super) mod sim;
mod wire;
pub(super) mod world;
