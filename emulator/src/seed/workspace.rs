//! The workspaces of a seed. They exist on the Platform API.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::items::{SeedItem, check_pins, check_unique, named, version_set, wrong, yes};
use super::organization::{SeedOrganization, SeedService};
use crate::api::problems::{At, RequestProblems};
use crate::file_error::FileError;
use crate::platform::models::{ESCALATION_POLICY, PREFERENCES, VOICE_CONFIG};
use crate::platform::uuid;
use crate::state::{Replies, SANDBOX_WORKSPACE, ServiceTag, VersionSet, WorkspacePermission};

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SeedWorkspace {
    /// The keys that clients can use. The embedded sandbox adds a key of its own.
    pub(crate) api_keys: Vec<SeedWorkspaceKey>,
    /// The agents that services can use.
    pub(crate) agents: Vec<SeedItem>,
    /// The context graphs that services can use.
    pub(crate) context_graphs: Vec<SeedItem>,
    /// The names of the LLMs that version sets can use. If absent, any name is accepted.
    pub(crate) llms: Option<BTreeSet<String>>,
    /// The services that exist at the start.
    pub(crate) services: Vec<SeedPlatformService>,
    /// The agents' replies in conversations.
    pub(crate) replies: Replies,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_alias)]
pub(crate) struct SeedWorkspaceKey {
    /// The key that clients send. In the emulator, it need not be a real secret.
    pub(crate) key: String,
    /// The id of the key. This field can also be called `name`. If absent, the key itself is used as its id.
    #[serde(alias = "name")]
    pub(crate) id: Option<String>,
    /// The permissions of clients that use the key. If absent, they have all permissions.
    pub(crate) permissions: Option<BTreeSet<WorkspacePermission>>,
}

/// Adds the field `name` to the JSON Schema of a workspace's key. This field is an alias of the field `id`. The library
/// schemars does not add aliases itself.
fn with_alias(schema: &mut schemars::Schema) {
    if let Some(Value::Object(members)) = schema.get_mut("properties")
        && let Some(id) = members.get("id").cloned()
    {
        members.insert("name".to_owned(), id);
    }
}

impl SeedWorkspaceKey {
    /// Returns the id of the key. If the seed does not give an id, returns the key itself.
    pub(crate) fn identity(&self) -> &str {
        self.id.as_ref().unwrap_or(&self.key)
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedPlatformService {
    /// The name of the service. It must be unique among active services.
    #[schemars(with = "String")]
    pub(crate) name: Spanned<String>,
    /// The id of the service, a UUID. If absent, a new id is generated.
    #[schemars(with = "Option<String>")]
    pub(crate) id: Option<Spanned<String>>,
    /// The description of the service.
    #[serde(default)]
    pub(crate) description: String,
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
    /// The version sets, by name. Each has `agent_version` and `context_graph_version` (a number or `latest`), and
    /// `llm_model_preferences`.
    #[serde(default)]
    #[schemars(
        with = "BTreeMap<String, Map<String, Value>>",
        extend("propertyNames" = {"minLength": 1, "maxLength": 40})
    )]
    pub(crate) version_sets: BTreeMap<String, Spanned<Map<String, Value>>>,
    /// The channel through which users talk to the service.
    pub(crate) channel_type: Option<ChannelType>,
    /// The vendor's environment in which the service runs.
    pub(crate) environment: Option<ServiceEnvironment>,
    /// The maximum number of tools that the service can run at the same time.
    #[schemars(with = "Option<u8>", range(min = 1, max = 10))]
    pub(crate) tool_capacity: Option<Spanned<u8>>,
    /// True if the service uses safety filters.
    #[serde(default = "yes")]
    pub(crate) safety_filters_enabled: bool,
    /// The settings of the voice pipeline, in the format of the API.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub(crate) voice_config: Option<Spanned<Value>>,
    /// The escalation policy, in the format of the API.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub(crate) escalation_policy: Option<Spanned<Value>>,
    /// True if the service is a system service. Clients can't change it.
    #[serde(default)]
    pub(crate) is_system: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChannelType {
    Voice,
    Text,
}

impl ChannelType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Text => "text",
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServiceEnvironment {
    Sandbox,
    Production,
}

impl ServiceEnvironment {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }
}

/// Returns the id of a workspace, a UUID in lower case with hyphens. `named` is `sandbox` or a UUID in any spelling.
pub(super) fn workspace_id(named: &str) -> Result<String, String> {
    if named == "sandbox" { Ok(SANDBOX_WORKSPACE.to_owned()) } else { uuid::parse(named) }
}

/// Checks all workspaces of a seed, and returns them by id. Errors if a workspace is invalid or defined twice.
pub(crate) fn check_all(
    workspaces: BTreeMap<String, SeedWorkspace>,
) -> Result<BTreeMap<String, SeedWorkspace>, FileError> {
    let nowhere = |message| FileError { line: 0, column: 0, message };
    let mut checked = BTreeMap::new();
    for (name, mut workspace) in workspaces {
        let id = workspace_id(&name);
        let id =
            id.map_err(|reason| nowhere(format!("workspace {name:?}: a UUID or `sandbox`; {reason}")))?;
        workspace.check()?;
        if checked.insert(id, workspace).is_some() {
            return Err(nowhere(format!("workspace {name:?} is defined twice")));
        }
    }
    Ok(checked)
}

