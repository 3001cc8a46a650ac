//! The deterministic simulation: the real planner, engine and client against the emulator's real rules, under
//! virtual time, with seeded schedules of faults. May import `plan`, `remote`, `model` and `emulator`.
//!
//! ```text
//!  seed ─▶ case (manifests, live state, limits, latency, troubles)
//!            ├─ one commit ─▶ undisturbed run ─▶ rules ◀─ each request processed
//!            │                                └▶ runs under troubles, until one has nothing to do
//!            └─ several ────▶ the same without troubles; each run cut off, or two at once ─▶ one run does the rest
//! ```
//!
//! The rules: `rules` and `lines` (names, services in use, ownership), `looks` (each step looks before it acts),
//! `hand_overs` (how long a name is free), `run` (the report tells the truth, and all converges).
//!
//! A failing seed is made smaller and printed with a trace of its requests. `docs/simulation.md` says how to
//! run more seeds than the tests do, and how to replay one.

mod case;
mod dice;
mod edit;
mod figures;
mod hand_overs;
mod limits;
mod lines;
mod lists;
mod looks;
mod manifests;
mod parcel;
mod rules;
mod run;
mod seeds;
mod shrink;
pub(super) mod sim;
mod simulated_process;
mod stages;
mod trouble;
mod wire;
pub(super) mod world;
