//! JSON Schemas of the files that people write, and the reference of their keys. May import `model`,
//! `plan_file` and `emulator` (for the types of plans, seeds and faults).
//!
//! The loader of manifests is a reader of its own, which knows the place of everything, so that the types
//! here only describe: their documentation is what an editor shows. `tests/suite/schema` holds them against
//! the loader, key by key and bound by bound.
//!
//! Draft 7, not 2020-12: it is what `yaml-language-server`, which VS Code and most other editors use, knows
//! whole, and every validator reads it.
//!
//! A schema sees one document, and the loader sees what the documents, the defaults and the overlays make
//! together. So a schema refuses only what no layer below could make good: what may come from a layer isn't
//! required, and null, which removes what the layer below says, is allowed. Where the two APIs differ, the
//! wider bound holds, and the description names both.

mod project;
pub mod reference;
mod service;
mod settings;
mod tidy;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// The files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// `amigops.yaml`.
    Project,
    /// A manifest: services, one a document.
    Service,
    /// A saved plan.
    Plan,
    /// What an emulator's world begins with.
    Seed,
    /// What goes wrong with an emulator's requests.
    Faults,
}

impl File {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Project, Self::Service, Self::Plan, Self::Seed, Self::Faults];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Service => "service",
            Self::Plan => "plan",
            Self::Seed => "seed",
            Self::Faults => "faults",
        }
    }

    /// What it is, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Project => "amigops.yaml, the project's file",
            Self::Service => "a manifest: one service a document",
            Self::Plan => "a plan, as `plan --format json` prints and `plan --out` saves it",
            Self::Seed => "what an emulator's world begins with",
            Self::Faults => "what goes wrong with an emulator's requests",
        }
    }

    /// The name of the schema's file.
    pub fn file_name(self) -> String {
        format!("{}.schema.json", self.name())
    }

    /// The schema.
    pub fn schema(self) -> Value {
        let mut schema = match self {
            Self::Project => project::schema(),
            Self::Service => service::schema(),
            Self::Plan => of::<crate::plan_file::Document>(),
            Self::Seed => of::<amigops_emulator::Seed>(),
            Self::Faults => of::<amigops_emulator::Faults>(),
        };
        schema["title"] = Value::String(self.about().to_owned());
        schema
    }

    /// The schema as its file holds it.
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema())
    }
}

/// A type's schema, tidy and in one piece.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy::tidy(&mut schema);
    schema
}

/// A version's number, or the newest.
fn pin(_: &mut SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": u32::MAX},
            {"type": "string", "enum": ["latest"]},
            {"type": "null"},
        ],
    })
}
