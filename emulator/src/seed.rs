//! Seeds: YAML files with the initial organizations and workspaces.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::file_error::FileError;
use super::seed_workspaces::{SeedWorkspace, check_all};
use super::world::{Permission, Replies, VersionSet};

/// The initial organizations and workspaces of a server.
///
/// ```
/// let seed = amigops_emulator::Seed::from_yaml(
///     "
/// organizations:
///   acme:
///     api_keys:                      # who may sign in
///       - {id: ci, key: secret, user: bot}
///       - {id: reader, key: secret, user: rae, permissions: ['Service:GetService'], hidden_services: [Draft]}
///     agents: [{name: Coach Maya, versions: 5}, {name: Old Coach, deprecated: true}]
///     context_graphs: [{name: Coaching Flow, versions: 6}]
///     llms: [openai_gpt-5.1-2025-11-13]   # absent: any
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
    pub(super) organizations: BTreeMap<String, SeedOrganization>,
    /// By id.
    pub(super) workspaces: BTreeMap<String, SeedWorkspace>,
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
    /// The Classic API's organizations, by name: letters, digits, `-`, `_` and `.`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[A-Za-z0-9_.-]+$"}))]
    organizations: BTreeMap<String, SeedOrganization>,
    /// The Platform API's workspaces, by id: a UUID, or `sandbox`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {
        "pattern": r"^(sandbox|(urn:uuid:)?\{?[0-9A-Fa-f-]{32,36}\}?)$"
    }))]
    workspaces: BTreeMap<String, SeedWorkspace>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SeedOrganization {
    /// The keys that can sign in. The embedded sandbox adds one of its own.
    pub(super) api_keys: Vec<SeedKey>,
    /// The agents.
    pub(super) agents: Vec<SeedItem>,
    /// The context graphs.
    pub(super) context_graphs: Vec<SeedItem>,
    /// The LLMs that version sets may name. Absent: any.
    pub(super) llms: Option<BTreeSet<String>>,
    /// The services.
    pub(super) services: Vec<SeedService>,
    /// Dynamic behavior sets, and the services they apply to.
    pub(super) behavior_sets: Vec<SeedBehaviorSet>,
    /// Simulation unit tests. A version set that one uses can't be deleted.
    pub(super) unit_tests: Vec<SeedUnitTest>,
    /// The agents' replies.
    pub(super) replies: Replies,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedKey {
    /// The key's id.
    pub(super) id: String,
    /// The key itself. The emulator has no real secrets.
    pub(super) key: String,
    /// The user who signs in with it.
    pub(super) user: String,
    /// The user's permissions. Absent: all.
    pub(super) permissions: Option<BTreeSet<Permission>>,
    /// Names of services that the user can't see.
    #[serde(default)]
    pub(super) hidden_services: BTreeSet<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedItem {
    /// The name, unique among items of its kind.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// The id: 24 hexadecimal digits in an organization, a UUID in a workspace. Absent: a new one.
    #[schemars(with = "Option<String>")]
    pub(super) id: Option<Spanned<String>>,
    /// The number of versions, counted from 1. An item that a service uses needs at least one.
    #[serde(default = "one")]
    pub(super) versions: u32,
    /// Whether it is deprecated: no new service may use it.
    #[serde(default)]
    pub(super) deprecated: bool,
}

fn one() -> u32 {
    1
}

pub(super) fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedService {
    /// The name, unique among active services.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// The id: 24 hexadecimal digits. Absent: a new one.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9a-f]{24}$"))]
    pub(super) id: Option<Spanned<String>>,
    /// The description. Absent: the name.
    pub(super) description: Option<String>,
    /// The agent's name.
    #[schemars(with = "String")]
    pub(super) agent: Spanned<String>,
    /// The context graph's name.
    #[schemars(with = "String")]
    pub(super) context_graph: Spanned<String>,
    /// Whether it is active.
    #[serde(default = "yes")]
    pub(super) active: bool,
    /// The tags; `~` for one without a value.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, Option<String>>,
    /// Words that speech recognition should know.
    #[serde(default)]
    pub(super) keyterms: Vec<String>,
    /// The version sets by name: `agent_version` and `context_graph_version` (a number or `latest`),
    /// `llm_model_preferences`, and any further fields.
    #[serde(default)]
    #[schemars(
        with = "BTreeMap<String, Map<String, Value>>",
        extend("propertyNames" = {"pattern": "^[A-Za-z0-9_-]{1,40}$", "not": {"const": "edge"}})
    )]
    pub(super) version_sets: BTreeMap<String, Spanned<Map<String, Value>>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedBehaviorSet {
    /// The name.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// The id: 24 hexadecimal digits. Absent: a new one.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9a-f]{24}$"))]
    pub(super) id: Option<Spanned<String>>,
    /// Whether it is active.
    #[serde(default = "yes")]
    pub(super) active: bool,
    /// The tags; `~` for one without a value.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, Option<String>>,
    /// Names of the services that it applies to.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) applied_to: Vec<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedUnitTest {
    /// The service's name.
    #[schemars(with = "String")]
    pub(super) service: Spanned<String>,
    /// The version set's name.
    pub(super) version_set: String,
}

impl Seed {
    /// Reads a seed, and checks that every name in it refers to something that the seed defines.
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

    /// Adds a key with all permissions, unless the organization has a key with this id. Creates the
    /// organization if it is missing.
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
}

pub(super) fn wrong<T>(place: Location, message: impl Into<String>) -> Result<T, FileError> {
    Err(FileError { line: place.line(), column: place.column(), message: message.into() })
}

/// Finds an item by name.
pub(super) fn named<'a>(
    items: &'a [SeedItem],
    name: &Spanned<String>,
    what: &str,
) -> Result<&'a SeedItem, FileError> {
    match items.iter().find(|item| item.name.value == name.value) {
        Some(item) => Ok(item),
        None => wrong(name.referenced, format!("there is no {what} named {:?} here", name.value)),
    }
}

