//! Live services → manifests: new files, and changes to those that are there.
//!
//! Pure: a snapshot and what the manifests say now go in, texts and changes come out. Who calls this reads
//! every text back, as the loader would find it, and plans with it, before anything is written.
//!
//! * [`select`]: which live services are imported;
//! * [`manifest`]: one live service as a document, defaults left out;
//! * [`update`]: what an existing document must say instead;
//! * `layers`: where it says so — the document itself, or one environment's overlay;
//! * `yaml` and `slug`: how a new file is written and named.

mod layers;
pub mod manifest;
pub mod select;
mod slug;
#[cfg(test)]
mod tests;
pub mod update;
mod yaml;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::{Api, LiveService, Policy, ServiceName, Snapshot};

/// What one import is about.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The API of the environment.
    pub api: Api,
    /// The project's rules.
    pub policy: &'a Policy,
    /// The live state, with all agents and context graphs.
    pub snapshot: &'a Snapshot,
    /// The environment's name.
    pub environment: &'a str,
    /// Whether the project has no other environment, so that documents speak of this one alone.
    pub sole: bool,
    /// Whether other environments are on the other API, so that documents can't say what only this one has.
    pub mixed: bool,
    /// What the project merges under every document.
    pub defaults: &'a Map<String, Value>,
}

/// Something that people should know of one service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The service.
    pub service: ServiceName,
    /// What is the case, and what follows.
    pub message: String,
}

impl Note {
    fn new(service: &ServiceName, message: impl Into<String>) -> Self {
        Self { service: service.clone(), message: message.into() }
    }
}

/// What is new: a file of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without a directory.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// The service.
    pub service: ServiceName,
}

/// A file for each of these services, under names that nothing has yet. `schema` is the way from the file
/// to the schema that editors check it with, where there is one.
pub fn files(
    context: &Context<'_>,
    services: &[&LiveService],
    taken: &BTreeSet<String>,
    schema: Option<&str>,
) -> (Vec<File>, Vec<Note>) {
    // File systems that don't tell cases apart must not merge two files.
    let mut taken: BTreeSet<String> = taken.iter().map(|name| name.to_lowercase()).collect();
    let mut slugs: Vec<String> = services.iter().map(|service| slug::slug(service.name.as_str())).collect();
    slugs.sort();
    // Where two names give one slug, neither has it alone: the order of services must not decide.
    taken.extend(slugs.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("{}.yaml", pair[0])));
    let (mut files, mut notes) = (Vec::new(), Vec::new());
    for service in services {
        let name = slug::file_name(&service.name, &service.id, &taken);
        taken.insert(name.clone());
        let document = manifest::document(context, service, &mut notes);
        let modeline =
            schema.map_or_else(String::new, |path| format!("# yaml-language-server: $schema={path}\n"));
        let text = modeline + &yaml::document(&document);
        files.push(File { name, text, service: service.name.clone() });
    }
    (files, notes)
}
