//! Files → desired state, with every problem at its place. Imports `checkout` and `model` only.
//!
//! Two stages. First a file's text becomes a tree in which every node knows its place (`yaml`),
//! within bounds. Then documents are merged — defaults ← document ← overlay, by JSON Merge Patch
//! (`merge`) — and read into typed values (`service`, `project`), collecting problems instead of
//! stopping at the first; `check` compares services with one another. Only when no error was found
//! does a [`Desired`](crate::model::Desired) leave this room.
//!
//! Every environment's overlays are checked on every run: a broken overlay for production is found in
//! the pull request, not at the roll-out.

mod allowlist;
mod check;
mod credentials;
mod decode;
mod diagnostic;
mod environment;
mod files;
mod forms;
mod header;
mod id;
mod lifecycle;
mod load;
mod merge;
mod places;
mod project;
mod scalar;
mod service;
mod settings;
mod sink;
mod survey;
mod tags;
mod tree;
mod url;
mod validate;
mod version_set;
mod yaml;

pub use allowlist::{Allowlist, AllowlistError, AllowlistVariables, CREDENTIALS_VARIABLE, HOSTS_VARIABLE};
pub use credentials::Credentials;
pub use diagnostic::{Code, Diagnostic, Location, Problems, Related, Severity, Sources, Spot};
pub use environment::{Environment, EnvironmentPlaces, Target};
pub use files::globs;
pub use forms::{Form, forms};
pub use load::{Loaded, find_root, load, load_places, load_project};
pub use places::{KeyPath, Layer, Places};
pub use project::{PROJECT_FILE, Project};
pub use survey::{Document, Survey, survey};
pub use validate::{Validation, validate};
pub use yaml::MAX_BYTES;
