//! The input of an import, and its notes to the user.

use serde_json::{Map, Value};

use crate::model::{Api, Policy, ServiceName, Snapshot};

/// The input of one import.
#[derive(Clone, Copy, Debug)]
pub struct ImportContext<'a> {
    /// The API of the environment.
    pub api: Api,
    /// The project's rules.
    pub policy: &'a Policy,
    /// The live state, including all agents and context graphs.
    pub snapshot: &'a Snapshot,
    /// The environment's name.
    pub environment: &'a str,
    /// True if the project has no other environment, so that its documents apply to this environment only.
    pub sole: bool,
    /// True if another environment is on another API, so that documents can't contain fields that only this API
    /// supports.
    pub mixed: bool,
    /// The project's defaults. They apply to every document that does not declare another value.
    pub defaults: &'a Map<String, Value>,
}

/// A note to the user about one service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The service.
    pub service: ServiceName,
    /// The message.
    pub message: String,
}

impl Note {
    pub(super) fn new(service: &ServiceName, message: impl Into<String>) -> Self {
        Self { service: service.clone(), message: message.into() }
    }
}
