//! JSON Schemas of the files that users write, and the reference of their keys.
//!
//! The manifest loader has its own decoder, which tracks locations. The types here only describe the files, and
//! editors show their documentation. `tests/suite/schema` compares them with the loader, key by key and limit by
//! limit.
//!
//! Uses draft 7, not 2020-12: `yaml-language-server`, which VS Code and most other editors use, supports all of
//! it, and every validator reads it.
//!
//! A schema sees one document; the loader sees the merge of document, defaults and overlays. So a schema refuses
//! only what no other layer can fix: a key that may come from another layer is not required, and null, which
//! removes a value of the layer below, is allowed. If the two APIs differ, the schema uses the wider limit and the
//! description names both.

mod file;
mod generate;
mod project;
pub mod reference;
mod service;
mod settings;
mod tidy;

pub use file::SchemaFile;
