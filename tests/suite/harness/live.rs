//! The emulator's live state, and the requests that change it. Tests use the same types and functions for both APIs.

use amigops::model::Api;
use amigops_emulator::{PlatformService, RequestInfo, Service, ServiceTag, World};
use serde_json::{Map, Value};

use super::{Lab, ORGANIZATION, WORKSPACE};

/// Returns true if a request creates a service.
pub(crate) fn is_create(request: &RequestInfo) -> bool {
    request.method == "POST" && (request.path.ends_with("/service/") || request.path.ends_with("/services"))
}

/// Returns true if a request updates a service's fields.
pub(crate) fn is_update(request: &RequestInfo) -> bool {
    let parts: Vec<&str> = request.path.trim_end_matches('/').split('/').collect();
    let [_, _, _, kind, _] = parts[..] else { return false };
    (request.method == "POST" && kind == "service") || (request.method == "PUT" && kind == "services")
}

/// Returns true if a request activates the new service of a replacement.
pub(crate) fn is_activation(request: &RequestInfo) -> bool {
    is_update(request) && request.body.contains("\"is_active\":true")
}

/// Returns true if a request renames the old service of a replacement.
pub(crate) fn is_rename(request: &RequestInfo) -> bool {
    is_update(request) && request.body.contains("(replaced ")
}

/// Functions that classify a request by its path and query.
pub(crate) trait RequestPath {
    /// Returns true if the request is for a page of the list of all services.
    fn is_list_of_services(&self) -> bool;
}

impl RequestPath for str {
    fn is_list_of_services(&self) -> bool {
        let (path, query) = self.split_once('?').unwrap_or((self, ""));
        let is_list = path.ends_with("/service/") || path.ends_with("/services");
        is_list && !query.split('&').any(|parameter| parameter.starts_with("id="))
    }
}

/// Returns all services of the organization or workspace, in the order of creation. Settings that only Platform has
/// are left out.
pub(crate) fn services_of(api: Api, world: &World) -> Vec<Service> {
    match api {
        Api::Classic => world.organization(ORGANIZATION).unwrap().services().iter().cloned().collect(),
        Api::Platform => world.workspace(WORKSPACE).unwrap().services().iter().map(common).collect(),
    }
}

/// Converts a Platform service to a Classic service. Only the fields that both have are kept.
fn common(service: &PlatformService) -> Service {
    let PlatformService {
        id,
        sequence,
        name,
        description,
        is_active,
        agent_id,
        context_graph_id,
        tags,
        keyterms,
        version_sets,
        ..
    } = service.clone();
    let mut common = Service::new(&name, &agent_id, &context_graph_id);
    common.id = id;
    common.sequence = sequence;
    common.description = description;
    common.is_active = is_active;
    common.tags = tags.into_iter().map(|ServiceTag { key, value }| (key, value)).collect();
    common.keyterms = keyterms;
    common.version_sets = version_sets;
    common
}

/// Sets the fields of a Platform service that Classic services have as well.
fn copy_common_fields(service: &mut PlatformService, common: Service) {
    service.name = common.name;
    service.description = common.description;
    service.is_active = common.is_active;
    service.agent_id = common.agent_id;
    service.context_graph_id = common.context_graph_id;
    service.tags = common.tags.into_iter().map(|(key, value)| ServiceTag { key, value }).collect();
    service.keyterms = common.keyterms;
    service.version_sets = common.version_sets;
}

impl Lab {
    /// Returns all services, in the order of creation.
    pub(crate) fn services(&self) -> Vec<Service> {
        services_of(self.api, &self.server.world())
    }

    /// Returns the service with this id.
    #[track_caller]
    pub(crate) fn service(&self, id: &str) -> Service {
        self.services().into_iter().find(|service| service.id == id).unwrap_or_else(|| panic!("no {id}"))
    }

    /// Returns the active service with this name. Panics if there is none, or more than one.
    #[track_caller]
    pub(crate) fn active(&self, name: &str) -> Service {
        let services = self.services();
        let mut named = services.into_iter().filter(|service| service.is_active && service.name == name);
        let one = named.next().unwrap_or_else(|| panic!("no active service is named {name}"));
        assert!(named.next().is_none(), "two active services are named {name}");
        one
    }

