//! The kinds of files that have a JSON Schema.

use serde_json::Value;

use super::{generate, project, service};

/// A kind of file that has a JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaFile {
    /// The project file, `amigops.yaml`.
    Project,
    /// A manifest, with one service per document.
    Service,
    /// A saved plan.
    Plan,
    /// A seed: the initial state of an emulator.
    Seed,
    /// A fault file: the failures that an emulator injects into requests.
    Faults,
}

impl SchemaFile {
    /// All kinds of files that have a schema.
    pub const ALL: &[Self] = &[Self::Project, Self::Service, Self::Plan, Self::Seed, Self::Faults];

    /// Returns the name of this kind of file on the command line, such as `service`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Service => "service",
            Self::Plan => "plan",
            Self::Seed => "seed",
            Self::Faults => "faults",
        }
    }

    /// Returns a short description of this kind of file. It is the title of the schema.
    pub fn about(self) -> &'static str {
        match self {
            Self::Project => "amigops.yaml, the project file",
            Self::Service => "a manifest: one service per document",
            Self::Plan => "a plan, as `plan --format json` prints it and `plan --out` saves it",
            Self::Seed => "the initial state of an emulator",
            Self::Faults => "the faults that an emulator injects",
        }
    }

    /// Returns the name of the file that contains the schema, such as `service.schema.json`.
    pub fn file_name(self) -> String {
        format!("{}.schema.json", self.name())
    }

    /// Returns the JSON Schema of this kind of file.
    pub fn schema(self) -> Value {
        let mut schema = match self {
            Self::Project => project::schema(),
            Self::Service => service::schema(),
            Self::Plan => generate::schema_of::<crate::plan_file::PlanDocument>(),
            Self::Seed => generate::schema_of::<amigops_emulator::Seed>(),
            Self::Faults => generate::schema_of::<amigops_emulator::Faults>(),
        };
        schema["title"] = Value::String(self.about().to_owned());
        schema
    }

    /// Returns the content of the file that contains the schema: indented JSON with a final line break.
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema())
    }
}