impl SeedWorkspace {
    pub(super) fn mirror(organization: &SeedOrganization) -> Self {
        let anew = |items: &[SeedItem]| {
            items.iter().map(|item| SeedItem { id: None, ..item.clone() }).collect::<Vec<_>>()
        };
        Self {
            api_keys: Vec::new(),
            agents: anew(&organization.agents),
            context_graphs: anew(&organization.context_graphs),
            llms: organization.llms.clone(),
            services: organization.services.iter().map(SeedPlatformService::mirror).collect(),
            replies: organization.replies.clone(),
        }
    }

    fn check(&mut self) -> Result<(), FileError> {
        check_unique(self.agents.iter().map(|item| &item.name), "agent")?;
        check_unique(self.context_graphs.iter().map(|item| &item.name), "context graph")?;
        let active = |service: &&SeedPlatformService| service.active;
        check_unique(self.services.iter().filter(active).map(|service| &service.name), "active service")?;
        self.read_ids()?;
        for service in &self.services {
            let agent = named(&self.agents, &service.agent, "agent")?;
            let graph = named(&self.context_graphs, &service.context_graph, "context graph")?;
            if let Some(capacity) =
                service.tool_capacity.as_ref().filter(|capacity| !(1..=10).contains(&capacity.value))
            {
                return wrong(capacity.referenced, "tool_capacity is 1 to 10");
            }
            for (name, fields) in &service.version_sets {
                let said = |message: String| format!("version set {name:?}: {message}");
                if name.is_empty() || name.chars().count() > 40 {
                    return wrong(fields.referenced, said("a name has 1 to 40 characters".to_owned()));
                }
                match platform_set(&fields.value) {
                    Ok(set) => check_pins(fields.referenced, name, &set, agent, graph)?,
                    Err(message) => return wrong(fields.referenced, said(message)),
                }
                if let Some(item) = [agent, graph].into_iter().find(|item| item.versions == 0) {
                    let message = said(format!("{:?} has no versions", item.name.value));
                    return wrong(fields.referenced, message);
                }
            }
            let blocks = [
                (&service.voice_config, voice_config as Block),
                (&service.escalation_policy, escalation_policy),
            ];
            for (value, read) in blocks {
                let Some(value) = value else { continue };
                read(&value.value).map_err(|message| at(value.referenced, message))?;
            }
        }
        Ok(())
    }

    /// Converts all ids to the same spelling, in lower case with hyphens. Errors if an id is not a UUID, or is used
    /// twice.
    fn read_ids(&mut self) -> Result<(), FileError> {
        let items =
            self.agents.iter_mut().chain(&mut self.context_graphs).filter_map(|item| item.id.as_mut());
        for id in items.chain(self.services.iter_mut().filter_map(|service| service.id.as_mut())) {
            match uuid::parse(&id.value) {
                Ok(read) => id.value = read,
                Err(reason) => {
                    return wrong(id.referenced, format!("id {:?} is not a UUID: {reason}", id.value));
                }
            }
        }
        let ids = self.agents.iter().chain(&self.context_graphs).filter_map(|item| item.id.as_ref());
        check_unique(ids.chain(self.services.iter().filter_map(|service| service.id.as_ref())), "id")
    }
}

fn at(place: Location, message: String) -> FileError {
    FileError { line: place.line(), column: place.column(), message }
}

impl SeedPlatformService {
    fn mirror(service: &SeedService) -> Self {
        Self {
            name: service.name.clone(),
            id: None,
            description: service.description.clone().unwrap_or_else(|| service.name.value.clone()),
            agent: service.agent.clone(),
            context_graph: service.context_graph.clone(),
            active: service.active,
            tags: service.tags.clone(),
            keyterms: service.keyterms.clone(),
            version_sets: service.version_sets.clone(),
            channel_type: None,
            environment: None,
            tool_capacity: None,
            safety_filters_enabled: true,
            voice_config: None,
            escalation_policy: None,
            is_system: false,
        }
    }

    /// Returns the tags as a list, which is the form in which the state stores them.
    pub(crate) fn tag_list(&self) -> Vec<ServiceTag> {
        let tag =
            |(key, value): (&String, &Option<String>)| ServiceTag { key: key.clone(), value: value.clone() };
        self.tags.iter().map(tag).collect()
    }
}

/// Reads a version set of a workspace. Omits fields that exist only on the Classic API.
pub(crate) fn platform_set(fields: &Map<String, Value>) -> Result<VersionSet, String> {
    let set = version_set(fields)?;
    let preferences = Value::Object(set.llm_model_preferences);
    let read = normalized(|problems, at| PREFERENCES.read(problems, at, &preferences));
    let Value::Object(llm_model_preferences) = read? else { return Err("no preferences".to_owned()) };
    Ok(VersionSet { llm_model_preferences, extra: Map::new(), ..set })
}

type Block = fn(&Value) -> Result<Map<String, Value>, String>;

pub(crate) fn voice_config(value: &Value) -> Result<Map<String, Value>, String> {
    normalized(|problems, at| VOICE_CONFIG.read(problems, at, value))
}

pub(crate) fn escalation_policy(value: &Value) -> Result<Map<String, Value>, String> {
    normalized(|problems, at| ESCALATION_POLICY.read(problems, at, value))
}

fn normalized<T>(read: impl FnOnce(&mut RequestProblems, &At) -> Option<T>) -> Result<T, String> {
    let mut problems = RequestProblems::default();
    read(&mut problems, &At::nowhere()).ok_or_else(|| problems.first())
}