    /// Returns those settings of a service that only Platform has. The result is empty on Classic.
    pub(crate) fn settings(&self, id: &str) -> Map<String, Value> {
        let world = self.server.world();
        let Some(service) = world.workspace(WORKSPACE).and_then(|home| home.services().get(id)) else {
            return Map::new();
        };
        let Value::Object(mut fields) = serde_json::to_value(service).unwrap() else { unreachable!() };
        let names = amigops::model::settings::SERVICE.iter().map(|field| field.name);
        names.filter_map(|name| fields.remove_entry(name)).collect()
    }

    /// Sends a GET request to the Platform API and returns the body of the answer. `path` begins after the workspace.
    pub(crate) fn get(&self, path: &str) -> Value {
        let url = format!("{}/v1/{WORKSPACE}{path}", self.server.url());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        runtime.block_on(async {
            let client = reqwest::Client::builder().build().unwrap();
            let response = client.get(url).bearer_auth("s3cret-key").send().await.unwrap();
            assert_eq!(response.status(), 200);
            response.json().await.unwrap()
        })
    }

    /// Returns the id of the agent with this name.
    pub(crate) fn agent_id(&self, name: &str) -> String {
        let world = self.server.world();
        let agent = match self.api {
            Api::Classic => world.organization(ORGANIZATION).unwrap().agent(name),
            Api::Platform => world.workspace(WORKSPACE).unwrap().agent(name),
        };
        agent.unwrap_or_else(|| panic!("no agent {name}")).id.clone()
    }

    /// Changes a service directly in the emulator's state, as an operator would in the vendor's console.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Service)) {
        let mut service = self.service(id);
        change(&mut service);
        self.server
            .edit(|world| match self.api {
                Api::Classic => {
                    let home = world.organization_mut(ORGANIZATION).unwrap();
                    *home.services_mut().get_mut(id).unwrap() = service;
                }
                Api::Platform => {
                    let home = world.workspace_mut(WORKSPACE).unwrap();
                    copy_common_fields(home.services_mut().get_mut(id).unwrap(), service);
                }
            })
            .unwrap();
    }

    /// Adds a service directly to the emulator's state. Returns its id.
    pub(crate) fn add(&self, service: Service) -> String {
        let mut id = None;
        self.server
            .edit(|world| {
                id = match self.api {
                    Api::Classic => world.add_service(ORGANIZATION, service),
                    Api::Platform => {
                        let mut row = PlatformService::new("", "", "");
                        copy_common_fields(&mut row, service);
                        world.add_platform_service(WORKSPACE, row)
                    }
                };
            })
            .unwrap();
        id.unwrap()
    }

    /// Returns the live state as sorted lines, without ids and authors, so that two states can be compared.
    pub(crate) fn comparable_state(&self) -> Vec<String> {
        let world = self.server.world();
        let mut lines: Vec<String> = self
            .services()
            .iter()
            .map(|service| {
                let replaces = service.tags.contains_key("replaces");
                let tags: Vec<_> = service.tags.iter().filter(|(key, _)| *key != "replaces").collect();
                let name = service.name.split(" (replaced").next().unwrap();
                let sets = world.organization(ORGANIZATION).filter(|_| self.api == Api::Classic);
                let behaviors = sets.map_or(0, |home| {
                    home.behavior_sets()
                        .iter()
                        .filter(|set| set.applied_to_services.contains(&service.id))
                        .count()
                });
                format!(
                    "{name} active={} agent={} graph={} {:?} tags={tags:?} replaces={replaces} keyterms={:?} behaviors={behaviors} sets={:?} settings={:?}",
                    service.is_active,
                    service.agent_id,
                    service.context_graph_id,
                    service.description,
                    service.keyterms,
                    service.version_sets,
                    self.settings(&service.id)
                )
            })
            .collect();
        lines.sort();
        lines
    }
}
