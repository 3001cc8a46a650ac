//! The input of an import, and its notes to the user.

use serde_json::{Map, Value};

use crate::model::{Api, Policy, ServiceName, Snapshot};

/// The input of one import: the live state, and the settings of the project and the environment.
#[derive(Clone, Copy, Debug)]
pub struct ImportContext<'a> {
    /// The API of the environment from which services are imported.
    pub api: Api,
    /// The project's rules, such as its ownership tag and its guardrails.
    pub policy: &'a Policy,
    /// The live state of the environment, including all agents and context graphs.
    pub snapshot: &'a Snapshot,
    /// The name of the environment from which services are imported.
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
    /// The name of the service.
    pub service: ServiceName,
    /// The message to the user.
    pub message: String,
}

impl Note {
    /// Returns the note that a declared service does not exist.
    pub fn without_service(name: &ServiceName) -> Self {
        Self::new(
            name,
            "no live service matches its manifest: an apply would create one. Delete the manifest if the service must not exist",
        )
    }

    pub(super) fn new(service: &ServiceName, message: impl Into<String>) -> Self {
        Self { service: service.clone(), message: message.into() }
    }
}
