//! Reads seeds: YAML files that describe the initial organizations and workspaces of an emulator.

mod apply_organization;
mod apply_workspace;
mod items;
mod organization;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Deserialize;

use self::apply_organization::apply_to_organization;
use self::apply_workspace::apply_to_workspace;
use self::organization::{SeedKey, SeedOrganization};
use self::workspace::{SeedWorkspace, SeedWorkspaceKey, check_all, workspace_id};
use crate::file_error::FileError;
use crate::state::World;

/// The initial organizations and workspaces of an emulator, as a seed file defines them.
///
/// ```
/// let seed = amigops_emulator::Seed::from_yaml(
///     "
/// organizations:
///   acme:
///     api_keys:                      # keys for signing in
///       - {id: ci, key: secret, user: bot}
///       - {id: reader, key: secret, user: rae, permissions: ['Service:GetService'], hidden_services: [Draft]}
///     agents: [{name: Coach Maya, versions: 5}, {name: Old Coach, deprecated: true}]
///     context_graphs: [{name: Coaching Flow, versions: 6}]
///     llms: [openai_gpt-5.1-2025-11-13]   # if absent: any LLM
///     services:
///       - name: Health Coach
///         description: Coaches members
///         agent: Coach Maya
///         context_graph: Coaching Flow
///         tags: {team: care, audited: ~}
///         version_sets:
///           release: {agent_version: 3, context_graph_version: latest, applied_behavior_ids: []}
///       - {name: Draft, agent: Coach Maya, context_graph: Coaching Flow, active: false}
///     behavior_sets: [{name: Safety, applied_to: [Health Coach]}]
///     unit_tests: [{service: Health Coach, version_set: release}]
///     replies:
///       greeting: Hello, this is {agent}.
///       canned:
///         - {service: Health Coach, agent_version: 4, error: {code: 500, description: model is away}}
///         - {says: bye, answer: See you., finishes: true}
/// workspaces:
///   sandbox:                         # or a UUID
///     api_keys: [{key: secret}, {key: other, name: reader, permissions: [Service.view]}]
///     agents: [{name: Coach Maya, versions: 5}]
///     context_graphs: [{name: Coaching Flow, versions: 6}]
///     services:
///       - name: Health Coach
///         agent: Coach Maya
///         context_graph: Coaching Flow
///         channel_type: text
///         escalation_policy: {risk_scorer: {type: hangup}}
///         version_sets: {release: {agent_version: 3}}
/// ",
/// );
/// assert!(seed.is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Seed {
    pub(crate) organizations: BTreeMap<String, SeedOrganization>,
    /// The workspaces. The key is the id of the workspace.
    pub(crate) workspaces: BTreeMap<String, SeedWorkspace>,
}

impl JsonSchema for Seed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        SeedDocument::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SeedDocument::json_schema(generator)
    }
}

/// The initial organizations and workspaces of an emulator.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SeedDocument {
    /// The organizations of the Classic API, by name. A name consists of letters, digits, `-`, `_` and `.`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[A-Za-z0-9_.-]+$"}))]
    organizations: BTreeMap<String, SeedOrganization>,
    /// The workspaces of the Platform API, by id. The id is a UUID, or `sandbox` for the workspace of the embedded
    /// sandbox.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {
        "pattern": r"^(sandbox|(urn:uuid:)?\{?[0-9A-Fa-f-]{32,36}\}?)$"
    }))]
    workspaces: BTreeMap<String, SeedWorkspace>,
}

impl Seed {
    /// Reads the text of a seed file. Errors if the text is invalid, for example if it names an agent that the seed
    /// does not define.
    pub fn from_yaml(text: &str) -> Result<Self, FileError> {
        let document: SeedDocument =
            serde_saphyr::from_str(text).map_err(|error| FileError::of_yaml(&error))?;
        for (name, organization) in &document.organizations {
            let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || !name.chars().all(sound) {
                let message = format!("organization {name:?}: letters, digits, `-`, `_` and `.` only");
                return Err(FileError { line: 0, column: 0, message });
            }
            organization.check()?;
        }
        let workspaces = check_all(document.workspaces)?;
        Ok(Self { organizations: document.organizations, workspaces })
    }

    /// Adds a key with all permissions to an organization, unless the organization already has a key with this id. If
    /// the seed does not have the organization, adds it.
    pub fn ensure_api_key(&mut self, organization: &str, id: &str, key: &str, user: &str) {
        let keys = &mut self.organizations.entry(organization.to_owned()).or_default().api_keys;
        if keys.iter().any(|known| known.id == id) {
            return;
        }
        keys.push(SeedKey {
            id: id.to_owned(),
            key: key.to_owned(),
            user: user.to_owned(),
            permissions: None,
            hidden_services: BTreeSet::new(),
        });
    }

    /// Adds a key with all permissions to a workspace, unless the workspace already has this key. If the seed does not
    /// have the workspace, adds it. `workspace` is a UUID or `sandbox`.
    pub fn ensure_workspace_key(&mut self, workspace: &str, key: &str) {
        let id = workspace_id(workspace).unwrap_or_else(|_| workspace.to_owned());
        let keys = &mut self.workspaces.entry(id).or_default().api_keys;
        if !keys.iter().any(|known| known.key == key) {
            keys.push(SeedWorkspaceKey { key: key.to_owned(), id: None, permissions: None });
        }
    }

    /// Adds a workspace with copies of an organization's agents, context graphs, services, LLMs and replies, as far as
    /// the Platform API supports them. The copies get new ids. Does nothing if the seed already has the workspace, or
    /// does not have the organization. `workspace` is a UUID or `sandbox`.
    pub fn mirror_organization(&mut self, organization: &str, workspace: &str) {
        let id = workspace_id(workspace).unwrap_or_else(|_| workspace.to_owned());
        let Some(organization) = self.organizations.get(organization) else { return };
        self.workspaces.entry(id).or_insert_with(|| SeedWorkspace::mirror(organization));
    }

    /// Adds the organizations and workspaces of the seed to the state, or updates them. Applying the same seed again
    /// changes nothing.
    pub(crate) fn apply(&self, world: &mut World, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        for (name, seed) in &self.organizations {
            apply_to_organization(world, name, seed, millis);
        }
        for (id, seed) in &self.workspaces {
            apply_to_workspace(world, id, seed, millis);
        }
    }
}
