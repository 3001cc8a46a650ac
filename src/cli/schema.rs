//! `amigops schema`: JSON Schemas for editors and validators. May import everything.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::Context;
use crate::error::{Failure, Success};
use crate::schema::{SchemaFile, reference};

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaCommand {
    /// What to describe; all, where --out says into which directory
    #[arg(value_name = "NAME", value_parser = names())]
    name: Option<SchemaFile>,
    /// Write `NAME.schema.json` into this directory instead of printing it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Renew the tables of keys in this page
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
    /// Prints a schema, or writes what is to be written.
    pub(super) fn run(&self, context: &Context<'_>) -> Result<Success, Failure> {
        if self.name.is_none() && self.out.is_none() && self.docs.is_none() {
            let names: Vec<_> = SchemaFile::ALL.iter().map(|file| format!("`{}`", file.name())).collect();
            return Err(Failure::other(format!("which schema? There are {}", names.join(", ")))
                .hint("--out DIR writes all of them"));
        }
        let files = match &self.name {
            Some(file) => std::slice::from_ref(file),
            None => SchemaFile::ALL,
        };
        match &self.out {
            Some(directory) => {
                for file in files {
                    write(context, directory, &file.file_name(), file.text().as_bytes())?;
                }
            }
            None => self.name.iter().for_each(|file| context.ui.data(&file.text())),
        }
        if let Some(page) = &self.docs {
            let text = std::fs::read_to_string(page).map_err(|error| unusable("read", page, &error))?;
            let renewed = reference::renew(&text)
                .map_err(|error| Failure::other(format!("{}: {error}", page.display())))?;
            if renewed != text {
                std::fs::write(page, renewed).map_err(|error| unusable("written", page, &error))?;
            }
        }
        Ok(Success::Done)
    }
}

/// Writes a file into a directory, which is made where it is missing, and says so.
pub(super) fn write(
    context: &Context<'_>,
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), Failure> {
    let path = directory.join(name);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, bytes))
        .map_err(|error| unusable("written", &path, &error))?;
    context.ui.note(&format!("wrote {}", path.display()));
    Ok(())
}

fn unusable(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::other(format!("{} can't be {what}: {error}", path.display()))
}