pub(super) fn check_unique<'a>(
    names: impl Iterator<Item = &'a Spanned<String>>,
    what: &str,
) -> Result<(), FileError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.value.trim() != name.value || name.value.is_empty() {
            return wrong(
                name.referenced,
                format!("{what} {:?} is empty or has spaces around it", name.value),
            );
        }
        if !seen.insert(&name.value) {
            return wrong(name.referenced, format!("{what} {:?} is defined twice", name.value));
        }
    }
    Ok(())
}

impl SeedOrganization {
    fn check(&self) -> Result<(), FileError> {
        check_unique(self.agents.iter().map(|item| &item.name), "agent")?;
        check_unique(self.context_graphs.iter().map(|item| &item.name), "context graph")?;
        let active = |service: &&SeedService| service.active;
        check_unique(self.services.iter().filter(active).map(|service| &service.name), "active service")?;
        let ids = self.agents.iter().chain(&self.context_graphs).filter_map(|item| item.id.as_ref());
        let ids = ids.chain(self.services.iter().filter_map(|service| service.id.as_ref()));
        let ids: Vec<_> = ids.chain(self.behavior_sets.iter().filter_map(|set| set.id.as_ref())).collect();
        check_unique(ids.iter().copied(), "id")?;
        for id in ids {
            let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if id.value.len() != 24 || !id.value.bytes().all(hexadecimal) {
                return wrong(id.referenced, format!("id {:?} is not 24 hexadecimal digits", id.value));
            }
        }
        for service in &self.services {
            self.check_service(service)?;
        }
        let tested = self.unit_tests.iter().map(|test| &test.service);
        for name in tested.chain(self.behavior_sets.iter().flat_map(|set| &set.applied_to)) {
            if !self.services.iter().any(|service| service.name.value == name.value) {
                return wrong(name.referenced, format!("there is no service named {:?} here", name.value));
            }
        }
        for test in &self.unit_tests {
            let of = |service: &&SeedService| service.name.value == test.service.value;
            let born = ["edge", "release"].contains(&test.version_set.as_str());
            let has = |service: &SeedService| service.version_sets.contains_key(&test.version_set);
            if !born && !self.services.iter().filter(of).any(has) {
                let message = format!("the service has no version set {:?}", test.version_set);
                return wrong(test.service.referenced, message);
            }
        }
        Ok(())
    }

    fn check_service(&self, service: &SeedService) -> Result<(), FileError> {
        let agent = named(&self.agents, &service.agent, "agent")?;
        let graph = named(&self.context_graphs, &service.context_graph, "context graph")?;
        for (item, name) in [(agent, &service.agent), (graph, &service.context_graph)] {
            if item.versions == 0 {
                return wrong(name.referenced, format!("{:?} has no versions", name.value));
            }
        }
        for (name, fields) in &service.version_sets {
            let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if name == "edge" || name.is_empty() || name.len() > 40 || !name.chars().all(sound) {
                return wrong(fields.referenced, format!("{name:?} can't be the name of a version set here"));
            }
            let set = match version_set(&fields.value) {
                Ok(set) => set,
                Err(message) => return wrong(fields.referenced, format!("version set {name:?}: {message}")),
            };
            check_pins(fields.referenced, name, &set, agent, graph)?;
        }
        Ok(())
    }
}

/// Checks that a version set's pinned versions exist.
pub(super) fn check_pins(
    place: Location,
    name: &str,
    set: &VersionSet,
    agent: &SeedItem,
    graph: &SeedItem,
) -> Result<(), FileError> {
    for (pin, item) in [(set.agent_version, agent), (set.context_graph_version, graph)] {
        if let Some(pin) = pin.filter(|pin| !(1..=item.versions).contains(pin)) {
            let message = format!("{:?} has no version {pin}", item.name.value);
            return wrong(place, format!("version set {name:?}: {message}"));
        }
    }
    Ok(())
}

/// Reads a version set: its pins, its preferences and any further fields.
pub(super) fn version_set(fields: &Map<String, Value>) -> Result<VersionSet, String> {
    let mut extra = fields.clone();
    let mut pin = |name: &str| match extra.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text == "latest" => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.map(Some).ok_or_else(|| format!("{name} is a number or `latest`, not {value}"))
        }
    };
    let (agent_version, context_graph_version) = (pin("agent_version")?, pin("context_graph_version")?);
    let llm_model_preferences = match extra.remove("llm_model_preferences") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(preferences)) => preferences,
        Some(_) => return Err("llm_model_preferences is a map".to_owned()),
    };
    Ok(VersionSet { agent_version, context_graph_version, llm_model_preferences, extra })
}
