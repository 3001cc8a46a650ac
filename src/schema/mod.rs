//! JSON Schemas of the files that users write, and the reference documentation of the keys in these files.
//!
//! The manifest loader has its own decoder, which tracks locations. The types in this module only describe the files
//! for the schemas. Editors show the doc comments of these types. `tests/suite/schema` compares every key and every
//! limit with those of the loader.
//!
//! The schemas use draft 7 of JSON Schema, not 2020-12: `yaml-language-server`, which VS Code and most other editors
//! use, supports all of it, and every validator reads it.
//!
//! A schema checks one document alone. The loader checks the result of merging three layers: the project's defaults,
//! the document and an overlay. So a schema refuses only mistakes that no other layer can correct. A key that may come
//! from another layer is not required. Null is allowed, because it removes a value of another layer. If the two APIs
//! have different limits, the schema uses the wider limit, and the description of the key names both limits.

mod file;
mod generate;
mod project;
pub mod reference;
mod service;
mod settings;
mod tidy;

pub use file::SchemaFile;
