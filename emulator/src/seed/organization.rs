//! The organizations of a seed. They exist on the Classic API.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::items::{SeedItem, check_pins, check_unique, named, version_set, wrong, yes};
use crate::file_error::FileError;
use crate::state::{Permission, Replies};

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SeedOrganization {
    /// The API keys with which users can sign in. The embedded sandbox adds a key of its own.
    pub(crate) api_keys: Vec<SeedKey>,
    /// The agents that services can use.
    pub(crate) agents: Vec<SeedItem>,
    /// The context graphs that services can use.
    pub(crate) context_graphs: Vec<SeedItem>,
    /// The names of the LLMs that version sets can use. If absent, any name is accepted.
    pub(crate) llms: Option<BTreeSet<String>>,
    /// The services that exist at the start.
    pub(crate) services: Vec<SeedService>,
    /// The behavior sets that exist at the start, and the services that they apply to.
    pub(crate) behavior_sets: Vec<SeedBehaviorSet>,
    /// Simulation unit tests. A version set that is used by a test can't be deleted.
    pub(crate) unit_tests: Vec<SeedUnitTest>,
    /// The agents' replies in conversations.
    pub(crate) replies: Replies,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedKey {
    /// The id of the key.
    pub(crate) id: String,
    /// The secret part of the key. In the emulator, it need not be a real secret.
    pub(crate) key: String,
    /// The user who can sign in with the key.
    pub(crate) user: String,
    /// The permissions of the user. If absent, the user has all permissions.
    pub(crate) permissions: Option<BTreeSet<Permission>>,
    /// The names of services that the user can't see.
    #[serde(default)]
    pub(crate) hidden_services: BTreeSet<String>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedService {
    /// The name of the service. It must be unique among active services.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// The id of the service: 24 hexadecimal digits. If absent, a new id is generated.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9a-f]{24}$"))]
    pub(crate) id: Option<Spanned<String>>,
    /// The description of the service. If absent, it is the same as the name.
    pub(crate) description: Option<String>,
    /// The name of the service's agent.
    #[schemars(with = "String")]
    pub(crate) agent: Spanned<String>,
    /// The name of the service's context graph.
    #[schemars(with = "String")]
    pub(crate) context_graph: Spanned<String>,
    /// True if the service is active.
    #[serde(default = "yes")]
    pub(crate) active: bool,
    /// The tags of the service. The value `~` stands for a tag without a value.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, Option<String>>,
    /// Words that speech recognition should expect in conversations.
    #[serde(default)]
    pub(crate) keyterms: Vec<String>,
    /// The version sets, by name. Each has `agent_version` and `context_graph_version` (a number or `latest`),
    /// `llm_model_preferences`, and any other fields.
    #[serde(default)]
    #[schemars(
        with = "BTreeMap<String, Map<String, Value>>",
        extend("propertyNames" = {"pattern": "^[A-Za-z0-9_-]{1,40}$", "not": {"const": "edge"}})
    )]
    pub(crate) version_sets: BTreeMap<String, Spanned<Map<String, Value>>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedBehaviorSet {
    /// The name of the behavior set.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// The id of the behavior set: 24 hexadecimal digits. If absent, a new id is generated.
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9a-f]{24}$"))]
    pub(crate) id: Option<Spanned<String>>,
    /// True if the behavior set is active.
    #[serde(default = "yes")]
    pub(crate) active: bool,
    /// The tags of the behavior set. The value `~` stands for a tag without a value.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, Option<String>>,
    /// The names of the services that the behavior set applies to.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) applied_to: Vec<Spanned<String>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedUnitTest {
    /// The name of the service that the test uses.
    #[schemars(with = "String")]
    pub(crate) service: Spanned<String>,
    /// The name of the version set that the test uses.
    pub(crate) version_set: String,
}

impl SeedOrganization {
    pub(super) fn check(&self) -> Result<(), FileError> {
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
