//! amigops keeps the services of a conversational-agent organization equal to YAML manifests in Git.
//!
//! This page is the map of the code. It says which module may import which other modules. `tests/suite/house.rs` reads
//! the sources and checks these rules.
//!
//! # The flow of a run
//!
//! ```text
//!  files ──manifest──▶ Desired ─┐
//!                               ├─plan──▶ Plan ──report──▶ what people and programs read
//!  HTTP ───remote───▶ Snapshot ─┘          │
//!                                          └─apply──▶ requests (remote), Events ──report──▶ progress
//! ```
//!
//! Planning is a pure function of a complete [`model::Snapshot`]: no choice is left to execution.
//! `apply` takes only a [`plan::Plan`], and [`plan::verify`] checks every plan independently of the
//! planner, in tests and before anything is sent.
//!
//! # Rooms
//!
//! A room is a top-level module. Its files may import only from the room itself and from the rooms in the last column.
//!
//! | room | job | may import |
//! |---|---|---|
//! | [`model`] | ids, the desired state, the live state, and rules that both share | nothing |
//! | [`checkout`] | opens files of a project, and refuses paths that lead out of the project | nothing |
//! | [`manifest`] | files → desired state; reports every problem with its file and line | `checkout`, `model` |
//! | [`edit`] | (text of a YAML file, changes) → new text, with every other byte unchanged | `model` |
//! | [`plan`] | (desired, live, options) → plan; `verify` checks plans | `model` |
//! | [`plan_file`] | a plan as a document: saves it, reads it, compares it with the live state | `plan`, `model` |
//! | [`import`] | live services → manifests: new files, and changes of existing files | `edit`, `model` |
//! | [`remote`] | the two APIs: reading, writing, sign-in, limits, retries | `model` |
//! | [`apply`] | runs a plan step by step and emits events; knows no terminal | `plan`, `remote`, `model` |
//! | [`report`] | pure renderers of plans, events and diagnostics | `plan`, `apply`, `manifest`, `model` |
//! | [`schema`] | JSON Schemas of files that people write, and the reference of their keys | `model`, `plan_file`, `amigops_emulator` |
//! | [`cli`] | the commands, one in each file: arguments and `run` | everything |
//! | [`error`] | kinds of failure, hints, and the exit code of each kind | `manifest`, `plan`, `remote` |
//! | [`ui`] | the only owner of stdout and stderr | `error`, `report`, `remote`, `model` |
//! | [`env`] | the only reader of environment variables, the clock and randomness | nothing |
//!
//! The emulator is a crate of its own, [`amigops_emulator`] in `emulator/`: the two APIs with their own state, rules
//! and wire types. It shares nothing with `remote` on purpose: with common wire types, both would contain the same
//! misreadings of the contract, and no test would find them. Only `schema`, `cli` and tests may import it.
//!
//! `model`, `edit`, `plan`, `plan_file`, `import` and `report` use no async runtime, no HTTP, no files, no environment
//! variables and no clock.

pub mod apply;
pub mod checkout;
pub mod cli;
pub mod edit;
pub mod env;
pub mod error;
pub mod import;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod plan_file;
pub mod remote;
pub mod report;
pub mod schema;
pub mod ui;
