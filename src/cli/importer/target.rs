//! The project to which an import writes, and the connection to its environment.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::connect::{self, Connection};
use crate::cli::context::Context;
use crate::error::Failure;
use crate::manifest::{self, LoadOptions, Loaded, Problems, ProjectSource};
use crate::remote::ReadApi;

/// The project to which an import writes, and the connection to its environment.
pub(in crate::cli) struct ImportTarget<'a> {
    pub(super) context: &'a Context<'a>,
    pub(in crate::cli) loaded: Loaded,
    pub(super) connection: Connection,
}

impl<'a> ImportTarget<'a> {
    /// Loads the project and connects to its environment. The project may have no manifests yet.
    pub(in crate::cli) fn open(context: &'a Context<'a>, options: LoadOptions<'_>) -> Result<Self, Failure> {
        let loaded = manifest::load(&LoadOptions { allow_empty: true, keep_documents: true, ..options })?;
        let connection = connect::connect(context, &loaded)?;
        Ok(Self { context, loaded, connection })
    }

    /// Returns the project's directory.
    pub(in crate::cli) fn root(&self) -> &Path {
        &self.loaded.project.root
    }

    /// Returns the read operations of the live API.
    pub(super) fn api(&self) -> &impl ReadApi {
        self.connection.read()
    }

    /// Loads the project as if some of its files had other texts. `texts` contains the new text of each such file, by
    /// the path of the file in the project.
    pub(super) fn load_with(&self, texts: BTreeMap<String, String>) -> Result<Loaded, Problems> {
        let source = ProjectSource::WorkingDirectory(self.root());
        manifest::load(&LoadOptions {
            replacements: texts,
            allow_empty: true,
            keep_documents: true,
            ..LoadOptions::new(source, Some(&self.loaded.environment.name))
        })
    }
}
