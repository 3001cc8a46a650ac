//! A deterministic simulation of runs. The real planner, apply engine and client work with the emulator, in virtual
//! time. A number, the seed, decides which disturbances happen. The same seed always gives the same simulation.
//!
//! ```text
//!  seed ─▶ case (manifests, live state, limits, latency, disturbances)
//!            ├─ one_commit ──────▶ undisturbed run ─▶ rules ◀─ each processed request
//!            │                                      └▶ disturbed runs, until nothing is left to change
//!            └─ several_commits ─▶ undisturbed runs; then runs that end early, or two at the same time,
//!                                  and one run that does everything that is left
//! ```
//!
//! These modules check the rules:
//!
//! * [`rules`]: names are unique, services stay in use, and services that the project does not own stay unchanged.
//! * [`replacement_chains`]: no service goes out of use unless a plan says so.
//! * [`lost_updates`]: no write undoes a change by another client that the run could know.
//! * [`cut_overs`]: during a cut-over, the time in which no service has the name is short.
//! * [`case_outcome`]: the reports of runs are true.
//! * [`dashboard`]: edits between two runs are undone without a new service, and copies stay as they are.
//! * [`one_commit`] and [`several_commits`]: the live state converges.
//!
//! If the case of a seed fails, the simulation looks for a smaller case that fails, too. It prints that case with a
//! trace of the requests. `docs/simulation.md` says how to run more seeds, and how to replay one.

mod case;
mod case_outcome;
mod connection;
mod cut_overs;
mod dashboard;
mod disturbance;
mod edit;
mod figures;
mod limits;
mod lists;
mod lost_updates;
mod manifests;
mod message;
mod one_commit;
mod replacement_chains;
mod rules;
mod run;
mod seeded_random;
mod seeds;
mod several_commits;
mod shrink;
mod simulated_process;
mod state;
pub(super) mod world;
