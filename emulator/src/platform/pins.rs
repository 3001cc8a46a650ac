//! Checks that version sets pin only versions that exist, and use only LLMs that the workspace accepts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::problems::{At, RequestProblems};
use crate::state::{CatalogItem, VersionSet};
use crate::state::{PlatformService, Workspace};

/// A version set from a request. Its fields have the right types, but its version numbers and LLMs have not been
/// checked yet.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct VersionSetBody {
    #[serde(default)]
    agent_version_number: Value,
    #[serde(default)]
    context_graph_version_number: Value,
    #[serde(default)]
    llm_model_preferences: Map<String, Value>,
}

/// The agent and the context graph that a service refers to by id. Each is `None` if the workspace does not have it.
pub(super) struct ResolvedRefs<'w> {
    home: &'w Workspace,
    agent: Option<&'w CatalogItem>,
    graph: Option<&'w CatalogItem>,
}

impl<'w> ResolvedRefs<'w> {
    pub(super) fn of(home: &'w Workspace, agent_id: &str, context_graph_id: &str) -> Self {
        Self { home, agent: home.agents().get(agent_id), graph: home.context_graphs().get(context_graph_id) }
    }

    /// Checks the versions and LLMs of a version set, and adds an error for each invalid version and LLM. Returns the
    /// version set to store.
    pub(super) fn resolve(
        &self,
        problems: &mut RequestProblems,
        at: &At,
        sent: &VersionSetBody,
    ) -> VersionSet {
        self.check_llms(problems, &at.then("llm_model_preferences"), &sent.llm_model_preferences);
        let agent = (self.agent, "agent");
        let graph = (self.graph, "context graph");
        VersionSet {
            agent_version: pin(problems, &at.then("agent_version_number"), &sent.agent_version_number, agent),
            context_graph_version: pin(
                problems,
                &at.then("context_graph_version_number"),
                &sent.context_graph_version_number,
                graph,
            ),
            llm_model_preferences: sent.llm_model_preferences.clone(),
            extra: Map::new(),
        }
    }

    /// Checks all version sets of a request, and returns the version sets to store.
    pub(super) fn resolve_all(
        &self,
        problems: &mut RequestProblems,
        sets: &BTreeMap<String, VersionSetBody>,
    ) -> BTreeMap<String, VersionSet> {
        let at = At::body().then("version_sets");
        let resolve = |(name, sent): (&String, &VersionSetBody)| {
            (name.clone(), self.resolve(problems, &at.then(name.as_str()), sent))
        };
        sets.iter().map(resolve).collect()
    }

    /// Checks the version sets in `kept`: those that a request leaves unchanged while it changes the service from `old`
    /// to `new`. If the agent or the context graph changes, it must have the versions that these version sets pin. Adds
    /// an error for each pinned version that does not exist.
    pub(super) fn check_unchanged<'s>(
        &self,
        problems: &mut RequestProblems,
        old: &PlatformService,
        new: &PlatformService,
        kept: impl Iterator<Item = (&'s String, &'s VersionSet)>,
    ) {
        for (name, set) in kept {
            let moved = [
                (old.agent_id != new.agent_id, "agent_id", &new.agent_id, self.agent, set.agent_version),
                (
                    old.context_graph_id != new.context_graph_id,
                    "context_graph_id",
                    &new.context_graph_id,
                    self.graph,
                    set.context_graph_version,
                ),
            ];
            for (moved, field, id, item, version) in moved {
                let Some(item) = item.filter(|_| moved) else { continue };
                if let Err(reason) = exists(item, &json!(version)) {
                    let reason = format!("version set {name:?}: {reason}");
                    value_error(problems, &At::body().then(field), &reason, &json!(id));
                }
            }
        }
    }

    fn check_llms(&self, problems: &mut RequestProblems, at: &At, preferences: &Map<String, Value>) {
        let Some(known) = &self.home.settings().llms else { return };
        for (interaction, preference) in preferences {
            let name = preference.get("llm_name").and_then(Value::as_str).unwrap_or_default();
            if !known.contains(name) {
                let at = at.then(interaction.as_str()).then("llm_name");
                value_error(problems, &at, &format!("LLM {name:?} is not available"), &json!(name));
            }
        }
    }
}

fn pin(
    problems: &mut RequestProblems,
    at: &At,
    sent: &Value,
    (item, what): (Option<&CatalogItem>, &str),
) -> Option<u32> {
    let found = item.ok_or_else(|| format!("the service's {what} is gone"));
    match found.and_then(|item| exists(item, sent)) {
        Ok(version) => version,
        Err(reason) => {
            value_error(problems, at, &reason, sent);
            None
        }
    }
}

/// Returns the version number in `pin`. Returns `None` if `pin` is null, which stands for the latest version. Errors if
/// the agent or context graph does not have the version.
fn exists(item: &CatalogItem, pin: &Value) -> Result<Option<u32>, String> {
    if item.versions == 0 {
        return Err(format!("{:?} has no versions", item.name));
    }
    if pin.is_null() {
        return Ok(None);
    }
    let number = pin.as_u64().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| (1..=item.versions).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("{:?} has no version {pin}", item.name)),
    }
}

fn value_error(problems: &mut RequestProblems, at: &At, reason: &str, input: &Value) {
    let message = format!("Value error, {reason}");
    problems.add_with("value_error", at, message, input, &json!({ "error": reason }));
}
