//! Loads the files of a project into the desired state and reports every problem at its location.
//!
//! [`load`] is the entry point: its [`LoadOptions`] name the project and the environment. [`load_project`] reads only
//! `amigops.yaml`, and [`validate`] returns the problems of a load instead of its result.
//!
//! Loading has two stages. First, `yaml` parses a file's text, within limits, into a tree whose nodes know their
//! location. Then `merge` merges the documents (defaults ← document ← overlay, by JSON Merge Patch), and `service` and
//! `project` decode them into typed values. `check` compares services with one another. All problems are collected: the
//! loader does not stop at the first problem. A [`Desired`](crate::model::Desired) is returned only if there was no
//! error.
//!
//! Every run checks the overlays of all environments. So a broken overlay for production is found in the pull request,
//! and not only during the roll-out.

mod allowlist;
mod check;
mod collector;
mod credentials;
mod decode;
mod diagnostic;
mod documents;
mod environment;
mod files;
mod header;
mod id;
mod lifecycle;
mod load;
mod merge;
mod patterns;
mod places;
mod project;
mod read_file;
mod rules;
mod scalar;
mod service;
mod settings;
mod shapes;
mod source;
mod tags;
mod tree;
mod url;
mod validate;
mod variants;
mod version_set;
mod yaml;

pub use allowlist::{Allowlist, AllowlistError, AllowlistVariables, CREDENTIALS_VARIABLE, HOSTS_VARIABLE};
pub use credentials::CredentialVariables;
pub use diagnostic::{Code, Diagnostic, Location, Problems, Related, Severity, Sources, Spot};
pub use documents::ManifestDocument;
pub use environment::{Environment, EnvironmentPlaces, EnvironmentTarget};
pub use load::{LoadOptions, Loaded, load, load_project};
pub use patterns::ManifestPatterns;
pub use places::{KeyPath, Layer, Places};
pub use project::{PROJECT_FILE, Project};
pub use read_file::ReadFile;
pub use shapes::{KnownMapping, known_mappings};
pub use source::ProjectSource;
pub use validate::{Validation, validate};
pub use yaml::MAX_BYTES;
