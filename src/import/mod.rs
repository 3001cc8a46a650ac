//! Imports live services into manifests: new files, and changes of existing ones.
//!
//! This module is pure: it takes a snapshot and the current manifests, and returns new texts and changes. The caller
//! loads every new text and makes a plan with it before it writes a file.
//!
//! * [`select`]: selects the live services to import.
//! * [`manifest`]: converts a live service to a document, without the project's defaults.
//! * [`update`]: finds the changes that an existing document needs.
//! * `layers`: chooses the layer of each change: the document, or the overlay of one environment.
//! * `yaml` and `slug`: write the text of a new file, and choose its name.

mod context;
mod layers;
pub mod manifest;
pub mod select;
mod slug;
#[cfg(test)]
mod tests;
pub mod update;
mod yaml;

use std::collections::BTreeSet;

pub use context::{ImportContext, Note};

use crate::model::{LiveService, ServiceName};

/// A new file for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// The file's name, without a directory.
    pub name: String,
    /// The file's text.
    pub text: String,
    /// The name of the service that the file declares.
    pub service: ServiceName,
}

/// Returns a new file for each service, and notes for the user. No new file gets a name that is in `taken`. `schema` is
/// the path, relative to the new files, of the schema that editors use, if there is one.
pub fn files(
    context: &ImportContext<'_>,
    services: &[&LiveService],
    taken: &BTreeSet<String>,
    schema: Option<&str>,
) -> (Vec<NewFile>, Vec<Note>) {
    // On a case-insensitive file system, two names that differ only in case would be the same file.
    let mut taken: BTreeSet<String> = taken.iter().map(|name| name.to_lowercase()).collect();
    let mut slugs: Vec<String> = services.iter().map(|service| slug::slug(service.name.as_str())).collect();
    slugs.sort();
    // If two services would get the same file name, neither gets it, so that names don't depend on the order of
    // services.
    taken.extend(slugs.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("{}.yaml", pair[0])));
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for service in services {
        let name = slug::file_name(&service.name, &service.id, &taken);
        taken.insert(name.clone());
        let document = manifest::document(context, service, &mut notes);
        let modeline =
            schema.map_or_else(String::new, |path| format!("# yaml-language-server: $schema={path}\n"));
        let text = modeline + &yaml::document(&document);
        files.push(NewFile { name, text, service: service.name.clone() });
    }
    (files, notes)
}
