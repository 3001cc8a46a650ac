//! `amigops schema`: prints or writes JSON Schemas for editors and validators.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::cli::context::Context;
use crate::cli::files;
use crate::cli::user_file;
use crate::error::{Failure, Success};
use crate::schema::{SchemaFile, reference};

/// The maximum size of a page of the documentation, in bytes.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SchemaCommand {
    /// Schema to print; all of them with --out
    #[arg(value_name = "NAME", value_parser = names())]
    name: Option<SchemaFile>,
    /// Write `NAME.schema.json` into this directory instead of printing the schema
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Update the tables of keys in this page
    #[arg(long, value_name = "FILE", hide = true)]
    docs: Option<PathBuf>,
}

fn names() -> impl TypedValueParser<Value = SchemaFile> {
    let names = SchemaFile::ALL.iter().map(|file| PossibleValue::new(file.name()).help(file.about()));
    PossibleValuesParser::new(names).try_map(|name| {
        SchemaFile::ALL.iter().copied().find(|file| file.name() == name).ok_or("no such schema")
    })
}

impl SchemaCommand {
    /// Prints a schema, or writes the schemas and the reference page that were requested.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        if self.name.is_none() && self.out.is_none() && self.docs.is_none() {
            let names: Vec<_> = SchemaFile::ALL.iter().map(|file| format!("`{}`", file.name())).collect();
            return Err(Failure::other(format!("no schema is named: choose one of {}", names.join(", ")))
                .hint("--out DIR writes all of them"));
        }
        let files = match &self.name {
            Some(file) => std::slice::from_ref(file),
            None => SchemaFile::ALL,
        };
        match &self.out {
            Some(directory) => {
                for file in files {
                    files::write_generated(context, directory, &file.file_name(), file.text().as_bytes())?;
                }
            }
            None => self.name.iter().for_each(|file| context.ui.data(&file.text())),
        }
        if let Some(page) = &self.docs {
            update_reference(page)?;
        }
        Ok(Success::Done)
    }
}

/// Updates the tables of keys in a page of the documentation.
fn update_reference(page: &Path) -> Result<(), Failure> {
    let name = page.display();
    let text = user_file::read_text(page, MAX_PAGE_BYTES)
        .map_err(|error| Failure::other(format!("can't read {name}: {error}")))?;
    let renewed = reference::renew(&text).map_err(|error| Failure::other(format!("{name}: {error}")))?;
    if renewed == text {
        return Ok(());
    }
    std::fs::write(page, renewed).map_err(|error| Failure::other(format!("can't write {name}: {error}")))
}
